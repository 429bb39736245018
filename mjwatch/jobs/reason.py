"""Why a job has no pictures, in words, and what a person can do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.model import State

if TYPE_CHECKING:
    from mjwatch.model import Job

IN_DOUBT = "whether Midjourney runs it is not known, so it is not sent again"
IN_DOUBT_MEND = "look into the channel; if its pictures come, they are published all the same"


def reason(job: Job) -> tuple[str, str]:
    """What stands between this job and its pictures, and the mend; both may be empty, as for one at work."""
    if job.state is State.IN_DOUBT:
        return IN_DOUBT, IN_DOUBT_MEND
    if job.refusal is not None:
        words = (job.refusal.title, job.refusal.detail)
        return ": ".join(part for part in words if part), job.refusal.advice
    if job.state is State.CANCELLED:
        return "it was cancelled", ""
    if job.state in {State.FAILED, State.REJECTED} and job.history:
        return job.history[-1].event, ""
    return "", ""
