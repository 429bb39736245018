"""The application commands that a channel offers, as Discord's command index tells them; kept in memory."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mjwatch.errors import AnsweredNoError
from mjwatch.model import Refusal, RefusalClass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

CHAT_INPUT = 1
"""The type of a slash command; context menu commands may bear the same name."""


@dataclass(frozen=True, slots=True)
class ApplicationCommand:
    """One slash command. ``id`` is stable, ``version`` changes whenever the command is registered again."""

    id: str
    version: str
    name: str
    application_id: str
    options: tuple[Mapping[str, Any], ...] = ()


class CommandIndex:
    """Remembers each index until told to forget. ``fetch(route)`` returns the decoded answer.

    Guild channels have their guild's index, the direct messages with a bot their channel's
    (discord-userdoccers, "Application command index").
    """

    def __init__(self, fetch: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._indexes: dict[str, tuple[ApplicationCommand, ...]] = {}
        self._forgotten_at: float | None = None

    def find(
        self, name: str, application_id: str, guild_id: str | None, channel_id: str
    ) -> ApplicationCommand:
        """The command of this name of this application. Raises AnsweredNoError where there is none."""
        route = f"/guilds/{guild_id}" if guild_id else f"/channels/{channel_id}"
        commands = self._indexes.get(route)
        if commands is None:
            commands = tuple(_commands(self._fetch(f"{route}/application-command-index")))
            self._indexes[route] = commands
        for command in commands:
            if command.name == name and command.application_id == application_id:
                return command
        self._indexes.pop(route, None)  # the next one to ask sees a bot that was invited meanwhile
        raise AnsweredNoError(_not_offered(name, guild_id))

    def forget(self, floor: float) -> bool:
        """Fetch anew next time, unless it was told so less than ``floor`` seconds ago: then False."""
        now = self._clock()
        if self._forgotten_at is not None and now - self._forgotten_at < floor:
            return False
        self._forgotten_at = now
        self._indexes.clear()
        return True


def _commands(index: object) -> Iterator[ApplicationCommand]:
    """The slash commands of an index; what does not look like one is passed over."""
    listed = index.get("application_commands") if isinstance(index, dict) else None
    for item in listed if isinstance(listed, list) else []:
        if not isinstance(item, dict) or item.get("type") not in (None, CHAT_INPUT):
            continue
        named = {key: _word(item.get(key)) for key in ("id", "version", "name", "application_id")}
        if all(named.values()):
            options = item.get("options")
            yield ApplicationCommand(**named, options=tuple(options) if isinstance(options, list) else ())


def _word(value: object) -> str:
    """A name, or an id, which may have come as a number (discord-userdoccers); empty for anything else."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _not_offered(name: str, guild_id: str | None) -> Refusal:
    place = "this guild" if guild_id else "these direct messages"
    detail = (
        f"the bot's command /{name} is not offered in {place}: check that the bot is there, "
        "that the account may use its commands, and [midjourney] application_id"
    )
    return Refusal(RefusalClass.CONFIG, None, detail, needs_human=True)
