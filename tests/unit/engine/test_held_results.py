"""Results that may be of several jobs are held, shown and kept, until they are clear or a person decides."""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.journal.reader import JournalReader
from mjwatch.journal.requests import Outcome, ask, read_answer
from mjwatch.journal.writer import Journal
from mjwatch.model import Prompt, State
from tests.helpers.message_shapes import CHANNEL, OTHER_USER, UUID_A, UUID_B, create, delete, result, started
from tests.unit.engine.test_loop import READY, EngineHarness
from tests.unit.engine.test_scheduler import finished, give

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINK = f"https://discord.com/channels/@me/{CHANNEL}/700"
BY_HAND = create(started("550"))
"""An equal prompt that the account's owner typed: its start has no nonce of ours."""


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[EngineHarness]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        harness = EngineHarness(journal)
        harness.online()
        yield harness


def held(harness: EngineHarness) -> dict[str, list[str]]:
    """Return what the journal holds, as another process reads it: jobs by message."""
    with closing(JournalReader(harness.journal.path)) as reader:
        return {entry["message"]: entry["jobs"] for entry in reader.recall("held") or ()}


def steered(harness: EngineHarness, verb: str, **arguments: Any) -> Outcome:
    ask(harness.journal.path, verb, arguments, harness.now)
    (request,) = harness.journal.open_requests()
    harness.feed(ev.RequestsPending())
    answer = harness.journal.answer_of(request.id)
    assert answer is not None
    (outcome,) = read_answer(answer)
    return outcome


def assign(harness: EngineHarness, message: str, job_id: str = "job00001", **payload: Any) -> Outcome:
    attempts = len(harness.job(job_id).nonces)
    return steered(harness, "assign", jobs={job_id: attempts}, message=message, **payload)


def beside_a_job_by_hand(harness: EngineHarness) -> None:
    """A result without ids comes while an equal prompt runs that was typed by hand."""
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    harness.feed(BY_HAND, create(result("700")))
    assert harness.job().state is State.SUBMITTED


def started_again(harness: EngineHarness, *history: dict[str, Any]) -> EngineHarness:
    """Return the loop after a kill, which has read this history."""
    again = EngineHarness(harness.journal, first_nonce=100, now=harness.now)
    again.engine.load()
    again.feed(replace(READY, session_id="session-2"), ev.HistoryRead(history, "900"))
    return again


def test_a_held_result_is_in_the_journal_at_once_with_its_link_and_is_reported_once(
    harness: EngineHarness, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "mjwatch"):
        beside_a_job_by_hand(harness)
        harness.feed(create(result("700")))
    assert held(harness) == {"700": ["job00001"]}
    with closing(JournalReader(harness.journal.path)) as reader:
        (entry,) = reader.recall("held")
    assert (entry["link"], entry["prompt"]) == (LINK, "a red cat")
    assert [record.getMessage() for record in caplog.records if "700" in record.getMessage()] == [
        f"a result may be of job job00001: {LINK}; see `mjwatch status`"
    ]


@pytest.mark.parametrize("history", [(), (result("700"),)])
def test_a_held_result_outlasts_a_kill_and_is_assigned_by_a_person(
    harness: EngineHarness, history: tuple[dict[str, Any], ...]
) -> None:
    beside_a_job_by_hand(harness)
    again = started_again(harness, *history)
    assert held(again) == {"700": ["job00001"]}
    outcome = assign(again, "700")
    assert (outcome.done, outcome.message) == (
        True,
        "message 700 is its result now; its pictures are fetched",
    )
    job = again.job()
    assert job.state is State.COLLECTING
    assert job.result is not None
    assert (job.result.matched_by, job.result.message_id, job.result.job_uuid) == ("person", "700", UUID_A)
    assert job.result.pictures[0].width == 2048
    assert len(job.result.buttons) == 4
    assert held(again) == {}
    assert assign(again, "700").done, "a request that is answered once more after a crash"


