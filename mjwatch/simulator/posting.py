"""POST /interactions: read, checked, answered, and only then left to the bot."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from aiohttp import web

from . import refusals
from .answers import empty_answer, refused, reset_connection
from .identity import USER_ID
from .interactions import nonce_of, text_of
from .rest import API, INTERACTIONS, account
from .witness import Executed

if TYPE_CHECKING:
    from .bot import MidjourneyBot
    from .faults import Faults
    from .interactions import Checks
    from .refusals import ApiError
    from .witness import Witness


class InteractionPost:
    """The handler of the one request that costs something."""

    def __init__(self, bot: MidjourneyBot, checks: Checks, faults: Faults, witness: Witness) -> None:
        self._bot = bot
        self._checks = checks
        self._faults = faults
        self._witness = witness

    def routes(self) -> list[web.RouteDef]:
        """Its address."""
        return [web.post(f"{API}{INTERACTIONS}", self.post)]

    async def post(self, request: web.Request) -> web.Response:
        """Execute an interaction: 204, or Discord's error; faults may hide which of them it was."""
        body: object = None
        try:
            _check_account(request)
            body = await _body(request)
            if self._faults.take("post_429_html", text_of(body)):
                self._witness.posted(nonce_of(body), 429)
                return web.Response(status=429, text="error code: 1015", content_type="text/html")
            reset = self._execute(body, text_of(body))
        except refusals.ApiError as refusal:
            self._witness.posted(nonce_of(body), refusal.status)
            return refused(refusal)
        if armed := self._faults.take("post_slow", text_of(body)):
            await asyncio.sleep(armed.number("seconds", 1))
        self._witness.posted(nonce_of(body), None if reset else 204)
        return reset_connection(request) if reset else empty_answer()

    def _execute(self, body: object, text: str) -> bool:
        """Run it; True if the client is to see a reset connection. Raises `ApiError`, executed or not."""
        if (refusal := self._refusal_before(text)) is not None:
            raise refusal
        if self._faults.take("post_reset", text):
            return True
        interaction = self._checks.checked(body)
        executed = Executed(
            nonce=interaction.nonce,
            command=interaction.command,
            prompt=interaction.option("prompt"),
            custom_id=interaction.custom_id,
        )
        self._bot.execute(interaction, executed)
        if self._faults.take("post_500_executed", text):
            raise refusals.server_error()
        if armed := self._faults.take("post_429_executed", text):
            raise refusals.rate_limited(armed.number("retry_after", 0.2))
        return self._faults.take("post_reset_executed", text) is not None

    def _refusal_before(self, text: str) -> ApiError | None:
        if self._faults.take("unauthorized", text):
            return refusals.unauthorized()
        if self._faults.take("captcha", text):
            return refusals.captcha()
        if armed := self._faults.take("post_429", text):
            return refusals.rate_limited(armed.number("retry_after", 0.2))
        if armed := self._faults.take("post_error", text):
            code, status = int(armed.number("code", 0)), int(armed.number("status", 400))
            return refusals.coded(status, code, armed.text("message", "Simulated error"))
        if self._faults.take("stale_version", text):
            return refusals.stale_version()
        if self._faults.take("post_500", text):
            return refusals.server_error()
        return None


def _check_account(request: web.Request) -> None:
    if not account(request):
        raise refusals.unauthorized()
    if account(request) != USER_ID:
        raise refusals.coded(403, 20001, "Bots cannot use this endpoint")


async def _body(request: web.Request) -> object:
    """The body: JSON itself, or the `payload_json` part of a multipart form."""
    try:
        if request.content_type == "multipart/form-data":
            part = (await request.post()).get("payload_json", "")
            # A part with a content type of its own comes as bytes.
            text = part if isinstance(part, str | bytes | bytearray) else ""
        else:
            text = await request.text()
        body: object = json.loads(text)
        # A lone surrogate is an escape that JSON allows and no UTF-8 can carry back.
        json.dumps(body, ensure_ascii=False).encode()
    except ValueError:
        raise refusals.coded(400, 50109, "The request body contains invalid JSON.") from None
    return body
