"""The events that the loop handles, as frozen values: whoever learns something puts one into its queue."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mjwatch.errors import PromptFileError
    from mjwatch.model import ButtonPress, IgnoredFile, Modal, Prompt, Refusal, Result, UploadedImage
    from mjwatch.trouble import Trouble


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
    """The session continues, and the replay of what was missed has ended (RESUMED)."""

    session_id: str
    seq: int


@dataclass(frozen=True, slots=True)
class GatewayDispatch:
    """A dispatch that concerns the channel, live or replayed: its name (``t``), data (``d``) and ``seq``."""

    name: str
    data: Mapping[str, Any]
    seq: int


@dataclass(frozen=True, slots=True)
class GatewayDown:
    """The connection is lost; another try follows in ``retry_in`` seconds. ``reason`` is one line.

    ``session_lost``: the session is gone too, and the next connection begins a new one.
    """

    reason: str
    retry_in: float
    session_lost: bool = False


@dataclass(frozen=True, slots=True)
class GatewayRejected:
    """The gateway rejects every new connection until a person has acted (close 4004, 4010-4014)."""

    reason: str
    code: int | None


@dataclass(frozen=True, slots=True)
class GatewayAlive:
    """The gateway has answered a probe: all that it sent to this session before is in the queue already."""

    session_id: str


GatewayEvent = GatewayReady | GatewayResumed | GatewayDispatch | GatewayAlive | GatewayDown | GatewayRejected


# What happens to one job. jobs/state_machine.py has the table of what each of them does in each state.


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """The loop has chosen this queued job to be sent now, as the attempt with this nonce.

    ``anchor`` is the newest message known in the channel: only a newer one can be this job's.
    ``session_generation``: the number of the session, as two may have the same id.
    """

    nonce: str
    session_id: str
    anchor: str | None
    session_generation: int = 0


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
    """The POST of unknown fate was not executed: its session stayed silent about it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Discord or the bot refused. ``executed`` is False where nothing was run and so nothing was paid for."""

    refusal: Refusal
    executed: bool = True


@dataclass(frozen=True, slots=True)
class Uploaded:
    """Discord has the job's local images; the job can be sent now."""

    images: tuple[UploadedImage, ...]


@dataclass(frozen=True, slots=True)
class UploadFailed:
    """The job's local images could not be uploaded; nothing was sent.

    ``refusal``: Discord refused. ``posted``: a message with the images may be in the channel all the same.
    """

    reason: str
    retry_after: float | None = None
    refusal: Refusal | None = None
    posted: bool = False


@dataclass(frozen=True, slots=True)
class ModalOpened:
    """The pressed button opened a form: nothing runs before the form is filled in and sent."""

    modal: Modal


@dataclass(frozen=True, slots=True)
class InteractionSeen:
    """The gateway named the interaction that belongs to the attempt's nonce."""

    interaction_id: str


@dataclass(frozen=True, slots=True)
class InteractionFailed:
    """Discord says that the application did not answer in time; the job may run all the same.

    ``refusal``: instead of that, the bot refused something that may be the job.
    """

    reason: str
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class QueuedByBot:
    """Midjourney accepted the job but lets it wait ("Job queued"): it starts later, in another message."""


@dataclass(frozen=True, slots=True)
class Started:
    """The bot's start message has come: the job waits or runs. ``cancel``: the button there that stops it.

    ``by_looks``: no id says that it is the job's, but nothing else fits.
    """

    message_id: str
    interaction_id: str | None = None
    job_uuid: str | None = None
    cancel: ButtonPress | None = None
    by_looks: bool = False


@dataclass(frozen=True, slots=True)
class StartDisputed:
    """Another start looks the same, and no id says which of the two is the job's: neither counts."""


@dataclass(frozen=True, slots=True)
class Progressed:
    """The start message shows progress: the bot's percentage, and the job's uuid once it is known.

    ``cancel``: the button there that stops the job.
    """

    percent: int | None
    job_uuid: str | None = None
    cancel: ButtonPress | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The final message has come. From here on the slot is free."""

    result: Result


@dataclass(frozen=True, slots=True)
class Imported:
    """Pictures that were made elsewhere become this job's result. ``made``: when, in seconds since 1970."""

    result: Result
    made: float


@dataclass(frozen=True, slots=True)
class StartMessageDeleted:
    """The start message was deleted; a final may still follow."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The time in ``job.next_action_at`` has come.

    ``result_held``: an unmatched result is kept that may be the job's or another's. ``result_missed``: its
    result may have come in a gap for which the history shows nothing.
    """

    result_held: bool = False
    result_missed: bool = False


