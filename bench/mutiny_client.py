"""Run prompts with Mutiny, as a short script of a user would: ``python mutiny_client.py OPTIONS.json``.

The options are those of ``npm_midjourney.cjs``. The address of the gateway is a constant of Mutiny, which is
replaced from outside. Mutiny runs one prompt at a time, and downloads and cuts each grid for its own index;
it keeps no pictures, so with ``save_to`` each grid is downloaded and cut once more.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import urllib.request
from pathlib import Path
from typing import Any

from mutiny import Config, Mutiny
from mutiny.discord import gateway_client

OPTIONS: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

START = 30
"""Seconds for the first session, and for a download."""


class Token:
    """Gives Mutiny the token."""

    def get_token(self) -> str:
        """Return the token."""
        return str(OPTIONS["token"])


async def main() -> None:
    """Run all prompts, and write a line for each that got a picture."""
    gateway_client.GATEWAY_BASE = OPTIONS["gateway"]
    folder = str(Path(OPTIONS["answers"]).with_name("mutiny"))
    client = Mutiny(
        Config.create(
            token_provider=Token(),
            guild_id=OPTIONS["guild"],
            channel_id=OPTIONS["channel"],
            api_endpoint=f"{OPTIONS['api']}/api/v9",
            cache={"disk_cache_dir": folder, "response_dump_dir": folder},
            execution={"queue_size": OPTIONS["in_flight"], "task_timeout_minutes": 1},
        )
    )
    await client.start()
    if not await client.wait_ready(timeout_s=START):
        sys.exit("there is no session")
    waiting = list(reversed(OPTIONS["prompts"]))

    async def work() -> None:
        while waiting:
            try:
                await answer(client, waiting.pop())
            except (RuntimeError, ValueError) as error:
                print(error, file=sys.stderr, flush=True)

    await asyncio.gather(*(work() for _ in range(OPTIONS["in_flight"])))
    await client.close()


async def answer(client: Any, prompt: str) -> None:
    """Run a prompt; write the nonce of its POST, and the uuid in the address of the picture that it got."""
    handle = await client.imagine(prompt)
    snapshot = await client.wait_for_job(handle.id)
    if snapshot.fail_reason or snapshot.output is None:
        raise RuntimeError(snapshot.fail_reason or "no picture")
    if OPTIONS["save_to"] is not None:
        data = await asyncio.to_thread(download, snapshot.output.image_url)
        for tile in client.split_image_result(handle.id, data):
            file = Path(OPTIONS["save_to"], f"{handle.id}_{tile.index}.png")
            await asyncio.to_thread(file.write_bytes, tile.image_bytes)
    found = UUID.search(snapshot.output.image_url)
    job = client._state.require_context().job_store.get(handle.id)
    line = {"nonce": job.context.nonce, "uuid": found and found.group()}
    with Path(OPTIONS["answers"]).open("a", encoding="utf-8") as answers:
        answers.write(json.dumps(line) + "\n")


def download(url: str) -> bytes:
    """Download a picture without authorization."""
    with urllib.request.urlopen(url, timeout=START) as answer:
        return bytes(answer.read())


asyncio.run(main())
