"""The text of a prompt file: its bytes decoded or hashed, its kind by name, its lines without comments."""

from __future__ import annotations

import codecs
import hashlib

from mjwatch.errors import PromptFileError

MAX_BYTES = 64 * 1024
"""A longer file is not read: a prompt has at most 6000 characters."""


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


def kind_of(name: str) -> str:
    """Return ``.txt``, ``.list.txt``, ``.toml``, ``.json`` or "", by the file name without a ready marker."""
    stem, *marks = name.lower().rsplit("/", 1)[-1].split(".")
    if not stem or not marks:
        return ""
    suffix = marks.pop()
    if marks[-1:] == ["ready"]:
        marks.pop()
    if suffix == "txt" and "list" in (marks[-1:] or [""]):
        return ".list.txt"
    return f".{suffix}" if suffix in ("txt", "toml", "json") else ""


def prompt_lines(text: str) -> list[tuple[int, str]]:
    """Return the lines that hold prompts, with their numbers; ``# cats`` is a comment, ``#cats`` is not."""
    lines = enumerate((line.strip() for line in text.split("\n")), start=1)
    return [
        (number, line)
        for number, line in lines
        if line and line != "#" and not line.startswith(("# ", "#\t"))
    ]


def one_prompt(text: str, name: str) -> str:
    """Return the whole text as one prompt. Raises PromptFileError if it looks like a list of prompts."""
    lines = [line for _, line in prompt_lines(text)]
    # A line that has only parameters belongs to the prompt above it.
    with_parameters = [line for line in lines if " --" in line and not line.startswith("--")]
    if len(with_parameters) > 1:
        raise PromptFileError(
            f"{len(with_parameters)} lines have parameters, so this looks like a list of prompts",
            f"name the file {_list_name(name)}, or put the parameters of one prompt on one line",
        )
    return " ".join(lines)


def _list_name(name: str) -> str:
    stem = name.rsplit("/", 1)[-1][: -len(".txt")]
    return stem.removesuffix(".ready") + ".list.txt"


def located(error: PromptFileError, where: str) -> PromptFileError:
    """Return the error with the position in the file, such as ``line 3``, in front of its message."""
    found = PromptFileError(f"{where}: {error.message}" if where else error.message, error.hint)
    found.command = error.command
    return found
