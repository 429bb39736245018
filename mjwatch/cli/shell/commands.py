"""What a line that is typed into the shell does: a prompt is queued, a command is done.

What a shell offers while a line is typed: commands, ids of jobs, follow-ups, parameters.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

import typer

from mjwatch.cli.app import run
from mjwatch.cli.output import INTERRUPTED, plain, room, wanted, wrapped
from mjwatch.client.submit import give, typed
from mjwatch.errors import MjwatchError, PromptFileError
from mjwatch.prompts.actions import ON_GRID, ON_PICTURE
from mjwatch.prompts.commands import ask_commands
from mjwatch.prompts.parameters import COMMON
from mjwatch.settings.values import did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from mjwatch.cli.shell.view import FollowedJobs
    from mjwatch.client.in_process import BackgroundService
    from mjwatch.config import Config
    from mjwatch.model import Job


MARK = ":"
"""What a command begins with."""

VERBS = {
    "act": 'JOB ACTION…  follow-ups: :act 7k3f9a2m U1 "vary strong"',
    "ask": "COMMAND …    describe, shorten, blend and the like",
    "info": "             the account's plan, its hours and its queue",
    "status": "             what goes on, what was spent, why it is paused",
    "list": "             the newest jobs; :list --state failed",
    "show": "JOB          all that is known of one job",
    "cancel": "JOB…         take back what is not sent, stop what can be stopped",
    "retry": "JOB…         run again what failed or is in doubt",
    "pause": "[REASON]     send nothing more",
    "resume": "             go on",
    "gallery": "             the gallery's address; --open shows it",
}
"""Verbs of the command line that the shell has too, each with what it takes and does."""

OWN = {
    "help": "             this",
    "quit": "             leave; so does Ctrl-D. What is queued is kept",
}


class LineCommands:
    """Does one line after another. ``config_file`` is the one that the command line named."""

    def __init__(
        self, config: Config, config_file: Path | None, background: BackgroundService, followed: FollowedJobs
    ) -> None:
        self._config = config
        self._before = [] if config_file is None else ["--config", str(config_file)]
        self._background = background
        self._followed = followed
        self.failed = False
        """Whether anything could not be done."""

    def do(self, line: str) -> bool:
        """Do it, and tell what is wrong with it; False where it wants to leave."""
        words = line.strip()
        try:
            if words.startswith(MARK):
                return self._command(words.removeprefix(MARK))
            if words and not words.startswith("# "):  # a comment, as in a prompt file
                self._prompt(words)
        except MjwatchError as error:
            self._tell(error)
        return True

    def _tell(self, error: MjwatchError) -> None:
        self.failed = True
        told = plain(" - ".join(half for half in (error.message, error.hint) if half))
        for line in wrapped(told, room()):
            typer.echo(line, err=True)

    def _prompt(self, words: str) -> None:
        from mjwatch.cli.submit import names_a_file

        if names_a_file(words):
            raise PromptFileError(
                f"{words} is a file, and is not sent as a prompt",
                f"in another terminal: `mjwatch submit {words}`",
            )
        wish, notes = typed(self._config, words)
        for note in notes:
            typer.echo(f"note: {plain(note)}", err=True)
        self._background.ensure()
        outcomes = give(self._config, wish)
        self._followed.add(wish.prompts)
        for outcome in outcomes:
            self.failed = self.failed or not outcome.done
            prompt = wish.prompts.get(outcome.job or "")
            told = f"{outcome.job}  {outcome.message}  {prompt.text if prompt else ''}"
            typer.echo(plain(told, room() if outcome.done else None))

    def _command(self, text: str) -> bool:
        try:
            name, *words = shlex.split(text) or [""]
        except ValueError:
            raise MjwatchError("a quotation mark is missing", "quote words that belong together") from None
        if name in {"quit", "exit", "q"}:
            return False
        if name in VERBS:
            self._background.ensure()
            self._verb(name, words)
        elif name == "help" or not name:
            typer.echo(help_text())
        else:
            known = [*VERBS, *OWN]
            raise MjwatchError(
                f"there is no command :{shown(name)[1:-1]}{did_you_mean(name, known)}", ":help shows them"
            )
        return True

    def _verb(self, name: str, words: list[str]) -> None:
        """Run it as the command line would."""
        if name == "pause" and words and not words[0].startswith("-"):
            words = [" ".join(words)]  # a reason, which nobody quotes
        try:
            code = run([*self._before, name, *words])
        except KeyboardInterrupt:
            code = INTERRUPTED
        if code == INTERRUPTED:  # as typer, too, has it
            typer.echo("no longer waiting for it; it goes on", err=True)
        else:
            self.failed = self.failed or (code != 0 and name != "status")
        if name in {"act", "retry"}:
            self._followed.add_named(words)


def help_text() -> str:
    """What can be typed."""
    rows = [f"  {MARK}{name:<8} {what}" for name, what in (VERBS | OWN).items()]
    return "\n".join(["A line is a prompt, and is queued at once. A line with a colon is a command:", *rows])


NOTE_WIDTH = 50

TAKE_JOBS = ("act", "show", "cancel", "retry")


class Completion(NamedTuple):
    """A text that could stand in the place of the last ``length`` characters, and what it is."""

    text: str
    length: int
    note: str


def offers(line: str, jobs: Callable[[], Iterable[Job]]) -> Iterator[Completion]:
    """What could go on from here, the end of ``line``. ``jobs`` are asked for only where they are wanted."""
    if line.startswith(MARK):
        yield from _in_command(line.removeprefix(MARK), jobs)
        return
    word = _last_word(line)
    if word.startswith("--"):
        yield from _fitting(word, {f"--{name}": what for name, what in COMMON.items()})


def _in_command(text: str, jobs: Callable[[], Iterable[Job]]) -> Iterator[Completion]:
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
        yield from _fitting(word, {_quoted(command): "" for command in ask_commands()})


def _fitting(word: str, known: dict[str, str]) -> Iterator[Completion]:
    bare = word.strip('"').lower()
    for text, note in known.items():
        if text.strip('"').lower().startswith(bare):
            yield Completion(text, len(word), note)


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
