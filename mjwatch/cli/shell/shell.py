"""``mjwatch shell``: read lines from a terminal or a pipe, carry them out, and show what becomes of the jobs.

In a terminal, prompt_toolkit gives the line editor its history and completion; the jobs' bars are above the
line, the service below it.
"""

from __future__ import annotations

import asyncio
import os
import queue
import shutil
import stat
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

from mjwatch.cli.app import read_config
from mjwatch.cli.output import INTERRUPTED, NEEDS_PERSON, plain, silence_log
from mjwatch.cli.progress import JobProgress, text_bars
from mjwatch.cli.shell.commands import LineCommands, completions
from mjwatch.cli.shell.view import FollowedJobs, remaining_work, result_text, service_line
from mjwatch.client.background import BackgroundService
from mjwatch.errors import MjwatchError
from mjwatch.model import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document
    from prompt_toolkit.formatted_text import StyleAndTextTuples
    from prompt_toolkit.history import History

    from mjwatch.config import Config

PIPE_INTERVAL = 0.2
"""Seconds between two reads of the journal while lines are piped in."""

REDRAW_INTERVAL = 0.5
"""Seconds between two reads of the journal in a terminal."""

HISTORY_FILE = "shell_history"
"""The file's name in the state folder. Prompts are private: nobody else may read it."""

ICON = "✦ "
MENU_LINES = 5
LINES_KEPT_FREE = 8


def shell(context: typer.Context) -> None:
    """Type prompts, queue each line at once, and watch the progress.

    A line that begins with a colon is a command, such as :act, :status and :help. If a daemon runs, it does
    the work; if not, the shell does it, including the jobs queued before, but not the files in the inbox.
    Ctrl-D leaves, and queued jobs are kept. With piped input, the shell waits for the results.
    """
    silence_log()
    config = read_config(context)
    followed = FollowedJobs(config)
    code = 0
    with BackgroundService(config) as background:
        commands = LineCommands(config, context.obj, background, followed)
        if sys.stdin.isatty() and sys.stdout.isatty():
            _run_in_terminal(config, background, followed, commands)
        else:
            code = _run_piped(config, background, followed, commands)
    if remaining := remaining_work(followed.update().facts):
        typer.echo(remaining, err=True)
    if code:
        raise typer.Exit(code)


# ---- piped input


def _run_piped(
    config: Config, background: BackgroundService, followed: FollowedJobs, commands: LineCommands
) -> int:
    """Carry out all lines of standard input, wait for their jobs, and return the exit code."""
    lines = PipedLines(sys.stdin.fileno())
    try:
        with JobProgress() as progress:
            while not lines.ended or followed.has_unanswered:
                line = lines.next()
                if line is not None and not commands.run(line):
                    return int(commands.failed)
                update = followed.update()
                for job in update.changed:
                    progress.update(job)
                    if job.state is State.DONE and job.folder is not None:
                        typer.echo(plain(config.outbox.path / job.folder))
                if update.facts["trouble"]:
                    progress.trouble(update.facts["trouble"])
                if lines.ended and _is_blocked(update.facts, followed):
                    typer.echo(f"mjwatch: {update.facts['paused']} - {update.facts['mend']}", err=True)
                    return NEEDS_PERSON
                background.ensure_running()
    except KeyboardInterrupt:
        return INTERRUPTED
    if any(job.state is State.IN_DOUBT for job in followed.jobs):
        return NEEDS_PERSON
    return int(commands.failed or any(job.state is not State.DONE for job in followed.jobs))


def _is_blocked(facts: Mapping[str, Any], followed: FollowedJobs) -> bool:
    """Return whether a followed job waits for a person to end the pause."""
    return facts["paused"] is not None and any(job.state is State.QUEUED for job in followed.jobs)


class PipedLines:
    """The lines of a pipe, read on a thread of their own, so that jobs can be shown between them."""

    def __init__(self, descriptor: int) -> None:
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.ended = False
        """Whether the last line was returned."""
        # A daemon thread, because a read can't be interrupted. It reads without a buffer, because the exit
        # would wait for the buffer's lock.
        threading.Thread(target=self._read, args=(descriptor,), name="stdin", daemon=True).start()

    def next(self) -> str | None:
        """Return the next line, or None if none arrives within a moment, or at the end."""
        try:
            line = self._lines.get(timeout=PIPE_INTERVAL)
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


