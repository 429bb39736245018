"""Run the engine on a thread of this process, for as long as somebody submits prompts here."""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mjwatch.client.in_process import NOT_KEPT
from mjwatch.config import load_keys
from mjwatch.errors import DaemonError, PausedError, WaitTimeoutError
from mjwatch.events import CancelRequested, ForJob, RequestsPending, StopRequested
from mjwatch.host.running import daemon_runs
from mjwatch.model import Job, State
from mjwatch.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from mjwatch.config import Config
    from mjwatch.engine.loop import Engine
    from mjwatch.settings.secrets import Keys

log = logging.getLogger("mjwatch")

WITHDRAW_PATIENCE = 10.0
"""Seconds that the loop gets to cancel jobs that nobody waits for; the journal's disk may be slow."""


class BackgroundService:
    """Do a daemon's work under its lock, but take no prompt files. Use ``with``.

    Callers ask for something as they ask a daemon: by a request in the journal. Any thread may call it.
    """

    def __init__(self, config: Config, *, only_new: bool = False) -> None:
        """``only_new``: jobs that are in the queue already are not sent unless ``allow`` names them."""
        self._config = config
        self._only_new = only_new
        self._starting = threading.Lock()
        self._calls: deque[Callable[[Engine], bool]] = deque()
        """What is to be done on the loop's thread, turn by turn until it returns True."""
        self._thread: threading.Thread | None = None
        self._engine: Engine | None = None
        self._failure: Exception | None = None

    def __enter__(self) -> BackgroundService:
        self.ensure_running()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        """Whether this process does the work."""
        return self._thread is not None and self._thread.is_alive()

    def ensure_running(self) -> None:
        """Start the thread where neither it nor a daemon runs.

        Raise ConfigError, JournalError or DaemonError where that is not possible, and once the error that
        ended the thread.
        """
        with self._starting:
            failure, self._failure = self._failure, None
            if failure is not None:
                raise failure
            if not self.is_running and not daemon_runs(self._config.state.path):
                self._start()

    def allow(self, job_ids: Collection[str]) -> None:
        """Let these jobs be sent, though they were in the queue before this service began."""

        def allow(engine: Engine) -> bool:
            for job_id in job_ids:
                engine.scheduler.allow(job_id)
            return True

        self._call(allow)

    def withdraw(self, job_ids: Collection[str]) -> list[str]:
        """Cancel those of the jobs that were not sent, and return their ids; a daemon keeps them all."""
        cancelled: list[str] = []
        is_done = threading.Event()

        def withdraw(engine: Engine) -> bool:
            engine.scheduler.disallow(job_ids)
            jobs = [engine.job(job_id) for job_id in job_ids]
            if None in jobs and not engine.idle:
                return False  # the request is just being answered
            queued = [job.id for job in jobs if job is not None and job.state is State.QUEUED]
            for job_id in queued:
                if job_id not in cancelled:
                    engine.put(ForJob(job_id, CancelRequested()))
                    cancelled.append(job_id)
            if not queued:
                is_done.set()
            return not queued

        if self._call(withdraw):
            is_done.wait(WITHDRAW_PATIENCE)
        return cancelled

    def _call(self, function: Callable[[Engine], bool]) -> bool:
        engine = self._engine
        if not self._only_new or engine is None or not self.is_running:
            return False
        self._calls.append(function)
        engine.put(RequestsPending())
        return True

    def _take_calls(self, engine: Engine) -> bool:
        for _ in range(len(self._calls)):
            call = self._calls.popleft()
            if not call(engine):
                self._calls.append(call)
        return False

    def stop(self) -> None:
        """Stop cleanly: the next start fetches the jobs that were sent; unsent jobs stay in the queue."""
        if self._thread is None:
            return
        if self._engine is not None:
            self._engine.put(StopRequested())
        self._thread.join()
        self._thread = self._engine = None

    def _start(self) -> None:
        started: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        # No daemon thread: the exit waits for the clean stop, even if a second Ctrl-C cuts the first short.
        self._thread = threading.Thread(
            target=self._run_queue, args=(load_keys(self._config), started), name="loop"
        )
        self._thread.start()
        error = started.get()
        if error is None:
            return
        self._thread.join()
        self._thread = self._failure = None
        if not (isinstance(error, DaemonError) and daemon_runs(self._config.state.path)):
            raise error  # else another process took the lock first, and does the work

    def _run_queue(self, keys: Keys, started: queue.SimpleQueue[Exception | None]) -> None:
        try:
            with Runtime(self._config, keys, watch_inbox=False) as runtime:
                engine = self._engine = runtime.engine
                if self._only_new:
                    _restrict(engine)
                started.put(None)
                runtime.run(lambda: self._take_calls(engine))
                runtime.resumable = not engine.settled()
        except Exception as error:  # a thread's top
            log.info("the work in the background has ended: %s", error)
            self._failure = error
            started.put(error)


def _restrict(engine: Engine) -> None:
    """Let no job be sent that was in the queue before: nobody has asked for it here."""

    def changed(job: Job) -> None:
        if job.state is State.QUEUED:
            engine.scheduler.allow(job.id)
        elif not job.open:
            engine.scheduler.disallow([job.id])

    engine.scheduler.only = frozenset()
    engine.imports.is_enabled = False
    engine.on_change = changed


class SharedService:
    """The service in this process that several threads use: the first starts it, the last stops it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._users = 0
        self._service: BackgroundService | None = None

    def enter(self) -> BackgroundService:
        """Return the service, and keep it until ``leave``. Raise ConfigError, JournalError, DaemonError."""
        with self._lock:
            if self._service is None:
                service = BackgroundService(self._config, only_new=True)
                service.ensure_running()
                self._service = service
            self._users += 1
            return self._service

    def leave(self) -> None:
        """Stop the service if nobody else uses it."""
        with self._lock:
            self._users -= 1
            if not self._users and self._service is not None:
                service, self._service = self._service, None
                service.stop()

    @contextmanager
    def sending(self, job_ids: Collection[str]) -> Iterator[Callable[[], None]]:
        """Let the service send these jobs, if anybody has entered; take back what nobody waits for any more.

        Yield a function that lets them be sent also where a daemon did the work until now, and has stopped.
        """
        with self._lock:
            service = self._service
            self._users += service is not None
        if service is None:
            yield lambda: None
            return

        def let_send() -> None:
            service.ensure_running()
            service.allow(job_ids)

        try:
            let_send()
            try:
                yield let_send
            except BaseException as error:
                if withdrawn := service.withdraw(job_ids):
                    _raise_withdrawn(error, withdrawn)
                raise
        finally:
            self.leave()


def _raise_withdrawn(error: BaseException, withdrawn: Sequence[str]) -> None:
    """Raise the error that also says which jobs were cancelled, for those errors that speak of them."""
    if isinstance(error, WaitTimeoutError):
        left = [job_id for job_id in error.jobs if job_id not in withdrawn]
        raise WaitTimeoutError(left, withdrawn) from None
    if isinstance(error, PausedError):
        raise PausedError(error.why, error.hint, NOT_KEPT) from None
