"""The control address /_sim, which shows what happened, arms faults and resets; and scenario files.

A scenario file lists faults that are armed at the start, or some seconds later.
"""

from __future__ import annotations

import ipaddress
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from mjwatch.discord.protocol import CloseCode, Opcode
from mjwatch.simulator.faults.registry import FaultError, checked_fault
from mjwatch.simulator.gateway.sessions import encoded
from mjwatch.simulator.http.errors import json_answer
from mjwatch.simulator.messages.plans import SimulatedAccount
from mjwatch.simulator.messages.profiles import PROFILES, CurrentProfile
from mjwatch.simulator.midjourney.past import PastJob
from mjwatch.simulator.world import BOT_ID, CHANNEL_ID, GUILD_ID

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mjwatch.simulator.faults.registry import ArmedFault, FaultRegistry
    from mjwatch.simulator.gateway.sessions import Sessions
    from mjwatch.simulator.http.command_index import RegisteredCommands
    from mjwatch.simulator.http.history import History
    from mjwatch.simulator.midjourney.bot import MidjourneyBot
    from mjwatch.simulator.recorder import Recorder
    from mjwatch.simulator.replay.player import Player
    from mjwatch.simulator.world import Json


_RECURRING_FAULTS = frozenset({"stale_version", "gateway_cut"})
"""Faults that act at once and, with a count, also on later occasions."""
_ENDS_SESSION = frozenset({4003, 4004, 4006, 4007, 4009})
"""Close codes after which a client must begin a new session (discord-api-docs, gateway close event codes)."""


class Control:
    """The handlers for tests and people; only loopback may use them, and no web page."""

    def __init__(
        self,
        recorder: Recorder,
        faults: FaultRegistry,
        sessions: Sessions,
        index: RegisteredCommands,
        bot: MidjourneyBot,
        history: History,
        profile: CurrentProfile,
        player: Player | None = None,
    ) -> None:
        self._player = player
        self._profile = profile
        self._recorder = recorder
        self._faults = faults
        self._sessions = sessions
        self._bot = bot
        self._history = history
        self._at_once: dict[str, Callable[[ArmedFault], None]] = {
            "stale_version": lambda _: index.bump(),
            "gateway_cut": lambda _: self._cut_all(),
            "gateway_cut_midframe": lambda _: self._cut_all(midframe=True),
            "gateway_down": self._refuse_connections,
            "gateway_noise": lambda _: self._send_unknown_messages(),
            "gateway_garbage": lambda _: self._send_raw_to_all('{"op":0,'),
            "gateway_reconnect": lambda _: self._send_all(Opcode.RECONNECT),
            "gateway_heartbeat": lambda _: self._send_all(Opcode.HEARTBEAT),
            "gateway_close": self._close_all,
            "account_limited": self._limit_account,
            "account": lambda fault: self._bot.account.change(fault.details),
            "wire": self._change_profile,
            "niji_joins": lambda _: index.invite_niji(),
        }

    def routes(self) -> list[web.RouteDef]:
        """Return the routes below /_sim."""
        return [
            web.get("/_sim/state", self.state),
            web.get("/_sim/faults", self.show_faults),
            web.post("/_sim/faults", self.arm),
            web.post("/_sim/past", self.add_past),
            web.post("/_sim/reset", self.reset),
        ]

    async def state(self, request: web.Request) -> web.Response:
        """Answer with everything that was posted and executed, and with counts."""
        _check_caller(request)
        replay = {} if self._player is None else {"replay": self._player.body()}
        return json_answer({**self._recorder.body(), "account": self._bot.account.settings(), **replay})

    async def show_faults(self, request: web.Request) -> web.Response:
        """Answer with every fault and its description, and with the armed faults."""
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

    async def add_past(self, request: web.Request) -> web.Response:
        """Put finished jobs of the past into the channel's history: a JSON list of PastJob's fields."""
        _check_caller(request)
        try:
            wanted = [PastJob(**fields) for fields in await request.json()]
        except (ValueError, TypeError) as error:
            return json_answer({"error": f"not a list of past jobs: {error}"}, 400)
        return json_answer(await self._bot.past.add(wanted))

    def apply(self, requested: object) -> None:
        """Arm the requested fault or list of faults; some act at once. Raise FaultError."""
        for fault in [
            self._faults.arm(item) for item in (requested if isinstance(requested, list) else [requested])
        ]:
            self._act(fault)

    async def reset(self, request: web.Request) -> web.Response:
        """Forget faults, jobs, messages and counts; sessions and command versions stay."""
        _check_caller(request)
        self._bot.reset()
        self._faults.clear()
        self._profile.reset()
        self._recorder.clear()
        self._history.clear()
        return json_answer(self._recorder.body())

    def _act(self, fault: ArmedFault) -> None:
        act = self._at_once.get(fault.name)
        if act is None:
            return
        self._faults.take(fault.name, fault.match)
        if fault.name not in _RECURRING_FAULTS:
            self._faults.disarm(fault.name)
        act(fault)

    def _cut_all(self, *, midframe: bool = False) -> None:
        for link in self._sessions.links():
            link.cut(midframe=midframe)

    def _refuse_connections(self, fault: ArmedFault) -> None:
        self._sessions.close_for(fault.number("seconds", 5))
        self._cut_all()
        if fault.details.get("lose_session"):
            self._sessions.end_all()

    def _limit_account(self, fault: ArmedFault) -> None:
        self._faults.limit_ends = time.monotonic() + fault.number("seconds", 5)

    def _change_profile(self, fault: ArmedFault) -> None:
        try:
            self._profile.change(fault.match, fault.details)
        except ValueError as error:
            raise FaultError(str(error)) from None

    def _send_unknown_messages(self) -> None:
        for text in UNKNOWN_OPCODES:
            self._send_raw_to_all(text)
        for session in self._sessions.connected():
            for event, data in DISPATCHES:
                session.dispatch(event, encoded(data))

    def _send_raw_to_all(self, text: str) -> None:
        for link in self._sessions.links():
            link.send(text)

    def _close_all(self, fault: ArmedFault) -> None:
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


