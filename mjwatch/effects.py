"""What the loop wants done outside, as frozen values: the worker does it and answers with an event."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mjwatch.model import Job


@dataclass(frozen=True, slots=True)
class UploadImages:
    """Bring the local images of a queued job to Discord, so that it can be sent."""

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
    """Make the jobs of the follow-ups that are wanted when this job is done.

    The loop itself does it, in the transaction that commits the step.
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
    """Take an accepted prompt file out of the inbox, if it is still the one that was read."""

    path: str
    identity: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DeferFile:
    """Let a prompt file that was not accepted lie in the inbox for so many ``seconds``; then it is as new.

    ``why``: told to those who may wonder; None where there is nothing to wonder about.
    """

    path: str
    why: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class ReadHistory:
    """Read the channel's messages after this id; None asks for the newest page of them.

    ``reread``: start messages of jobs at work, whose changes a history of new messages does not show.
    """

    after: str | None
    reread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Probe:
    """Have the gateway show that it is there; GatewayAlive follows, or the connection is found dead."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Ask the gateway once more for the channel's messages."""


class Notification(StrEnum):
    """What a person may want to be told of, wherever they are."""

    DONE = "done"
    FAILED = "failed"
    NEEDS_PERSON = "needs_person"


@dataclass(frozen=True, slots=True)
class SendNotification:
    """Tell it by the hooks in ``[notify]``. ``job`` is None where it is about the service as a whole.

    Handed out once: a crash at this very moment loses it, which is why nothing else may hang on it.
    """

    news: Notification
    at: float
    reason: str = ""
    job: Job | None = None


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
    | Probe
    | Subscribe
    | SendNotification
)
