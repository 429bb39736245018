import json
from collections.abc import Callable, Mapping
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.discord.payloads import ResumeState, encode
from mjwatch.discord.protocol import CloseCode
from mjwatch.discord.session import RESUMABLE_CLOSE, GatewaySession, Phase
from mjwatch.discord.timing import GiveUp, Reconnect
from mjwatch.errors import ConfigError
from mjwatch.events import (
    GatewayDispatch,
    GatewayDown,
    GatewayEvent,
    GatewayReady,
    GatewayRejected,
    GatewayResumed,
)

TOKEN = "an-invented-token"
NODE = "wss://gateway-eu-9.discord.gg"
HELLO = {"op": 10, "d": {"heartbeat_interval": 40_000}}
ACK = {"op": 11, "d": None}
QUERY = "/?v=9&encoding=json&compress=zlib-stream"


def half() -> float:
    return 0.5


def new_session(**options: Any) -> GatewaySession:
    return GatewaySession(TOKEN, **({"random": half} | options))


def ready(**changes: Any) -> dict[str, Any]:
    data = {
        "session_id": "session-1",
        "resume_gateway_url": NODE,
        "user": {"id": "100", "username": "ann"},
        "guilds": [{"id": "7", "unavailable": True}, {"id": "8"}],
        "private_channels": [{"id": "20", "type": 1, "recipients": [{"id": "936929561302675456"}]}],
        "auth_token": "never-look-at-this",
    }
    return {"op": 0, "t": "READY", "s": 1, "d": data | changes}


def dispatch(seq: int, name: str = "MESSAGE_CREATE", **data: Any) -> dict[str, Any]:
    return {"op": 0, "t": name, "s": seq, "d": data}


def greeted(now: float = 0.0, **options: Any) -> GatewaySession:
    """Return a session after HELLO; its payloads are taken."""
    session = new_session(**options)
    session.connected(now)
    session.receive(HELLO, now)
    session.payloads_to_send()
    return session


def up(now: float = 0.0, **options: Any) -> GatewaySession:
    """Return a session after READY; its events and payloads are taken."""
    session = greeted(now, **options)
    session.receive(ready(), now)
    session.events_received()
    session.payloads_to_send()
    return session


def sent_ops(session: GatewaySession) -> list[int]:
    return [payload["op"] for payload in session.payloads_to_send()]


def events(session: GatewaySession, kind: type[GatewayEvent]) -> list[GatewayEvent]:
    return [event for event in session.events_received() if isinstance(event, kind)]


def reconnect(verdict: Reconnect | GiveUp) -> Reconnect:
    assert isinstance(verdict, Reconnect)
    return verdict


# Identifying


def test_hello_is_answered_by_an_honest_identify() -> None:
    session = new_session()
    session.connected(0)
    assert session.payloads_to_send() == []
    session.receive(HELLO, 0)
    (identify,) = session.payloads_to_send()
    assert identify["op"] == 2
    data = identify["d"]
    assert data["token"] == TOKEN
    assert data["properties"]["browser"] == "mjwatch"
    assert data["presence"]["status"] == "unknown"
    assert "intents" not in data
    assert data["capabilities"] & (1 << 8) == 0, "bit 8 lets READY replace the token"
    assert data["capabilities"] & (0b11 << 4) == 0, "the DEDUPE bits spread users over READY"


def test_ready_becomes_an_event_with_the_fields_that_are_used() -> None:
    session = greeted()
    session.receive(ready(required_action="AGREEMENTS"), 1)
    assert session.events_received() == [
        GatewayReady(
            session_id="session-1",
            resume_gateway_url=NODE,
            user_id="100",
            user_name="ann",
            guild_ids=frozenset({"7", "8"}),
            private_channel_ids=frozenset({"20"}),
            seq=1,
            required_action="AGREEMENTS",
        )
    ]
    assert session.phase is Phase.UP
    assert session.resume_state == ResumeState("session-1", 1, NODE)


@pytest.mark.parametrize(
    "channel", [{"id": 20, "recipient_ids": ["1"]}, {"id": "20", "recipients": [{"id": "1"}]}]
)
def test_private_channels_are_read_in_both_forms(channel: dict[str, Any]) -> None:
    session = greeted()
    session.receive(ready(private_channels=[channel]), 1)
    (event,) = session.events_received()
    assert isinstance(event, GatewayReady)
    assert event.private_channel_ids == {"20"}


