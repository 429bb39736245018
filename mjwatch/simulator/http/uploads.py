"""Uploads: slots with an address, and the bytes that clients put there."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from aiohttp import web

from mjwatch.simulator.cdn.server import etag
from mjwatch.simulator.http import errors
from mjwatch.simulator.http.api import API, json_body
from mjwatch.simulator.http.errors import empty_answer, json_answer, reset_connection
from mjwatch.simulator.world import CHANNELS

if TYPE_CHECKING:
    from mjwatch.simulator.cdn.store import ImageStore, Signer
    from mjwatch.simulator.faults.registry import FaultRegistry
    from mjwatch.simulator.http.validation import SentFile
    from mjwatch.simulator.messages.profiles import CurrentProfile
    from mjwatch.simulator.recorder import Recorder
    from mjwatch.simulator.world import Json, SnowflakeGenerator

UPLOAD_MAX = 10 * 1024 * 1024
FILES_MAX = 10
NO_LOGIN_HERE = (
    "<?xml version='1.0' encoding='UTF-8'?><Error><Code>AuthenticationRequired</Code>"
    "<Message>Authentication required.</Message></Error>"
)


@dataclass(slots=True)
class SimulatedUploadSlot:
    """A slot for one file."""

    path: str
    """The file's path at the CDN."""
    filled: bool = False


class UploadEndpoints:
    """The handlers of upload slots and of the bytes for them."""

    def __init__(
        self,
        pictures: ImageStore,
        signer: Signer,
        snowflakes: SnowflakeGenerator,
        faults: FaultRegistry,
        recorder: Recorder,
        profile: CurrentProfile,
    ) -> None:
        self._profile = profile
        self._pictures = pictures
        self._signer = signer
        self._snowflakes = snowflakes
        self._faults = faults
        self._recorder = recorder
        self._slots: dict[str, SimulatedUploadSlot] = {}
        """By the secret of the upload address."""

    def routes(self) -> list[web.RouteDef]:
        """Return the routes that create, fill and delete a slot."""
        return [
            web.post(f"{API}/channels/{{channel_id}}/attachments", self.ask),
            web.delete(f"{API}/attachments/{{name:.+}}", self.drop),
            web.put("/uploads/{secret}", self.put),
        ]

    def path_of(self, uploaded_filename: object) -> str | None:
        """Return the CDN path of an uploaded file; None if it was never uploaded."""
        slot = self._slots.get(str(uploaded_filename).partition("/")[0])
        return slot.path if slot is not None and slot.filled else None

    def store_upload(self, channel_id: str, file: SentFile) -> str:
        """Store a file from a form and return its CDN path."""
        if len(file.data) > UPLOAD_MAX:
            raise _too_large()
        path = self._new_path(channel_id, file.name)
        self._pictures.upload(path, file.data)
        self._recorder.uploads += 1
        return path

    async def ask(self, request: web.Request) -> web.Response:
        """Create a slot for each file and answer with their addresses."""
        channel_id = request.match_info["channel_id"]
        if channel_id not in CHANNELS:
            raise errors.unknown_channel()
        files = (await json_body(request)).get("files")
        if files is None:
            raise errors.required("files")
        if not isinstance(files, list):
            raise errors.not_a_list("files")
        if not 1 <= len(files) <= FILES_MAX:
            raise errors.bad_length("files", 1, FILES_MAX)
        for position, file in enumerate(files):
            _check_file(file, f"files.{position}")
        return json_answer({"attachments": [self._slot(channel_id, file) for file in files]})

    def _slot(self, channel_id: str, file: Json) -> Json:
        secret = secrets.token_urlsafe(24)
        slot = self._slots[secret] = SimulatedUploadSlot(self._new_path(channel_id, file["filename"]))
        return {
            "id": file.get("id"),
            "upload_url": f"{self._signer.base_url}/uploads/{secret}",
            "upload_filename": f"{secret}/{quote(slot.path.rpartition('/')[2])}",
        }

    def _new_path(self, channel_id: str, filename: str) -> str:
        name = re.sub(r"[\s/\\]+", "_", filename.strip()) or "unknown"
        return f"/attachments/{channel_id}/{self._snowflakes.next()}/{name}"

    async def put(self, request: web.Request) -> web.Response:
        """Store the bytes; the address is the only key, so a request with a login is refused (unknown)."""
        has_login = "Authorization" in request.headers
        self._recorder.cdn_with_authorization += has_login
        if has_login and self._profile.for_text().upload_refuses_login:
            return web.Response(status=401, text=NO_LOGIN_HERE, content_type="application/xml")
        slot = self._slots.get(request.match_info["secret"])
        if slot is None:
            return web.Response(status=403, text="SignatureDoesNotMatch")
        data, name = await request.read(), slot.path.rpartition("/")[2]
        if armed := self._faults.take("upload_error", name):
            return web.Response(status=int(armed.number("status", 503)), text="ServiceUnavailable")
        if self._faults.take("upload_reset", name):
            return reset_connection(request)
        if self._faults.take("upload_lost", name):
            return web.Response(headers={"ETag": etag(data)})
        if len(data) > UPLOAD_MAX:
            return web.Response(status=400, text="EntityTooLarge")
        self._pictures.upload(slot.path, data)
        self._recorder.uploads += 1
        slot.filled = True
        return web.Response(headers={"ETag": etag(data)})

    async def drop(self, request: web.Request) -> web.Response:
        """Delete an upload that is no longer needed."""
        slot = self._slots.pop(request.match_info["name"].partition("/")[0], None)
        if slot is None:
            raise errors.not_found()
        self._pictures.remove_upload(slot.path)
        return empty_answer()


def _check_file(file: object, path: str) -> None:
    if not isinstance(file, dict):
        raise errors.not_an_object(path)
    name, size = file.get("filename"), file.get("file_size")
    if not isinstance(name, str) or not name:
        raise errors.required(f"{path}.filename")
    if isinstance(size, bool) or not isinstance(size, int):
        raise errors.required(f"{path}.file_size")
    if size < 1:
        raise errors.too_small(f"{path}.file_size", 1)
    if size > UPLOAD_MAX:
        raise _too_large()
    given = file.get("id")
    if isinstance(given, bool) or not isinstance(given, str | int | None):
        raise errors.not_a_snowflake(f"{path}.id", given)


def _too_large() -> errors.ApiError:
    return errors.coded(413, 40005, "Request entity too large")
