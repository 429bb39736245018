"""The Midjourney bot's messages, in the form of the profile's year."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.discord.protocol import FLAG_EPHEMERAL, INTERACTION_COMMAND
from mjwatch.simulator.cdn.render import media_type
from mjwatch.simulator.world import (
    BOT_ID,
    USER_ID,
    Json,
    SimulatedChannel,
    SnowflakeGenerator,
    bot,
    stranger,
    timestamp_of,
    user,
)

if TYPE_CHECKING:
    from mjwatch.simulator.cdn.render import Size
    from mjwatch.simulator.messages.modals import Interaction
    from mjwatch.simulator.messages.profiles import Profile

BUTTON, ROW, SELECT = 2, 1, 3
SECONDARY, PRIMARY, SUCCESS, DANGER, LINK = 2, 1, 3, 4, 5
REPLY, CONTEXT_MENU_COMMAND = 19, 23


class MessageForms:
    """Builds message bodies as they are stored: no nonce, no guild, attachments with paths as addresses."""

    def __init__(self, profile: Profile, snowflakes: SnowflakeGenerator) -> None:
        self._profile = profile
        self._snowflakes = snowflakes

    def as_in(self, profile: Profile) -> MessageForms:
        """Return the builder for another profile, with the same source of ids."""
        return MessageForms(profile, self._snowflakes)

    def response(
        self,
        interaction: Interaction,
        content: str,
        *,
        flags: int = 0,
        embeds: list[Json] | None = None,
        components: list[Json] | None = None,
    ) -> Json:
        """Return the first answer to an interaction, which looks like a webhook's message."""
        mentioned = None if flags & FLAG_EPHEMERAL else interaction.user_id
        application_id = interaction.application_id
        message = self._message(interaction.channel, content, mentioned, bot(application_id))
        message |= {"type": self._response_type(interaction), "flags": flags, "embeds": embeds or []}
        message["components"] = components or []
        if self._profile.webhook_fields:
            message |= {"webhook_id": application_id, "application_id": application_id}
        if interaction.kind == INTERACTION_COMMAND:
            if self._profile.old_interaction:
                message["interaction"] = self._about(interaction)
        elif interaction.message_id is not None and not interaction.ephemeral:
            message |= {"type": REPLY, **_reference(interaction.channel, interaction.message_id)}
        if self._profile.metadata:
            message |= {"position": 0, "interaction_metadata": self._metadata(interaction)}
        return message

    def _response_type(self, interaction: Interaction) -> int:
        if interaction.kind != INTERACTION_COMMAND:
            return 0
        return CONTEXT_MENU_COMMAND if interaction.target_id else self._profile.response_type

    def _about(self, interaction: Interaction) -> Json:
        person = self._person(_user(interaction.user_id))
        if interaction.kind != INTERACTION_COMMAND:
            return {"id": interaction.id, "type": interaction.kind, "user": person}
        return {"id": interaction.id, "type": 2, "name": interaction.full_name, "user": person}

    def _metadata(self, interaction: Interaction) -> Json:
        about = self._about(interaction)
        about["authorizing_integration_owners"] = {"0": interaction.channel.guild_id or "0"}
        if interaction.modal is not None:
            return {**about, "triggering_interaction_metadata": self._metadata(interaction.modal.press)}
        if interaction.message_id is not None:
            return {**about, "interacted_message_id": interaction.message_id}
        if interaction.target_id is not None:
            return {**about, "command_type": 3, "target_message_id": interaction.target_id}
        return {**about, "command_type": 1}

    def post(
        self,
        channel: SimulatedChannel,
        content: str,
        *,
        reply_to: str | None = None,
        mentioned: str = USER_ID,
        application_id: str = BOT_ID,
    ) -> Json:
        """Return an ordinary message of the bot, such as a final: no interaction, no webhook."""
        message = self._message(channel, content, mentioned, bot(application_id))
        if self._profile.name == "2023":
            message["referenced_message"] = None
        if reply_to is None:
            return message
        return {**message, "type": REPLY, **_reference(channel, reply_to)}

    def rows(self, *rows: list[Json]) -> list[Json]:
        """Return action rows of buttons, numbered if the year's were."""
        numbers = iter(range(1, 100))
        numbered = self._profile.numbered_components

        def with_id(component: Json) -> Json:
            return {"type": component["type"], "id": next(numbers), **component} if numbered else component

        shown = []
        for row in rows:
            outer = with_id({"type": ROW})
            shown.append({**outer, "components": [with_id(button) for button in row]})
        return shown

    def by_user(self, channel: SimulatedChannel, content: str, attachments: list[Json]) -> Json:
        """Return a message that the person posts."""
        return {**self._message(channel, content, None, user()), "attachments": attachments}

    def attachment(self, path: str, attachment_id: str, size: Size | None, length: int) -> Json:
        """Return an attachment by its path at the CDN; only a picture has a size in pixels."""
        filename = path.rpartition("/")[2]
        body: Json = {
            "id": attachment_id,
            "filename": filename,
            "size": length,
            "url": path,
            "proxy_url": path,
            "content_type": media_type(filename),
        }
        if size is not None:
            body |= {"width": size[0], "height": size[1]}
        if self._profile.metadata:
            body |= {"content_scan_version": 1, "placeholder": "", "placeholder_version": 1}
        return body

    def next_id(self) -> str:
        """Return an id for a part of a message."""
        return self._snowflakes.next()

    def _message(self, channel: SimulatedChannel, content: str, mentioned: str | None, author: Json) -> Json:
        message_id = self._snowflakes.next()
        return {
            "type": 0,
            "tts": False,
            "timestamp": timestamp_of(message_id),
            "pinned": False,
            "mentions": [self._person(_user(mentioned))] if mentioned else [],
            "mention_roles": [],
            "mention_everyone": False,
            "id": message_id,
            "flags": 0,
            "embeds": [],
            "edited_timestamp": None,
            "content": content,
            "components": [],
            "channel_id": channel.id,
            "author": self._person(author),
            "attachments": [],
        }

    def _person(self, person: Json) -> Json:
        if self._profile.name != "2023":
            return person
        early = ("username", "id", "discriminator", "avatar", "bot")
        display_name = person["global_name"]
        shown = {name: person[name] for name in early if name in person}
        flags = 65536 if person["id"] == BOT_ID else 0
        return {**shown, "public_flags": flags, "display_name": display_name, "avatar_decoration": None}


