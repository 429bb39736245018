"""When requests must wait: rate limits of the account, and failures in a row (a circuit breaker). Pure.

A limit belongs to the account, not to the job that met it. After a wait one prompt is sent as a probe: if it
succeeds, all others follow. Times are seconds of one monotonic clock, so that no change of the wall clock
makes a wait longer; what the journal keeps are seconds since 1970 (``now``).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mjwatch import events as ev
from mjwatch.model import IN_FLIGHT, LimitScope, Refusal, RefusalClass, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mjwatch.model import Job

LONGEST_LIMIT = 86_400.0
"""Seconds of the longest wait: a limit that names more is probed once a day."""

UNNAMED_LIMIT = 60.0
"""Seconds to wait where a limit names no time, as Midjourney's full queue."""

MARGIN = 0.25
"""Seconds added to the time that Discord names: a request at the very end may be refused again."""

FAILURES_IN_A_ROW = 3
"""Failures of one kind after which sending slows down to probes."""

FIRST_INTERVAL = 60.0
LONGEST_INTERVAL = 3600.0
"""Seconds between two probes; the interval doubles with each probe that fails."""

GRACE_PERIOD = 60.0
"""Seconds after an outage of the bot in which it may report on the jobs that it had before."""

DRAIN_PROBES = 2
"""Probes that must have failed before a run that is to end by itself gives up."""

_ON_THE_WAY = frozenset({State.SUBMITTING, State.SUBMITTED})
_ANSWERS_OF_BOT = (ev.Started, ev.Progressed, ev.QueuedByBot, ev.Finished, ev.ModalOpened)
_LEAVES_DOUBT = frozenset({"interaction", "unanswered", "silence"})
"""Failures that count as one kind: in an outage they alternate, and each leaves a job in doubt."""
_COUNTED_KINDS = frozenset({RefusalClass.CONFIG, RefusalClass.PLAN, RefusalClass.TRANSIENT})


@dataclass(frozen=True, slots=True)
class Wait:
    """Why requests wait and until when; ``seconds``: how long, from the beginning of the wait.

    ``scope`` is that of the limit; None: too many failures in a row.
    """

    reason: str
    seconds: float
    until: float
    scope: LimitScope | None = None

    def to_store(self, monotonic: float, now: float) -> dict[str, Any]:
        """Return the wait as the journal keeps it, ``until`` in seconds since 1970."""
        return {
            "reason": self.reason,
            "seconds": self.seconds,
            "until": now + self.until - monotonic,
            "scope": self.scope,
        }


