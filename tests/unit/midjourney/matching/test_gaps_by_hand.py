"""What the channel's history says about jobs by hand and by file, and what a gap leaves unknown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mjwatch import events as ev
from mjwatch.midjourney.channel import Channel
from mjwatch.midjourney.matching.foreign_jobs import ForeignJob, ForeignJobs
from mjwatch.midjourney.matching.matcher import AmbiguousMatch, Match, is_same_bot_job, match, match_history
from mjwatch.midjourney.parsing.messages import read_message
from mjwatch.midjourney.tracker import MessageTracker
from mjwatch.model import ButtonPress, Job, State
from tests.helpers.message_shapes import (
    CHANNEL,
    ME,
    UUID_A,
    UUID_B,
    a_job,
    create,
    progress,
    result,
    started,
)

RUNNING = {"interaction": {"id": "550", "type": 2, "name": "imagine", "user": {"id": ME}}}


def read(data: dict[str, Any], event: str = "REST") -> Any:
    return read_message(event, data)


def a_channel(job: Job, session_id: str) -> Channel:
    channel = Channel(CHANNEL, lambda **_: None, quiet_time=60.0)
    ready = ev.GatewayReady(session_id, "ws://127.0.0.1:1/", ME, "ada", frozenset(), frozenset(), 1)
    channel.ready(ready, 1000.0)
    return channel


def test_an_own_final_without_ids_is_kept_beside_the_own_start_and_found_once_the_job_is_overdue() -> None:
    """While the start is there, the final may be that of a job by hand whose start was deleted."""
    job = a_job(interaction_id="550")
    start, final = read(progress("600") | RUNNING), read(result("700"))
    found = match_history([start, final], [job], ForeignJobs(), ME)
    assert (found.matched, found.ambiguous) == ([(Match(job.id, "interaction"), start)], [final])
    running = replace(job, state=State.RUNNING, message_id="600")
    late = match_history([start, final], [running], ForeignJobs(), ME)
    assert late.matched == [(Match(job.id, "message"), start), (Match(job.id, "text"), final)]


def test_a_job_that_is_not_found_by_its_text_is_a_rival_all_the_same() -> None:
    jobs = [a_job("one"), a_job("two", state=State.IN_DOUBT)]
    final = read(result("700"))
    found = match_history([final], jobs, ForeignJobs(), ME, by_text={"two"})
    assert (found.matched, found.ambiguous) == ([], [final])


def test_nothing_is_adopted_by_its_text_while_the_session_may_still_name_it() -> None:
    by_hand = ev.HistoryRead((started("600"),), "600")
    job = a_job(session_id="session", session_generation=1)
    channel = a_channel(job, "session")
    channel.lost()
    assert channel.history(by_hand, {job.id: job}) == []
    late = replace(job, session_id="another")
    assert channel.history(by_hand, {job.id: replace(late, state=State.SUBMITTING)}) == []
    assert channel.history(by_hand, {job.id: late}) == [(job.id, ev.Started("600", by_looks=True))]


def test_progress_that_is_heard_before_the_history_is_read_shows_a_job_by_hand() -> None:
    """Its start was missed, and may be deleted before the history is read."""
    tracker = MessageTracker(CHANNEL, lambda **_: None)
    tracker.me = ME
    tracker.new_session()
    job = a_job(state=State.RUNNING, message_id="600")
    update = ev.GatewayDispatch("MESSAGE_UPDATE", progress("650"), 3)
    assert tracker.dispatch(update, {job.id: job}) == []
    tracker.caught_up = True
    found = tracker.next_matched({job.id: job})
    assert found is not None
    tracker.release(found[0])
    assert tracker.dispatch(create(result("700")), {job.id: job}) == []
    assert [entry["message_id"] for entry in tracker.foreign_jobs.stored()] == ["650"]


def test_a_second_start_in_the_history_disputes_the_one_that_was_matched_by_looks() -> None:
    channel = Channel(CHANNEL, lambda **_: None, quiet_time=60.0)
    channel.tracker.me = ME
    job = a_job(state=State.RUNNING, message_id="600", start_by_looks=True)
    messages = started("610"), result("700", reply_to="600"), result("701", uuid=UUID_B, reply_to="610")
    found = channel.history(ev.HistoryRead(messages, "701", {"600": None}), {job.id: job})
    assert found[0] == (job.id, ev.StartDisputed())
    assert not any(isinstance(event, ev.Finished) for _, event in found)
    assert [held.message_id for held in channel.tracker.held] == ["700", "701"]


def test_a_disputed_start_that_is_read_again_is_not_its_job_s_any_more() -> None:
    """Else the job gets the uuid of a job by hand, and then its picture."""
    channel = Channel(CHANNEL, lambda **_: None, quiet_time=60.0)
    channel.tracker.me = ME
    job = a_job(state=State.RUNNING, message_id="600", start_by_looks=True)
    first = progress("600", uuid=UUID_A)
    read_now = ev.HistoryRead((first, progress("610", uuid=UUID_B)), "610", {"600": first})
    assert channel.history(read_now, {job.id: job}) == [(job.id, ev.StartDisputed())]


def test_a_final_of_a_gap_does_not_end_a_job_by_hand_whose_start_is_still_there() -> None:
    """It may be that of another one, whose start was deleted before the history was read."""
    tracker = MessageTracker(CHANNEL, lambda **_: None)
    tracker.me = ME
    assert tracker.history([progress("600"), result("650", uuid=UUID_B)], {}) == []
    tracker.caught_up = True
    job = a_job(state=State.RUNNING, message_id="710", anchor="700")
    assert tracker.dispatch(create(result("720")), {job.id: job}) == []
    assert [kept.message.message_id for kept in tracker.unmatched] == ["720"]


def test_a_start_that_is_older_than_a_queued_job_is_another_job_s() -> None:
    foreign_jobs = ForeignJobs()
    foreign_jobs.add(ForeignJob("650", "a red cat", since="650", queued=True))
    foreign_jobs.note(read(started("600")))
    assert [entry["message_id"] for entry in foreign_jobs.stored()] == ["650", "600"]


def test_a_final_that_an_empty_history_lacks_is_held() -> None:
    """The history can't be read, so that a job by hand may have begun in the gap."""
    job = a_job(session_id="lost")
    channel = a_channel(job, "session")
    assert channel.tracker.dispatch(create(result("700")), {job.id: job}) == []
    empty = ev.HistoryRead((), None)
    assert channel.history(empty, {job.id: job}) == []
    channel.history_handled(empty, 1001.0)
    assert channel.tracker.next_matched({job.id: job}) is None
    assert [(held.message_id, held.by_ids) for held in channel.tracker.held] == [("700", True)]


