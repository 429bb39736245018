"""What a person is notified of, and when again; values only."""

from __future__ import annotations

import json

from mjwatch.effects import Notification, SendNotification
from mjwatch.engine.notifications import Notified, needs_person
from mjwatch.jobs.status_text import IN_DOUBT
from mjwatch.model import Job, Pause, PauseKind, State
from tests.helpers.job_factory import made_job

CAPTCHA = Pause("Discord wants a captcha solved", PauseKind.ACCOUNT)
TOKEN = Pause("Discord does not accept the token", PauseKind.TOKEN)
BY_HAND = Pause("paused by hand", PauseKind.PERSON)


def doubtful(nonce: str = "5") -> Job:
    return made_job("job1", state=State.IN_DOUBT, nonces=(nonce,))


def reasons(
    notified: Notified, pause: Pause | None, *jobs: Job, waits: bool = True
) -> tuple[Notified, list[str]]:
    after, news = needs_person(notified, pause, jobs, lambda job: waits, 7.0)
    assert {sent.news for sent in news} <= {Notification.NEEDS_PERSON}
    assert {sent.at for sent in news} <= {7.0}
    return after, [sent.reason.removeprefix("sending is paused: ") for sent in news]


def test_a_pause_is_notified_once_while_it_lasts() -> None:
    notified, reported = reasons(Notified(), CAPTCHA)
    assert reported == [CAPTCHA.reason]
    assert reasons(notified, CAPTCHA) == (notified, [])


def test_a_pause_is_not_notified_again_after_a_restart() -> None:
    notified, _ = reasons(Notified(), CAPTCHA, doubtful())
    after_restart = Notified.stored(json.loads(json.dumps(notified.to_store())))
    assert reasons(after_restart, CAPTCHA, doubtful()) == (notified, [])
    assert Notified.stored(None) == Notified()


def test_a_cause_that_has_gone_and_comes_again_is_notified_again() -> None:
    notified, _ = reasons(Notified(), CAPTCHA)
    notified, reported = reasons(notified, None)
    assert (notified, reported) == (Notified(), [])
    assert reasons(notified, CAPTCHA)[1] == [CAPTCHA.reason]


def test_another_cause_is_notified() -> None:
    notified, _ = reasons(Notified(), CAPTCHA)
    assert reasons(notified, TOKEN)[1] == [TOKEN.reason]


def test_a_person_is_not_notified_of_what_they_asked_for() -> None:
    assert reasons(Notified(), BY_HAND)[1] == []


def test_a_doubt_is_notified_once_when_it_waits_for_a_person() -> None:
    notified, reported = reasons(Notified(), None, doubtful(), waits=False)
    assert reported == []
    notified, news = needs_person(notified, None, [doubtful()], lambda job: True, 7.0)
    assert news == [SendNotification(Notification.NEEDS_PERSON, 7.0, IN_DOUBT, doubtful())]
    assert reasons(notified, None, doubtful()) == (notified, [])


def test_a_doubt_that_may_settle_itself_for_a_while_is_not_notified_again() -> None:
    notified, _ = reasons(Notified(), None, doubtful())
    notified, _ = reasons(notified, None, doubtful(), waits=False)
    assert reasons(notified, None, doubtful())[1] == []


def test_the_doubt_about_another_attempt_is_notified_and_a_settled_one_is_forgotten() -> None:
    notified, _ = reasons(Notified(), None, doubtful("5"))
    notified, reported = reasons(notified, None, doubtful("6"))
    assert reported == [IN_DOUBT]
    assert len(notified.doubts) == 1
    assert reasons(notified, None, made_job("job1", state=State.RUNNING, nonces=("6",)))[0] == Notified()


def test_a_job_that_is_not_in_doubt_is_not_notified() -> None:
    assert reasons(Notified(), None, made_job(state=State.RUNNING), made_job(state=State.FAILED))[1] == []