@pytest.mark.parametrize(
    "user",
    [None, {}, [], {"id": None, "username": None}, {"id": True, "username": 5}, {"id": [], "username": {}}],
)
def test_a_ready_without_a_user_names_nobody(user: object) -> None:
    session = greeted()
    session.receive(ready(user=user, guilds=[{"id": None}, {"id": 7}, {}, None], private_channels={}), 1)
    (event,) = session.events_received()
    assert isinstance(event, GatewayReady)
    assert (event.user_id, event.user_name, event.guild_ids) == ("", "", frozenset({"7"}))


@pytest.mark.parametrize("session_id", [None, "", 7, "x" * 5000])
def test_a_ready_without_a_session_id_ends_the_connection(session_id: object) -> None:
    session = greeted()
    session.receive(ready(session_id=session_id), 1)
    assert session.close_wanted
    assert session.resume_state is None


def test_large_guilds_are_subscribed_to_after_ready_and_not_after_resumed() -> None:
    session = greeted()
    session.subscribe("7", "70")
    assert session.payloads_to_send() == []
    session.receive(ready(), 1)
    (payload,) = session.payloads_to_send()
    assert payload["op"] == 37
    assert payload["d"]["subscriptions"]["7"]["typing"] is True
    assert "70" in payload["d"]["subscriptions"]["7"]["channels"]
    session.closed(None, 2)
    session.connected(3)
    session.receive(HELLO, 3)
    session.receive(dispatch(2, "RESUMED"), 3)
    assert sent_ops(session) == [6]


def test_a_subscription_is_sent_at_once_while_the_session_is_up() -> None:
    session = up()
    session.subscribe("8", "80")
    assert sent_ops(session) == [37]


@pytest.mark.parametrize("resumes", [False, True])
def test_a_ready_begins_a_new_count_also_on_a_connection_that_resumes(resumes: bool) -> None:
    session = up()
    session.receive(dispatch(50), 1)
    if resumes:
        session.closed(None, 2)
        session.connected(3)
        session.receive(HELLO, 3)
    session.receive(ready(), 4)
    assert session.resume_state == ResumeState("session-1", 1, NODE)
    session.receive(dispatch(2), 5)
    assert session.resume_state == ResumeState("session-1", 2, NODE)


def test_only_a_connection_that_resumes_can_be_resumed() -> None:
    session = up()
    session.receive(dispatch(2, "RESUMED"), 1)
    assert events(session, GatewayResumed) == []


@pytest.mark.parametrize("resumable", [True, False])
def test_op_9_says_that_the_session_is_lost_too(resumable: bool) -> None:
    session = up()
    session.receive({"op": 9, "d": resumable}, 1)
    session.closed(None, 1)
    (down,) = events(session, GatewayDown)
    assert isinstance(down, GatewayDown)
    assert down.session_lost is not resumable


# Dispatches


def test_wanted_dispatches_become_events_and_the_others_are_counted() -> None:
    def wanted(name: str, data: Mapping[str, Any]) -> bool:
        return name == "MESSAGE_CREATE" and data.get("channel_id") == "70"

    session = up(wanted=wanted)
    session.receive(dispatch(2, channel_id="70", id="1"), 1)
    session.receive(dispatch(3, channel_id="71", id="2"), 1)
    session.receive(dispatch(4, "TYPING_START", channel_id="70"), 1)
    assert session.events_received() == [
        GatewayDispatch("MESSAGE_CREATE", {"channel_id": "70", "id": "1"}, 2)
    ]
    assert session.ignored == 2
    assert session.resume_state == ResumeState("session-1", 4, NODE), "seq counts unwanted dispatches too"


@pytest.mark.parametrize("seq", [None, "9", True, 1.5, -4, 1, 2**53 + 1, 10**4000])
def test_an_invalid_or_old_seq_is_not_stored(seq: object) -> None:
    session = up()
    session.receive({"op": 0, "t": "MESSAGE_CREATE", "s": seq, "d": {}}, 1)
    assert session.resume_state == ResumeState("session-1", 1, NODE)


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"op": 99, "d": {}},
        {"op": None},
        {"op": "0"},
        {"op": [0]},
        {"op": 0},
        {"op": 0, "t": "SESSIONS_REPLACE", "s": 2, "d": [{}]},
        {"op": 0, "t": 5, "s": 2, "d": None},
        {"op": 11},
        {"op": 3, "d": {}},
    ],
)
def test_unknown_messages_are_ignored(payload: dict[str, Any]) -> None:
    session = up()
    session.receive(payload, 1)
    assert session.close_wanted is None
    assert session.events_received() == []
    assert session.payloads_to_send() == []


