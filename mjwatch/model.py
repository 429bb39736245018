"""The values that all rooms share: ids, prompts, remote pictures, refusals. No I/O, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Snowflake = str
"""A Discord id: a 64-bit number, always handled as the decimal string that JSON carries."""

ParameterValue = str | int | float | bool


class RefusalClass(StrEnum):
    """What kind of no it is; decides what happens to the job and to the sending of others."""

    RETRY = "retry"
    """Not executed, and waiting is enough: rate limits, a full queue."""
    USER = "user"
    """The prompt itself is wrong: a bad parameter, an empty prompt, a bad link."""
    MODERATION = "moderation"
    """Midjourney or Discord objects to the content of this job."""
    ACCOUNT = "account"
    """The account can't go on until a person acts: token, captcha, block, terms, pending notice."""
    PLAN = "plan"
    """The subscription does not allow it or is used up."""
    TRANSIENT = "transient"
    """Something broke on the other side; the same job may succeed later."""
    STALE_VERSION = "stale_version"
    """The command's version is out of date: read the command index again, send once more."""
    CONFIG = "config"
    """Guild, channel, application or rights are wrong: a person must mend the configuration."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A no, from an HTTP answer or from a message of the bot.

    ``cls`` is None where the message leaves it open (an unknown red embed). ``needs_human``: nothing more
    can be submitted until a person has done something. ``retry_after``: seconds to wait, if the answer
    said so.
    """

    cls: RefusalClass | None
    title: str | None
    detail: str
    needs_human: bool = False
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class RemotePicture:
    """A picture as a message offers it. ``url`` is complete with its signature; sizes in pixels and bytes."""

    filename: str
    url: str
    width: int | None = None
    height: int | None = None
    size: int | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class Button:
    """A button of a message that does something (link buttons have no custom_id and don't count)."""

    custom_id: str
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """What one job asks for, as accepted from a prompt file, the CLI or Python.

    ``text`` is the whole string that is submitted: image URLs first, then words, then parameters.
    ``parameters`` are those that the file gave as a table, as written there, for the manifest.
    """

    text: str
    command: str = "imagine"
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    label: str | None = None
