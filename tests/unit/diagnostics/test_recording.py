"""The recording of the wire: bounded, without the token, and without other channels."""

from __future__ import annotations

from typing import Any

import pytest

from mjwatch.diagnostics.recording import (
    LONGEST_TEXT,
    MOST_ITEMS,
    EntryKind,
    WireRecording,
)
from mjwatch.discord.rest import HttpExchange

CHANNEL, GUILD, BOT = "222222222222222222", "111111111111111111", "936929561302675456"


def recording(most: int = 10) -> WireRecording:
    return WireRecording(CHANNEL, GUILD, BOT, clock=lambda: 5.0, most=most)


def dispatch(name: str, data: Any) -> dict[str, Any]:
    return {"op": 0, "t": name, "s": 1, "d": data}


@pytest.mark.parametrize("opcode", [2, 6])
def test_the_token_is_not_recorded(opcode: int) -> None:
    found = recording()
    found.gateway("sent", {"op": opcode, "d": {"token": "invented.token", "seq": 7}})
    assert [(entry.name, entry.data) for entry in found.entries()] == [(f"op {opcode}", None)]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("MESSAGE_CREATE", {"channel_id": "333333333333333333", "content": "private"}),
        ("MESSAGE_DELETE", {"channel_id": "333333333333333333", "id": "1"}),
        ("PRESENCE_UPDATE", {"user": {"id": "4"}, "status": "idle"}),
        ("PASSIVE_UPDATE_V2", {"guild_id": "9", "updated_channels": [{"id": CHANNEL}]}),
        ("SOMETHING_NEW", {"content": "private"}),
    ],
)
def test_of_other_events_only_the_name_is_kept(name: str, data: Any) -> None:
    found = recording()
    found.gateway("received", dispatch(name, data))
    assert [(entry.name, entry.data) for entry in found.entries()] == [(name, None)]


def test_of_passive_updates_only_our_channel_is_kept() -> None:
    found = recording()
    channels = [{"id": CHANNEL, "last_message_id": "5"}, {"id": "333333333333333333"}]
    found.gateway(
        "received", dispatch("PASSIVE_UPDATE_V2", {"guild_id": GUILD, "updated_channels": channels})
    )
    assert found.entries()[0].data == {"updated_channels": [{"id": CHANNEL, "last_message_id": "5"}]}


def test_a_large_ready_and_a_long_run_are_bounded() -> None:
    found = recording(most=3)
    guilds = [{"id": str(n), "name": "x" * (LONGEST_TEXT + 1)} for n in range(MOST_ITEMS + 1)]
    found.gateway("received", dispatch("READY", {"guilds": guilds}))
    (ready,) = found.entries()
    assert len(ready.data["guilds"]) == MOST_ITEMS
    assert len(ready.data["guilds"][0]["name"]) == LONGEST_TEXT
    for number in range(4):
        found.step(str(number))
    assert [entry.name for entry in found.entries()] == ["1", "2", "3"]


def test_an_exchange_has_no_ids_in_its_name_and_only_the_bots_commands() -> None:
    found = recording()
    commands = [{"name": "imagine", "application_id": BOT}, {"name": "play", "application_id": "5"}]
    path = f"/guilds/{GUILD}/application-command-index"
    body = {"application_commands": commands}
    found.http(
        HttpExchange("GET", path, None, 200, {"Content-Type": "application/json"}, lambda: body, False)
    )
    (entry,) = found.entries()
    assert (entry.kind, entry.name) == (EntryKind.HTTP, "GET /guilds/{id}/application-command-index")
    assert entry.data["body"] == {"application_commands": commands[:1]}
