"""Nothing of a job that the account's owner runs by hand goes to a nearly equal prompt from a file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch import events as ev
from mjwatch.jobs.state_machine import step
from mjwatch.midjourney.channel import Channel
from mjwatch.midjourney.matching.foreign_jobs import ForeignJobs
from mjwatch.midjourney.matching.matcher import Match, match, match_history
from mjwatch.midjourney.parsing.messages import read_message
from mjwatch.midjourney.tracker import MessageTracker
from mjwatch.model import ButtonPress, State
from tests.helpers.message_shapes import (
    CHANNEL,
    ME,
    UUID_A,
    UUID_B,
    a_job,
    create,
    message,
    progress,
    result,
    started,
)

if TYPE_CHECKING:
    from mjwatch.midjourney.parsing.parsed_message import ParsedMessage
    from mjwatch.model import Job

WIDE = "a red cat --ar 3:2"
RUNNING_ID: dict[str, Any] = {"type": 2, "name": "imagine", "user": {"id": ME}}
UUID_C = "cccccccc-0000-4000-8000-00000000000c"


def read(data: dict[str, Any], event: str = "MESSAGE_CREATE") -> ParsedMessage:
    return read_message(event, data)


def queued_notice(message_id: str, prompt: str, nonce: str | None = None) -> dict[str, Any]:
    embed = {"type": "rich", "title": "Job queued", "description": "…", "color": 16239475}
    embed |= {"footer": {"text": f"/imagine {prompt}"}}
    fields: dict[str, Any] = {"flags": 64, "embeds": [embed]}
    if nonce is not None:
        fields |= {"nonce": nonce}
    return message(message_id, "", **fields)


def a_tracker(*, caught_up: bool = True) -> MessageTracker:
    tracker = MessageTracker(CHANNEL, lambda **_: None)
    tracker.me, tracker.caught_up = ME, caught_up
    return tracker


def hear(tracker: MessageTracker, jobs: list[Job], *messages: dict[str, Any]) -> list[tuple[Any, Any]]:
    by_id = {job.id: job for job in jobs}
    return [pair for data in messages for pair in tracker.dispatch(create(data), by_id)]


# ---- after a gap


@pytest.mark.parametrize("state", [State.SUBMITTED, State.IN_DOUBT])
def test_from_the_history_a_start_with_other_parameters_is_not_adopted(state: State) -> None:
    job = a_job(text=WIDE, state=state)
    by_hand = read(progress("600", prompt="a red cat", uuid=UUID_B), "REST")
    assert match_history([by_hand], [job], ForeignJobs(), ME).matched == []
    final = read(result("700", prompt="a red cat", uuid=UUID_B, reply_to="600"), "REST")
    assert match_history([final], [job], ForeignJobs(), ME).matched == []
    own = read(result("701", prompt=WIDE, uuid=UUID_A), "REST")
    assert match_history([by_hand, final, own], [job], ForeignJobs(), ME).matched == [
        (Match(job.id, "text"), own)
    ]


@pytest.mark.parametrize(
    ("submitted", "other"),
    [
        ("a red cat --ar 3:2", "a red cat"),
        ("a red cat", "a red cat --ar 3:2"),
        ("a red cat --ar 3:2", "a red cat --ar 2:3"),
        ("a red cat --ar 3:2 --v 7", "a red cat --v 7.0 --ar 16:9"),
        ("a red cat --no dogs", "a red cat"),
        ("a red cat --no dogs", "a red cat --no birds"),
        ("a red cat --seed 7", "a red cat --seed 8"),
        ("a red cat --s 50", "a red cat --stylize 250"),
        ("a red cat --v 6.1", "a red cat --v 7.0"),
        ("a red cat", "a red dog"),
        ("a red cat", "a red cat at night"),
    ],
)
def test_a_final_with_other_words_or_parameters_is_not_taken(submitted: str, other: str) -> None:
    job = a_job(text=submitted)
    assert match(read(result("700", prompt=other)), [job], ForeignJobs(), ME) is None


# ---- ids that are older than the interaction


def test_a_reply_to_what_is_older_than_the_interaction_is_not_taken_by_its_text() -> None:
    job = a_job(interaction_id="650")
    assert match(read(result("700", reply_to="600")), [job], ForeignJobs(), ME) is None
    assert match(read(result("700", reply_to="660")), [job], ForeignJobs(), ME) == Match(job.id, "text")


def test_a_message_that_is_older_than_the_interaction_is_not_taken_by_its_text() -> None:
    job = a_job(interaction_id="650", state=State.IN_DOUBT)
    assert match_history([read(started("600"), "REST")], [job], ForeignJobs(), ME).matched == []
    assert match_history([read(result("640"), "REST")], [job], ForeignJobs(), ME).matched == []


def test_a_result_that_is_older_than_the_start_is_not_taken_by_its_text() -> None:
    job = a_job(state=State.RUNNING, message_id="650")
    assert match_history([read(result("640"), "REST")], [job], ForeignJobs(), ME).matched == []
    assert match(read(result("640")), [job], ForeignJobs(), ME) is None
    by_looks = replace(job, start_by_looks=True)
    assert match(read(result("640")), [by_looks], ForeignJobs(), ME) == Match(job.id, "text")


@pytest.mark.parametrize("is_gone", [False, True])
def test_after_a_gap_a_result_is_taken_by_its_text_only_once_the_start_is_gone(is_gone: bool) -> None:
    """While it is there, the job is at work, and the result may be of a job that began in the gap."""
    channel = Channel(CHANNEL, lambda **_: None, quiet_time=60.0)
    channel.ready(ev.GatewayReady("session-2", "", ME, "ann", frozenset(), frozenset(), 1), 0.0)
    job = a_job(state=State.RUNNING, message_id="600")
    reread = {"600": None if is_gone else progress("600")}
    found = channel.history(ev.HistoryRead((result("700"),), "700", reread), {job.id: job})
    taken = [event.result.matched_by for _, event in found if isinstance(event, ev.Finished)]
    assert taken == (["text"] if is_gone else [])
    assert [held.message_id for held in channel.tracker.held] == ([] if is_gone else ["700"])


# ---- in the bot's queue


def test_a_nameless_start_with_other_parameters_is_not_ours_in_the_queue() -> None:
    job = a_job(text=WIDE, queued_by_bot=True)
    assert hear(a_tracker(), [job], started("600", "a red cat")) == []
    assert hear(a_tracker(), [job], started("600", WIDE)) == [(job.id, ev.Started("600", by_looks=True))]


def test_a_nameless_start_is_held_while_a_job_by_hand_waits_in_the_queue_with_the_same_prompt() -> None:
    job, tracker = a_job(text=WIDE, queued_by_bot=True), a_tracker()
    assert hear(tracker, [job], queued_notice("590", WIDE, nonce="4242")) == []
    assert hear(tracker, [job], started("600", WIDE), started("601", WIDE)) == []
    assert [kept.message.message_id for kept in tracker.unmatched] == ["600", "601"]


def test_a_job_by_hand_that_leaves_the_queue_is_one_foreign_job() -> None:
    tracker = a_tracker()
    hear(tracker, [], queued_notice("590", WIDE, nonce="4242"), started("600", WIDE))
    assert len(tracker.foreign_jobs) == 1
    hear(tracker, [], result("700", WIDE, reply_to="600"))
    job = a_job(text=WIDE, queued_by_bot=True)
    assert hear(tracker, [job], started("710", WIDE)) == [(job.id, ev.Started("710", by_looks=True))]


def test_of_two_nameless_starts_that_fit_one_job_neither_is_taken() -> None:
    job, tracker = a_job(queued_by_bot=True), a_tracker(caught_up=False)
    assert hear(tracker, [job], started("600"), started("601")) == []
    tracker.caught_up = True
    assert tracker.next_matched({job.id: job}) is None


def test_a_nameless_start_and_its_own_final_are_no_rivals() -> None:
    job, tracker = a_job(queued_by_bot=True), a_tracker(caught_up=False)
    assert hear(tracker, [job], started("600"), result("700", reply_to="600")) == []
    tracker.caught_up = True
    found = tracker.next_matched({job.id: job})
    assert found is not None
    assert found[1] == [(job.id, ev.Started("600", by_looks=True))]
    running = replace(job, message_id="600", state=State.RUNNING)
    tracker.release(found[0])
    again = tracker.next_matched({job.id: running})
    assert again is not None
    ((_, event),) = again[1]
    assert isinstance(event, ev.Finished)
    assert event.result.matched_by == "reference"


def test_an_answer_from_the_history_that_fits_two_jobs_is_kept() -> None:
    one, two, tracker = a_job("jobone"), a_job("jobtwo"), a_tracker()
    jobs = {job.id: job for job in (one, two)}
    assert tracker.history([result("700")], jobs) == []
    assert [held.message_id for held in tracker.held] == ["700"]


# ---- a start that was matched by its looks is given up if another one looks the same


def test_a_second_nameless_start_disputes_the_first() -> None:
    tracker = a_tracker()
    job = a_job(state=State.RUNNING, message_id="600", start_by_looks=True, job_uuid=UUID_A)
    assert hear(tracker, [job], started("610")) == [(job.id, ev.StartDisputed())]
    assert {entry["message_id"] for entry in tracker.foreign_jobs.stored()} == {"600", "610"}
    waiting, _ = step(job, ev.StartDisputed(), 1300.0)
    assert (waiting.state, waiting.message_id, waiting.job_uuid) == (State.SUBMITTED, None, None)
    assert hear(tracker, [waiting], result("700", reply_to="600"), result("701", uuid=UUID_B)) == []
    assert [kept.message.message_id for kept in tracker.unmatched] == ["700", "701"]


def test_a_start_matched_by_looks_gives_no_interaction_so_that_a_dispute_leaves_no_id() -> None:
    job = a_job(queued_by_bot=True)
    running, _ = step(job, ev.Started("600", "550", UUID_A, by_looks=True), 1300.0)
    waiting, _ = step(running, ev.StartDisputed(), 1301.0)
    assert (running.message_id, waiting.message_id, waiting.interaction_id) == ("600", None, None)


def test_a_start_matched_by_looks_is_a_foreign_jobs_once_a_nonce_shows_another() -> None:
    tracker = a_tracker()
    job = a_job(state=State.RUNNING, message_id="600", start_by_looks=True)
    own = [(job.id, ev.Started("610", "550", None))]
    assert hear(tracker, [job], started("610", nonce="nonce-jobaaaaa")) == own
    running = replace(job, message_id="610", interaction_id="550", start_by_looks=False)
    assert hear(tracker, [running], result("700")) == []


def test_a_result_is_not_ours_by_its_text_if_a_newer_start_that_may_be_ours_has_no_name() -> None:
    tracker, job = a_tracker(), a_job()
    assert hear(tracker, [job], started("600")) == []
    assert hear(tracker, [job], result("590")) == []
    assert [kept.message.message_id for kept in tracker.unmatched] == ["590"]


@pytest.mark.parametrize("reply_to", ["580", None])
def test_a_dismissed_result_does_not_end_a_job_by_hand_that_waits_in_the_queue(reply_to: str | None) -> None:
    """Neither by its looks nor where it replies to a start that is older than the queue's notice."""
    tracker = a_tracker()
    hear(tracker, [], queued_notice("590", WIDE, nonce="4242"))
    tracker.foreign_jobs.dismiss(read(result("591", WIDE, reply_to=reply_to)))
    job = a_job(text=WIDE, state=State.IN_DOUBT)
    assert hear(tracker, [job], started("600", WIDE)) == []