def test_a_result_that_is_read_in_a_history_is_held_if_it_may_be_of_two_jobs_or_beside_another(
    harness: EngineHarness,
) -> None:
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    again = started_again(harness, result("700", uuid=UUID_A), result("701", uuid=UUID_B))
    assert again.job().state is State.SUBMITTED
    assert held(again) == {"700": ["job00001"], "701": ["job00001"]}
    assert steered(again, "dismiss", message="700").done
    assert held(again) == {"701": ["job00001"]}, "a history proves nothing by its prompts"
    assert assign(again, "701").done
    assert started_again(again, result("700"), result("701")).journal.recall("held") == []


def test_the_last_of_two_results_is_clear_once_a_person_has_assigned_the_first(
    harness: EngineHarness,
) -> None:
    beside_a_job_by_hand(harness)
    harness.feed(create(result("701", uuid=UUID_B)))
    assert held(harness) == {"700": ["job00001"], "701": ["job00001"]}
    assert assign(harness, "701").done
    assert held(harness) == {}, "the other result is that of the job by hand"


def test_a_dismissed_result_ends_the_job_by_hand_so_that_the_next_result_is_ours(
    harness: EngineHarness,
) -> None:
    beside_a_job_by_hand(harness)
    outcome = steered(harness, "dismiss", message="700")
    assert (outcome.done, outcome.message) == (True, "message 700 is dismissed: it is no job's result")
    assert held(harness) == {}
    harness.feed(create(result("700")), create(result("701", uuid=UUID_B)))
    assert harness.job().state is State.COLLECTING
    again = steered(harness, "dismiss", message="700")
    assert (again.done, again.message) == (True, "message 700 is known to be no job's result")
    not_held = steered(harness, "dismiss", message="999")
    assert not not_held.done
    assert "is not held" in not_held.message


def test_a_held_result_is_not_lost_when_its_jobs_are_given_up(harness: EngineHarness) -> None:
    beside_a_job_by_hand(harness)
    harness.feed(ev.ForJob("job00001", ev.OutcomeUnknown("it timed out")))
    harness.engine._table.step("job00001", ev.InteractionFailed("no answer"))
    assert harness.job().state is State.IN_DOUBT
    outcome = steered(harness, "dismiss", message="701")
    assert not outcome.done
    harness.feed(ev.ForJob("job00001", ev.CancelRequested()))
    harness.feed(ev.ForJob("job00001", ev.Published("_failed/a", failed=True)))
    harness.feed(delete("550"))
    assert held(harness) == {"700": ["job00001"]}
    assert assign(harness, "700").done
    assert harness.job().state is State.COLLECTING


def test_a_retried_job_may_still_own_a_result_so_that_its_duplicate_does_not_get_it(
    harness: EngineHarness,
) -> None:
    beside_a_job_by_hand(harness)
    harness.engine._table.step("job00001", ev.InteractionFailed("no answer"))
    harness.feed(ev.ForJob("job00001", ev.RetryRequested()))
    harness.accept_all()
    assert harness.job().nonces == ("nonce-1", "nonce-2")
    assert held(harness) == {"700": ["job00001"]}
    assert assign(harness, "700").done, "the result of its first attempt"


def test_a_result_of_an_earlier_attempt_stays_held_once_the_next_interaction_is_known(
    harness: EngineHarness,
) -> None:
    """It is older than the present interaction, which says nothing about who ran the earlier ones."""
    beside_a_job_by_hand(harness)
    harness.engine._table.step("job00001", ev.InteractionFailed("no answer"))
    harness.feed(ev.ForJob("job00001", ev.RetryRequested()))
    harness.accept_all()
    harness.feed(ev.GatewayDispatch("INTERACTION_CREATE", {"id": "800", "nonce": "nonce-2"}, 5))
    assert harness.job().interaction_id == "800"
    assert held(harness) == {"700": ["job00001"]}
    harness.feed(create(started("810") | {"nonce": "nonce-2"}), create(result("820", uuid=UUID_B)))
    assert set(held(harness)) == {"700", "820"}, "the job by hand has not ended"
    assert steered(harness, "dismiss", message="820").done
    assert assign(harness, "700").done


