"""The bodies of POST /interactions: one packet class per command, and those of buttons and forms. Pure.

The shapes are as a browser sent them 2023-03 to 2026-06, and as discord-userdoccers describes them in
"Receiving and responding".
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from mjwatch.discord.protocol import INTERACTION_COMMAND, INTERACTION_COMPONENT, INTERACTION_MODAL
from mjwatch.midjourney.buttons import UUID
from mjwatch.prompts.commands import COMMANDS, slash_name
from mjwatch.prompts.images import MAY_HOLD_LINKS, split_links, validate_link

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mjwatch.model import Job, Snowflake, UploadedImage

PROMPT_LIMIT = 6000
"""Characters that Discord accepts in a string option."""

FIELD_LIMIT = 4000
"""Characters that Discord accepts in a form's text input."""

_CHAT_INPUT = 1
_SUB_COMMAND = 1
_STRING = 3
_ATTACHMENT = 11
_ACTION_ROW = 1
_BUTTON = 2
_TEXT_INPUT = 4


class CommandRef(Protocol):
    """What must be known of a command, as in the command index."""

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
        """The application that owns the command."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where an interaction is sent. ``guild_id`` is None in the direct messages with the bot.

    ``session_id`` is that of the live gateway session, because only that session gets the answers.
    """

    channel_id: Snowflake
    session_id: str
    application_id: Snowflake
    guild_id: Snowflake | None = None

    def envelope(self, interaction_type: int, nonce: str) -> dict[str, Any]:
        """Return the fields around ``data``, the same for every interaction."""
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
    """A slash command with its options. A subclass with a ``name`` is found by that name."""

    name: ClassVar[str]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "name" in cls.__dict__:
            PACKETS[cls.name] = cls

    @classmethod
    def for_job(cls, job: Job) -> Self:
        """Return the packet for a job. Raises ValueError if the job does not fit the command."""
        return cls()

    @abstractmethod
    def options(self) -> list[dict[str, Any]]:
        """Return the options, as ``{type, name, value}``."""

    def attachments(self) -> list[UploadedFile]:
        """Return the uploaded files that attachment options refer to by position."""
        return []

    def application_command(self, command: CommandRef) -> dict[str, Any]:
        """Return the part that names the command. Raises ValueError if it is another command's."""
        if command.name != self.name:
            raise ValueError(f"/{self.name} can't be sent as /{command.name}")
        return {"version": command.version, "id": command.id, "name": command.name, "type": _CHAT_INPUT}

    def envelope(self, target: Target, nonce: str) -> dict[str, Any]:
        """Return the fields around ``data``."""
        return target.envelope(INTERACTION_COMMAND, nonce)

    def data(self, command: CommandRef) -> dict[str, Any]:
        """Return the command, its options and its files."""
        files = [
            {"id": str(n), "filename": file.filename, "uploaded_filename": file.uploaded_filename}
            for n, file in enumerate(self.attachments())
        ]
        return {**self.application_command(command), "options": self.options(), "attachments": files}

    def assemble(self, command: CommandRef, target: Target, nonce: str) -> dict[str, Any]:
        """Return the body of the POST. Raises ValueError if command and target are of two applications."""
        if command.application_id != target.application_id:
            raise ValueError(f"/{command.name} belongs to application {command.application_id}")
        return {**self.envelope(target, nonce), "data": self.data(command)}


PACKETS: dict[str, type[PacketAssembler]] = {}
"""The packet classes by the names of their slash commands."""


class ImaginePacket(PacketAssembler):
    """``/imagine``. Given links come first, then links found in the text, then the words."""

    name = "imagine"

    def __init__(self, prompt: str, image_urls: Sequence[str] = ()) -> None:
        """Raise ValueError if a given link is unusable, or the prompt is empty or too long."""
        given = [validate_link(url) for url in image_urls]
        found, words = split_links(prompt, force=True) if MAY_HOLD_LINKS.search(prompt) else ([], prompt)
        self.prompt = _checked_prompt(" ".join([*given, *found, words.strip()]))

    @classmethod
    def for_job(cls, job: Job) -> Self:
        """Return the packet for the job's text, with its uploaded pictures as links."""
        return cls(job.prompt.text, [_link(image) for image in job.uploads])

    def options(self) -> list[dict[str, Any]]:
        """Return the only option, the prompt."""
        return [_string_option("prompt", self.prompt)]


