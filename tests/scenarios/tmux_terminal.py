"""A terminal of the test's own: a tmux with one program in it, typed into and looked at as by a person."""

from __future__ import annotations

import subprocess
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.scenarios.required_programs import program
from tests.scenarios.stage import HANG, environment, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

HISTORY = 2000
"""Lines that are kept of what has scrolled off the screen."""

PATIENCE = HANG / 2
"""Seconds after which what should show never will."""

ENDED = "ended with "

_STAY = f"""trap : INT; "$@"; echo "{ENDED}$?"; exec cat"""
"""Tells how the program has ended, which tmux does not always learn, and stays, so that it can be read."""


@dataclass
class Terminal:
    """What is on the screen, and a keyboard."""

    tmux: Sequence[str]

    def type(self, text: str) -> None:
        """Type these characters as fast as a terminal takes them; a newline is the key Enter."""
        self._do("send-keys", "-l", text.replace("\n", "\r"))

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names: Enter, Up, Tab, C-c."""
        self._do("send-keys", *keys)

    def paste(self, text: str) -> None:
        """Paste it as a terminal does, in brackets where the program has asked for them."""
        self._do("set-buffer", text)
        self._do("paste-buffer", "-p")

    def resize(self, columns: int, lines: int) -> None:
        """Pull the window to another size."""
        self._do("resize-window", "-x", str(columns), "-y", str(lines))

    def screen(self) -> list[str]:
        """The lines that can be seen now, without blanks at their ends."""
        return _lines(self._do("capture-pane", "-p"))

    def all(self) -> list[str]:
        """Also what has scrolled off; a line that the terminal has broken is one."""
        return _lines(self._do("capture-pane", "-p", "-J", "-S", "-"))

    def wait_for(self, *texts: str) -> list[str]:
        """Wait until all of them are to be seen on the screen at once; the screen."""

        def shown() -> list[str]:
            found = self.screen()
            return found if all(text in "\n".join(found) for text in texts) else []

        return self.waited(shown, f"{texts} on the screen")

    def waited(self, happened: Callable[[], list[str]], what: str) -> list[str]:
        """Wait for something; it fails with all that stands there if it hangs."""
        try:
            found: list[str] = wait_until(happened, what, PATIENCE)
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *self.all()])) from None
        return found

    def status(self) -> int:
        """Wait until the program has ended; its exit code."""
        screen = self.wait_for(ENDED)
        return int(next(line for line in screen if line.startswith(ENDED)).removeprefix(ENDED))

    def _do(self, *words: str) -> str:
        return _told(self.tmux, *words)


@contextmanager
def opened(
    *command: str, columns: int, lines: int, folder: Path, variables: Mapping[str, str] | None = None
) -> Iterator[Terminal]:
    """A terminal of this size in which this runs, until the block ends; its tmux is nobody else's."""
    tmux = (program("tmux"), "-u", "-L", f"mjwatch-{uuid.uuid4().hex[:12]}", "-f", "/dev/null")
    size = ("-x", str(columns), "-y", str(lines))
    keep = ("set", "-g", "history-limit", str(HISTORY))
    inside = ("sh", "-c", _STAY, "sh", *command)
    start = ("start-server", ";", *keep, ";", "new-session", "-d", *size, "-c", str(folder), "--", *inside)
    here = environment() | {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color"} | dict(variables or {})
    here.pop("TMUX", None)
    _told(tmux, *start, here=here)
    try:
        yield Terminal(tmux)
    finally:
        _told(tmux, "kill-server")


def _told(tmux: Sequence[str], *words: str, here: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        [*tmux, *words], capture_output=True, text=True, timeout=HANG, check=False, env=here
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _lines(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines
