"""Reading a bundle for a replay, and the ids that its lines get."""

from __future__ import annotations

import itertools
import json
import tomllib
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.simulator.replay.script import Line, ReplayError, Script, Substitution, read_script
from mjwatch.simulator.world import BOT_ID, CHANNEL_ID, USER_ID

if TYPE_CHECKING:
    from pathlib import Path

ME, CHANNEL, NONCE = "1500000000000000001", "1500000000000000002", "1500000000000000003"
UUID = "00000000-0000-4000-8000-000000000001"
WIRE: dict[str, Any] = {
    "format": "mjwatch/wire/1",
    "account": {"user_id": ME, "channel_id": CHANNEL, "guild_id": None},
    "job": {"command": "imagine", "prompt": "a cat", "action": None},
    "lines": [{"at": 0.0, "kind": "closed", "name": "close", "data": {"code": None}}],
}


def script(**job: Any) -> Script:
    return Script({}, {**WIRE["job"], **job}, ())


def substitution() -> Substitution:
    numbers = itertools.count(1)
    return Substitution({"user_id": ME, "channel_id": CHANNEL}, lambda: str(next(numbers)))


def test_a_bundle_and_its_part_are_read_alike(tmp_path: Path) -> None:
    text = json.dumps(WIRE)
    (tmp_path / "wire.json").write_text(text)
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as parts:
        parts.writestr("mjwatch-jobaaaaa/wire.json", text)
    found = read_script(tmp_path / "wire.json")
    assert found == read_script(tmp_path / "b.zip")
    assert found.account == {"user_id": ME, "channel_id": CHANNEL}
    assert found.lines == (Line(0.0, "closed", "close", {"code": None}),)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no JSON", "no bundle"),
        ("[]", "no bundle"),
        (json.dumps({**WIRE, "format": "mjwatch/wire/9"}), "format mjwatch/wire/9"),
        (json.dumps({**WIRE, "lines": [{"at": 1}]}), "no bundle"),
    ],
)
def test_another_file_is_refused_with_the_reason(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "wire.json").write_text(text)
    with pytest.raises(ReplayError, match=reason):
        read_script(tmp_path / "wire.json")


def test_a_bundle_without_a_recording_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as parts:
        parts.writestr("mjwatch-jobaaaaa/job.json", "{}")
    with pytest.raises(ReplayError, match=r"has no wire\.json"):
        read_script(tmp_path / "b.zip")


def test_the_prompt_file_asks_for_the_same_job() -> None:
    assert script().prompt_file == (".txt", "a cat\n")
    assert script(command="info", prompt="").prompt_file == (".txt", "/info\n")
    assert script(action="U1").prompt_file is None


def test_a_follow_up_is_asked_for_with_the_job_whose_button_it_presses() -> None:
    follow_up = script(prompt='a "cat" \\ 猫 😀', action="U1", then=["U1", "vary subtle"])
    assert follow_up.prompt_file is not None
    suffix, text = follow_up.prompt_file
    assert suffix == ".toml"
    assert tomllib.loads(text) == {"prompt": 'a "cat" \\ 猫 😀', "then": ["U1", "vary subtle"]}


def test_it_says_what_is_played() -> None:
    refused = {"state": "failed", "refusal": {"class": "user", "title": "Invalid link"}, "pause": None}
    assert str(Script({}, {}, (), refused)) == "0 lines of a job that was: failed, Invalid link"
    paused = {"state": "queued", "refusal": None, "pause": "account"}
    assert str(Script({}, {}, (), paused)) == "0 lines of a job that was: queued, sending paused (account)"


def test_ids_become_those_of_this_world_and_of_the_client_everywhere() -> None:
    ids = substitution()
    ids.learn(NONCE, "77")
    older, newer = "1500000000000000008", "1500000000000000009"
    first = ids.applied({"id": newer, "reply_to": older, "nonce": NONCE, "content": f"<@{ME}> by {BOT_ID}"})
    assert first == {"id": "2", "reply_to": "1", "nonce": "77", "content": f"<@{USER_ID}> by {BOT_ID}"}
    again = ids.applied([f"/attachments/{CHANNEL}/{newer}/x_{UUID}.png", UUID])
    assert again[0] == f"/attachments/{CHANNEL_ID}/2/x_{again[1]}.png"
    assert again[1] != UUID
    assert substitution().applied(UUID) != again[1]


def test_the_history_has_a_message_before_the_line_that_made_the_client_read_it() -> None:
    message = {"id": "9"}
    page = Line(4.0, "http", "GET /channels/2/messages", {"status": 200, "body": [message]})
    failed = Line(3.0, "http", "GET /channels/2/messages", {"status": 500, "body": None})
    deleted = Line(2.0, "dispatch", "MESSAGE_DELETE", {"id": "8"})
    post = Line(1.0, "http", "POST /interactions", {"status": 204, "body": None})
    assert Script({}, {}, (post, deleted, failed, page)).history_by_line() == {1: [message]}
