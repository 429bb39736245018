"""What the gateway and the history say becomes events for jobs."""

from __future__ import annotations

from typing import Any

from mjwatch import events as ev
from mjwatch.midjourney.tracker import MessageTracker
from mjwatch.model import Job, State
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


def a_follower(closed: dict[str, str] | None = None) -> MessageTracker:
    def owner_of(
        *, job_uuid: str | None, message_id: str | None, start_id: str | None, nonce: str | None = None
    ) -> str | None:
        known = closed or {}
        ids = (job_uuid, message_id, start_id, nonce)
        return next((known[id_] for id_ in ids if id_ in known), None)

    tracker = MessageTracker(CHANNEL, owner_of)
    tracker.me = ME
    return tracker


def by_id(*jobs: Job) -> dict[str, Job]:
    return {job.id: job for job in jobs}


def test_only_our_channels_messages_and_interactions_are_wanted() -> None:
    tracker = a_follower()
    assert tracker.wanted("MESSAGE_CREATE", {"channel_id": CHANNEL})
    assert not tracker.wanted("MESSAGE_CREATE", {"channel_id": "1"})
    assert tracker.wanted("INTERACTION_SUCCESS", {"id": "1"})
    assert not tracker.wanted("PRESENCE_UPDATE", {"channel_id": CHANNEL})


def test_one_job_is_followed_from_its_interaction_to_its_result() -> None:
    tracker, job = a_follower(), a_job()
    said = ev.GatewayDispatch("INTERACTION_CREATE", {"id": "550", "nonce": "nonce-jobaaaaa"}, 1)
    assert tracker.dispatch(said, by_id(job)) == [("jobaaaaa", ev.InteractionSeen("550"))]
    pairs = tracker.dispatch(create(started("600", nonce="nonce-jobaaaaa")), by_id(job))
    assert pairs == [("jobaaaaa", ev.Started("600", "550", None))]
    job = a_job(message_id="600", state=State.RUNNING)
    pairs = tracker.dispatch(update(progress("600", uuid=UUID_A)), by_id(job))
    assert pairs == [("jobaaaaa", ev.Progressed(35, UUID_A))]
    ((job_id, finished),) = tracker.dispatch(create(result("700", reply_to="600")), by_id(job))
    assert job_id == "jobaaaaa"
    assert isinstance(finished, ev.Finished)
    assert (finished.result.message_id, finished.result.matched_by) == ("700", "reference")
    assert finished.result.pictures[0].width == 2048
    assert tracker.references_seen
    assert tracker.newest == "700"


def test_the_nonce_of_an_interaction_that_failed_leaves_the_job_in_doubt() -> None:
    said = ev.GatewayDispatch(
        "INTERACTION_FAILURE", {"id": "8", "nonce": "nonce-jobaaaaa", "reason_code": 2}, 1
    )
    ((_, event),) = a_follower().dispatch(said, by_id(a_job()))
    assert isinstance(event, ev.InteractionFailed)


def test_a_captcha_in_a_frame_needs_a_person() -> None:
    data = {"id": "8", "nonce": "nonce-jobaaaaa", "iframe_path": "/captcha/embedded/x"}
    ((_, event),) = a_follower().dispatch(
        ev.GatewayDispatch("INTERACTION_IFRAME_MODAL_CREATE", data, 1), by_id(a_job())
    )
    assert isinstance(event, ev.Refused)
    assert event.refusal.needs_human


def test_a_deleted_start_message_is_an_event() -> None:
    job = a_job(message_id="600", state=State.RUNNING)
    assert a_follower().dispatch(delete("600"), by_id(job)) == [("jobaaaaa", ev.StartMessageDeleted())]
    assert a_follower().dispatch(delete("601"), by_id(job)) == []


def test_progress_whose_start_was_missed_starts_the_job_by_its_uuid() -> None:
    job = a_job(job_uuid=UUID_A)
    pairs = a_follower().dispatch(update(progress("600", uuid=UUID_A)), by_id(job))
    assert pairs == [("jobaaaaa", ev.Started("600", None, UUID_A)), ("jobaaaaa", ev.Progressed(35, UUID_A))]


def test_job_queued_is_no_failure() -> None:
    embed = {
        "type": "rich",
        "title": "Job queued",
        "color": 16239475,
        "footer": {"text": "/imagine a red cat"},
    }
    data = message("600", "", embeds=[embed], flags=64, nonce="nonce-jobaaaaa")
    assert a_follower().dispatch(create(data), by_id(a_job())) == [("jobaaaaa", ev.QueuedByBot())]


def test_a_refusal_of_the_account_is_an_event_though_it_is_for_no_job_of_ours() -> None:
    tracker = a_follower()
    ((job_id, event),) = tracker.dispatch(create(refused("600", "Pending mod message", nonce="77")), {})
    assert job_id is None
    assert isinstance(event, ev.Refused)


