"""Midjourney's slash commands as the command index lists them, with versions that can go stale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .identity import BOT_ID, GUILD_ID, NIJI_ID, Json

if TYPE_CHECKING:
    from .mint import SnowflakeMint

SUB_COMMAND, STRING, ATTACHMENT = 1, 3, 11


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a command."""

    name: str
    type: int = STRING
    required: bool = True
    options: tuple[Option, ...] = ()

    def body(self) -> Json:
        """The option as the index shows it."""
        shown: Json = {"type": self.type, "name": self.name, "description": f"The {self.name}"}
        if self.type == SUB_COMMAND:
            return {**shown, "options": [option.body() for option in self.options]}
        return {**shown, "required": self.required}


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its id never changes."""

    name: str
    id: str
    version: str
    options: tuple[Option, ...] = ()


_PROMPT = (Option("prompt"),)
_PREFER = (
    Option("remix", SUB_COMMAND),
    Option("suffix", SUB_COMMAND, options=(Option("new_value", required=False),)),
    Option("variability", SUB_COMMAND),
    Option("auto_dm", SUB_COMMAND),
)
_BLEND = (
    Option("image1", ATTACHMENT),
    Option("image2", ATTACHMENT),
    Option("image3", ATTACHMENT, required=False),
    Option("image4", ATTACHMENT, required=False),
    Option("image5", ATTACHMENT, required=False),
    Option("dimensions", required=False),
)
_DESCRIBE = (Option("image", ATTACHMENT, required=False), Option("link", required=False))

COMMANDS: dict[str, Command] = {
    command.name: command
    for command in (
        Command("imagine", "938956540159881230", "1237876415471554623", _PROMPT),
        Command("blend", "1062880104792997970", "1237876415471554624", _BLEND),
        Command("describe", "1092492867185950852", "1493662068505706617", _DESCRIBE),
        Command("shorten", "1121575372539039774", "1247736572414001223", _PROMPT),
        Command("show", "1169435442328911902", "1247736572414001224", (Option("job_id"),)),
        Command("info", "972289487818334209", "1237876415735660565"),
        Command("settings", "1000850743479255081", "1493662068581077053"),
        Command("fast", "972289487818334212", "1237876415735660572"),
        Command("relax", "972289487818334213", "1237876415735660573"),
        Command("turbo", "1124132684143271996", "1237876415735660574"),
        Command("public", "972289487818334211", "1237876415735660571"),
        Command("private", "972289487818334210", "1237876415735660570"),
        Command("stealth", "1065569343456419860", "1259937291770658936"),
        Command("prefer", "984273800587776053", "1237876415790055476", _PREFER),
        Command("subscribe", "987795925764280351", "1237876415790055477"),
        Command("help", "941673664900898876", "1237876415790055478"),
        Command("ask", "994261739745050684", "1237876415790055479", (Option("question"),)),
        Command("invite", "986816068012081172", "1237876415790055480"),
        Command("userid", "1136041075614683196", "1237876415790055481"),
    )
}
"""By name. Ids and versions were recorded 2022-07 to 2026-07, but for a few versions that are filled in."""

_BY_ID = {command.id: command for command in COMMANDS.values()}


class CommandIndex:
    """The registered commands; `bump` registers them again, so that every known version is stale."""

    def __init__(self, mint: SnowflakeMint) -> None:
        self._mint = mint
        self._versions = {command.id: command.version for command in COMMANDS.values()}
        self._index_version = mint.next()

    def bump(self) -> None:
        """Give every command a new version, as a redeployed bot does."""
        self._versions = {command_id: self._mint.next() for command_id in self._versions}
        self._index_version = self._mint.next()

    def find(self, command_id: str) -> Command | None:
        """The command with this id."""
        return _BY_ID.get(command_id)

    def version(self, command: Command) -> str:
        """The version that a POST must name now."""
        return self._versions[command.id]

    def body(self) -> Json:
        """The answer of every application-command-index address."""
        return {
            "applications": [application()],
            "application_commands": [self._shown(command) for command in COMMANDS.values()],
            "version": self._index_version,
        }

    def _shown(self, command: Command) -> Json:
        return {
            "id": command.id,
            "type": 1,
            "application_id": BOT_ID,
            "version": self._versions[command.id],
            "name": command.name,
            "description": f"Midjourney's /{command.name}",
            "options": [option.body() for option in command.options],
            "default_member_permissions": None,
            "dm_permission": True,
            "contexts": [0, 1, 2],
            "integration_types": [0, 1],
            "global_popularity_rank": 1,
            "nsfw": False,
        }


def application_name(application_id: str) -> str:
    """What an application calls itself."""
    return "niji・journey" if application_id == NIJI_ID else "Midjourney Bot"


def application() -> Json:
    """The Midjourney application."""
    return {
        "id": BOT_ID,
        "name": "Midjourney Bot",
        "icon": None,
        "description": "",
        "flags": "8953856",
        "bot_id": BOT_ID,
        "permissions": {"user": True, "channels": {}, "roles": {GUILD_ID: True}},
    }
