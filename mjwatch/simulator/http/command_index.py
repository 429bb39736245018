"""The command index: all commands that the two bots have registered, with versions that can become stale.

Ids and versions were recorded 2022-07 to 2026-07, except for some invented versions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mjwatch.discord.protocol import DISCORD_EPOCH_MS
from mjwatch.simulator.world import BOT_ID, GUILD_ID, NIJI_ID, Json

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.simulator.options import ProfileName
    from mjwatch.simulator.world import Json, SnowflakeGenerator


SUB_COMMAND, GROUP, STRING, ATTACHMENT = 1, 2, 3, 11
SLASH, MESSAGE = 1, 3


@dataclass(frozen=True, slots=True)
class CommandOption:
    """One option of a command; sub-commands and groups have their own options."""

    name: str
    type: int = STRING
    required: bool = True
    options: tuple[CommandOption, ...] = ()
    choices: tuple[str, ...] = ()

    def body(self) -> Json:
        """Return the option as the index shows it."""
        shown: Json = {"type": self.type, "name": self.name, "description": f"The {self.name}"}
        if self.type in (SUB_COMMAND, GROUP):
            return {**shown, "options": [option.body() for option in self.options]}
        if self.choices:
            shown["choices"] = [{"name": choice, "value": choice} for choice in self.choices]
        return {**shown, "required": self.required}


@dataclass(frozen=True, slots=True)
class RegisteredCommand:
    """A command: its id never changes."""

    name: str
    id: str
    version: str
    options: tuple[CommandOption, ...] = ()
    type: int = SLASH
    application_id: str = BOT_ID


_PROMPT = (CommandOption("prompt"),)
_JOB = (CommandOption("job_id"),)
_NEW_OPTION = (CommandOption("option"), CommandOption("value", required=False))
_PREFER = (
    CommandOption("remix", SUB_COMMAND),
    CommandOption("suffix", SUB_COMMAND, options=(CommandOption("new_value", required=False),)),
    CommandOption("variability", SUB_COMMAND),
    CommandOption("auto_dm", SUB_COMMAND),
    CommandOption(
        "option",
        GROUP,
        options=(CommandOption("set", SUB_COMMAND, options=_NEW_OPTION), CommandOption("list", SUB_COMMAND)),
    ),
)
_IMAGES = tuple(CommandOption(f"image{number}", ATTACHMENT, required=number <= 2) for number in range(1, 6))
_BLEND = (*_IMAGES, CommandOption("dimensions", required=False, choices=("--ar 2:3", "--ar 1:1", "--ar 3:2")))
_DESCRIBE = (CommandOption("image", ATTACHMENT, required=False), CommandOption("link", required=False))
_QUESTION = (CommandOption("question"),)

_MIDJOURNEY = (
    RegisteredCommand("imagine", "938956540159881230", "1237876415471554623", _PROMPT),
    RegisteredCommand("blend", "1062880104792997970", "1237876415471554624", _BLEND),
    RegisteredCommand("describe", "1092492867185950852", "1493662068505706617", _DESCRIBE),
    RegisteredCommand("shorten", "1121575372539039774", "1247736572414001223", _PROMPT),
    RegisteredCommand("show", "1169435442328911902", "1247736572414001224", _JOB),
    RegisteredCommand("info", "972289487818334209", "1237876415735660565"),
    RegisteredCommand("settings", "1000850743479255081", "1493662068581077053"),
    RegisteredCommand("fast", "972289487818334212", "1237876415735660572"),
    RegisteredCommand("relax", "972289487818334213", "1237876415735660573"),
    RegisteredCommand("turbo", "1124132684143271996", "1237876415735660574"),
    RegisteredCommand("public", "972289487818334211", "1237876415735660571"),
    RegisteredCommand("private", "972289487818334210", "1237876415735660570"),
    RegisteredCommand("stealth", "1065569343456419860", "1259937291770658936"),
    RegisteredCommand("prefer", "984273800587776053", "1237876415790055476", _PREFER),
    RegisteredCommand("subscribe", "987795925764280351", "1237876415790055477"),
    RegisteredCommand("help", "941673664900898876", "1237876415790055478"),
    RegisteredCommand("ask", "994261739745050684", "1237876415790055479", _QUESTION),
    RegisteredCommand("invite", "986816068012081172", "1237876415790055480"),
    RegisteredCommand("userid", "1136041075614683196", "1237876415790055481"),
    RegisteredCommand("tune", "1169440360339091476", "1237876415790055482", _PROMPT),
    RegisteredCommand("list_tuners", "1181338718158721086", "1237876415790055483"),
    RegisteredCommand("feedback", "1199869998538162256", "1237876415790055484"),
    RegisteredCommand("list_personalize_codes", "1267632559278526577", "1267632559278526578"),
    RegisteredCommand("Cancel Job", "987795925764280352", "1237876415790055485", type=MESSAGE),
    RegisteredCommand("DM Results", "987795925764280353", "1237876415790055486", type=MESSAGE),
)
_NIJI = (
    RegisteredCommand("imagine", "1023054140580057099", "1248805223892254774", _PROMPT),
    RegisteredCommand("blend", "1061216934374424697", "1248805223892254775", _BLEND),
    RegisteredCommand("describe", "1092683500743831652", "1248805223892254776", _DESCRIBE),
    RegisteredCommand("shorten", "1121575453916942376", "1248805223892254777", _PROMPT),
    RegisteredCommand("show", "1023054140580057101", "1248805223892254778", _JOB),
    RegisteredCommand("info", "1023054140580057102", "1248805223892254779"),
    RegisteredCommand("fast", "1023054140580057107", "1248805223892254780"),
    RegisteredCommand("relax", "1023054140634579024", "1248805223892254781"),
    RegisteredCommand("settings", "1023054140634579025", "1248805223892254782"),
)

COMMANDS: dict[str, RegisteredCommand] = {command.name: command for command in _MIDJOURNEY}
"""Midjourney's commands, by name."""
NIJI_COMMANDS: dict[str, RegisteredCommand] = {
    command.name: replace(command, application_id=NIJI_ID) for command in _NIJI
}
"""The commands of niji・journey, by name."""


