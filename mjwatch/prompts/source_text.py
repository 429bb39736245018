"""The text of a prompt file: its bytes decoded, its kind by its name, its lines without comments.

How many jobs one file may make, and where in it an error was found.
"""

from __future__ import annotations

import codecs
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mjwatch.errors import PromptFileError

if TYPE_CHECKING:
    from collections.abc import Iterator


MAX_BYTES = 64 * 1024
"""A longer file is not read: a prompt has 6000 characters at most."""


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


def kind_of(name: str) -> str:
    """``.txt``, ``.list.txt``, ``.toml``, ``.json`` or "": the suffix in lower case, no ready marker."""
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
    """The lines that hold prompts, with their numbers; ``# cats`` is a comment, ``#cats`` is not."""
    lines = enumerate((line.strip() for line in text.split("\n")), start=1)
    return [
        (number, line)
        for number, line in lines
        if line and line != "#" and not line.startswith(("# ", "#\t"))
    ]


def one_prompt(text: str, name: str) -> str:
    """The whole text as one prompt. Raises PromptFileError where it looks like a list of prompts."""
    lines = [line for _, line in prompt_lines(text)]
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


_EXACT = 1000
"""Up to here the number of too many jobs is told exactly, beyond it as the least that it can be."""


class JobCount:
    """Counts the jobs of one file, follow-ups among them, against the most that are taken."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._made = 0

    def foresee(self, jobs: int) -> None:
        """So many jobs more will come, or more than that. Raises PromptFileError if they are far too many."""
        if self._made + jobs > max(self._most, _EXACT):
            raise self._too_many(f"at least {_written(self._made + jobs)}")

    def add(self, jobs: int) -> None:
        """So many jobs more. Raises PromptFileError if they are far too many."""
        self.foresee(jobs)
        self._made += jobs

    def check(self) -> None:
        """Raise PromptFileError if they are too many, now that all are counted."""
        if self._made > self._most:
            raise self._too_many(f"{self._made:,}")

    def _too_many(self, number: str) -> PromptFileError:
        return PromptFileError(
            f"the file makes {number} jobs, but at most {self._most} are taken from one file",
            "split it, or raise [pace] max_jobs_per_file; follow-ups count too",
        )


@contextmanager
def placed(where: str) -> Iterator[None]:
    """Name this place of the file in a PromptFileError that comes out of here."""
    try:
        yield
    except PromptFileError as error:
        raise PromptFileError(f"{where}: {error.message}" if where else error.message, error.hint) from error


def _written(count: int) -> str:
    return f"{count:,}" if count < 10**9 else f"10^{len(str(count)) - 1}"
