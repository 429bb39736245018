"""Downloads: signed, expiring, complete unless a fault is armed; uploads by address."""

from __future__ import annotations

import io
from urllib.parse import urlsplit

import aiohttp
import pytest
from PIL import Image

from mjwatch.simulator.cdn.render import job_colours
from mjwatch.simulator.cdn.store import Signer
from mjwatch.simulator.world import CHANNEL_ID
from tests.simulator.harness import Client, Json, play, simulated

GONE = (404, b"This content is no longer available.")


async def _final(client: Client) -> Json:
    async with client.gateway() as gateway:
        await gateway.identify()
        await client.imagine("a red cat --ar 3:2", gateway)
        return await gateway.final()


@pytest.mark.parametrize(("kind", "grid"), [("png", 512), ("webp", 512), ("png", 64)])
def test_a_grid_is_what_its_attachment_says(kind: str, grid: int) -> None:
    async def scenario() -> None:
        async with simulated(format=kind, grid=grid) as client:
            (attachment,) = (await _final(client))["attachments"]
            status, data = await client.download(attachment["url"])
            assert (status, len(data)) == (200, attachment["size"])
            with Image.open(io.BytesIO(data)) as picture:
                assert (picture.format or "").lower() == kind
                assert picture.size == (attachment["width"], attachment["height"])
                assert picture.width * 2 == picture.height * 3
                if kind == "png":
                    (executed,) = (await client.state())["interactions"]
                    assert picture.getpixel((0, 0)) == job_colours(executed["job_uuid"])[0]
            _, again = await client.download(attachment["url"])
            assert again == data
            _, copy = await client.download(attachment["proxy_url"])
            assert copy != data
            assert (await client.state())["downloads"] == 2

    play(scenario)


def test_an_address_must_be_signed_by_the_simulator() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            url = (await _final(client))["attachments"][0]["url"]
            assert url.endswith("&")
            bare = url.partition("?")[0]
            assert await client.download(bare) == GONE
            assert await client.download(url.replace("hm=", "hm=0")) == GONE
            assert await client.download(url.replace("ex=", "ex=f")) == GONE
            assert await client.download(url.replace("a_red_cat", "a_red_dog")) == GONE
            assert await client.download(url.replace("ex=", "ex=zz")) == GONE
            body = {"attachment_urls": [f"{bare}?width=5", url]}
            _, answer = await client.call("POST", "/api/v9/attachments/refresh-urls", json=body)
            for pair, asked in zip(answer["refreshed_urls"], body["attachment_urls"], strict=True):
                assert pair["original"] == asked
                assert (await client.download(pair["refreshed"]))[0] == 200
            assert "width=5&ex=" in answer["refreshed_urls"][0]["refreshed"]
            for wrong in ([], ["x"] * 51, [7], None):
                path = "/api/v9/attachments/refresh-urls"
                assert (await client.call("POST", path, json={"attachment_urls": wrong}))[0] == 400

    play(scenario)


def test_a_signature_expires_and_every_reading_signs_again() -> None:
    now = 1_780_000_000.0
    signer = Signer(lambda: 86_400, clock=lambda: now)
    path = "/attachments/1/2/a.png"
    query = dict(pair.split("=") for pair in signer.query(path).split("&") if pair)
    assert int(query["ex"], 16) - int(query["is"], 16) == 86_400
    assert len(query["hm"]) == 64
    assert signer.is_valid(path, query)
    now += 86_401
    assert not signer.is_valid(path, query)
    message: Json = {"flags": 0, "embeds": [], "attachments": [{"url": path, "proxy_url": path}]}
    (attachment,) = signer.signed_message(message)["attachments"]
    assert urlsplit(attachment["url"]).path == path
    assert message["attachments"][0]["url"] == path


def test_an_expired_address_is_gone_and_the_history_has_a_fresh_one() -> None:
    async def scenario() -> None:
        async with simulated(url_lifetime=0) as client:
            final = await _final(client)
            assert await client.download(final["attachments"][0]["url"]) == GONE

    play(scenario)


def test_a_login_at_the_cdn_or_at_an_upload_address_is_counted() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            url = (await _final(client))["attachments"][0]["url"]
            await client.download(url)
            assert (await client.state())["cdn_with_authorization"] == 0
            await client.download(url, headers={"Authorization": "something"})
            assert (await client.state())["cdn_with_authorization"] == 1

    play(scenario)


def test_faults_affect_one_download() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            url = (await _final(client))["attachments"][0]["url"]
            await client.fault("cdn_404", match="red cat")
            assert await client.download(url) == GONE
            await client.fault("cdn_truncated", match="red cat")
            with pytest.raises(aiohttp.ClientPayloadError):
                await client.download(url)
            _, whole = await client.download(url)
            await client.fault("cdn_slow", seconds=0.05)
            assert await client.download(url) == (200, whole)

    play(scenario)


def test_an_upload_needs_no_login_and_can_be_deleted() -> None:
    async def scenario() -> None:
        async with simulated() as client:
            path = f"/api/v9/channels/{CHANNEL_ID}/attachments"
            asked = {"files": [{"id": "0", "filename": "ref.png", "file_size": 3}]}
            _, answer = await client.call("POST", path, json=asked)
            (slot,) = answer["attachments"]
            assert slot["upload_filename"].endswith("/ref.png")
            async with client.http.put(slot["upload_url"], data=b"abc") as put:
                assert put.status == 200
            async with client.http.put(f"{slot['upload_url']}x", data=b"abc") as put:
                assert put.status == 403
            dropped = f"/api/v9/attachments/{slot['upload_filename']}"
            assert (await client.call("DELETE", dropped))[0] == 204
            assert (await client.call("DELETE", dropped))[0] == 404
            too_big = {"files": [{"id": "0", "filename": "ref.png", "file_size": 11 << 20}]}
            assert (await client.call("POST", path, json=too_big))[1]["code"] == 40005
            wrongs: list[Json] = [{}, {"files": []}, {"files": ["x"]}, {"files": [{"filename": "x"}]}]
            for wrong in wrongs:
                assert (await client.call("POST", path, json=wrong))[0] == 400

    play(scenario)
