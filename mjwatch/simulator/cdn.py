"""The CDN: signed downloads, without any login."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aiohttp import web

if TYPE_CHECKING:
    from .faults import Faults
    from .pictures import Pictures
    from .signing import Signer
    from .witness import Witness

GONE = "This content is no longer available."
_TYPES = {
    "png": "image/png",
    "webp": "image/webp",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
}
_DRIPS = 20


class Cdn:
    """Handlers of downloads."""

    def __init__(self, pictures: Pictures, signer: Signer, faults: Faults, witness: Witness) -> None:
        self._pictures = pictures
        self._signer = signer
        self._faults = faults
        self._witness = witness

    def routes(self) -> list[web.RouteDef]:
        """Originals, ephemeral originals, and the proxy's copies of both."""
        return [
            web.get(
                "/{kind:attachments|ephemeral-attachments}/{channel}/{attachment}/{filename}", self.original
            ),
            web.get(
                "/media/{kind:attachments|ephemeral-attachments}/{channel}/{attachment}/{filename}", self.copy
            ),
        ]

    async def original(self, request: web.Request) -> web.StreamResponse:
        """The bytes as they were uploaded."""
        self._watch(request)
        path = unquote(request.raw_path.partition("?")[0])
        prompt = self._pictures.prompt_of(path)
        data = await self._data(path, request)
        if data is None or self._faults.take("cdn_404", prompt):
            return web.Response(status=404, text=GONE)
        if request.method == "GET":
            self._witness.downloads += 1
        headers = _headers(path, data)
        return await self._sent(request, data, headers, prompt)

    async def _sent(
        self, request: web.Request, data: bytes, headers: dict[str, str], prompt: str
    ) -> web.StreamResponse:
        if armed := self._faults.take("cdn_error", prompt):
            return web.Response(status=int(armed.number("status", 503)), text="error")
        if self._faults.take("cdn_corrupt", prompt):
            return web.Response(body=_damaged(data), headers=headers)
        if self._faults.take("cdn_truncated", prompt):
            return await _truncated(request, data, headers)
        if armed := self._faults.take("cdn_slow", prompt):
            return await _dripped(request, data, headers, armed.number("seconds", 5))
        return web.Response(body=data, headers=headers)

    async def copy(self, request: web.Request) -> web.StreamResponse:
        """What the resizing proxy makes of it: smaller and lossy."""
        self._watch(request)
        path = unquote(request.raw_path.partition("?")[0]).removeprefix("/media")
        data = await self._data(path, request)
        if data is None:
            return web.Response(status=404, text=GONE)
        copy = await self._pictures.lossy(data)
        return web.Response(body=copy, content_type="image/webp")

    def _watch(self, request: web.Request) -> None:
        if "Authorization" in request.headers:
            self._witness.cdn_with_authorization += 1

    async def _data(self, path: str, request: web.Request) -> bytes | None:
        if not self._signer.is_valid(path, request.query):
            return None
        return await self._pictures.read(path)


def _headers(path: str, data: bytes) -> dict[str, str]:
    md5 = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
    suffix = path.rpartition(".")[2].lower()
    return {
        "Content-Type": _TYPES.get(suffix, "application/octet-stream"),
        "ETag": etag(data),
        "X-Goog-Hash": f"md5={md5}",
        "Cache-Control": "public, max-age=31536000",
    }


def _damaged(data: bytes) -> bytes:
    third = len(data) // 3
    return data[:third] + bytes(third) + data[2 * third :]


def etag(data: bytes) -> str:
    """The ETag of these bytes."""
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


async def _truncated(request: web.Request, data: bytes, headers: dict[str, str]) -> web.StreamResponse:
    response = web.StreamResponse(headers={**headers, "Content-Length": str(len(data))})
    await response.prepare(request)
    await response.write(data[: len(data) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


async def _dripped(
    request: web.Request, data: bytes, headers: dict[str, str], seconds: float
) -> web.StreamResponse:
    response = web.StreamResponse(headers={**headers, "Content-Length": str(len(data))})
    await response.prepare(request)
    step = max(1, len(data) // _DRIPS)
    for start in range(0, len(data), step):
        await response.write(data[start : start + step])
        await asyncio.sleep(seconds / _DRIPS)
    return response