# Heartbeats


def test_the_first_heartbeat_comes_after_a_random_part_of_the_interval() -> None:
    session = greeted(now=100)
    assert session.next_deadline() == 120
    session.tick(119.9)
    assert session.payloads_to_send() == []
    session.tick(120)
    assert session.payloads_to_send() == [{"op": 1, "d": None}]
    assert session.next_deadline() == 160


def test_heartbeats_carry_the_last_seq() -> None:
    session = up()
    session.receive(dispatch(41), 1)
    session.tick(20)
    assert session.payloads_to_send() == [{"op": 1, "d": 41}]


def test_a_requested_heartbeat_is_sent_at_once_and_does_not_change_the_schedule() -> None:
    session = up()
    session.receive({"op": 1, "d": None}, 5)
    assert sent_ops(session) == [1]
    assert session.next_deadline() == 20
    session.tick(20)
    assert sent_ops(session) == [1]
    assert session.close_wanted is None


def test_answered_heartbeats_keep_the_connection() -> None:
    session = up()
    for now in (20, 60, 100, 140):
        session.tick(now)
        assert sent_ops(session) == [1]
        session.receive(ACK, now + 1)
    assert session.close_wanted is None


def test_no_answer_between_two_heartbeats_ends_the_connection_and_keeps_the_session() -> None:
    session = up()
    session.tick(20)
    assert sent_ops(session) == [1]
    wanted = []
    for now in (59, 60):
        session.tick(now)
        wanted.append(session.close_wanted)
    assert wanted == [None, "the gateway no longer answers heartbeats"]
    assert session.payloads_to_send() == []
    verdict = reconnect(session.closed(None, 61))
    assert verdict.reason == "the gateway no longer answers heartbeats"
    assert session.url() == NODE + QUERY


@pytest.mark.parametrize(
    "data", [None, {}, [], *({"heartbeat_interval": value} for value in ("x", -1, 0, True, None, nan, [1]))]
)
def test_a_hello_without_a_usable_interval_gets_the_usual_one(data: object) -> None:
    session = new_session()
    session.connected(0)
    session.receive({"op": 10, "d": data}, 0)
    assert session.next_deadline() == 41.25 / 2


@pytest.mark.parametrize(
    ("interval", "seconds"),
    [(1, 1.0), (0.5, 1.0), (1e12, 120.0), (inf, 120.0), (10**400, 120.0), (45_000, 45.0)],
)
def test_an_interval_beyond_all_reason_is_clamped(interval: float, seconds: float) -> None:
    session = new_session()
    session.connected(0)
    session.receive({"op": 10, "d": {"heartbeat_interval": interval}}, 0)
    assert session.next_deadline() == seconds / 2


def test_a_gateway_without_hello_is_disconnected() -> None:
    session = new_session()
    session.connected(10)
    deadline = session.next_deadline()
    assert deadline is not None
    session.tick(deadline)
    assert session.close_wanted == "the gateway did not send HELLO"


def test_our_own_close_code_keeps_the_session() -> None:
    assert RESUMABLE_CLOSE not in (1000, 1001)


# Resuming


def test_a_lost_connection_is_resumed_at_the_url_that_the_gateway_named() -> None:
    session = up()
    session.receive(dispatch(5), 1)
    session.closed(None, 2)
    assert session.url() == NODE + QUERY
    session.connected(3)
    session.receive(HELLO, 3)
    (resume,) = session.payloads_to_send()
    assert resume == {"op": 6, "d": {"token": TOKEN, "session_id": "session-1", "seq": 5}}
    session.receive(dispatch(6, id="missed"), 3)
    session.receive(dispatch(7, "RESUMED"), 3)
    down, missed, resumed = session.events_received()[-3:]
    assert isinstance(down, GatewayDispatch | GatewayDown)
    assert missed == GatewayDispatch("MESSAGE_CREATE", {"id": "missed"}, 6)
    assert resumed == GatewayResumed("session-1", 7)
    assert session.phase is Phase.UP


