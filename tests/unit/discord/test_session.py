import json
from collections.abc import Callable, Mapping
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


def session(**options: Any) -> GatewaySession:
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
    """A session whose first connection has said HELLO; what it sent is taken."""
    one = session(**options)
    one.connected(now)
    one.receive(HELLO, now)
    one.payloads_to_send()
    return one


def up(now: float = 0.0, **options: Any) -> GatewaySession:
    """A session that is READY; events and payloads are taken."""
    one = greeted(now, **options)
    one.receive(ready(), now)
    one.events_received()
    one.payloads_to_send()
    return one


def sent_ops(one: GatewaySession) -> list[int]:
    return [payload["op"] for payload in one.payloads_to_send()]


def events(one: GatewaySession, kind: type[GatewayEvent]) -> list[GatewayEvent]:
    return [event for event in one.events_received() if isinstance(event, kind)]


def reconnect(verdict: Reconnect | GiveUp) -> Reconnect:
    assert isinstance(verdict, Reconnect)
    return verdict


# Identifying


def test_hello_is_answered_by_an_honest_identify() -> None:
    one = session()
    one.connected(0)
    assert one.payloads_to_send() == []
    one.receive(HELLO, 0)
    (identify,) = one.payloads_to_send()
    assert identify["op"] == 2
    data = identify["d"]
    assert data["token"] == TOKEN
    assert data["properties"]["browser"] == "mjwatch"
    assert data["presence"]["status"] == "unknown"
    assert "intents" not in data
    assert data["capabilities"] & (1 << 8) == 0, "bit 8 lets READY replace the token"
    assert data["capabilities"] & (0b11 << 4) == 0, "the DEDUPE bits spread users over READY"


