"""POST /interactions: the request is read, checked, answered, and only then given to the bot."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from mjwatch.discord.protocol import (
    FLAG_EPHEMERAL,
    INTERACTION_COMMAND,
    INTERACTION_COMPONENT,
    INTERACTION_MODAL,
)
from mjwatch.simulator.faults.answers import answer_after_execution, answer_before_execution
from mjwatch.simulator.http import errors
from mjwatch.simulator.http.api import API, INTERACTIONS, account
from mjwatch.simulator.http.command_index import MESSAGE, SLASH
from mjwatch.simulator.http.errors import empty_answer, json_answer, refused, reset_connection
from mjwatch.simulator.http.validation import (
    check_nonce,
    checked_custom_id,
    checked_options,
    checked_snowflake,
    objects,
    read_body,
)
from mjwatch.simulator.messages.message import BUTTON
from mjwatch.simulator.messages.modals import Interaction, checked_field_text, nonce_of, text_of
from mjwatch.simulator.world import BOT_ID, CHANNELS, NIJI_ID, USER_ID, Json, SimulatedChannel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mjwatch.simulator.faults.registry import FaultRegistry
    from mjwatch.simulator.http.command_index import RegisteredCommand, RegisteredCommands
    from mjwatch.simulator.http.history import History
    from mjwatch.simulator.http.validation import Body, SentFile
    from mjwatch.simulator.messages.modals import OpenModals
    from mjwatch.simulator.messages.profiles import CurrentProfile
    from mjwatch.simulator.midjourney.bot import MidjourneyBot
    from mjwatch.simulator.recorder import Recorder


class UploadedFiles(Protocol):
    """Knows the uploaded files, and stores more."""

    def path_of(self, uploaded_filename: object) -> str | None:
        """Return the CDN path of an uploaded file; None if it was never uploaded."""

    def store_upload(self, channel_id: str, file: SentFile) -> str:
        """Store a file from a form and return its CDN path."""


class InteractionChecks:
    """Checks request bodies against commands, messages, uploads and modals."""

    def __init__(
        self, index: RegisteredCommands, history: History, uploads: UploadedFiles, modals: OpenModals
    ) -> None:
        self._index = index
        self._history = history
        self._uploads = uploads
        self._modals = modals

    def checked(self, body: object, sent: Mapping[str, SentFile] | None = None) -> Interaction:
        """Return the interaction of this request body; ``sent`` are the files of a form.

        Raise `ApiError` with Discord's answer.
        """
        if not isinstance(body, dict):
            raise errors.not_an_object("")
        _check_envelope(body)
        channel = _checked_channel(body, self._index.in_guild)
        if body["type"] == INTERACTION_COMMAND:
            return self._command(body, channel, sent or {})
        if body["type"] == INTERACTION_COMPONENT:
            return self._press(body, channel)
        return self._submission(body, channel)

    def _command(self, body: Json, channel: SimulatedChannel, sent: Mapping[str, SentFile]) -> Interaction:
        data, base = body["data"], _base(body, channel)
        command = self._checked_command(data, base.application_id)
        target_id = self._checked_target(data, channel) if command.type == MESSAGE else None
        files = self._files(data, channel, sent)
        options = checked_options(data.get("options", []), command.options, files)
        return replace(base, command=command.name, options=options, target_id=target_id)

    def _checked_target(self, data: Json, channel: SimulatedChannel) -> str:
        """Return the id of the message that a message command is for."""
        target_id = checked_snowflake(data, "target_id", "data.")
        if self._history.of(channel.id).get(int(target_id)) is None:
            raise errors.unknown_message()
        return target_id

    def _checked_command(self, data: Json, application_id: str) -> RegisteredCommand:
        for name in ("id", "version"):
            checked_snowflake(data, name, "data.")
        if not isinstance(data.get("name"), str):
            raise errors.required("data.name")
        command = self._index.find(str(data["id"]), application_id)
        if command is None:
            raise errors.coded(404, 10063, "Unknown application command")
        if str(data["version"]) != self._index.version(command):
            raise errors.stale_version()
        if data["name"] != command.name:
            raise errors.bad_choice("data.name")
        if data.get("type", SLASH) != command.type:
            raise errors.bad_choice("data.type")
        return command

    def _files(self, data: Json, channel: SimulatedChannel, sent: Mapping[str, SentFile]) -> dict[str, str]:
        """Return the paths of the request's files, by the ids that options use."""
        given = [] if data.get("attachments") is None else data["attachments"]
        if not isinstance(given, list) or len(objects(given)) != len(given):
            raise errors.not_a_list("data.attachments")
        files = {}
        for position, attachment in enumerate(given):
            where = f"data.attachments.{position}"
            file_id = checked_snowflake(attachment, "id", f"{where}.")
            if not isinstance(attachment.get("filename"), str) or not attachment["filename"]:
                raise errors.required(f"{where}.filename")
            if file_id in sent and "uploaded_filename" not in attachment:
                files[file_id] = self._uploads.store_upload(channel.id, sent[file_id])
                continue
            path = self._uploads.path_of(attachment.get("uploaded_filename"))
            if path is None:
                raise errors.attachment_not_found(f"{where}.uploaded_filename")
            files[file_id] = path
        return files

    def _press(self, body: Json, channel: SimulatedChannel) -> Interaction:
        data = body["data"]
        message_id, custom_id = checked_snowflake(body, "message_id"), checked_custom_id(data)
        message = self._pressed_message(body, channel, message_id)
        kind = data.get("component_type")
        if kind is None:
            raise errors.required("data.component_type")
        component = _component(message["components"], custom_id)
        if component is None or component.get("disabled") or component["type"] != kind:
            raise errors.component_gone()
        if message["author"]["id"] != str(body["application_id"]):
            raise errors.component_gone()
        return replace(
            _base(body, channel),
            custom_id=custom_id,
            message_id=message_id,
            ephemeral=bool(message["flags"] & FLAG_EPHEMERAL),
            values=_chosen(data, component),
        )

    def _pressed_message(self, body: Json, channel: SimulatedChannel, message_id: str) -> Json:
        """Return the pressed message; an ephemeral one must be declared as such, as clients do."""
        flags = body.get("message_flags")
        if flags is not None and (isinstance(flags, bool) or not isinstance(flags, int)):
            raise errors.invalid_form("message_flags", "NUMBER_TYPE_COERCE", f'Value "{flags}" is not int.')
        ephemeral = bool((flags or 0) & FLAG_EPHEMERAL)
        kept = self._history.ephemeral if ephemeral else self._history.of(channel.id)
        message = kept.get(int(message_id))
        if message is None or message["channel_id"] != channel.id:
            raise errors.unknown_message()
        return message

    def _submission(self, body: Json, channel: SimulatedChannel) -> Interaction:
        data = body["data"]
        modal = self._modals.find(checked_snowflake(data, "id", "data."))
        if modal is None or modal.press.channel != channel:
            raise errors.coded(404, 10062, "Unknown interaction")
        if modal.press.application_id != str(body["application_id"]):
            raise errors.coded(404, 10062, "Unknown interaction")
        text = checked_field_text(data, modal.form)
        return replace(
            _base(body, channel),
            custom_id=modal.form.custom_id,
            message_id=modal.press.message_id,
            ephemeral=modal.press.ephemeral,
            modal=modal,
            field_text=text,
        )


