"""The jobs that press a button below the result of a finished job."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from mjwatch.jobs.followups import children_of, follow_up
from mjwatch.model import ButtonPress, Job, Prompt, RefusalClass, ResultKind, Source, State
from tests.helpers.button_shapes import GRID_MESSAGE, GRID_UUID, done_job, grid_buttons, single_buttons
from tests.helpers.message_shapes import a_job

NOW = 1200.0


def asked(action: str, parent: Job | None = None, text: str = "", **wish: object) -> Job:
    wanted = Prompt(text, action=action, **wish)  # type: ignore[arg-type]
    return follow_up(parent or done_job(), wanted, "childaaa", NOW)


def why(job: Job) -> str:
    assert job.state is State.REJECTED
    assert job.button_press is None
    assert job.refusal is not None
    assert job.refusal.kind is RefusalClass.USER
    assert not job.refusal.needs_human
    assert job.finished == NOW
    assert job.history[-1].event == f"rejected: {job.refusal.detail}"
    return job.refusal.detail


def then(parent: Job) -> list[Job]:
    number = count(1)
    return children_of(parent, NOW, lambda: f"child{next(number):03}")


def with_then(*names: str, parent: Job | None = None) -> Job:
    parent = parent or done_job()
    return replace(parent, prompt=replace(parent.prompt, then=names))


def test_a_follow_up_presses_the_button_of_its_parents_message() -> None:
    job = asked("U3")
    assert (job.state, job.parent, job.id) == (State.QUEUED, "parent22", "childaaa")
    assert job.button_press == ButtonPress(GRID_MESSAGE, f"MJ::JOB::upsample::3::{GRID_UUID}")
    assert job.prompt.text == "a red cat"
    assert (job.prompt.action, job.prompt.parent) == ("U3", "parent22")
    assert job.history[0].event == "accepted: U3 of job parent22"
    assert job.nonces == ()


def test_a_follow_up_inherits_from_its_parent_unless_it_says_otherwise() -> None:
    parent = done_job()
    prompt = replace(parent.prompt, label="spring", priority=5, application="niji", images=("a.png",))
    parent = replace(parent, prompt=prompt)
    job = asked("U1", parent)
    assert (job.prompt.label, job.prompt.priority, job.prompt.application) == ("spring", 5, "niji")
    assert job.source == parent.source
    assert job.prompt.images == ()
    other = Source("else.toml", "1" * 64, 5.0)
    wish = Prompt("", action="U1", label="autumn", priority=9, not_before=5000.0)
    job = follow_up(parent, wish, "childaaa", NOW, other)
    assert (job.prompt.label, job.prompt.priority, job.next_action_at, job.source) == (
        "autumn",
        9,
        5000.0,
        other,
    )


def test_the_flags_of_the_message_are_kept_for_the_press() -> None:
    parent = done_job()
    assert parent.result is not None
    job = asked("U1", replace(parent, result=replace(parent.result, flags=64)))
    assert job.button_press is not None
    assert job.button_press.flags == 64


def test_names_are_accepted_in_any_spelling_and_stored_in_one() -> None:
    assert asked("u2").prompt.action == "U2"
    assert asked("Vary (Strong)", done_job(single_buttons())).prompt.action == "vary strong"
    assert "did you mean reroll" in why(asked("rerol"))
    assert "no follow-up" in why(asked(""))


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.IN_DOUBT])
def test_an_unfinished_job_has_no_follow_ups_yet(state: State) -> None:
    job = asked("U1", a_job("parent22", state=state))
    assert f"is {state}" in why(job)
    assert job.refusal is not None
    assert "`then`" in job.refusal.advice


@pytest.mark.parametrize("state", [State.FAILED, State.REJECTED, State.CANCELLED])
def test_a_failed_job_has_no_follow_ups_at_all(state: State) -> None:
    words = why(asked("U1", a_job("parent22", state=state)))
    assert "no picture for a follow-up" in words
    assert "failed" in words if state is State.FAILED else state in words


def test_a_text_answer_has_no_follow_ups_either() -> None:
    assert "with text" in why(asked("U1", done_job(kind=ResultKind.TEXT)))


def test_a_missing_button_is_reported_with_the_buttons_that_exist() -> None:
    assert why(asked("V3", done_job(grid_buttons()[4:6]))).endswith("Its buttons: reroll, V1")
    assert "no button for `U1`" in why(asked("U1", done_job(single_buttons())))


def test_a_new_prompt_is_sent_with_actions_that_take_one() -> None:
    job = asked("V1", text="a blue dog")
    assert job.button_press is not None
    assert job.button_press.words == job.prompt.text == "a blue dog"
    assert "no new prompt" in why(asked("U1", text="a blue dog"))
    assert "no new prompt" in why(asked("upscale 2x", done_job(single_buttons("v5")), text="a blue dog"))


def test_the_old_prompt_is_not_a_new_prompt() -> None:
    job = asked("U1", text="a red cat")
    assert job.button_press is not None
    assert job.button_press.words is None


def test_a_zoom_with_a_new_prompt_uses_the_form_that_always_takes_one() -> None:
    plain, worded = (asked("zoom 2x", done_job(single_buttons()), text) for text in ("", "a blue dog"))
    assert plain.button_press is not None
    assert worded.button_press is not None
    assert (plain.button_press.custom_id, plain.button_press.form) == (
        f"MJ::Outpaint::50::1::{GRID_UUID}::SOLO",
        False,
    )
    assert (worded.button_press.custom_id, worded.button_press.form) == (f"MJ::CustomZoom::{GRID_UUID}", True)


def test_an_action_that_only_a_picture_offers_is_left_to_the_picture() -> None:
    job = asked("vary strong 3")
    assert job.state is State.QUEUED
    assert (job.prompt.action, job.prompt.then) == ("U3", ("vary strong",))
    assert job.button_press is not None
    assert job.button_press.custom_id == f"MJ::JOB::upsample::3::{GRID_UUID}"
    assert "follows U3" in job.history[-1].event
    assert asked("square").prompt.action == "U1"
    assert "U1 to U4 first" in why(asked("vary strong 3", text="a blue dog"))
    assert "U1 to U4 first" in why(asked("vary strong 3", then=("U1",)))


def of_picture(state: State, job_id: str = "picture2") -> Job:
    """Return the job of the second picture, asked for before."""
    job = follow_up(done_job(), Prompt("", action="U2"), job_id, NOW)
    result = done_job(buttons=single_buttons(), kind=ResultKind.SINGLE).result
    return replace(job, state=state, result=result if state is State.DONE else None)


@pytest.mark.parametrize("action", ["pan left 2", "vary strong 2"])
def test_a_picture_that_is_there_is_not_asked_for_again(action: str) -> None:
    earlier = [of_picture(State.DONE, "picture1"), of_picture(State.FAILED), of_picture(State.DONE)]
    job = follow_up(done_job(), Prompt("", action=action), "childaaa", NOW, None, earlier)
    assert (job.state, job.parent, job.prompt.parent) == (State.QUEUED, "picture2", "picture2")
    assert (job.prompt.action, job.prompt.then) == (action.removesuffix(" 2"), ())
    assert job.button_press is not None
    assert "upsample" not in job.button_press.custom_id
    with_text = Prompt("a blue dog", action=action, then=("U1",))
    assert follow_up(done_job(), with_text, "childaaa", NOW, None, earlier).parent == "picture2"


@pytest.mark.parametrize("state", [State.QUEUED, State.SUBMITTED, State.RUNNING])
def test_a_picture_that_is_at_work_is_not_asked_for_again(state: State) -> None:
    job = follow_up(done_job(), Prompt("", action="pan left 2"), "childaaa", NOW, None, [of_picture(state)])
    assert f"U2, which pan left 2 needs first, is {state} as job picture2" in why(job)


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED, State.REJECTED])
def test_a_picture_that_did_not_come_and_another_one_are_no_obstacle(state: State) -> None:
    earlier = [of_picture(state)]
    assert (
        follow_up(done_job(), Prompt("", action="pan left 2"), "c", NOW, None, earlier).prompt.action == "U2"
    )
    earlier = [of_picture(State.DONE)]
    assert follow_up(done_job(), Prompt("", action="pan left"), "c", NOW, None, earlier).prompt.action == "U1"
    assert follow_up(done_job(), Prompt("", action="U2"), "c", NOW, None, earlier).prompt.action == "U2"


def test_a_follow_up_of_a_blend_names_the_prompt_that_midjourney_echoed() -> None:
    parent = done_job()
    parent = replace(parent, prompt=replace(parent.prompt, text="--ar 2:3", command="blend"))
    job = asked("U1", parent)
    assert (job.prompt.text, job.prompt.command) == ("a red cat --v 7.0", "imagine")


def test_all_and_two_of_a_picture_become_six_with_the_right_lineage() -> None:
    children = then(with_then("all", "vary strong", "zoom 2x"))
    assert [job.prompt.action for job in children] == ["U1", "U2", "U3", "U4"]
    assert {job.parent for job in children} == {"parent22"}
    assert [job.prompt.then for job in children] == [("vary strong", "zoom 2x"), (), (), ()]
    first = done_job(single_buttons(), ResultKind.SINGLE)
    first = replace(first, id=children[0].id, prompt=children[0].prompt, source=children[0].source)
    grandchildren = then(first)
    assert [job.prompt.action for job in grandchildren] == ["vary strong", "zoom 2x"]
    assert {job.parent for job in grandchildren} == {children[0].id}
    assert all(job.state is State.QUEUED for job in (*children, *grandchildren))
    assert len({job.source for job in (*children, *grandchildren)}) == 1


def test_the_picture_is_made_for_its_follow_up_although_nobody_requested_it() -> None:
    children = then(with_then("zoom 2x 2", "V4", "pan left 2", "vary subtle"))
    wanted = [(job.prompt.action, job.prompt.then) for job in children]
    assert wanted == [("U2", ("zoom 2x", "pan left")), ("V4", ()), ("U1", ("vary subtle",))]


def test_a_picture_that_is_named_later_still_has_its_follow_ups() -> None:
    (child,) = then(with_then("vary strong 3", "U3"))
    assert (child.prompt.action, child.prompt.then) == ("U3", ("vary strong",))


def test_a_single_picture_does_its_follow_ups_itself() -> None:
    children = then(with_then("vary strong 3", "animate low", parent=done_job(single_buttons())))
    assert [job.button_press and job.button_press.custom_id.split("::")[2] for job in children] == [
        "high_variation",
        "animate_low",
    ]
    assert [job.prompt.then for job in children] == [(), ()]


def test_each_impossible_follow_up_is_one_rejected_job() -> None:
    good, bad, unknown = then(with_then("U1", "V1", "jump", parent=done_job(grid_buttons()[:1])))
    assert good.state is State.QUEUED
    assert "no button for `V1`" in why(bad)
    assert "no follow-up" in why(unknown)


def test_without_then_nothing_is_made() -> None:
    assert then(done_job()) == []
