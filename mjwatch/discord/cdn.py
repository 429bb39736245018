"""Downloads pictures from Discord's CDN: whole, bounded in size and time, and without the token.

Brings local images to Discord: an upload slot, the bytes, and for a link a message that holds them.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mjwatch.discord.allowed_hosts import host_of, picture_may_come_from
from mjwatch.discord.http import USER_AGENT, Timeout, Transport
from mjwatch.errors import AnsweredNoError, DownloadError, UnansweredError, WireError
from mjwatch.model import Refusal, RefusalClass, UploadedImage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from requests import Response

    from mjwatch.discord.rest import DiscordREST


LARGEST_PICTURE = 64 * 1024 * 1024


class CDN:
    """Fetches from the listed hosts only; its session never knew the token. Usable from any thread."""

    def __init__(
        self,
        hosts: Collection[str],
        *,
        proxy: str = "",
        user_agent: str = USER_AGENT,
        timeout: Timeout = (10.0, 30.0),
        max_bytes: int = LARGEST_PICTURE,
        deadline: float = 120.0,
    ) -> None:
        """``deadline`` is in seconds for a whole download, ``timeout`` for its steps."""
        self._hosts = tuple(hosts)
        self._max_bytes = max_bytes
        self._deadline = deadline
        self._transport = Transport(proxy=proxy, user_agent=user_agent, timeout=timeout)

    def __repr__(self) -> str:
        return f"<CDN {', '.join(self._hosts)}>"

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def fetch(self, url: str, size: int | None = None) -> bytes:
        """The bytes behind the URL, of which ``size`` are expected if given.

        Raises DownloadError; ``gone`` where a newly signed URL is needed (403, 404).
        """
        host = host_of(url)
        if not picture_may_come_from(url, self._hosts):
            raise DownloadError(f"pictures are not fetched from {host}", "see [discord] cdn_hosts")
        try:
            # What is compressed on the way has no length that could be checked.
            response = self._transport.send("GET", url, headers={"Accept-Encoding": "identity"})
            with response:
                _check_answer(response, host)
                sum_up = hashlib.md5(usedforsecurity=False)
                data = self._transport.read_body(
                    response, limit=self._max_bytes, seconds=self._deadline, seen=sum_up.update
                )
        except DownloadError:
            raise
        except WireError as error:
            raise DownloadError(f"a download from {host} failed: {error}") from None
        _check_whole(data, response, size, sum_up.digest())
        return data


def _check_answer(response: Response, host: str) -> None:
    status = response.status_code
    if status in (403, 404):
        raise DownloadError(f"{host} no longer has the picture at this address (HTTP {status})", gone=True)
    if status != 200:
        raise DownloadError(f"{host} answers a download with HTTP {status}")


def _check_whole(data: bytes, response: Response, size: int | None, md5: bytes) -> None:
    """Length and, where the CDN tells it, MD5 (Google Cloud Storage's ``X-Goog-Hash``) must agree."""
    if not data:
        raise DownloadError("a download is empty")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise DownloadError("a download is compressed although it was not to be")
    told = response.headers.get("Content-Length", "")
    for length in (size, int(told) if told.isdecimal() else None):
        if length is not None and length != len(data):
            raise DownloadError(f"a download has {len(data)} bytes and should have {length}")
    told_md5 = _told_md5(response.headers.get("X-Goog-Hash", ""))
    if told_md5 and told_md5 != md5:
        raise DownloadError("a download does not have the checksum that was told")


def _told_md5(header: str) -> bytes | None:
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        if name == "md5":
            try:
                return base64.b64decode(value, validate=True)
            except ValueError:
                return None
    return None


UPLOAD_HOSTS = ("discord-attachments-uploads-prd.storage.googleapis.com",)
"""Where Discord's upload slots are (recorded by peers 2023 to 2026)."""

LARGEST_IMAGE = 10 * 1024 * 1024
"""Bytes that an account without Nitro may upload as one file (discord-userdoccers, "Uploading Files")."""


class AttachmentUploads:
    """Uploads for one account. The session that sends the bytes never knew the token."""

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
        """``hosts``: where slots may be, this machine aside; ``clock`` gives seconds since 1970."""
        self._rest = rest
        self._hosts = tuple(hosts)
        self._clock = clock
        self._transport = Transport(proxy=proxy, user_agent=user_agent, timeout=timeout)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def upload(self, channel_id: str, images: Mapping[str, bytes]) -> list[UploadedImage]:
        """Put these files, by name, into slots of the channel; commands may refer to them then.

        Nothing that costs anything has happened by it, so it may be repeated. Raises WireError.
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
        """Post uploaded files as one message, whose attachments then have links.

        That is what a person does by hand to use a picture of their own in a prompt. UnansweredError: the
        message may stand there all the same; with the same nonce Discord takes it for the same, for a while.
        """
        message = self._rest.post_files(channel_id, uploaded, nonce)
        links = [_link(attachment) for attachment in message.get("attachments", ())]
        if len(links) != len(uploaded):
            raise UnansweredError("Discord's answer to an upload names other files than were sent")
        return [replace(image, url=link) for image, link in zip(uploaded, links, strict=True)]

    def _put(self, url: str, data: bytes) -> None:
        if not picture_may_come_from(url, (*self._hosts, "127.0.0.1", "localhost", "::1")):
            raise AnsweredNoError(
                Refusal(
                    RefusalClass.CONFIG,
                    None,
                    f"Discord wants pictures uploaded to {host_of(url)}, which is not known as its host",
                )
            )
        response = self._transport.send(
            "PUT", url, data=data, headers={"Content-Type": "application/octet-stream"}
        )
        self._transport.release(response)
        if not 200 <= response.status_code < 300:
            raise UnansweredError(f"{host_of(url)} answers an upload with HTTP {response.status_code}")


def _link(attachment: Any) -> str:
    url = attachment.get("url") if isinstance(attachment, dict) else None
    if not isinstance(url, str):
        raise UnansweredError("Discord's answer to an upload has no link")
    return url