@dataclass(frozen=True, slots=True)
class Published:
    """The job's folder is in the outbox, whole and durable. ``folder`` is relative to the outbox.

    ``failed``: the folder is the answer to a job without pictures.
    """

    folder: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class SaveFailed:
    """Pictures or folder could not be saved. ``final``: another try can't help.

    ``refusal``: a limit of Discord, so this try does not count. ``trouble``: what is wrong beyond this job.
    """

    reason: str
    final: bool = False
    refusal: Refusal | None = None
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """A person wants the job cancelled."""


@dataclass(frozen=True, slots=True)
class CancelStarted:
    """The loop has Midjourney's Cancel Job pressed now, because a person asked for it."""

    nonce: str
    session_id: str


@dataclass(frozen=True, slots=True)
class CancelPressed:
    """Cancel Job was pressed, as far as is known; ``failure``: why the press has no effect.

    ``refusal``: Discord or Midjourney refused. ``again``: seconds after which another press may help.
    """

    failure: str | None = None
    refusal: Refusal | None = None
    again: float | None = None


@dataclass(frozen=True, slots=True)
class RetryRequested:
    """A person wants the job to be run again, and accepts that it may have run before."""


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
    | StartDisputed
    | Progressed
    | Finished
    | Imported
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
    """A worker's event for one job. ``nonce``: the attempt that the event is about, if it is about one."""

    job_id: str
    event: JobEvent
    nonce: str | None = None


@dataclass(frozen=True, slots=True)
class FileSettled:
    """A prompt file is complete and was read. ``path`` is relative to the inbox, with slashes.

    ``prompts``: what it holds, with ``notes`` on probable mistakes; or ``error``: why it can't be read as
    prompts. ``images``: the local images that it names. ``belongs_to``: the file is a manifest of mjwatch
    that came with the prompt file at that path; the two are one request. ``companions``: the files that
    belong to it and are removed with it, by path and identity.
    """

    path: str
    data: bytes
    mtime: float
    identity: tuple[int, ...]
    prompts: tuple[Prompt, ...] = ()
    notes: tuple[str, ...] = ()
    error: PromptFileError | None = None
    images: Mapping[str, bytes] = field(default_factory=dict)
    belongs_to: str | None = None
    companions: tuple[tuple[str, tuple[int, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class InboxScanned:
    """A scan of the inbox has ended; ``waiting`` files have not settled yet.

    ``ignored`` are some of the files left alone that a person may ask about, ``counts`` how many there are by
    reason. ``trouble``: why nothing is taken from this inbox; then ``waiting`` has no meaning.
    ``in_flight``: files that the engine has and has not handled yet; they may stay in the inbox for a while.
    """

    waiting: int
    ignored: tuple[IgnoredFile, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    trouble: Trouble | None = None
    in_flight: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class PromptSubmitted:
    """A prompt that comes from Python or the CLI instead of a file, under an id that its sender chose.

    ``path`` is the file name that it would have had in the inbox; None for a follow-up, whose folder is
    beside its parent's. ``file`` is the number in the journal of its prompt file, if that is there already.
    ``notes``: how the prompt was read, for the job's history.
    """

    job_id: str
    prompt: Prompt
    path: str | None
    file: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HistoryRead:
    """Messages of the channel, oldest first, as REST gives them; ``newest`` is the newest one's id.

    ``reread`` has the start messages that were asked for, as they are now; None for one that is gone or
    hidden. Not ``complete``: there is more after ``newest``.
    """

    messages: tuple[Mapping[str, Any], ...]
    newest: str | None
    reread: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    complete: bool = True


@dataclass(frozen=True, slots=True)
class HistoryReadFailed:
    """The history could not be read; the loop asks again later.

    ``refusal``: Discord refused; it may be a limit, or a person must act before anything else is sent.
    """

    reason: str
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class PageRead:
    """A page of the channel's history for an import, oldest message first; ``complete``: it is the last one.

    ``purpose`` and ``after`` as in the effect.
    """

    purpose: str
    after: str
    messages: tuple[Mapping[str, Any], ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class PageReadFailed:
    """A page for an import could not be read; ``refusal``: Discord refused."""

    reason: str
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class RequestsPending:
    """There may be a new request in the journal."""


@dataclass(frozen=True, slots=True)
class OutboxTried:
    """A ``part`` of the outbox that is of no job was written, or could not be (``trouble``)."""

    part: str
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class ClockCompared:
    """Discord has named its time; this machine's clock is so many seconds ``ahead`` of it."""

    ahead: float


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The loop is to end: a signal has come, or a person wants it."""


LoopEvent = (
    GatewayEvent
    | ForJob
    | FileSettled
    | InboxScanned
    | PromptSubmitted
    | HistoryRead
    | HistoryReadFailed
    | PageRead
    | PageReadFailed
    | OutboxTried
    | ClockCompared
    | RequestsPending
    | StopRequested
)
