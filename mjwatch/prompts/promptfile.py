"""Reading prompt files: the bytes of a ``.txt``, ``.list.txt`` or ``.toml`` to the prompts that they hold."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mjwatch.errors import PromptFileError
from mjwatch.model import Surroundings
from mjwatch.prompts import tomlfile
from mjwatch.prompts.compose import compose
from mjwatch.prompts.tomlfile import Wish

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mjwatch.model import Prompt

MAX_BYTES = 64 * 1024
"""A longer file is not read: a prompt has 6000 characters at most."""

NOTHING_AROUND = Surroundings()


@dataclass(frozen=True, slots=True)
class PromptFile:
    """What a file holds: its prompts in order, and what a person may want to look at again."""

    prompts: tuple[Prompt, ...]
    warnings: tuple[str, ...] = ()


def read_prompt_file(
    data: bytes, name: str, *, max_jobs: int = 100, around: Surroundings = NOTHING_AROUND
) -> PromptFile:
    """Read the bytes of a prompt file; its ``name`` says the format.

    Raises PromptFileError, and nothing else, with the line where there is one, and with what to do.
    """
    kind, text = _kind(name), decode(data)
    if kind == ".toml":
        wishes = tomlfile.read_wishes(tomlfile.parse(text), max_jobs)
    elif kind == ".list.txt":
        lines = _prompt_lines(text)
        tomlfile.check_count(len(lines), max_jobs)
        wishes = [_wish(f"line {number}", line) for number, line in lines]
    elif kind == ".txt":
        wishes = [_wish("", _one_prompt(text, name))]
    else:
        raise PromptFileError(f"{name} is no prompt file", "prompt files end in .txt, .list.txt or .toml")
    if not wishes:
        raise PromptFileError(
            "the file holds no prompt", "write what Midjourney shall draw, one prompt a line"
        )
    return _compose_all(wishes)


def looks_incomplete(data: bytes, name: str) -> bool:
    """Whether this may be a file that is still being written.

    So it looks if it is empty, does not end with a line break, is cut within a character, or is TOML that
    does not parse. It may be complete all the same: whoever asks waits longer, then takes it as it is.
    """
    try:
        text = decode(data)
        if not text.strip() or not text.endswith("\n"):
            return True
        if _kind(name) == ".toml":
            tomlfile.parse(text)
    except PromptFileError:
        return True
    return False


def decode(data: bytes) -> str:
    """The text of a prompt file, with plain line breaks: UTF-8 with or without BOM, UTF-16 with BOM.

    Raises PromptFileError with the offset of the first byte that can't be read.
    """
    if len(data) > MAX_BYTES:
        raise PromptFileError(
            f"the file has {len(data)} bytes, but prompt files have {MAX_BYTES} at most", "split it"
        )
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PromptFileError(
            f"line {line}: byte {error.start} is not {encoding.upper()} text", "save the file as UTF-8"
        ) from error
    # A BOM also turns up within a file, where two files were put together.
    return text.replace("\ufeff", "").replace("\r\n", "\n").replace("\r", "\n")


def _kind(name: str) -> str:
    """``.txt``, ``.list.txt``, ``.toml`` or "": the suffix in lower case, without the ready marker."""
    stem, *marks = name.lower().rsplit("/", 1)[-1].split(".")
    if not stem or not marks:
        return ""
    suffix = marks.pop()
    if marks[-1:] == ["ready"]:
        marks.pop()
    if suffix == "txt" and "list" in (marks[-1:] or [""]):
        return ".list.txt"
    return f".{suffix}" if suffix in ("txt", "toml") else ""


def _prompt_lines(text: str) -> list[tuple[int, str]]:
    """The lines that hold prompts, with their numbers; ``# cats`` is a comment, ``#cats`` is not."""
    lines = enumerate((line.strip() for line in text.split("\n")), start=1)
    return [
        (number, line)
        for number, line in lines
        if line and line != "#" and not line.startswith(("# ", "#\t"))
    ]


def _one_prompt(text: str, name: str) -> str:
    """The whole text as one prompt. Raises PromptFileError where it looks like a list of prompts."""
    lines = [line for _, line in _prompt_lines(text)]
    # A line of parameters alone belongs to the prompt above it.
    with_parameters = [line for line in lines if " --" in line and not line.startswith("--")]
    if len(with_parameters) > 1:
        raise PromptFileError(
            f"{len(with_parameters)} lines have parameters, so this looks like a list of prompts",
            f"name it {_list_name(name)}, or put the parameters of one prompt into one line",
        )
    return " ".join(lines)


def _list_name(name: str) -> str:
    stem = name.rsplit("/", 1)[-1][: -len(".txt")]
    return stem.removesuffix(".ready") + ".list.txt"


def _wish(where: str, text: str) -> Wish:
    return Wish(where=where, text=text, images=(), parameters={}, defaults={}, label=None)


def _compose_all(wishes: Iterable[Wish]) -> PromptFile:
    prompts: list[Prompt] = []
    warnings: list[str] = []
    for wish in wishes:
        prefix = f"{wish.where}: " if wish.where else ""
        try:
            prompt, slips = compose(
                wish.text,
                images=wish.images,
                parameters=wish.parameters,
                defaults=wish.defaults,
                label=wish.label,
            )
        except PromptFileError as error:
            raise PromptFileError(prefix + error.message, error.mend) from error
        prompts.append(prompt)
        warnings += [prefix + slip for slip in slips]
    return PromptFile(tuple(prompts), tuple(warnings))
