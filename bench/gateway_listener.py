"""Listens to a gateway as the service does, and says what that took.

``python -m bench.gateway_listener URL SECONDS``: one line of JSON with its CPU seconds up to READY and those of the
seconds after it, and how many dispatches nobody wanted.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from typing import TYPE_CHECKING

from mjwatch.discord.connection import WebsocketConnection
from mjwatch.discord.http import tls_context
from mjwatch.discord.session import GatewaySession
from mjwatch.events import GatewayReady
from mjwatch.midjourney.channel import Channel

if TYPE_CHECKING:
    from mjwatch.events import GatewayEvent


def main(url: str, seconds: float) -> None:
    channel = Channel("1111000000000000003", lambda **_: None, 60.0)
    session = GatewaySession(
        "not-a-token",
        random=random.random,
        gateway_url=url,
        wanted=channel.tracker.wanted,
        allowed=lambda url: True,
    )
    up = threading.Event()

    def put(event: GatewayEvent) -> None:
        if isinstance(event, GatewayReady):
            up.set()

    connection = WebsocketConnection(session, put)
    tls_context()  # which is made once for all connections
    began = time.process_time()
    connection.start()
    if not up.wait(60):
        raise SystemExit("READY does not come")
    ready = time.process_time() - began
    began = time.process_time()
    time.sleep(seconds)
    print(json.dumps([ready, time.process_time() - began, sum(session.ignored.values())]))
    connection.stop(resumable=False)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