class ShortenPacket(PacketAssembler):
    """``/shorten``: which words of a prompt matter."""

    name = "shorten"

    def __init__(self, prompt: str) -> None:
        """Raise ValueError if the prompt is empty or too long."""
        self.prompt = _checked_prompt(prompt)

    @classmethod
    def for_job(cls, job: Job) -> Self:
        """Return the packet for the job's text."""
        return cls(job.prompt.text)

    def options(self) -> list[dict[str, Any]]:
        """Return the only option, the prompt."""
        return [_string_option("prompt", self.prompt)]


class DescribePacket(PacketAssembler):
    """``/describe``: prompts for a picture, which is an uploaded file or a link."""

    name = "describe"

    def __init__(self, picture: UploadedFile | str) -> None:
        """Raise ValueError if a link is unusable."""
        self.picture = picture if isinstance(picture, UploadedFile) else validate_link(picture)

    @classmethod
    def for_job(cls, job: Job) -> Self:
        """Return the packet for the job's one picture."""
        pictures: list[UploadedFile | str] = [_file(image) for image in job.uploads]
        pictures += job.prompt.text.split()
        if len(pictures) != 1:
            raise ValueError(f"/describe takes one picture, as a file or a link, not {len(pictures)}")
        return cls(pictures[0])

    def options(self) -> list[dict[str, Any]]:
        """Return the link, or the position of the file."""
        if isinstance(self.picture, UploadedFile):
            return [_file_option("image", 0)]
        return [_string_option("link", self.picture)]

    def attachments(self) -> list[UploadedFile]:
        """Return the file, if the picture is one."""
        return [self.picture] if isinstance(self.picture, UploadedFile) else []


class BlendPacket(PacketAssembler):
    """``/blend``: two to five uploaded pictures into one. ``dimensions`` is ``--ar 2:3`` or the like."""

    name = "blend"

    def __init__(self, pictures: Sequence[UploadedFile], dimensions: str | None = None) -> None:
        """Raise ValueError if there are too few or too many pictures."""
        if not 2 <= len(pictures) <= 5:
            raise ValueError(f"/blend takes two to five pictures, not {len(pictures)}")
        self.pictures = tuple(pictures)
        self.dimensions = dimensions

    @classmethod
    def for_job(cls, job: Job) -> Self:
        """Return the packet for the job's pictures; its text may only be an aspect ratio."""
        text = job.prompt.text.strip()
        ratio = _BLEND_RATIO.fullmatch(text)
        if text and ratio is None:
            raise ValueError("/blend takes pictures and no text except --ar 2:3, --ar 1:1 or --ar 3:2")
        return cls([_file(image) for image in job.uploads], f"--ar {ratio[1]}" if ratio else None)

    def options(self) -> list[dict[str, Any]]:
        """Return ``image1`` and so on by position, and the aspect ratio if there is one."""
        images = [_file_option(f"image{n + 1}", n) for n in range(len(self.pictures))]
        return [*images, _string_option("dimensions", self.dimensions)] if self.dimensions else images

    def attachments(self) -> list[UploadedFile]:
        """Return the pictures, in order."""
        return list(self.pictures)


_BLEND_RATIO = re.compile(r"--(?:ar|aspect) (2:3|1:1|3:2)")


class ShowPacket(PacketAssembler):
    """``/show``: the bot posts the result of one of the account's jobs again."""

    name = "show"

    def __init__(self, job_uuid: str) -> None:
        """Raise ValueError if this is not an id of Midjourney's."""
        if not re.fullmatch(UUID, job_uuid, re.IGNORECASE):
            raise ValueError("/show takes Midjourney's own job id, as 01234567-89ab-cdef-0123-456789abcdef")
        self.job_uuid = job_uuid.lower()

    @classmethod
    def for_job(cls, job: Job) -> Self:
        """Return the packet for the uuid in the job's text."""
        return cls(job.prompt.text.strip())

    def options(self) -> list[dict[str, Any]]:
        """Return the job's id."""
        return [_string_option("job_id", self.job_uuid)]


class PlainPacket(PacketAssembler):
    """A command without options."""

    def options(self) -> list[dict[str, Any]]:
        """Return no options."""
        return []


class InfoPacket(PlainPacket):
    """``/info``: the account's plan, hours and queue."""

    name = "info"


class SettingsPacket(PlainPacket):
    """``/settings``: the account's settings, as buttons that are on or off."""

    name = "settings"


