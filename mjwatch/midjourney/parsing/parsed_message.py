"""What one message of the bot says: its kind, facts about the job, pictures, buttons, refusal, account.

The account is the answer to ``/info``, with its numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mjwatch.model import Button, Refusal, RemotePicture, Snowflake


class MessageKind(StrEnum):
    """What a message (or its change) means for a job."""

    STARTED = "started"
    """Accepted; nothing is drawn yet. Also the empty first answer, which an update will fill."""
    PROGRESS = "progress"
    RESULT = "result"
    """A finished grid of four."""
    SINGLE = "single"
    """One finished picture, by a U button or a larger upscale."""
    VIDEO = "video"
    QUEUED = "queued"
    """A notice: the job will start when another job ends. Not a failure."""
    REFUSED = "refused"
    """Any error or refusal of a job; ``ParsedMessage.error`` says which."""
    BUTTON_USED = "button_used"
    """A change of a message that was final before; never a new result."""
    DELETED = "deleted"
    INFO = "info"
    DESCRIBE = "describe"
    SHORTEN = "shorten"
    NOTICE = "notice"
    """An acknowledgement, settings, a question: nothing that starts or ends a job."""
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


def action_of_command(command: str | None) -> Action | None:
    """Return what a command that makes pictures does, or None for any other command."""
    return next((action for action in (Action.IMAGINE, Action.BLEND) if action == command), None)


class JobStatus(StrEnum):
    """The status of a running job, by the words after the mention."""

    WAITING = "waiting"
    RUNNING = "running"
    STOPPED = "stopped"
    PAUSED = "paused"


class Mode(StrEnum):
    """Which of the account's hours a job uses."""

    FAST = "fast"
    RELAXED = "relaxed"
    TURBO = "turbo"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedMessage:
    """One parsed message; None and empty tuples for what the message does not say.

    ``prompt`` is what the bot repeats, so it may differ from the submitted one. ``user_id`` is the user in
    the mention, ``invoker_id`` the user in the message's interaction. ``timestamp`` is in seconds since 1970;
    ``edited_at`` is the time of the last edit as Discord writes it.
    ``final``: the message has the buttons that only finished jobs have, whatever its kind. ``action`` is None
    if the message alone does not show it. ``text`` is the answer of describe, shorten and info, and the text
    of a notice.
    """

    event: str
    kind: MessageKind
    message_id: Snowflake | None = None
    channel_id: Snowflake | None = None
    guild_id: Snowflake | None = None
    author_id: Snowflake | None = None
    application_id: Snowflake | None = None
    deleted_ids: tuple[Snowflake, ...] = ()
    timestamp: float | None = None
    edited_at: str | None = None
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
    status: JobStatus | None = None
    mode: Mode | None = None
    stealth: bool | None = None
    action: Action | None = None
    image_index: int | None = None
    job_uuid: str | None = None
    final: bool = False
    images: tuple[RemotePicture, ...] = ()
    buttons: tuple[Button, ...] = ()
    error: Refusal | None = None
    info: AccountInfo | None = None
    text: str | None = None


_LINE = re.compile(r"^\*\*([^*\n]+?)\*\*:?[ \t]*", re.MULTILINE)
_RENEWAL_TIME = re.compile(r"<t:(\d{1,12})")
_NUMBER = r"(\d[\d,]{0,12}(?:\.\d{1,9})?)"
_TIME = re.compile(_NUMBER + r"(?:\s*/\s*" + _NUMBER + r")?\s*(hour|minute)", re.IGNORECASE)
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,9})?)\s*%")
_COUNT = re.compile(r"\d[\d,]{0,12}")
_JOB = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MODES = {"fast": Mode.FAST, "relax": Mode.RELAXED, "turbo": Mode.TURBO}


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """An account as ``/info`` shows it; None for a missing line.

    Fast time is in hours, also if the bot gives minutes; ``renews`` is in seconds since 1970.
    """

    subscription: str | None = None
    renews: int | None = None
    mode: Mode | None = None
    stealth: bool | None = None
    fast_hours_left: float | None = None
    fast_hours_total: float | None = None
    fast_percent: float | None = None
    lifetime_images: int | None = None
    relaxed_images: int | None = None
    queued_fast: int | None = None
    queued_relaxed: int | None = None
    running: int | None = None


def read_info(description: str) -> AccountInfo:
    """Parse the embed's lines ``**Key**:   value`` (recorded 2024); unknown keys are ignored."""
    lines = _lines(description)
    subscription = lines.get("subscription")
    renews = _RENEWAL_TIME.search(subscription or "")
    left, total = _hours(lines.get("fast time remaining", ""))
    percent = _PERCENT.search(lines.get("fast time remaining", ""))
    return AccountInfo(
        subscription=subscription,
        renews=int(renews[1]) if renews else None,
        mode=_mode(lines.get("job mode", "")),
        stealth=_stealth(lines.get("visibility mode", "")),
        fast_hours_left=left,
        fast_hours_total=total,
        fast_percent=float(percent[1]) if percent else None,
        lifetime_images=_count(lines.get("lifetime usage")),
        relaxed_images=_count(lines.get("relaxed usage")),
        queued_fast=_count(lines.get("queued jobs (fast)")),
        queued_relaxed=_count(lines.get("queued jobs (relax)")),
        running=_jobs(lines.get("running jobs")),
    )


def _lines(description: str) -> dict[str, str]:
    """Return values by key; a value ends at the next key, because a list of jobs has several lines."""
    pieces = _LINE.split(description)
    return {
        key.strip().rstrip(":").lower(): value.strip()
        for key, value in zip(pieces[1::2], pieces[2::2], strict=True)
    }


def _hours(value: str) -> tuple[float | None, float | None]:
    found = _TIME.search(value)
    if found is None:
        return None, None
    units_per_hour = 60 if found[3].lower() == "minute" else 1
    left, total = (float(n.replace(",", "")) / units_per_hour if n else None for n in (found[1], found[2]))
    return left, total


def _mode(value: str) -> Mode | None:
    return next((mode for start, mode in _MODES.items() if value.lower().startswith(start)), None)


def _stealth(value: str) -> bool | None:
    return {"stealth": True, "private": True, "public": False}.get(value.lower())


def _count(value: str | None) -> int | None:
    found = _COUNT.match(value or "")
    if found is not None:
        return int(found[0].replace(",", ""))
    return 0 if value is not None and value.lower() == "none" else None


def _jobs(value: str | None) -> int | None:
    """Return how many jobs run: ``None``, or a list of links; a list without ids is counted by its lines."""
    if not value:
        return None
    if value.lower() == "none" or value.isdecimal():
        return _count(value)
    jobs = {job.lower() for job in _JOB.findall(value)}
    return len(jobs) or len([line for line in value.splitlines() if line.strip()])
