"""Results that may be of several jobs: which are held, for whom, how many, and what the journal keeps."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.midjourney.matching.foreign_jobs import ForeignJob, ForeignJobs
from mjwatch.midjourney.matching.held_results import (
    MAX_HELD,
    HeldResults,
    candidates,
    contradicts,
    objection,
)
from mjwatch.midjourney.parsing.messages import read_message
from mjwatch.midjourney.parsing.parsed_message import Action, MessageKind
from mjwatch.model import ButtonPress, Prompt, State
from tests.helpers.message_shapes import UUID_A, UUID_B, a_job, progress, result, started

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.midjourney.parsing.parsed_message import ParsedMessage

ADDRESS = "https://discord.com/channels/@me/1111000000000000003"
ONE, TWO = a_job("jobone"), a_job("jobtwo")


def read(data: dict[str, Any], event: str = "MESSAGE_CREATE") -> ParsedMessage:
    return read_message(event, data)


def held_results(
    owners: dict[str, str] | None = None, foreign_jobs: ForeignJobs | None = None
) -> HeldResults:
    """``owners``: jobs of ours by the ids and uuids that they have."""

    def owner_of(
        *, job_uuid: str | None, message_id: str | None, start_id: str | None, nonce: str | None = None
    ) -> str | None:
        named = (one for one in (job_uuid, message_id, start_id) if one is not None)
        return next((owner for one in named if (owner := (owners or {}).get(one))), None)

    return HeldResults(owner_of, foreign_jobs or ForeignJobs(), ADDRESS)


def ids(held: HeldResults) -> dict[str, tuple[str, ...]]:
    return {one.message_id: one.candidates for one in held}


def test_a_result_is_held_once_with_its_link_for_all_jobs_that_it_fits() -> None:
    held = held_results()
    assert held.hold(read(result("700")), [ONE, a_job("other", "a blue dog"), TWO])
    assert held.hold(read(result("700")), [ONE])
    assert ids(held) == {"700": ("jobone", "jobtwo")}
    assert "700" in held
    (new,) = held.take_new()
    assert (new.link, new.by_ids, new.message.prompt) == (f"{ADDRESS}/700", False, "a red cat")
    assert held.take_new() == []
    assert held.get("701") is None


def test_what_is_no_jobs_result_is_not_held() -> None:
    foreign_jobs = ForeignJobs()
    foreign_jobs.add(ForeignJob("590", "a red cat", UUID_B))
    held = held_results({"701": "jobdone"}, foreign_jobs)
    assert not held.hold(read(progress("700"), "MESSAGE_UPDATE"), [ONE])
    assert not held.hold(read(started("700")), [ONE])
    assert not held.hold(read(result("700", "a blue dog")), [ONE])
    assert not held.hold(read(result("701")), [ONE])
    assert not held.hold(read(result("702", uuid=UUID_B)), [ONE])
    assert not held.hold(replace(read(result("700")), message_id=None), [ONE])
    assert ids(held) == {}


def test_jobs_whose_earlier_attempt_it_may_be_are_named_once_and_after_the_waiting_ones() -> None:
    foreign_jobs = ForeignJobs()
    for message_id, owner in (("590", "jobone"), ("591", "jobold")):
        foreign_jobs.add(ForeignJob(message_id, "a red cat", since="580", owner=owner))
    held = held_results(foreign_jobs=foreign_jobs)
    held.hold(read(result("700")), [ONE, TWO])
    assert ids(held) == {"700": ("jobone", "jobtwo", "jobold")}
    held.job_finished("jobold")
    assert ids(held) == {"700": ("jobone", "jobtwo")}
    held.hold(read(result("701")), [ONE, TWO])
    assert ids(held)["701"] == ("jobone", "jobtwo"), "a finished job has no other result"


def test_the_oldest_is_dropped_when_there_are_too_many() -> None:
    held = held_results()
    for number in range(MAX_HELD):
        held.hold(read(result(str(1000 + number))), [ONE])
    assert len(ids(held)) == MAX_HELD
    held.hold(read(result("9000")), [ONE])
    assert list(ids(held)) == [*(str(1000 + number) for number in range(1, MAX_HELD)), "9000"]
    assert len(held.take_new()) == MAX_HELD


def test_the_version_grows_with_each_change_and_with_nothing_else() -> None:
    held = held_results()
    versions = [held.version]
    steps: list[Callable[[], object]] = [
        lambda: held.hold(read(result("700")), [ONE, TWO]),
        lambda: held.hold(read(result("701")), [ONE, TWO]),
        lambda: held.job_finished("jobone"),
        lambda: held.remove("700"),
        lambda: held.dismiss(read(result("701"))),
    ]
    for step in steps:
        step()
        versions.append(held.version)
        held.hold(read(progress("702"), "MESSAGE_UPDATE"), [ONE])
        held.job_finished("other")
        held.remove("999")
        assert held.version == versions[-1]
    assert versions == sorted(set(versions))


def test_a_job_that_has_its_result_is_no_candidate_of_others() -> None:
    held = held_results()
    held.hold(read(result("700")), [ONE, TWO])
    held.hold(read(result("701")), [TWO])
    held.job_finished("jobone")
    assert ids(held) == {"700": ("jobtwo",), "701": ("jobtwo",)}
    assert not held.may_be_of(ONE)
    assert held.may_be_of(TWO)


def test_a_dismissed_result_is_forgotten_and_not_held_again() -> None:
    held = held_results()
    held.hold(read(result("700")), [ONE])
    held.dismiss(read(result("700")))
    assert ids(held) == {}
    assert held.take_new() == []
    assert not held.hold(read(result("700")), [ONE])


@pytest.mark.parametrize(("results", "still_runs"), [(["700"], False), (["700", "701"], True)])
def test_a_dismissed_result_ends_the_job_by_hand_unless_another_held_one_may_be_of_it(
    results: list[str], still_runs: bool
) -> None:
    foreign_jobs = ForeignJobs()
    foreign_jobs.note(read(started("590")))
    held = held_results(foreign_jobs=foreign_jobs)
    for message_id in results:
        assert held.hold(read(result(message_id)), [ONE])
    held.dismiss(read(result("700")))
    assert foreign_jobs.may_include(read(result("702"))) is still_runs


# ---- the journal


def upscaled(message_id: str) -> dict[str, Any]:
    data = result(message_id, nonce="77", interaction={"id": "550", "name": "imagine", "user": {"id": "9"}})
    data["content"] = "**a red cat** - Image #2 <@1111000000000000001>"
    return data


NEEDED = (
    *("kind", "action", "images", "buttons", "reply_to", "job_uuid", "nonce", "interaction_id"),
    *("image_index", "final", "user_id", "channel_id", "author_id"),
)


def test_what_the_journal_keeps_comes_back_with_all_that_later_decisions_need() -> None:
    held = held_results()
    press = ButtonPress("600", f"MJ::JOB::upsample::2::{UUID_A}")
    held.hold(read(upscaled("700")), [a_job("jobbbbbb", interaction_id="550", button_press=press)])
    held.hold(read(result("701", reply_to="600")), [ONE, TWO], by_ids=True)
    stored = held.stored()
    shown = {"link": f"{ADDRESS}/701", "prompt": "a red cat", "jobs": ["jobone", "jobtwo"], "by_ids": True}
    assert stored[1].items() >= ({"message": "701"} | shown).items()
    again = held_results()
    again.hold(read(result("800")), [ONE])
    again.load(json.loads(json.dumps(stored)))
    assert again.stored() == stored
    assert again.take_new() == []
    for before, after in zip(held, again, strict=True):
        for name in NEEDED:
            assert getattr(after.message, name) == getattr(before.message, name), name
    first = again.get("700")
    assert first is not None
    assert (first.message.kind, first.message.image_index) == (MessageKind.SINGLE, 2)
    assert not first.by_ids


def stored_as(**fields: Any) -> list[dict[str, Any]]:
    """Return what the journal has of one held result, with other values in its message."""
    held = held_results()
    held.hold(read(result("700")), [ONE])
    (stored,) = json.loads(json.dumps(held.stored()))
    return [{**stored, "fields": {**stored["fields"], **fields}}]


@pytest.mark.parametrize(
    "odd",
    [
        [None, 7, "x", {}, {"fields": None}],
        stored_as(kind="new"),
        stored_as(action="new"),
        stored_as(images=[7]),
        stored_as(images=[{"address": "x"}]),
        stored_as(buttons=7),
        stored_as(message_id=None),
    ],
)
def test_stored_results_of_another_shape_are_ignored_and_the_others_are_not(odd: list[Any]) -> None:
    held = held_results()
    held.load([*odd, *stored_as(message_id="702")])
    assert ids(held) == {"702": ("jobone",)}
    held.load(7)
    assert ids(held) == {}


def test_a_result_that_a_job_has_got_since_is_not_loaded() -> None:
    held = held_results({"700": "jobdone"})
    (other,) = stored_as(message_id="701")
    held.load([*stored_as(), {**other, "jobs": ["jobtwo", 7, None]}])
    assert ids(held) == {"701": ("jobtwo",)}


def test_an_action_is_kept() -> None:
    held = held_results()
    held.load(stored_as(action="variation"))
    (one,) = held
    assert one.message.action is Action.VARIATION


# ---- whose it may be


def test_a_job_that_an_id_names_excludes_those_that_only_fit() -> None:
    named = a_job("jobnamed", message_id="600")
    assert candidates(read(result("700", reply_to="600")), [ONE, named]) == ["jobnamed"]
    assert candidates(read(result("700")), [ONE, TWO]) == ["jobone", "jobtwo"]


def test_a_job_that_waits_for_nothing_is_no_candidate_by_its_looks() -> None:
    waiting = {State.SUBMITTING, State.SUBMITTED, State.RUNNING, State.IN_DOUBT}
    jobs = [a_job(str(state), state=state) for state in State]
    assert set(candidates(read(result("700")), jobs)) == {str(state) for state in waiting}


OTHER_REPLY = read(result("700", reply_to="650"))
STARTED = a_job("jobone", message_id="600")


def test_an_id_contradicts_the_only_attempt_and_no_more_than_that() -> None:
    assert contradicts(OTHER_REPLY, STARTED)
    assert not contradicts(OTHER_REPLY, replace(STARTED, nonces=("nonce-1", "nonce-2")))
    assert not contradicts(read(result("700", reply_to="600")), STARTED)
    assert not contradicts(read(result("700")), STARTED)
    assert not contradicts(read(result("400")), a_job()), "an older message has no id that contradicts"


@pytest.mark.parametrize(
    ("data", "job", "why"),
    [
        (progress("600"), STARTED, "does not show the pictures"),
        (result("700", reply_to="650"), STARTED, "replies to a message that is not the job's"),
        (result("700"), replace(STARTED, job_uuid=UUID_B), "job uuid is not the job's"),
        (result("400"), a_job(), "older than the job"),
        (result("600"), a_job(interaction_id="650"), "older than the job"),
        (result("400"), a_job(nonces=("nonce-1", "nonce-2")), None),
        (upscaled("700"), a_job(), "shows a single picture, which this job does not make"),
        (result("700", "a blue dog"), a_job(), None),
        (result("700"), a_job(), None),
    ],
)
def test_an_id_or_an_age_that_contradicts_outweighs_a_persons_word_and_a_changed_prompt_does_not(
    data: dict[str, Any], job: Any, why: str | None
) -> None:
    found = objection(read(data), job)
    assert (found is None) if why is None else (why in (found or ""))


def test_a_message_without_pictures_is_no_result() -> None:
    bare = replace(read(result("700")), images=())
    assert objection(bare, ONE) == "it does not show the pictures of a finished job"


def test_the_result_of_another_job_can_not_be_assigned() -> None:
    final = read(result("700", uuid=UUID_A))
    assert held_results({"700": "jobone"}).objection(final, ONE) is None
    assert held_results({"700": "jobtwo"}).objection(final, ONE) == "it is the result of job jobtwo"
    assert held_results({UUID_A: "jobtwo"}).objection(final, ONE) == "it is the result of job jobtwo"
    replying = read(result("700", reply_to="600"))
    assert held_results({"600": "jobtwo"}).objection(replying, ONE) == "it is the result of job jobtwo"
    assert held_results().objection(read(progress("700")), ONE) is not None


def test_what_is_made_of_pictures_may_have_the_ids_of_its_parent() -> None:
    press = ButtonPress("600", f"MJ::JOB::reroll::0::{UUID_A}::SOLO")
    child = a_job(
        "jobchild", parent="jobone", button_press=press, prompt=Prompt("a red cat", action="reroll")
    )
    assert held_results({UUID_A: "jobone"}).objection(read(result("700", reply_to="600")), child) is None
    shown_again = a_job("jobshow", prompt=Prompt(UUID_A, command="show"))
    assert held_results({UUID_A: "jobone"}).objection(read(result("700")), shown_again) is None