def test_ready_becomes_an_event_with_what_is_used_of_it() -> None:
    one = greeted()
    one.receive(ready(required_action="AGREEMENTS"), 1)
    assert one.events_received() == [
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
    assert one.phase is Phase.UP
    assert one.resume_state == ResumeState("session-1", 1, NODE)


@pytest.mark.parametrize(
    "channel", [{"id": 20, "recipient_ids": ["1"]}, {"id": "20", "recipients": [{"id": "1"}]}]
)
def test_private_channels_are_read_in_both_forms(channel: dict[str, Any]) -> None:
    one = greeted()
    one.receive(ready(private_channels=[channel]), 1)
    (event,) = one.events_received()
    assert isinstance(event, GatewayReady)
    assert event.private_channel_ids == {"20"}


@pytest.mark.parametrize(
    "user",
    [None, {}, [], {"id": None, "username": None}, {"id": True, "username": 5}, {"id": [], "username": {}}],
)
def test_a_ready_that_does_not_tell_whose_it_is_names_nobody(user: object) -> None:
    one = greeted()
    one.receive(ready(user=user, guilds=[{"id": None}, {"id": 7}, {}, None], private_channels={}), 1)
    (event,) = one.events_received()
    assert isinstance(event, GatewayReady)
    assert (event.user_id, event.user_name, event.guild_ids) == ("", "", frozenset({"7"}))


@pytest.mark.parametrize("session_id", [None, "", 7, "x" * 5000])
def test_a_ready_without_a_session_id_ends_the_connection(session_id: object) -> None:
    one = greeted()
    one.receive(ready(session_id=session_id), 1)
    assert one.close_wanted
    assert one.resume_state is None


def test_large_guilds_are_subscribed_to_after_ready_and_not_after_resumed() -> None:
    one = greeted()
    one.subscribe("7", "70")
    assert one.payloads_to_send() == []
    one.receive(ready(), 1)
    (payload,) = one.payloads_to_send()
    assert payload["op"] == 37
    assert payload["d"]["subscriptions"]["7"]["typing"] is True
    assert "70" in payload["d"]["subscriptions"]["7"]["channels"]
    one.closed(None, 2)
    one.connected(3)
    one.receive(HELLO, 3)
    one.receive(dispatch(2, "RESUMED"), 3)
    assert sent_ops(one) == [6]


def test_a_subscription_is_sent_at_once_while_the_session_is_up() -> None:
    one = up()
    one.subscribe("8", "80")
    assert sent_ops(one) == [37]


# Dispatches


def test_wanted_dispatches_become_events_and_the_rest_is_counted() -> None:
    def wanted(name: str, data: Mapping[str, Any]) -> bool:
        return name == "MESSAGE_CREATE" and data.get("channel_id") == "70"

    one = up(wanted=wanted)
    one.receive(dispatch(2, channel_id="70", id="1"), 1)
    one.receive(dispatch(3, channel_id="71", id="2"), 1)
    one.receive(dispatch(4, "TYPING_START", channel_id="70"), 1)
    assert one.events_received() == [GatewayDispatch("MESSAGE_CREATE", {"channel_id": "70", "id": "1"}, 2)]
    assert one.ignored == {"MESSAGE_CREATE": 1, "TYPING_START": 1}
    assert one.resume_state == ResumeState("session-1", 4, NODE), "seq counts what nobody wanted too"


@pytest.mark.parametrize("seq", [None, "9", True, 1.5, -4, 1])
def test_an_odd_or_old_seq_is_not_stored(seq: object) -> None:
    one = up()
    one.receive({"op": 0, "t": "MESSAGE_CREATE", "s": seq, "d": {}}, 1)
    assert one.resume_state == ResumeState("session-1", 1, NODE)


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
def test_unknown_messages_are_passed_over(payload: dict[str, Any]) -> None:
    one = up()
    one.receive(payload, 1)
    assert one.close_wanted is None
    assert one.events_received() == []
    assert one.payloads_to_send() == []


# Heartbeats


def test_the_first_heartbeat_comes_after_a_random_part_of_the_interval() -> None:
    one = greeted(now=100)
    assert one.next_deadline() == 120
    one.tick(119.9)
    assert one.payloads_to_send() == []
    one.tick(120)
    assert one.payloads_to_send() == [{"op": 1, "d": None}]
    assert one.next_deadline() == 160


def test_heartbeats_carry_the_last_seq() -> None:
    one = up()
    one.receive(dispatch(41), 1)
    one.tick(20)
    assert one.payloads_to_send() == [{"op": 1, "d": 41}]


def test_an_asked_for_heartbeat_goes_out_at_once_and_changes_no_schedule() -> None:
    one = up()
    one.receive({"op": 1, "d": None}, 5)
    assert sent_ops(one) == [1]
    assert one.next_deadline() == 20
    one.tick(20)
    assert sent_ops(one) == [1]
    assert one.close_wanted is None


def test_answered_heartbeats_keep_the_connection() -> None:
    one = up()
    for now in (20, 60, 100, 140):
        one.tick(now)
        assert sent_ops(one) == [1]
        one.receive(ACK, now + 1)
    assert one.close_wanted is None


def test_no_answer_between_two_heartbeats_ends_the_connection_and_keeps_the_session() -> None:
    one = up()
    one.tick(20)
    assert sent_ops(one) == [1]
    wanted = []
    for now in (59, 60):
        one.tick(now)
        wanted.append(one.close_wanted)
    assert wanted == [None, "the gateway no longer answers heartbeats"]
    assert one.payloads_to_send() == []
    verdict = reconnect(one.closed(None, 61))
    assert verdict.reason == "the gateway no longer answers heartbeats"
    assert one.url() == NODE + QUERY


@pytest.mark.parametrize("data", [None, {}, [], {"heartbeat_interval": "x"}, {"heartbeat_interval": -1}])
def test_a_hello_without_a_usable_interval_gets_the_usual_one(data: object) -> None:
    one = session()
    one.connected(0)
    one.receive({"op": 10, "d": data}, 0)
    assert one.next_deadline() == 41.25 / 2


def test_a_gateway_that_says_no_hello_is_left() -> None:
    one = session()
    one.connected(10)
    deadline = one.next_deadline()
    assert deadline is not None
    one.tick(deadline)
    assert one.close_wanted == "the gateway did not say hello"


def test_our_own_close_code_keeps_the_session() -> None:
    assert RESUMABLE_CLOSE not in (1000, 1001)


# Resuming


def test_a_lost_connection_is_resumed_where_the_gateway_said() -> None:
    one = up()
    one.receive(dispatch(5), 1)
    one.closed(None, 2)
    assert one.url() == NODE + QUERY
    one.connected(3)
    one.receive(HELLO, 3)
    (resume,) = one.payloads_to_send()
    assert resume == {"op": 6, "d": {"token": TOKEN, "session_id": "session-1", "seq": 5}}
    one.receive(dispatch(6, id="missed"), 3)
    one.receive(dispatch(7, "RESUMED"), 3)
    down, missed, resumed = one.events_received()[-3:]
    assert isinstance(down, GatewayDispatch | GatewayDown)
    assert missed == GatewayDispatch("MESSAGE_CREATE", {"id": "missed"}, 6)
    assert resumed == GatewayResumed("session-1", 7)
    assert one.phase is Phase.UP


def test_a_new_process_resumes_the_session_of_the_last_one() -> None:
    one = session(resume=ResumeState("session-0", 77, NODE))
    assert one.url() == NODE + QUERY
    one.connected(0)
    one.receive(HELLO, 0)
    (resume,) = one.payloads_to_send()
    assert resume["d"] == {"token": TOKEN, "session_id": "session-0", "seq": 77}
    one.receive({"op": 0, "t": "RESUMED", "s": 78, "d": None}, 0)
    assert one.events_received() == [GatewayResumed("session-0", 78)]


def test_a_resume_url_that_may_not_see_the_token_is_not_used() -> None:
    one = greeted()
    one.receive(ready(resume_gateway_url="wss://gateway.example.org"), 1)
    one.closed(None, 2)
    assert one.url() == "wss://gateway.discord.gg" + QUERY
    one.connected(3)
    one.receive(HELLO, 3)
    assert sent_ops(one) == [6], "resuming is tried at the configured gateway too"


def test_the_configured_gateway_must_be_allowed_itself() -> None:
    with pytest.raises(ConfigError, match=r"gateway\.example\.org"):
        session(gateway_url="wss://gateway.example.org")
    allowed: Callable[[str], bool] = lambda _url: True  # noqa: E731
    assert session(gateway_url="wss://gateway.example.org/x?y=1", allowed=allowed).url() == (
        "wss://gateway.example.org/x" + QUERY
    )


def test_a_node_that_can_not_be_reached_is_given_up_for_the_base_url() -> None:
    one = up()
    one.closed(None, 2)
    urls = []
    for now in range(10, 13):
        urls.append(one.url())
        one.closed(None, now, reason="no connection")
    assert urls == [NODE + QUERY] * 3
    assert one.url() == "wss://gateway.discord.gg" + QUERY
    one.connected(20)
    one.receive(HELLO, 20)
    assert sent_ops(one) == [6]
    one.closed(None, 21)
    assert one.url() == NODE + QUERY


@pytest.mark.parametrize("first_message", [True, False])
def test_op_7_reconnects_and_resumes_also_as_the_first_message(first_message: bool) -> None:
    one = session(resume=ResumeState("session-1", 3, NODE))
    one.connected(0)
    if not first_message:
        one.receive(HELLO, 0)
    one.receive({"op": 7, "d": None}, 100)
    assert one.close_wanted == "the gateway asks to reconnect"
    assert reconnect(one.closed(None, 100)).delay <= 1
    assert one.url() == NODE + QUERY


@pytest.mark.parametrize("resumable", [True, False])
def test_op_9_waits_and_says_whether_the_session_lives(resumable: bool) -> None:
    one = up()
    one.receive({"op": 9, "d": resumable}, 100)
    assert one.close_wanted
    verdict = reconnect(one.closed(None, 100))
    assert 1 <= verdict.delay <= 5
    assert (one.resume_state is not None) is resumable
    assert one.url().startswith(NODE if resumable else "wss://gateway.discord.gg")


def test_op_9_on_an_identify_waits_longer_than_the_identify_limit() -> None:
    one = greeted(now=0)
    one.receive({"op": 9, "d": False}, 0.1)
    assert reconnect(one.closed(None, 0.2)).delay >= 5


def test_two_identifies_are_five_seconds_apart_whatever_ended_the_first() -> None:
    one = greeted(now=100)
    verdict = reconnect(one.closed(4009, 101))
    assert verdict.delay >= 4


# Closes

STOP = [4004, 4010, 4011, 4012, 4013, 4014]
IDENTIFY = [4003, 4006, 4007, 4009, 4015]
RESUME = [None, 1000, 1001, 1006, 4000, 4001, 4002, 4005, 4008, 4999, 3000]


@pytest.mark.parametrize("code", STOP)
def test_codes_that_need_a_person_end_it(code: int) -> None:
    one = up()
    verdict = one.closed(code, 10)
    assert isinstance(verdict, GiveUp)
    assert verdict.code == code
    assert str(code) in verdict.reason
    assert events(one, GatewayRejected) == [GatewayRejected(verdict.reason, code)]


@pytest.mark.parametrize("code", IDENTIFY)
def test_codes_that_end_the_session_begin_a_new_one(code: int) -> None:
    one = up()
    verdict = reconnect(one.closed(code, 10))
    assert one.resume_state is None
    assert events(one, GatewayDown) == [GatewayDown(verdict.reason, verdict.delay)]
    one.connected(20)
    one.receive(HELLO, 20)
    assert sent_ops(one) == [2]


@pytest.mark.parametrize("code", RESUME)
def test_all_other_closes_keep_the_session(code: int | None) -> None:
    one = up()
    reconnect(one.closed(code, 10))
    assert one.url() == NODE + QUERY
    one.connected(20)
    one.receive(HELLO, 20)
    assert sent_ops(one) == [6]


def test_too_much_sent_waits_a_minute_and_too_many_sessions_five() -> None:
    assert reconnect(up().closed(CloseCode.RATE_LIMITED, 10)).delay >= 60
    assert reconnect(up().closed(CloseCode.TOO_MANY_SESSIONS, 10)).delay >= 300


def test_the_wait_that_a_handshake_was_told_is_kept() -> None:
    assert reconnect(session().closed(None, 10, reason="HTTP 429", wait=120)).delay == 120


def _lost_after_hello(one: GatewaySession, now: float) -> float:
    one.connected(now)
    one.receive(HELLO, now)
    return reconnect(one.closed(None, now)).delay


def test_delays_grow_up_to_a_minute_and_a_stable_while_resets_them() -> None:
    one = up()
    delays = [reconnect(one.closed(None, 10)).delay, *(_lost_after_hello(one, now) for now in range(11, 22))]
    assert delays == sorted(delays)
    assert delays[0] == 0.5
    assert 30 <= delays[-1] <= 60
    one.connected(100)
    one.receive(HELLO, 100)
    one.receive(dispatch(2, "RESUMED"), 100)
    assert reconnect(one.closed(None, 110)).delay >= 30, "ten seconds are no stable while"
    one.connected(200)
    one.receive(HELLO, 200)
    one.receive(dispatch(3, "RESUMED"), 200)
    assert reconnect(one.closed(None, 231)).delay == 0.5


def test_where_nobody_answers_it_asks_often_for_two_minutes_and_then_less_and_less() -> None:
    one = up()
    delays = [reconnect(one.closed(None, 10)).delay]
    delays += [reconnect(one.closed(None, now)).delay for now in range(11, 111)]
    assert max(delays[:80]) <= 2
    assert 90 <= sum(delays[:80]) <= 180
    assert 30 <= delays[-1] <= 60
    assert _lost_after_hello(one, 200) <= 2
    assert reconnect(one.closed(None, 202)).delay <= 1, "it had been reached: a new outage"


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 60))
def test_no_delay_is_negative_or_longer_than_a_minute(share: float, losses: int) -> None:
    one = session(random=lambda: share)
    for now in range(losses):
        assert 0 <= reconnect(one.closed(None, now)).delay <= 60


