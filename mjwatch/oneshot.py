"""Prompts from their submission to their answers in this process, where no daemon runs."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mjwatch.errors import DaemonError, MjwatchError, PausedError, UnreachableError
from mjwatch.events import CancelAsked, ForJob, PromptGiven
from mjwatch.filesystem.safe_names import slug
from mjwatch.model import Job, Prompt, State
from mjwatch.prompts.compose import compose
from mjwatch.runtime import Runtime, new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from mjwatch.engine import Engine

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
    event = PromptGiven(job_id, given, f"{slug(given.text)}.txt")
    return run_these(runtime, [job_id], lambda: runtime.engine.put(event), listener)[0]


def run_these(
    runtime: Runtime, job_ids: Collection[str], give: Callable[[], None], listener: Listener
) -> list[Job]:
    """Run the jobs that ``give`` hands in under these ids, their follow-ups, and no other queued ones.

    Returns them as they ended. Raises PausedError and UnreachableError where one could not be sent; it is
    cancelled then.
    """
    engine = runtime.engine
    if engine.paused is not None and engine.pausing.stuck:
        raise PausedError(engine.paused)
    wanted = list(job_ids)

    def changed(job: Job) -> None:
        if job.parent in wanted and job.id not in wanted:
            wanted.append(job.id)
            engine.sending.let_pass(job.id)
        if job.id in wanted:
            listener.changed(job)

    engine.sending.only = frozenset(wanted)
    engine.on_change = changed
    engine.reach.on_trouble = lambda trouble: listener.trouble(trouble.reason)
    give()
    limit = time.time() + PATIENCE
    try:
        runtime.run(lambda: all(_is_over(engine, job_id, limit) for job_id in wanted))
    except KeyboardInterrupt:
        _withdraw_all(runtime, wanted)
        raise
    unsent = {job_id for job_id in wanted if (job := engine.job(job_id)) and job.state is State.QUEUED}
    _withdraw_all(runtime, wanted)
    runtime.comes_back = not engine.settled()
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
    if job.state is State.QUEUED and engine.pausing.stuck:
        return True
    return engine.reach.trouble is not None and (
        engine.reach.trouble.next_try > limit if job.state is State.QUEUED else engine.paused is not None
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
        engine.put(ForJob(job_id, CancelAsked()))
        runtime.run(is_settled)


def answered(job: Job) -> bool:
    """Whether nothing more is to be waited for; a job in doubt waits for a person."""
    return not job.open or job.state is State.IN_DOUBT


def _obstacle(engine: Engine) -> MjwatchError:
    if engine.paused is not None:
        return PausedError(engine.paused)
    return UnreachableError(engine.reach.trouble.reason if engine.reach.trouble else "it was stopped")
