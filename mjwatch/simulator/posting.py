"""POST /interactions: read, checked, answered, and only then left to the bot."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from mjwatch.simulator import refusals
from mjwatch.simulator.answers import empty_answer, refused, reset_connection
from mjwatch.simulator.bodies import read_body
from mjwatch.simulator.identity import USER_ID
from mjwatch.simulator.interactions import nonce_of, text_of
from mjwatch.simulator.post_faults import spoiled_after, spoiled_before
from mjwatch.simulator.rest import API, INTERACTIONS, account

if TYPE_CHECKING:
    from mjwatch.simulator.bodies import Body
    from mjwatch.simulator.bot import MidjourneyBot
    from mjwatch.simulator.checks import Checks
    from mjwatch.simulator.faults import Faults
    from mjwatch.simulator.witness import Witness


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
            read = await read_body(request)
            body = read.json
            answer = self._execute(read, text_of(body))
        except refusals.ApiError as refusal:
            self._witness.posted(nonce_of(body), refusal.status)
            return refused(refusal)
        if armed := self._faults.take("post_slow", text_of(body)):
            await asyncio.sleep(armed.number("seconds", 1))
        self._witness.posted(nonce_of(body), None if answer is None else answer.status)
        return reset_connection(request) if answer is None else answer

    def _execute(self, body: Body, text: str) -> web.Response | None:
        """Run it; None if the client is to see a reset connection. Raises `ApiError` for a wrong body."""
        if (spoiled := spoiled_before(self._faults, text)) is not None:
            return spoiled
        if self._faults.take("post_reset", text):
            return None
        interaction = self._checks.checked(body.json, body.files)
        self._bot.execute(interaction)
        if (spoiled := spoiled_after(self._faults, text)) is not None:
            return spoiled
        return None if self._faults.take("post_reset_executed", text) else empty_answer()


def _check_account(request: web.Request) -> None:
    if not account(request):
        raise refusals.unauthorized()
    if account(request) != USER_ID:
        raise refusals.coded(403, 20001, "Bots cannot use this endpoint")
