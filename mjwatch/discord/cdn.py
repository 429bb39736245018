"""Downloads from Discord's CDN and uploads to Discord; the token is never sent to these hosts.

A download is complete, or fails, and is limited in size and time. An upload needs a slot, the bytes, and, to
get a link, a message that contains the files.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mjwatch.discord.allowed_hosts import host_of, picture_may_come_from
from mjwatch.discord.http import USER_AGENT, Timeout, Transport
from mjwatch.discord.json_values import list_of
from mjwatch.errors import AnsweredNoError, DownloadError, UnansweredError, WireError
from mjwatch.model import Refusal, RefusalClass, UploadedImage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from requests import Response

    from mjwatch.discord.rest import DiscordREST


LARGEST_PICTURE = 64 * 1024 * 1024
"""Bytes of a download."""

LONGEST_LENGTH = 20
"""Digits of a Content-Length; a longer number is no length."""

LONGEST_BEGINNING = 16
"""Bytes at the start of a download that are reported; they say what kind of file it is."""

UPLOAD_HOSTS = ("discord-attachments-uploads-prd.storage.googleapis.com",)
"""The hosts of Discord's upload slots (recorded by peers 2023 to 2026)."""

LARGEST_IMAGE = 10 * 1024 * 1024
"""Bytes that an account without Nitro may upload as one file (discord-userdoccers, "Uploading Files")."""

UPLOAD_DEADLINE = 300.0
"""Seconds for the largest image over a line of 300 kbit/s."""


@dataclass(slots=True)
class Download:
    """One download: how far it came, and why it failed.

    ``status`` is that of the answer, None if none came; ``begins``: the first bytes; ``error``: "" if the
    whole picture came.
    """

    url: str
    status: int | None = None
    begins: bytes = b""
    error: str = ""


def _no_tap(download: Download) -> None:
    """Ignore the download."""


class CDN:
    """Downloads from the listed hosts only, without having the token. Usable from any thread."""

    def __init__(
        self,
        hosts: Collection[str],
        *,
        proxy: str = "",
        user_agent: str = USER_AGENT,
        timeout: Timeout = (10.0, 30.0),
        max_bytes: int = LARGEST_PICTURE,
        deadline: float = 120.0,
        tap: Callable[[Download], object] = _no_tap,
    ) -> None:
        """``deadline`` is the seconds for a whole download, ``timeout`` those for its steps.

        ``tap`` is called after each download, by the thread of the call.
        """
        self._tap = tap
        self._hosts = tuple(hosts)
        self._max_bytes = max_bytes
        self._transport = Transport(proxy=proxy, user_agent=user_agent, timeout=timeout, deadline=deadline)

    def __repr__(self) -> str:
        return f"<CDN {', '.join(self._hosts)}>"

    def close(self) -> None:
        """Close the connections that are kept open between requests."""
        self._transport.close()

    def fetch(self, url: str, size: int | None = None) -> bytes:
        """Return the bytes at the URL; there must be ``size`` of them, if it is given.

        Raise DownloadError, with ``gone`` set if a newly signed URL is needed (403, 404).
        """
        host = host_of(url)
        if not picture_may_come_from(url, self._hosts):
            raise DownloadError(f"pictures are not downloaded from {host}", "see [discord] cdn_hosts")
        download = Download(url)
        try:
            return self._fetch(download, size, host)
        except DownloadError as error:
            download.error = error.message
            raise
        finally:
            self._tap(download)

    def _fetch(self, download: Download, size: int | None, host: str) -> bytes:
        try:
            # A compressed body has no length that could be checked.
            response = self._transport.send("GET", download.url, headers={"Accept-Encoding": "identity"})
            download.status = response.status_code
            with response:
                _check_answer(response, host)
                md5 = hashlib.md5(usedforsecurity=False)
                data = self._transport.read_body(response, limit=self._max_bytes, on_piece=md5.update)
            download.begins = data[:LONGEST_BEGINNING]
        except DownloadError:
            raise
        except WireError as error:
            raise DownloadError(f"a download from {host} failed: {error}") from None
        _check_whole(data, response, size, md5.digest())
        return data


