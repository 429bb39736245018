"""Nothing that identifies a person passes the redaction, wherever it is.

Seen to catch: a key, a list or a number that passes unread; an id whose placeholder changes.
"""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from mjwatch.diagnostics.recording import EntryKind, WireEntry
from mjwatch.diagnostics.wire_redaction import KEYS, WireRedactor
from mjwatch.diagnostics.wire_report import report

if TYPE_CHECKING:
    from collections.abc import Callable

SECRETS = (
    *("Zebedee", "zebedee.quill", "MTIz.tokenlike.Qx9-secret_part", "a violin in the snow"),
    *("1318634000302261215", "87654321987654321", "https://example.org/zq/secret-page", "+44 7700 900123"),
    *("zebedee@example.org", "6c1d40e2-5a17-4f0b-9d3e-2b7f81c05a11", "ZQSECRETCODE"),
)
NUMBERS = (1318634000302261215, 447700900123, 3.14159265)

LOOKS: tuple[Callable[[str], str], ...] = (
    lambda secret: secret,
    lambda secret: f"**{secret}** - <@1318634000302261215> ({secret}) (fast)",
    lambda secret: f"https://cdn.discordapp.com/attachments/{secret}/2/{secret}.png?ex={secret}&{secret}=1&",
    lambda secret: f"MJ::JOB::{secret}::1::{secret}",
    lambda secret: f"{secret}_6c1d40e2-5a17-4f0b-9d3e-2b7f81c05a11.{secret}",
    lambda secret: f"**{secret}**: {secret}\n**Job Mode**: {secret}",
    lambda secret: f"Your info - {secret}",
    lambda secret: f"http://{secret}@{secret}:1/{secret}#{secret}",
)
"""The forms of the texts that are not hidden as a whole."""

texts = st.builds(lambda look, secret: look(secret), st.sampled_from(LOOKS), st.sampled_from(SECRETS))
keys = st.sampled_from([*sorted(KEYS), *SECRETS])
leaves = st.none() | st.booleans() | st.sampled_from(NUMBERS) | texts
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
names = st.sampled_from(["MESSAGE_CREATE", "MESSAGE_UPDATE", "READY", "POST /interactions", "op 10"]) | texts


def leaks(text: str) -> list[str]:
    lowered = text.lower()
    return [secret for secret in (*SECRETS, *map(str, NUMBERS)) if secret.lower() in lowered]


@given(value=values)
def test_no_secret_passes_in_any_key_or_value(value: Any) -> None:
    shown = json.dumps(WireRedactor().redacted(value), ensure_ascii=False)
    assert leaks(shown) == []
    assert "://" not in shown
    assert "@" not in shown.replace("<@<id", "")


def test_no_secret_passes_under_a_known_key() -> None:
    for key, secret, look in itertools.product(sorted(KEYS), SECRETS, LOOKS):
        for value in (look(secret), [look(secret)], {key: look(secret)}):
            shown = json.dumps(WireRedactor().redacted({key: value}), ensure_ascii=False)
            assert leaks(shown) == [], (key, value)
    for key, number in itertools.product(sorted(KEYS), NUMBERS):
        assert leaks(json.dumps(WireRedactor().redacted({key: number}))) == []


@given(name=names, data=values, kind=st.sampled_from(list(EntryKind)))
def test_no_secret_is_in_the_report_of_any_entry(name: str, data: Any, kind: EntryKind) -> None:
    exchange = {
        "status": 200,
        "content_type": "application/json",
        "is_empty": False,
        "sent": data,
        "body": data,
    }
    shown = exchange if kind is EntryKind.HTTP else data if isinstance(data, dict) else {"code": data}
    entries = [WireEntry(0.0, EntryKind.STEP, "imagine"), WireEntry(1.0, kind, name, shown)]
    text = report(entries, month="2026-12", place="a guild")
    assert leaks(text) == []
    assert "://" not in text


def test_an_id_has_one_placeholder_and_hides_its_time() -> None:
    redactor = WireRedactor()
    message = {"id": "1318634004064328527", "message_reference": {"message_id": "1318633998611644416"}}
    reply = {"id": 1318633998611644416, "content": "**x** - <@1318634004064328527> (35%) (fast)"}
    assert redactor.redacted([message, reply]) == [
        {"id": "<id 1>", "message_reference": {"message_id": "<id 2>"}},
        {"id": "<id 2>", "content": "**<prompt>** - <@<id 1>> (35%) (fast)"},
    ]


def test_shapes_that_matter_stay() -> None:
    uuid = "6c1d40e2-5a17-4f0b-9d3e-2b7f81c05a11"
    shown = WireRedactor().redacted(
        {
            "content": f"**a cat** - <@4> [(Open on website for full quality)](<https://midjourney.com/jobs/{uuid}>)"
            " (fast)",
            "attachments": [
                {
                    "filename": f"{uuid}_grid_0.webp",
                    "url": f"https://cdn.discordapp.com/attachments/12/34/ada_cat_{uuid}.png?ex=1&is=2&hm=3&",
                    "content_type": "image/webp",
                    "width": 2048,
                    "size": 3_456_789,
                }
            ],
            "components": [{"type": 1, "components": [{"custom_id": f"MJ::JOB::upsample::1::{uuid}"}]}],
            "embeds": [{"title": "Job queued", "description": "**Job Mode**: Fast\n**User ID**: 12"}],
            "author": {"id": "936929561302675456", "username": "Midjourney Bot", "bot": True},
            "edited_timestamp": None,
            "timestamp": "2026-12-01T03:04:05+00:00",
        }
    )
    assert shown == {
        "content": "**<prompt>** - <@<id 1>> [(Open on website for full quality)](<<uuid 1>>) (fast)",
        "attachments": [
            {
                "filename": "<uuid 1>_grid_0.webp",
                "url": "cdn.discordapp.com / attachments / <id 2> / <id 3> / <text>_<uuid 1>.png ? ex is hm",
                "content_type": "image/webp",
                "width": 2048,
                "(other keys)": 1,
            }
        ],
        "components": [{"type": 1, "components": [{"custom_id": "MJ::JOB::upsample::1::<uuid 1>"}]}],
        "embeds": [{"title": "Job queued", "description": "<lines: Job Mode, User ID>"}],
        "author": {"id": "<Midjourney>", "username": "<text>", "bot": True},
        "edited_timestamp": None,
        "timestamp": "<time>",
    }