def test_a_new_process_resumes_the_session_of_the_last_one() -> None:
    session = new_session(resume=ResumeState("session-0", 77, NODE))
    assert session.url() == NODE + QUERY
    session.connected(0)
    session.receive(HELLO, 0)
    (resume,) = session.payloads_to_send()
    assert resume["d"] == {"token": TOKEN, "session_id": "session-0", "seq": 77}
    session.receive({"op": 0, "t": "RESUMED", "s": 78, "d": None}, 0)
    assert session.events_received() == [GatewayResumed("session-0", 78)]


def test_a_resume_url_that_may_not_receive_the_token_is_not_used() -> None:
    session = greeted()
    session.receive(ready(resume_gateway_url="wss://gateway.example.org"), 1)
    session.closed(None, 2)
    assert session.url() == "wss://gateway.discord.gg" + QUERY
    session.connected(3)
    session.receive(HELLO, 3)
    assert sent_ops(session) == [6], "resuming is tried at the configured gateway too"


def test_the_configured_gateway_must_be_allowed_itself() -> None:
    with pytest.raises(ConfigError, match=r"gateway\.example\.org"):
        new_session(gateway_url="wss://gateway.example.org")
    allowed: Callable[[str], bool] = lambda _url: True  # noqa: E731
    assert new_session(gateway_url="wss://gateway.example.org/x?y=1", allowed=allowed).url() == (
        "wss://gateway.example.org/x" + QUERY
    )


def test_after_failures_at_a_node_the_base_url_is_used() -> None:
    session = up()
    session.closed(None, 2)
    urls = []
    for now in range(10, 13):
        urls.append(session.url())
        session.closed(None, now, reason="no connection")
    assert urls == [NODE + QUERY] * 3
    assert session.url() == "wss://gateway.discord.gg" + QUERY
    session.connected(20)
    session.receive(HELLO, 20)
    assert sent_ops(session) == [6]
    session.closed(None, 21)
    assert session.url() == NODE + QUERY


@pytest.mark.parametrize("first_message", [True, False])
def test_op_7_reconnects_and_resumes_also_as_the_first_message(first_message: bool) -> None:
    session = new_session(resume=ResumeState("session-1", 3, NODE))
    session.connected(0)
    if not first_message:
        session.receive(HELLO, 0)
    session.receive({"op": 7, "d": None}, 100)
    assert session.close_wanted == "the gateway asks to reconnect"
    assert reconnect(session.closed(None, 100)).delay <= 1
    assert session.url() == NODE + QUERY


@pytest.mark.parametrize("resumable", [True, False])
def test_op_9_waits_and_says_whether_the_session_can_be_resumed(resumable: bool) -> None:
    session = up()
    session.receive({"op": 9, "d": resumable}, 100)
    assert session.close_wanted
    verdict = reconnect(session.closed(None, 100))
    assert 1 <= verdict.delay <= 5
    assert (session.resume_state is not None) is resumable
    assert session.url().startswith(NODE if resumable else "wss://gateway.discord.gg")


def test_op_9_on_an_identify_waits_longer_than_the_identify_limit() -> None:
    session = greeted(now=0)
    session.receive({"op": 9, "d": False}, 0.1)
    assert reconnect(session.closed(None, 0.2)).delay >= 5


def test_two_identifies_are_five_seconds_apart_whatever_ended_the_first() -> None:
    session = greeted(now=100)
    verdict = reconnect(session.closed(4009, 101))
    assert verdict.delay >= 4


# Closes

STOP = [4004, 4010, 4011, 4012, 4013, 4014]
IDENTIFY = [4003, 4006, 4007, 4009, 4015]
RESUME = [None, 1000, 1001, 1006, 4000, 4001, 4002, 4005, 4008, 4999, 3000]


@pytest.mark.parametrize("code", STOP)
def test_codes_that_need_a_person_end_the_connection(code: int) -> None:
    session = up()
    verdict = session.closed(code, 10)
    assert isinstance(verdict, GiveUp)
    assert verdict.code == code
    assert str(code) in verdict.reason
    assert events(session, GatewayRejected) == [GatewayRejected(verdict.reason, code)]


