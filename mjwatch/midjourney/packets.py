"""What the bot is told: the bodies of POST /interactions, one class a command. Pure.

Shapes as a browser sent them 2023-03 to 2026-06 and as discord-userdoccers, "Receiving and responding",
describes them.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from mjwatch.discord.protocol import INTERACTION_COMMAND, INTERACTION_COMPONENT, INTERACTION_MODAL
from mjwatch.midjourney.buttons import UUID
from mjwatch.prompts.images import split_links, validate_link

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mjwatch.model import Snowflake

PROMPT_LIMIT = 6000
"""Characters that Discord takes in a string option."""

FIELD_LIMIT = 4000
"""Characters that Discord takes in a form's text input."""

PREFERENCES = ("remix", "variability", "suffix")

_CHAT_INPUT = 1
_SUB_COMMAND = 1
_STRING = 3
_ATTACHMENT = 11
_ACTION_ROW = 1
_BUTTON = 2
_TEXT_INPUT = 4


class CommandRef(Protocol):
    """What must be known of a command, as the command index tells it."""

    @property
    def id(self) -> Snowflake:
        """Stable over the years."""

    @property
    def version(self) -> Snowflake:
        """Changes whenever the command is registered again."""

    @property
    def name(self) -> str:
        """Without the slash."""

    @property
    def application_id(self) -> Snowflake:
        """Whose command it is."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where an interaction goes. ``guild_id`` is None in the direct messages with the bot.

    ``session_id`` is that of the live gateway session: the answers come to it alone.
    """

    channel_id: Snowflake
    session_id: str
    application_id: Snowflake
    guild_id: Snowflake | None = None

    def envelope(self, interaction_type: int, nonce: str) -> dict[str, Any]:
        """The fields around ``data``, the same for every interaction."""
        guild = {} if self.guild_id is None else {"guild_id": self.guild_id}
        return {
            "type": interaction_type,
            "application_id": self.application_id,
            **guild,
            "channel_id": self.channel_id,
            "session_id": self.session_id,
            "nonce": nonce,
        }


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file that was put into an upload slot; ``uploaded_filename`` is Discord's name for it."""

    filename: str
    uploaded_filename: str


class PacketAssembler(ABC):
    """A slash command with its options; ``assemble`` makes the whole body."""

    name: ClassVar[str]

    @abstractmethod
    def options(self) -> list[dict[str, Any]]:
        """The options, as ``{type, name, value}``."""

    def attachments(self) -> list[UploadedFile]:
        """The uploaded files that attachment options point to, by position."""
        return []

    def application_command(self, command: CommandRef) -> dict[str, Any]:
        """The part that names the command. Raises ValueError if it is another command's."""
        if command.name != self.name:
            raise ValueError(f"/{self.name} can't be sent as /{command.name}")
        return {"version": command.version, "id": command.id, "name": command.name, "type": _CHAT_INPUT}

    def envelope(self, target: Target, nonce: str) -> dict[str, Any]:
        """The fields around ``data``."""
        return target.envelope(INTERACTION_COMMAND, nonce)

    def data(self, command: CommandRef) -> dict[str, Any]:
        """The command, its options and its files."""
        files = [
            {"id": str(n), "filename": one.filename, "uploaded_filename": one.uploaded_filename}
            for n, one in enumerate(self.attachments())
        ]
        return {**self.application_command(command), "options": self.options(), "attachments": files}

    def assemble(self, command: CommandRef, target: Target, nonce: str) -> dict[str, Any]:
        """The body of the POST. Raises ValueError if command and target are of two applications."""
        if command.application_id != target.application_id:
            raise ValueError(f"/{command.name} belongs to application {command.application_id}")
        return {**self.envelope(target, nonce), "data": self.data(command)}


class ImaginePacket(PacketAssembler):
    """``/imagine``. Links given, then links found in the text, stand in front of the words."""

    name = "imagine"

    def __init__(self, prompt: str, image_urls: Sequence[str] = ()) -> None:
        """Raises ValueError if a given link is unusable, nothing is left to draw, or it is too long."""
        given = [validate_link(url) for url in image_urls]
        found, words = split_links(prompt)
        self.prompt = _prompt(" ".join([*given, *found, words.strip()]))

    def options(self) -> list[dict[str, Any]]:
        """The prompt."""
        return [_string("prompt", self.prompt)]


class ShortenPacket(PacketAssembler):
    """``/shorten``: which words of a prompt matter."""

    name = "shorten"

    def __init__(self, prompt: str) -> None:
        """Raises ValueError if the prompt is empty or too long."""
        self.prompt = _prompt(prompt)

    def options(self) -> list[dict[str, Any]]:
        """The prompt."""
        return [_string("prompt", self.prompt)]


class DescribePacket(PacketAssembler):
    """``/describe``: prompts for a picture, which is an uploaded file or a link."""

    name = "describe"

    def __init__(self, picture: UploadedFile | str) -> None:
        """Raises ValueError if a link is unusable."""
        self.picture = picture if isinstance(picture, UploadedFile) else validate_link(picture)

    def options(self) -> list[dict[str, Any]]:
        """The link, or the position of the file."""
        if isinstance(self.picture, UploadedFile):
            return [_file("image", 0)]
        return [_string("link", self.picture)]

    def attachments(self) -> list[UploadedFile]:
        """The file, if it is one."""
        return [self.picture] if isinstance(self.picture, UploadedFile) else []


