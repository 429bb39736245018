"""Messages that are incomplete, of odd types, or of unknown shapes, followed through whole jobs."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mjwatch import events as ev
from mjwatch.jobs.state_machine import step
from mjwatch.midjourney.channel import Channel
from mjwatch.midjourney.parsing.messages import read_message
from mjwatch.midjourney.parsing.parsed_message import MessageKind
from mjwatch.midjourney.tracker import MessageTracker
from mjwatch.model import Job, Prompt, State
from tests.helpers.examples import examples
from tests.helpers.message_shapes import (
    BOT,
    CHANNEL,
    ME,
    OTHER_USER,
    UUID_A,
    UUID_B,
    a_job,
    create,
    message,
    progress,
    refused,
    result,
    started,
    update,
)

PART = {"id": "600", "channel_id": CHANNEL}
"""What a partial update always has."""


def a_follower(application_id: str | None = None) -> MessageTracker:
    tracker = MessageTracker(CHANNEL, lambda **ids: None, application_id)
    tracker.me = ME
    return tracker


def running(command: str = "imagine", job_id: str = "jobaaaaa", message_id: str = "600") -> dict[str, Job]:
    prompt = Prompt("a red cat", command=command)
    return {job_id: a_job(job_id, prompt=prompt, message_id=message_id, state=State.RUNNING)}


def events_of(*events: ev.GatewayDispatch, jobs: dict[str, Job]) -> list[tuple[str | None, ev.JobEvent]]:
    tracker = a_follower()
    return [pair for event in events for pair in tracker.dispatch(event, jobs)]


# Ids


@pytest.mark.parametrize(
    "odd", ["abc", "²", "٣", "9" * 5000, "600.0", " 600", "", -3, 2**70, 1.5, True, None, [], {}]
)
def test_what_is_no_id_is_as_if_it_were_not_there(odd: object) -> None:
    tracker, jobs = a_follower(), {job.id: job for job in (a_job(), a_job("jobtwo"))}
    for made in (result("700") | {"id": odd}, started("700") | {"id": odd}):
        assert read_message("MESSAGE_CREATE", made).message_id is None
        assert tracker.dispatch(create(made), jobs) == []
        assert tracker.unmatched.safe_newest("5") in {"5", "-1"}
        tracker.history([made], jobs)
        tracker.next_matched(jobs)
    reply = result("700") | {"message_reference": {"message_id": odd}}
    assert read_message("MESSAGE_CREATE", reply).reply_to is None
    tracker.dispatch(create(reply), jobs)


def test_ids_that_come_as_numbers_are_the_same_ids() -> None:
    final = result("700", reply_to="600")
    final |= {"id": 700, "channel_id": int(CHANNEL), "author": {"id": int(BOT)}}
    final["message_reference"]["message_id"] = 600
    assert a_follower().wanted("MESSAGE_CREATE", final)
    ((job_id, event),) = events_of(create(final), jobs=running())
    assert job_id == "jobaaaaa"
    assert isinstance(event, ev.Finished)
    assert (event.result.message_id, event.result.matched_by) == ("700", "reference")


@pytest.mark.parametrize("last", [601, "601", "9" * 5000, None])
def test_a_passive_update_is_understood_in_numbers_too(last: object) -> None:
    tracker = a_follower()
    tracker.note_newest("600")
    data = {"updated_channels": [{"id": int(CHANNEL), "last_message_id": last}]}
    missed = tracker.missed_something(ev.GatewayDispatch("PASSIVE_UPDATE_V2", data, 1))
    assert missed == (last in {601, "601"})


# What is only a part


def test_buttons_without_a_picture_are_no_result() -> None:
    bare = result("700", reply_to="600") | {"attachments": []}
    for made in (bare, bare | {"attachments": None}, bare | {"attachments": [{"filename": "a.png"}]}):
        assert events_of(create(made), jobs=running()) == []
    whole = result("700", reply_to="600")
    pending = {"type": 12, "items": [{"media": {"url": "attachment://grid.webp", "width": 2048}}]}
    assert events_of(create(bare | {"components": [pending, *whole["components"]]}), jobs=running()) == []
    ((_, event),) = events_of(create(bare), create(whole), jobs=running())
    assert isinstance(event, ev.Finished)


def test_a_gallery_of_four_is_four_pictures_without_the_thumbnail_beside_it() -> None:
    def medium(name: str) -> dict[str, Any]:
        return {"media": {"url": f"https://cdn.discordapp.com/attachments/1/2/{name}.webp?ex=1"}}

    gallery = {"type": 12, "items": [medium(f"{n}_{UUID_A}") for n in range(1, 5)]}
    section = {"type": 9, "components": [], "accessory": {"type": 11, **medium("badge")}}
    whole = result("700")
    components = [{"type": 17, "components": [section, gallery]}, *whole["components"]]
    parsed = read_message("MESSAGE_CREATE", whole | {"attachments": [], "components": components})
    assert [image.filename[:2] for image in parsed.images] == ["1_", "2_", "3_", "4_"]
    assert parsed.kind is MessageKind.RESULT


def test_an_attached_file_that_is_no_picture_is_not_one_of_the_results_pictures() -> None:
    whole = result("700")
    notes = {"id": "9", "filename": "notes.txt", "url": "https://cdn.discordapp.com/a/notes.txt"}
    both = whole["attachments"] + [notes | {"content_type": "text/plain; charset=utf-8"}]
    parsed = read_message("MESSAGE_CREATE", whole | {"attachments": both})
    assert [image.width for image in parsed.images] == [2048]


@pytest.mark.parametrize("status", ["(93%)", "(100%)", "(Waiting to start)", "(paused)"])
def test_a_message_that_says_that_it_is_running_is_no_result_whatever_its_buttons(status: str) -> None:
    said = {"content": f"**a red cat** - <@{ME}> {status} (fast)"}
    parsed = read_message("MESSAGE_CREATE", result("700") | said)
    assert parsed.kind in {MessageKind.PROGRESS, MessageKind.STARTED}
    assert not parsed.final
    assert events_of(create(result("700", reply_to="600") | said), jobs=running()) == []


def test_a_part_of_the_start_message_is_no_result_but_the_whole_of_it_may_be() -> None:
    buttons = PART | {"components": result("600")["components"]}
    assert events_of(update(buttons), jobs=running()) == [("jobaaaaa", ev.Progressed(None, UUID_A))]
    ((_, event),) = events_of(update(result("600")), jobs=running())
    assert isinstance(event, ev.Finished)


def test_a_preview_alone_shows_the_job_uuid() -> None:
    preview = PART | {"attachments": progress("600", uuid=UUID_A)["attachments"]}
    assert events_of(update(preview), jobs=running()) == [("jobaaaaa", ev.Progressed(None, UUID_A))]
    assert events_of(update(preview | {"id": "601"}), jobs=running()) == []
    assert events_of(update(preview | {"author": {"id": OTHER_USER}}), jobs=running()) == []


def test_a_refusal_alone_refuses_the_job_whose_message_it_changes() -> None:
    embed = {"type": "rich", "title": "Request cancelled due to image filters", "color": 16711680}
    ((job_id, event),) = events_of(update(PART | {"embeds": [embed]}), jobs=running())
    assert job_id == "jobaaaaa"
    assert isinstance(event, ev.Refused)
    assert events_of(update(PART | {"id": "601", "embeds": [embed]}), jobs=running()) == []


@pytest.mark.parametrize(
    ("command", "embed"),
    [
        ("info", {"title": "Your info - tern", "description": "**Subscription**: Pro"}),
        (
            "describe",
            {"description": "1\ufe0f\u20e3 a\n\n2\ufe0f\u20e3 b\n\n3\ufe0f\u20e3 c\n\n4\ufe0f\u20e3 d"},
        ),
        ("describe", {"description": "1\u20e3 a\n\n2\u20e3 b"}),
        ("shorten", {"description": "## Important tokens\nx\n## Shortened prompts\n1\ufe0f\u20e3 a"}),
        ("shorten", {"description": "**Important tokens**\nx\n\n**Shortened prompts**\n1\ufe0f\u20e3 a"}),
    ],
)
def test_an_answer_in_text_needs_neither_author_nor_buttons(command: str, embed: dict[str, Any]) -> None:
    ((_, event),) = events_of(update(PART | {"embeds": [embed]}), jobs=running(command))
    assert isinstance(event, ev.Finished)
    assert event.result.text == embed["description"]


@pytest.mark.parametrize("command", ["fast", "settings", "prefer remix", "describe", "shorten"])
def test_an_update_that_says_nothing_is_no_answer(command: str) -> None:
    empty = PART | {"author": {"id": BOT}, "flags": 64, "content": "", "embeds": [], "components": []}
    assert events_of(update(empty), update(empty | {"embeds": None}), jobs=running(command)) == []


def test_an_empty_answer_is_a_start_though_the_interaction_is_left_out() -> None:
    made = message("600", "", nonce="nonce-jobaaaaa", application_id=BOT)
    assert events_of(create(made), jobs={"jobaaaaa": a_job()}) == [
        ("jobaaaaa", ev.Started("600", None, None))
    ]


# Whose it is


def test_a_deletion_in_bulk_is_an_event_for_every_job_in_it() -> None:
    jobs = running() | running(job_id="jobtwo", message_id="601")
    bulk = {"ids": ["601", "599", 600], "channel_id": CHANNEL}
    pairs = events_of(ev.GatewayDispatch("MESSAGE_DELETE_BULK", bulk, 1), jobs=jobs)
    assert pairs == [("jobtwo", ev.StartMessageDeleted()), ("jobaaaaa", ev.StartMessageDeleted())]


def test_what_stops_somebody_elses_account_does_not_stop_ours() -> None:
    theirs = refused("650", "Credits exhausted", nonce="77")
    theirs["interaction"]["user"]["id"] = OTHER_USER
    assert events_of(create(theirs), jobs=running()) == []
    mine = refused("650", "Credits exhausted", nonce="77")
    ((job_id, event),) = events_of(create(mine), jobs=running())
    assert job_id is None
    assert isinstance(event, ev.Refused)


def test_a_session_without_a_user_still_gets_its_messages() -> None:
    channel = Channel(CHANNEL, lambda **ids: None, 60.0)
    jobs = running()
    for name, me in (("session", ""), ("later", ME), ("last", "")):
        channel.ready(ev.GatewayReady(name, "wss://example.org", me, "", frozenset(), frozenset(), 1), 10.0)
        ((_, event),) = channel.tracker.dispatch(create(result("700", reply_to="600")), jobs)
        assert isinstance(event, ev.Finished)
    theirs = create(result("701", reply_to="600", who=OTHER_USER))
    assert channel.tracker.dispatch(theirs, jobs) == [], "whose it is was known before"


@pytest.mark.parametrize("field", [{"user": {"id": OTHER_USER}}, {"user_id": OTHER_USER}])
def test_who_gave_the_command_is_known_in_both_forms(field: dict[str, Any]) -> None:
    made = message("600", "", flags=64, nonce="77", interaction_metadata={"id": "800", "type": 2} | field)
    assert read_message("MESSAGE_CREATE", made).invoker_id == OTHER_USER


def test_a_forwarded_message_is_no_reply() -> None:
    forwarded = result("700", reply_to="600")
    forwarded["message_reference"]["type"] = 1
    assert read_message("MESSAGE_CREATE", forwarded).reply_to is None


def test_a_failure_without_nonce_is_known_by_its_interaction() -> None:
    failure = ev.GatewayDispatch("INTERACTION_FAILURE", {"id": "800", "nonce": None, "reason_code": 2}, 1)
    ((job_id, event),) = events_of(failure, jobs={"jobaaaaa": a_job(interaction_id="800")})
    assert job_id == "jobaaaaa"
    assert isinstance(event, ev.InteractionFailed)
    assert events_of(failure, jobs={"jobaaaaa": a_job(interaction_id="801")}) == []


def test_the_configured_application_is_heard_too() -> None:
    other = "1399887766554488888"
    final = result("700", reply_to="600") | {"author": {"id": other, "bot": True}}
    assert a_follower().dispatch(create(final), running()) == []
    ((_, event),) = a_follower(other).dispatch(create(final), running())
    assert isinstance(event, ev.Finished)


# What may come yet


@pytest.mark.parametrize("verb", ["retexture", "upscale_v9_8x", "edit_v8"])
def test_a_picture_with_buttons_of_its_job_that_nobody_has_met_is_a_single_result(verb: str) -> None:
    buttons = [{"type": 2, "style": 2, "label": "New", "custom_id": f"MJ::JOB::{verb}::1::{UUID_A}::SOLO"}]
    made = result("700") | {"components": [{"type": 1, "components": buttons}]}
    assert read_message("MESSAGE_CREATE", made).kind is MessageKind.SINGLE
    at_work = progress("600", uuid=UUID_A) | {"components": made["components"]}
    assert read_message("MESSAGE_UPDATE", at_work).kind is MessageKind.PROGRESS


@pytest.mark.parametrize("verb", ["cancel", "stop_job", "pause"])
def test_a_new_button_that_stops_a_job_shows_none_that_has_ended(verb: str) -> None:
    buttons = [{"type": 2, "style": 4, "custom_id": f"MJ::JOB::{verb}::1::{UUID_A}::SOLO"}]
    made = progress("600", uuid=UUID_A) | {"content": f"**a red cat** - <@{ME}> (fast)"}
    made["components"] = [{"type": 1, "components": buttons}]
    assert not read_message("MESSAGE_CREATE", made).final


# Whole jobs under damage

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)


def the_dispatches() -> list[ev.GatewayDispatch]:
    """Return the dispatches of one job, from its interaction to the deletion of its start message."""
    said = {"id": "800", "nonce": "nonce-jobaaaaa"}
    final = result("700", reply_to="600")
    return [
        ev.GatewayDispatch("INTERACTION_CREATE", dict(said), 1),
        create(started("600", nonce="nonce-jobaaaaa"), 2),
        ev.GatewayDispatch("INTERACTION_SUCCESS", dict(said), 3),
        update(progress("600", percent=0), 4),
        update(progress("600", uuid=UUID_A, percent=46), 5),
        create(final, 6),
        ev.GatewayDispatch("MESSAGE_DELETE", dict(PART), 7),
        update(final, 8),
    ]


@settings(max_examples=examples(300))
@given(st.data())
def test_no_damage_on_the_way_gives_a_job_what_is_not_its_own(data: st.DataObject) -> None:
    dispatches = the_dispatches()
    for _ in range(data.draw(st.integers(1, 4))):
        _damage(data.draw(st.sampled_from(dispatches)).data, data)
    order = data.draw(st.permutations(dispatches)) if data.draw(st.booleans()) else dispatches
    twice = [one for one in order for _ in range(data.draw(st.integers(0, 2)))]
    tracker = a_follower()
    jobs = {job.id: job for job in (a_job(), a_job("jobblue", "a blue dog", job_uuid=UUID_B))}
    for event in twice:
        for job_id, told_event in tracker.dispatch(copy.deepcopy(event), jobs):
            assert job_id != "jobblue"
            if isinstance(told_event, ev.Finished):
                assert told_event.result.pictures
                assert told_event.result.job_uuid in {UUID_A, None}
            if job_id is not None:
                jobs[job_id], _ = step(jobs[job_id], told_event, 1000.0)
        while (again := tracker.next_matched(jobs)) is not None:
            tracker.release(again[0])
    assert jobs["jobblue"].state is State.SUBMITTED
    tracker.history([one.data for one in twice if one.name.startswith("MESSAGE")], jobs)


def _damage(node: Any, data: st.DataObject) -> None:
    """Remove, empty, double or replace one value at a random depth."""
    while node:
        place = data.draw(st.sampled_from(list(node) if isinstance(node, dict) else list(range(len(node)))))
        inner = node[place]
        if isinstance(inner, dict | list) and inner and data.draw(st.booleans()):
            node = inner
            continue
        how = data.draw(st.sampled_from(["drop", "null", "wrap", "any"]))
        if how == "drop":
            del node[place]
        else:
            node[place] = {"null": None, "wrap": [inner]}.get(how) if how != "any" else data.draw(JSON)
        return