@pytest.mark.parametrize("code", IDENTIFY)
def test_codes_that_end_the_session_begin_a_new_one(code: int) -> None:
    session = up()
    verdict = reconnect(session.closed(code, 10))
    assert session.resume_state is None
    assert events(session, GatewayDown) == [GatewayDown(verdict.reason, verdict.delay, session_lost=True)]
    session.connected(20)
    session.receive(HELLO, 20)
    assert sent_ops(session) == [2]


def closed_after_identify(session: GatewaySession, code: int) -> str:
    session.connected(0)
    session.receive(HELLO, 0)
    return reconnect(session.closed(code, 0)).reason


def test_closes_right_after_identify_name_the_token_as_a_likely_cause() -> None:
    session = new_session()
    reasons = [closed_after_identify(session, 4000) for _ in range(3)]
    assert ["token" in reason for reason in reasons] == [False, False, True]
    (*_, down) = events(session, GatewayDown)
    assert isinstance(down, GatewayDown)
    assert "mjwatch check" in down.reason
    session.connected(0)
    session.receive(HELLO, 0)
    session.receive(ready(), 0)
    session.closed(4007, 0)
    assert "token" not in closed_after_identify(session, 4000)


def test_other_closes_do_not_name_the_token() -> None:
    session = new_session()
    assert not any("token" in closed_after_identify(session, 4001) for _ in range(5))
    session = up()
    for _ in range(5):  # these connections resume
        assert "token" not in closed_after_identify(session, 4000)


@pytest.mark.parametrize("code", RESUME)
def test_all_other_closes_keep_the_session(code: int | None) -> None:
    session = up()
    reconnect(session.closed(code, 10))
    assert session.url() == NODE + QUERY
    session.connected(20)
    session.receive(HELLO, 20)
    assert sent_ops(session) == [6]


def test_too_much_sent_waits_a_minute_and_too_many_sessions_five() -> None:
    assert reconnect(up().closed(CloseCode.RATE_LIMITED, 10)).delay >= 60
    assert reconnect(up().closed(CloseCode.TOO_MANY_SESSIONS, 10)).delay >= 300


def test_the_wait_of_a_refused_handshake_is_kept() -> None:
    assert reconnect(new_session().closed(None, 10, reason="HTTP 429", wait=120)).delay == 120


def _lost_after_hello(session: GatewaySession, now: float) -> float:
    session.connected(now)
    session.receive(HELLO, now)
    return reconnect(session.closed(None, now)).delay


def test_delays_grow_up_to_a_minute_and_a_stable_session_resets_them() -> None:
    session = up()
    delays = [
        reconnect(session.closed(None, 10)).delay,
        *(_lost_after_hello(session, now) for now in range(11, 22)),
    ]
    assert delays == sorted(delays)
    assert delays[0] == 0.5
    assert 30 <= delays[-1] <= 60
    session.connected(100)
    session.receive(HELLO, 100)
    session.receive(dispatch(2, "RESUMED"), 100)
    assert reconnect(session.closed(None, 110)).delay >= 30, "ten seconds are not stable"
    session.connected(200)
    session.receive(HELLO, 200)
    session.receive(dispatch(3, "RESUMED"), 200)
    assert reconnect(session.closed(None, 231)).delay == 0.5


def _unreadable(session: GatewaySession, now: float) -> list[GatewayEvent]:
    """Resume, lose the connection to a message that can't be read, and return the loss."""
    session.connected(now)
    session.receive(HELLO, now)
    reconnect(session.closed(None, now, reason="too large", is_unreadable=True))
    return events(session, GatewayDown)


def test_a_session_that_brings_the_same_unreadable_message_again_is_given_up() -> None:
    session = up()
    losses = [down for now in (10, 20, 30) for down in _unreadable(session, now)]
    assert [down.session_lost for down in losses if isinstance(down, GatewayDown)] == [False, False, True]
    assert session.resume_state is None
    session.connected(40)
    session.receive(HELLO, 40)
    assert sent_ops(session) == [2]


def test_nonsense_before_the_session_goes_on_is_no_reason_to_give_it_up() -> None:
    session = up()
    for now in (10, 20, 30, 40):
        session.connected(now)
        down = reconnect(session.closed(None, now, reason="no JSON", is_unreadable=True))
        assert down.reason == "no JSON"
    assert session.resume_state is not None
    assert session.resume_state.session_id == "session-1"


