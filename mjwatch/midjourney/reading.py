"""What one message of the bot says, as a value: kind, facts about the job, pictures, buttons, refusal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mjwatch.midjourney.info import Info
    from mjwatch.model import Button, Refusal, RemotePicture, Snowflake


class Kind(StrEnum):
    """What a message (or its change) means for a job."""

    STARTED = "started"
    """Accepted; nothing is drawn yet. Also the empty first answer that will be filled by an update."""
    PROGRESS = "progress"
    RESULT = "result"
    """A finished grid of four."""
    SINGLE = "single"
    """One finished picture: a U button, or one of the larger upscales."""
    VIDEO = "video"
    QUEUED = "queued"
    """A notice: the job will start when another one ends. Not a failure."""
    REFUSED = "refused"
    """Any error or refusal of a job; ``Reading.error`` says which."""
    BUTTON_USED = "button_used"
    """A change of a message that was final already; never a new result."""
    DELETED = "deleted"
    INFO = "info"
    DESCRIBE = "describe"
    SHORTEN = "shorten"
    NOTICE = "notice"
    """Acknowledgements, settings, questions: nothing that ends or begins a job."""
    OTHER = "other"
    """Not from the bot, or not a message."""
    HTTP_ERROR = "http_error"


class Action(StrEnum):
    """What was asked of the bot."""

    IMAGINE = "imagine"
    VARIATION = "variation"
    REROLL = "reroll"
    UPSCALE = "upscale"
    ZOOM = "zoom"
    PAN = "pan"
    BLEND = "blend"
    REMIX = "remix"
    VIDEO = "video"


class Status(StrEnum):
    """Where a running job stands, in the words after the mention."""

    WAITING = "waiting"
    RUNNING = "running"
    STOPPED = "stopped"
    PAUSED = "paused"


class Mode(StrEnum):
    """Which of the account's hours the job uses."""

    FAST = "fast"
    RELAXED = "relaxed"
    TURBO = "turbo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One message as read; None and empty tuples where the message says nothing.

    ``prompt`` is as echoed, so it may differ from what was submitted. ``user_id`` is the person in the
    mention, ``invoker_id`` the one in the message's interaction. ``timestamp`` is in seconds since 1970.
    ``final``: it carries the buttons that only finished jobs have, whatever its kind.
    ``action`` is None where the message alone does not tell it. ``text`` is the answer of describe,
    shorten and info, and the wording of a notice.
    """

    event: str
    kind: Kind
    message_id: Snowflake | None = None
    channel_id: Snowflake | None = None
    guild_id: Snowflake | None = None
    author_id: Snowflake | None = None
    application_id: Snowflake | None = None
    deleted_ids: tuple[Snowflake, ...] = ()
    timestamp: float | None = None
    edited: bool = False
    flags: int = 0
    ephemeral: bool = False
    nonce: str | None = None
    interaction_id: Snowflake | None = None
    command: str | None = None
    invoker_id: Snowflake | None = None
    reply_to: Snowflake | None = None
    content: str = ""
    prompt: str | None = None
    user_id: Snowflake | None = None
    percent: int | None = None
    status: Status | None = None
    mode: Mode | None = None
    stealth: bool | None = None
    action: Action | None = None
    image_index: int | None = None
    job_uuid: str | None = None
    final: bool = False
    images: tuple[RemotePicture, ...] = ()
    buttons: tuple[Button, ...] = ()
    error: Refusal | None = None
    info: Info | None = None
    text: str | None = None
