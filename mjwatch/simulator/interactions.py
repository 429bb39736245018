"""What POST /interactions is checked for, and what an accepted one becomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mjwatch.discord.protocol import (
    INTERACTION_COMMAND,
    INTERACTION_COMPONENT,
    INTERACTION_MODAL,
    NIJI_APPLICATION_ID,
)

from . import refusals
from .commands import ATTACHMENT, STRING, Command, CommandIndex
from .identity import BOT_ID, CHANNELS, Channel, Json

if TYPE_CHECKING:
    from .history import History

NONCE_MAX = 25
OPTION_MAX = 6000


@dataclass(frozen=True, slots=True)
class Interaction:
    """An accepted interaction, before the bot hears of it."""

    nonce: str | int | None
    session_id: str
    channel: Channel
    command: str | None = None
    options: tuple[tuple[str, object], ...] = ()
    attachments: tuple[Json, ...] = ()
    custom_id: str | None = None
    message_id: str | None = None
    id: str = ""

    def option(self, name: str) -> str | None:
        """The text of this option."""
        value = dict(self.options).get(name)
        return value if isinstance(value, str) else None


def checked(body: object, index: CommandIndex, history: History) -> Interaction:
    """The interaction that this request body asks for. Raises `ApiError` with Discord's answer."""
    if not isinstance(body, dict):
        raise refusals.invalid_form("", "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
    kind = body.get("type")
    _check_envelope(body, kind)
    channel = _checked_channel(body)
    session_id, nonce = body["session_id"], body.get("nonce")
    if kind == INTERACTION_COMMAND:
        command, options = _checked_command(body["data"], index)
        attachments = tuple(_objects(body["data"].get("attachments")))
        return Interaction(nonce, session_id, channel, command.name, options, attachments)
    if kind == INTERACTION_COMPONENT:
        custom_id, message_id = _checked_component(body, channel, history)
        return Interaction(nonce, session_id, channel, custom_id=custom_id, message_id=message_id)
    return Interaction(nonce, session_id, channel, custom_id=str(body["data"].get("custom_id")))


def nonce_of(body: object) -> object:
    """The nonce in a request body, whatever it is."""
    return body.get("nonce") if isinstance(body, dict) else None


def text_of(body: object) -> str:
    """What faults are matched with, in a body that may be malformed: the options' texts and the custom_id."""
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict):
        return ""
    values = [data.get("custom_id"), *(option.get("value") for option in _objects(data.get("options")))]
    return " ".join(value for value in values if isinstance(value, str))


def _check_envelope(body: Json, kind: object) -> None:
    if kind not in (INTERACTION_COMMAND, INTERACTION_COMPONENT, INTERACTION_MODAL):
        raise refusals.required("type") if kind is None else _bad_choice("type")
    for name in ("application_id", "channel_id"):
        _check_snowflake(body, name)
    if not isinstance(body.get("session_id"), str) or not body["session_id"]:
        raise refusals.required("session_id")
    if not isinstance(body.get("data"), dict):
        raise refusals.required("data")
    nonce = body.get("nonce")
    if nonce is not None and (isinstance(nonce, bool) or not isinstance(nonce, str | int)):
        raise refusals.invalid_form("nonce", "BASE_TYPE_BAD_TYPE", "Must be a string or an integer.")
    if len(str(nonce)) > NONCE_MAX:
        raise refusals.too_long("nonce", NONCE_MAX)


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


def _checked_command(data: Json, index: CommandIndex) -> tuple[Command, tuple[tuple[str, object], ...]]:
    for name in ("id", "version"):
        _check_snowflake(data, name, "data.")
    if not isinstance(data.get("name"), str):
        raise refusals.required("data.name")
    command = index.find(str(data["id"]))
    if command is None:
        raise refusals.coded(404, 10063, "Unknown application command")
    if str(data["version"]) != index.version(command):
        raise refusals.stale_version()
    if data["name"] != command.name:
        raise _bad_choice("data.name")
    if data.get("type", 1) != 1:
        raise _bad_choice("data.type")
    return command, _checked_options(data.get("options", []), command)


def _checked_options(given: object, command: Command) -> tuple[tuple[str, object], ...]:
    if not isinstance(given, list) or len(_objects(given)) != len(given):
        raise refusals.invalid_form(
            "data.options", "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType"
        )
    known = {option.name: option for option in command.options}
    values: list[tuple[str, object]] = []
    for position, option in enumerate(given):
        name, path = option.get("name"), f"data.options.{position}"
        if name not in known:
            raise _bad_choice(f"{path}.name")
        if known[name].type in (STRING, ATTACHMENT):
            _check_value(option.get("value"), known[name].type, f"{path}.value")
        values.append((name, option.get("value")))
    missing = [option.name for option in command.options if option.required and option.type != 1]
    for name in missing:
        if name not in dict(values):
            raise refusals.required(f"data.options.{len(given)}.value")
    return tuple(values)


def _check_value(value: object, kind: int, path: str) -> None:
    if kind == ATTACHMENT:
        if not isinstance(value, str | int):
            raise refusals.required(path)
        return
    if not isinstance(value, str) or not value.strip():
        raise refusals.required(path)
    if len(value) > OPTION_MAX:
        raise refusals.too_long(path, OPTION_MAX)


def _checked_component(body: Json, channel: Channel, history: History) -> tuple[str, str]:
    _check_snowflake(body, "message_id")
    custom_id = body["data"].get("custom_id")
    if not isinstance(custom_id, str):
        raise refusals.required("data.custom_id")
    message = history.of(channel.id).get(int(body["message_id"]))
    if message is None:
        raise refusals.coded(404, 10008, "Unknown Message")
    if custom_id not in _custom_ids(message["components"]):
        raise refusals.invalid_form(
            "data.custom_id", "COMPONENT_VALIDATION_FAILED", "Component validation failed"
        )
    return custom_id, str(body["message_id"])


def _custom_ids(components: list[Json]) -> set[str]:
    found = {component.get("custom_id", "") for component in components}
    for component in components:
        found |= _custom_ids(component.get("components", []))
    return found


def _check_snowflake(body: Json, name: str, prefix: str = "") -> None:
    value = body.get(name)
    if value is None or value == "":
        raise refusals.required(prefix + name)
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).isdecimal():
        raise refusals.not_a_snowflake(prefix + name, value)


def _objects(value: object) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _bad_choice(path: str) -> refusals.ApiError:
    return refusals.invalid_form(path, "BASE_TYPE_CHOICES", "Value is not one of the choices.")