def test_a_dismissed_result_does_not_end_a_job_by_hand_whose_result_another_held_one_may_be() -> None:
    tracker, job = a_tracker(), a_job(state=State.IN_DOUBT)
    assert hear(tracker, [job], started("590", nonce="4242")) == []
    assert hear(tracker, [job], result("700", uuid=UUID_A), result("701", uuid=UUID_B)) == []
    tracker.hold_unmatched({job.id: job})
    assert [held.message_id for held in tracker.held] == ["700", "701"]
    for message_id in ("701", "700"):
        held = tracker.held.get(message_id)
        assert held is not None
        tracker.held.dismiss(held.message)
        assert tracker.next_matched({job.id: job}) is None
    assert [id_ for id_, _ in hear(tracker, [job], result("702", uuid=UUID_C))] == [job.id]


def test_a_start_that_an_id_proves_is_not_disputed() -> None:
    job = a_job(state=State.RUNNING, message_id="600")
    assert hear(a_tracker(), [job], started("610")) == []
    assert step(job, ev.StartDisputed(), 1300.0) == (job, ())


def test_a_nameless_start_of_a_job_that_did_not_wait_is_kept_and_so_is_its_final() -> None:
    job, tracker = a_job(), a_tracker()
    assert hear(tracker, [job], started("600"), result("700", reply_to="600")) == []
    assert [kept.message.message_id for kept in tracker.unmatched] == ["700"]
    assert hear(tracker, [job], started("610", nonce="nonce-jobaaaaa")) == [
        (job.id, ev.Started("610", "550", None))
    ]
    running = replace(job, state=State.RUNNING, message_id="610")
    found = tracker.next_matched({job.id: running})
    assert found is not None
    assert found[1] == []


