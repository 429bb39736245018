"""What all moves of a job share: what they take and give, the limits, and the line that each adds. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.model import Job, Note, Refusal, State


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a job may stay silent, in seconds, before it is looked into."""

    start_timeout: float = 900.0
    silence_timeout: float = 3600.0
    vanish_grace: float = 60.0
    queue_full_pause: float = 60.0
    form_timeout: float = 60.0


DEFAULT_LIMITS = Limits()

Moved = tuple[Job, tuple[ef.Effect, ...]]
Handler = Callable[[Job, Any, float, Limits], Moved]

HISTORY_LENGTH = 60
"""Notes kept with a job; a job that is retried for days must not grow without bound."""

AGAIN = "; again in "
"""Stands between what went wrong and the seconds until the next try."""


def note(job: Job, now: float, words: str, **changes: Any) -> Job:
    """With one line more, in place of the last where only the waiting time differs: days of retries fit."""
    repeats = job.history and AGAIN in words and _cause(job.history[-1].event) == _cause(words)
    kept = job.history[:-1] if repeats else job.history
    history = (*kept, Note(now, words))[-HISTORY_LENGTH:]
    return replace(job, history=history, **changes)


def _cause(words: str) -> str:
    return words.partition(AGAIN)[0]


def stay(job: Job, event: ev.JobEvent, now: float, limits: Limits) -> Moved:
    """Nothing changes: a duplicate, or a latecomer."""
    return job, ()


def fail(job: Job, refusal: Refusal, now: float) -> Moved:
    """It has failed; its answer says why."""
    words = f"failed: {refusal.title or refusal.detail}"
    job = note(job, now, words, state=State.FAILED, refusal=refusal, due=None, tries=0, finished=now)
    return job, (ef.Answer(job),)


def without_follow_ups(job: Job) -> Job:
    """Nothing is to be made from its pictures."""
    return replace(job, prompt=replace(job.prompt, then=()))


def cancelled(job: Job, now: float, words: str = "cancelled") -> Moved:
    """It has ended as a person wanted; its answer says so."""
    job = without_follow_ups(job)
    job = note(job, now, words, state=State.CANCELLED, due=None, tries=0, finished=now)
    return job, (ef.Answer(job),)


def back(job: Job, now: float, words: str, wait: float | None = None) -> Moved:
    """To the queue, for as many seconds at least; but what a person wants cancelled is not sent again."""
    if job.cancelling is not None:
        return cancelled(note(job, now, words), now, "cancelled before it was sent again")
    due = None if wait is None else now + wait
    return note(job, now, words, state=State.QUEUED, due=due, tries=job.tries + 1), ()