def _load_wait(stored: Any, monotonic: float, now: float) -> Wait | None:
    """Return a stored wait. If the clock was set back, it lasts no longer than it was to last at first."""
    if not stored:
        return None
    left = min(max(0.0, stored["until"] - now), stored["seconds"], LONGEST_LIMIT)
    scope = LimitScope(stored["scope"]) if stored["scope"] else None
    return Wait(stored["reason"], stored["seconds"], monotonic + left, scope)


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt that may show an outage. ``by_bot``: Discord answered, Midjourney did not."""

    kind: str
    text: str
    by_bot: bool


@dataclass(frozen=True, slots=True)
class SendingGate:
    """Whether prompts may be sent: all of them, one as a probe, or none.

    ``failures``: how many of one ``kind`` came in a row. ``trips``: waits for failures, without a success
    between them. ``probe``: the job whose attempt is to show whether sending works again. ``by_bot``: only an
    answer of the bot shows that, not Discord's 204. ``ended``: when the last outage of the bot was over.
    """

    wait: Wait | None = None
    kind: str = ""
    failures: int = 0
    trips: int = 0
    by_bot: bool = False
    probe: str | None = None
    ended: float = field(default=float("-inf"), compare=False)

    def may_send(self, monotonic: float) -> bool:
        """Return whether a prompt may be sent now. After a failure they are sent one after another."""
        return self.probe is None and (self.wait is None or monotonic >= self.wait.until)

    def may_press(self, monotonic: float) -> bool:
        """Return whether Cancel Job may be pressed: it costs nothing, and it empties a full queue."""
        wait = self.wait
        return wait is None or wait.scope in {None, LimitScope.QUEUE} or monotonic >= wait.until

    @property
    def is_open(self) -> bool:
        """Whether sending has slowed down to probes because of failures."""
        return self.wait is not None and self.wait.scope is None

    def postpones(self, job: Job, monotonic: float) -> bool:
        """Return whether the bot can't be expected to report on this job, because of its outage.

        An outage is over a while after its probe was due, if none was sent: nothing may be queued, or these
        jobs take all places.
        """
        until = self.ended
        if self.by_bot and self.wait is not None and self.is_open:
            until = float("inf") if self.probe is not None else self.wait.until
        is_out = monotonic < until + GRACE_PERIOD
        return is_out and job.state in IN_FLIGHT and job.id != self.probe

    def limited(self, refusal: Refusal, monotonic: float) -> SendingGate:
        """Return the gate after a limit. A wait that ends later stays."""
        wait = _wait_for(refusal, monotonic)
        if self.wait is not None and self.wait.until > wait.until:
            return self
        needs_bot = wait.scope is LimitScope.QUEUE or (self.trips > 0 and self.by_bot)
        return replace(self, wait=wait, by_bot=needs_bot, kind="", failures=0, probe=None)

    def failed(self, failure: Failure, monotonic: float, *, is_probe: bool) -> SendingGate:
        """Return the gate after a failure."""
        if self.wait is not None and not is_probe:
            return self  # it was sent before sending slowed down
        repeats = failure.kind == self.kind or {failure.kind, self.kind} <= _LEAVES_DOUBT
        failures = self.failures + 1 if repeats else 1
        by_bot = failure.by_bot or (repeats and self.by_bot)
        counted = replace(self, kind=failure.kind, failures=failures, by_bot=by_bot)
        if self.wait is None and failures < FAILURES_IN_A_ROW:
            return counted
        seconds = min(LONGEST_INTERVAL, FIRST_INTERVAL * 2.0 ** min(self.trips, 20))
        wait = Wait(f"one prompt after another fails: {failure.text}", seconds, monotonic + seconds)
        return replace(counted, wait=wait, trips=self.trips + 1)

    def succeeded(self, monotonic: float, *, is_probe: bool, by_bot: bool) -> SendingGate:
        """Return the gate after an answer: Discord's 204, or the bot's message."""
        is_proof = by_bot or not self.by_bot
        if not is_proof or (self.wait is not None and not is_probe):
            return self
        return SendingGate(ended=monotonic if self.is_open else self.ended)

    def after(self, before: Job, job: Job, event: ev.JobEvent, monotonic: float) -> SendingGate:
        """Return the gate after a step of a job."""
        gate = self._judge(before, job, event, monotonic)
        if isinstance(event, ev.AttemptStarted) and (gate.wait is not None or gate.failures):
            return replace(gate, probe=job.id)
        is_over = gate.probe == job.id and job.state not in _ON_THE_WAY
        return replace(gate, probe=None) if is_over else gate

    def _judge(self, before: Job, job: Job, event: ev.JobEvent, monotonic: float) -> SendingGate:
        refusal = _refusal_in(event)
        if refusal is not None and refusal.scope is not None:
            return self.limited(refusal, monotonic)
        if job is before:
            return self  # a duplicate, or late
        failure = failure_of(before, job, event)
        if failure is not None:  # uploads are the first step of a probe
            is_probe = job.id == self.probe or isinstance(event, ev.UploadFailed)
            return self.failed(failure, monotonic, is_probe=is_probe)
        by_bot = isinstance(event, _ANSWERS_OF_BOT) or (isinstance(event, ev.Refused) and event.executed)
        if not by_bot and not isinstance(event, ev.Accepted):
            return self
        # A start of what was thought to be a failure shows that the bot is only slow.
        runs = self.is_open and before.state is State.IN_DOUBT and isinstance(event, ev.Started)
        return self.succeeded(monotonic, is_probe=job.id == self.probe or runs, by_bot=by_bot)

    def probed_now(self, monotonic: float) -> SendingGate:
        """Return the gate with its next probe due: a person says that the outage is over."""
        if self.wait is None or not self.is_open:
            return self
        return replace(self, wait=replace(self.wait, until=min(self.wait.until, monotonic)))

    def to_store(self, monotonic: float, now: float) -> dict[str, Any]:
        """Return the gate as the journal keeps it."""
        wait = None if self.wait is None else self.wait.to_store(monotonic, now)
        names = ("kind", "failures", "trips", "by_bot", "probe")
        return {"wait": wait, **{name: getattr(self, name) for name in names}}


def failure_of(before: Job, job: Job, event: ev.JobEvent) -> Failure | None:
    """Return the failure that this step of a job shows, if it may be an outage; None for the job's own."""
    match event:
        case ev.InteractionFailed(refusal=None):
            return Failure("interaction", event.reason, by_bot=True)
        case ev.InteractionFailed(refusal=Refusal() as refusal):
            return _failure_in(refusal, executed=True)
        case ev.OutcomeUnknown() if job.state is not State.SUBMITTED:
            return Failure("unanswered", event.reason, by_bot=False)
        case ev.TimedOut() if before.state is State.SUBMITTED and job.state is State.IN_DOUBT:
            return Failure("silence", "Midjourney does not start what it was sent", by_bot=True)
        case ev.Refused(refusal=refusal) | ev.UploadFailed(refusal=Refusal() as refusal):
            executed = isinstance(event, ev.Refused) and event.executed
            return _failure_in(refusal, executed=executed) if before.started is None else None
        case _:
            return None


def _failure_in(refusal: Refusal, *, executed: bool) -> Failure | None:
    """Return the failure in a refusal; None: a person is needed, or it is about the prompt."""
    text = refusal.title or refusal.detail
    if refusal.needs_human or refusal.stopped or refusal.kind is RefusalClass.MODERATION:
        return None
    if refusal.http_error is not None:
        return Failure(refusal.http_error, text, by_bot=False)
    if refusal.kind in _COUNTED_KINDS:
        return Failure(refusal.kind, text, by_bot=executed)
    return Failure(f"notice: {text}", text, by_bot=executed) if refusal.kind is None else None


def _refusal_in(event: ev.JobEvent) -> Refusal | None:
    kinds = (ev.Refused, ev.UploadFailed, ev.CancelPressed, ev.InteractionFailed)
    return event.refusal if isinstance(event, kinds) else None


def _wait_for(refusal: Refusal, monotonic: float) -> Wait:
    named = UNNAMED_LIMIT if refusal.retry_after is None else refusal.retry_after
    seconds = MARGIN + min(LONGEST_LIMIT, max(0.0, named))
    return Wait(refusal.title or refusal.detail, seconds, monotonic + seconds, refusal.scope)


@dataclass(frozen=True, slots=True)
class Limits:
    """What limits sending (prompts, uploads, presses) and reading (history, new addresses of pictures)."""

    sending: SendingGate = SendingGate()
    reading: Wait | None = None

    def may_read(self, monotonic: float) -> bool:
        """Return whether the channel's history and new addresses of pictures may be requested now."""
        return self.reading is None or monotonic >= self.reading.until

    def next_time(self, monotonic: float) -> float:
        """Return when the next wait ends; infinity if none does."""
        ends = (wait.until for wait in (self.sending.wait, self.reading) if wait is not None)
        return min((end for end in ends if end > monotonic), default=float("inf"))

    def after(self, before: Job, job: Job, event: ev.JobEvent, monotonic: float) -> Limits:
        """Return the limits after a step of a job."""
        limits = self
        if isinstance(event, ev.SaveFailed) and event.refusal is not None:
            limits = limits.reading_limited(event.refusal, monotonic)
        elif (refusal := _refusal_in(event)) is not None and _is_for_all(refusal):
            limits = limits.reading_limited(refusal, monotonic)
        return replace(limits, sending=limits.sending.after(before, job, event, monotonic))

    def reading_limited(self, refusal: Refusal, monotonic: float) -> Limits:
        """Return the limits after Discord has refused to be read; the same ones if that is no limit."""
        if refusal.scope is None:
            return self
        wait = _wait_for(refusal, monotonic)
        if self.reading is not None and self.reading.until > wait.until:
            wait = self.reading
        sending = self.sending.limited(refusal, monotonic) if _is_for_all(refusal) else self.sending
        return Limits(sending, wait)

    def reading_succeeded(self) -> Limits:
        """Return the limits after the history was read."""
        return self if self.reading is None else replace(self, reading=None)

    def with_probe_among(self, jobs: Mapping[str, Job]) -> Limits:
        """Return the limits after a start: a probe counts only if its job still waits for its answer."""
        probe = jobs.get(self.sending.probe or "")
        if probe is not None and probe.state in _ON_THE_WAY:
            return self
        return replace(self, sending=replace(self.sending, probe=None))

    def to_store(self, monotonic: float, now: float) -> dict[str, Any]:
        """Return the limits as the journal keeps them."""
        reading = None if self.reading is None else self.reading.to_store(monotonic, now)
        return {"sending": self.sending.to_store(monotonic, now), "reading": reading}

    @classmethod
    def load(cls, stored: Any, monotonic: float, now: float) -> Limits:
        """Return what ``to_store`` gave to the journal; no limits where it gave nothing."""
        if not stored:
            return cls()
        gate = dict(stored["sending"])
        wait = _load_wait(gate.pop("wait"), monotonic, now)
        return cls(SendingGate(wait, **gate), _load_wait(stored["reading"], monotonic, now))


def _is_for_all(refusal: Refusal) -> bool:
    return refusal.scope in {LimitScope.GLOBAL, LimitScope.ADDRESS}


def limit_facts(stored: Any, now: float) -> dict[str, Any]:
    """Return the stored limits as ``status --json`` shows them: ``sending_limit`` and ``reading_limit``.

    Each is None, or has ``why``, ``until`` (seconds since 1970) and ``scope``: that of the limit, or
    ``failures``; such a wait is shown also when its probe is due.
    """
    stored = stored or {"sending": {"wait": None}, "reading": None}
    waits = {"sending_limit": stored["sending"]["wait"], "reading_limit": stored["reading"]}
    return {name: _shown(wait, now) for name, wait in waits.items()}


def probe_text(probe: str) -> str:
    """Return what all prompts wait for while this job is sent as the probe."""
    return f"job {probe} is sent first, to see whether sending works again"


def _shown(wait: dict[str, Any] | None, now: float) -> dict[str, Any] | None:
    if wait is None or (wait["scope"] and wait["until"] <= now):
        return None
    until = min(wait["until"], now + wait["seconds"])  # the clock may have been set back
    return {"why": wait["reason"], "until": until, "scope": wait["scope"] or "failures"}


def attempt_counts(before: Job, job: Job, event: ev.JobEvent) -> bool | None:
    """Return whether a step shows that the job's last attempt was, or may have been, executed.

    None: the step does not change what was known. A full queue at Midjourney takes no prompt, so it counts
    as not executed; a press that opens a form runs nothing yet.
    """
    if job is before or before.state is job.state is State.QUEUED:
        return None
    if before.state in {State.QUEUED, State.FAILED, State.CANCELLED}:
        shows = (*_ANSWERS_OF_BOT, ev.InteractionSeen, ev.InteractionFailed)
        return True if isinstance(event, shows) else None
    if before.state is job.state or job.state not in {State.QUEUED, State.CANCELLED, State.FAILED}:
        return None
    if isinstance(event, ev.Refused):
        return False if not event.executed or event.refusal.scope is not None else None
    return False if isinstance(event, ev.NotSent | ev.ConfirmedNotExecuted | ev.ModalOpened) else None
