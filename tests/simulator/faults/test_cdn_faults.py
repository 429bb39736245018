"""Faults of downloads: too short, too long, not a picture, redirected."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import aiohttp
import pytest
from PIL import Image

from mjwatch.simulator.faults.answers import enormous_png
from tests.simulator.harness import Client, Json, play, simulated

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Look = Callable[[Client, Json], Awaitable[None]]


def _story(look: Look) -> None:
    async def scenario() -> None:
        async with simulated(format="png") as client, client.gateway() as gateway:
            await gateway.identify()
            await client.imagine("a red cat", gateway)
            await look(client, (await gateway.final())["attachments"][0])

    play(scenario)


def test_a_download_can_be_short_although_it_is_complete() -> None:
    async def look(client: Client, attachment: Json) -> None:
        await client.fault("cdn_wrong_length", match="red cat")
        status, data = await client.download(attachment["url"])
        assert (status, len(data)) == (200, attachment["size"] // 2)

    _story(look)


def test_a_download_can_begin_in_the_middle() -> None:
    async def look(client: Client, attachment: Json) -> None:
        size = attachment["size"]
        _, whole = await client.download(attachment["url"])
        await client.fault("cdn_206")
        async with client.http.get(attachment["url"]) as answer:
            assert (answer.status, await answer.read()) == (206, whole[size // 2 :])
            assert answer.headers["Content-Range"] == f"bytes {size // 2}-{size - 1}/{size}"

    _story(look)


def test_a_download_can_be_a_page() -> None:
    async def look(client: Client, attachment: Json) -> None:
        await client.fault("cdn_not_image")
        status, data = await client.download(attachment["url"])
        assert (status, len(data)) == (200, attachment["size"])
        assert data.startswith(b"<!doctype html>")

    _story(look)


def test_a_download_can_be_a_bomb() -> None:
    async def look(client: Client, attachment: Json) -> None:
        await client.fault("cdn_bomb", edge=50_000)
        status, data = await client.download(attachment["url"])
        assert status == 200
        assert data.startswith(enormous_png(50_000))
        with pytest.raises(Image.DecompressionBombError), warnings.catch_warnings():
            Image.open(io.BytesIO(data))

    _story(look)


def test_a_download_can_be_very_large() -> None:
    async def look(client: Client, attachment: Json) -> None:
        await client.fault("cdn_huge", megabytes=3)
        async with client.http.get(attachment["url"]) as answer:
            assert answer.content_length is None
            assert len(await answer.read()) == attachment["size"] + 3 * (1 << 20)

    _story(look)


def test_a_download_can_be_redirected_or_reset() -> None:
    async def look(client: Client, attachment: Json) -> None:
        await client.fault("cdn_redirect", location="http://127.0.0.1:9/x.png")
        async with client.http.get(attachment["url"], allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (302, "http://127.0.0.1:9/x.png")
        await client.fault("cdn_reset", count=2)  # the library tries a second time
        with pytest.raises(aiohttp.ClientError):
            await client.download(attachment["url"])

    _story(look)