def _check_answer(response: Response, host: str) -> None:
    status = response.status_code
    if status in (403, 404):
        raise DownloadError(f"{host} no longer has the picture at this address (HTTP {status})", gone=True)
    if status != 200:
        raise DownloadError(f"{host} answered a download with HTTP {status}")


def _check_whole(data: bytes, response: Response, size: int | None, md5: bytes) -> None:
    """Raise DownloadError unless length and, if given, MD5 match (Google Cloud Storage's ``X-Goog-Hash``)."""
    if not data:
        raise DownloadError("a download is empty")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise DownloadError("a download is compressed, although mjwatch asked for plain bytes")
    header = response.headers.get("Content-Length", "")
    named = int(header) if header.isdecimal() and len(header) <= LONGEST_LENGTH else None
    for length in (size, named):
        if length is not None and length != len(data):
            raise DownloadError(f"a download has {len(data)} bytes instead of {length}")
    expected_md5 = _md5_of_header(response.headers.get("X-Goog-Hash", ""))
    if expected_md5 and expected_md5 != md5:
        raise DownloadError("a download does not have the announced checksum")


def _md5_of_header(header: str) -> bytes | None:
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        if name == "md5":
            try:
                return base64.b64decode(value, validate=True)
            except ValueError:
                return None
    return None


class AttachmentUploads:
    """Uploads files for one account; the HTTP session that sends the bytes does not have the token."""

    def __init__(
        self,
        rest: DiscordREST,
        *,
        hosts: Collection[str] = UPLOAD_HOSTS,
        proxy: str = "",
        user_agent: str = USER_AGENT,
        timeout: Timeout = (10.0, 60.0),
        clock: Callable[[], float],
    ) -> None:
        """``hosts`` may have slots, and this machine may; ``clock`` returns seconds since 1970."""
        self._rest = rest
        self._hosts = tuple(hosts)
        self._clock = clock
        self._transport = Transport(
            proxy=proxy, user_agent=user_agent, timeout=timeout, deadline=UPLOAD_DEADLINE
        )

    def close(self) -> None:
        """Close the connections that are kept open between requests."""
        self._transport.close()

    def upload(self, channel_id: str, images: Mapping[str, bytes]) -> list[UploadedImage]:
        """Put these files, by name, into slots of the channel; commands can refer to them then.

        It may be repeated, because it costs nothing on the account. Raise WireError.
        """
        if not images:
            return []
        slots = self._rest.upload_slots(channel_id, {name: len(data) for name, data in images.items()})
        uploaded = []
        for (name, data), slot in zip(images.items(), slots, strict=True):
            self._put(slot.upload_url, data)
            uploaded.append(UploadedImage(name, slot.upload_filename, None, self._clock()))
        return uploaded

    def link(self, channel_id: str, uploaded: Sequence[UploadedImage], nonce: str) -> list[UploadedImage]:
        """Post uploaded files as one message, and return them with the links of its attachments.

        People do the same by hand to use a picture of their own in a prompt. After an UnansweredError the
        message may exist. If it is posted again with the same nonce, Discord takes it for the same message,
        for a while.
        """
        message = self._rest.post_files(channel_id, uploaded, nonce)
        links = [_link(attachment) for attachment in list_of(message.get("attachments"))]
        if len(links) != len(uploaded):
            raise UnansweredError("Discord's answer to an upload names other files than those sent")
        return [replace(image, url=link) for image, link in zip(uploaded, links, strict=True)]

    def _put(self, url: str, data: bytes) -> None:
        if not picture_may_come_from(url, (*self._hosts, "127.0.0.1", "localhost", "::1")):
            raise AnsweredNoError(
                Refusal(
                    RefusalClass.CONFIG,
                    None,
                    f"Discord asks to upload to {host_of(url)}, which is not a known host of Discord",
                )
            )
        response = self._transport.send(
            "PUT", url, data=data, headers={"Content-Type": "application/octet-stream"}
        )
        self._transport.release(response)
        if not 200 <= response.status_code < 300:
            raise UnansweredError(f"{host_of(url)} answered an upload with HTTP {response.status_code}")


def _link(attachment: Any) -> str:
    url = attachment.get("url") if isinstance(attachment, dict) else None
    if not isinstance(url, str):
        raise UnansweredError("Discord's answer to an upload has no link")
    return url