def _user(user_id: str) -> Json:
    return user() if user_id == USER_ID else {**stranger(), "id": user_id}


def _reference(channel: SimulatedChannel, message_id: str) -> Json:
    reference: Json = {"type": 0, "channel_id": channel.id, "message_id": message_id}
    if channel.guild_id is not None:
        reference["guild_id"] = channel.guild_id
    return {"message_reference": reference}


def select(custom_id: str, choices: dict[str, str], chosen: str) -> Json:
    """Return a select menu of choices, value to label, with one of them selected."""
    options = [
        {"label": label, "value": value, "default": value == chosen} for value, label in choices.items()
    ]
    return {"type": SELECT, "custom_id": custom_id, "options": options, "min_values": 1, "max_values": 1}


def button(label: str | None, custom_id: str, *, emoji: str | None = None, style: int = SECONDARY) -> Json:
    """Return a button that sends an interaction."""
    body: Json = {"type": BUTTON, "style": style, "custom_id": custom_id}
    if label is not None:
        body["label"] = label
    if emoji is not None:
        body["emoji"] = {"name": emoji}
    return body


def link_button(url: str) -> Json:
    """Return the unlabelled link to the website (its label is a zero-width space)."""
    return {"type": BUTTON, "style": LINK, "label": "\u200b", "url": url}


def embed(title: str | None, description: str, color: int | None, footer: str | None = None) -> Json:
    """Return a rich embed; footers are cut at Discord's 2048 characters."""
    body: Json = {"type": "rich", "description": description}
    if title is not None:
        body["title"] = title
    if color is not None:
        body["color"] = color
    if footer is not None:
        body["footer"] = {"text": footer[:2048]}
    return {**body, "content_scan_version": 0}