# Limits


def test_what_is_sent_stays_below_the_limit_and_heartbeats_go_first() -> None:
    one = up()
    for number in range(150):
        one.subscribe(str(1000 + number), "1")
    sent = len(one.payloads_to_send())
    assert sent + 2 == 110 + 1, "IDENTIFY went out before; at most 110 in a minute"
    one.receive({"op": 1}, 1)
    assert sent_ops(one) == [1], "the reserve is for heartbeats"
    deadline = one.next_deadline()
    assert deadline == 20, "the next heartbeat comes before the budget frees up"
    one.receive(ACK, 2)
    one.tick(20)
    assert sent_ops(one) == [1]
    one.receive(ACK, 21)
    assert one.next_deadline() == 60
    one.tick(60)
    ops = sent_ops(one)
    assert ops[0] == 1
    assert ops.count(37) == 150 - sent


def test_a_flood_of_op_1_can_not_spend_more_than_the_limit() -> None:
    one = up()
    total = 0
    for _ in range(500):
        one.receive({"op": 1}, 1)
        total += len(one.payloads_to_send())
    assert total < 120
    one.tick(20)
    deadline = one.next_deadline()
    assert deadline is not None
    assert deadline > 20, "a blocked heartbeat must not make the loop spin"


def test_a_new_connection_has_a_new_budget() -> None:
    one = up()
    for number in range(150):
        one.subscribe(str(1000 + number), "1")
    one.payloads_to_send()
    one.closed(None, 1)
    one.connected(2)
    one.receive(HELLO, 2)
    assert sent_ops(one) == [6]


def test_payloads_stay_below_what_the_gateway_takes() -> None:
    one = session()
    one.connected(0)
    one.receive(HELLO, 0)
    (identify,) = one.payloads_to_send()
    assert len(encode(identify)) < 4096
    with pytest.raises(ValueError, match="larger"):
        one.subscribe("7", "7" * 5000)


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
def test_no_message_is_too_odd_to_be_received(messages: list[dict[str, Any]]) -> None:
    one = session()
    one.connected(0)
    for now, message in enumerate(messages):
        one.receive(message, now)
        one.tick(now)
        one.next_deadline()
        json.dumps(one.payloads_to_send())
    assert isinstance(one.closed(None, 99), Reconnect)
