"""What faults make of downloads."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import zlib
from typing import TYPE_CHECKING

from aiohttp import web

from mjwatch.simulator.http.errors import reset_connection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mjwatch.simulator.faults.registry import Armed, Faults

    Headers = dict[str, str]
    Spoiled = Callable[[web.Request, bytes, Headers, Armed], Awaitable[web.StreamResponse]]

_DRIPS = 20
_MEGABYTE = bytes(1 << 20)


async def spoiled(
    faults: Faults, prompt: str, request: web.Request, data: bytes, headers: Headers
) -> web.StreamResponse | None:
    """The answer in place of these bytes, if a fault is armed for a picture of this prompt."""
    for name, spoil in _SPOILED.items():
        if armed := faults.take(name, prompt):
            return await spoil(request, data, headers, armed)
    return None


async def _failed(_request: web.Request, _data: bytes, _headers: Headers, armed: Armed) -> web.Response:
    return web.Response(status=int(armed.number("status", 503)), text="error")


async def _reset(request: web.Request, _data: bytes, _headers: Headers, _armed: Armed) -> web.Response:
    return reset_connection(request)


async def _moved(_request: web.Request, _data: bytes, _headers: Headers, armed: Armed) -> web.Response:
    elsewhere = armed.text("location", "http://pictures.example.invalid/grid.png")
    return web.Response(status=302, headers={"Location": elsewhere})


async def _corrupt(_request: web.Request, data: bytes, headers: Headers, _armed: Armed) -> web.Response:
    third = len(data) // 3
    return web.Response(body=data[:third] + bytes(third) + data[2 * third :], headers=headers)


async def _shorter(_request: web.Request, data: bytes, headers: Headers, _armed: Armed) -> web.Response:
    return web.Response(body=data[: len(data) // 2], headers=headers)


async def _partial(_request: web.Request, data: bytes, headers: Headers, _armed: Armed) -> web.Response:
    start = len(data) // 2
    said = {**headers, "Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
    return web.Response(status=206, body=data[start:], headers=said)


async def _page(_request: web.Request, data: bytes, headers: Headers, _armed: Armed) -> web.Response:
    page = b"<!doctype html><html><body>Please log in.</body></html>".ljust(len(data))
    return web.Response(body=page, headers={**headers, "Content-Type": "text/html"})


async def _bomb(_request: web.Request, data: bytes, headers: Headers, armed: Armed) -> web.Response:
    edge = int(armed.number("edge", 60_000))
    body = enormous_png(edge).ljust(len(data), b"\0")
    return web.Response(body=body, headers={**headers, "Content-Type": "image/png"})


async def _huge(request: web.Request, data: bytes, headers: Headers, armed: Armed) -> web.StreamResponse:
    response = web.StreamResponse(headers=headers)
    response.enable_chunked_encoding()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):  # a client that has had enough hangs up
        await response.write(data)
        for _ in range(int(armed.number("megabytes", 512))):
            await response.write(_MEGABYTE)
    return response


async def _truncated(
    request: web.Request, data: bytes, headers: Headers, _armed: Armed
) -> web.StreamResponse:
    response = await _begun(request, data, headers)
    await response.write(data[: len(data) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


async def _dripped(request: web.Request, data: bytes, headers: Headers, armed: Armed) -> web.StreamResponse:
    response = await _begun(request, data, headers)
    step = max(1, len(data) // _DRIPS)
    with contextlib.suppress(ConnectionError):
        for start in range(0, len(data), step):
            await response.write(data[start : start + step])
            await asyncio.sleep(armed.number("seconds", 5) / _DRIPS)
    return response


async def _begun(request: web.Request, data: bytes, headers: Headers) -> web.StreamResponse:
    response = web.StreamResponse(headers={**headers, "Content-Length": str(len(data))})
    await response.prepare(request)
    return response


def enormous_png(edge: int) -> bytes:
    """A PNG of some hundred bytes whose header promises a square of this many pixels a side."""
    header = struct.pack(">IIBBBBB", edge, edge, 1, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1 << 16))), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


_SPOILED: dict[str, Spoiled] = {
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
    "cdn_slow": _dripped,
}