def test_what_a_passive_update_shows_to_be_missing_is_a_gap() -> None:
    """A start that is heard before the history is read hides no older one that was missed."""
    job = a_job(session_id="session", session_generation=1)
    channel = a_channel(job, "session")
    channel.load(None, "500")
    channel.history_handled(ev.HistoryRead((), None), 1001.0)
    update = {"channels": [{"id": CHANNEL, "last_message_id": "600"}]}
    assert channel.dispatch_handled(ev.GatewayDispatch("PASSIVE_UPDATE_V1", update, 3), 1002.0)
    assert channel.tracker.dispatch(create(started("610", nonce=job.nonce)), {job.id: job})
    running = replace(job, state=State.RUNNING, message_id="610")
    channel.history(ev.HistoryRead((started("600"), started("610")), "610"), {job.id: running})
    assert [entry["message_id"] for entry in channel.tracker.foreign_jobs.stored()] == ["600"]


def test_a_final_of_a_gap_is_not_taken_by_its_text_if_the_start_of_the_job_may_be_hidden_there() -> None:
    """So may that of an equal job by hand; nothing tells them apart before the job is overdue."""
    job = a_job(session_id="session", session_generation=1, interaction_id="550")
    channel, jobs = a_channel(job, "session"), {job.id: job}
    assert channel.tracker.dispatch(create(result("700")), jobs) == []
    shown = ev.HistoryRead((result("690", "a dog"),), "690")  # read before the result came
    assert channel.history(shown, jobs) == []
    channel.history_handled(shown, 1001.0)
    assert channel.tracker.next_matched(jobs) is None
    channel.tracker.hold_unmatched(jobs)
    assert [held.message_id for held in channel.tracker.held] == ["700"]
    assert channel.tracker.next_matched(jobs) is None
    seen = {job.id: replace(job, state=State.RUNNING, message_id="600")}
    found = channel.tracker.next_matched(seen)
    assert found is not None
    assert [type(event) for _, event in found[1]] == [ev.Finished]


@pytest.mark.parametrize("pressed", ["upsample::2", "variation::2"])
def test_of_two_equal_presses_in_a_gap_only_u1_to_u4_make_the_same_picture(pressed: str) -> None:
    press = ButtonPress("600", f"MJ::JOB::{pressed}::{UUID_A}")
    job = a_job(session_id="session", session_generation=1, button_press=press)
    channel, jobs = a_channel(job, "session"), {job.id: job}
    shown = ev.HistoryRead((result("690", "a dog"),), "690")
    channel.history(shown, jobs)
    channel.history_handled(shown, 1001.0)
    final = result("700", uuid=UUID_B, reply_to="600")
    upscaled = "**a red cat** - Image #2 <@1111000000000000001>"
    varied = "**a red cat** - Variations (Strong) by <@1111000000000000001> (fast)"
    final |= {"content": upscaled if pressed == "upsample::2" else varied}
    found = channel.tracker.dispatch(create(final), jobs)
    assert bool(found) == (pressed == "upsample::2")


def test_a_gap_that_a_resumed_session_repeats_hides_no_start() -> None:
    job = a_job(session_id="session", session_generation=1)
    channel, jobs = a_channel(job, "session"), {job.id: job}
    channel.load(None, "500")
    shown = ev.HistoryRead((result("690", "a dog"),), "690")
    channel.history(shown, jobs)
    channel.history_handled(shown, 1001.0)
    found = channel.tracker.dispatch(create(result("700")), jobs)
    assert [type(event) for _, event in found] == [ev.Finished]


@pytest.mark.parametrize("is_read", [False, True])
def test_a_start_that_a_gap_may_have_hidden_stays_so_over_a_restart_with_the_same_session(
    is_read: bool,
) -> None:
    job = a_job(session_id="session", session_generation=1, interaction_id="550")
    channel, jobs = a_channel(job, "session"), {job.id: job}
    shown = ev.HistoryRead((result("690", "a dog"),), "690")
    if is_read:
        channel.history(shown, jobs)
        channel.history_handled(shown, 1001.0)
    stored = channel.position()
    channel = Channel(CHANNEL, lambda **_: None, quiet_time=60.0)
    channel.load(stored["gateway"], stored["newest"], gap=stored["gap"])
    channel.stream.resumed(ev.GatewayResumed("session", 3), 1002.0)
    channel.history(shown, jobs)
    channel.history_handled(shown, 1003.0)
    assert channel.tracker.dispatch(create(result("700")), jobs) == []


def test_a_final_after_a_gap_is_taken_by_its_text_by_a_job_that_was_sent_after_it() -> None:
    channel = a_channel(a_job(), "session")
    empty = ev.HistoryRead((), None)
    channel.history(empty, {})
    channel.history_handled(empty, 1001.0)
    job = a_job(session_id="session", session_generation=1)
    assert channel.tracker.dispatch(create(result("700")), {job.id: job})


def test_a_start_that_may_be_that_of_a_job_not_found_by_its_text_is_kept() -> None:
    start = read(started("600"), "REST")
    found = match_history([start], [a_job(state=State.SUBMITTING)], ForeignJobs(), ME, by_text=())
    assert (found.matched, found.ambiguous) == ([], [start])


def test_a_start_of_a_gap_is_learned_although_newer_messages_were_heard_before_the_history() -> None:
    tracker = MessageTracker(CHANNEL, lambda **_: None)
    tracker.me, tracker.newest = ME, "500"
    tracker.new_session()
    tracker.dispatch(create(started("650", "a blue dog", nonce="4242")), {})
    tracker.history([started("600")], {})
    assert {entry["message_id"] for entry in tracker.foreign_jobs.stored()} == {"600", "650"}


def test_a_reply_to_a_final_is_another_job_of_the_bot() -> None:
    final, again = read(result("700", uuid=UUID_A)), read(result("710", uuid=UUID_B, reply_to="700"))
    assert not is_same_bot_job(final, again)
    assert is_same_bot_job(read(started("600")), read(result("700", reply_to="600")))


# ---- which foreign job a final ends


def foreign(*jobs: ForeignJob) -> ForeignJobs:
    foreign_jobs = ForeignJobs()
    for job in jobs:
        foreign_jobs.add(job)
    return foreign_jobs


def running(foreign_jobs: ForeignJobs) -> list[str]:
    return [entry["message_id"] for entry in foreign_jobs.stored() if entry["result_id"] is None]


