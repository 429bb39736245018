"""What the loop wants done outside, as frozen values: a worker does it and answers with an event."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mjwatch.model import Job
    from mjwatch.trouble import Trouble


@dataclass(frozen=True, slots=True)
class UploadImages:
    """Upload the local images of a queued job to Discord, so that the job can be sent."""

    job: Job


@dataclass(frozen=True, slots=True)
class Submit:
    """POST the job's command, button or form, once, with the nonce of its present attempt."""

    job: Job


@dataclass(frozen=True, slots=True)
class PressCancel:
    """Press Midjourney's Cancel Job below the job's start message, with a nonce of its own, once."""

    job: Job
    nonce: str
    session_id: str


@dataclass(frozen=True, slots=True)
class CreateFollowUps:
    """Create the jobs of the follow-ups that are wanted when this job is done.

    The loop itself does this, in the transaction that commits the step.
    """

    job: Job


@dataclass(frozen=True, slots=True)
class FetchResult:
    """Fetch the result's pictures, split them, publish the job's folder."""

    job: Job


@dataclass(frozen=True, slots=True)
class PublishFailure:
    """Publish the folder of a job that has no pictures: failed, rejected or cancelled."""

    job: Job


@dataclass(frozen=True, slots=True)
class RemoveFile:
    """Remove an accepted prompt file from the inbox, if it is still the one that was read."""

    path: str
    identity: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DeferFile:
    """Leave a prompt file that was not accepted in the inbox for so many ``seconds``; then treat it as new.

    ``why``: the reason to show a person; None if they need none.
    """

    path: str
    why: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class ReadHistory:
    """Read the channel's messages after this id; None asks for the newest page of them.

    ``reread``: start messages of running jobs, because a history of new messages does not show changes.
    """

    after: str | None
    reread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadPage:
    """Read one page of the channel's messages after this id, for an import.

    ``purpose`` comes back with the page.
    """

    purpose: str
    after: str


@dataclass(frozen=True, slots=True)
class Probe:
    """Probe the gateway: GatewayAlive follows, or the connection turns out to be dead."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Ask the gateway again for the channel's messages."""


class Notification(StrEnum):
    """What a person may want to be notified of."""

    DONE = "done"
    FAILED = "failed"
    NEEDS_PERSON = "needs_person"
    TROUBLE = "trouble"
    RESOLVED = "resolved"
    TEST = "test"
    """Sent by ``mjwatch check --notify`` only."""


@dataclass(frozen=True, slots=True)
class SendNotification:
    """Notify a person by the hooks in ``[notify]``. ``job`` is None if it is about the service as a whole.

    ``trouble``: what is wrong, or was until now, if it is about that; its sentence is the ``reason``.
    Handed out once: a crash at this moment loses it, so nothing else may depend on it.
    """

    news: Notification
    at: float
    reason: str = ""
    job: Job | None = None
    trouble: Trouble | None = None


Effect = (
    UploadImages
    | Submit
    | PressCancel
    | CreateFollowUps
    | FetchResult
    | PublishFailure
    | RemoveFile
    | DeferFile
    | ReadHistory
    | ReadPage
    | Probe
    | Subscribe
    | SendNotification
)
