"""Jobs of the channel that are not ours."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.discord.protocol import DISCORD_EPOCH_MS, snowflake
from mjwatch.midjourney.matching.foreign_jobs import (
    MAX_FOREIGN_JOBS,
    MAX_UNMATCHED,
    ForeignJob,
    ForeignJobs,
    UnmatchedMessages,
)
from mjwatch.midjourney.parsing.messages import read_message
from mjwatch.model import State
from tests.helpers.message_shapes import UUID_A, UUID_B, a_job, progress, result, started

if TYPE_CHECKING:
    from mjwatch.midjourney.parsing.parsed_message import ParsedMessage

HOUR_MS = 60 * 60 * 1000


def read(data: dict[str, Any], event: str = "MESSAGE_CREATE") -> ParsedMessage:
    return read_message(event, data)


def after_hours(hours: float) -> str:
    return snowflake(DISCORD_EPOCH_MS + int((hours + 1) * HOUR_MS))


def test_they_are_bounded_and_the_oldest_goes_first() -> None:
    foreign_jobs = ForeignJobs()
    for number in range(MAX_FOREIGN_JOBS + 5):
        foreign_jobs.note(read(started(str(1000 + number), prompt=f"prompt {number}", nonce="77")))
    assert len(foreign_jobs) == MAX_FOREIGN_JOBS
    assert not foreign_jobs.may_include(read(result("9000", prompt="prompt 4")))
    assert foreign_jobs.may_include(read(result("9000", prompt="prompt 5")))


def test_what_the_journal_keeps_comes_back_as_it_was() -> None:
    foreign_jobs = ForeignJobs()
    foreign_jobs.note(read(started("590", nonce="77")))
    foreign_jobs.note(read(progress("590", uuid=UUID_B), "MESSAGE_UPDATE"))
    foreign_jobs.add(ForeignJob("ended nonce-1", "a blue dog", since="500", owner="jobaaaaa"))
    foreign_jobs.add(ForeignJob("600", "a", UUID_A, "600", "650", "400", 2, True, "78", True, "jobbbbbb"))
    again = ForeignJobs()
    again.load(json.loads(json.dumps(foreign_jobs.stored())))
    assert again.stored() == foreign_jobs.stored()
    assert again.may_include(read(result("700", uuid=UUID_B)))
    assert not again.may_include(read(result("700", uuid=UUID_A)))
    assert again.end_by_ids(read(result("700", uuid=UUID_B)))


@pytest.mark.parametrize("stored", [None, 7, "x", {}, [None, 7, {}, {"message_id": None}, {"prompt": "x"}]])
def test_stored_jobs_of_another_shape_are_ignored(stored: object) -> None:
    foreign_jobs = ForeignJobs()
    foreign_jobs.load(stored)
    assert len(foreign_jobs) == 0


def test_the_version_is_the_same_until_one_changes() -> None:
    foreign_jobs = ForeignJobs()
    foreign_jobs.note(read(started("590", nonce="77")))
    before = foreign_jobs.version
    foreign_jobs.note(read(progress("590"), "MESSAGE_UPDATE"))
    assert foreign_jobs.version == before
    foreign_jobs.note(read(progress("590", uuid=UUID_B), "MESSAGE_UPDATE"))
    assert foreign_jobs.version != before


def test_an_ended_job_keeps_its_ids_and_not_its_prompt() -> None:
    foreign_jobs = ForeignJobs()
    foreign_jobs.note(read(started("590", nonce="77")))
    final = read(result("700", uuid=UUID_B))
    foreign_jobs.end_by_content(final)
    assert foreign_jobs.has_final(final)
    assert not foreign_jobs.may_include(read(result("701")))
    foreign_jobs.note(read(progress("590"), "MESSAGE_UPDATE"))  # replayed
    assert not foreign_jobs.may_include(read(result("701")))


def test_a_queued_job_whose_start_was_not_seen_is_not_ended_by_looks() -> None:
    foreign_jobs = ForeignJobs()
    foreign_jobs.add(ForeignJob("580", "a red cat", since="580", queued=True, nonce="77"))
    foreign_jobs.end_by_content(read(result("700", uuid=UUID_B)))
    assert foreign_jobs.may_include(read(result("701", uuid=UUID_A)))


def test_one_final_seen_twice_ends_one_of_two_equal_jobs() -> None:
    foreign_jobs = ForeignJobs()
    for message_id in ("590", "591"):
        foreign_jobs.note(read(started(message_id, nonce="77")))
    final = read(result("700", uuid=UUID_B))
    foreign_jobs.end_by_content(final)
    assert foreign_jobs.end_by_ids(final)
    assert foreign_jobs.may_include(read(result("701", uuid=UUID_A)))


def test_a_job_whose_end_was_missed_does_not_keep_its_prompt_for_more_than_a_day() -> None:
    foreign_jobs = ForeignJobs()
    foreign_jobs.note(read(started(after_hours(0), nonce="77")))
    assert foreign_jobs.may_include(read(result(after_hours(23.9))))
    assert not foreign_jobs.may_include(read(result(after_hours(24.1))))


def test_what_a_person_dismisses_is_known_by_its_ids_and_is_no_rival() -> None:
    foreign_jobs = ForeignJobs()
    foreign_jobs.note(read(started("590", prompt="a blue dog", nonce="77")))
    foreign_jobs.dismiss(read(result("700", uuid=UUID_B)))
    assert foreign_jobs.is_result("700")
    assert foreign_jobs.has_final(read(result("701", uuid=UUID_B)))
    assert not foreign_jobs.may_include(read(result("702")))
    assert foreign_jobs.may_include(read(result("703", prompt="a blue dog"))), "another job has not ended"
    before = len(foreign_jobs)
    foreign_jobs.dismiss(read(result("700", uuid=UUID_B)))
    assert len(foreign_jobs) == before


def test_the_result_that_ends_a_job_gives_it_the_uuid_that_a_later_copy_is_known_by() -> None:
    foreign_jobs = ForeignJobs()
    foreign_jobs.note(read(started("590", nonce="77")))
    assert foreign_jobs.end_by_ids(read(result("700", uuid=UUID_B, reply_to="590")))
    assert foreign_jobs.has_final(read(result("701", uuid=UUID_B)))


def test_a_press_by_hand_on_another_picture_is_no_rival() -> None:
    foreign_jobs = ForeignJobs()
    foreign_jobs.add(ForeignJob("590", "a red cat", since="590", pressed="400", picture=2))
    final = read(result("700", reply_to="400"))
    assert [foreign_jobs.may_include(replace(final, image_index=n)) for n in (None, 1, 2)] == [
        True,
        False,
        True,
    ]
    assert not foreign_jobs.may_include(replace(final, reply_to="401"))


@pytest.mark.parametrize(("nonce", "ends_the_waiting"), [(None, True), ("77", True), ("78", False)], ids=str)
def test_a_start_ends_the_waiting_of_its_own_job_only(nonce: str | None, ends_the_waiting: bool) -> None:
    foreign_jobs = ForeignJobs()
    waits = ForeignJob("580", "a red cat", since="580", queued=True, nonce="77", owner="jobaaaaa")
    foreign_jobs.add(waits)
    foreign_jobs.note(read(started("590", nonce=nonce)))
    assert len(foreign_jobs) == (1 if ends_the_waiting else 2)
    owners = foreign_jobs.possible_owners(read(result("700")))
    assert owners == ["jobaaaaa"], "its start keeps the owner"


def test_a_final_is_no_start_and_ends_no_waiting() -> None:
    waits = ForeignJob("580", "a red cat", since="580", queued=True, nonce="77")
    assert not waits.is_started_by(read(result("700")))
    assert not replace(waits, queued=False).is_started_by(read(started("590")))


def test_progress_that_may_be_about_a_waiting_job_of_ours_begins_no_foreign_one() -> None:
    foreign_jobs = ForeignJobs()
    update = read(progress("590"), "MESSAGE_UPDATE")
    foreign_jobs.note(update, [a_job()])
    assert len(foreign_jobs) == 0
    foreign_jobs.note(update, [a_job(message_id="580"), a_job("jobb", state=State.DONE)])
    assert len(foreign_jobs) == 1
    foreign_jobs.note(read(progress("590", uuid=UUID_B), "MESSAGE_UPDATE"), [a_job()])
    assert foreign_jobs.has_final(read(result("700", uuid=UUID_B))), "its start is known"


def test_the_result_of_a_job_in_the_queue_replies_to_nothing_older_than_the_notice() -> None:
    waits = ForeignJob("580", "a red cat", since="580", queued=True)
    assert not waits.may_match(read(result("700", reply_to="570")))
    assert waits.may_match(read(result("700", reply_to="590")))


def test_unmatched_messages_are_bounded_the_oldest_goes_first_and_a_new_session_counts_anew() -> None:
    unmatched = UnmatchedMessages()
    for number in range(MAX_UNMATCHED + 1):
        unmatched.add(read(started(str(1000 + number))), seq=number + 5)
    assert [len(unmatched), unmatched.messages[0].message.message_id] == [MAX_UNMATCHED, "1001"]
    assert not unmatched.has_result_for(a_job())
    unmatched.add(read(result("9000")), seq=None)
    assert unmatched.has_result_for(a_job())
    assert unmatched.safe_newest(None) is None
    assert unmatched.safe_newest("9001") == "1001"
    assert unmatched.safe_seq(900) == 6
    unmatched.new_session()
    assert unmatched.safe_seq(900) == 900
