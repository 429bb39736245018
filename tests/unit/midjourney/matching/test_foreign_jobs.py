"""Jobs of the channel that are not ours."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.discord.protocol import DISCORD_EPOCH_MS, snowflake
from mjwatch.midjourney.matching.foreign_jobs import MAX_FOREIGN_JOBS, ForeignJob, ForeignJobs
from mjwatch.midjourney.parsing.messages import read_message
from tests.helpers.message_shapes import UUID_A, UUID_B, progress, result, started

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
