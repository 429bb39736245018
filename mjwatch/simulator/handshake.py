"""IDENTIFY and RESUME: who may begin a session, and what a session is told first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.discord.protocol import CloseCode, Opcode
from mjwatch.simulator import ready
from mjwatch.simulator.identity import GUILD_ID, NEW_USER_TOKEN, USER_ID, Json, account_of
from mjwatch.simulator.sessions import encoded

if TYPE_CHECKING:
    from mjwatch.simulator.faults import Faults
    from mjwatch.simulator.gateway import GatewayConnection
    from mjwatch.simulator.sessions import Session, Sessions
    from mjwatch.simulator.witness import Witness


class GatewayError(Exception):
    """The client broke a rule, or a fault says so: close with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"close {code}")
        self.code = code


class Handshake:
    """Begins and resumes sessions for the gateway's connections."""

    def __init__(
        self, sessions: Sessions, faults: Faults, witness: Witness, heartbeat_interval: float
    ) -> None:
        self.sessions = sessions
        self.heartbeat_interval = heartbeat_interval
        self.resume_url = ""
        """`resume_gateway_url`; known once the simulator listens."""
        self.faults = faults
        self._witness = witness

    def identify(self, connection: GatewayConnection, data: Json) -> Session | None:
        """Begin a session and tell it READY; None if the client must try again (op 9)."""
        account = _account(data)
        if not isinstance(data.get("properties"), dict):
            raise GatewayError(CloseCode.DECODE_ERROR)
        if account != USER_ID and not isinstance(data.get("intents"), int):
            raise GatewayError(CloseCode.INVALID_INTENTS)
        if self.sessions.too_many(account):
            raise GatewayError(CloseCode.TOO_MANY_SESSIONS)
        self._witness.identifies += 1
        if armed := self.faults.take("identify_closed"):
            raise GatewayError(int(armed.number("code", CloseCode.TOO_MANY_SESSIONS)))
        for name, resumable in (("identify_limited", False), ("identify_limited_resumable", True)):
            if self.faults.take(name):
                connection.send_op(Opcode.INVALID_SESSION, resumable)
                return None
        capabilities, intents = data.get("capabilities"), data.get("intents")
        session = self.sessions.begin(
            account,
            capabilities if isinstance(capabilities, int) else 0,
            intents if isinstance(intents, int) else None,
        )
        session.subscribed = self.faults.take("unsubscribed") is None
        self.sessions.attach(session, connection)
        self._welcome(session)
        return session

    def resume(self, connection: GatewayConnection, data: Json) -> Session | None:
        """Replay what the session missed; None if it can't be resumed (op 9)."""
        account = _account(data)
        if self.faults.take("gateway_invalid_session_resumable"):
            connection.send_op(Opcode.INVALID_SESSION, True)
            return None
        session, seq = self.sessions.find(data.get("session_id")), data.get("seq")
        if session is None or session.account != account or not isinstance(seq, int):
            connection.send_op(Opcode.INVALID_SESSION, False)
            return None
        if seq > session.seq:
            self.sessions.end(session)
            raise GatewayError(CloseCode.INVALID_SEQ)
        if self.faults.take("gateway_invalid_session") or not session.can_replay_from(seq):
            self.sessions.end(session)
            connection.send_op(Opcode.INVALID_SESSION, False)
            return None
        self._replay(session, connection, seq)
        return session

    def send_members(self, session: Session, request: Json) -> None:
        """Answer op 8 with the guild's few members in one chunk."""
        members = ready.guild(v2=False, with_members=True)["members"]
        chunk = {
            "guild_id": GUILD_ID,
            "members": members,
            "chunk_index": 0,
            "chunk_count": 1,
            "not_found": [],
            "presences": [],
            "nonce": request.get("nonce"),
        }
        session.dispatch("GUILD_MEMBERS_CHUNK", encoded(chunk))

    def _welcome(self, session: Session) -> None:
        if session.account != USER_ID:
            session.dispatch("READY", encoded(ready.bot_ready(session, self.resume_url)))
            session.dispatch("GUILD_CREATE", encoded(ready.guild(v2=False, with_members=True)))
            return
        body = ready.ready(session, self.resume_url)
        if armed := self.faults.take("required_action"):
            body["required_action"] = armed.text("action", "AGREEMENTS")
        if self.faults.take("ready_auth_token"):
            body["auth_token"] = NEW_USER_TOKEN
        if armed := self.faults.take("ready_large"):
            body["notes"] = {USER_ID: "\u00e9" * int(armed.number("megabytes", 8) * 500_000)}
        session.dispatch("READY", encoded(body))
        if session.capabilities & ready.PRIORITIZED_READY_PAYLOAD:
            session.dispatch("READY_SUPPLEMENTAL", encoded(ready.ready_supplemental()))

    def _replay(self, session: Session, connection: GatewayConnection, seq: int) -> None:
        if session.link is not None:
            session.link.close(CloseCode.UNKNOWN_ERROR)
        self._witness.resumes += 1
        self.sessions.attach(session, connection)
        times = 2 if self.faults.take("replay_twice") else 1
        for text in session.missed_since(seq):
            for _ in range(times):
                connection.send(text)
        session.dispatch("RESUMED", encoded({"_trace": []}))


def _account(data: Json) -> str:
    token = data.get("token")
    account = account_of(token) if isinstance(token, str) else None
    if account is None:
        raise GatewayError(CloseCode.AUTHENTICATION_FAILED)
    return account
