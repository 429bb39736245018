"""Uploads: addresses that are handed out, and the bytes that are put there."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from urllib.parse import quote

from aiohttp import web

from . import refusals
from .answers import empty_answer, json_answer
from .cdn import etag
from .identity import CHANNELS
from .rest import API, json_body

if TYPE_CHECKING:
    from .identity import Json
    from .mint import SnowflakeMint
    from .pictures import Pictures
    from .signing import Signer
    from .witness import Witness

UPLOAD_MAX = 10 * 1024 * 1024
FILES_MAX = 10


class Uploads:
    """Upload slots, and the bytes that are put into them."""

    def __init__(self, pictures: Pictures, signer: Signer, mint: SnowflakeMint, witness: Witness) -> None:
        self._pictures = pictures
        self._signer = signer
        self._mint = mint
        self._witness = witness
        self._slots: dict[str, str] = {}
        """Secret of an upload address to the path that it fills."""
        self._filled: set[str] = set()

    def routes(self) -> list[web.RouteDef]:
        """Asking for slots, filling one, dropping one."""
        return [
            web.post(f"{API}/channels/{{channel_id}}/attachments", self.ask),
            web.delete(f"{API}/attachments/{{name:.+}}", self.drop),
            web.put("/uploads/{secret}", self.put),
        ]

    def path_of(self, uploaded_filename: object) -> str | None:
        """The CDN path of a file that was uploaded; None if it never came."""
        secret = str(uploaded_filename).partition("/")[0]
        return self._slots.get(secret) if secret in self._filled else None

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
        secret = request.match_info["secret"]
        path = self._slots.get(secret)
        if path is None:
            return web.Response(status=403, text="SignatureDoesNotMatch")
        data = await request.read()
        self._pictures.upload(path, data)
        self._filled.add(secret)
        return web.Response(headers={"ETag": etag(data)})

    async def drop(self, request: web.Request) -> web.Response:
        """Forget an upload that is not wanted after all."""
        secret = request.match_info["name"].partition("/")[0]
        self._filled.discard(secret)
        path = self._slots.pop(secret, None)
        if path is None:
            raise refusals.not_found()
        self._pictures.remove_upload(path)
        return empty_answer()
