"""Carry out a line typed into the shell, and complete one: a prompt is queued, ``:command`` is run."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

import typer

from mjwatch.cli.app import run
from mjwatch.cli.output import INTERRUPTED, advice, plain, terminal_width, wrap
from mjwatch.cli.progress import summary_of
from mjwatch.client.submit import submit, typed_line
from mjwatch.errors import MjwatchError
from mjwatch.prompts.actions import ON_GRID, ON_PICTURE
from mjwatch.prompts.commands import ask_commands
from mjwatch.prompts.parameters import COMMON
from mjwatch.prompts.source_text import FORCE
from mjwatch.settings.values import did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from mjwatch.cli.shell.view import FollowedJobs
    from mjwatch.client.background import BackgroundService
    from mjwatch.config import Config
    from mjwatch.model import Job

PREFIX = ":"
"""A line that begins with this is a command."""

CLI_COMMANDS = {
    "act": 'JOB ACTION…  follow-ups: :act 7k3f9a2m U1 "vary strong"',
    "ask": "COMMAND …    describe, shorten, blend and the like",
    "info": "             the account's plan, its hours and its queue",
    "status": "             jobs at work, spending, and why sending is paused",
    "list": "             the newest jobs; :list --state failed",
    "show": "JOB          everything about one job",
    "cancel": "JOB…         cancel what is not sent, stop what can be stopped",
    "retry": "JOB…         run again what failed or is in doubt",
    "assign": "JOB MESSAGE  give a held result to a job; :status names them",
    "dismiss": "MESSAGE      say that a held result is no job's",
    "pause": "[REASON]     stop sending",
    "resume": "             resume sending",
    "gallery": "             the gallery's address; --open shows it",
}
"""Commands of the command line that the shell has too, each with its arguments and what it does."""

SHELL_COMMANDS = {
    "force": "PROMPT       queue the prompt as it is, even if it does not look like one",
    "help": "             show this list",
    "quit": "             leave, as Ctrl-D does; queued jobs are kept",
}

TAKE_JOBS = ("act", "show", "cancel", "retry", "assign")

NOTE_WIDTH = 50


def help_text() -> str:
    """Return what can be typed."""
    rows = [f"  {PREFIX}{name:<8} {text}" for name, text in (CLI_COMMANDS | SHELL_COMMANDS).items()]
    return "\n".join(["A line is a prompt, and is queued at once. A line with a colon is a command:", *rows])


class LineCommands:
    """Carry out one line after another. ``config_file`` is the file that the command line named, if any."""

    def __init__(
        self, config: Config, config_file: Path | None, background: BackgroundService, followed: FollowedJobs
    ) -> None:
        self._config = config
        self._options = [] if config_file is None else ["--config", str(config_file)]
        self._background = background
        self._followed = followed
        self.failed = False
        """Whether any line has failed."""

    def run(self, line: str) -> bool:
        """Carry out the line and print its errors. Return False if it leaves the shell."""
        text = line.strip()
        try:
            if text.startswith(PREFIX):
                return self._run_command(text.removeprefix(PREFIX))
            if text and not text.startswith("# "):  # a comment, as in a prompt file
                self._submit(text)
        except MjwatchError as error:
            self._echo_error(error)
        return True

    def _echo_error(self, error: MjwatchError) -> None:
        self.failed = True
        hint = error.hint.replace(FORCE, "to send it as it is, type :force before it")
        text = advice(" - ".join(part for part in (error.message, hint) if part))
        for line in wrap(text, terminal_width()):
            typer.echo(line, err=True)

    def _submit(self, text: str, *, force: bool = False) -> None:
        from mjwatch.cli.submit import echo_notes

        submission = typed_line(self._config, text, force=force)
        echo_notes(submission.notes)
        self._background.ensure_running()
        outcomes = submit(self._config, submission)
        self._followed.add(submission.prompts)
        for outcome in outcomes:
            self.failed = self.failed or not outcome.done
            prompt = submission.prompts.get(outcome.job or "")
            result = f"{outcome.job}  {outcome.message}  {prompt.text if prompt else ''}"
            typer.echo(plain(result, terminal_width() if outcome.done else None))

    def _run_command(self, text: str) -> bool:
        if text.startswith("force "):
            self._submit(text.removeprefix("force ").strip(), force=True)
            return True
        try:
            name, *arguments = shlex.split(text) or [""]
        except ValueError:
            raise MjwatchError("a quotation mark is missing", "quote words that belong together") from None
        if name in {"quit", "exit", "q"}:
            return False
        if name in CLI_COMMANDS:
            self._background.ensure_running()
            self._run_cli_command(name, arguments)
        elif name == "help" or not name:
            typer.echo(help_text())
        else:
            known = [*CLI_COMMANDS, *SHELL_COMMANDS]
            raise MjwatchError(
                f"there is no command :{shown(name)[1:-1]}{did_you_mean(name, known)}", ":help lists them"
            )
        return True

    def _run_cli_command(self, name: str, arguments: list[str]) -> None:
        """Run the command as the command line would."""
        if name == "pause" and arguments and not arguments[0].startswith("-"):
            arguments = [" ".join(arguments)]  # a reason, which nobody quotes
        try:
            code = run([*self._options, name, *arguments])
        except KeyboardInterrupt:
            code = INTERRUPTED
        if code == INTERRUPTED:  # Typer returns the same code
            typer.echo("stopped waiting; the work continues", err=True)
        else:
            self.failed = self.failed or (code != 0 and name != "status")
        if name in {"act", "retry"}:
            self._followed.add_named(arguments)


# ---- completion


class Completion(NamedTuple):
    """A text that can replace the last ``length`` characters, and a note on it."""

    text: str
    length: int
    note: str


def completions(line: str, jobs: Callable[[], Iterable[Job]]) -> Iterator[Completion]:
    """Yield the completions of ``line`` at its end. ``jobs`` is called only where job ids are completed."""
    if line.startswith(PREFIX):
        yield from _complete_command(line.removeprefix(PREFIX), jobs)
        return
    word = _last_word(line)
    if word.startswith("--"):
        yield from _matches(word, {f"--{name}": note for name, note in COMMON.items()})


def _complete_command(text: str, jobs: Callable[[], Iterable[Job]]) -> Iterator[Completion]:
    words = text.split()
    if len(words) < 2 and not text.endswith(" "):
        commands = CLI_COMMANDS | SHELL_COMMANDS
        yield from _matches(text, {name: " ".join(note.split()) for name, note in commands.items()})
        return
    name, word = words[0], _last_word(text)
    if name == "act" and (len(words) > 2 or (len(words) == 2 and not word)):
        yield from _matches(word, {_quote(action): "" for action in ("all", *ON_GRID, *ON_PICTURE)})
    elif name in TAKE_JOBS:
        yield from _matches(word, {job.id: _note_on(job) for job in jobs()})
    elif name == "ask":
        yield from _matches(word, {_quote(command): "" for command in ask_commands()})


def _matches(word: str, known: dict[str, str]) -> Iterator[Completion]:
    start = word.strip('"').lower()
    for text, note in known.items():
        if text.strip('"').lower().startswith(start):
            yield Completion(text, len(word), note)


def _last_word(text: str) -> str:
    """Return the word that is being typed; an open quotation counts as one word."""
    if text.count('"') % 2:
        return text[text.rindex('"') :]
    return "" if text.endswith(" ") else text.rpartition(" ")[2]


def _quote(name: str) -> str:
    return f'"{name}"' if " " in name else name


def _note_on(job: Job) -> str:
    return plain(f"{job.state}: {summary_of(job)}", NOTE_WIDTH)
