"""Which job a message belongs to.

These tests have caught: a job that is not excluded by a different uuid or reference, or by a message that is
older; the first of two equal jobs being chosen; a job of somebody else, or one started by hand, taken for
ours; the first of two results in the history being chosen.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.midjourney.matching.foreign_jobs import ForeignJobs
from mjwatch.midjourney.matching.matcher import AmbiguousMatch, Match, match, match_history
from mjwatch.midjourney.parsing.messages import read_message
from mjwatch.model import State
from tests.helpers.message_shapes import (
    ME,
    OTHER_USER,
    UUID_A,
    UUID_B,
    a_job,
    message,
    progress,
    refused,
    result,
    started,
)

if TYPE_CHECKING:
    from mjwatch.midjourney.parsing.parsed_message import ParsedMessage


def read(data: dict[str, Any], event: str = "MESSAGE_CREATE") -> ParsedMessage:
    return read_message(event, data)


def found(
    parsed: ParsedMessage, *jobs: Any, foreign_jobs: ForeignJobs | None = None
) -> Match | AmbiguousMatch | None:
    return match(parsed, jobs, foreign_jobs or ForeignJobs(), ME)


def test_a_start_is_known_by_its_nonce_among_equal_prompts() -> None:
    one, two = a_job("jobone"), a_job("jobtwo")
    assert found(read(started("600", nonce="nonce-jobtwo")), one, two) == Match("jobtwo", "nonce")


def test_a_start_with_a_foreign_nonce_is_nobodys() -> None:
    assert found(read(started("600", nonce="77")), a_job()) is None


def test_progress_is_known_by_its_message() -> None:
    one, two = a_job("jobone", message_id="600"), a_job("jobtwo", message_id="601")
    parsed = read(progress("601"), "MESSAGE_UPDATE")
    assert found(parsed, one, two) == Match("jobtwo", "message")


def test_a_final_is_known_by_what_it_replies_to() -> None:
    one, two = a_job("jobone", message_id="600"), a_job("jobtwo", message_id="601")
    assert found(read(result("700", reply_to="601")), one, two) == Match("jobtwo", "reference")


def test_a_final_is_known_by_its_uuid() -> None:
    one, two = a_job("jobone", job_uuid=UUID_A), a_job("jobtwo", job_uuid=UUID_B)
    assert found(read(result("700", uuid=UUID_B)), one, two) == Match("jobtwo", "job uuid")


def test_a_known_uuid_that_differs_is_a_veto_though_the_text_is_equal() -> None:
    assert found(read(result("700", uuid=UUID_B)), a_job(job_uuid=UUID_A)) is None


def test_a_reply_to_our_start_is_ours_whatever_uuid_its_preview_had() -> None:
    ours = a_job(message_id="600", job_uuid=UUID_A)
    assert found(read(result("700", uuid=UUID_B, reply_to="600")), ours) == Match(ours.id, "reference")


def test_a_reply_to_something_else_is_a_veto_though_the_text_is_equal() -> None:
    assert found(read(result("700", reply_to="650")), a_job(message_id="600")) is None


def test_a_reply_to_what_is_older_than_the_job_is_a_veto() -> None:
    assert found(read(result("700", reply_to="400")), a_job(anchor="500")) is None


def test_a_final_older_than_the_job_is_a_veto() -> None:
    assert found(read(result("499")), a_job(anchor="500")) is None


def test_ids_that_point_to_two_jobs_are_ambiguous() -> None:
    one, two = a_job("jobone", message_id="600"), a_job("jobtwo", job_uuid=UUID_A)
    assert isinstance(found(read(result("700", uuid=UUID_A, reply_to="600")), one, two), AmbiguousMatch)


def test_the_text_decides_for_the_only_job_that_could_own_it() -> None:
    one, two = a_job("jobone"), a_job("jobtwo", text="a blue dog")
    assert found(read(result("700")), one, two) == Match("jobone", "text")


def test_the_text_does_not_decide_between_duplicates() -> None:
    assert isinstance(found(read(result("700")), a_job("jobone"), a_job("jobtwo")), AmbiguousMatch)


def test_the_text_decides_for_the_duplicate_that_no_id_rules_out() -> None:
    one, two = a_job("jobone", job_uuid=UUID_B), a_job("jobtwo")
    assert found(read(result("700", uuid=UUID_A)), one, two) == Match("jobtwo", "text")


def test_the_text_does_not_decide_if_a_foreign_job_has_the_same_prompt() -> None:
    foreign_jobs = ForeignJobs()
    foreign_jobs.note(read(started("590", nonce="77")))
    assert isinstance(found(read(result("700")), a_job(), foreign_jobs=foreign_jobs), AmbiguousMatch)


def test_a_foreign_final_known_by_its_ids_ends_the_foreign_job_and_is_not_ours() -> None:
    foreign_jobs = ForeignJobs()
    foreign_jobs.note(read(started("590", nonce="77")))
    foreign_jobs.note(read(progress("590", uuid=UUID_B), "MESSAGE_UPDATE"))
    assert found(read(result("700", uuid=UUID_B)), a_job(), foreign_jobs=foreign_jobs) is None
    assert found(read(result("701", uuid=UUID_A)), a_job(), foreign_jobs=foreign_jobs) == Match(
        "jobaaaaa", "text"
    )


def test_somebody_elses_final_is_not_ours_though_the_text_is_equal() -> None:
    assert found(read(result("700", who=OTHER_USER)), a_job()) is None


def test_a_job_that_has_ended_or_not_begun_takes_nothing_by_text() -> None:
    for state in (State.QUEUED, State.COLLECTING, State.FAILED, State.CANCELLED, State.DONE):
        assert found(read(result("700")), a_job(state=state)) is None


def test_a_nonce_on_a_final_that_is_not_ours_is_no_veto() -> None:
    assert found(read(result("700", nonce="4242")), a_job()) == Match("jobaaaaa", "text")


def test_an_upscale_or_variation_of_an_equal_prompt_is_not_an_imagines_result() -> None:
    content = f"**a red cat** - Variations (Strong) by <@{ME}> (fast)"
    assert found(read(result("700", reply_to="650") | {"content": content}), a_job()) is None
    single = message("700", f"**a red cat** - Image #1 <@{ME}>")
    single |= {key: result("700")[key] for key in ("attachments", "components")}
    assert found(read(single), a_job()) is None


def test_a_refusal_is_known_by_nonce_or_by_the_only_prompt_it_can_mean() -> None:
    assert found(read(refused("600", "Banned prompt", nonce="nonce-jobaaaaa")), a_job()) == Match(
        "jobaaaaa", "nonce"
    )
    assert found(read(refused("600", "Banned prompt")), a_job()) == Match("jobaaaaa", "text")
    assert isinstance(found(read(refused("600", "Banned prompt")), a_job("a"), a_job("b")), AmbiguousMatch)
    assert found(read(refused("600", "Banned prompt")), a_job(message_id="590")) is None


def test_from_the_history_ids_decide_first_and_text_only_one_to_one() -> None:
    jobs = [
        a_job("known", job_uuid=UUID_A),
        a_job("alone", text="a blue dog"),
        a_job("twin1", text="x y"),
        a_job("twin2", text="x y"),
    ]
    parsed_messages = [
        read(result("700", uuid=UUID_A), "REST"),
        read(result("701", prompt="a blue dog", uuid=UUID_B), "REST"),
        read(result("702", prompt="x y", uuid="cccccccc-0000-4000-8000-00000000000c"), "REST"),
    ]
    pairs = match_history(parsed_messages, jobs, ForeignJobs(), ME).matched
    assert {(found.job_id, found.by, parsed.message_id) for found, parsed in pairs} == {
        ("known", "job uuid", "700"),
        ("alone", "text", "701"),
    }


def test_from_the_history_two_fitting_results_are_not_guessed_between() -> None:
    parsed_messages = [read(result("700", uuid=UUID_A), "REST"), read(result("701", uuid=UUID_B), "REST")]
    assert match_history(parsed_messages, [a_job()], ForeignJobs(), ME).matched == []


def test_from_the_history_a_foreign_result_is_not_taken_by_its_text_also_after_its_end() -> None:
    foreign_jobs = ForeignJobs()
    foreign_jobs.note(read(started("590", nonce="77")))
    theirs = read(result("700", uuid=UUID_B, reply_to="590"), "REST")
    for _ in range(2):  # the second gap begins before the same result
        assert match_history([theirs], [a_job()], foreign_jobs, ME).matched == []
    ours = read(result("701", uuid=UUID_A), "REST")
    assert match_history([theirs, ours], [a_job()], foreign_jobs, ME).matched == [
        (Match("jobaaaaa", "text"), ours)
    ]


def test_a_foreign_job_that_began_in_a_gap_is_learned_from_the_history() -> None:
    foreign_jobs = ForeignJobs()
    start = read(started("590", prompt="a blue dog"), "REST")
    assert match_history([start], [a_job()], foreign_jobs, ME, newest="580").matched == []
    duplicate = a_job("jobtwo", text="a blue dog", anchor="595")
    assert isinstance(
        found(read(result("700", prompt="a blue dog")), duplicate, foreign_jobs=foreign_jobs), AmbiguousMatch
    )


def test_a_message_known_before_a_gap_or_possibly_ours_makes_no_foreign_job() -> None:
    foreign_jobs = ForeignJobs()
    known = read(started("590", prompt="a blue dog"), "REST")
    match_history([known, read(started("600"), "REST")], [a_job()], foreign_jobs, ME, newest="590")
    assert len(foreign_jobs) == 0


def test_a_foreign_job_that_ended_in_a_gap_keeps_its_prompt_no_longer() -> None:
    foreign_jobs = ForeignJobs()
    foreign_jobs.note(read(started("490", nonce="77")))
    match_history([read(result("495", uuid=UUID_B), "REST")], [a_job()], foreign_jobs, ME, newest="490")
    assert found(read(result("700")), a_job(), foreign_jobs=foreign_jobs) == Match("jobaaaaa", "text")


@pytest.mark.parametrize("echo", ["a red cat --v 7.0 --raw", "a  red   cat", "a red cat --s 750 --niji 5"])
def test_what_the_bot_makes_of_a_prompt_is_still_the_prompt(echo: str) -> None:
    assert found(read(result("700", prompt=echo)), a_job(text="a red cat --v 7 --style raw")) is not None


def test_from_the_history_a_start_and_its_own_final_are_one_job_of_the_bot() -> None:
    final = read(result("700", uuid=UUID_A, reply_to="600"), "REST")
    parsed_messages = [read(progress("600", uuid=UUID_A), "REST"), final]
    assert match_history(parsed_messages, [a_job()], ForeignJobs(), ME).matched == [
        (Match("jobaaaaa", "text"), final)
    ]


def test_from_the_history_a_job_still_at_work_is_found_by_its_start() -> None:
    start = read(started("600"), "REST")
    assert match_history([start], [a_job()], ForeignJobs(), ME).matched == [
        (Match("jobaaaaa", "text"), start)
    ]
    assert match_history([start], [a_job()], ForeignJobs(), ME, by_text=()).matched == []


def test_a_long_prompt_that_begins_like_another_one_is_still_its_own() -> None:
    text = "a red cat " * 150
    one, two = a_job("jobone", text=text), a_job("jobtwo", text=text + "and a dog")
    assert found(read(result("700", prompt=text + "and a dog")), one, two) == Match("jobtwo", "text")
    assert found(read(result("700", prompt=text.strip())), one, two) == Match("jobone", "text")


def test_from_the_history_a_result_that_a_foreign_job_may_own_is_not_taken_by_its_text() -> None:
    foreign_jobs = ForeignJobs()
    foreign_jobs.note(read(started("590", nonce="77")))
    either = read(result("700"), "REST")  # no id says whose it is
    assert match_history([either], [a_job()], ForeignJobs(), ME).matched == [
        (Match("jobaaaaa", "text"), either)
    ]
    assert match_history([either], [a_job()], foreign_jobs, ME).matched == []


@pytest.mark.parametrize("kind", ["live", "history"])
def test_a_message_that_somebody_else_invoked_is_not_ours_although_it_mentions_nobody(kind: str) -> None:
    by_other = replace(read(result("700"), "REST"), user_id=None, invoker_id=OTHER_USER)
    by_me = replace(by_other, invoker_id=ME)
    if kind == "live":
        assert found(by_other, a_job()) is None
        assert found(by_me, a_job()) == Match("jobaaaaa", "text")
    else:
        assert match_history([by_other], [a_job()], ForeignJobs(), ME).matched == []
        assert match_history([by_me], [a_job()], ForeignJobs(), ME).matched == [
            (Match("jobaaaaa", "text"), by_me)
        ]


@pytest.mark.parametrize(
    ("state", "nonce", "agrees"),
    [
        (State.QUEUED, "n1", True),
        (State.IN_DOUBT, "n1", True),
        (State.IN_DOUBT, "n2", True),
        (State.IN_DOUBT, "77", False),
        (State.SUBMITTED, "n1", False),
        (State.SUBMITTED, "n2", True),
    ],
)
def test_the_nonce_of_an_earlier_attempt_counts_only_between_attempts(
    state: State, nonce: str, agrees: bool
) -> None:
    job = a_job(nonces=("n1", "n2"), state=state)
    assert (found(read(started("600", nonce=nonce)), job) is not None) is agrees


@pytest.mark.parametrize("by_looks", [True, False])
def test_a_known_start_keeps_its_job_when_an_earlier_attempt_begins_late(*, by_looks: bool) -> None:
    """Else what the present attempt makes would be taken for a job by hand."""
    job = a_job(nonces=("n1", "n2"), state=State.IN_DOUBT, message_id="600", start_by_looks=by_looks)
    assert (found(read(started("700", nonce="n1")), job) is not None) is by_looks


def test_progress_of_another_start_message_is_not_the_jobs() -> None:
    job = a_job(message_id="600", state=State.RUNNING, job_uuid=UUID_A)
    assert found(read(progress("601", uuid=UUID_A), "MESSAGE_UPDATE"), job) is None
    assert found(read(progress("600", uuid=UUID_A), "MESSAGE_UPDATE"), job) == Match("jobaaaaa", "message")
