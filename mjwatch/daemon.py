"""The service's life cycle: start, signals, its state for systemd, a clean stop, and the exit code."""

from __future__ import annotations

import logging
import signal
import sqlite3
import time
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

from mjwatch.config import config_option, with_option
from mjwatch.errors import ConfigError, JournalError, MjwatchError, OwnerError
from mjwatch.events import StopRequested
from mjwatch.host.log import start_logging
from mjwatch.host.platform import let_names_of_paths_be_freed, return_memory_early
from mjwatch.host.systemd import Supervision, Systemd
from mjwatch.jobs.pacing import Pace
from mjwatch.jobs.status_text import ServiceSummary, clock, quiet_text, sentence
from mjwatch.journal.overview import capped_until
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from mjwatch.model import State
from mjwatch.runtime import Runtime
from mjwatch.trouble import journal_trouble

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from mjwatch.config import Config
    from mjwatch.engine.loop import Engine
    from mjwatch.settings.secrets import Keys

log = logging.getLogger("mjwatch")

NEEDS_PERSON = 4
SIGNALS = (signal.SIGTERM, signal.SIGINT)

EX_NOPERM, EX_CONFIG = 77, 78
"""Exit codes (sysexits.h) after which systemd does not start the service again: it would end the same way."""


def run_daemon(
    config: Config,
    keys: Keys,
    *,
    drain: bool = False,
    resume: bool = False,
    take_over: bool = False,
    accept_existing: bool = False,
    systemd: Systemd | None = None,
) -> int:
    """Run until a signal, or with ``drain`` until all that is queued has its answer. Return the exit code.

    4: a drain ended because a person is needed, with the queue kept. ``resume``: a person says that the cause
    of a pause is fixed; if it is not, sending is paused again. ``take_over`` and ``accept_existing`` as in
    Runtime. ``systemd`` gets notifications of the service's state.
    """
    systemd = systemd or Systemd({})
    return_memory_early()
    let_names_of_paths_be_freed()
    # The handlers stay until all has stopped: a second signal must not cut a clean stop short.
    with (
        Supervision(systemd) as supervision,
        ExitStack() as handlers,
        Runtime(config, keys, take_over=take_over, accept_existing=accept_existing) as runtime,
    ):
        engine = runtime.engine
        handlers.enter_context(_stopped_by_signals(engine))
        supervision.attach(_ServiceReport(runtime))
        if resume:
            engine.service.resume()
        log.info("watching %s; pictures go to %s", config.inbox.path, config.outbox.path)
        runtime.run(lambda: drain and (engine.settled() or engine.blocked()))
        runtime.resumable = not (drain and engine.settled())
        if drain:
            _log_quiet_hours(config)
        log.info("stopping")
        supervision.stopping()
        return NEEDS_PERSON if drain and engine.needs_person() else 0


def _log_quiet_hours(config: Config) -> None:
    """Log that the time of the day keeps jobs in the queue, if that is so when a drain ends."""
    now = time.time()
    quiet_until = Pace.of(config.pace).quiet_until(now)
    if quiet_until is None:
        return
    with closing(JournalReader(config.state.path / JOURNAL_FILE)) as reader:
        count = reader.open_counts().get(State.QUEUED, 0)
    if count:
        log.warning("%d queued, not waited for: %s", count, quiet_text(quiet_until, now))


@contextmanager
def _stopped_by_signals(engine: Engine) -> Iterator[None]:
    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        engine.put(StopRequested())

    before = {number: signal.signal(number, ask_to_stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _ServiceReport:
    """The running service, as the thread that notifies systemd sees it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def unhealthy_parts(self) -> list[str]:
        return self._runtime.unhealthy_parts()

    def started(self) -> bool:
        return self._runtime.started

    def sentence(self) -> str:
        runtime, service = self._runtime, self._runtime.engine.service
        config, now, troubles = runtime.config, time.time(), service.troubles.current
        try:
            with closing(JournalReader(config.state.path / JOURNAL_FILE)) as reader:
                jobs = reader.open_counts()
                capped = capped_until(reader, config.pace.max_per_day, now)
                limit = reader.sending_limit(now)
        except JournalError as error:
            jobs, capped, limit = {}, None, None
            troubles = troubles or (journal_trouble(error),)
        quiet_until = Pace.of(config.pace).quiet_until(now)
        summary = ServiceSummary(
            jobs,
            connected=runtime.connected,
            troubles=troubles,
            capped_until=None if capped is None else clock(capped, now),
            limit=limit,
            quiet=None if quiet_until is None else quiet_text(quiet_until, now),
        )
        return with_option(sentence(summary), config_option(config.source))


def exit_code_for_systemd(error: MjwatchError) -> int:
    """Return 78 if the configuration is wrong, 77 if only a person can help: a restart fixes neither."""
    cause = error.__cause__
    if isinstance(error, ConfigError):
        return EX_CONFIG
    if isinstance(cause, PermissionError):
        return EX_NOPERM
    if isinstance(error, JournalError) and not isinstance(cause, OSError | sqlite3.OperationalError):
        return EX_NOPERM  # damaged, or a newer version's
    needs_person = isinstance(error, OwnerError) or error.exit_code == NEEDS_PERSON
    return EX_NOPERM if needs_person else error.exit_code


def give_up(systemd: Systemd, error: MjwatchError, log_style: str) -> int:
    """Report in log and status why the service can't run; return the exit code for systemd."""
    if not logging.getLogger().handlers:
        start_logging((), style=log_style)  # it ended before its keys were read
    parts = error.parts if isinstance(error, ConfigError) and error.parts else (error,)
    for part in parts:
        log.error("%s", part)
    systemd.status(str(parts[0]))
    return exit_code_for_systemd(error)