def test_an_ambiguous_final_is_kept_until_its_job_is_known() -> None:
    tracker = a_follower()
    one, two = a_job("jobone"), a_job("jobtwo")
    assert tracker.dispatch(create(result("700", uuid=UUID_A), seq=41), by_id(one, two)) == []
    assert tracker.unmatched.safe_seq(50) == 40
    assert tracker.unmatched.safe_newest("800") == "699"
    assert tracker.next_matched(by_id(one, two)) is None
    clear = by_id(one, a_job("jobtwo", job_uuid=UUID_B))
    found = tracker.next_matched(clear)
    assert found is not None
    matched, ((job_id, event),) = found
    assert job_id == "jobone"
    assert isinstance(event, ev.Finished)
    assert tracker.next_matched(clear) == found
    tracker.release(matched)
    assert tracker.unmatched.safe_seq(50) == 50
    assert tracker.next_matched(clear) is None


def test_while_a_gap_is_unread_only_ids_decide() -> None:
    tracker = a_follower()
    tracker.new_session()
    assert tracker.dispatch(create(result("700", uuid=UUID_A)), by_id(a_job())) == []
    assert len(tracker.unmatched) == 1
    ((job_id, _),) = tracker.dispatch(create(result("701", uuid=UUID_B)), by_id(a_job(job_uuid=UUID_B)))
    assert job_id == "jobaaaaa"
    tracker.caught_up = True
    assert tracker.next_matched(by_id(a_job())) is not None


def test_a_replayed_final_of_a_closed_job_is_not_given_to_its_duplicate() -> None:
    known = {UUID_A: "closed"}
    tracker = a_follower(known)
    final = result("700", uuid=UUID_A)
    for pairs in (tracker.dispatch(create(final), by_id(a_job())), tracker.history([final], by_id(a_job()))):
        assert [(job_id, type(event)) for job_id, event in pairs] == [("closed", ev.Finished)]
    known["700"] = "closed"  # its result by now
    assert tracker.history([final], by_id(a_job())) == []


def test_the_result_of_a_closed_jobs_other_attempt_is_no_equal_prompts() -> None:
    tracker = a_follower({"111": "closed", "222": ""})  # "": a submission that was no job's
    tracker.caught_up = True
    twin = by_id(a_job(state=State.SUBMITTED, queued_by_bot=True, anchor="4000"))
    ((job_id, event),) = tracker.dispatch(create(started("5000", nonce="111")), twin)
    assert (job_id, type(event)) == ("closed", ev.Started)
    assert tracker.dispatch(create(started("5001", nonce="222")), twin) == []
    for start in ("5000", "5001"):
        assert tracker.dispatch(create(result(f"6{start}", uuid=UUID_B, reply_to=start)), twin) == []


def test_what_ended_in_a_gap_is_found_in_the_history() -> None:
    tracker = a_follower()
    messages: list[dict[str, Any]] = [result("700", uuid=UUID_A), message("701", "hello", author={"id": "5"})]
    ((job_id, event),) = tracker.history(messages, by_id(a_job(job_uuid=UUID_A)))
    assert job_id == "jobaaaaa"
    assert isinstance(event, ev.Finished)
    assert tracker.newest == "701"


def test_an_empty_channel_has_a_newest_message_all_the_same() -> None:
    tracker = a_follower()
    tracker.note_newest("0")
    assert tracker.newest == "0"
    tracker.note_newest(None)
    tracker.note_newest("600")
    tracker.note_newest("599")
    assert tracker.newest == "600"


def test_at_the_first_look_at_the_channel_running_jobs_belong_to_somebody_else() -> None:
    tracker = a_follower()
    page = [
        started("590"),
        started("591", "a blue dog"),
        result("595", "a blue dog", uuid=UUID_B, reply_to="591"),
    ]
    assert tracker.history(page, {}) == []
    ours = by_id(a_job(anchor="600"), a_job("jobblue", "a blue dog", anchor="600"))
    assert tracker.dispatch(create(result("700", uuid=UUID_A)), ours) == []
    assert len(tracker.unmatched) == 1
    ((job_id, _),) = tracker.dispatch(create(result("701", "a blue dog", uuid=UUID_A)), ours)
    assert job_id == "jobblue"


def test_a_refusal_that_somebody_else_invoked_does_not_pause_our_sending() -> None:
    captcha = refused("700", "Action required to continue", nonce="theirs")
    captcha["embeds"][0]["description"] = "Please verify you are human"
    assert [type(event) for _, event in a_follower().dispatch(create(captcha), {})] == [ev.Refused]
    captcha["interaction"]["user"]["id"] = OTHER_USER
    assert a_follower().dispatch(create(captcha), {}) == []
