"""Connect to a gateway as the service does, and measure the cost.

``python -m bench.gateway_listener URL SECONDS``: prints one line of JSON with the CPU seconds until READY,
the CPU seconds after READY, and the number of ignored dispatches.
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
    ready_event = threading.Event()

    def put(event: GatewayEvent) -> None:
        if isinstance(event, GatewayReady):
            ready_event.set()

    connection = WebsocketConnection(session, put)
    tls_context()  # created once for all connections
    began = time.process_time()
    connection.start()
    if not ready_event.wait(60):
        raise SystemExit("no READY")
    ready = time.process_time() - began
    began = time.process_time()
    time.sleep(seconds)
    print(json.dumps([ready, time.process_time() - began, session.ignored]))
    connection.stop(resumable=False)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
