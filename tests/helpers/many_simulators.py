"""Simulators within this process, each with its own world, on one thread."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from mjwatch.simulator.options import SimulatorOptions
from mjwatch.simulator.server import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class ManySimulators:
    """Starts simulators on an event loop of its own; ``many_simulators`` stops them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulators")
        self._thread.start()

    def start(self, workspace: Path, **options: Any) -> str:
        """Start a simulator with small, quick jobs; return its ``address:port``."""
        chosen = SimulatorOptions(
            **{"seconds_per_job": 0.05, "grid": 64, "seed": 1, "workspace": workspace, **options}
        )
        starting = self._stack.enter_async_context(serving(chosen))
        return asyncio.run_coroutine_threadsafe(starting, self._loop).result()

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stack.aclose(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def many_simulators() -> Iterator[ManySimulators]:
    """Give a place to start simulators, which are stopped at the end of the block."""
    simulators = ManySimulators()
    try:
        yield simulators
    finally:
        simulators.stop()
