"""The composition of the simulated Discord: one web application with REST, gateway, CDN and control."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from mjwatch.simulator.cdn.server import Cdn
from mjwatch.simulator.cdn.store import ImageStore, LinkResolver, Signer
from mjwatch.simulator.control import Control
from mjwatch.simulator.faults.answers import rest_faults
from mjwatch.simulator.faults.registry import FaultRegistry
from mjwatch.simulator.gateway.connection import GatewayConnection, Handshake
from mjwatch.simulator.gateway.delivery import MessageDelivery
from mjwatch.simulator.gateway.sessions import Sessions
from mjwatch.simulator.http.api import RestApi, content_types, discord_errors
from mjwatch.simulator.http.command_index import RegisteredCommands
from mjwatch.simulator.http.errors import reset_connection
from mjwatch.simulator.http.history import History
from mjwatch.simulator.http.interactions import InteractionChecks, InteractionPost
from mjwatch.simulator.http.messages import Reactions, UserMessages
from mjwatch.simulator.http.uploads import UploadEndpoints
from mjwatch.simulator.messages.message import MessageForms
from mjwatch.simulator.messages.modals import OpenModals
from mjwatch.simulator.messages.profiles import CurrentProfile, profile_for
from mjwatch.simulator.midjourney.bot import MidjourneyBot
from mjwatch.simulator.midjourney.job import BotContext
from mjwatch.simulator.recorder import Recorder, leak_watch
from mjwatch.simulator.replay.player import Player
from mjwatch.simulator.world import SnowflakeGenerator

if TYPE_CHECKING:
    from mjwatch.simulator.control import Scenario
    from mjwatch.simulator.options import SimulatorOptions
    from mjwatch.simulator.replay.script import Script


class AppPart(Protocol):
    """A part of the application that has routes."""

    def routes(self) -> list[web.RouteDef]:
        """Return the routes and their handlers."""


BODY_MAX = 32 * 1024 * 1024


class SimulatedDiscord:
    """All parts of the simulator, connected with each other."""

    def __init__(self, options: SimulatorOptions, script: Script | None = None) -> None:
        """``script`` is played in place of the simulated bot."""
        profile = profile_for(options)
        current = CurrentProfile(profile)
        snowflakes = SnowflakeGenerator()
        self.faults, self.recorder, self.sessions = FaultRegistry(), Recorder(), Sessions()
        self._history, self._pictures, self._signer = (
            History(),
            ImageStore(),
            Signer(lambda: current.for_text().url_lifetime),
        )
        index = RegisteredCommands(snowflakes, lambda: current.for_text().known_command_ids, profile.name)
        self._handshake = Handshake(
            self.sessions, self.faults, self.recorder, options.heartbeat_interval, current
        )
        uploads = UploadEndpoints(
            self._pictures, self._signer, snowflakes, self.faults, self.recorder, current
        )
        context = BotContext(
            profile=profile,
            current=current,
            forms=MessageForms(profile, snowflakes),
            delivery=MessageDelivery(self._history, self.sessions, self._signer, current),
            pictures=self._pictures,
            links=LinkResolver(self._signer, self._pictures),
            faults=self.faults,
            seconds_per_job=options.seconds_per_job,
            grid=options.grid,
        )
        modals = OpenModals()
        self._bot = MidjourneyBot(context, self.sessions, self._history, self.recorder, modals, options)
        checks = InteractionChecks(index, self._history, uploads, modals)
        self._rest = RestApi(
            index, self._history, self._signer, self.faults, current, read_history=options.read_history
        )
        self._profile = current
        self._player = None
        if script is not None:
            self._player = Player(
                script,
                self.sessions,
                self._history,
                self._signer,
                self._pictures,
                snowflakes,
                self.recorder,
            )
        self._control = Control(
            self.recorder,
            self.faults,
            self.sessions,
            index,
            self._bot,
            self._history,
            current,
            self._player,
        )
        self._parts: list[AppPart] = [
            self._rest,
            InteractionPost(self._bot, checks, self.faults, self.recorder, current),
            Cdn(self._pictures, self._signer, self.faults, self.recorder),
            uploads,
            UserMessages(
                context.forms,
                context.delivery,
                self._history,
                uploads,
                self._pictures,
                self._signer,
                self.recorder,
            ),
            Reactions(self._history, self.sessions, self._bot),
            self._control,
        ]

    def listens_on(self, host: str) -> None:
        """Set the `address:port` at which everything can be reached."""
        self._signer.base_url = f"http://{host}"
        self._rest.gateway_url = f"ws://{host}"
        self._handshake.resume_url = f"ws://{host}/resume"

    def play(self, scenario: Scenario) -> None:
        """Arm the faults of a scenario, each at its time. Raise FaultError."""
        for delay, fault in scenario.parts:
            if delay:
                asyncio.get_running_loop().call_later(delay, self._control.apply, fault)
            else:
                self._control.apply(fault)

    def web_application(self) -> web.Application:
        """Return the web application."""
        app = web.Application(
            middlewares=[
                leak_watch(self.recorder),
                content_types(self._profile),
                discord_errors,
                rest_faults(self.faults),
                *([self._player.middleware()] if self._player else []),
            ],
            client_max_size=BODY_MAX,
        )
        for part in self._parts:
            app.add_routes(part.routes())
        # Clients put a slash between the address that READY names and their query.
        for path in ("/", "/resume", "/resume/"):
            app.router.add_get(path, self._gateway)
        if self._player is not None:
            app.on_startup.append(self._begin_replay)
        app.on_shutdown.append(self._shut_down)
        return app

    async def _gateway(self, request: web.Request) -> web.StreamResponse:
        if "Upgrade" not in request.headers:
            raise web.HTTPNotFound
        if request.query.get("encoding", "json") != "json":
            raise web.HTTPBadRequest(text="the simulator speaks encoding=json")
        if self.sessions.closed:
            return reset_connection(request)
        # permessage-deflate must be refused: curl-based clients offer it, but can't read it.
        socket = web.WebSocketResponse(compress=False, max_msg_size=1 << 20, timeout=2.0)
        try:
            await socket.prepare(request)
        except ConnectionResetError:  # the client was killed in the handshake
            return reset_connection(request)
        connection = GatewayConnection(request, socket, self._handshake)
        if self.faults.take("gateway_cut"):
            connection.cut()
        await connection.serve()
        return socket

    async def _begin_replay(self, _app: web.Application) -> None:
        if self._player is not None:
            self._player.start()

    async def _shut_down(self, _app: web.Application) -> None:
        if self._player is not None:
            await self._player.close()
        for link in self.sessions.links():
            link.cut()
        await self._bot.close()
        self._pictures.close()
