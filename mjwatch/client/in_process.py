"""Prompts from their submission to their answers in this process, where no daemon runs.

mjwatch on a thread of this process, for as long as somebody types prompts and no daemon runs.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mjwatch.config import load_keys
from mjwatch.errors import DaemonError, MjwatchError, PausedError, UnreachableError
from mjwatch.events import CancelRequested, ForJob, PromptSubmitted, StopRequested
from mjwatch.filesystem.safe_names import slug
from mjwatch.host.running import daemon_runs
from mjwatch.model import Job, Prompt, State
from mjwatch.prompts.compose import compose
from mjwatch.runtime import Runtime, new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from mjwatch.config import Config
    from mjwatch.engine.loop import Engine
    from mjwatch.settings.secrets import Keys


PATIENCE = 30.0
"""Seconds that a prompt which nobody else keeps waits for a Discord that can't be reached."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Who wants to know: ``changed`` is told of each step of a job, ``trouble`` of why it must wait."""

    changed: Callable[[Job], None] = lambda job: None
    trouble: Callable[[str], None] = lambda why: None


def read_words(text: str) -> Prompt:
    """The prompt that these words are, as a prompt file of them would be read. Raises PromptFileError."""
    return compose(text.replace("\ufeff", ""))[0]


def prompt_file(words: str) -> tuple[str, bytes]:
    """Suffix and content of a prompt file that says just this; ``words`` are one line."""
    if not words.startswith("#"):
        return ".txt", f"{words}\n".encode()
    # As a line of text it could be taken for a comment. JSON's way to write a text is one of TOML's too.
    return ".toml", f"prompt = {json.dumps(words, ensure_ascii=False)}\n".encode()


def run_one(runtime: Runtime, given: Prompt, listener: Listener) -> Job:
    """Run this prompt and no other queued one. Returns the job as it ended, or in doubt.

    Raises PausedError and UnreachableError where it could not be sent; it is cancelled then.
    """
    job_id = new_id()
    event = PromptSubmitted(job_id, given, f"{slug(given.text)}.txt")
    return run_these(runtime, [job_id], lambda: runtime.engine.put(event), listener)[0]


def run_these(
    runtime: Runtime, job_ids: Collection[str], give: Callable[[], None], listener: Listener
) -> list[Job]:
    """Run the jobs that ``give`` hands in under these ids, their follow-ups, and no other queued ones.

    Returns them as they ended. Raises PausedError and UnreachableError where one could not be sent; it is
    cancelled then.
    """
    engine = runtime.engine
    if engine.paused is not None and engine.service.needs_resume:
        raise PausedError(engine.paused)
    wanted = list(job_ids)

    def changed(job: Job) -> None:
        if job.parent in wanted and job.id not in wanted:
            wanted.append(job.id)
            engine.scheduler.allow(job.id)
        if job.id in wanted:
            listener.changed(job)

    engine.scheduler.only = frozenset(wanted)
    engine.on_change = changed
    engine.service.on_connection_trouble = lambda trouble: listener.trouble(trouble.reason)
    give()
    limit = time.time() + PATIENCE
    try:
        runtime.run(lambda: all(_is_over(engine, job_id, limit) for job_id in wanted))
    except KeyboardInterrupt:
        _withdraw_all(runtime, wanted)
        raise
    unsent = {job_id for job_id in wanted if (job := engine.job(job_id)) and job.state is State.QUEUED}
    _withdraw_all(runtime, wanted)
    runtime.resumable = not engine.settled()
    jobs = [engine.job(job_id) for job_id in wanted]
    found = [job for job in jobs if job is not None]
    if len(found) < len(jobs):
        raise DaemonError("it was stopped before the prompt was taken", "try again")
    if any((job.id in unsent and job.state is State.CANCELLED) or not answered(job) for job in found):
        raise _obstacle(engine)
    return found


def _is_over(engine: Engine, job_id: str, limit: float) -> bool:
    """Whether the job has its answer, or will have none while this goes on."""
    job = engine.job(job_id)
    if job is None or answered(job):
        return job is not None
    if job.state is State.QUEUED and engine.service.needs_resume:
        return True
    trouble = engine.service.connection_trouble
    return trouble is not None and (
        trouble.next_try > limit if job.state is State.QUEUED else engine.paused is not None
    )


def _withdraw_all(runtime: Runtime, job_ids: Collection[str]) -> None:
    for job_id in job_ids:
        _withdraw(runtime, job_id)


def _withdraw(runtime: Runtime, job_id: str) -> None:
    """Cancel the job if it was not sent, so that no later start sends what nobody waits for any more."""
    engine = runtime.engine

    def is_settled() -> bool:
        job = engine.job(job_id)
        if job is None:
            return engine.idle  # interrupted before it was taken: there is nothing to withdraw
        if job.state is State.QUEUED:
            return False
        return not job.open or job.state is not State.CANCELLED

    if not is_settled():
        engine.put(ForJob(job_id, CancelRequested()))
        runtime.run(is_settled)


def answered(job: Job) -> bool:
    """Whether nothing more is to be waited for; a job in doubt waits for a person."""
    return not job.open or job.state is State.IN_DOUBT


def _obstacle(engine: Engine) -> MjwatchError:
    if engine.paused is not None:
        return PausedError(engine.paused)
    trouble = engine.service.connection_trouble
    return UnreachableError(trouble.reason if trouble else "it was stopped")


log = logging.getLogger("mjwatch")


class BackgroundService:
    """Does what a daemon would, under its lock, but takes no prompt files. Use ``with``.

    Whoever asks for something does so as with a daemon: by a request in the journal.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._thread: threading.Thread | None = None
        self._engine: Engine | None = None
        self._failure: Exception | None = None

    def __enter__(self) -> BackgroundService:
        self.ensure()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def works(self) -> bool:
        """Whether it is this process that does the work."""
        return self._thread is not None and self._thread.is_alive()

    def ensure(self) -> None:
        """See that somebody works: a daemon, or a thread here.

        Raises ConfigError, JournalError, DaemonError where that can't be, and once what ended the thread.
        """
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        if not self.works and not daemon_runs(self._config.state.path):
            self._start()

    def stop(self) -> None:
        """End it cleanly: what was sent is fetched by the next start, what was not is kept in the queue."""
        if self._thread is None:
            return
        if self._engine is not None:
            self._engine.put(StopRequested())
        self._thread.join()
        self._thread = self._engine = None

    def _start(self) -> None:
        begun: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        # No daemon thread: an exit waits for the clean stop, also where a second Ctrl-C cuts the first short.
        self._thread = threading.Thread(target=self._run, args=(load_keys(self._config), begun), name="loop")
        self._thread.start()
        error = begun.get()
        if error is None:
            return
        self._thread.join()
        self._thread = self._failure = None
        if not (isinstance(error, DaemonError) and daemon_runs(self._config.state.path)):
            raise error  # else another process was faster to take the lock, and works

    def _run(self, keys: Keys, begun: queue.SimpleQueue[Exception | None]) -> None:
        try:
            with Runtime(self._config, keys, watch_inbox=False) as runtime:
                self._engine = runtime.engine
                begun.put(None)
                runtime.run()
                runtime.resumable = not runtime.engine.settled()
        except Exception as error:  # a thread's top
            log.info("the work in the background has ended: %s", error)
            self._failure = error
            begun.put(error)
