"""The CDN: signed downloads without any login, and uploads to addresses that were handed out."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from aiohttp import web

from . import refusals
from .answers import empty_answer, json_answer
from .identity import CHANNELS
from .rest import API, json_body

if TYPE_CHECKING:
    from .faults import Faults
    from .identity import Json
    from .mint import SnowflakeMint
    from .pictures import Pictures
    from .signing import Signer
    from .witness import Witness

GONE = "This content is no longer available."
UPLOAD_MAX = 10 * 1024 * 1024
FILES_MAX = 10
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


class Uploads:
    """Upload slots, and the bytes that are put into them."""

    def __init__(self, pictures: Pictures, signer: Signer, mint: SnowflakeMint, witness: Witness) -> None:
        self._pictures = pictures
        self._signer = signer
        self._mint = mint
        self._witness = witness
        self._slots: dict[str, str] = {}
        """Secret of an upload address to the path that it fills."""

    def routes(self) -> list[web.RouteDef]:
        """Asking for slots, filling one, dropping one."""
        return [
            web.post(f"{API}/channels/{{channel_id}}/attachments", self.ask),
            web.delete(f"{API}/attachments/{{name:.+}}", self.drop),
            web.put("/uploads/{secret}", self.put),
        ]

    async def ask(self, request: web.Request) -> web.Response:
        """Hand out one upload address a file."""
        channel_id = request.match_info["channel_id"]
        if channel_id not in CHANNELS:
            raise refusals.unknown_channel()
        files = (await json_body(request)).get("files")
        if not isinstance(files, list) or not 1 <= len(files) <= FILES_MAX:
            raise refusals.required("files")
        return json_answer({"attachments": [self._slot(channel_id, file) for file in files]})

    def _slot(self, channel_id: str, file: object) -> Json:
        if not isinstance(file, dict) or not isinstance(file.get("filename"), str):
            raise refusals.required("files.0.filename")
        if not isinstance(file.get("file_size"), int):
            raise refusals.required("files.0.file_size")
        if file["file_size"] > UPLOAD_MAX:
            raise refusals.coded(413, 40005, "Request entity too large")
        secret, attachment_id = secrets.token_urlsafe(24), self._mint.next()
        name = file["filename"].replace("/", "_")
        self._slots[secret] = f"/attachments/{channel_id}/{attachment_id}/{name}"
        return {
            "id": file.get("id"),
            "upload_url": f"{self._signer.base_url}/uploads/{secret}",
            "upload_filename": f"{secret}/{quote(name)}",
        }

    async def put(self, request: web.Request) -> web.Response:
        """Take the bytes; the address is the only key, so a token has no business here."""
        if "Authorization" in request.headers:
            self._witness.cdn_with_authorization += 1
        path = self._slots.get(request.match_info["secret"])
        if path is None:
            return web.Response(status=403, text="SignatureDoesNotMatch")
        data = await request.read()
        self._pictures.upload(path, data)
        return web.Response(headers={"ETag": _etag(data)})

    async def drop(self, request: web.Request) -> web.Response:
        """Forget an upload that is not wanted after all."""
        path = self._slots.pop(request.match_info["name"].partition("/")[0], None)
        if path is None:
            raise refusals.not_found()
        self._pictures.remove_upload(path)
        return empty_answer()


def _headers(path: str, data: bytes) -> dict[str, str]:
    md5 = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
    suffix = path.rpartition(".")[2].lower()
    return {
        "Content-Type": _TYPES.get(suffix, "application/octet-stream"),
        "ETag": _etag(data),
        "X-Goog-Hash": f"md5={md5}",
        "Cache-Control": "public, max-age=31536000",
    }


def _damaged(data: bytes) -> bytes:
    third = len(data) // 3
    return data[:third] + bytes(third) + data[2 * third :]


def _etag(data: bytes) -> str:
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