def test_ids_of_a_start_matched_by_looks_let_no_duplicate_be_sent() -> None:
    channel = Channel(CHANNEL, lambda **_: None, quiet_time=60.0)
    job = a_job(state=State.RUNNING, message_id="600", job_uuid=UUID_A)
    assert channel.tells_apart(job)
    assert not channel.tells_apart(replace(job, start_by_looks=True))


def test_a_start_with_the_nonce_of_somebody_else_is_foreign_also_while_a_history_is_unread() -> None:
    job, tracker = a_job(state=State.IN_DOUBT), a_tracker(caught_up=False)
    assert hear(tracker, [job], started("600", nonce="4242")) == []
    found = tracker.history([started("600"), result("700", reply_to="600")], {job.id: job})
    assert found == []


def test_a_start_matched_by_looks_is_given_up_when_it_comes_again_with_another_nonce() -> None:
    """The history shows no nonce; the replay of a resumed session does."""
    tracker = a_tracker()
    job = a_job(state=State.RUNNING, message_id="600", start_by_looks=True)
    assert hear(tracker, [job], started("600", nonce="4242")) == [(job.id, ev.StartDisputed())]
    waiting, _ = step(job, ev.StartDisputed(), 1300.0)
    assert hear(tracker, [waiting], result("700", reply_to="600")) == []
    assert [*tracker.unmatched, *tracker.held] == [], "it is certainly a job by hand"


