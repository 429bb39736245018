"""Texts on the state: why a job has no pictures, what it waits for, and what the service does now.

Each text comes with a hint, which says what a person can do. Both may be empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mjwatch.model import ENDED, IN_FLIGHT, RefusalClass, State
from mjwatch.trouble import resume_hint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mjwatch.model import CancelRequest, Job, Pause, Refusal
    from mjwatch.trouble import Trouble


# ---- why a job has no pictures

IN_DOUBT = "it is not known whether Midjourney runs it, so it is not sent again"
IN_DOUBT_HINT = (
    "look into the channel; if its pictures come, they are published nevertheless. `mjwatch retry {id}` sends"
    " it again, `mjwatch cancel {id}` gives it up"
)

RESULT_HELD = (
    "a result is held because it is not clear whose it is: {link}; `mjwatch status` has the commands"
)
HELD_HINT = "look at its picture, then say whose it is: `mjwatch assign` or `mjwatch dismiss`"

_LATER = "It may succeed later: drop the file into the inbox again."

ADVICE: dict[RefusalClass | None, str] = {
    RefusalClass.USER: "Change the prompt file and drop it into the inbox again.",
    RefusalClass.MODERATION: "Change the text or the pictures, then drop the file into the inbox again.",
    RefusalClass.ACCOUNT: "Check your account in Discord, then drop the file into the inbox again.",
    RefusalClass.PLAN: "Check your Midjourney subscription, then drop the file into the inbox again.",
    RefusalClass.CONFIG: "Run `mjwatch check`: it says what is wrong in the configuration.",
    RefusalClass.TRANSIENT: _LATER,
    RefusalClass.RETRY: _LATER,
    RefusalClass.STALE_VERSION: _LATER,
    None: "Read the message itself; you can drop the prompt file into the inbox again.",
}
"""What a person can do about a refusal without advice of its own, by class; None: the class is not known."""


def reason(job: Job) -> tuple[str, str]:
    """Return why this job has no pictures, and the hint; both may be empty, as for a running job."""
    if job.state is State.IN_DOUBT:
        return "; ".join(filter(None, (job.doubt, IN_DOUBT))), IN_DOUBT_HINT.format(id=job.id)
    if job.refusal is not None:
        parts = (job.refusal.title, job.refusal.detail)
        return ": ".join(part for part in parts if part), advice(job.refusal)
    if job.state is State.CANCELLED:
        if job.started is None:
            return "it was cancelled", ""
        return (
            "it was cancelled while it was running; what was rendered until then may have been paid for",
            "",
        )
    if job.state in {State.FAILED, State.REJECTED} and job.history:
        return job.history[-1].text, ""
    return "", ""


def held_reason(job: Job, link: str) -> tuple[str, str]:
    """Return why a job has no pictures for which a result may be held, and the hint. ``link``: the result."""
    text = f"a result is here, but it is not clear whose it is, so it is held: {link}"
    why = "" if job.state in IN_FLIGHT | {State.QUEUED, State.IN_DOUBT} else reason(job)[0]
    return "; ".join(filter(None, (why, text))), HELD_HINT


def advice(refusal: Refusal) -> str:
    """Return what a person can do about this refusal."""
    return refusal.advice or ADVICE[refusal.kind]


# ---- what a job waits for


@dataclass(frozen=True, slots=True)
class WaitContext:
    """What a job's waiting depends on besides the job. Times are seconds since 1970.

    ``ahead``: an equal prompt that is in flight or in doubt. ``capped_until``: when the daily cap allows the
    next submission, if the cap is reached. ``limit``: the text of the limit for which nothing is sent.
    ``quiet_until``: until when the hours hold the job.
    """

    now: float
    daemon: bool
    paused: Pause | None = None
    trouble: str | None = None
    ahead: Job | None = None
    capped_until: float | None = None
    limit: str | None = None
    quiet_until: float | None = None


def wait_reason(job: Job, context: WaitContext) -> tuple[str, str]:
    """Return what an open job waits for, and the hint; both may be empty, as for a running job."""
    if not job.open or job.state is State.IN_DOUBT:
        return "", ""
    if job.state is State.QUEUED and context.paused is not None:
        return f"sending is paused: {context.paused.reason}", resume_hint(context.paused)
    if not context.daemon:
        return "no daemon is running", "start the service with `mjwatch run`"
    if job.state is State.QUEUED:
        return _wait_in_queue(job, context)
    if job.state in ENDED | {State.COLLECTING}:
        return _next_try(job, context.now), ""
    if job.cancel_request is not None and context.trouble is None:
        return _wait_for_cancel(job.cancel_request, job.cancel_button is not None, context.now), ""
    return context.trouble or "", ""


def _wait_for_cancel(request: CancelRequest, is_offered: bool, now: float) -> str:
    if request.nonce is not None:
        return f"Midjourney's Cancel Job was pressed at {clock(request.pressed, now)}"
    return "Midjourney's Cancel Job will be pressed" + ("" if is_offered else ", if it is offered")


def _wait_in_queue(job: Job, context: WaitContext) -> tuple[str, str]:
    if context.trouble is not None:
        return f"Discord can't be used: {context.trouble}", ""
    if context.limit is not None:
        return context.limit, ""
    if context.ahead is not None:
        return _wait_for_duplicate(context.ahead)
    if context.quiet_until is not None and context.quiet_until > (job.next_action_at or 0.0):
        return quiet_text(context.quiet_until, context.now), ""
    if next_try := _next_try(job, context.now):
        return next_try, ""
    if job.next_action_at is not None and job.next_action_at > context.now:
        return f"its prompt file says not before {clock(job.next_action_at, context.now)}", ""
    if context.capped_until is not None and context.capped_until > context.now:
        until = clock(context.capped_until, context.now)
        return f"the daily cap is reached until {until}", "the cap is [pace] max_per_day in the configuration"
    return "", ""


def _wait_for_duplicate(ahead: Job) -> tuple[str, str]:
    if ahead.state is State.IN_DOUBT:
        text = f"an equal prompt, job {ahead.id}, is in doubt, and their pictures could not be told apart"
        return text, f"`mjwatch retry {ahead.id}` or `mjwatch cancel {ahead.id}`"
    return f"an equal prompt, job {ahead.id}, is running; their pictures could not be told apart yet", ""


def limit_text(limit: Mapping[str, Any] | None, now: float) -> str | None:
    """Return why all prompts wait and until when; ``limit`` as in jobs/limits.py, ``limit_facts``."""
    if limit is None:
        return None
    if limit["scope"] != "failures":
        return f"nothing is sent until {clock(limit['until'], now)}: {limit['why']}"
    when = "now" if limit["until"] <= now else f"at {clock(limit['until'], now)}"
    return f"only one prompt at a time is tried, the next one {when}: {limit['why']}"


def quiet_text(quiet_until: float, now: float) -> str:
    """Return until when prompts wait because of the time of the day."""
    return f"prompts wait until {clock(quiet_until, now)} because of [pace] run_between in the configuration"


def _next_try(job: Job, now: float) -> str:
    """Return why the last try failed and when the next one is; empty if no try failed."""
    if job.next_action_at is None or not job.failed_tries:
        return ""
    next_try = f"next try at {clock(job.next_action_at, now)}"
    return f"{job.history[-1].event}; {next_try}" if job.history else next_try


def clock(time: float, now: float) -> str:
    """Return the local time as hours and minutes, and with the date if it is not today."""
    there, here = (datetime.fromtimestamp(moment).astimezone() for moment in (time, now))
    return there.strftime("%H:%M" if there.date() == here.date() else "%Y-%m-%d %H:%M")


# ---- what the service does


@dataclass(frozen=True, slots=True)
class ServiceSummary:
    """The number of open jobs by state, and what prevents the service from sending them.

    ``troubles``: the worst first. ``capped_until``: when the daily cap allows the next submission, as text.
    ``limit``: the text of the limit for which nothing is sent. ``quiet``: what ``quiet_text`` returns.
    """

    jobs: Mapping[State, int] = field(default_factory=dict)
    connected: bool = True
    troubles: Sequence[Trouble] = ()
    capped_until: str | None = None
    limit: str | None = None
    quiet: str | None = None


def sentence(summary: ServiceSummary) -> str:
    """Return one line for a status display: the worst trouble or what is waited for, and what is to do."""
    parts = [*_obstacles(summary), _work(summary.jobs)]
    text = "; ".join(part for part in parts if part) or "nothing to do"
    return f"{text[0].upper()}{text[1:]}."


def _obstacles(summary: ServiceSummary) -> list[str]:
    if summary.troubles:
        worst, *others = summary.troubles
        more = f"{len(others)} more in `mjwatch status`" if others else ""
        return [worst.sentence, worst.remedy, more]
    if not summary.connected:
        return ["waiting for the gateway"]
    if summary.limit is not None:
        return [summary.limit]
    is_queued = State.QUEUED in summary.jobs
    if summary.quiet and is_queued:
        return [summary.quiet]
    return (
        [f"the daily cap is reached until {summary.capped_until}"]
        if summary.capped_until and is_queued
        else []
    )


def _work(jobs: Mapping[State, int]) -> str:
    counts = {
        "in flight": sum(jobs.get(state, 0) for state in IN_FLIGHT),
        "queued": jobs.get(State.QUEUED, 0),
        "to be saved": jobs.get(State.COLLECTING, 0),
        "in doubt": jobs.get(State.IN_DOUBT, 0),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)
