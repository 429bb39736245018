"""What POST /interactions is checked for, and what an accepted one becomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mjwatch.discord.protocol import (
    INTERACTION_COMMAND,
    INTERACTION_COMPONENT,
    INTERACTION_MODAL,
    NIJI_APPLICATION_ID,
)

from . import refusals
from .checking import check_nonce, checked_custom_id, checked_snowflake, objects
from .command_options import checked_options
from .identity import BOT_ID, CHANNELS, USER_ID, Channel, Json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .bodies import SentFile
    from .commands import Command, CommandIndex
    from .history import History


@dataclass(frozen=True, slots=True)
class Interaction:
    """An accepted interaction, before the bot hears of it."""

    nonce: str | int | None
    session_id: str
    channel: Channel
    command: str | None = None
    options: tuple[tuple[str, object], ...] = ()
    """(name, value); the value of an attachment is the CDN path of what was uploaded."""
    custom_id: str | None = None
    message_id: str | None = None
    id: str = ""
    user_id: str = USER_ID

    def option(self, name: str) -> str | None:
        """The text of this option."""
        value = dict(self.options).get(name)
        return value if isinstance(value, str) else None


class Files(Protocol):
    """Knows which files have been uploaded, and takes more in."""

    def path_of(self, uploaded_filename: object) -> str | None:
        """The CDN path of a file that was uploaded; None if it never came."""

    def take_in(self, channel_id: str, file: SentFile) -> str:
        """Keep a file that came along in a form; its CDN path."""


class Checks:
    """Checks request bodies against what there is."""

    def __init__(self, index: CommandIndex, history: History, uploads: Files) -> None:
        self._index = index
        self._history = history
        self._uploads = uploads

    def checked(self, body: object, sent: Mapping[str, SentFile] | None = None) -> Interaction:
        """The interaction that this request body asks for; ``sent`` are files that came along in a form.

        Raises `ApiError` with Discord's answer.
        """
        if not isinstance(body, dict):
            raise refusals.not_an_object("")
        kind = body.get("type")
        _check_envelope(body, kind)
        channel = _checked_channel(body)
        session_id, nonce, data = body["session_id"], body.get("nonce"), body["data"]
        if kind == INTERACTION_COMMAND:
            command = self._checked_command(data)
            files = self._files(data, channel, sent or {})
            options = checked_options(data.get("options", []), command, files)
            return Interaction(nonce, session_id, channel, command.name, options)
        if kind == INTERACTION_COMPONENT:
            custom_id = self._checked_custom_id(body, channel)
            message_id = str(body["message_id"])
            return Interaction(nonce, session_id, channel, custom_id=custom_id, message_id=message_id)
        return Interaction(nonce, session_id, channel, custom_id=str(data.get("custom_id")))

    def _checked_command(self, data: Json) -> Command:
        for name in ("id", "version"):
            checked_snowflake(data, name, "data.")
        if not isinstance(data.get("name"), str):
            raise refusals.required("data.name")
        command = self._index.find(str(data["id"]))
        if command is None:
            raise refusals.coded(404, 10063, "Unknown application command")
        if str(data["version"]) != self._index.version(command):
            raise refusals.stale_version()
        if data["name"] != command.name:
            raise refusals.bad_choice("data.name")
        if data.get("type", 1) != 1:
            raise refusals.bad_choice("data.type")
        return command

    def _files(self, data: Json, channel: Channel, sent: Mapping[str, SentFile]) -> dict[str, str]:
        """The paths of the files that come along, by the id that options name them by."""
        given = data.get("attachments") or []
        if not isinstance(given, list) or len(objects(given)) != len(given):
            raise refusals.not_a_list("data.attachments")
        files = {}
        for position, attachment in enumerate(given):
            where = f"data.attachments.{position}"
            file_id = checked_snowflake(attachment, "id", f"{where}.")
            if not isinstance(attachment.get("filename"), str) or not attachment["filename"]:
                raise refusals.required(f"{where}.filename")
            if file_id in sent and "uploaded_filename" not in attachment:
                files[file_id] = self._uploads.take_in(channel.id, sent[file_id])
                continue
            path = self._uploads.path_of(attachment.get("uploaded_filename"))
            if path is None:
                raise refusals.attachment_not_found(f"{where}.uploaded_filename")
            files[file_id] = path
        return files

    def _checked_custom_id(self, body: Json, channel: Channel) -> str:
        checked_snowflake(body, "message_id")
        custom_id = checked_custom_id(body["data"])
        message = self._history.of(channel.id).get(int(body["message_id"]))
        if message is None:
            raise refusals.unknown_message()
        if custom_id not in _custom_ids(message["components"]):
            raise refusals.component_gone()
        return custom_id


def nonce_of(body: object) -> object:
    """The nonce in a request body, whatever it is."""
    return body.get("nonce") if isinstance(body, dict) else None


def text_of(body: object) -> str:
    """What faults are matched with, in a body that may be malformed: the options' texts and the custom_id."""
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict):
        return ""
    values = [data.get("custom_id"), *(option.get("value") for option in objects(data.get("options")))]
    return " ".join(value for value in values if isinstance(value, str))


def _check_envelope(body: Json, kind: object) -> None:
    if kind not in (INTERACTION_COMMAND, INTERACTION_COMPONENT, INTERACTION_MODAL):
        raise refusals.required("type") if kind is None else refusals.bad_choice("type")
    for name in ("application_id", "channel_id"):
        checked_snowflake(body, name)
    if not isinstance(body.get("session_id"), str) or not body["session_id"]:
        raise refusals.required("session_id")
    if not isinstance(body.get("data"), dict):
        raise refusals.required("data")
    check_nonce(body.get("nonce"))


def _checked_channel(body: Json) -> Channel:
    application = str(body["application_id"])
    if application not in (BOT_ID, NIJI_APPLICATION_ID):
        raise refusals.coded(400, 10002, "Unknown Application")
    channel = CHANNELS.get(str(body["channel_id"]))
    if channel is None:
        raise refusals.unknown_channel(400)
    guild_id = body.get("guild_id")
    if guild_id is None and channel.guild_id is not None:
        raise refusals.unknown_channel(400)
    if guild_id is not None and str(guild_id) != channel.guild_id:
        raise refusals.unknown_guild(400)
    if application == NIJI_APPLICATION_ID:
        raise refusals.coded(400, 10005, "Unknown Integration")
    return channel


def _custom_ids(components: list[Json]) -> set[str]:
    found = {component.get("custom_id", "") for component in components}
    for component in components:
        found |= _custom_ids(component.get("components", []))
    return found