def test_a_session_that_gets_further_each_time_is_kept() -> None:
    session = up()
    for seq in range(2, 12):
        session.connected(seq)
        session.receive(HELLO, seq)
        session.receive(dispatch(seq), seq)
        reconnect(session.closed(None, seq, is_unreadable=True))
        reconnect(session.closed(None, seq))
    assert session.resume_state == ResumeState("session-1", 11, NODE)


def test_without_an_answer_it_tries_often_for_two_minutes_and_then_less_and_less() -> None:
    session = up()
    delays = [reconnect(session.closed(None, 10)).delay]
    delays += [reconnect(session.closed(None, now)).delay for now in range(11, 111)]
    assert max(delays[:80]) <= 2
    assert 90 <= sum(delays[:80]) <= 180
    assert 30 <= delays[-1] <= 60
    assert _lost_after_hello(session, 200) <= 2
    assert reconnect(session.closed(None, 202)).delay <= 1, (
        "the gateway had answered, so this is a new outage"
    )


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 60))
def test_no_delay_is_negative_or_longer_than_a_minute(share: float, losses: int) -> None:
    session = new_session(random=lambda: share)
    for now in range(losses):
        assert 0 <= reconnect(session.closed(None, now)).delay <= 60


# Limits


def test_payloads_stay_below_the_limit_and_heartbeats_go_first() -> None:
    session = up()
    for number in range(150):
        session.subscribe(str(1000 + number), "1")
    sent = len(session.payloads_to_send())
    assert sent + 2 == 110 + 1, "IDENTIFY went out before; at most 110 in a minute"
    session.receive({"op": 1}, 1)
    assert sent_ops(session) == [1], "the reserve is for heartbeats"
    deadline = session.next_deadline()
    assert deadline == 20, "the next heartbeat comes before the budget frees up"
    session.receive(ACK, 2)
    session.tick(20)
    assert sent_ops(session) == [1]
    session.receive(ACK, 21)
    assert session.next_deadline() == 60
    session.tick(60)
    ops = sent_ops(session)
    assert ops[0] == 1
    assert ops.count(37) == 150 - sent


def test_a_flood_of_op_1_can_not_spend_more_than_the_limit() -> None:
    session = up()
    total = 0
    for _ in range(500):
        session.receive({"op": 1}, 1)
        total += len(session.payloads_to_send())
    assert total < 120
    session.tick(20)
    deadline = session.next_deadline()
    assert deadline is not None
    assert deadline > 20, "a blocked heartbeat must not make the loop spin"


def test_a_new_connection_has_a_new_budget() -> None:
    session = up()
    for number in range(150):
        session.subscribe(str(1000 + number), "1")
    session.payloads_to_send()
    session.closed(None, 1)
    session.connected(2)
    session.receive(HELLO, 2)
    assert sent_ops(session) == [6]


def test_payloads_stay_below_the_size_that_the_gateway_accepts() -> None:
    session = new_session()
    session.connected(0)
    session.receive(HELLO, 0)
    (identify,) = session.payloads_to_send()
    assert len(encode(identify)) < 4096
    with pytest.raises(ValueError, match="larger"):
        session.subscribe("7", "7" * 5000)


def test_the_token_is_not_in_the_repr() -> None:
    assert TOKEN not in repr(up())
    assert "session-1 seq 1" in repr(up())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
PAYLOADS = st.fixed_dictionaries(
    {},
    optional={
        "op": st.sampled_from([0, 0, 0, 1, 7, 9, 10, 11]) | JSON,
        "t": st.sampled_from(["READY", "RESUMED", "MESSAGE_CREATE"]) | JSON,
        "s": st.integers() | JSON,
        "d": st.fixed_dictionaries(
            {},
            optional={
                "session_id": st.text(max_size=3),
                "heartbeat_interval": JSON,
                "user": JSON,
                "guilds": JSON,
            },
        )
        | JSON,
    },
)


@given(st.lists(PAYLOADS, max_size=12))
def test_every_message_can_be_received(messages: list[dict[str, Any]]) -> None:
    session = new_session()
    session.connected(0)
    for now, message in enumerate(messages):
        session.receive(message, now)
        session.tick(now)
        session.next_deadline()
        json.dumps(session.payloads_to_send())
    assert isinstance(session.closed(None, 99), Reconnect)
