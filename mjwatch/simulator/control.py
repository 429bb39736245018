"""The control address, /_sim: what happened, what shall go wrong, and a fresh start."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from aiohttp import web

from mjwatch.discord.protocol import CloseCode, Opcode
from mjwatch.simulator.answers import json_answer
from mjwatch.simulator.faults import FaultError
from mjwatch.simulator.noise import DISPATCHES, UNKNOWN_OPCODES
from mjwatch.simulator.sessions import encoded

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.simulator.bot import MidjourneyBot
    from mjwatch.simulator.commands import CommandIndex
    from mjwatch.simulator.faults import Armed, Faults
    from mjwatch.simulator.history import History
    from mjwatch.simulator.sessions import Sessions
    from mjwatch.simulator.witness import Witness


_GOES_ON = frozenset({"stale_version", "gateway_cut"})
"""Faults that act at once and, with a count, on later occasions too."""
_ENDS_SESSION = frozenset({4003, 4004, 4006, 4007, 4009})
"""Close codes after which a client must begin anew (discord-api-docs, gateway close event codes)."""


class Control:
    """Handlers for tests and people; reached over loopback only, and by no web page."""

    def __init__(
        self,
        witness: Witness,
        faults: Faults,
        sessions: Sessions,
        index: CommandIndex,
        bot: MidjourneyBot,
        history: History,
    ) -> None:
        self._witness = witness
        self._faults = faults
        self._sessions = sessions
        self._bot = bot
        self._history = history
        self._at_once: dict[str, Callable[[Armed], None]] = {
            "stale_version": lambda _: index.bump(),
            "gateway_cut": lambda _: self._cut_all(),
            "gateway_cut_midframe": lambda _: self._cut_all(midframe=True),
            "gateway_down": self._go_down,
            "gateway_noise": lambda _: self._make_noise(),
            "gateway_garbage": lambda _: self._say_all('{"op":0,'),
            "gateway_reconnect": lambda _: self._send_all(Opcode.RECONNECT),
            "gateway_heartbeat": lambda _: self._send_all(Opcode.HEARTBEAT),
            "gateway_close": self._close_all,
            "account": lambda fault: self._bot.account.change(fault.details),
            "niji_joins": lambda _: index.invite_niji(),
        }

    def routes(self) -> list[web.RouteDef]:
        """The addresses below /_sim."""
        return [
            web.get("/_sim/state", self.state),
            web.get("/_sim/faults", self.show_faults),
            web.post("/_sim/faults", self.arm),
            web.post("/_sim/reset", self.reset),
        ]

    async def state(self, request: web.Request) -> web.Response:
        """What has been posted and executed, and counts."""
        _check_caller(request)
        return json_answer({**self._witness.body(), "account": self._bot.account.settings()})

    async def show_faults(self, request: web.Request) -> web.Response:
        """Every fault with a line of description, and those that are armed."""
        _check_caller(request)
        return json_answer(self._faults.body())

    async def arm(self, request: web.Request) -> web.Response:
        """Arm a fault, or a list of them."""
        _check_caller(request)
        try:
            self.apply(await request.json())
        except ValueError as error:
            reason = str(error) if isinstance(error, FaultError) else "the body is not JSON"
            return json_answer({"error": reason}, 400)
        return json_answer(self._faults.body())

    def apply(self, asked: object) -> None:
        """Arm what is asked for, an object or a list; some faults act at once. Raises FaultError."""
        for fault in [self._faults.arm(one) for one in (asked if isinstance(asked, list) else [asked])]:
            self._act(fault)

    async def reset(self, request: web.Request) -> web.Response:
        """Forget faults, jobs, messages and counts; sessions and command versions stay."""
        _check_caller(request)
        self._bot.reset()
        self._faults.clear()
        self._witness.clear()
        self._history.clear()
        return json_answer(self._witness.body())

    def _act(self, fault: Armed) -> None:
        act = self._at_once.get(fault.name)
        if act is None:
            return
        self._faults.take(fault.name)
        if fault.name not in _GOES_ON:
            self._faults.disarm(fault.name)
        act(fault)

    def _cut_all(self, *, midframe: bool = False) -> None:
        for link in self._sessions.links():
            link.cut(midframe=midframe)

    def _go_down(self, fault: Armed) -> None:
        self._sessions.close_for(fault.number("seconds", 5))
        self._cut_all()
        if fault.details.get("lose_session"):
            self._sessions.end_all()

    def _make_noise(self) -> None:
        for text in UNKNOWN_OPCODES:
            self._say_all(text)
        for session in self._sessions.connected():
            for event, data in DISPATCHES:
                session.dispatch(event, encoded(data))

    def _say_all(self, text: str) -> None:
        for link in self._sessions.links():
            link.send(text)

    def _close_all(self, fault: Armed) -> None:
        code = int(fault.number("code", CloseCode.UNKNOWN_ERROR))
        for session in self._sessions.connected():
            if session.link is not None:
                session.link.close(code)
            if code in _ENDS_SESSION:
                self._sessions.end(session)

    def _send_all(self, opcode: Opcode) -> None:
        for link in self._sessions.links():
            link.send_op(opcode, None)


def _check_caller(request: web.Request) -> None:
    try:
        local = ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        local = False
    if not local or "Origin" in request.headers:
        raise web.HTTPForbidden(text="control is for programs on this machine")
