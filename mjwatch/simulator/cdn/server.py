"""The CDN's routes: signed downloads, without any login."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aiohttp import web

from mjwatch.simulator.cdn.render import media_type
from mjwatch.simulator.faults.answers import faulty_download

if TYPE_CHECKING:
    from mjwatch.simulator.cdn.store import ImageStore, Signer
    from mjwatch.simulator.faults.registry import FaultRegistry
    from mjwatch.simulator.recorder import Recorder

GONE = "This content is no longer available."


class Cdn:
    """The handlers of downloads."""

    def __init__(
        self, pictures: ImageStore, signer: Signer, faults: FaultRegistry, recorder: Recorder
    ) -> None:
        self._pictures = pictures
        self._signer = signer
        self._faults = faults
        self._recorder = recorder

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of originals, ephemeral originals, and the proxy's copies of both."""
        return [
            web.get(
                "/{kind:attachments|ephemeral-attachments}/{channel}/{attachment}/{filename}", self.original
            ),
            web.get(
                "/media/{kind:attachments|ephemeral-attachments}/{channel}/{attachment}/{filename}", self.copy
            ),
        ]

    async def original(self, request: web.Request) -> web.StreamResponse:
        """Answer with the bytes as they were uploaded."""
        self._watch(request)
        path = unquote(request.raw_path.partition("?")[0])
        prompt = self._pictures.prompt_of(path)
        data = await self._data(path, request)
        if data is None or self._faults.take("cdn_404", prompt):
            return web.Response(status=404, text=GONE)
        if request.method == "GET":
            self._recorder.downloads += 1
        headers = _headers(path, data)
        faulty = await faulty_download(self._faults, prompt, request, data, headers)
        return web.Response(body=data, headers=headers) if faulty is None else faulty

    async def copy(self, request: web.Request) -> web.StreamResponse:
        """Answer with the resizing proxy's copy, which is smaller and lossy."""
        self._watch(request)
        path = unquote(request.raw_path.partition("?")[0]).removeprefix("/media")
        data = await self._data(path, request)
        if data is None:
            return web.Response(status=404, text=GONE)
        copy = await self._pictures.lossy(data)
        return web.Response(body=copy, content_type="image/webp")

    def _watch(self, request: web.Request) -> None:
        if "Authorization" in request.headers:
            self._recorder.cdn_with_authorization += 1

    async def _data(self, path: str, request: web.Request) -> bytes | None:
        if not self._signer.is_valid(path, request.query):
            return None
        return await self._pictures.read(path)


def _headers(path: str, data: bytes) -> dict[str, str]:
    md5 = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
    return {
        "Content-Type": media_type(path),
        "ETag": etag(data),
        "X-Goog-Hash": f"md5={md5}",
        "Cache-Control": "public, max-age=31536000",
    }


def etag(data: bytes) -> str:
    """Return the ETag of these bytes."""
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
