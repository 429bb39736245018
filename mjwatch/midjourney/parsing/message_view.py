"""Lazy accessors over one message of the bot: text, embeds, buttons, pictures, ids. Nothing is judged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mjwatch.discord.json_values import (
    id_of,
    number_of,
    object_of,
    objects_of,
    snowflake_of,
    text_of,
)
from mjwatch.discord.protocol import FLAG_EPHEMERAL, FLAG_LOADING, snowflake_ms
from mjwatch.midjourney.buttons import UUID, CustomId, read_custom_id
from mjwatch.midjourney.parsing import components
from mjwatch.midjourney.parsing.content import Echo, read_content
from mjwatch.midjourney.parsing.parsed_message import JobStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mjwatch.model import Button, RemotePicture

_FOOTER_PROMPT = re.compile(r"/(\w+)\s?(.*)", re.DOTALL)
_REPLY = 0
_FILE_UUID = re.compile(UUID, re.IGNORECASE)
_RUNNING = frozenset({JobStatus.WAITING, JobStatus.RUNNING, JobStatus.PAUSED})


@dataclass(frozen=True)
class MessageView:
    """One message object; each value is looked up once."""

    payload: Mapping[str, Any]

    @cached_property
    def content(self) -> str:
        """The text; with Components V2 it is in text displays."""
        return text_of(self.payload.get("content")) or components.texts(self.payload.get("components"))

    @cached_property
    def echo(self) -> Echo | None:
        """The parsed text, if it is that of a job."""
        return read_content(self.content)

    @cached_property
    def embeds(self) -> list[Mapping[str, Any]]:
        """The bot's own embeds, which have the type rich; Discord makes embeds of other types from links.

        A notice in Components V2 is read as the embed that it replaces.
        """
        embeds = objects_of(self.payload.get("embeds"))
        own = [embed for embed in embeds if text_of(embed.get("type")) in ("", "rich")]
        replaced = None if own or self.echo else components.as_embed(self.payload.get("components"))
        return [replaced] if replaced else own

    @cached_property
    def buttons(self) -> tuple[Button, ...]:
        """All buttons that do something, at any depth."""
        return components.buttons(self.payload.get("components"))

    @cached_property
    def custom_ids(self) -> tuple[CustomId, ...]:
        """The custom ids of the buttons that follow Midjourney's grammar."""
        found = (read_custom_id(button.custom_id) for button in self.buttons)
        return tuple(custom_id for custom_id in found if custom_id is not None)

    @cached_property
    def final(self) -> bool:
        """Whether it shows a finished job. Its buttons say so; a picture alone never does.

        A message whose text says that the job is running is not final, whatever its buttons.
        """
        is_running = self.echo is not None and self.echo.status in _RUNNING
        return not is_running and any(found.ends_job or found.unknown for found in self.custom_ids)

    @cached_property
    def images(self) -> tuple[RemotePicture, ...]:
        """The attachments, or the media of Components V2 (attachments are empty then, by Discord's design).

        A finished job without either has its picture in an embed. Embeds of other messages show the user's
        own pictures (describe) and don't count.
        """
        attached = (components.picture(file) for file in objects_of(self.payload.get("attachments")))
        found = tuple(picture for picture in attached if picture is not None)
        return found or components.pictures(self.payload.get("components")) or self._embedded()

    def _embedded(self) -> tuple[RemotePicture, ...]:
        images = (object_of(embed.get("image")) for embed in self.embeds if self.final)
        return tuple(picture for picture in map(components.picture, images) if picture is not None)

    @cached_property
    def job_uuid(self) -> str | None:
        """The job that the custom ids name, or else the file names; None if they disagree."""
        uuids = {found.job_uuid for found in self.custom_ids if found.job_uuid}
        if not uuids:
            in_names = (_FILE_UUID.findall(image.filename) for image in self.images)
            uuids = {found[-1].lower() for found in in_names if found}  # the prompt comes before the last one
        return uuids.pop() if len(uuids) == 1 else None

    @cached_property
    def interaction(self) -> Mapping[str, Any]:
        """The interaction that this message answers; the older field is still sent with the newer."""
        newer, older = (object_of(self.payload.get(key)) for key in ("interaction_metadata", "interaction"))
        return {**older, **newer}

    @property
    def invoker_id(self) -> str | None:
        """The user who gave the command; at first (2024) the newer field had only the id."""
        user = object_of(self.interaction.get("user"))
        return id_of(user.get("id")) or id_of(self.interaction.get("user_id"))

    @property
    def command(self) -> str | None:
        """The command that this message answers, from its interaction or from the footer of its embed."""
        return text_of(self.interaction.get("name")) or self._footer[0]

    @property
    def footer_prompt(self) -> str | None:
        """The prompt in the footer of a notice, ``/imagine <prompt>``."""
        return self._footer[1]

    @property
    def _footer(self) -> tuple[str | None, str | None]:
        for embed in self.embeds:
            found = _FOOTER_PROMPT.fullmatch(footer_of(embed))
            if found is not None:
                return found[1], found[2] or None
        return None, None

    @property
    def reply_to(self) -> str | None:
        """The message that this one replies to; a forwarded message is a reference too, but not a reply."""
        reference = object_of(self.payload.get("message_reference"))
        forwarded = number_of(reference.get("type")) not in (None, _REPLY)
        return None if forwarded else snowflake_of(reference.get("message_id"))

    @property
    def replied(self) -> MessageView | None:
        """The message replied to, if it is in the payload (Discord leaves it out, or null once deleted)."""
        replied = object_of(self.payload.get("referenced_message"))
        return MessageView(replied) if replied else None

    @property
    def flags(self) -> int:
        """The message's flags; test single bits, never equality."""
        return number_of(self.payload.get("flags")) or 0

    @property
    def empty(self) -> bool:
        """Whether it is still empty: the first answer to a command, which an update will fill."""
        nothing = not (self.content or self.embeds or self.payload.get("components") or self.images)
        return bool(self.flags & FLAG_LOADING) or (nothing and self.answers)

    @property
    def answers(self) -> bool:
        """Whether it answers a command or a button, and is not a separate post."""
        own_fields = (self.payload.get(key) for key in ("nonce", "application_id"))
        return bool(self.interaction) or bool(self.flags & FLAG_EPHEMERAL) or any(own_fields)

    @cached_property
    def timestamp(self) -> float | None:
        """When it was sent, in seconds since 1970: its timestamp, or else the time in its id."""
        try:
            sent = datetime.fromisoformat(text_of(self.payload.get("timestamp")))
            return (sent if sent.tzinfo else sent.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return _time_of_id(snowflake_of(self.payload.get("id")))


def footer_of(embed: Mapping[str, Any]) -> str:
    """Return the footer text of an embed."""
    return text_of(object_of(embed.get("footer")).get("text"))


def _time_of_id(message_id: str | None) -> float | None:
    return None if message_id is None else snowflake_ms(message_id) / 1000
