"""The replay as a client sees it: recorded answers in order, its own nonce, downloads that end alike."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from mjwatch.simulator.world import CHANNEL_ID, USER_ID
from tests.simulator.harness import play, simulated

if TYPE_CHECKING:
    from pathlib import Path

ME, CHANNEL, NONCE = "1500000000000000001", "1500000000000000002", "1500000000000000003"
SECOND_NONCE, MESSAGE, LOST = "1500000000000000004", "1500000000000000008", "1500000000000000009"
FILE = f"/attachments/{CHANNEL}/1500000000000000007/person1_cat.webp"


def post(nonce: str, status: int | None, body: object = None, **headers: str) -> tuple[str, str, Any]:
    data = {"status": status, "sent": {"nonce": nonce}, "body": body, "headers": headers}
    return "http", "POST /interactions", data


LIMITED = {"message": "limited", "retry_after": 3.0}
FINAL = {
    "id": MESSAGE,
    "channel_id": CHANNEL,
    "content": f"**a cat** - <@{ME}> (fast)",
    "nonce": SECOND_NONCE,
    "attachments": [
        {"id": "1", "url": f"https://cdn.discordapp.com{FILE}", "width": 2688, "height": 1792, "size": 7}
    ],
}
LINES = [
    ("session", "READY", {"user_id": ME}),
    ("http", f"GET /channels/{CHANNEL}/messages", {"status": 403, "body": {"code": 50001}, "headers": {}}),
    post(NONCE, 429, LIMITED, **{"retry-after": "3"}),
    post(SECOND_NONCE, None),
    ("dispatch", "INTERACTION_SUCCESS", {"id": "1500000000000000005", "nonce": SECOND_NONCE}),
    ("dispatch", "MESSAGE_CREATE", FINAL),
    ("http", f"GET /channels/{CHANNEL}/messages", {"status": 200, "body": [{**FINAL, "id": LOST}]}),
    ("download", FILE, {"status": 404, "begins": "", "failed": True}),
    ("download", FILE, {"status": 200, "begins": "52494646", "failed": True}),
    ("download", FILE, {"status": 200, "begins": "52494646", "failed": False}),
]


def test_a_client_gets_what_the_recorded_client_got(tmp_path: Path) -> None:
    lines = [{"at": 0, "kind": kind, "name": name, "data": data} for kind, name, data in LINES]
    account = {"user_id": ME, "channel_id": CHANNEL, "guild_id": None}
    bundle = tmp_path / "wire.json"
    bundle.write_text(
        json.dumps({"format": "mjwatch/wire/1", "account": account, "job": {}, "end": {}, "lines": lines})
    )

    async def scenario() -> None:
        async with simulated(replay=bundle) as client, client.gateway() as gateway:
            await gateway.identify()
            first, second = await client.body(nonce="71"), await client.body(nonce="72")
            assert await client.post(first) == (429, LIMITED)
            with pytest.raises(aiohttp.ClientError):
                await client.post(second)
            assert (await gateway.event("INTERACTION_SUCCESS"))["nonce"] == "72"
            final = await gateway.event("MESSAGE_CREATE")
            assert (final["channel_id"], final["nonce"]) == (CHANNEL_ID, "72")
            assert final["content"] == f"**a cat** - <@{USER_ID}> (fast)"
            (attachment,) = final["attachments"]
            assert (attachment["width"], attachment["height"]) == (256, 170)
            got = [await client.download(attachment["url"]) for _ in range(4)]
            assert [status for status, _ in got] == [404, 200, 200, 200]
            assert [len(data) == attachment["size"] for _, data in got] == [False, False, True, True]
            messages = f"/api/v9/channels/{CHANNEL_ID}/messages"
            assert (await client.call("GET", messages))[0] == 403
            _, page = await client.call("GET", messages)
            assert len(page) == 2
            assert "nonce" not in page[0]
            assert (await client.post(second))[0] == 503
            replay = (await client.state())["replay"]
            assert (replay["left"], replay["unexpected"]) == (0, ["POST /interactions, nonce 72"])

    play(scenario)
