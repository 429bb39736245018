"""Messages and reactions of the person: text, files with links to the CDN, and reactions to messages."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aiohttp import web

from mjwatch.simulator.http import errors
from mjwatch.simulator.http.api import API, account, channel_of
from mjwatch.simulator.http.errors import empty_answer, json_answer
from mjwatch.simulator.http.validation import check_nonce, objects, read_body
from mjwatch.simulator.world import USER_ID

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.simulator.cdn.store import ImageStore, Signer
    from mjwatch.simulator.gateway.delivery import MessageDelivery
    from mjwatch.simulator.gateway.sessions import Sessions
    from mjwatch.simulator.http.history import History
    from mjwatch.simulator.http.uploads import UploadEndpoints
    from mjwatch.simulator.http.validation import Body
    from mjwatch.simulator.messages.message import MessageForms
    from mjwatch.simulator.midjourney.bot import MidjourneyBot
    from mjwatch.simulator.recorder import Recorder
    from mjwatch.simulator.world import Json, SimulatedChannel


CONTENT_MAX = 2000
FILES_MAX = 10
NONCE_LIFETIME = 300.0
"""Seconds in which a nonce makes no second message ("a short time", discord-userdoccers)."""


class UserMessages:
    """The handlers that post and delete the person's own messages."""

    def __init__(
        self,
        forms: MessageForms,
        delivery: MessageDelivery,
        history: History,
        uploads: UploadEndpoints,
        pictures: ImageStore,
        signer: Signer,
        recorder: Recorder,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._forms = forms
        self._delivery = delivery
        self._history = history
        self._uploads = uploads
        self._pictures = pictures
        self._signer = signer
        self._recorder = recorder
        self._clock = clock
        self._by_nonce: OrderedDict[tuple[str, str], tuple[float, str]] = OrderedDict()
        """Channel and nonce to when a message was posted, and its id."""

    def routes(self) -> list[web.RouteDef]:
        """Return the routes that post and delete a message."""
        address = f"{API}/channels/{{channel_id}}/messages"
        return [web.post(address, self.post), web.delete(f"{address}/{{message_id}}", self.delete)]

    async def post(self, request: web.Request) -> web.Response:
        """Post a message and answer with it, including links to its files."""
        channel = channel_of(request)
        if account(request) != USER_ID:
            raise errors.coded(403, 50001, "Missing Access")
        body = await read_body(request)
        if not isinstance(body.json, dict):
            raise errors.not_an_object("")
        content, nonce = _checked_content(body.json), body.json.get("nonce")
        check_nonce(nonce)
        known = self._known(channel, nonce)
        if known is None:
            paths = self._paths(channel, body.json, body)
            if not content and not paths:
                raise errors.coded(400, 50006, "Cannot send an empty message")
            known = await self._posted(channel, content, paths, nonce)
        return json_answer({**self._signer.signed_message(known), "nonce": nonce})

    async def delete(self, request: web.Request) -> web.Response:
        """Delete one of the person's own messages."""
        channel, text = channel_of(request), request.match_info["message_id"]
        number = int(text) if re.fullmatch(r"[0-9]{1,20}", text) else 0
        message = self._history.of(channel.id).get(number)
        if message is None:
            raise errors.unknown_message()
        if message["author"]["id"] != account(request):
            raise errors.coded(403, 50013, "Missing Permissions")
        self._delivery.delete(message)
        return empty_answer()

    def _known(self, channel: SimulatedChannel, nonce: object) -> Json | None:
        posted = self._by_nonce.get((channel.id, str(nonce)))
        if nonce is None or posted is None or posted[0] < self._clock() - NONCE_LIFETIME:
            return None
        return self._history.find(channel.id, posted[1])

    def _paths(self, channel: SimulatedChannel, message: Json, body: Body) -> list[str]:
        given = [] if message.get("attachments") is None else message["attachments"]
        if not isinstance(given, list) or len(objects(given)) != len(given):
            raise errors.not_a_list("attachments")
        if max(len(given), len(body.files)) > FILES_MAX:
            raise errors.bad_length("attachments", 1, FILES_MAX)
        named = [attachment for attachment in given if "uploaded_filename" in attachment]
        paths = []
        for position, attachment in enumerate(named):
            path = self._uploads.path_of(attachment["uploaded_filename"])
            if path is None:
                raise errors.attachment_not_found(f"attachments.{position}.uploaded_filename")
            paths.append(path)
        return paths + [self._uploads.store_upload(channel.id, file) for file in body.files.values()]

    async def _posted(self, channel: SimulatedChannel, content: str, paths: list[str], nonce: object) -> Json:
        attachments = [await self._attachment(path) for path in paths]
        message = self._forms.by_user(channel, content, attachments)
        self._delivery.create(message, nonce=nonce)
        names = [attachment["filename"] for attachment in attachments]
        self._recorder.message_posted(nonce, message["id"], content, names)
        if nonce is not None:
            self._by_nonce[channel.id, str(nonce)] = self._clock(), message["id"]
            while len(self._by_nonce) > 100:
                self._by_nonce.popitem(last=False)
        return message

    async def _attachment(self, path: str) -> Json:
        size, data = await self._pictures.size_of(path), await self._pictures.read(path)
        return self._forms.attachment(path, path.split("/")[3], size, len(data or b""))


def _checked_content(message: Json) -> str:
    content = message.get("content")
    if content is None:
        return ""
    if not isinstance(content, str):
        raise errors.invalid_form("content", "STRING_TYPE_CONVERT", "Could not interpret as string.")
    if len(content) > CONTENT_MAX:
        raise errors.too_long("content", CONTENT_MAX)
    return content.strip()


class Reactions:
    """The handler that adds the person's reaction, which is dispatched and given to the bot."""

    def __init__(self, history: History, sessions: Sessions, bot: MidjourneyBot) -> None:
        self._history = history
        self._sessions = sessions
        self._bot = bot

    def routes(self) -> list[web.RouteDef]:
        """Return the route that adds a reaction."""
        return [
            web.put(
                f"{API}/channels/{{channel_id}}/messages/{{message_id}}/reactions/{{emoji}}/@me", self.add
            )
        ]

    async def add(self, request: web.Request) -> web.Response:
        """React to a message."""
        channel, text = channel_of(request), request.match_info["message_id"]
        if account(request) != USER_ID:
            raise errors.coded(403, 50001, "Missing Access")
        message = self._history.of(channel.id).get(int(text)) if text.isdecimal() else None
        if message is None:
            raise errors.unknown_message()
        emoji = unquote(request.match_info["emoji"])
        self._sessions.to_channel(channel, "MESSAGE_REACTION_ADD", _added(channel, message, emoji))
        self._bot.handle_reaction(message, emoji)
        return empty_answer()


def _added(channel: SimulatedChannel, message: Json, emoji: str) -> Json:
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
