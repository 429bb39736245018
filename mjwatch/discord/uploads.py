"""Brings local images to Discord: an upload slot, the bytes, and for a link a message that holds them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mjwatch.discord.allowed_hosts import host_of, picture_may_come_from
from mjwatch.discord.http import USER_AGENT, Timeout, Transport
from mjwatch.errors import AnsweredNoError, UnansweredError
from mjwatch.model import Refusal, RefusalClass, UploadedImage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from mjwatch.discord.rest import DiscordREST

UPLOAD_HOSTS = ("discord-attachments-uploads-prd.storage.googleapis.com",)
"""Where Discord's upload slots are (recorded by peers 2023 to 2026)."""

LARGEST_IMAGE = 10 * 1024 * 1024
"""Bytes that an account without Nitro may upload as one file (discord-userdoccers, "Uploading Files")."""


class Uploads:
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