class BlendPacket(PacketAssembler):
    """``/blend``: two to five uploaded pictures into one. ``dimensions`` is ``--ar 2:3`` or the like."""

    name = "blend"

    def __init__(self, pictures: Sequence[UploadedFile], dimensions: str | None = None) -> None:
        """Raises ValueError if there are too few or too many pictures."""
        if not 2 <= len(pictures) <= 5:
            raise ValueError(f"/blend takes two to five pictures, not {len(pictures)}")
        self.pictures = tuple(pictures)
        self.dimensions = dimensions

    def options(self) -> list[dict[str, Any]]:
        """``image1`` and so on by position, and the aspect ratio if one was asked for."""
        images = [_file(f"image{n + 1}", n) for n in range(len(self.pictures))]
        return [*images, _string("dimensions", self.dimensions)] if self.dimensions else images

    def attachments(self) -> list[UploadedFile]:
        """The pictures, in order."""
        return list(self.pictures)


class PlainPacket(PacketAssembler):
    """A command without options."""

    def options(self) -> list[dict[str, Any]]:
        """None."""
        return []


class InfoPacket(PlainPacket):
    """``/info``: the account's plan, hours and queue."""

    name = "info"


class SettingsPacket(PlainPacket):
    """``/settings``: the account's settings, as buttons that are on or off."""

    name = "settings"


class FastPacket(PlainPacket):
    """``/fast``: jobs use fast hours from now on."""

    name = "fast"


class RelaxPacket(PlainPacket):
    """``/relax``: jobs wait their turn from now on, and use no hours."""

    name = "relax"


class TurboPacket(PlainPacket):
    """``/turbo``: jobs are done sooner from now on, and use more hours."""

    name = "turbo"


class PublicPacket(PlainPacket):
    """``/public``: pictures are shown on Midjourney's site from now on."""

    name = "public"


class StealthPacket(PlainPacket):
    """``/stealth``: pictures are not shown on Midjourney's site from now on."""

    name = "stealth"


class PreferPacket(PacketAssembler):
    """``/prefer remix|variability|suffix``; the suffix is put behind every prompt, none ends that."""

    name = "prefer"

    def __init__(self, what: str, suffix: str = "") -> None:
        """Raises ValueError if there is no such preference, or if it takes no words."""
        if what not in PREFERENCES:
            raise ValueError(f"/prefer has no {what!r}: it has {', '.join(PREFERENCES)}")
        if suffix and what != "suffix":
            raise ValueError(f"/prefer {what} takes no words: it switches between on and off")
        self.what = what
        self.suffix = suffix

    def options(self) -> list[dict[str, Any]]:
        """The sub-command, with the suffix if there is one."""
        inner = [_string("new_value", self.suffix)] if self.suffix else []
        return [{"type": _SUB_COMMAND, "name": self.what, "options": inner}]


class ShowPacket(PacketAssembler):
    """``/show``: the bot posts the result of one of the account's jobs again."""

    name = "show"

    def __init__(self, job_uuid: str) -> None:
        """Raises ValueError if it is no id of Midjourney's."""
        if not re.fullmatch(UUID, job_uuid, re.IGNORECASE):
            raise ValueError("/show takes Midjourney's own job id, as 01234567-89ab-cdef-0123-456789abcdef")
        self.job_uuid = job_uuid.lower()

    def options(self) -> list[dict[str, Any]]:
        """The job's id."""
        return [_string("job_id", self.job_uuid)]


@dataclass(frozen=True, slots=True)
class ButtonPacket:
    """A pressed button of a message. ``message_flags`` are that message's (64 if it is ephemeral)."""

    custom_id: str
    message_id: Snowflake
    message_flags: int = 0

    def assemble(self, target: Target, nonce: str) -> dict[str, Any]:
        """The body of the POST."""
        return {
            **target.envelope(INTERACTION_COMPONENT, nonce),
            "message_flags": self.message_flags,
            "message_id": self.message_id,
            "data": {"component_type": _BUTTON, "custom_id": self.custom_id},
        }


@dataclass(frozen=True, slots=True)
class ModalPacket:
    """A form filled in. ``modal_id`` and ``custom_id`` are the form's, ``fields`` all its text inputs."""

    modal_id: Snowflake
    custom_id: str
    fields: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        """Raises ValueError if it has no fields, or too much stands in one."""
        if not self.fields:
            raise ValueError("the form has nothing to be filled in")
        for _, value in self.fields:
            if len(value) > FIELD_LIMIT:
                raise ValueError(f"the form's text has {len(value)} characters, Discord takes {FIELD_LIMIT}")

    def assemble(self, target: Target, nonce: str) -> dict[str, Any]:
        """The body of the POST."""
        inputs = [{"type": _TEXT_INPUT, "custom_id": name, "value": value} for name, value in self.fields]
        rows = [{"type": _ACTION_ROW, "components": [one]} for one in inputs]
        data = {"id": self.modal_id, "custom_id": self.custom_id, "components": rows}
        return {**target.envelope(INTERACTION_MODAL, nonce), "data": data}


def _prompt(text: str) -> str:
    text = text.strip()
    if not text:
        raise ValueError("the prompt is empty")
    if len(text) > PROMPT_LIMIT:
        raise ValueError(f"the prompt has {len(text)} characters, Discord takes {PROMPT_LIMIT}")
    return text


def _string(name: str, value: str) -> dict[str, Any]:
    return {"type": _STRING, "name": name, "value": value}


def _file(name: str, position: int) -> dict[str, Any]:
    return {"type": _ATTACHMENT, "name": name, "value": position}
