"""The parser of messages against shapes of 2023 to 2026, against traps, and against any JSON."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mjwatch.midjourney.buttons import read_custom_id
from mjwatch.midjourney.parsing.messages import explain, read_message
from mjwatch.midjourney.parsing.parsed_message import AccountInfo, MessageKind, ParsedMessage, read_info
from mjwatch.midjourney.parsing.refusals import ACCOUNT_SENTENCES, TEXTS, TITLES, NoticeEffect, judge_embed
from mjwatch.model import RefusalClass
from tests.helpers.examples import examples

DATA = Path(__file__).parents[4] / "tests" / "data" / "messages"
FILES = sorted(DATA.glob("*.json"))
KEYS = [
    "kind",
    "prompt",
    "user_id",
    "percent",
    "status",
    "mode",
    "stealth",
    "action",
    "image_index",
    "job_uuid",
    "reply_to",
    "nonce",
    "interaction_id",
    "images",
    "buttons",
    "error",
    "info",
]
ME = "1399887766554433221"


def load(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return document


def read(name: str) -> ParsedMessage:
    document = load(name)
    return read_message(document["event"], document["payload"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_shape_is_read_as_it_is_meant(path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    explained = json.loads(json.dumps(explain(document)))
    for key, expected in document["expect"].items():
        found = explained[key]
        if isinstance(expected, dict):
            assert found is not None, key
            found = {part: found[part] for part in expected}
        assert found == expected, key


def test_all_kinds_are_among_the_shapes() -> None:
    assert {json.loads(path.read_text(encoding="utf-8"))["expect"]["kind"] for path in FILES} == set(
        MessageKind
    )


def test_explain_gives_every_key_in_order_and_nothing_else() -> None:
    assert list(explain(load("imagine-2026-1-started"))) == KEYS
    assert list(explain(load("http-token"))) == KEYS
    assert list(explain(None)) == KEYS


def test_a_whole_dispatch_and_a_bare_message_are_explained_too() -> None:
    document = load("imagine-2026-4-result")
    dispatch = {"op": 0, "t": document["event"], "s": 12, "d": document["payload"]}
    assert explain(dispatch) == explain(document)
    assert explain(document["payload"])["kind"] == "result"
    update = {"op": 0, "t": "MESSAGE_UPDATE", "s": 13, "d": document["payload"]}
    assert explain(update)["kind"] == "button_used"


@pytest.mark.parametrize("garbage", [None, 1, "x", [], {}, {"op": 11}, {"event": 3, "payload": []}, [{}]])
def test_garbage_is_of_kind_other(garbage: object) -> None:
    explained = explain(garbage)
    assert explained["kind"] == "other"
    assert [explained[key] for key in KEYS if key not in ("kind", "images", "buttons")] == [None] * 14
    assert explained["images"] == explained["buttons"] == []


def test_a_started_message_shows_whose_it_is() -> None:
    parsed = read("imagine-2026-1-started")
    assert parsed.invoker_id == parsed.user_id == ME
    assert (parsed.command, parsed.flags, parsed.ephemeral, parsed.edited_at) == ("imagine", 0, False, None)
    assert parsed.author_id == parsed.application_id == "936929561302675456"
    assert parsed.timestamp == pytest.approx(1772439330.12)
    assert not parsed.final


def test_the_time_of_a_message_without_timestamp_is_in_its_id() -> None:
    payload = load("imagine-2026-1-started")["payload"]
    del payload["timestamp"]
    assert read_message("MESSAGE_CREATE", payload).timestamp == pytest.approx(1772439330.12)


def test_an_ephemeral_notice_is_marked_by_its_flag_among_others() -> None:
    parsed = read("loading-info")
    assert (parsed.flags, parsed.ephemeral, parsed.command) == (192, True, "info")


def test_a_final_is_final_whatever_its_event_says() -> None:
    assert read("imagine-2026-4-result").final
    assert read("button-used-u2").final
    assert read("button-used-u2").edited_at
    assert not read("imagine-2026-3-progress-preview").final
    assert not read("describe").final


def test_pictures_keep_size_type_and_signature() -> None:
    picture = read("imagine-2026-4-result").images[0]
    assert (picture.width, picture.height, picture.content_type) == (2688, 1792, "image/webp")
    assert picture.size
    assert picture.url.endswith("&") and "&hm=" in picture.url


def test_buttons_keep_their_labels() -> None:
    labels = [button.label for button in read("imagine-2026-4-result").buttons]
    assert labels == ["U1", "U2", "U3", "U4", "\U0001f504", "V1", "V2", "V3", "V4"]


def test_deletions_name_all_their_messages() -> None:
    one, many = read("imagine-2026-5-deleted"), read("deleted-in-bulk")
    assert one.deleted_ids == (one.message_id,)
    assert many.message_id is None
    assert many.deleted_ids == tuple(load("deleted-in-bulk")["payload"]["ids"])


def test_slow_down_says_how_many_seconds_to_wait() -> None:
    error = read("refused-slow-down").error
    assert error is not None
    assert error.retry_after == 90.0
    assert read("refused-queue-full").error.retry_after is None  # type: ignore[union-attr]


def test_a_time_that_is_over_when_the_message_comes_is_no_wait() -> None:
    notice = judge_embed("Slow Down!", "again <t:100:R>", None, "", 500.0)
    assert notice.refusal is not None
    assert notice.refusal.retry_after == 0.0
    unknown = judge_embed("Slow Down!", "again <t:100:R>", None, "", None)
    assert unknown.refusal is not None
    assert unknown.refusal.retry_after is None


@pytest.mark.parametrize("name", [path.stem for path in FILES if path.stem.startswith("refused-")])
def test_every_refusal_has_advice_and_the_bot_s_own_words(name: str) -> None:
    error = read(name).error
    assert error is not None
    assert error.advice
    assert error.detail or error.title


def test_what_needs_a_person_is_never_worth_another_try() -> None:
    for wording in (*ACCOUNT_SENTENCES, *TITLES, *TEXTS):
        if wording.needs_human:
            assert wording.kind in (RefusalClass.ACCOUNT, RefusalClass.PLAN)
        if wording.outcome is NoticeEffect.REFUSED:
            assert wording.advice
            assert wording.kind is not None


def test_sentences_that_stop_the_account_win_over_any_title() -> None:
    notice = judge_embed("Invalid request", "You have triggered an abuse alert.", 65280, "", None)
    assert notice.refusal is not None
    assert notice.refusal.kind is RefusalClass.ACCOUNT
    assert notice.refusal.needs_human


def test_a_prompt_in_a_footer_or_description_does_not_decide() -> None:
    footer = "/imagine blocked, banned, invalid, queue full"
    assert judge_embed("Welcome", "", 65280, footer, None).outcome is NoticeEffect.INFORMS
    assert judge_embed("Welcome", "`banned` is a fine word", None, "", None).outcome is NoticeEffect.INFORMS


def test_the_answers_of_text_commands_are_kept_as_text() -> None:
    assert (read("shorten").text or "").startswith("**Important tokens**")
    assert "2\ufe0f\u20e3 b" in (read("describe").text or "")
    assert (read("info-trial").text or "").startswith("**Subscription**")
    assert (read("notice-remix").text or "").startswith("Remix mode turned on")
    assert read("imagine-2026-4-result").text is None


def test_another_application_can_be_the_bot() -> None:
    document = load("other-bot")
    bots = frozenset({"1399887766554488888"})
    assert read_message("REST", document["payload"], bots).kind is MessageKind.RESULT


def test_ids_that_disagree_name_no_job() -> None:
    payload = load("imagine-2026-4-result")["payload"]
    foreign = "MJ::JOB::upsample::1::00000000-0000-4000-8000-000000000000"
    payload["components"][0]["components"][0]["custom_id"] = foreign
    assert read_message("MESSAGE_CREATE", payload).job_uuid is None


def test_a_reply_to_a_message_that_is_gone_leaves_the_action_open() -> None:
    payload = {**load("imagine-2026-4-result")["payload"], "referenced_message": None}
    assert read_message("MESSAGE_CREATE", payload).action is None


def test_a_finished_job_without_attachment_has_its_picture_in_an_embed() -> None:
    payload = load("imagine-2026-4-result")["payload"]
    image = {"url": payload["attachments"][0]["url"], "width": 2688, "height": 1792}
    payload |= {"attachments": [], "embeds": [{"type": "rich", "image": image}]}
    parsed = read_message("MESSAGE_CREATE", payload)
    assert [picture.filename for picture in parsed.images] == [
        load("imagine-2026-4-result")["payload"]["attachments"][0]["filename"]
    ]


@pytest.mark.parametrize(
    ("custom_id", "verb", "index"),
    [
        ("MJ::Outpaint::50::1::0a1b2c3d-0000-4000-8000-00000000000a::SOLO", "outpaint", 1),
        ("MJ::RemixModal::0a1b2c3d-0000-4000-8000-00000000000a::0::1", "remixmodal", None),
        ("MJ::JOB::animate_high_extend::3::0a1b2c3d-0000-4000-8000-00000000000a", "animate_high_extend", 3),
        ("MJ::JOB::upsample::5::0a1b2c3d-0000-4000-8000-00000000000a", "upsample", None),
        ("MJ::JOB", "job", None),
    ],
)
def test_custom_ids_are_parsed(custom_id: str, verb: str, index: int | None) -> None:
    parts = read_custom_id(custom_id)
    assert parts is not None
    assert (parts.verb, parts.image_index) == (verb, index)


@pytest.mark.parametrize("foreign", ["", "MJ", "settings::1", "mj::JOB::upsample::1"])
def test_foreign_custom_ids_are_none(foreign: str) -> None:
    assert read_custom_id(foreign) is None


@pytest.mark.parametrize(
    ("value", "running"),
    [("None", 0), ("3", 3), ("- one\n- two", 2), ("", None)],
)
def test_running_jobs_are_counted(value: str, running: int | None) -> None:
    assert read_info(f"**Running Jobs**:   {value}\n**Other**: x").running == running


def test_minutes_of_fast_time_become_hours() -> None:
    info = read_info("**Fast Time Remaining**: 30.00/60.0 minutes (50%)")
    assert (info.fast_hours_left, info.fast_hours_total, info.fast_percent) == (0.5, 1.0, 50.0)


def test_an_empty_answer_to_info_has_no_numbers() -> None:
    assert read_info("") == read_info("Nothing to see") == AccountInfo()


@given(st.text())
def test_any_prompt_comes_back_whole_from_its_echo(prompt: str) -> None:
    message = {"author": {"id": "936929561302675456"}, "content": f"**{prompt}** - <@{ME}> (12%) (relaxed)"}
    parsed = read_message("MESSAGE_UPDATE", message)
    assert (parsed.prompt, parsed.percent, parsed.mode) == (prompt, 12, "relaxed")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_no_json_makes_explain_raise(document: Any) -> None:
    assert list(explain(document)) == KEYS


@settings(max_examples=examples(300))
@given(st.data())
def test_no_damage_to_a_message_makes_the_parser_raise(data: st.DataObject) -> None:
    document = copy.deepcopy(json.loads(data.draw(st.sampled_from(FILES)).read_text(encoding="utf-8")))
    for _ in range(data.draw(st.integers(1, 3))):
        _damage(document, data)
    json.dumps(explain(document))


def _damage(node: Any, data: st.DataObject) -> None:
    """Replace one value at a random depth."""
    while True:
        places = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not places:
            return
        place = data.draw(st.sampled_from(places))
        inner = node[place]
        if isinstance(inner, dict | list) and inner and data.draw(st.booleans()):
            node = inner
            continue
        node[place] = data.draw(JSON)
        return
