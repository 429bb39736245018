"""Run the engine in this process, where no daemon runs.

``run_jobs`` runs a few jobs and returns. ``answer_requests`` only answers the requests in the journal.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mjwatch.config import load_keys
from mjwatch.errors import (
    DaemonError,
    LimitedError,
    MjwatchError,
    PausedError,
    UnreachableError,
    WaitTimeoutError,
)
from mjwatch.events import CancelRequested, ForJob, RequestsPending
from mjwatch.host.lock import daemon_lock
from mjwatch.host.running import daemon_runs
from mjwatch.jobs.limits import probe_text
from mjwatch.jobs.status_text import quiet_text
from mjwatch.journal.reader import JOURNAL_FILE
from mjwatch.model import Job, State
from mjwatch.runtime import Runtime
from mjwatch.trouble import resume_hint

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from types import FrameType

    from mjwatch.config import Config
    from mjwatch.engine.loop import Engine

CONNECT_PATIENCE = 30.0
"""Seconds that a queued job, which no daemon keeps, waits while Discord can't be reached."""

NOT_KEPT = "the prompt was not sent and is not kept: submit it again after that"
LIMIT_PATIENCE = 600.0
"""Seconds that such a job waits for the end of a limit."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Two callbacks: ``changed`` gets each step of a job, ``trouble`` gets the reason why it must wait.

    ``deadline``: when nobody waits any longer, in seconds of ``time.monotonic``.
    """

    changed: Callable[[Job], None] = lambda job: None
    trouble: Callable[[str], None] = lambda reason: None
    deadline: float = math.inf

    @property
    def is_late(self) -> bool:
        """Whether nobody waits any longer."""
        return time.monotonic() >= self.deadline


def is_answered(job: Job) -> bool:
    """Return whether nothing more is to come; a job in doubt waits for a person."""
    return not job.open or job.state is State.IN_DOUBT


# ---- a few jobs


def run_jobs(
    config: Config, job_ids: Collection[str], submit: Callable[[], None], listener: Listener
) -> list[Job] | None:
    """Run the jobs that ``submit`` requests under these ids, and their follow-ups, but no other queued job.

    Return them as they ended, or None where another process took the lock first. Raise PausedError,
    UnreachableError, LimitedError or WaitTimeoutError where a job could not be sent; that job is cancelled.
    WaitTimeoutError also where a job was sent and has no answer yet; a later start fetches its pictures.
    """
    with ExitStack() as stack:
        try:
            runtime = stack.enter_context(Runtime(config, load_keys(config), watch_inbox=False))
        except DaemonError:
            if daemon_runs(config.state.path):
                return None
            raise
        return _run(runtime, list(job_ids), submit, listener)


def _run(runtime: Runtime, job_ids: list[str], submit: Callable[[], None], listener: Listener) -> list[Job]:
    engine = runtime.engine
    pause = engine.service.pause
    if pause is not None and engine.service.needs_resume:
        # A daemon that has stopped may have accepted some.
        _withdraw_all(runtime, [job_id for job_id in job_ids if engine.job(job_id) is not None])
        raise PausedError(pause.reason, resume_hint(pause), NOT_KEPT)

    def changed(job: Job) -> None:
        if job.parent in job_ids and job.id not in job_ids:
            job_ids.append(job.id)
            engine.scheduler.allow(job.id)
        if job.id in job_ids:
            listener.changed(job)
            probe = engine.service.limits.sending.probe
            if job.state is State.QUEUED and probe is not None and probe != job.id:
                listener.trouble(probe_text(probe))
            if quiet_until := _quiet_until(engine, job):
                listener.trouble(quiet_text(quiet_until, time.time()))

    engine.scheduler.only = frozenset(job_ids)
    engine.imports.is_enabled = False
    engine.on_change = changed
    engine.service.on_connection_trouble = lambda trouble: listener.trouble(trouble.reason)
    engine.service.on_sending_wait = lambda wait: listener.trouble(wait.reason)
    deadline = time.monotonic() + CONNECT_PATIENCE
    try:
        with _woken_at(engine, listener.deadline), _interrupts_noted(engine) as is_interrupted:
            submit()
            engine.put(RequestsPending())
            runtime.run(
                lambda: (
                    is_interrupted()
                    or (listener.is_late and engine.idle)
                    or all(_is_over(engine, job_id, deadline) for job_id in job_ids)
                )
            )
        if is_interrupted():
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        engine.put(RequestsPending())  # the request may be written: the jobs must exist to be cancelled
        _withdraw_all(runtime, job_ids)
        raise
    return _ended(runtime, job_ids, listener)