# ---- the final of another job disputes such a start, too: whatever came first may be by hand

BY_LOOKS: dict[str, Any] = {"state": State.RUNNING, "message_id": "600", "start_by_looks": True}


@pytest.mark.parametrize(
    ("ids", "other"),
    [
        ({"job_uuid": UUID_A}, result("701", uuid=UUID_B)),
        ({}, result("701", uuid=UUID_B, reply_to="610")),
    ],
)
@pytest.mark.parametrize("is_read", [False, True])
def test_a_final_that_only_the_start_matched_by_looks_excludes_is_held_with_that_start_s_own(
    ids: dict[str, Any], other: dict[str, Any], is_read: bool
) -> None:
    tracker, job = a_tracker(), a_job(**BY_LOOKS, **ids)
    own = result("700", uuid=UUID_A, reply_to="600")
    if is_read:
        assert tracker.history([own, other], {job.id: job}) == [(job.id, ev.StartDisputed())]
    else:
        assert hear(tracker, [job], other) == [(job.id, ev.StartDisputed())]
        waiting, _ = step(job, ev.StartDisputed(), 1300.0)
        assert tracker.next_matched({job.id: waiting}) is None
        assert hear(tracker, [waiting], own) == []
        tracker.hold_unmatched({job.id: waiting})
    assert {held.message_id for held in tracker.held} == {"700", "701"}
    assert [entry["message_id"] for entry in tracker.foreign_jobs.stored()] == ["600"]


def test_a_final_disputes_the_start_of_a_follow_up_which_is_kept_with_its_button() -> None:
    press = ButtonPress("500", f"MJ::JOB::reroll::0::{UUID_A}::SOLO")
    job = a_job(**BY_LOOKS, button_press=press, job_uuid=UUID_B)
    tracker = MessageTracker(CHANNEL, lambda message_id, **_: "parent" if message_id == "500" else None)
    tracker.me = ME
    assert hear(tracker, [job], result("701", uuid=UUID_C, reply_to="500")) == [(job.id, ev.StartDisputed())]
    (kept,) = tracker.foreign_jobs.stored()
    assert (kept["message_id"], kept["pressed"], kept["uncertain"]) == ("600", "500", True)


@pytest.mark.parametrize(
    "final",
    [
        result("700", uuid=UUID_A),  # the start's own
        result("701", uuid=UUID_B, prompt="a blue dog"),
        result("701", uuid=UUID_B, who="4321"),
        result("540", uuid=UUID_B),  # older than the job's interaction
        result("701", uuid=UUID_B, reply_to="650"),  # a job by hand whose start had a name
        result("701", uuid=UUID_C),  # another job's of ours
    ],
)
def test_a_final_that_is_not_the_job_s_in_any_case_disputes_no_start(final: dict[str, Any]) -> None:
    tracker, job = a_tracker(), a_job(**BY_LOOKS, job_uuid=UUID_A, interaction_id="550")
    other = a_job("other", state=State.RUNNING, message_id="620", job_uuid=UUID_C)
    hear(tracker, [job, other], started("650", nonce="4242"))
    found = hear(tracker, [job, other], final)
    assert (job.id, ev.StartDisputed()) not in found


def test_the_final_of_a_start_matched_by_looks_waits_for_the_history_of_a_gap() -> None:
    """Another start or final in it may be the job's as well."""
    job, final = a_job(**BY_LOOKS, job_uuid=UUID_A), result("700", uuid=UUID_A)
    tracker = a_tracker(caught_up=False)
    assert hear(tracker, [job], final) == []
    assert tracker.history([result("690", uuid=UUID_B)], {job.id: job}) == [(job.id, ev.StartDisputed())]


