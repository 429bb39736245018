"""The one way to steer: a request in the journal, done by the daemon or, where none runs, in this process."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from mjwatch.errors import DaemonError
from mjwatch.host.lock import daemon_lock
from mjwatch.host.permissions import require_rights
from mjwatch.host.running import daemon_runs
from mjwatch.host.wakeup import poke
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from mjwatch.journal.requests import ask, read_answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mjwatch.config import Config
    from mjwatch.journal.reader import TakenFile
    from mjwatch.journal.requests import Outcome

PATIENCE = 30.0
"""Seconds for a daemon to answer; one that is just stopping takes some."""

ROUND = 0.5
"""Seconds between two looks whether the daemon is still there, and two pokes."""

POLL = 0.02


def steer(
    config: Config, verb: str, arguments: Mapping[str, Any], file: TakenFile | None = None
) -> list[Outcome]:
    """Ask for something, see that it is done, and tell what became of it.

    ``pause`` takes ``reason``; ``resume`` nothing; ``retry`` and ``cancel`` take ``jobs``, a table of ids
    with the number of attempts that the asker knows of; ``give`` takes ``jobs``, new ids with the fields of
    their ``prompt`` and its ``path``, and ``file`` is what they came from. Raises DaemonError where this user
    has no right to it or no answer comes, JournalError where there is no journal, or none that can be used.
    """
    state = config.state.path
    journal = state / JOURNAL_FILE
    require_rights(state, journal)
    with closing(JournalReader(journal)) as reader:
        request = ask(journal, verb, arguments, time.time(), file)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if daemon_runs(state):
                poke(state)
            else:
                _do_it_here(config)
            answer = wait_for_answer(reader, request, ROUND)
            if answer is not None:
                return answer
    raise DaemonError(
        f"the daemon has not answered for {PATIENCE:.0f} s; what was asked for is written down and kept",
        "see its log for what keeps it from doing it",
    )


def wait_for_answer(reader: JournalReader, request: int, patience: float) -> list[Outcome] | None:
    """What became of a request; None if that is not known within so many seconds."""
    end = time.monotonic() + patience
    while (answer := reader.answer_of(request)) is None:
        if time.monotonic() >= end:
            return None
        time.sleep(POLL)
    return read_answer(answer)


def _do_it_here(config: Config) -> None:
    """One turn of the loop without shells: what follows from it is handed out by the next start.

    Does nothing where another process was faster to take the lock: it does what was asked for.
    """
    from mjwatch.journal.writer import Journal
    from mjwatch.midjourney.channel import Channel
    from mjwatch.runtime import build_engine

    state = config.state.path
    try:
        with daemon_lock(state), closing(Journal(state / JOURNAL_FILE)) as journal:
            channel = Channel("", journal.owner_of, config.pace.quiet_time)
            build_engine(config, journal, channel, perform=lambda effect: None).load()
    except DaemonError:
        if not daemon_runs(state):
            raise
