"""A terminal for tests: a tmux with one program. Tests type into it and read its screen as a person does."""

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
"""Lines of scrolled-off output that tmux keeps."""

TIMEOUT = HANG / 2
"""Seconds within which expected output must appear."""

ENDED = "ended with "

_RUN_AND_STAY = f"""trap : INT; "$@"; echo "{ENDED}$?"; exec cat"""
"""Print the exit code of the program, which tmux does not always learn, and stay, so that it can be read."""


@dataclass
class Terminal:
    """The screen and the keyboard of a terminal."""

    tmux: Sequence[str]

    def type(self, text: str) -> None:
        """Type these characters as fast as the terminal accepts them; a newline is the key Enter."""
        self._run("send-keys", "-l", text.replace("\n", "\r"))

    def press(self, *keys: str) -> None:
        """Press keys by their tmux names: Enter, Up, Tab, C-c."""
        self._run("send-keys", *keys)

    def paste(self, text: str) -> None:
        """Paste text as a terminal does: as bracketed paste if the program has enabled it."""
        self._run("set-buffer", text)
        self._run("paste-buffer", "-p")

    def resize(self, columns: int, lines: int) -> None:
        """Change the size of the window."""
        self._run("resize-window", "-x", str(columns), "-y", str(lines))

    def screen(self) -> list[str]:
        """Return the visible lines without trailing spaces."""
        return _lines(self._run("capture-pane", "-p"))

    def all(self) -> list[str]:
        """Return all lines, also those that have scrolled off. A wrapped line is one line."""
        return _lines(self._run("capture-pane", "-p", "-J", "-S", "-"))

    def wait_for(self, *texts: str) -> list[str]:
        """Wait until all texts are visible at the same time, and return the screen."""

        def visible() -> list[str]:
            screen = self.screen()
            return screen if all(text in "\n".join(screen) for text in texts) else []

        return self.wait_until(visible, f"{texts} on the screen")

    def wait_until(self, happened: Callable[[], list[str]], what: str) -> list[str]:
        """Wait for a condition; after the timeout fail with all lines of the terminal."""
        try:
            found: list[str] = wait_until(happened, what, TIMEOUT)
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *self.all()])) from None
        return found

    def status(self) -> int:
        """Wait until the program has ended, and return its exit code."""
        screen = self.wait_for(ENDED)
        return int(next(line for line in screen if line.startswith(ENDED)).removeprefix(ENDED))

    def _run(self, *arguments: str) -> str:
        return _run_tmux(self.tmux, *arguments)


@contextmanager
def open_terminal(
    *command: str, columns: int, lines: int, folder: Path, variables: Mapping[str, str] | None = None
) -> Iterator[Terminal]:
    """Open a terminal of this size that runs the command in its own tmux server."""
    tmux = (program("tmux"), "-u", "-L", f"mjwatch-{uuid.uuid4().hex[:12]}", "-f", "/dev/null")
    size = ("-x", str(columns), "-y", str(lines))
    history = ("set", "-g", "history-limit", str(HISTORY))
    program_command = ("sh", "-c", _RUN_AND_STAY, "sh", *command)
    start = (
        "start-server",
        ";",
        *history,
        ";",
        "new-session",
        "-d",
        *size,
        "-c",
        str(folder),
        "--",
        *program_command,
    )
    env = environment() | {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color"} | dict(variables or {})
    env.pop("TMUX", None)
    _run_tmux(tmux, *start, env=env)
    try:
        yield Terminal(tmux)
    finally:
        _run_tmux(tmux, "kill-server")


def _run_tmux(tmux: Sequence[str], *arguments: str, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        [*tmux, *arguments], capture_output=True, text=True, timeout=HANG, check=False, env=env
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _lines(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines
