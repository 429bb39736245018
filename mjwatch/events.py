"""What can happen, as frozen values: every room that learns something puts one into the one queue."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mjwatch.model import References

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mjwatch.model import ButtonPress, IgnoredFile, Modal, Prompt, Refusal, Result, UploadedImage


@dataclass(frozen=True, slots=True)
class GatewayReady:
    """A new gateway session began (READY). What happened before it must be read from the history."""

    session_id: str
    resume_gateway_url: str
    user_id: str
    user_name: str
    guild_ids: frozenset[str]
    private_channel_ids: frozenset[str]
    seq: int
    required_action: str | None = None


@dataclass(frozen=True, slots=True)
class GatewayResumed:
    """The session goes on and the replay of what was missed has ended (RESUMED)."""

    session_id: str
    seq: int


@dataclass(frozen=True, slots=True)
class GatewayDispatch:
    """One dispatch that concerns us, live or replayed: its name (``t``), its data (``d``) and its ``seq``."""

    name: str
    data: Mapping[str, Any]
    seq: int


@dataclass(frozen=True, slots=True)
class GatewayDown:
    """The connection is lost; another try follows in ``retry_in`` seconds. ``reason`` is one line."""

    reason: str
    retry_in: float


@dataclass(frozen=True, slots=True)
class GatewayRejected:
    """The gateway won't let us in again until a person has acted (close 4004, 4010-4014)."""

    reason: str
    code: int | None


@dataclass(frozen=True, slots=True)
class GatewayAlive:
    """The gateway has answered a probe: all that it said to this session before is in the queue already."""

    session_id: str


GatewayEvent = GatewayReady | GatewayResumed | GatewayDispatch | GatewayAlive | GatewayDown | GatewayRejected


# What happens to one job. jobs/state_machine.py has the table of what each of them does in each state.


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """The loop has chosen this queued job to be sent now, as the attempt with this nonce.

    ``anchor`` is the newest message known in the channel: what is not newer can't be this job's.
    """

    nonce: str
    session_id: str
    anchor: str | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """Discord answered the POST with 204: the command was executed."""


@dataclass(frozen=True, slots=True)
class NotSent:
    """The POST did not reach Discord: it was not executed, and may be repeated."""

    reason: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    """The fate of the POST is unknown."""

    reason: str


@dataclass(frozen=True, slots=True)
class ConfirmedNotExecuted:
    """It is shown that the POST of unknown fate was not executed: its session stayed silent about it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Discord or the bot said no. ``executed`` is False where nothing was run and so nothing was paid for."""

    refusal: Refusal
    executed: bool = True


@dataclass(frozen=True, slots=True)
class Uploaded:
    """Discord has the job's local images; it can be sent now."""

    images: tuple[UploadedImage, ...]


@dataclass(frozen=True, slots=True)
class UploadFailed:
    """The job's local images could not be uploaded; nothing was sent.

    ``refusal``: Discord said no. ``posted``: a message with them may stand in the channel all the same.
    """

    reason: str
    retry_after: float | None = None
    refusal: Refusal | None = None
    posted: bool = False


@dataclass(frozen=True, slots=True)
class ModalOpened:
    """The pressed button opened a form: nothing runs before that is filled in and sent."""

    modal: Modal


@dataclass(frozen=True, slots=True)
class InteractionSeen:
    """The gateway named the interaction that our nonce became."""

    interaction_id: str


@dataclass(frozen=True, slots=True)
class InteractionFailed:
    """Discord says that the application did not answer the interaction in time; it may run all the same."""

    reason: str


@dataclass(frozen=True, slots=True)
class QueuedByBot:
    """Midjourney took the job but lets it wait ("Job queued"): it starts later, in a message of its own."""


@dataclass(frozen=True, slots=True)
class Started:
    """The bot's start message: the job waits or runs there. ``cancel``: the button there that stops it."""

    message_id: str
    interaction_id: str | None = None
    job_uuid: str | None = None
    cancel: ButtonPress | None = None


@dataclass(frozen=True, slots=True)
class Progressed:
    """A sign of life in the start message: the bot's own percentage, and the job's uuid once it shows.

    ``cancel``: the button there that stops it.
    """

    percent: int | None
    job_uuid: str | None = None
    cancel: ButtonPress | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The final message. From here on the slot is free."""

    result: Result


@dataclass(frozen=True, slots=True)
class StartMessageDeleted:
    """The start message was deleted; a final may still follow."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The time in ``job.due`` has come.

    ``result_held``: a result lies here that may be the job's own and may be another's.
    """

    result_held: bool = False


@dataclass(frozen=True, slots=True)
class Published:
    """The job's folder is in the outbox, whole and durable. ``folder`` is relative to the outbox.

    ``failed``: it is the answer of a job without pictures.
    """

    folder: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class SaveFailed:
    """Pictures or folder could not be saved. ``final``: another try can't help."""

    reason: str
    final: bool = False


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """A person wants the job cancelled."""


@dataclass(frozen=True, slots=True)
class CancelStarted:
    """The loop has Midjourney's Cancel Job pressed now, for a person who asked for it."""

    nonce: str
    session_id: str


@dataclass(frozen=True, slots=True)
class CancelPressed:
    """What became of the press of Cancel Job, as far as it is told; ``failure``: why it comes to nothing.

    ``refusal``: Discord or Midjourney said no. ``again``: seconds after which another press may help.
    """

    failure: str | None = None
    refusal: Refusal | None = None
    again: float | None = None


@dataclass(frozen=True, slots=True)
class RetryRequested:
    """A person wants the job to be run again, and takes it on them that it may have run before."""


@dataclass(frozen=True, slots=True)
class Restarted:
    """The program was started again and found the job in its journal."""


JobEvent = (
    AttemptStarted
    | Accepted
    | NotSent
    | OutcomeUnknown
    | ConfirmedNotExecuted
    | Refused
    | Uploaded
    | UploadFailed
    | ModalOpened
    | InteractionSeen
    | InteractionFailed
    | QueuedByBot
    | Started
    | Progressed
    | Finished
    | StartMessageDeleted
    | TimedOut
    | Published
    | SaveFailed
    | CancelRequested
    | CancelStarted
    | CancelPressed
    | RetryRequested
    | Restarted
)


# What goes into the queue besides the gateway's events.


@dataclass(frozen=True, slots=True)
class ForJob:
    """A worker's event for one job. ``nonce``: the attempt that it is about, if it is about one."""

    job_id: str
    event: JobEvent
    nonce: str | None = None


@dataclass(frozen=True, slots=True)
class FileSettled:
    """A prompt file is complete and was read. ``path`` is relative to the inbox, with slashes.

    ``beside``: it is a manifest of ours that came with the prompt file at that path, and with it makes one
    request. ``others``: what belongs to it and goes when it goes, by path and identity.
    """

    path: str
    data: bytes
    mtime: float
    identity: tuple[int, ...]
    around: References = field(default_factory=References)
    beside: str | None = None
    others: tuple[tuple[str, tuple[int, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class InboxScanned:
    """The inbox was looked at; ``waiting`` files have not settled yet.

    ``left`` are some of the things that are left alone although a person may wonder, ``counts`` all of them
    by reason. ``trouble``: why nothing is taken from this inbox, in words; then ``waiting`` says nothing.
    ``out``: files that were handed on and are not dealt with yet; they may come back to stay for a while.
    """

    waiting: int
    left: tuple[IgnoredFile, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    trouble: str | None = None
    out: int = field(default=0, compare=False)

    def facts(self) -> dict[str, Any]:
        """What to remember of it, as JSON can hold it: all but the number that changes with each file."""
        some = [{"path": _printable(one.path), "why": one.why} for one in self.left]
        return {"trouble": self.trouble, "counts": dict(self.counts), "some": some}


def _printable(path: str) -> str:
    """A path whose bytes that are no UTF-8 are written out."""
    return path.encode("utf-8", "backslashreplace").decode()


@dataclass(frozen=True, slots=True)
class PromptSubmitted:
    """A prompt that comes from Python or the CLI instead of a file, under an id that its giver chose.

    ``path`` is the file name that it would have had in the inbox; None for a follow-up, whose folder stands
    beside its parent's. ``file`` is the number in the journal of what it came from, if it is there already.
    """

    job_id: str
    prompt: Prompt
    path: str | None
    file: int | None = None


@dataclass(frozen=True, slots=True)
class HistoryRead:
    """Messages of the channel, oldest first, as REST gives them; ``newest`` is the newest one's id.

    ``reread`` has the start messages that were asked for, as they are now; None for one that is gone (or
    hidden). Not ``complete``: there is more after ``newest``.
    """

    messages: tuple[Mapping[str, Any], ...]
    newest: str | None
    reread: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    complete: bool = True


@dataclass(frozen=True, slots=True)
class HistoryReadFailed:
    """The history could not be read; the loop asks again after a while.

    ``refusal``: a person must act before anything else is sent.
    """

    reason: str
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class RequestsPending:
    """Somebody may have written a request into the journal."""


@dataclass(frozen=True, slots=True)
class StopRequested:
    """A signal, or the end of a drain: put everything down and end."""


LoopEvent = (
    GatewayEvent
    | ForJob
    | FileSettled
    | InboxScanned
    | PromptSubmitted
    | HistoryRead
    | HistoryReadFailed
    | RequestsPending
    | StopRequested
)