_IMAGINE_IN: dict[ProfileName, str] = {"2023": "1118961510123847772", "2024": "1237876415471554623"}
"""The version of imagine in these years (recorded)."""

_ALL_COMMANDS = (*COMMANDS.values(), *NIJI_COMMANDS.values())


class RegisteredCommands:
    """The registered commands; `bump` registers them again, which makes every known version stale."""

    def __init__(
        self,
        snowflakes: SnowflakeGenerator,
        has_known_ids: Callable[[], bool] = lambda: True,
        year: ProfileName = "2026",
    ) -> None:
        self._snowflakes = snowflakes
        self._has_known_ids = has_known_ids
        self._versions = _versions_of(year)
        self._index_version = snowflakes.next()
        self.in_guild: tuple[str, ...] = (BOT_ID,)
        """The guild's applications. niji is not among them at the start: its commands have the names of
        Midjourney's, and some clients (the npm package `midjourney`) find a command only by its name."""

    def invite_niji(self) -> None:
        """Add niji・journey to the guild."""
        self.in_guild = (BOT_ID, NIJI_ID)

    def bump(self) -> None:
        """Give every command a new version, as a redeployed bot does."""
        self._versions = {command_id: self._snowflakes.next() for command_id in self._versions}
        self._index_version = self._snowflakes.next()

    def find(self, command_id: str, application_id: str) -> RegisteredCommand | None:
        """Return the command with this id, if it is this application's."""
        command = next((one for one in _ALL_COMMANDS if self._id(one) == command_id), None)
        return command if command is not None and command.application_id == application_id else None

    def _id(self, command: RegisteredCommand) -> str:
        return command.id if self._has_known_ids() else str(int(command.id) + 1)

    def version(self, command: RegisteredCommand) -> str:
        """Return the version that a POST must have now."""
        return self._versions[command.id]

    def body(self, *application_ids: str) -> Json:
        """Return the command index of these applications."""
        shown = [command for command in _ALL_COMMANDS if command.application_id in application_ids]
        return {
            "applications": [application(application_id) for application_id in application_ids],
            "application_commands": [self._shown(command) for command in shown],
            "version": self._index_version,
        }

    def commands_of(self, application_id: str) -> list[Json]:
        """Return the commands of one application."""
        commands: list[Json] = self.body(application_id)["application_commands"]
        return commands

    def _shown(self, command: RegisteredCommand) -> Json:
        slash = command.type == SLASH
        return {
            "id": self._id(command),
            "type": command.type,
            "application_id": command.application_id,
            "version": self._versions[command.id],
            "name": command.name,
            "description": f"Midjourney's /{command.name}" if slash else "",
            "options": [option.body() for option in command.options],
            "default_member_permissions": None,
            "dm_permission": True,
            "contexts": [0, 1, 2],
            "integration_types": [0, 1],
            "global_popularity_rank": 1,
            "nsfw": False,
        }


def _versions_of(year: ProfileName) -> dict[str, str]:
    """Return the versions of a year, by command id: a later version is replaced by an invented earlier one.

    The invented ones follow that of imagine, or the command's own id if the command is younger.
    """
    imagine = _IMAGINE_IN.get(year)
    if imagine is None:
        return {command.id: command.version for command in _ALL_COMMANDS}
    next_year = datetime(int(year) + 1, 1, 1, tzinfo=UTC).timestamp() * 1000
    end = (int(next_year) - DISCORD_EPOCH_MS) << 22
    earlier = {
        command.id: str(max(int(imagine), int(command.id)) + position)
        for position, command in enumerate(_ALL_COMMANDS)
    }
    kept = {command.id: command.version for command in _ALL_COMMANDS if int(command.version) < end}
    return {**earlier, **kept}


def application_name(application_id: str) -> str:
    """Return an application's name."""
    return "niji・journey" if application_id == NIJI_ID else "Midjourney Bot"


def application(application_id: str = BOT_ID) -> Json:
    """Return one of the two applications."""
    return {
        "id": application_id,
        "name": application_name(application_id),
        "icon": None,
        "description": "",
        "flags": "8953856",
        "bot_id": application_id,
        "permissions": {"user": True, "channels": {}, "roles": {GUILD_ID: True}},
    }