class FastPacket(PlainPacket):
    """``/fast``: from now on, jobs use fast hours."""

    name = "fast"


class RelaxPacket(PlainPacket):
    """``/relax``: from now on, jobs wait their turn and use no hours."""

    name = "relax"


class TurboPacket(PlainPacket):
    """``/turbo``: from now on, jobs are done sooner and use more hours."""

    name = "turbo"


class PublicPacket(PlainPacket):
    """``/public``: from now on, pictures are shown on Midjourney's site."""

    name = "public"


class StealthPacket(PlainPacket):
    """``/stealth``: from now on, pictures are not shown on Midjourney's site."""

    name = "stealth"


class PreferPacket(PacketAssembler):
    """``/prefer remix|variability|suffix``; the suffix is added to every prompt, an empty one ends that."""

    name = "prefer"

    def __init__(self, what: str, suffix: str = "") -> None:
        """Raise ValueError if there is no such preference, or if the preference takes no text."""
        if f"prefer {what}" not in COMMANDS:
            known = [command.partition(" ")[2] for command in COMMANDS if slash_name(command) == "prefer"]
            raise ValueError(f"/prefer has no {what!r}: it has {', '.join(known)}")
        if suffix and what != "suffix":
            raise ValueError(f"/prefer {what} takes no text: it switches between on and off")
        self.what = what
        self.suffix = suffix

    @classmethod
    def for_job(cls, job: Job) -> Self:
        """Return the packet for the sub-command that the job's command names."""
        return cls(job.prompt.command.partition(" ")[2], job.prompt.text.strip())

    def options(self) -> list[dict[str, Any]]:
        """Return the sub-command, with the suffix if there is one."""
        inner = [_string_option("new_value", self.suffix)] if self.suffix else []
        return [{"type": _SUB_COMMAND, "name": self.what, "options": inner}]


@dataclass(frozen=True, slots=True)
class ButtonPacket:
    """A pressed button of a message. ``message_flags`` are the message's flags (64 if it is ephemeral)."""

    custom_id: str
    message_id: Snowflake
    message_flags: int = 0

    def assemble(self, target: Target, nonce: str) -> dict[str, Any]:
        """Return the body of the POST."""
        return {
            **target.envelope(INTERACTION_COMPONENT, nonce),
            "message_flags": self.message_flags,
            "message_id": self.message_id,
            "data": {"component_type": _BUTTON, "custom_id": self.custom_id},
        }


@dataclass(frozen=True, slots=True)
class ModalPacket:
    """A submitted form. ``modal_id`` and ``custom_id`` are the form's, ``fields`` all its text inputs."""

    modal_id: Snowflake
    custom_id: str
    fields: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        """Raise ValueError if the form has no fields, or a text is too long."""
        if not self.fields:
            raise ValueError("the form has no field to fill in")
        for _, value in self.fields:
            if len(value) > FIELD_LIMIT:
                raise ValueError(
                    f"the form's text has {len(value)} characters, but Discord accepts at most {FIELD_LIMIT}"
                )

    def assemble(self, target: Target, nonce: str) -> dict[str, Any]:
        """Return the body of the POST."""
        inputs = [{"type": _TEXT_INPUT, "custom_id": name, "value": value} for name, value in self.fields]
        rows = [{"type": _ACTION_ROW, "components": [text_input]} for text_input in inputs]
        data = {"id": self.modal_id, "custom_id": self.custom_id, "components": rows}
        return {**target.envelope(INTERACTION_MODAL, nonce), "data": data}


def _checked_prompt(text: str) -> str:
    text = text.strip()
    if not text:
        raise ValueError("the prompt is empty")
    if len(text) > PROMPT_LIMIT:
        raise ValueError(f"the prompt has {len(text)} characters, but Discord accepts at most {PROMPT_LIMIT}")
    return text


def _link(image: UploadedImage) -> str:
    if image.url is None:
        raise ValueError(f"the picture {image.filename} has no link that a prompt can hold")
    return image.url


def _file(image: UploadedImage) -> UploadedFile:
    if image.uploaded_filename is None:
        raise ValueError(f"the picture {image.filename} is not uploaded as a file")
    return UploadedFile(image.filename, image.uploaded_filename)


def _string_option(name: str, value: str) -> dict[str, Any]:
    return {"type": _STRING, "name": name, "value": value}


def _file_option(name: str, position: int) -> dict[str, Any]:
    return {"type": _ATTACHMENT, "name": name, "value": position}