def _base(body: Json, channel: SimulatedChannel) -> Interaction:
    return Interaction(body.get("nonce"), body["session_id"], channel, str(body["application_id"]))


def _check_envelope(body: Json) -> None:
    kind = body.get("type")
    if kind is None:
        raise errors.required("type")
    if isinstance(kind, bool) or kind not in (INTERACTION_COMMAND, INTERACTION_COMPONENT, INTERACTION_MODAL):
        raise errors.bad_choice("type")
    for name in ("application_id", "channel_id"):
        checked_snowflake(body, name)
    if not isinstance(body.get("session_id"), str) or not body["session_id"]:
        raise errors.required("session_id")
    if not isinstance(body.get("data"), dict):
        raise errors.required("data")
    check_nonce(body.get("nonce"))


def _checked_channel(body: Json, in_guild: tuple[str, ...]) -> SimulatedChannel:
    application = str(body["application_id"])
    if application not in (BOT_ID, NIJI_ID):
        raise errors.coded(400, 10002, "Unknown Application")
    channel = CHANNELS.get(str(body["channel_id"]))
    if channel is None:
        raise errors.unknown_channel(400)
    guild_id = body.get("guild_id")
    if guild_id is None and channel.guild_id is not None:
        raise errors.unknown_channel(400)
    if guild_id is not None and str(guild_id) != channel.guild_id:
        raise errors.unknown_guild(400)
    if application not in (in_guild if channel.guild_id is not None else (BOT_ID,)):
        raise errors.coded(400, 10005, "Unknown Integration")
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
        raise errors.bad_length("data.values", 1, 1)
    if not isinstance(values[0], str) or values[0] not in known:
        raise errors.bad_choice("data.values.0")
    return (values[0],)


class InteractionPost:
    """The handler of POST /interactions, the only request that costs something."""

    def __init__(
        self,
        bot: MidjourneyBot,
        checks: InteractionChecks,
        faults: FaultRegistry,
        recorder: Recorder,
        profile: CurrentProfile,
    ) -> None:
        self._profile = profile
        self._bot = bot
        self._checks = checks
        self._faults = faults
        self._recorder = recorder

    def routes(self) -> list[web.RouteDef]:
        """Return the route to which commands and button presses are posted."""
        return [web.post(f"{API}{INTERACTIONS}", self.post)]

    async def post(self, request: web.Request) -> web.Response:
        """Execute an interaction and answer with 204 or an error; faults may hide the true outcome."""
        body: object = None
        try:
            _check_account(request)
            read = await read_body(request)
            body = read.json
            answer = self._execute(read, text_of(body))
        except errors.ApiError as refusal:
            self._recorder.posted(nonce_of(body), refusal.status)
            return refused(refusal)
        if armed := self._faults.take("post_slow", text_of(body)):
            await asyncio.sleep(armed.number("seconds", 1))
        self._recorder.posted(nonce_of(body), None if answer is None else answer.status)
        return reset_connection(request) if answer is None else answer

    def _execute(self, body: Body, text: str) -> web.Response | None:
        """Execute the interaction; return None for a reset connection. Raise `ApiError` for a wrong body."""
        if (faulty := answer_before_execution(self._faults, text)) is not None:
            return faulty
        if self._faults.take("post_reset", text):
            return None
        interaction = self._checks.checked(body.json, body.files)
        self._bot.execute(interaction)
        if (faulty := answer_after_execution(self._faults, text)) is not None:
            return faulty
        if self._faults.take("post_reset_executed", text):
            return None
        status = self._profile.for_text(text).post_status
        return empty_answer() if status == 204 else json_answer({}, status)


def _check_account(request: web.Request) -> None:
    if not account(request):
        raise errors.unauthorized()
    if account(request) != USER_ID:
        raise errors.coded(403, 20001, "Bots cannot use this endpoint")
