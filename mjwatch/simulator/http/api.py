"""The REST API for users and bots, except POST /interactions, messages and uploads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aiohttp import web

from mjwatch.simulator.gateway import ready
from mjwatch.simulator.http import errors
from mjwatch.simulator.http.command_index import RegisteredCommands, application
from mjwatch.simulator.http.errors import json_answer, refused
from mjwatch.simulator.http.validation import SNOWFLAKE_MAX
from mjwatch.simulator.world import (
    BOT_ID,
    CHANNELS,
    DM_CHANNEL_ID,
    GUILD_ID,
    LISTENER_ID,
    NIJI_ID,
    USER_ID,
    Json,
    SimulatedChannel,
    account_of,
    dm_channel,
    guild_properties,
    listener,
    own_user,
    text_channel,
)

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

    from mjwatch.simulator.cdn.store import Signer
    from mjwatch.simulator.faults.registry import FaultRegistry
    from mjwatch.simulator.http.history import ChannelHistory, History
    from mjwatch.simulator.messages.profiles import CurrentProfile

API = "/api/v{version:[6-9]|10}"
INTERACTIONS = "/interactions"
REFRESH_MAX = 50


@web.middleware
async def discord_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer errors in Discord's form, and refuse API requests without a token."""
    try:
        if request.path.startswith("/api/"):
            _check_token(request)
        return await handler(request)
    except errors.ApiError as refusal:
        return refused(refusal)
    except web.HTTPNotFound:
        return refused(errors.not_found())
    except web.HTTPMethodNotAllowed:
        return refused(errors.coded(405, 0, "405: Method Not Allowed"))


def _check_token(request: web.Request) -> None:
    # POST /interactions checks the token itself, because its refusals are recorded too.
    if not account(request) and not request.path.endswith(("/gateway", INTERACTIONS)):
        raise errors.unauthorized()


