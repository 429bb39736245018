"""The shell in a terminal: a line editor with history and completion, bars above it, the service below."""

from __future__ import annotations

import asyncio
import os
import shutil
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

from mjwatch.cli.output import plain
from mjwatch.cli.shell.commands import offers
from mjwatch.cli.shell.view import bars, ended, service_line
from mjwatch.errors import MjwatchError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document
    from prompt_toolkit.formatted_text import StyleAndTextTuples
    from prompt_toolkit.history import History

    from mjwatch.cli.shell.commands import Lines
    from mjwatch.cli.shell.view import Followed
    from mjwatch.client.in_process import Background
    from mjwatch.config import Config

HISTORY_FILE = "shell_history"
"""Its name in the state folder. Prompts are private: nobody else may read it."""

ICON = "✦ "

INTERVAL = 0.5
"""Seconds between two looks into the journal."""

ROOM_FOR_MENU = 5
LINES_KEPT_FREE = 8


class TypingIn:
    """Asks for lines until there are no more, and shows meanwhile what becomes of them."""

    def __init__(self, config: Config, background: Background, followed: Followed) -> None:
        self._outbox = config.outbox.path
        self._background = background
        self._followed = followed
        self._facts: dict[str, Any] | None = None
        self._trouble = ""
        self._session: PromptSession[str] = PromptSession(
            self._prompt,
            history=history(config.state.path / HISTORY_FILE),
            completer=_Offered(followed),
            auto_suggest=AutoSuggestFromHistory(),
            bottom_toolbar=self._toolbar,
            refresh_interval=INTERVAL,
            reserve_space_for_menu=ROOM_FOR_MENU,
        )

    def run(self, lines: Lines) -> None:
        """Until Ctrl-D or ``:quit``."""
        with _keys_kept(self._session.input.fileno()):
            while self._one_line(lines):
                pass

    def _one_line(self, lines: Lines) -> bool:
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
            await asyncio.sleep(INTERVAL)

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
        return plain(service_line(self._facts, here=self._background.works, now=time.time()), columns)


class _Offered(Completer):
    """Offers what the words so far ask for."""

    def __init__(self, followed: Followed) -> None:
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
