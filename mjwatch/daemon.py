"""A service's life: start, signals, a clean stop, and the exit code."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING

from mjwatch.events import StopAsked
from mjwatch.runtime import Runtime

if TYPE_CHECKING:
    from types import FrameType

    from mjwatch.config import Config
    from mjwatch.keys import Keys

log = logging.getLogger("mjwatch")

NEEDS_PERSON = 4
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run_daemon(config: Config, keys: Keys, *, drain: bool = False, resume: bool = False) -> int:
    """Run until a signal, or with ``drain`` until all that is there has its answer. Returns the exit code.

    4: a drain that ended because a person is needed, with the queue kept. ``resume``: a person says that what
    the sending was paused for is mended; if it is not, it is paused again.
    """
    with Runtime(config, keys) as runtime:
        engine = runtime.engine
        if resume:
            engine.pausing.end()
        log.info("watching %s; pictures go to %s", config.inbox.path, config.outbox.path)

        def ask_to_stop(number: int, frame: FrameType | None) -> None:
            engine.put(StopAsked())

        before = {number: signal.signal(number, ask_to_stop) for number in SIGNALS}
        try:
            runtime.run(lambda: drain and (engine.settled() or engine.stuck()))
            runtime.comes_back = not (drain and engine.settled())
            log.info("stopping")
            return NEEDS_PERSON if drain and (engine.paused is not None or engine.in_doubt()) else 0
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
