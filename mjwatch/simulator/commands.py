"""The command index: what the bots have registered, with versions that can go stale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.simulator.command_table import COMMANDS, NIJI_COMMANDS, SLASH, Command
from mjwatch.simulator.identity import BOT_ID, GUILD_ID, NIJI_ID, Json

if TYPE_CHECKING:
    from mjwatch.simulator.mint import SnowflakeMint

_ALL = (*COMMANDS.values(), *NIJI_COMMANDS.values())
_BY_ID = {command.id: command for command in _ALL}


class CommandIndex:
    """The registered commands; `bump` registers them again, so that every known version is stale."""

    def __init__(self, mint: SnowflakeMint) -> None:
        self._mint = mint
        self._versions = {command.id: command.version for command in _ALL}
        self._index_version = mint.next()
        self.in_guild: tuple[str, ...] = (BOT_ID,)
        """The guild's applications. Not niji from the start: its commands bear the names of Midjourney's, and
        some clients know a command by its name alone, such as the npm package `midjourney`."""

    def invite_niji(self) -> None:
        """Let niji・journey into the guild."""
        self.in_guild = (BOT_ID, NIJI_ID)

    def bump(self) -> None:
        """Give every command a new version, as a redeployed bot does."""
        self._versions = {command_id: self._mint.next() for command_id in self._versions}
        self._index_version = self._mint.next()

    def find(self, command_id: str, application_id: str) -> Command | None:
        """The command with this id, if it is this application's."""
        command = _BY_ID.get(command_id)
        return command if command is not None and command.application_id == application_id else None

    def version(self, command: Command) -> str:
        """The version that a POST must name now."""
        return self._versions[command.id]

    def body(self, *application_ids: str) -> Json:
        """The answer of an application-command-index address, with these applications."""
        shown = [command for command in _ALL if command.application_id in application_ids]
        return {
            "applications": [application(application_id) for application_id in application_ids],
            "application_commands": [self._shown(command) for command in shown],
            "version": self._index_version,
        }

    def _shown(self, command: Command) -> Json:
        slash = command.type == SLASH
        return {
            "id": command.id,
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


def application_name(application_id: str) -> str:
    """What an application calls itself."""
    return "niji・journey" if application_id == NIJI_ID else "Midjourney Bot"


def application(application_id: str = BOT_ID) -> Json:
    """One of the two applications."""
    return {
        "id": application_id,
        "name": application_name(application_id),
        "icon": None,
        "description": "",
        "flags": "8953856",
        "bot_id": application_id,
        "permissions": {"user": True, "channels": {}, "roles": {GUILD_ID: True}},
    }
