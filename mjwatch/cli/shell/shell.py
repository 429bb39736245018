"""``mjwatch shell``: prompts are typed, or piped in, one a line, and each is queued at once."""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import typer

from mjwatch.cli.lookup import config_of
from mjwatch.cli.output import INTERRUPTED, NEEDS_PERSON, plain
from mjwatch.model import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mjwatch.cli.shell.commands import Lines
    from mjwatch.cli.shell.view import Followed
    from mjwatch.client.in_process import Background
    from mjwatch.config import Config

INTERVAL = 0.2
"""Seconds between two looks into the journal while lines are piped in."""


def shell(context: typer.Context) -> None:
    """Type prompts: each line is queued at once, and its progress shows.

    What begins with a colon is a command, such as :act, :status and :help. Uses the daemon if one runs, else
    does the work itself, with what waits in the queue but not in the inbox. Ctrl-D leaves, and what is queued
    is kept. Lines that are piped in are waited for.
    """
    from mjwatch.cli.shell.commands import Lines
    from mjwatch.cli.shell.view import Followed, left_over
    from mjwatch.client.in_process import Background

    # What is worth telling is told here; without a handler the log would write warnings between the lines.
    logging.getLogger("mjwatch").addHandler(logging.NullHandler())
    config = config_of(context)
    followed = Followed(config)
    code = 0
    with Background(config) as background:
        lines = Lines(config, context.obj, background, followed)
        if sys.stdin.isatty() and sys.stdout.isatty():
            _type_in(config, background, followed, lines)
        else:
            code = _read_in(config, background, followed, lines)
    if left := left_over(followed.look().facts):
        typer.echo(left, err=True)
    if code:
        raise typer.Exit(code)


def _type_in(config: Config, background: Background, followed: Followed, lines: Lines) -> None:
    from mjwatch.cli.shell.editor import TypingIn

    if background.works and (count := followed.add_queue()):
        jobs = "1 job" if count == 1 else f"{count} jobs"
        typer.echo(f"taken up from before: {jobs}; :pause sends nothing more", err=True)
    TypingIn(config, background, followed).run(lines)


def _read_in(config: Config, background: Background, followed: Followed, lines: Lines) -> int:
    """Do all lines of standard input, wait for what they asked for; the exit code."""
    from mjwatch.cli.progress import JobProgress

    given = Given(sys.stdin.fileno())
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
                background.ensure()
    except KeyboardInterrupt:
        return INTERRUPTED
    if any(job.state is State.IN_DOUBT for job in followed.jobs):
        return NEEDS_PERSON
    return int(lines.failed or any(job.state is not State.DONE for job in followed.jobs))


def _is_stuck(facts: Mapping[str, Any], followed: Followed) -> bool:
    """Whether what is waited for waits for a person."""
    return facts["paused"] is not None and any(job.state is State.QUEUED for job in followed.jobs)


class Given:
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