def test_a_person_is_notified_once_when_no_running_job_can_settle_it(harness: EngineHarness) -> None:
    def notified() -> list[str]:
        found = [effect for effect in harness.effects if isinstance(effect, ef.SendNotification)]
        return [effect.reason for effect in found if LINK in effect.reason]

    beside_a_job_by_hand(harness)
    assert notified() == []
    harness.engine._table.step("job00001", ev.InteractionFailed("no answer"))
    harness.feed()
    harness.feed()
    assert len(notified()) == 1
    assert harness.engine.needs_person()


def test_a_result_that_is_not_held_is_assigned_from_the_message_in_the_channel(
    harness: EngineHarness,
) -> None:
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    harness.engine._table.step("job00001", ev.InteractionFailed("no answer"))
    unread = assign(harness, "700", payload=None)
    assert not unread.done
    assert "not held" in unread.message
    outcome = assign(harness, "700", payload=result("700", "a scarlet cat, as the bot wrote it"))
    assert outcome.done
    job = harness.job()
    assert job.result is not None
    assert job.result.matched_by == "person"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (result("710", who=OTHER_USER), "another account"),
        (result("450"), "older than the job"),
        (started("710"), "does not show the pictures"),
        (result("710", uuid=UUID_B), "its job uuid is not the job's"),
        (result("710", reply_to="610"), "replies to a message that is not the job's"),
        (result("300"), "it is the result of job parentaa"),
    ],
)
def test_a_persons_word_does_not_override_what_an_id_proves(
    harness: EngineHarness, message: dict[str, Any], reason: str
) -> None:
    give(harness, "parentaa", Prompt("a blue dog"))
    finished(harness, "parentaa")
    parent = harness.job("parentaa").result
    assert parent is not None
    if message["id"] == "300":
        message = result(parent.message_id, "a blue dog")
    harness.drop("a.txt", "a red cat\n")
    job_id = harness.submits()[-1].job.id
    harness.feed(ev.ForJob(job_id, ev.Accepted()))
    harness.engine._table.step(job_id, ev.Started("600", None, UUID_A if "uuid" in reason else None))
    outcome = assign(harness, message["id"], job_id, payload=message)
    assert not outcome.done
    assert reason in outcome.message
    assert harness.job(job_id).result is None


def test_the_result_of_a_start_without_nonce_is_held_while_our_job_has_no_start(
    harness: EngineHarness,
) -> None:
    """A deferred reply may start our own job, and looks like a job by hand."""
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    harness.feed(create(started("550")), create(result("700", reply_to="550")))
    assert held(harness) == {"700": ["job00001"]}
    again = started_again(harness, started("550"), result("700", reply_to="550"))
    assert held(again) == {"700": ["job00001"]}
    assert assign(again, "700").done
    assert again.job().state is State.COLLECTING


def test_it_is_the_result_of_a_job_by_hand_once_our_start_is_known(harness: EngineHarness) -> None:
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    harness.feed(create(started("550")), create(result("700", reply_to="550")))
    harness.feed(create(started("600", nonce="nonce-1")))
    assert held(harness) == {}
    harness.feed(create(result("701", uuid=UUID_B, reply_to="600")))
    assert harness.job().state is State.COLLECTING
    harness.drop("b.txt", "a red cat\n", mtime=5000.0)
    harness.feed(create(result("700", reply_to="550")))
    assert held(harness) == {}, "a result that is known to be a job's by hand is not held again"


def test_a_dismissed_result_of_a_start_without_nonce_is_not_held_again(harness: EngineHarness) -> None:
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    messages = started("550"), result("700", reply_to="550")
    harness.feed(*map(create, messages))
    assert steered(harness, "dismiss", message="700").done
    harness.feed(create(messages[1]))
    assert held(harness) == {}
    assert held(started_again(harness, *messages)) == {}
