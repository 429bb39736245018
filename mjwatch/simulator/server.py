"""The simulator's server: listens, prints the address, and stops cleanly on a signal."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import shlex
import signal
import socket
import sys
from typing import TYPE_CHECKING

from mjwatch.simulator.faults.registry import FaultError
from mjwatch.simulator.options import configured_port, make_workspace, put_prompt
from mjwatch.simulator.replay.script import ReplayError, read_script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mjwatch.simulator.options import SimulatorOptions

DEFAULT_BIND = "127.0.0.1"
MISSING = f"the simulator needs aiohttp: {shlex.quote(sys.executable)} -m pip install aiohttp"


def run_simulator(options: SimulatorOptions) -> int:
    """Run until SIGTERM or SIGINT and return the exit code; print `listening on ADDRESS:PORT` when ready."""
    if importlib.util.find_spec("aiohttp") is None:
        print(MISSING, file=sys.stderr)  # noqa: T201
        return 1
    try:
        asyncio.run(_run(options))
    except (OSError, FaultError, ReplayError) as error:
        print(f"the simulator can't start: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


@contextlib.asynccontextmanager
async def serving(options: SimulatorOptions) -> AsyncIterator[str]:
    """Run the simulator within this event loop and give its `address:port`.

    Raise OSError, FaultError or ReplayError.
    """
    # aiohttp is an optional dependency, so modules that import it are imported only here.
    from aiohttp import web

    from mjwatch.simulator.application import SimulatedDiscord
    from mjwatch.simulator.control import read_scenario

    scenario = read_scenario(options.scenario) if options.scenario is not None else None
    script = read_script(options.replay) if options.replay is not None else None
    listener = _listener(options)
    address, port = listener.getsockname()[:2]
    host = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    discord = SimulatedDiscord(options, script)
    discord.listens_on(host)
    runner = web.AppRunner(discord.web_application(), access_log=None, shutdown_timeout=1.0)
    try:
        if options.workspace is not None:
            make_workspace(options.workspace, host)
            if script is not None and script.prompt_file is not None:
                put_prompt(options.workspace, *script.prompt_file)
        if script is not None:
            print(f"replaying {script}", file=sys.stderr)  # noqa: T201
        await runner.setup()
        if scenario is not None:
            discord.play(scenario)
        await web.SockSite(runner, listener).start()
        yield host
    finally:
        await runner.cleanup()
        listener.close()


async def _run(options: SimulatorOptions) -> None:
    stop = _stop_signal()
    async with serving(options) as host:
        print(f"listening on {host}", flush=True)  # noqa: T201
        await stop.wait()


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    return stop


def _listener(options: SimulatorOptions) -> socket.socket:
    address = options.bind or DEFAULT_BIND
    if options.port == 0 and options.workspace is not None:
        known = configured_port(options.workspace)
        if known is not None:
            with contextlib.suppress(OSError):
                return _bound(address, known)
    return _bound(address, options.port)


def _bound(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener
