"""The wire in a bundle: of one job only, without ids and names, and read as before.

Seen to catch: another job's messages; an id that is replaced in one place only; a key that the parser needs.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mjwatch.diagnostics.wire_bundle import wire_of
from mjwatch.diagnostics.wire_log import WireKind, WireLine
from mjwatch.midjourney.parsing.messages import explain
from mjwatch.model import Pause, PauseKind, Prompt, State
from tests.helpers.job_factory import made_job

MESSAGES = sorted((Path(__file__).parents[2] / "data" / "messages").glob("*.json"))
ME, NAME, CHANNEL, GUILD = "1399887766554433221", "palomar_ruiz", "1402113344556677001", "1402113344556670077"
BOT, NONCE = "936929561302675456", "1477942400000000001"
UUID = "88683eca-5fd7-4b2e-a00c-3f1fa2b7e6e6"
JOB = made_job(
    "jobaaaaa",
    prompt=Prompt("paper boats"),
    state=State.QUEUED,
    nonces=(NONCE,),
    message_id="1477942413078811885",
)
POST = WireLine(
    1.0,
    WireKind.HTTP,
    "POST /interactions",
    {"status": 204, "sent": {"nonce": NONCE, "channel_id": CHANNEL, "guild_id": GUILD}},
)
READY = WireLine(0.5, WireKind.SESSION, "READY", {"user_id": ME})


def dispatch(at: float, name: str, **data: Any) -> WireLine:
    return WireLine(at, WireKind.DISPATCH, name, {"channel_id": CHANNEL, **data})


def wire(*lines: WireLine, pause: Pause | None = None) -> dict[str, Any]:
    found = wire_of(JOB, pause, [READY, POST, *lines])
    assert found is not None
    return found


def names(found: dict[str, Any]) -> list[str]:
    return [line["name"] for line in found["lines"]]


def test_it_has_what_is_about_the_job_and_what_is_about_the_session() -> None:
    page = {"status": 200, "body": [{"id": "1477942413078811885"}, {"id": "1477942413078811999"}]}
    found = wire(
        dispatch(2.0, "INTERACTION_CREATE", id="1477942400000000002", nonce=NONCE),
        dispatch(3.0, "MESSAGE_CREATE", id="1477942400000000003", nonce="1477942400000000009"),
        dispatch(4.0, "MESSAGE_CREATE", id="1477942400000000004", interaction={"id": "1477942400000000002"}),
        WireLine(5.0, WireKind.CLOSED, "close", {"code": None}),
        dispatch(6.0, "MESSAGE_DELETE", id="1477942400000000004"),
        WireLine(7.0, WireKind.HTTP, f"GET /channels/{CHANNEL}/messages", page),
        WireLine(900.0, WireKind.CLOSED, "close", {"code": None}),
        pause=Pause("a captcha", PauseKind.ACCOUNT),
    )
    assert [name.split(" /")[0] for name in names(found)] == [
        *("POST", "INTERACTION_CREATE", "MESSAGE_CREATE", "close", "MESSAGE_DELETE", "GET")
    ]
    assert len(found["lines"][-1]["data"]["body"]) == 1
    assert found["end"] == {"state": "queued", "refusal": None, "pause": "account", "attempts": 1}


def post(nonce: str, at: float) -> WireLine:
    sent = {"nonce": nonce, "channel_id": CHANNEL, "guild_id": GUILD}
    return WireLine(at, WireKind.HTTP, "POST /interactions", {"status": 204, "sent": sent})


def test_the_bundle_of_a_follow_up_has_the_job_whose_button_it_presses_and_its_other_follow_ups() -> None:
    first, second = (
        made_job(action, prompt=Prompt("paper boats", action=action, parent=JOB.id), nonces=(f"{NONCE}{n}",))
        for n, action in enumerate(("U1", "U2"), 1)
    )
    of_others, follow_ups = (
        post("1477942400000000999", 4.0),
        (post(first.nonces[0], 5.0), post(second.nonces[0], 6.0)),
    )
    lines = [READY, POST, of_others, *follow_ups]
    found = wire_of(second, None, lines, (JOB, first, second))
    assert found is not None
    assert names(found) == ["POST /interactions"] * 3
    assert found["job"] == {
        "command": "imagine",
        "prompt": "paper boats",
        "action": "U2",
        "then": ["U1", "U2"],
    }
    without_parent = wire_of(second, None, [READY, of_others, *follow_ups], (JOB, first, second))
    assert without_parent is not None
    assert names(without_parent) == ["POST /interactions"]
    assert without_parent["job"]["then"] == []


def test_ids_are_replaced_everywhere_alike_and_keep_their_order() -> None:
    content = f"**paper boats** - <@{ME}> (fast)"
    author = {"id": BOT, "bot": True, "username": "Midjourney Bot"}
    person = {"id": ME, "username": NAME, "global_name": "Palomar", "avatar": "9867df83"}
    url = (
        f"https://cdn.discordapp.com/attachments/{CHANNEL}/1477942527834831000/{NAME}_boats_{UUID}.png?hm=s1g"
    )
    found = wire(
        dispatch(
            2.0,
            "MESSAGE_CREATE",
            id="1477942527834831085",
            nonce=NONCE,
            content=content,
            author=author,
            mentions=[person],
            attachments=[{"id": "1477942527834831000", "url": url}],
            email="zq@example.org",
        )
    )
    text = json.dumps(found)
    for secret in (ME, CHANNEL, GUILD, NONCE, NAME, "Palomar", "9867df83", UUID, "s1g", "zq@example.org"):
        assert secret not in text, secret
    post, message = (line["data"] for line in found["lines"])
    account = found["account"]
    assert message["nonce"] == post["sent"]["nonce"]
    assert message["content"] == f"**paper boats** - <@{account['user_id']}> (fast)"
    assert message["author"] == author
    (attachment,) = message["attachments"]
    assert f"/{account['channel_id']}/{attachment['id']}/person1_boats_" in attachment["url"]
    assert int(message["nonce"]) < int(attachment["id"]) < int(message["id"])


def test_a_name_that_is_a_word_of_the_bot_leaves_its_texts_alone() -> None:
    person = {"id": ME, "username": "fast", "global_name": "Zebedee"}
    content = f"**a Zebedee** - <@{ME}> (fast)"
    found = wire(dispatch(2.0, "MESSAGE_CREATE", id="1", nonce=NONCE, content=content, mentions=[person]))
    message = found["lines"][1]["data"]
    assert message["content"] == f"**a person2** - <@{found['account']['user_id']}> (fast)"
    assert message["mentions"][0]["username"] == "person1"


def test_a_post_is_before_its_events_although_its_answer_was_later() -> None:
    late = WireLine(3.0, POST.kind, POST.name, {**POST.data, "took": 1.5})
    found = wire_of(
        JOB, None, [dispatch(2.0, "INTERACTION_CREATE", id="1477942400000000002", nonce=NONCE), late]
    )
    assert found is not None
    assert [(line["at"], line["name"]) for line in found["lines"]] == [
        (0.0, "POST /interactions"),
        (0.5, "INTERACTION_CREATE"),
    ]
    assert found["lines"][0]["data"]["took"] == 1.5


def test_without_a_post_there_is_nothing_to_replay() -> None:
    assert wire_of(JOB, None, [READY]) is None


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)
def test_a_message_is_read_as_before(path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    if document["event"] in ("HTTP", "REST") or not isinstance(document["payload"], dict):
        return
    payload = {**document["payload"], "nonce": NONCE}
    (_, line) = wire(WireLine(2.0, WireKind.DISPATCH, document["event"], payload))["lines"]
    before = explain({"event": document["event"], "payload": payload})
    after = explain({"event": document["event"], "payload": line["data"]})
    assert shape(after) == shape(before)


def shape(reading: dict[str, Any]) -> str:
    """Return a reading without its ids, signatures and names."""
    text = json.dumps(reading)
    text = re.sub(r"\?[^\s\"]*", "", text)
    text = re.sub(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "U", text)
    return re.sub(r"person\d|[Pp]alomar_[Rr]uiz", "P", re.sub(r"\d{17,20}", "N", text))
