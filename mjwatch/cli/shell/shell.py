"""``mjwatch shell``: prompts are typed, or piped in, one a line, and each is queued at once.

The shell in a terminal: a line editor with history and completion, bars above it, the service below.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import shutil
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import typer
from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import Completer, Completion
from prompt_toolkit.history import FileHistory, InMemoryHistory
from prompt_toolkit.patch_stdout import patch_stdout

from mjwatch.cli.app import config_of
from mjwatch.cli.output import INTERRUPTED, NEEDS_PERSON, plain
from mjwatch.cli.shell.commands import offers
from mjwatch.cli.shell.view import bars, ended, service_line
from mjwatch.errors import MjwatchError
from mjwatch.model import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document
    from prompt_toolkit.formatted_text import StyleAndTextTuples
    from prompt_toolkit.history import History

    from mjwatch.cli.shell.commands import LineCommands
    from mjwatch.cli.shell.view import FollowedJobs
    from mjwatch.client.in_process import BackgroundService
    from mjwatch.config import Config


INTERVAL = 0.2
"""Seconds between two looks into the journal while lines are piped in."""


def shell(context: typer.Context) -> None:
    """Type prompts: each line is queued at once, and its progress shows.

    What begins with a colon is a command, such as :act, :status and :help. Uses the daemon if one runs, else
    does the work itself, with what waits in the queue but not in the inbox. Ctrl-D leaves, and what is queued
    is kept. Lines that are piped in are waited for.
    """
    from mjwatch.cli.shell.commands import LineCommands
    from mjwatch.cli.shell.view import FollowedJobs, left_over
    from mjwatch.client.in_process import BackgroundService

    # What is worth telling is told here; without a handler the log would write warnings between the lines.
    logging.getLogger("mjwatch").addHandler(logging.NullHandler())
    config = config_of(context)
    followed = FollowedJobs(config)
    code = 0
    with BackgroundService(config) as background:
        lines = LineCommands(config, context.obj, background, followed)
        if sys.stdin.isatty() and sys.stdout.isatty():
            _type_in(config, background, followed, lines)
        else:
            code = _read_in(config, background, followed, lines)
    if left := left_over(followed.look().facts):
        typer.echo(left, err=True)
    if code:
        raise typer.Exit(code)


def _type_in(
    config: Config, background: BackgroundService, followed: FollowedJobs, lines: LineCommands
) -> None:

    if background.is_running and (count := followed.add_queue()):
        jobs = "1 job" if count == 1 else f"{count} jobs"
        typer.echo(f"taken up from before: {jobs}; :pause sends nothing more", err=True)
    LineEditor(config, background, followed).run(lines)


def _read_in(
    config: Config, background: BackgroundService, followed: FollowedJobs, lines: LineCommands
) -> int:
    """Do all lines of standard input, wait for what they asked for; the exit code."""
    from mjwatch.cli.output import JobProgress

    given = PipedLines(sys.stdin.fileno())
    try:
        with JobProgress() as progress:
            while not given.ended or followed.waiting:
                line = given.next()
                if line is not None and not lines.do(line):
                    return int(lines.failed)
                look = followed.look()
                for job in look.changed:
                    progress.update(job)
                    if job.state is State.DONE and job.folder is not None:
                        typer.echo(plain(config.outbox.path / job.folder))
                if look.facts["trouble"]:
                    progress.trouble(look.facts["trouble"])
                if given.ended and _is_stuck(look.facts, followed):
                    typer.echo(f"mjwatch: {look.facts['paused']} - {look.facts['mend']}", err=True)
                    return NEEDS_PERSON
                background.ensure_running()
    except KeyboardInterrupt:
        return INTERRUPTED
    if any(job.state is State.IN_DOUBT for job in followed.jobs):
        return NEEDS_PERSON
    return int(lines.failed or any(job.state is not State.DONE for job in followed.jobs))


def _is_stuck(facts: Mapping[str, Any], followed: FollowedJobs) -> bool:
    """Whether what is waited for waits for a person."""
    return facts["paused"] is not None and any(job.state is State.QUEUED for job in followed.jobs)


class PipedLines:
    """Lines as they come from a pipe, read on a thread, so that jobs can be shown between them."""

    def __init__(self, descriptor: int) -> None:
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.ended = False
        """Whether no more will come."""
        # A daemon thread, for a read can't be ended; and without a buffer, whose lock would hold up the exit.
        threading.Thread(target=self._read, args=(descriptor,), name="stdin", daemon=True).start()

    def next(self) -> str | None:
        """The next line; None if none comes for a moment, or ever."""
        try:
            line = self._lines.get(timeout=INTERVAL)
        except queue.Empty:
            return None
        self.ended = line is None
        return line

    def _read(self, descriptor: int) -> None:
        rest = b""
        with suppress(OSError):
            while data := os.read(descriptor, 65_536):
                *whole, rest = (rest + data).split(b"\n")
                for line in whole:
                    self._lines.put(line.decode("utf-8", "replace"))
        if rest:
            self._lines.put(rest.decode("utf-8", "replace"))
        self._lines.put(None)


HISTORY_FILE = "shell_history"
"""Its name in the state folder. Prompts are private: nobody else may read it."""

ICON = "✦ "

REDRAW_INTERVAL = 0.5
"""Seconds between two looks into the journal."""

ROOM_FOR_MENU = 5
LINES_KEPT_FREE = 8


class LineEditor:
    """Asks for lines until there are no more, and shows meanwhile what becomes of them."""

    def __init__(self, config: Config, background: BackgroundService, followed: FollowedJobs) -> None:
        self._outbox = config.outbox.path
        self._background = background
        self._followed = followed
        self._facts: dict[str, Any] | None = None
        self._trouble = ""
        self._session: PromptSession[str] = PromptSession(
            self._prompt,
            history=history(config.state.path / HISTORY_FILE),
            completer=_Completer(followed),
            auto_suggest=AutoSuggestFromHistory(),
            bottom_toolbar=self._toolbar,
            refresh_interval=REDRAW_INTERVAL,
            reserve_space_for_menu=ROOM_FOR_MENU,
        )

    def run(self, lines: LineCommands) -> None:
        """Until Ctrl-D or ``:quit``."""
        with _keys_kept(self._session.input.fileno()):
            while self._one_line(lines):
                pass

    def _one_line(self, lines: LineCommands) -> bool:
        """Whether more are wanted."""
        try:
            with patch_stdout():
                typed = self._session.prompt(pre_run=self._watch)
            return all(lines.do(line) for line in typed.split("\n"))  # several, where they were pasted
        except KeyboardInterrupt:
            typer.echo("Ctrl-D leaves; what is queued is kept", err=True)
            return True
        except EOFError:
            return False

    def _watch(self) -> None:
        get_app().create_background_task(self._watching())

    async def _watching(self) -> None:
        while True:
            self._look()
            get_app().invalidate()
            await asyncio.sleep(REDRAW_INTERVAL)

    def _look(self) -> None:
        try:
            look = self._followed.look()
        except MjwatchError as error:  # it may pass, as a disk that is full does
            self._trouble = error.message
            return
        self._facts, self._trouble = look.facts, ""
        for job in look.changed:
            if line := ended(job, self._outbox, shutil.get_terminal_size().columns):
                typer.echo(line)

    def _prompt(self) -> StyleAndTextTuples:
        shown: StyleAndTextTuples = []
        if not get_app().is_done:  # what was typed stays in the terminal, the bars above it don't
            size = shutil.get_terminal_size()
            most = max(1, size.lines - LINES_KEPT_FREE)
            shown = [("class:bar", f"{line}\n") for line in bars(self._followed.jobs, size.columns - 1, most)]
        return [*shown, ("class:prompt bold", ICON)]

    def _toolbar(self) -> str:
        columns = shutil.get_terminal_size().columns
        if self._trouble:
            return plain(self._trouble, columns)
        if self._facts is None:
            return ""
        return plain(service_line(self._facts, here=self._background.is_running, now=time.time()), columns)


class _Completer(Completer):
    """Offers what the words so far ask for."""

    def __init__(self, followed: FollowedJobs) -> None:
        self._followed = followed

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        with suppress(MjwatchError):
            for offer in offers(document.text_before_cursor, self._followed.newest):
                yield Completion(offer.text, start_position=-offer.length, display_meta=offer.note)


@contextmanager
def _keys_kept(terminal: int) -> Iterator[None]:
    """Between two prompts, what is typed is neither shown nor lost: the next one reads it. Ctrl-C interrupts.

    Else the terminal would edit lines of its own meanwhile, in which a Ctrl-D means nothing to us.
    """
    if os.name != "posix" or not os.isatty(terminal):
        yield
        return
    import termios

    before = termios.tcgetattr(terminal)
    ours = list(before)
    ours[0] &= ~termios.ICRNL
    ours[3] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN)
    termios.tcsetattr(terminal, termios.TCSANOW, ours)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSANOW, before)


def history(path: Path) -> History:
    """What was typed before, in a file for this user alone; in memory, where there can be none."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError:
        return InMemoryHistory()
    try:
        path.chmod(0o600)
    except OSError:  # another user's, who lets us write
        return InMemoryHistory()
    finally:
        os.close(descriptor)
    return FileHistory(path)