@pytest.mark.parametrize("is_read", [False, True])
def test_the_only_final_of_a_start_matched_by_looks_is_taken_once_a_gap_is_read(is_read: bool) -> None:
    job, final = a_job(**BY_LOOKS, job_uuid=UUID_A), result("700", uuid=UUID_A)
    tracker = a_tracker(caught_up=False)
    assert (tracker.history([final], {job.id: job}) if is_read else hear(tracker, [job], final)) == []
    tracker.caught_up = True
    found = tracker.next_matched({job.id: job})
    assert found is not None
    assert [type(event) for _, event in found[1]] == [ev.Finished]


# ---- attempts that a person gave up may still run


def a_retried_job(channel: Channel, **fields: Any) -> Job:
    """Return a job whose first attempt was in doubt and whose second one is at Midjourney."""
    doubtful = a_job("jobone", state=State.IN_DOUBT, **fields)
    queued, _ = step(doubtful, ev.RetryRequested(), 1300.0)
    channel.attempt_ends(doubtful, queued, ev.RetryRequested())
    again, _ = step(queued, ev.AttemptStarted("nonce-again", "session", "650", 1), 1301.0)
    return step(again, ev.Accepted(), 1302.0)[0]


def test_the_start_of_an_earlier_attempt_proves_nothing_of_the_one_in_doubt() -> None:
    """Else the result of the one in doubt contradicts it, and is lost if the earlier one makes no picture."""
    channel = Channel(CHANNEL, lambda **_: None, quiet_time=60.0)
    channel.tracker.me = ME
    again = replace(a_retried_job(channel), state=State.IN_DOUBT)
    ((_, earlier),) = hear(channel.tracker, [again], started("700", nonce="nonce-jobone"))
    running, _ = step(again, earlier, 1310.0)
    assert (running.state, running.message_id, running.start_by_looks) == (State.RUNNING, "700", True)
    own = started("710", nonce="nonce-again") | {"interaction": {**RUNNING_ID, "id": "655"}}
    ((_, present),) = hear(channel.tracker, [running], own)
    follows, _ = step(running, present, 1320.0)
    assert (follows.message_id, follows.start_by_looks) == ("710", False)


@pytest.mark.parametrize("fields", [{"message_id": "600"}, {}, {"queued_by_bot": True}])
def test_the_result_of_an_attempt_that_was_given_up_goes_to_no_other_job(fields: dict[str, Any]) -> None:
    channel = Channel(CHANNEL, lambda **_: None, quiet_time=60.0)
    channel.tracker.me = ME
    retried, other = a_retried_job(channel, **fields), a_job("jobtwo")
    done = replace(retried, state=State.DONE)
    assert hear(channel.tracker, [done, other], result("700")) == []
    channel.tracker.hold_unmatched({other.id: other})
    (held,) = channel.tracker.held
    assert held.candidates == ("jobtwo", "jobone")
    channel.tracker.held.job_finished("jobone")
    assert channel.tracker.foreign_jobs.possible_owners(held.message) == []
    assert channel.tracker.next_matched({other.id: other}) is None, "it may be the late one"


def test_an_attempt_that_was_given_up_is_no_rival_of_its_own_job() -> None:
    channel = Channel(CHANNEL, lambda **_: None, quiet_time=60.0)
    channel.tracker.me = ME
    retried = a_retried_job(channel)
    ((job_id, event),) = hear(channel.tracker, [retried], result("700"))
    assert (job_id, type(event)) == ("jobone", ev.Finished)


def test_the_start_of_an_attempt_that_waited_in_the_queue_goes_to_no_other_job() -> None:
    channel = Channel(CHANNEL, lambda **_: None, quiet_time=60.0)
    channel.tracker.me = ME
    retried, other = a_retried_job(channel, queued_by_bot=True), a_job("jobtwo", queued_by_bot=True)
    assert hear(channel.tracker, [replace(retried, state=State.QUEUED), other], started("700")) == []


@pytest.mark.parametrize("command", ["info", "describe", "shorten", "settings"])
def test_an_attempt_that_makes_no_pictures_keeps_none_from_other_jobs(command: str) -> None:
    channel = Channel(CHANNEL, lambda **_: None, quiet_time=60.0)
    retried = a_job("jobone", text="", state=State.IN_DOUBT)
    retried = replace(retried, prompt=replace(retried.prompt, command=command))
    channel.attempt_ends(retried, replace(retried, state=State.QUEUED), ev.RetryRequested())
    assert len(channel.tracker.foreign_jobs) == 0
