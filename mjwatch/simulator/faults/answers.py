"""The effects of faults on downloads, on POST /interactions and on all other REST requests.

For POST /interactions a fault replaces the answer, before or after the execution. For other REST requests
`match` is searched in `METHOD /path`.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
import zlib
from typing import TYPE_CHECKING

from aiohttp import web

from mjwatch.simulator.http import errors
from mjwatch.simulator.http.errors import html_answer, refused, reset_connection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.typedefs import Handler, Middleware

    from mjwatch.simulator.faults.registry import ArmedFault, FaultRegistry

    Headers = dict[str, str]
    DownloadFault = Callable[[web.Request, bytes, Headers, ArmedFault], Awaitable[web.StreamResponse]]
    AnswerFault = Callable[[ArmedFault], web.Response]

_STEPS = 20
_MEGABYTE = bytes(1 << 20)


async def faulty_download(
    faults: FaultRegistry, prompt: str, request: web.Request, data: bytes, headers: Headers
) -> web.StreamResponse | None:
    """Return the answer that replaces these bytes, if a fault is armed for a picture of this prompt."""
    for name, make in _DOWNLOAD_FAULTS.items():
        if armed := faults.take(name, prompt):
            return await make(request, data, headers, armed)
    return None


async def _failed(_request: web.Request, _data: bytes, _headers: Headers, armed: ArmedFault) -> web.Response:
    return web.Response(status=int(armed.number("status", 503)), text="error")


async def _reset(request: web.Request, _data: bytes, _headers: Headers, _armed: ArmedFault) -> web.Response:
    return reset_connection(request)


async def _moved(_request: web.Request, _data: bytes, _headers: Headers, armed: ArmedFault) -> web.Response:
    elsewhere = armed.text("location", "http://pictures.example.invalid/grid.png")
    return web.Response(status=302, headers={"Location": elsewhere})


async def _corrupt(_request: web.Request, data: bytes, headers: Headers, _armed: ArmedFault) -> web.Response:
    third = len(data) // 3
    return web.Response(body=data[:third] + bytes(third) + data[2 * third :], headers=headers)


async def _shorter(_request: web.Request, data: bytes, headers: Headers, _armed: ArmedFault) -> web.Response:
    return web.Response(body=data[: len(data) // 2], headers=headers)


async def _partial(_request: web.Request, data: bytes, headers: Headers, _armed: ArmedFault) -> web.Response:
    start = len(data) // 2
    partial = {**headers, "Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
    return web.Response(status=206, body=data[start:], headers=partial)


async def _page(_request: web.Request, data: bytes, headers: Headers, _armed: ArmedFault) -> web.Response:
    page = b"<!doctype html><html><body>Please log in.</body></html>".ljust(len(data))
    return web.Response(body=page, headers={**headers, "Content-Type": "text/html"})


async def _bomb(_request: web.Request, data: bytes, headers: Headers, armed: ArmedFault) -> web.Response:
    edge = int(armed.number("edge", 60_000))
    body = enormous_png(edge).ljust(len(data), b"\0")
    return web.Response(body=body, headers={**headers, "Content-Type": "image/png"})


async def _huge(request: web.Request, data: bytes, headers: Headers, armed: ArmedFault) -> web.StreamResponse:
    response = web.StreamResponse(headers=headers)
    response.enable_chunked_encoding()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):  # a client may hang up
        await response.write(data)
        for _ in range(int(armed.number("megabytes", 512))):
            await response.write(_MEGABYTE)
    return response


async def _truncated(
    request: web.Request, data: bytes, headers: Headers, _armed: ArmedFault
) -> web.StreamResponse:
    response = await _begun(request, data, headers)
    await response.write(data[: len(data) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


async def _slow(request: web.Request, data: bytes, headers: Headers, armed: ArmedFault) -> web.StreamResponse:
    response = await _begun(request, data, headers)
    step = max(1, len(data) // _STEPS)
    with contextlib.suppress(ConnectionError):
        for start in range(0, len(data), step):
            await response.write(data[start : start + step])
            await asyncio.sleep(armed.number("seconds", 5) / _STEPS)
    return response


async def _begun(request: web.Request, data: bytes, headers: Headers) -> web.StreamResponse:
    response = web.StreamResponse(headers={**headers, "Content-Length": str(len(data))})
    await response.prepare(request)
    return response


def enormous_png(edge: int) -> bytes:
    """Return a PNG of some hundred bytes whose header announces a square with this edge in pixels."""
    header = struct.pack(">IIBBBBB", edge, edge, 1, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1 << 16))), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


_DOWNLOAD_FAULTS: dict[str, DownloadFault] = {
    "cdn_error": _failed,
    "cdn_reset": _reset,
    "cdn_redirect": _moved,
    "cdn_corrupt": _corrupt,
    "cdn_wrong_length": _shorter,
    "cdn_206": _partial,
    "cdn_not_image": _page,
    "cdn_bomb": _bomb,
    "cdn_huge": _huge,
    "cdn_truncated": _truncated,
    "cdn_slow": _slow,
}


def any_error(armed: ArmedFault) -> web.Response:
    """Return the error that the fault describes."""
    code, status = int(armed.number("code", 0)), int(armed.number("status", 400))
    return refused(errors.coded(status, code, armed.text("message", "Simulated error")))


def rate_limited(armed: ArmedFault) -> web.Response:
    """Return 429 with a scope."""
    return refused(errors.rate_limited(armed.number("retry_after", 0.2), armed.text("scope", "user")))


def account_limited(faults: FaultRegistry) -> web.Response | None:
    """Return 429 with the seconds that are left, while the account is limited."""
    left = faults.limit_ends - time.monotonic()
    return refused(errors.rate_limited(left, "global")) if left > 0 else None


def not_ready(armed: ArmedFault) -> web.Response:
    """Return 202: try again."""
    return refused(errors.not_ready(armed.number("retry_after", 0.2)))


def html(armed: ArmedFault) -> web.Response:
    """Return an HTML page, as a proxy in front of the API sends it."""
    return html_answer(int(armed.number("status", 503)), "<html><body><h1>Not now</h1></body></html>")


_BEFORE: dict[str, AnswerFault] = {
    "post_429_html": lambda armed: html_answer(429, "error code: 1015", armed.retry_after),
    "unauthorized": lambda _: refused(errors.unauthorized()),
    "captcha": lambda _: refused(errors.captcha()),
    "post_429": rate_limited,
    "post_429_ms": lambda armed: refused(errors.rate_limited_in_ms(armed.number("retry_after", 1))),
    "post_error": any_error,
    "post_202": not_ready,
    "post_html": html,
    "not_permitted": lambda _: refused(errors.not_permitted()),
    "stale_version": lambda _: refused(errors.stale_version()),
    "post_500": lambda _: refused(errors.server_error()),
    "button_gone": lambda _: refused(errors.component_gone()),
    "message_gone": lambda _: refused(errors.unknown_message()),
}
_AFTER: dict[str, AnswerFault] = {
    "post_500_executed": lambda _: refused(errors.server_error()),
    "post_429_executed": rate_limited,
    "post_html_executed": html,
}


def answer_before_execution(faults: FaultRegistry, text: str) -> web.Response | None:
    """Return the answer that replaces the execution, if a fault is armed for it."""
    return account_limited(faults) or _first(_BEFORE, faults, text)


def answer_after_execution(faults: FaultRegistry, text: str) -> web.Response | None:
    """Return the answer that replaces 204 after the execution, if a fault is armed for it."""
    return _first(_AFTER, faults, text)


def _first(table: dict[str, AnswerFault], faults: FaultRegistry, text: str) -> web.Response | None:
    for name, make in table.items():
        if armed := faults.take(name, text):
            return make(armed)
    return None


_ANSWERS = {"rest_error": any_error, "rest_429": rate_limited, "rest_202": not_ready, "rest_html": html}


def rest_faults(faults: FaultRegistry) -> Middleware:
    """Return the middleware that replaces or delays answers."""

    @web.middleware
    async def answer_with_fault(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith("/api/") or request.path.endswith("/interactions"):
            return await handler(request)
        if (limited := account_limited(faults)) is not None:
            return limited
        text = f"{request.method} {request.path_qs}"
        for name, answer in _ANSWERS.items():
            if armed := faults.take(name, text):
                return answer(armed)
        if faults.take("rest_reset", text):
            return reset_connection(request)
        if armed := faults.take("rest_slow", text):
            await asyncio.sleep(armed.number("seconds", 1))
        return await handler(request)

    return answer_with_fault
