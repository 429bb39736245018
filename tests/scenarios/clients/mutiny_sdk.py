"""Run Mutiny against the simulator: imagine, split the grid, and the given steps.

Runs as its own program (`mutiny_sdk.py HOST:PORT TOKEN GUILD CHANNEL STEP...`), and prints one JSON object.
The address of REST is an option of Mutiny's; that of the gateway is a constant, replaced from outside.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import tempfile
import urllib.request
from typing import Any

from mutiny import Config, Mutiny
from mutiny.discord import gateway_client

HOST, TOKEN, GUILD, CHANNEL, *STEPS = sys.argv[1:]

gateway_client.GATEWAY_BASE = f"ws://{HOST}"


class Token:
    """Gives Mutiny the token."""

    def get_token(self) -> str:
        """Return the token."""
        return TOKEN


async def done(client: Any, handle: Any) -> Any:
    """Wait for a job, and return what it has become."""
    snapshot = await client.wait_for_job(handle.id, timeout_s=20)
    if snapshot.fail_reason:
        raise RuntimeError(snapshot.fail_reason)
    return snapshot


def download(url: str) -> bytes:
    """Download a picture without authorization."""
    with urllib.request.urlopen(url, timeout=20) as answer:
        data: bytes = answer.read()
        return data


def control(fault: str) -> None:
    """Arm a fault."""
    body = json.dumps({"fault": fault}).encode()
    urllib.request.urlopen(f"http://{HOST}/_sim/faults", body, timeout=20).close()


async def main() -> None:
    """Run all steps."""
    with tempfile.TemporaryDirectory() as folder:
        config = Config.create(
            token_provider=Token(),
            guild_id=GUILD,
            channel_id=CHANNEL,
            api_endpoint=f"http://{HOST}/api/v9",
            cache={"disk_cache_enabled": False, "disk_cache_dir": folder, "response_dump_dir": folder},
        )
        client = Mutiny(config)
        await client.start()
        assert await client.wait_ready(timeout_s=30)
        grid = await done(client, await client.imagine("a red cat"))
        outcome: dict[str, Any] = {"imagine": grid.output.image_url}
        data = await asyncio.to_thread(download, grid.output.image_url)
        tiles = client.split_image_result(grid.id, data)
        outcome["tiles"] = [tile.index for tile in tiles]
        if "upscale" in STEPS:
            upscaled = await done(client, await client.upscale(job_id=grid.id, index=2))
            outcome["upscale"] = upscaled.output.image_url
        if "vary" in STEPS:
            varied = await done(client, await client.vary(job_id=grid.id, index=3))
            outcome["vary"] = varied.output.image_url
        url = "data:image/png;base64," + base64.b64encode(tiles[0].image_bytes).decode()
        if "describe" in STEPS:
            described = await done(client, await client.describe(url))
            outcome["describe"] = described.prompt_text
        if "animate" in STEPS:
            control("as_gif")
            animated = await done(client, await client.animate(url, prompt="a cat runs"))
            outcome["animate"] = animated.output.video_url
        await client.close()
    print(json.dumps(outcome))


asyncio.run(asyncio.wait_for(main(), 120))
