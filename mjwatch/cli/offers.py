"""What a shell offers while a line is typed: commands, ids of jobs, follow-ups, parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mjwatch.cli.lines import MARK, OWN, VERBS
from mjwatch.cli.output import plain, wanted
from mjwatch.prompts.actions import ON_GRID, ON_PICTURE
from mjwatch.prompts.parameters import COMMON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mjwatch.model import Job

NOTE_WIDTH = 50

TAKE_JOBS = ("act", "show", "cancel", "retry")
ASKED = ("blend", "describe", "shorten", "show", "settings", "fast", "relax", "turbo", "public", "stealth")


class Offer(NamedTuple):
    """A text that could stand in the place of the last ``length`` characters, and what it is."""

    text: str
    length: int
    note: str


def offers(line: str, jobs: Callable[[], Iterable[Job]]) -> Iterator[Offer]:
    """What could go on from here, the end of ``line``. ``jobs`` are asked for only where they are wanted."""
    if line.startswith(MARK):
        yield from _in_command(line.removeprefix(MARK), jobs)
        return
    word = _last_word(line)
    if word.startswith("--"):
        yield from _fitting(word, {f"--{name}": what for name, what in COMMON.items()})


def _in_command(text: str, jobs: Callable[[], Iterable[Job]]) -> Iterator[Offer]:
    words = text.split()
    if len(words) < 2 and not text.endswith(" "):
        yield from _fitting(text, {name: " ".join(what.split()) for name, what in (VERBS | OWN).items()})
        return
    name, word = words[0], _last_word(text)
    if name == "act" and (len(words) > 2 or (len(words) == 2 and not word)):
        yield from _fitting(word, {_quoted(action): "" for action in ("all", *ON_GRID, *ON_PICTURE)})
    elif name in TAKE_JOBS:
        yield from _fitting(word, {job.id: _what(job) for job in jobs()})
    elif name == "ask":
        yield from _fitting(word, dict.fromkeys(ASKED, ""))


def _fitting(word: str, known: dict[str, str]) -> Iterator[Offer]:
    bare = word.strip('"').lower()
    for text, note in known.items():
        if text.strip('"').lower().startswith(bare):
            yield Offer(text, len(word), note)


def _last_word(text: str) -> str:
    """The word that is being typed; a quotation that is still open is one."""
    if text.count('"') % 2:
        return text[text.rindex('"') :]
    return "" if text.endswith(" ") else text.rpartition(" ")[2]


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name


def _what(job: Job) -> str:
    words = wanted(job.prompt.action, job.prompt.command, job.prompt.text)
    return plain(f"{job.state}: {words}", NOTE_WIDTH)
