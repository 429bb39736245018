"""Why a job has no pictures, in words, and what a person can do about it.

What the service does now, in one sentence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from mjwatch.model import ENDED, ENDED_BY_ENTRY, IN_FLIGHT, PauseKind, RefusalClass, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mjwatch.model import CancelRequest, Job, Pause, Refusal


IN_DOUBT = "whether Midjourney runs it is not known, so it is not sent again"
IN_DOUBT_MEND = (
    "look into the channel; if its pictures come, they are published all the same. `mjwatch retry {id}` sends"
    " it again, `mjwatch cancel {id}` gives it up"
)

ADVICE: dict[RefusalClass | None, str] = {
    RefusalClass.USER: "Change the prompt file and drop it into the inbox again.",
    RefusalClass.MODERATION: "Change the words or pictures, then drop the file into the inbox again.",
    RefusalClass.ACCOUNT: "See to your account in Discord first, then drop the file into the inbox again.",
    RefusalClass.PLAN: "See to your Midjourney subscription first, then drop the file into the inbox again.",
    RefusalClass.CONFIG: "Run `mjwatch check`: it says what in the configuration is wrong.",
    RefusalClass.TRANSIENT: "It may well work later: drop the file into the inbox again.",
    RefusalClass.RETRY: "It may well work later: drop the file into the inbox again.",
    RefusalClass.STALE_VERSION: "It may well work later: drop the file into the inbox again.",
    None: "Read the message itself; the prompt file can be dropped into the inbox again.",
}
"""What a person can do about each class of refusal, where it says nothing itself; None: its class is open."""


@dataclass(frozen=True, slots=True)
class WaitContext:
    """What a job's waiting depends on beside itself. Times are seconds since 1970.

    ``ahead``: an equal prompt that is out or in doubt. ``capped_until``: when the daily cap lets the next one
    go, if it is reached.
    """

    now: float
    daemon: bool
    paused: Pause | None = None
    trouble: str | None = None
    ahead: Job | None = None
    capped_until: float | None = None


def reason(job: Job) -> tuple[str, str]:
    """What stands between this job and its pictures, and the mend; both may be empty, as for one at work."""
    if job.state is State.IN_DOUBT:
        return IN_DOUBT, IN_DOUBT_MEND.format(id=job.id)
    if job.refusal is not None:
        words = (job.refusal.title, job.refusal.detail)
        return ": ".join(part for part in words if part), advice(job.refusal)
    if job.state is State.CANCELLED:
        if job.started is None:
            return "it was cancelled", ""
        return "it was cancelled at work; what was rendered until then may have been paid for", ""
    if job.state in {State.FAILED, State.REJECTED} and job.history:
        return job.history[-1].event, ""
    return "", ""


def advice(refusal: Refusal) -> str:
    """What a person can do about this refusal."""
    return refusal.advice or ADVICE[refusal.kind]


def waits_for(job: Job, around: WaitContext) -> tuple[str, str]:
    """What an open job waits for, and what a person can do; both may be empty, as for one at work."""
    if not job.open or job.state is State.IN_DOUBT:
        return "", ""
    if job.state is State.QUEUED and around.paused is not None:
        return f"the sending is paused: {around.paused.reason}", resume_hint(around.paused)
    if not around.daemon:
        return "no daemon runs", "start it: `mjwatch run`"
    if job.state is State.QUEUED:
        return _waits_in_queue(job, around)
    if job.state in ENDED | {State.COLLECTING}:
        return _next_try(job, around.now), ""
    if job.cancel_request is not None and around.trouble is None:
        return _to_be_stopped(job.cancel_request, job.cancel_button is not None, around.now), ""
    return around.trouble or "", ""


def _to_be_stopped(wish: CancelRequest, offered: bool, now: float) -> str:
    if wish.nonce is not None:
        return f"Midjourney's Cancel Job was pressed for it at {clock(wish.pressed, now)}"
    return "Midjourney's Cancel Job is to be pressed for it" + ("" if offered else ", if that is offered")


def resume_hint(pause: Pause) -> str:
    """What a person does to end this pause. Keys and configuration are read at a start."""
    if pause.kind is PauseKind.PERSON:
        return "`mjwatch resume` goes on"
    if pause.kind in ENDED_BY_ENTRY:
        return "mend that, then stop the service and start it again: it goes on by itself"
    if pause.kind is PauseKind.CONFIG:
        return "mend that, stop the service, and start it by `mjwatch run --resume`"
    return "see to that, then run `mjwatch resume`"


def _waits_in_queue(job: Job, around: WaitContext) -> tuple[str, str]:
    if around.trouble is not None:
        return f"Discord can't be used: {around.trouble}", ""
    if around.ahead is not None:
        return _duplicate(around.ahead)
    if next_try := _next_try(job, around.now):
        return next_try, ""
    if job.next_action_at is not None and job.next_action_at > around.now:
        return f"its prompt file says not before {clock(job.next_action_at, around.now)}", ""
    if around.capped_until is not None and around.capped_until > around.now:
        until = clock(around.capped_until, around.now)
        return f"the daily cap is reached until {until}", "[pace] max_per_day in the configuration sets it"
    return "", ""


def _duplicate(ahead: Job) -> tuple[str, str]:
    if ahead.state is State.IN_DOUBT:
        words = f"an equal prompt, job {ahead.id}, is in doubt, and their pictures could not be told apart"
        return words, f"`mjwatch retry {ahead.id}` or `mjwatch cancel {ahead.id}`"
    return f"an equal prompt, job {ahead.id}, is at work; their pictures could not be told apart yet", ""


def _next_try(job: Job, now: float) -> str:
    """What the last try met, and when the next one is."""
    if job.next_action_at is None or not job.failed_tries:
        return ""
    last = job.history[-1].event.partition("; again in ")[0] if job.history else ""
    return (
        f"{last}; next try at {clock(job.next_action_at, now)}"
        if last
        else f"next try at {clock(job.next_action_at, now)}"
    )


def clock(time: float, now: float) -> str:
    """A time of today as local hours and minutes, another with its date."""
    there, here = (datetime.fromtimestamp(moment).astimezone() for moment in (time, now))
    return there.strftime("%H:%M" if there.date() == here.date() else "%Y-%m-%d %H:%M")


@dataclass(frozen=True, slots=True)
class ServiceSummary:
    """How many jobs there are, and what stands in their way.

    ``jobs``: the open ones, by state. ``capped_until``: when the daily cap lets the next one go, in words.
    """

    jobs: Mapping[State, int] = field(default_factory=dict)
    connected: bool = True
    trouble: str | None = None
    paused: Pause | None = None
    journal_fails: bool = False
    inbox_trouble: str | None = None
    capped_until: str | None = None


def sentence(standing: ServiceSummary) -> str:
    """For a line of a status display: what is in the way, and how much there is to do."""
    parts = [*_obstacle(standing), _work(standing.jobs)]
    words = "; ".join(part for part in parts if part) or "nothing to do"
    return f"{words[0].upper()}{words[1:]}."


def _obstacle(standing: ServiceSummary) -> list[str]:
    if standing.journal_fails:
        return ["the journal can't be written, nothing is sent"]
    inbox = [] if standing.inbox_trouble is None else [standing.inbox_trouble]
    if standing.paused is not None:
        return [f"paused: {standing.paused.reason}", resume_hint(standing.paused), *inbox]
    if not standing.connected:
        return [f"no gateway: {standing.trouble}" if standing.trouble else "waits for the gateway", *inbox]
    if standing.capped_until and State.QUEUED in standing.jobs:
        return [f"the daily cap is reached until {standing.capped_until}", *inbox]
    return inbox


def _work(jobs: Mapping[State, int]) -> str:
    counts = {
        "in flight": sum(jobs.get(state, 0) for state in IN_FLIGHT),
        "queued": jobs.get(State.QUEUED, 0),
        "to be saved": jobs.get(State.COLLECTING, 0),
        "in doubt": jobs.get(State.IN_DOUBT, 0),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)