def test_a_final_ends_no_job_that_is_newer_or_whose_start_it_does_not_reply_to() -> None:
    for final in (result("600"), result("700", reply_to="640")):
        foreign_jobs = foreign(ForeignJob("650", "a red cat", since="650"))
        foreign_jobs.end_by_content(read(final))
        assert running(foreign_jobs) == ["650"]


def test_of_two_jobs_that_a_final_fits_the_older_one_stays() -> None:
    foreign_jobs = foreign(*(ForeignJob(id_, "a red cat", since=id_) for id_ in ("600", "650")))
    foreign_jobs.end_by_content(read(result("700")))
    assert running(foreign_jobs) == ["600"]


def test_a_job_that_ended_without_a_result_keeps_its_prompt_also_if_the_channel_was_empty() -> None:
    tracker = MessageTracker(CHANNEL, lambda **_: None)
    tracker.remember_attempt(a_job("ended222", anchor="0"))
    final = read(result("1551597298637602816"))
    assert not isinstance(match(final, [a_job()], tracker.foreign_jobs, ME), Match)


def test_progress_whose_start_was_missed_keeps_the_final_of_another_job_away() -> None:
    job, tracker = a_job(), MessageTracker(CHANNEL, lambda **_: None)
    tracker.me = ME
    messages = [progress("600", uuid=UUID_A), progress("610", uuid=UUID_B)]
    assert tracker.history(messages, {job.id: job}) == []
    assert tracker.dispatch(create(result("700", uuid=UUID_A)), {job.id: job}) == []
    assert tracker.next_matched({job.id: job}) is None


@pytest.mark.parametrize("start", ["ended nonce-1", "560"])
def test_the_late_result_of_an_earlier_attempt_does_not_end_an_equal_job_by_hand(start: str) -> None:
    """The job by hand began before the gap; the attempt that was given up ended in the gap."""
    foreign_jobs = ForeignJobs()
    foreign_jobs.add(ForeignJob(start, "a red cat", since="550", owner="jobaaaaa"))
    foreign_jobs.note(read(started("600", nonce="77"), "MESSAGE_CREATE"))
    job = a_job(anchor="650", interaction_id="690")
    shown = [read(started("560"))] if start == "560" else []
    shown.append(read(result("660", uuid=UUID_B)))
    assert match_history(shown, [job], foreign_jobs, ME).matched == []
    by_hand = read(result("800"), "MESSAGE_CREATE")
    assert isinstance(match(by_hand, [job], foreign_jobs, ME), AmbiguousMatch)


def test_a_gap_stays_to_be_read_whatever_is_heard_after_it() -> None:
    """Else the starts by hand in it are never read: after a failed reading, or after a restart."""
    channel = a_channel(a_job(), "session")
    channel.tracker.newest = "600"
    channel.tracker.begin_gap()
    channel.history_handled(ev.HistoryRead((), None), 1000.0)
    channel.ready(
        ev.GatewayReady("next", "ws://127.0.0.1:1/", ME, "ada", frozenset(), frozenset(), 1), 1001.0
    )
    channel.tracker.dispatch(create(started("700", nonce="77")), {})
    assert channel.position()["newest"] == "600"
    request = channel.history_request({}, 1002.0)
    assert request is not None
    assert request.after == "600"
    channel.history_handled(ev.HistoryRead((), None), 1003.0)
    assert channel.position()["newest"] == "700"


def test_a_start_whose_interaction_is_unknown_disputes_one_that_was_matched_by_looks() -> None:
    tracker = MessageTracker(CHANNEL, lambda **_: None)
    tracker.me = ME
    job = a_job(state=State.RUNNING, message_id="600", start_by_looks=True)
    other = create(started("650") | RUNNING)
    assert tracker.dispatch(other, {job.id: job}) == [(job.id, ev.StartDisputed())]
    heard = replace(job, interaction_id="540")
    assert tracker.dispatch(other, {job.id: heard}) == [], "it is another one's"


def test_a_start_that_was_heard_before_the_gap_was_read_disputes_what_the_history_shows() -> None:
    channel = Channel(CHANNEL, lambda **_: None, quiet_time=60.0)
    channel.tracker.me = ME
    channel.tracker.begin_gap()
    job = a_job(state=State.RUNNING, message_id="600", start_by_looks=True)
    assert channel.tracker.dispatch(create(started("650")), {job.id: job}) == []
    final = result("700", reply_to="600")
    assert channel.history(ev.HistoryRead((final,), "700"), {job.id: job}) == [(job.id, ev.StartDisputed())]


