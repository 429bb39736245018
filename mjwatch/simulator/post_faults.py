"""What faults make of POST /interactions: an answer in place of the true one, before or after it ran."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.simulator import refusals
from mjwatch.simulator.answers import html_answer, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from mjwatch.simulator.faults import Armed, Faults

    Spoiled = Callable[[Armed], web.Response]


def any_error(armed: Armed) -> web.Response:
    """An error of the fault's own making."""
    code, status = int(armed.number("code", 0)), int(armed.number("status", 400))
    return refused(refusals.coded(status, code, armed.text("message", "Simulated error")))


def rate_limited(armed: Armed) -> web.Response:
    """429 with a scope."""
    return refused(refusals.rate_limited(armed.number("retry_after", 0.2), armed.text("scope", "user")))


def not_ready(armed: Armed) -> web.Response:
    """202: ask again."""
    return refused(refusals.not_ready(armed.number("retry_after", 0.2)))


def html(armed: Armed) -> web.Response:
    """A page of whatever stands before the API."""
    return html_answer(int(armed.number("status", 503)), "<html><body><h1>Not now</h1></body></html>")


_BEFORE: dict[str, Spoiled] = {
    "post_429_html": lambda _: html_answer(429, "error code: 1015"),
    "unauthorized": lambda _: refused(refusals.unauthorized()),
    "captcha": lambda _: refused(refusals.captcha()),
    "post_429": rate_limited,
    "post_429_ms": lambda armed: refused(refusals.rate_limited_in_ms(armed.number("retry_after", 1))),
    "post_error": any_error,
    "post_202": not_ready,
    "post_html": html,
    "stale_version": lambda _: refused(refusals.stale_version()),
    "post_500": lambda _: refused(refusals.server_error()),
    "button_gone": lambda _: refused(refusals.component_gone()),
    "message_gone": lambda _: refused(refusals.unknown_message()),
}
_AFTER: dict[str, Spoiled] = {
    "post_500_executed": lambda _: refused(refusals.server_error()),
    "post_429_executed": rate_limited,
    "post_html_executed": html,
}


def spoiled_before(faults: Faults, text: str) -> web.Response | None:
    """The answer in place of running the interaction, if a fault is armed for it."""
    return _first(_BEFORE, faults, text)


def spoiled_after(faults: Faults, text: str) -> web.Response | None:
    """The answer in place of 204, though the interaction ran."""
    return _first(_AFTER, faults, text)


def _first(table: dict[str, Spoiled], faults: Faults, text: str) -> web.Response | None:
    for name, spoiled in table.items():
        if armed := faults.take(name, text):
            return spoiled(armed)
    return None