def content_types(profile: CurrentProfile) -> Middleware:
    """Return the middleware that names a charset in JSON answers, if the profile says so."""

    @web.middleware
    async def name_charset(request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await handler(request)
        if profile.for_text().json_charset and answer.content_type == "application/json":
            answer.charset = "utf-8"
        return answer

    return name_charset


def account(request: web.Request) -> str:
    """Return the id of the requesting account; "" if the request has no known token."""
    return account_of(request.headers.get("Authorization")) or ""


class RestApi:
    """The handlers of these requests."""

    def __init__(
        self,
        index: RegisteredCommands,
        history: History,
        signer: Signer,
        faults: FaultRegistry,
        profile: CurrentProfile,
        *,
        read_history: bool,
    ) -> None:
        self._profile = profile
        self.gateway_url = ""
        """Known once the simulator listens."""
        self._index = index
        self._history = history
        self._signer = signer
        self._faults = faults
        self._read_history = read_history

    def routes(self) -> list[web.RouteDef]:
        """Return the routes below /api/v6 to /api/v10."""
        return [
            web.get(f"{API}/gateway", self.gateway),
            web.get(f"{API}/gateway/bot", self.gateway_bot),
            web.get(f"{API}/users/@me", self.me),
            web.get(f"{API}/users/@me/guilds", self.my_guilds),
            web.get(f"{API}/users/@me/channels", self.my_channels),
            web.get(f"{API}/users/@me/application-command-index", self.command_index),
            web.get(f"{API}/oauth2/applications/@me", self.own_application),
            web.get(f"{API}/applications/@me", self.own_application),
            web.get(
                f"{API}/applications/{{application_id}}/application-command-index", self.application_index
            ),
            web.get(f"{API}/applications/{{application_id}}/commands", self.application_commands),
            web.get(f"{API}/guilds/{{guild_id}}", self.guild),
            web.get(f"{API}/guilds/{{guild_id}}/channels", self.guild_channels),
            web.get(f"{API}/guilds/{{guild_id}}/application-command-index", self.guild_index),
            web.get(f"{API}/channels/{{channel_id}}", self.channel),
            web.get(f"{API}/channels/{{channel_id}}/application-command-index", self.channel_index),
            web.get(f"{API}/channels/{{channel_id}}/application-commands/search", self.search_commands),
            web.get(f"{API}/channels/{{channel_id}}/messages", self.messages),
            web.get(f"{API}/channels/{{channel_id}}/messages/{{message_id}}", self.message),
            web.post(f"{API}/attachments/refresh-urls", self.refresh_urls),
        ]

    async def gateway(self, _request: web.Request) -> web.Response:
        """Answer with the gateway's address; this needs no token."""
        return json_answer({"url": self.gateway_url})

    async def gateway_bot(self, request: web.Request) -> web.Response:
        """Answer with the gateway's address and limits, for bots."""
        _only_bots(request)
        limit = {"total": 1000, "remaining": 1000, "reset_after": 86_400_000, "max_concurrency": 1}
        return json_answer({"url": self.gateway_url, "shards": 1, "session_start_limit": limit})

    async def me(self, request: web.Request) -> web.Response:
        """Answer with the account itself."""
        return json_answer(own_user() if account(request) == USER_ID else listener())

    async def my_guilds(self, _request: web.Request) -> web.Response:
        """Answer with the guilds that the account is in."""
        shown = {name: guild_properties()[name] for name in ("id", "name", "icon", "features")}
        return json_answer([{**shown, "owner": True, "permissions": "2248473465835073"}])

    async def my_channels(self, request: web.Request) -> web.Response:
        """Answer with the private channels."""
        mine = account(request) == USER_ID
        return json_answer([dm_channel(with_recipients=True)] if mine else [])

    async def own_application(self, request: web.Request) -> web.Response:
        """Answer with the bot's own application."""
        _only_bots(request)
        return json_answer(
            {
                **application(),
                "id": LISTENER_ID,
                "name": "Listener",
                "flags": 0,
                "bot_public": False,
                "bot_require_code_grant": False,
                "owner": own_user(),
                "team": None,
                "summary": "",
                "verify_key": "0" * 64,
                "rpc_origins": [],
            }
        )

    async def guild(self, request: web.Request) -> web.Response:
        """Answer with the guild."""
        _check_guild(request)
        return json_answer(ready.guild(v2=False, with_members=False))

    async def guild_channels(self, request: web.Request) -> web.Response:
        """Answer with the guild's channels."""
        _check_guild(request)
        return json_answer([text_channel()])

    async def guild_index(self, request: web.Request) -> web.Response:
        """Answer with the commands that can be used in the guild."""
        _check_guild(request)
        return self._index_answer(*self._index.in_guild)

    async def channel_index(self, request: web.Request) -> web.Response:
        """Answer with the commands of a private channel; those of guild channels are at the guild."""
        channel = channel_of(request)
        if channel.guild_id is not None:
            raise errors.coded(400, 50024, "Cannot execute action on this channel type")
        return self._index_answer(BOT_ID)

    async def application_index(self, request: web.Request) -> web.Response:
        """Answer with the index of one application."""
        return self._index_answer(_application_of(request))

    async def application_commands(self, request: web.Request) -> web.Response:
        """Answer with the list of one application's commands, as seen for the person's account in 2026-05."""
        return json_answer(self._index.commands_of(_application_of(request)))

    async def search_commands(self, request: web.Request) -> web.Response:
        """Answer with nothing: this older request finds no command since 2024 (seen in 2026-05, by DM)."""
        channel_of(request)
        return json_answer({"application_commands": []})

    async def command_index(self, _request: web.Request) -> web.Response:
        """Answer with the commands of the account's applications; users can install both."""
        return self._index_answer(BOT_ID, NIJI_ID)

    def _index_answer(self, *application_ids: str) -> web.Response:
        if armed := self._faults.take("index_202"):
            raise errors.not_ready(armed.number("retry_after", 0.2))
        return json_answer(self._index.body(*application_ids))

    async def channel(self, request: web.Request) -> web.Response:
        """Answer with a channel."""
        channel = channel_of(request)
        body = dm_channel(with_recipients=True) if channel.id == DM_CHANNEL_ID else text_channel()
        newest = self._history.of(channel.id).before(None, 1)
        return json_answer({**body, "last_message_id": newest[0]["id"] if newest else None})

    async def messages(self, request: web.Request) -> web.Response:
        """Answer with a page of messages, newest first; it is empty without the right to read them."""
        channel = channel_of(request)
        limit = _limit(request)
        anchors = [name for name in ("before", "after", "around") if name in request.query]
        number = _snowflake(request.query[anchors[0]], anchors[0]) if anchors else None
        if not self._read_history or self._faults.take("history_empty"):
            return json_answer([])
        page = _page(self._history.of(channel.id), anchors[0] if anchors else "before", number, limit)
        return json_answer([self._shown(message) for message in page])

    async def message(self, request: web.Request) -> web.Response:
        """Answer with one message by its id, for bots only."""
        _only_bots(request)
        number = _snowflake(request.match_info["message_id"], "message_id")
        message = self._history.of(channel_of(request).id).get(number)
        if message is None:
            raise errors.unknown_message()
        return json_answer(self._shown(message))

    def _shown(self, message: Json) -> Json:
        """Return a message as REST shows it: with the message that it replies to, or null if that is gone."""
        signed = self._signer.signed_message(message)
        reference = message.get("message_reference")
        if reference is None:
            return signed
        replied = self._history.of(reference["channel_id"]).get(int(reference["message_id"]))
        shown = None if replied is None else self._signer.signed_message(replied)
        if shown is not None:
            shown.pop("referenced_message", None)
        return {**signed, "referenced_message": shown}

    async def refresh_urls(self, request: web.Request) -> web.Response:
        """Answer with newly signed CDN addresses."""
        body = await json_body(request)
        urls = body.get("attachment_urls")
        if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
            raise errors.required("attachment_urls")
        if not 1 <= len(urls) <= REFRESH_MAX:
            raise errors.bad_length("attachment_urls", 1, REFRESH_MAX)
        signs = self._profile.for_text().refreshes_urls
        refreshed = [
            {"original": url, "refreshed": self._signer.refreshed(url) if signs else None} for url in urls
        ]
        return json_answer({"refreshed_urls": refreshed})


async def json_body(request: web.Request) -> Json:
    """Return the request's body as a JSON object. Raise `ApiError` if it is not one."""
    try:
        body = await request.json()
    except ValueError:
        raise errors.coded(400, 50109, "The request body contains invalid JSON.") from None
    if not isinstance(body, dict):
        raise errors.not_an_object("")
    return body


def _page(history: ChannelHistory, anchor: str, number: int | None, limit: int) -> list[Json]:
    if number is None or anchor == "before":
        return history.before(number, limit)
    return history.after(number, limit) if anchor == "after" else history.around(number, limit)


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", "50")
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= 100:
        raise errors.invalid_form("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 100.")
    return int(text)


def _snowflake(text: str, name: str) -> int:
    if not text.isdecimal() or len(text) > SNOWFLAKE_MAX:
        raise errors.not_a_snowflake(name, text)
    return int(text)


def channel_of(request: web.Request) -> SimulatedChannel:
    """Return the channel in the address. Raise `ApiError` if the account has no such channel."""
    text = request.match_info["channel_id"]
    _snowflake(text, "channel_id")
    channel = CHANNELS.get(text)
    if channel is None or (account(request) != USER_ID and channel.guild_id is None):
        raise errors.unknown_channel()
    return channel


def _application_of(request: web.Request) -> str:
    application_id = request.match_info["application_id"]
    if application_id not in (BOT_ID, NIJI_ID):
        raise errors.coded(404, 10002, "Unknown Application")
    return application_id


def _check_guild(request: web.Request) -> None:
    text = request.match_info["guild_id"]
    _snowflake(text, "guild_id")
    if text != GUILD_ID:
        raise errors.unknown_guild()


def _only_bots(request: web.Request) -> None:
    if account(request) == USER_ID:
        raise errors.coded(403, 20002, "Only bots can use this endpoint")
