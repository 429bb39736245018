"""The text of a prompt file: its bytes decoded or hashed, its lines without comments."""

from __future__ import annotations

import codecs
import hashlib
import re
import unicodedata
from itertools import islice

from mjwatch.errors import PromptFileError
from mjwatch.settings.values import shown

MAX_BYTES = 64 * 1024
"""A longer file is not read: a prompt has at most 6000 characters."""


INVISIBLE = "".join(
    map(
        chr,
        (
            *(0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180E, *range(0x200B, 0x2010)),
            *(*range(0x202A, 0x202F), *range(0x2060, 0x2070), 0x2800, 0x3164, 0xFEFF, 0xFFA0),
        ),
    )
)
"""Characters that show nothing. Blanks are not among them."""


def sha256(data: bytes) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def decode(data: bytes) -> str:
    """Return the text of a prompt file with plain line breaks: UTF-8 with or without BOM, UTF-16 with BOM.

    Raises PromptFileError with the offset of the first byte that can't be read.
    """
    if len(data) > MAX_BYTES:
        raise PromptFileError(
            f"the file has {len(data)} bytes, but a prompt file may have at most {MAX_BYTES}", "split it"
        )
    if b"\0" in data[:1000] and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise PromptFileError(
            "the file is not text, or UTF-16 without a byte order mark",
            "save the file as plain text in UTF-8",
        )
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PromptFileError(
            f"line {line}: byte {error.start} is not {encoding.upper()} text", "save the file as UTF-8"
        ) from error
    # A BOM can also be in the middle of a file, where two files were joined.
    return text.replace("\ufeff", "").replace("\r\n", "\n").replace("\r", "\n")


_EAST_ASIAN = ("gb2312", "big5", "euc_kr", "euc_jp")
_TWO_BYTE_RUN = re.compile("[\x80-\u07ff]{2,200}")
"""Characters of two bytes in UTF-8, as are the characters of the East Asian encodings."""

_MOST_RUNS = 1000
_QUESTION_MARKS = re.compile(r"\?{2,}(?:[\s,.]+\?+)+")


def check_encoding(text: str) -> None:
    """Raise PromptFileError if the text is valid, but only by chance: it was saved in another encoding.

    Detectors take every valid UTF-8 for UTF-8, also the six bytes of three Chinese characters in GBK. But no
    language mixes several scripts within a word.
    """
    if "\ufffd" in text or _QUESTION_MARKS.fullmatch(text):
        raise not_meant(
            "characters of the text were lost when it was saved", "write it again, and save it as UTF-8"
        )
    if text.isascii():
        return
    for run in islice(_TWO_BYTE_RUN.finditer(text), _MOST_RUNS):
        if len(_scripts(run[0])) < 2:
            continue
        for encoding in _EAST_ASIAN:
            reading = _decoded(run[0].encode(), encoding)
            if reading and all(_is_east_asian(character) for character in reading):
                raise _wrong_encoding(run[0], encoding.upper(), reading)
    if (meant := _read_twice(text)) is not None:
        raise _wrong_encoding(text.strip(), "UTF-8 after it was read as Windows-1252", meant.strip())


def _wrong_encoding(text: str, encoding: str, meant: str) -> PromptFileError:
    return not_meant(
        f"the text reads {shown(text[:40])}, but it is probably {shown(meant[:40])}, saved as {encoding}",
        "save the file as UTF-8",
    )


def _scripts(text: str) -> set[str]:
    return {
        unicodedata.name(letter, "").partition(" ")[0]
        for letter in text
        if letter.isalpha() or unicodedata.combining(letter)
    }


def _is_east_asian(character: str) -> bool:
    return unicodedata.name(character, "").startswith(("CJK UNIFIED", "HIRAGANA", "KATAKANA", "HANGUL"))


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _read_twice(text: str) -> str | None:
    """Return what a text was whose UTF-8 was read as Windows-1252 (``cafÃ©``) and saved as UTF-8 again."""
    try:
        return text.encode("cp1252").decode()
    except UnicodeError:
        return None


def word_set(words: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(words.split())


_LINE_BREAK = re.compile("[\n\v\f\u2028\u2029]")


def prompt_lines(text: str) -> list[tuple[int, str]]:
    """Return the lines that hold prompts, with their numbers; ``# cats`` is a comment, ``#cats`` is not."""
    lines = enumerate((line.strip() for line in _LINE_BREAK.split(text)), start=1)
    return [
        (number, line)
        for number, line in lines
        if line and line != "#" and not line.startswith(("# ", "#\t"))
    ]


FORCE = "to send it as it is, use --force, or force = true in a .toml file"


def not_meant(message: str, hint: str) -> PromptFileError:
    """Return the error for a text that may be something else than one prompt; ``force`` overrides it."""
    return PromptFileError(message, f"{hint}; {FORCE}")


def located(error: PromptFileError, where: str) -> PromptFileError:
    """Return the error with the position in the file, such as ``line 3``, in front of its message."""
    found = PromptFileError(f"{where}: {error.message}" if where else error.message, error.hint)
    found.command = error.command
    return found
