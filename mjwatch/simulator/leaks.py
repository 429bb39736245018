"""Watches for the account's token where it has no business: anywhere but at the API and the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from aiohttp import web

from mjwatch.simulator.identity import NEW_USER_TOKEN, USER_TOKEN

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

    from mjwatch.simulator.witness import Witness

_TOKENS = (USER_TOKEN, NEW_USER_TOKEN)


def leak_watch(witness: Witness) -> Middleware:
    """The middleware that counts a token in an address, and any login outside the API."""

    @web.middleware
    async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
        if _leaks(request):
            witness.token_leaks += 1
        return await handler(request)

    return watch


def _leaks(request: web.Request) -> bool:
    if any(token in unquote(request.path_qs) for token in _TOKENS):
        return True
    if request.path.startswith("/api/"):
        return False
    told = " ".join(request.headers.values())
    return "Authorization" in request.headers or any(token in told for token in _TOKENS)