@dataclass(frozen=True, slots=True)
class Scenario:
    """Faults and when to arm them: (seconds after the start, fault)."""

    parts: tuple[tuple[float, object], ...]


def read_scenario(path: Path) -> Scenario:
    """Read a JSON list of faults, each as it would be posted, with an optional `after` in seconds.

    Raise OSError if the file can't be read, FaultError if it is not understood.
    """
    try:
        parts = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FaultError(f"{path} is not JSON: {error}") from None
    if not isinstance(parts, list):
        raise FaultError(f"{path} is not a list of faults")
    return Scenario(tuple(_part(part, path) for part in parts))


def _part(part: object, path: Path) -> tuple[float, object]:
    try:
        fault = checked_fault(part)
        if fault.name == "account":
            SimulatedAccount().change(fault.details)
        elif fault.name == "wire":
            CurrentProfile(PROFILES["2026"]).change(fault.match, fault.details)
    except ValueError as error:
        raise FaultError(f"{path}: {error}") from None
    delay = part.get("after", 0) if isinstance(part, dict) else 0
    if not isinstance(delay, int | float) or delay < 0:
        raise FaultError(f"{path}: after is a number of seconds")
    return float(delay), part


UNKNOWN_OPCODES = ('{"t":null,"s":null,"op":99,"d":{"a":[1]}}', '{"t":null,"s":null,"op":24,"d":null}')

_BOT: Json = {"id": BOT_ID, "username": "Midjourney Bot", "bot": True}
_CHANNEL: Json = {"channel_id": CHANNEL_ID, "guild_id": GUILD_ID}

DISPATCHES: tuple[tuple[str, object], ...] = (
    ("SOMETHING_NEW", {"entries": [None, 1, "x"]}),
    ("SOMETHING_EMPTY", None),
    ("PRESENCE_UPDATE", {"user": {"id": BOT_ID}, "status": "idle"}),
    ("MESSAGE_CREATE", {"id": "7", **_CHANNEL}),
    ("MESSAGE_CREATE", {"id": "8", **_CHANNEL, "author": None, "content": None, "attachments": None}),
    (
        "MESSAGE_CREATE",
        {"id": 9, **_CHANNEL, "author": _BOT, "content": 7, "embeds": [None, 3], "flags": "x"},
    ),
    (
        "MESSAGE_CREATE",
        {"id": "10", **_CHANNEL, "author": _BOT, "content": "", "components": [{"type": 77}]},
    ),
    ("MESSAGE_UPDATE", {"id": "11", **_CHANNEL, "embeds": [{"type": "image"}]}),
    ("MESSAGE_UPDATE", {"id": "12", **_CHANNEL, "author": _BOT, "attachments": [{}, "x", {"url": 5}]}),
    ("MESSAGE_DELETE", {"id": "13", **_CHANNEL}),
    ("MESSAGE_DELETE_BULK", {"ids": None, **_CHANNEL}),
    ("INTERACTION_SUCCESS", {"id": "14"}),
    ("INTERACTION_FAILURE", {"id": "15", "nonce": 5, "reason_code": "x"}),
    ("PASSIVE_UPDATE_V2", {"guild_id": GUILD_ID, "updated_channels": None}),
)
