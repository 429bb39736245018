"""Reactions that the person puts on messages."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from aiohttp import web

from mjwatch.simulator import refusals
from mjwatch.simulator.answers import empty_answer
from mjwatch.simulator.identity import USER_ID
from mjwatch.simulator.rest import API, account, channel_of

if TYPE_CHECKING:
    from mjwatch.simulator.bot import MidjourneyBot
    from mjwatch.simulator.history import History
    from mjwatch.simulator.identity import Channel, Json
    from mjwatch.simulator.sessions import Sessions


class Reactions:
    """The handler of adding one's own reaction; the world hears of it, and so does the bot."""

    def __init__(self, history: History, sessions: Sessions, bot: MidjourneyBot) -> None:
        self._history = history
        self._sessions = sessions
        self._bot = bot

    def routes(self) -> list[web.RouteDef]:
        """Its address."""
        return [
            web.put(
                f"{API}/channels/{{channel_id}}/messages/{{message_id}}/reactions/{{emoji}}/@me", self.add
            )
        ]

    async def add(self, request: web.Request) -> web.Response:
        """React to a message."""
        channel, text = channel_of(request), request.match_info["message_id"]
        if account(request) != USER_ID:
            raise refusals.coded(403, 50001, "Missing Access")
        message = self._history.of(channel.id).get(int(text)) if text.isdecimal() else None
        if message is None:
            raise refusals.unknown_message()
        emoji = unquote(request.match_info["emoji"])
        self._sessions.to_channel(channel, "MESSAGE_REACTION_ADD", _added(channel, message, emoji))
        self._bot.hear_reaction(message, emoji)
        return empty_answer()


def _added(channel: Channel, message: Json, emoji: str) -> Json:
    place = {} if channel.guild_id is None else {"guild_id": channel.guild_id}
    return {
        "user_id": USER_ID,
        "type": 0,
        "message_id": message["id"],
        "message_author_id": message["author"]["id"],
        "channel_id": channel.id,
        **place,
        "emoji": {"id": None, "name": emoji},
        "burst": False,
    }
