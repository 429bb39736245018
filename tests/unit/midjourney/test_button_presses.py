"""Buttons, forms and commands that are answered in text, as the channel shows them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch import events as ev
from mjwatch.midjourney.channel import Channel
from mjwatch.midjourney.interactions import prompt_field, read_modal
from mjwatch.midjourney.parsing.components import read_switches
from mjwatch.midjourney.parsing.messages import read_message
from mjwatch.midjourney.tracker import MessageTracker
from mjwatch.model import ButtonPress, Job, Modal, Prompt, RefusalClass, ResultKind, State
from tests.helpers.button_shapes import (
    GRID_MESSAGE,
    GRID_UUID,
    done_job,
    final,
    pressed_job,
    pressed_start,
    reply,
    single,
    single_buttons,
    video,
)
from tests.helpers.message_shapes import (
    CHANNEL,
    ME,
    OTHER_USER,
    UUID_A,
    UUID_B,
    a_job,
    create,
    delete,
    message,
    progress,
    refused,
    result,
    started,
    update,
)

NIJI = "1022952195194359889"
FIELD = "MJ::RemixModal::new_prompt"
FORM = f"MJ::RemixModal::{GRID_UUID}::1::1"


def a_follower(closed: dict[str, str] | None = None) -> MessageTracker:
    known = closed or {}

    def owner_of(
        *, job_uuid: str | None, message_id: str | None, start_id: str | None, nonce: str | None = None
    ) -> str | None:
        return known.get(job_uuid or "") or known.get(message_id or "") or known.get(f"start {start_id}")

    tracker = MessageTracker(CHANNEL, owner_of)
    tracker.me = ME
    return tracker


def by_id(*jobs: Job) -> dict[str, Job]:
    return {job.id: job for job in jobs}


def wanting(command: str, text: str = "", **facts: Any) -> Job:
    return a_job(prompt=Prompt(text, command=command), **facts)


def the_result(pairs: list[tuple[str | None, ev.JobEvent]], job_id: str = "childaaa") -> Any:
    ((found, event),) = pairs
    assert found == job_id
    assert isinstance(event, ev.Finished)
    return event.result


def interaction(name: str, nonce: str = "nonce-childaaa", **data: Any) -> ev.GatewayDispatch:
    return ev.GatewayDispatch(name, {"id": "590", "nonce": nonce} | data, 1)


def form(*rows: object, **data: Any) -> ev.GatewayDispatch:
    fields = {"custom_id": FORM, "title": "Remix Prompt", "channel_id": CHANNEL, "components": list(rows)}
    return interaction("INTERACTION_MODAL_CREATE", **(fields | data))


def row(custom_id: str = FIELD, value: str | None = "a red cat") -> dict[str, Any]:
    field = {"type": 4, "custom_id": custom_id, "style": 2, "label": "New Prompt", "value": value}
    return {"type": 1, "components": [field]}


# ---- buttons


def test_a_pressed_button_is_followed_from_its_start_to_its_picture() -> None:
    tracker, job = a_follower(), pressed_job("U2")
    data = pressed_start("600", "Upscaling image #2 with", nonce="nonce-childaaa")
    assert tracker.dispatch(create(data), by_id(job)) == [("childaaa", ev.Started("600", None, None))]
    job = replace(job, state=State.RUNNING, message_id="600")
    found = the_result(tracker.dispatch(create(single("700", 2, UUID_A)), by_id(job)))
    assert (found.kind, found.matched_by, found.job_uuid) == (ResultKind.SINGLE, "button", UUID_A)
    assert found.echoed == "a red cat --v 7.0"
    assert [button.label for button in found.buttons][:2] == ["Upscale (Subtle)", "Upscale (Creative)"]
    assert tracker.dispatch(delete("600"), by_id(job)) == [("childaaa", ev.StartMessageDeleted())]


def test_a_picture_may_answer_the_press_itself() -> None:
    data = single("700", 3, UUID_A) | {"nonce": "nonce-childaaa", "flags": 64}
    found = the_result(a_follower().dispatch(create(data), by_id(pressed_job("U3"), a_job())))
    assert (found.matched_by, found.flags) == ("nonce", 64)


def test_the_cancel_button_shows_the_uuid_at_once() -> None:
    data = pressed_start("600", "Rerolling", UUID_A, "nonce-childaaa")
    pairs = a_follower().dispatch(create(data), by_id(pressed_job("reroll")))
    cancel = ButtonPress("600", f"MJ::CancelJob::ByJobid::{UUID_A}")
    assert pairs == [("childaaa", ev.Started("600", None, UUID_A, cancel))]
    one, two = (
        pressed_job("V1", job_id, job_uuid=uuid) for job_id, uuid in (("one", UUID_A), ("two", UUID_B))
    )
    data = final("700", "Variations by", UUID_B)
    assert the_result(a_follower().dispatch(create(data), by_id(one, two)), "two").matched_by == "job uuid"


def test_results_of_siblings_are_kept_until_something_distinguishes_them() -> None:
    tracker = a_follower()
    one, two = (pressed_job(action, job_id) for job_id, action in (("one", "V1"), ("two", "V2")))
    assert tracker.dispatch(create(final("700", "Variations by", UUID_A), 9), by_id(one, two)) == []
    assert tracker.unmatched.has_result_for(one)
    assert not tracker.unmatched.has_result_for(pressed_job("zoom 2x", parent=done_job(single_buttons())))
    assert tracker.next_matched(by_id(one, two)) is None
    matched = tracker.next_matched(by_id(replace(one, job_uuid=UUID_B), two))
    assert matched is not None
    assert the_result(matched[1], "two").job_uuid == UUID_A


def test_pictures_are_distinguished_by_their_number() -> None:
    jobs = by_id(*(pressed_job(f"U{n}", f"child{n}") for n in range(1, 5)))
    for number in (3, 1, 4, 2):
        data = single(f"70{number}", number, f"dddddddd-0000-4000-8000-00000000000{number}")
        assert the_result(a_follower().dispatch(create(data), jobs), f"child{number}").matched_by == "button"


def test_a_changed_grid_with_a_used_button_is_no_result() -> None:
    grid = result(GRID_MESSAGE, uuid=GRID_UUID)
    assert a_follower().dispatch(update(grid), by_id(pressed_job("V1"), a_job())) == []


def test_a_job_that_ends_in_the_message_in_which_it_began_has_ended() -> None:
    job = pressed_job("U2", message_id="700", state=State.RUNNING)
    found = the_result(a_follower().dispatch(update(single("700", 2, UUID_A)), by_id(job)))
    assert (found.matched_by, found.kind) == ("message", ResultKind.SINGLE)


def test_a_video_is_a_result_of_its_own_kind() -> None:
    job = pressed_job("animate high", parent=done_job(single_buttons()))
    found = the_result(a_follower().dispatch(create(video("700", UUID_A)), by_id(job)))
    assert found.kind is ResultKind.VIDEO
    job = a_job(text="https://pics.example/a.png a cat --video 1", message_id="600")
    data = video("700", UUID_A, "600")
    assert the_result(a_follower().dispatch(create(data), by_id(job)), "jobaaaaa").kind is ResultKind.VIDEO
    assert a_follower().dispatch(create(video("700", UUID_A, "600")), by_id(a_job(message_id="600"))) == []


def test_what_a_message_says_counts_less_than_the_nonce_on_it() -> None:
    job = pressed_job("zoom 2x", parent=done_job(single_buttons()))
    data = pressed_start("600", "Rerolling", nonce="nonce-childaaa")
    assert a_follower().dispatch(create(data), by_id(job)) == [("childaaa", ev.Started("600", None, None))]
    data = final("700", "Redrawn by", UUID_A) | {"nonce": "nonce-childaaa"}
    assert the_result(a_follower().dispatch(create(data), by_id(job))).matched_by == "nonce"


def test_a_reroll_of_a_finished_grid_is_not_the_result_of_an_equal_prompt() -> None:
    job = a_job(anchor="500")
    data = final("700", "", UUID_A)
    assert a_follower({GRID_MESSAGE: "closed"}).dispatch(create(data), by_id(job)) == []
    open_parent = replace(done_job(state=State.COLLECTING), prompt=Prompt("a red cat"))
    assert a_follower().dispatch(create(data), by_id(job, open_parent)) == []


def test_another_persons_picture_of_our_grid_is_not_ours() -> None:
    data = single("700", 2, UUID_A)
    data |= {"content": data["content"].replace(ME, OTHER_USER)}
    assert a_follower().dispatch(create(data), by_id(pressed_job("U2"))) == []


def test_a_picture_under_its_grids_own_uuid_is_the_follow_ups() -> None:
    closed = {GRID_UUID: "parent22", GRID_MESSAGE: "parent22"}
    data = single("700", 2, GRID_UUID)
    assert the_result(a_follower(closed).dispatch(create(data), by_id(pressed_job("U2")))).message_id == "700"
    again = a_follower(closed | {"700": "sibling1"})
    assert the_result(again.dispatch(create(data), by_id(pressed_job("U2"))), "sibling1").message_id == "700"


def test_a_late_result_of_a_closed_follow_up_goes_to_it_and_not_to_its_sibling() -> None:
    tracker = a_follower({UUID_A: "sibling1"})
    pairs = tracker.dispatch(create(final("700", "Variations by", UUID_A)), by_id(pressed_job("V2")))
    assert the_result(pairs, "sibling1").job_uuid == UUID_A


def test_a_follow_up_cancelled_in_doubt_still_may_own_what_looks_like_its_sibling() -> None:
    tracker = a_follower()
    tracker.remember_attempt(pressed_job("V1", "sibling1"))
    data = create(final("700", "Variations by", UUID_A))
    assert tracker.dispatch(data, by_id(pressed_job("V2"))) == []
    assert len(tracker.unmatched) == 1


def test_the_niji_bot_does_not_answer_for_the_other_and_not_the_other_for_it() -> None:
    job = a_job(prompt=Prompt("a red cat", application="niji"))
    assert a_follower().dispatch(create(result("700")), by_id(job)) == []
    niji = result("700") | {"author": {"id": NIJI, "username": "niji", "bot": True}}
    assert the_result(a_follower().dispatch(create(niji), by_id(job)), "jobaaaaa").matched_by == "text"


def test_only_its_uuid_distinguishes_a_follow_up_from_its_duplicates() -> None:
    channel = Channel(CHANNEL, lambda **ids: None, 60.0)
    channel.tracker.references_seen = True
    assert channel.tells_apart(a_job(message_id="600"))
    assert not channel.tells_apart(pressed_job("V1", message_id="600"))
    assert channel.tells_apart(pressed_job("V1", job_uuid=UUID_A))


def test_a_picture_that_a_person_asks_for_meanwhile_does_not_hold_up_another() -> None:
    tracker = a_follower()
    by_hand = pressed_start("600", "Upscaling image #1 with", nonce="77")
    assert tracker.dispatch(create(by_hand), by_id(pressed_job("U2"))) == []
    tracker.foreign_jobs.load(json.loads(json.dumps(tracker.foreign_jobs.stored())))
    assert tracker.dispatch(create(single("700", 1, UUID_B)), by_id(pressed_job("U1"))) == []
    found = the_result(tracker.dispatch(create(single("701", 2, UUID_A)), by_id(pressed_job("U2"))))
    assert found.job_uuid == UUID_A


# ---- notices about them


def test_a_follow_up_that_has_to_wait_is_started_by_the_message_that_says_what_it_does() -> None:
    embed = {"type": "rich", "title": "Job queued", "color": 16239475}
    data = message("600", "", embeds=[embed], flags=64, nonce="nonce-childaaa")
    job = pressed_job("V2")
    assert a_follower().dispatch(create(data), by_id(job)) == [("childaaa", ev.QueuedByBot())]
    queued = replace(job, queued_by_bot=True)
    start = pressed_start("700", "Making variations for image #2 with prompt", UUID_A)
    assert a_follower().dispatch(create(start), by_id(job)) == []
    assert a_follower().dispatch(create(start), by_id(queued)) == [
        (
            "childaaa",
            ev.Started(
                "700", None, UUID_A, ButtonPress("700", f"MJ::CancelJob::ByJobid::{UUID_A}"), by_looks=True
            ),
        )
    ]
    other = pressed_start("700", "Making variations for image #3 with prompt")
    assert a_follower().dispatch(create(other), by_id(queued)) == []


def test_a_job_that_had_to_wait_is_bound_by_its_interaction_before_all_else() -> None:
    one, two = (
        a_job(name, queued_by_bot=True, interaction_id=str(n)) for n, name in ((600, "one"), (601, "two"))
    )
    data = started("700") | {"interaction_metadata": {"id": "601", "type": 2, "name": "imagine"}}
    pairs = a_follower().dispatch(create(data), by_id(one, two))
    assert pairs == [("two", ev.Started("700", "601", None))]
    assert a_follower().dispatch(create(started("700")), by_id(one, two)) == []


@pytest.mark.parametrize("fields", [{"nonce": "nonce-childaaa"}, {"interaction": {"id": "590", "type": 3}}])
def test_a_refused_press_is_known_by_its_ids(fields: dict[str, Any]) -> None:
    data = refused("600", "Slow Down!", prompt="something else") | fields
    pairs = a_follower().dispatch(create(data), by_id(pressed_job("U1", interaction_id="590"), a_job()))
    ((job_id, event),) = pairs
    assert job_id == "childaaa"
    assert isinstance(event, ev.Refused)
    assert event.refusal.kind is RefusalClass.RETRY


def test_a_refusal_without_ids_raises_a_doubt_unless_it_replies_to_the_start() -> None:
    embed = {"type": "rich", "title": "Job action restricted", "description": "No.", "color": 16711680}
    job, sibling = pressed_job("V1"), pressed_job("V2", "sibling1")
    by_button = reply("700", "", embeds=[embed])
    by_start = reply("700", "", "600", embeds=[embed])
    by_prompt = refused("700", "Banned prompt")
    for data, one, kind in (
        (by_start, replace(job, message_id="600"), ev.Refused),
        (by_button, job, ev.InteractionFailed),
        (by_prompt, job, ev.InteractionFailed),
    ):
        ((job_id, event),) = a_follower().dispatch(create(data), by_id(one, a_job(text="a blue dog")))
        assert (job_id, type(event)) == ("childaaa", kind)
    assert a_follower().dispatch(create(by_button), by_id(job, sibling)) == []
    assert a_follower().dispatch(create(by_prompt), by_id(job, a_job())) == []


# ---- forms


def test_a_form_is_read_with_its_fields() -> None:
    pairs = a_follower().dispatch(form(row()), by_id(pressed_job("V1")))
    assert pairs == [("childaaa", ev.ModalOpened(Modal("590", FORM, ((FIELD, "a red cat"),))))]


def test_fields_are_found_in_labels_too_and_without_a_value_they_are_empty() -> None:
    label = {"type": 18, "label": "New Prompt", "component": row(value=None)["components"][0]}
    modal = read_modal(form({"type": 10, "content": "Remix"}, label).data)
    assert modal is not None
    assert modal.fields == ((FIELD, ""),)
    assert prompt_field(modal) == FIELD


@pytest.mark.parametrize(
    "data", [{}, {"id": "1"}, {"custom_id": "x"}, {"id": [], "custom_id": 3}, {"id": "1", "custom_id": ""}]
)
def test_a_form_without_its_ids_is_none(data: dict[str, Any]) -> None:
    assert read_modal(data) is None


@pytest.mark.parametrize("components", [None, 3, [], [{"type": 4}], [{"type": 1, "components": [7]}]])
def test_a_form_that_can_not_be_filled_in_fails_the_job_with_its_title(components: object) -> None:
    ((_, event),) = a_follower().dispatch(form(components=components), by_id(pressed_job("V1")))
    assert isinstance(event, ev.Refused)
    assert "Remix Prompt" in event.refusal.detail
    assert not event.refusal.needs_human


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["type", "custom_id", "value", "components", "component", "options", "label", "style"]
            ),
            inner | st.sampled_from([1, 2, 3, 4, 18, "MJ::Settings::A", FIELD]),
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(_JSON, _JSON, _JSON)
def test_no_form_and_no_settings_stop_the_parser(
    components: object, custom_id: object, title: object
) -> None:
    data = {"components": components, "custom_id": custom_id, "title": title}
    pairs = a_follower().dispatch(form(**data), by_id(pressed_job("V1")))
    assert [type(event) for _, event in pairs] in ([ev.ModalOpened], [ev.Refused])
    assert isinstance(read_switches(components), str)


def test_a_form_that_answers_a_command_is_not_filled_in() -> None:
    ((_, event),) = a_follower().dispatch(form(row(), nonce="nonce-jobaaaaa"), by_id(a_job()))
    assert isinstance(event, ev.Refused)


def test_a_form_for_another_attempt_or_nobody_is_ignored() -> None:
    job = pressed_job("V1", nonces=("nonce-childaaa", "nonce-later"))
    assert a_follower().dispatch(form(row()), by_id(job)) == []
    assert a_follower().dispatch(form(row(), nonce="77"), by_id(job)) == []


@pytest.mark.parametrize("name", ["INTERACTION_SUCCESS", "INTERACTION_CREATE", "INTERACTION_FAILURE"])
def test_what_follows_the_form_of_the_same_press_says_nothing_new(name: str) -> None:
    opened = pressed_job("V1", state=State.QUEUED, modal=Modal("590", FORM, ((FIELD, "x"),)))
    assert a_follower().dispatch(interaction(name), by_id(opened)) == []
    assert a_follower().dispatch(form(row()), by_id(opened)) == []
    sent = replace(opened, state=State.SUBMITTED, nonces=("nonce-childaaa", "nonce-form"))
    assert a_follower().dispatch(interaction(name), by_id(sent)) == []
    ((_, event),) = a_follower().dispatch(interaction("INTERACTION_CREATE", "nonce-form"), by_id(sent))
    assert event == ev.InteractionSeen("590")


# ---- answers in text


def asked(command: str, **fields: Any) -> dict[str, Any]:
    return {"interaction": {"id": "550", "type": 2, "name": command, "user": {"id": ME}}} | fields


def test_describe_is_answered_by_a_change_of_its_first_message() -> None:
    tracker, job = a_follower(), wanting("describe", "https://pics.example/a.png")
    first = message("600", "", nonce="nonce-jobaaaaa", **asked("describe"))
    assert tracker.dispatch(create(first), by_id(job)) == [("jobaaaaa", ev.Started("600", "550", None))]
    job = replace(job, message_id="600", state=State.RUNNING)
    words = "1\ufe0f\u20e3 a cat\n\n2\ufe0f\u20e3 a kitten"
    button = {"type": 2, "style": 2, "custom_id": "MJ::Job::PicReader::1", "label": "1"}
    answer = message("600", "", embeds=[{"type": "rich", "description": words}])
    answer["components"] = [{"type": 1, "components": [button]}]
    del answer["author"]
    found = the_result(tracker.dispatch(update(answer), by_id(job)), "jobaaaaa")
    assert (found.kind, found.text, found.pictures, found.matched_by) == (
        ResultKind.TEXT,
        words,
        (),
        "message",
    )
    assert a_follower().dispatch(update(answer), by_id(a_job(message_id="601", state=State.RUNNING))) == []


def test_shorten_and_info_are_answered_in_text() -> None:
    for command, embed in (
        (
            "shorten",
            {"description": "**Important tokens**\na cat\n\n**Shortened prompts**\n1\ufe0f\u20e3 cat"},
        ),
        (
            "info",
            {"title": "Your info - me", "description": "**Fast Time Remaining**: 3.50/15.0 hours (23.33%)"},
        ),
    ):
        embeds = [{"type": "rich"} | embed]
        data = message("600", "", embeds=embeds, flags=64, **asked(command, nonce="nonce-jobaaaaa"))
        found = the_result(a_follower().dispatch(create(data), by_id(wanting(command, "a cat"))), "jobaaaaa")
        assert (found.kind, found.text, found.flags) == (ResultKind.TEXT, embed["description"], 64)


def test_the_answer_to_settings_says_what_is_on() -> None:
    buttons = [
        {"type": 2, "style": 3, "custom_id": "MJ::Settings::Fast", "label": "Fast mode"},
        {"type": 2, "style": 2, "custom_id": "MJ::Settings::Remix", "label": "Remix mode"},
        {"type": 2, "style": 2, "custom_id": "MJ::Settings::Raw::1"},
    ]
    options = [{"label": "V7", "value": "7", "default": True}, {"label": "V6", "value": "6"}]
    menu = {"type": 3, "custom_id": "MJ::Settings::VersionSelector", "options": options}
    data = message("600", "Adjust your settings here.", flags=64, nonce="nonce-jobaaaaa")
    data["components"] = [{"type": 1, "components": [menu]}, {"type": 1, "components": buttons}]
    found = the_result(a_follower().dispatch(create(data), by_id(wanting("settings"))), "jobaaaaa")
    assert found.text == (
        "Adjust your settings here.\n\nVersionSelector: V7\nFast mode: on\nRemix mode: off\nRaw: off"
    )


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("relax", "Done! Your jobs now do not consume fast-hours, but might take a little longer."),
        ("prefer remix", "Remix mode turned on! Click a variation button to change the prompt."),
    ],
)
def test_account_settings_are_acknowledged(command: str, words: str) -> None:
    first = message("600", "", flags=192, nonce="nonce-jobaaaaa", **asked(command))
    job = wanting(command)
    assert a_follower().dispatch(create(first), by_id(job)) == [("jobaaaaa", ev.Started("600", "550", None))]
    job = replace(job, message_id="600", state=State.RUNNING)
    found = the_result(a_follower().dispatch(update(message("600", words, flags=64)), by_id(job)), "jobaaaaa")
    assert (found.kind, found.text) == (ResultKind.TEXT, words)


def test_a_notice_is_no_answer_to_a_prompt() -> None:
    data = message("600", "Done! You are in fast mode.", nonce="nonce-jobaaaaa")
    assert a_follower().dispatch(create(data), by_id(a_job())) == []


def test_show_brings_a_result_under_the_uuid_that_was_asked_for() -> None:
    closed = {UUID_A: "closed", "520": "closed"}
    job = wanting("show", UUID_A)
    for data in (result("700", uuid=UUID_A), single("700", 2, UUID_A)):
        assert (
            the_result(a_follower(closed).dispatch(create(data), by_id(job)), "jobaaaaa").message_id == "700"
        )
    replayed = create(result("520", uuid=UUID_A))
    assert the_result(a_follower(closed).dispatch(replayed, by_id(job)), "closed").message_id == "520"
    assert a_follower().dispatch(create(result("700", uuid=UUID_B)), by_id(job)) == []


def test_a_command_does_not_take_what_answers_another() -> None:
    data = refused("600", "Invalid prompt", prompt="a red cat")
    assert a_follower().dispatch(create(data), by_id(wanting("shorten", "a red cat"))) == []
    pairs = a_follower().dispatch(create(data), by_id(wanting("shorten", "a red cat"), a_job("jobone")))
    assert [job_id for job_id, _ in pairs] == ["jobone"]


def test_a_blend_is_known_by_its_links_alone() -> None:
    links = "<https://s.mj.run/a> <https://s.mj.run/b> --ar 2:3 --v 5.1"
    job = wanting("blend", "--ar 2:3")
    found = the_result(a_follower().dispatch(create(result("700", prompt=links)), by_id(job)), "jobaaaaa")
    assert (found.matched_by, found.kind) == ("text", ResultKind.GRID)
    assert a_follower().dispatch(create(result("700")), by_id(job)) == []
    prompt_of_links = a_job("jobone", text="https://pics.example/a.png https://pics.example/b.png --ar 2:3")
    assert a_follower().dispatch(create(result("700", prompt=links)), by_id(job, prompt_of_links)) == []


def test_progress_of_a_press_whose_start_was_missed_is_not_a_foreign_job() -> None:
    tracker, job = a_follower(), pressed_job("V1")
    running = progress("600") | {"message_reference": {"message_id": GRID_MESSAGE}}
    running |= {"content": f"**a red cat** - Variations by <@{ME}> (35%) (fast)"}
    assert tracker.dispatch(update(running), by_id(job)) == []
    assert len(tracker.foreign_jobs) == 0
    assert tracker.dispatch(update(running), {}) == []
    assert len(tracker.foreign_jobs) == 1
    assert not tracker.foreign_jobs.may_include(read_message("MESSAGE_CREATE", result("700")))