# ---- in a terminal


def _run_in_terminal(
    config: Config, background: BackgroundService, followed: FollowedJobs, commands: LineCommands
) -> None:
    if background.is_running and (count := followed.add_queue()):
        jobs = "1 job" if count == 1 else f"{count} jobs"
        typer.echo(f"continuing {jobs} from before; :pause stops sending", err=True)
    LineEditor(config, background, followed).run(commands)


class LineEditor:
    """Ask for lines until the person leaves, and show meanwhile what becomes of the jobs."""

    def __init__(self, config: Config, background: BackgroundService, followed: FollowedJobs) -> None:
        self._outbox = config.outbox.path
        self._background = background
        self._followed = followed
        self._facts: dict[str, Any] | None = None
        self._trouble = ""
        self._session: PromptSession[str] = PromptSession(
            self._prompt,
            history=open_history(config.state.path / HISTORY_FILE),
            completer=_Completer(followed),
            auto_suggest=AutoSuggestFromHistory(),
            bottom_toolbar=self._toolbar,
            refresh_interval=REDRAW_INTERVAL,
            reserve_space_for_menu=MENU_LINES,
        )

    def run(self, commands: LineCommands) -> None:
        """Carry out lines until Ctrl-D or ``:quit``."""
        with _typed_ahead_is_kept(self._session.input.fileno()):
            while self._run_line(commands):
                pass

    def _run_line(self, commands: LineCommands) -> bool:
        """Return False if the line leaves the shell."""
        try:
            with patch_stdout():
                typed = self._session.prompt(pre_run=self._start_updates)
            return all(commands.run(line) for line in typed.split("\n"))  # several lines, if they were pasted
        except KeyboardInterrupt:
            typer.echo("Ctrl-D leaves; queued jobs are kept", err=True)
            return True
        except EOFError:
            return False

    def _start_updates(self) -> None:
        get_app().create_background_task(self._update_forever())

    async def _update_forever(self) -> None:
        while True:
            self._update()
            get_app().invalidate()
            await asyncio.sleep(REDRAW_INTERVAL)

    def _update(self) -> None:
        try:
            update = self._followed.update()
        except MjwatchError as error:  # it may pass, for example a full disk
            self._trouble = error.message
            return
        self._facts, self._trouble = update.facts, ""
        for job in update.changed:
            if text := result_text(job, self._outbox, shutil.get_terminal_size().columns):
                typer.echo(text)

    def _prompt(self) -> StyleAndTextTuples:
        bars: StyleAndTextTuples = []
        if not get_app().is_done:  # the typed line stays in the terminal, the bars above it do not
            size = shutil.get_terminal_size()
            most = max(1, size.lines - LINES_KEPT_FREE)
            lines = text_bars(self._followed.jobs, size.columns - 1, most)
            bars = [("class:bar", f"{line}\n") for line in lines]
        return [*bars, ("class:prompt bold", ICON)]

    def _toolbar(self) -> str:
        columns = shutil.get_terminal_size().columns
        if self._trouble:
            return plain(self._trouble, columns)
        if self._facts is None:
            return ""
        return plain(service_line(self._facts, here=self._background.is_running, now=time.time()), columns)


class _Completer(Completer):
    """Complete what has been typed so far."""

    def __init__(self, followed: FollowedJobs) -> None:
        self._followed = followed

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        with suppress(MjwatchError):
            for completion in completions(document.text_before_cursor, self._followed.newest):
                yield Completion(
                    completion.text, start_position=-completion.length, display_meta=completion.note
                )


@contextmanager
def _typed_ahead_is_kept(terminal: int) -> Iterator[None]:
    """Between two prompts, neither show nor lose what is typed: the next prompt reads it. Ctrl-C interrupts.

    Otherwise the terminal would edit lines of its own meanwhile, in which the shell would not see a Ctrl-D.
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


def open_history(path: Path) -> History:
    """Return the history in a file that only this user can read, or in memory where that is impossible."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError:
        return InMemoryHistory()
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return InMemoryHistory()
        path.chmod(0o600)
    except OSError:  # another user's file that we may write to
        return InMemoryHistory()
    finally:
        os.close(descriptor)
    return FileHistory(path)
