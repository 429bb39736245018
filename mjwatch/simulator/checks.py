"""What POST /interactions is checked for, and what an accepted one becomes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from mjwatch.discord.protocol import (
    FLAG_EPHEMERAL,
    INTERACTION_COMMAND,
    INTERACTION_COMPONENT,
    INTERACTION_MODAL,
)
from mjwatch.simulator import refusals
from mjwatch.simulator.checking import check_nonce, checked_custom_id, checked_snowflake, objects
from mjwatch.simulator.command_options import checked_options
from mjwatch.simulator.command_table import MESSAGE, SLASH
from mjwatch.simulator.identity import BOT_ID, CHANNELS, NIJI_ID, Channel, Json
from mjwatch.simulator.interactions import Interaction
from mjwatch.simulator.messages import BUTTON
from mjwatch.simulator.modals import checked_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mjwatch.simulator.bodies import SentFile
    from mjwatch.simulator.command_table import Command
    from mjwatch.simulator.commands import CommandIndex
    from mjwatch.simulator.history import History
    from mjwatch.simulator.modals import OpenModals


class Files(Protocol):
    """Knows which files have been uploaded, and takes more in."""

    def path_of(self, uploaded_filename: object) -> str | None:
        """The CDN path of a file that was uploaded; None if it never came."""

    def take_in(self, channel_id: str, file: SentFile) -> str:
        """Keep a file that came along in a form; its CDN path."""


class Checks:
    """Checks request bodies against what there is."""

    def __init__(self, index: CommandIndex, history: History, uploads: Files, modals: OpenModals) -> None:
        self._index = index
        self._history = history
        self._uploads = uploads
        self._modals = modals

    def checked(self, body: object, sent: Mapping[str, SentFile] | None = None) -> Interaction:
        """The interaction that this request body asks for; ``sent`` are files that came along in a form.

        Raises `ApiError` with Discord's answer.
        """
        if not isinstance(body, dict):
            raise refusals.not_an_object("")
        _check_envelope(body)
        channel = _checked_channel(body, self._index.in_guild)
        if body["type"] == INTERACTION_COMMAND:
            return self._command(body, channel, sent or {})
        if body["type"] == INTERACTION_COMPONENT:
            return self._press(body, channel)
        return self._submission(body, channel)

    def _command(self, body: Json, channel: Channel, sent: Mapping[str, SentFile]) -> Interaction:
        data, base = body["data"], _base(body, channel)
        command = self._checked_command(data, base.application_id)
        target_id = self._checked_target(data, channel) if command.type == MESSAGE else None
        files = self._files(data, channel, sent)
        options = checked_options(data.get("options", []), command.options, files)
        return replace(base, command=command.name, options=options, target_id=target_id)

    def _checked_target(self, data: Json, channel: Channel) -> str:
        """The message that a message command is for."""
        target_id = checked_snowflake(data, "target_id", "data.")
        if self._history.of(channel.id).get(int(target_id)) is None:
            raise refusals.unknown_message()
        return target_id

    def _checked_command(self, data: Json, application_id: str) -> Command:
        for name in ("id", "version"):
            checked_snowflake(data, name, "data.")
        if not isinstance(data.get("name"), str):
            raise refusals.required("data.name")
        command = self._index.find(str(data["id"]), application_id)
        if command is None:
            raise refusals.coded(404, 10063, "Unknown application command")
        if str(data["version"]) != self._index.version(command):
            raise refusals.stale_version()
        if data["name"] != command.name:
            raise refusals.bad_choice("data.name")
        if data.get("type", SLASH) != command.type:
            raise refusals.bad_choice("data.type")
        return command

    def _files(self, data: Json, channel: Channel, sent: Mapping[str, SentFile]) -> dict[str, str]:
        """The paths of the files that come along, by the id that options name them by."""
        given = [] if data.get("attachments") is None else data["attachments"]
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

    def _press(self, body: Json, channel: Channel) -> Interaction:
        data = body["data"]
        message_id, custom_id = checked_snowflake(body, "message_id"), checked_custom_id(data)
        message = self._pressed_message(body, channel, message_id)
        kind = data.get("component_type")
        if kind is None:
            raise refusals.required("data.component_type")
        component = _component(message["components"], custom_id)
        if component is None or component.get("disabled") or component["type"] != kind:
            raise refusals.component_gone()
        if message["author"]["id"] != str(body["application_id"]):
            raise refusals.component_gone()
        return replace(
            _base(body, channel),
            custom_id=custom_id,
            message_id=message_id,
            whispered=bool(message["flags"] & FLAG_EPHEMERAL),
            values=_chosen(data, component),
        )

    def _pressed_message(self, body: Json, channel: Channel, message_id: str) -> Json:
        """Ephemeral messages are found only by those who say that they are ephemeral, as clients do."""
        flags = body.get("message_flags")
        if flags is not None and (isinstance(flags, bool) or not isinstance(flags, int)):
            raise refusals.invalid_form("message_flags", "NUMBER_TYPE_COERCE", f'Value "{flags}" is not int.')
        whispered = bool((flags or 0) & FLAG_EPHEMERAL)
        kept = self._history.whispers if whispered else self._history.of(channel.id)
        message = kept.get(int(message_id))
        if message is None or message["channel_id"] != channel.id:
            raise refusals.unknown_message()
        return message

    def _submission(self, body: Json, channel: Channel) -> Interaction:
        data = body["data"]
        modal = self._modals.find(checked_snowflake(data, "id", "data."))
        if modal is None or modal.press.channel != channel:
            raise refusals.coded(404, 10062, "Unknown interaction")
        if modal.press.application_id != str(body["application_id"]):
            raise refusals.coded(404, 10062, "Unknown interaction")
        words = checked_words(data, modal.form)
        return replace(
            _base(body, channel),
            custom_id=modal.form.custom_id,
            message_id=modal.press.message_id,
            whispered=modal.press.whispered,
            modal=modal,
            words=words,
        )


def _base(body: Json, channel: Channel) -> Interaction:
    return Interaction(body.get("nonce"), body["session_id"], channel, str(body["application_id"]))


def _check_envelope(body: Json) -> None:
    kind = body.get("type")
    if kind is None:
        raise refusals.required("type")
    if isinstance(kind, bool) or kind not in (INTERACTION_COMMAND, INTERACTION_COMPONENT, INTERACTION_MODAL):
        raise refusals.bad_choice("type")
    for name in ("application_id", "channel_id"):
        checked_snowflake(body, name)
    if not isinstance(body.get("session_id"), str) or not body["session_id"]:
        raise refusals.required("session_id")
    if not isinstance(body.get("data"), dict):
        raise refusals.required("data")
    check_nonce(body.get("nonce"))


def _checked_channel(body: Json, in_guild: tuple[str, ...]) -> Channel:
    application = str(body["application_id"])
    if application not in (BOT_ID, NIJI_ID):
        raise refusals.coded(400, 10002, "Unknown Application")
    channel = CHANNELS.get(str(body["channel_id"]))
    if channel is None:
        raise refusals.unknown_channel(400)
    guild_id = body.get("guild_id")
    if guild_id is None and channel.guild_id is not None:
        raise refusals.unknown_channel(400)
    if guild_id is not None and str(guild_id) != channel.guild_id:
        raise refusals.unknown_guild(400)
    if application not in (in_guild if channel.guild_id is not None else (BOT_ID,)):
        raise refusals.coded(400, 10005, "Unknown Integration")
    return channel


def _component(components: list[Json], custom_id: str) -> Json | None:
    for component in components:
        if component.get("custom_id") == custom_id:
            return component
        if (found := _component(component.get("components", []), custom_id)) is not None:
            return found
    return None


def _chosen(data: Json, component: Json) -> tuple[str, ...]:
    if component["type"] == BUTTON:
        return ()
    values, known = data.get("values"), {option["value"] for option in component["options"]}
    if not isinstance(values, list) or len(values) != 1:
        raise refusals.bad_length("data.values", 1, 1)
    if not isinstance(values[0], str) or values[0] not in known:
        raise refusals.bad_choice("data.values.0")
    return (values[0],)