@pytest.mark.parametrize(
    "named", [started("650", nonce="77"), started("650") | RUNNING, started("650") | {"nonce": "77"}]
)
def test_a_start_that_is_heard_with_the_name_of_another_is_not_taken_by_its_looks(
    named: dict[str, Any],
) -> None:
    job = a_job(state=State.IN_DOUBT)
    assert match(read(named, "MESSAGE_CREATE"), [job], ForeignJobs(), ME) is None
    assert match(read(started("650"), "MESSAGE_CREATE"), [job], ForeignJobs(), ME) == Match(job.id, "text")


def test_in_the_history_an_earlier_attempt_is_no_rival_of_its_own_job() -> None:
    foreign_jobs = ForeignJobs()
    foreign_jobs.add(ForeignJob("ended nonce-1", "a red cat", since="550", owner="jobaaaaa"))
    final = read(result("700"))
    assert match_history([final], [a_job()], foreign_jobs, ME).matched == [(Match("jobaaaaa", "text"), final)]
    assert match_history([final], [a_job("jobbbbbb")], foreign_jobs, ME).matched == []


# ---- a result that the history does not show


def looked_up(channel: Channel, job: Job, *read_again: ev.HistoryRead | None) -> ev.TimedOut | None:
    """Return what becomes of an overdue job once the history is read (None: it can't be)."""
    jobs = {job.id: job}
    assert channel.overdue(job, 1100.0) is None
    for event in read_again:
        if event is None:
            channel.history_failed(1100.0)
        else:
            channel.history(event, jobs)
            channel.history_handled(event, 1100.0)
    return channel.overdue(job, 1101.0)


@pytest.mark.parametrize(
    ("session_id", "read_now", "is_missed"),
    [
        ("session", ev.HistoryRead((), None), False),  # all was heard
        ("lost", ev.HistoryRead((), None), True),
        ("lost", ev.HistoryRead((), None, {"600": None}), True),
        ("lost", None, True),
        ("lost", ev.HistoryRead((started("650", "a dog", nonce="77"),), "650"), False),
        ("lost", ev.HistoryRead((), None, {"600": None, "610": started("610", "a dog")}), False),
    ],
)
def test_after_a_gap_an_empty_history_does_not_prove_that_there_is_no_result(
    session_id: str, read_now: ev.HistoryRead | None, is_missed: bool
) -> None:
    """It may be a missing right to read."""
    job = a_job(state=State.RUNNING, message_id="600", session_id=session_id, session_generation=1)
    job = replace(job, start_deleted_at=1000.0, next_action_at=1060.0)
    assert looked_up(a_channel(job, "session"), job, read_now) == ev.TimedOut(result_missed=is_missed)


def test_the_last_part_of_a_long_history_shows_something_although_it_is_empty() -> None:
    job = a_job(state=State.RUNNING, message_id="600", session_id="lost", session_generation=1)
    job = replace(job, start_deleted_at=1000.0, next_action_at=1060.0)
    first = ev.HistoryRead((started("650", "a dog", nonce="77"),), "650", complete=False)
    found = looked_up(a_channel(job, "session"), job, first, ev.HistoryRead((), None))
    assert found == ev.TimedOut(result_missed=False)


def test_what_the_gateway_left_out_is_a_gap_too_until_the_history_shows_something() -> None:
    job = a_job(state=State.RUNNING, message_id="600", session_id="session", session_generation=1)
    job = replace(job, start_deleted_at=1000.0, next_action_at=1060.0)
    channel = a_channel(job, "session")
    update = {"channels": [{"id": CHANNEL, "last_message_id": "700"}]}
    assert channel.dispatch_handled(ev.GatewayDispatch("PASSIVE_UPDATE_V1", update, 3), 1002.0)
    empty = ev.HistoryRead((), None)
    assert looked_up(channel, job, empty) == ev.TimedOut(result_missed=True)
    shown = ev.HistoryRead((started("650", "a dog", nonce="77"),), "650")
    later = replace(job, next_action_at=1070.0)
    assert looked_up(channel, later, shown) == ev.TimedOut(result_missed=False)
    assert looked_up(channel, replace(job, next_action_at=1080.0), empty) == ev.TimedOut()