def _ended(runtime: Runtime, job_ids: Collection[str], listener: Listener) -> list[Job]:
    """Cancel what was not sent, and return the jobs, or raise why one of them has no answer."""
    engine = runtime.engine
    unsent = {job_id for job_id in job_ids if (job := engine.job(job_id)) and job.state is State.QUEUED}
    quiet_until = max((_quiet_until(engine, job) for job in map(engine.job, unsent) if job), default=0.0)
    _withdraw_all(runtime, job_ids)
    runtime.resumable = not engine.settled()
    jobs = [job for job_id in job_ids if (job := engine.job(job_id)) is not None]
    if listener.is_late and not all(job.id not in unsent and is_answered(job) for job in jobs):
        raise WaitTimeoutError([job.id for job in jobs if not is_answered(job)], sorted(unsent))
    if len(jobs) < len(job_ids):
        raise DaemonError("mjwatch was stopped before it accepted the prompt", "try again")
    if any((job.id in unsent and job.state is State.CANCELLED) or not is_answered(job) for job in jobs):
        raise _obstacle(engine, quiet_until)
    return jobs


@contextmanager
def _interrupts_noted(engine: Engine) -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether Ctrl-C was pressed; the loop ends its turn first.

    An exception in the middle of a turn could leave an event half done and a transaction open.
    """
    pressed = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        pressed.set()
        engine.put(RequestsPending())

    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler or not _in_main_thread():
        yield pressed.is_set
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextmanager
def _woken_at(engine: Engine, deadline: float) -> Iterator[None]:
    """Let the loop take a turn at this time, though nothing happens then."""
    if deadline == math.inf:
        yield
        return
    timer = threading.Timer(max(0.0, deadline - time.monotonic()), engine.put, [RequestsPending()])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _is_over(engine: Engine, job_id: str, deadline: float) -> bool:
    """Return whether the job has its answer, or will not get one in this run."""
    job = engine.job(job_id)
    if job is None or is_answered(job):
        return job is not None
    if job.state is State.QUEUED and engine.service.needs_resume:
        return True
    trouble = engine.service.connection_trouble
    quiet_wait = _quiet_until(engine, job) - time.time()
    if job.state is State.QUEUED and max(engine.service.sending_wait(), quiet_wait) > LIMIT_PATIENCE:
        return True
    return trouble is not None and (
        trouble.next_try > deadline if job.state is State.QUEUED else engine.paused is not None
    )


def _withdraw_all(runtime: Runtime, job_ids: Collection[str]) -> None:
    runtime.engine.scheduler.only = frozenset()  # a job must not be sent just before it is cancelled
    for job_id in job_ids:
        _withdraw(runtime, job_id)


def _withdraw(runtime: Runtime, job_id: str) -> None:
    """Cancel the job if it was not sent, so that no later start sends a job that nobody waits for."""
    engine = runtime.engine

    def is_settled() -> bool:
        job = engine.job(job_id)
        if job is None:
            return engine.idle  # interrupted before the request was written: there is nothing to withdraw
        if job.state is State.QUEUED:
            return False
        return not job.open or job.state is not State.CANCELLED

    runtime.run(lambda: engine.idle or engine.job(job_id) is not None)
    if not is_settled():
        engine.put(ForJob(job_id, CancelRequested()))
        runtime.run(is_settled)


def _quiet_until(engine: Engine, job: Job) -> float:
    """Return until when the time of the day holds a queued job; 0 if it does not."""
    return (job.state is State.QUEUED and engine.scheduler.quiet_until(job, time.time())) or 0.0


def _obstacle(engine: Engine, quiet_until: float) -> MjwatchError:
    pause = engine.service.pause
    if pause is not None:
        return PausedError(pause.reason, resume_hint(pause), NOT_KEPT)
    trouble, limit = engine.service.connection_trouble, engine.service.limits.sending.wait
    if limit is not None and (seconds := engine.service.sending_wait()):
        return LimitedError(limit.reason, seconds)
    now = time.time()
    if quiet_until - now > LIMIT_PATIENCE:
        return LimitedError(quiet_text(quiet_until, now), quiet_until - now)
    return UnreachableError(trouble.reason if trouble else "mjwatch was stopped")


# ---- requests only


def answer_requests(config: Config) -> None:
    """Run one turn of the event loop without workers: its effects are left to the next start.

    Do nothing where another process took the lock first: that process answers the requests.
    """
    from mjwatch.engine.queue import EventQueue
    from mjwatch.journal.writer import Journal
    from mjwatch.midjourney.channel import Channel
    from mjwatch.runtime import build_engine

    state = config.state.path
    try:
        with daemon_lock(state), closing(Journal(state / JOURNAL_FILE)) as journal:
            channel = Channel("", journal.owner_of, config.pace.quiet_time)
            events = EventQueue(time.monotonic)
            build_engine(config, journal, channel, events, perform=lambda effect: None).load()
    except DaemonError:
        if not daemon_runs(state):
            raise
