"""The table of expectations: complete rows, and findings that no strange recording breaks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

import mjwatch
from mjwatch.diagnostics.expectations import EXPECTATIONS, findings
from mjwatch.diagnostics.recording import WireRecording
from mjwatch.diagnostics.wire_evidence import Verdict
from mjwatch.discord.rest import HttpExchange

if TYPE_CHECKING:
    from collections.abc import Callable

CHANNEL, BOT, NONCE, ME = "222222222222222222", "936929561302675456", "1318633998611644416", "4"
PROMPT = "a paper boat"


def test_each_row_names_a_module_that_exists_and_a_source() -> None:
    root = Path(mjwatch.__file__).parent
    assert [row.number for row in EXPECTATIONS if not (root / row.relied_on_by).is_file()] == []
    assert all(row.source and row.title and "|" not in row.title + row.source for row in EXPECTATIONS)
    assert len({row.title for row in EXPECTATIONS}) == len(EXPECTATIONS)


def test_of_an_empty_recording_nothing_is_seen() -> None:
    assert {found.verdict for found in findings([]).values()} == {Verdict.NOT_SEEN}


def a_job(**first_answer: Any) -> WireRecording:
    """Return the recording of an /imagine up to its first answer."""
    found = WireRecording(CHANNEL, None, BOT, clock=lambda: 0.0)
    found.gateway("received", {"op": 0, "t": "READY", "d": {"user": {"id": ME}}})
    found.step("imagine")
    data = {"name": "imagine", "options": [{"name": "prompt", "value": PROMPT}]}
    sent = {"application_id": BOT, "nonce": NONCE, "data": data}
    found.http(HttpExchange("POST", "/interactions", sent, 204, {}, lambda: None, True))
    message = {
        "id": "1318634004064328527",
        "channel_id": CHANNEL,
        "author": {"id": BOT},
        "content": f"**{PROMPT}** - <@{ME}> (Waiting to start)",
        **first_answer,
    }
    found.gateway("received", {"op": 0, "t": "MESSAGE_CREATE", "d": message})
    return found


def test_a_stranger_in_the_channel_is_not_taken_for_our_job() -> None:
    theirs = {"author": {"id": BOT}, "content": "**a red hat** - <@5> (Waiting to start)", "nonce": None}
    found = findings(a_job(**theirs).entries())
    assert found[13].verdict is Verdict.NOT_SEEN
    same_prompt = {"content": f"**{PROMPT}** - <@5> (Waiting to start)"}
    assert findings(a_job(**same_prompt).entries())[36].verdict is Verdict.NOT_SEEN


def test_a_number_as_a_nonce_is_the_same_nonce() -> None:
    answer = {"interaction": {"id": "7"}, "nonce": int(NONCE)}
    assert findings(a_job(**answer).entries())[13].verdict is Verdict.EXPECTED
    other = findings(a_job(**answer | {"nonce": "9"}).entries())[13]
    assert other.verdict is Verdict.OTHERWISE
    assert other.evidence[0]["nonce"] == "9"


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "id",
                        "nonce",
                        "author",
                        "content",
                        "attachments",
                        "embeds",
                        "components",
                        "flags",
                        "url",
                    ),
                    *("d", "body", "sent", "status", "data", "name", "private_channels", "updated_channels"),
                    *(
                        "interaction",
                        "interaction_metadata",
                        "message_reference",
                        "ids",
                        "custom_id",
                        "width",
                    ),
                    *("refreshed_urls", "resume_gateway_url", "code", "content_type", "user", "description"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
_names = st.sampled_from(
    [
        *("READY", "MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE", "INTERACTION_CREATE", "RESUMED"),
        *("PASSIVE_UPDATE_V2", "INTERACTION_SUCCESS", "READY_SUPPLEMENTAL"),
    ]
)
_paths = st.sampled_from(
    [
        "/interactions",
        "/attachments/refresh-urls",
        "/channels/12345/messages",
        "/channels/12345/application-command-index",
    ]
)


def answering(body: object) -> Callable[[], object]:
    return lambda: body


@given(
    dispatches=st.lists(st.tuples(_names, _json), max_size=5),
    exchanges=st.lists(st.tuples(_paths, _json, _json), max_size=3),
)
def test_payloads_of_any_shape_break_no_check(
    dispatches: list[tuple[str, Any]], exchanges: list[tuple[str, Any, Any]]
) -> None:
    found = a_job()
    for path, sent, body in exchanges:
        found.http(HttpExchange("POST", path, sent, 200, {}, answering(body), False))
    for name, data in dispatches:
        if isinstance(data, dict):
            data = {**data, "channel_id": CHANNEL, "nonce": NONCE}
        found.gateway("received", {"op": 0, "t": name, "d": data})
    assert set(findings(found.entries())) == {row.number for row in EXPECTATIONS}
