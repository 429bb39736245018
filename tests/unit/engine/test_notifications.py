"""What a person is told of, and when again; values only."""

from __future__ import annotations

import json

from mjwatch.effects import Notification, SendNotification
from mjwatch.engine.service_state import Notified, needs_person
from mjwatch.jobs.status_text import IN_DOUBT
from mjwatch.model import Job, Pause, PauseKind, State
from tests.helpers.job_factory import made_job

CAPTCHA = Pause("Discord wants a captcha solved", PauseKind.ACCOUNT)
TOKEN = Pause("Discord does not accept the token", PauseKind.TOKEN)
BY_HAND = Pause("paused by hand", PauseKind.PERSON)


def doubtful(nonce: str = "5") -> Job:
    return made_job("job1", state=State.IN_DOUBT, nonces=(nonce,))


def reasons(
    told: Notified, pause: Pause | None, *jobs: Job, waits: bool = True
) -> tuple[Notified, list[str]]:
    after, news = needs_person(told, pause, jobs, lambda job: waits, 7.0)
    assert {one.news for one in news} <= {Notification.NEEDS_PERSON}
    assert {one.at for one in news} <= {7.0}
    return after, [one.reason for one in news]


def test_a_pause_is_told_once_as_long_as_it_lasts() -> None:
    told, said = reasons(Notified(), CAPTCHA)
    assert said == [CAPTCHA.reason]
    assert reasons(told, CAPTCHA) == (told, [])


def test_it_is_not_told_again_after_a_restart() -> None:
    told, _ = reasons(Notified(), CAPTCHA, doubtful())
    after_restart = Notified.stored(json.loads(json.dumps(told.to_store())))
    assert reasons(after_restart, CAPTCHA, doubtful()) == (told, [])
    assert Notified.stored(None) == Notified()


def test_a_cause_that_has_gone_and_comes_again_is_told_again() -> None:
    told, _ = reasons(Notified(), CAPTCHA)
    told, said = reasons(told, None)
    assert (told, said) == (Notified(), [])
    assert reasons(told, CAPTCHA)[1] == [CAPTCHA.reason]


def test_another_cause_is_told() -> None:
    told, _ = reasons(Notified(), CAPTCHA)
    assert reasons(told, TOKEN)[1] == [TOKEN.reason]


def test_a_person_is_not_told_what_they_asked_for() -> None:
    assert reasons(Notified(), BY_HAND)[1] == []


def test_a_doubt_is_told_once_when_it_waits_for_a_person() -> None:
    told, said = reasons(Notified(), None, doubtful(), waits=False)
    assert said == []
    told, news = needs_person(told, None, [doubtful()], lambda job: True, 7.0)
    assert news == [SendNotification(Notification.NEEDS_PERSON, 7.0, IN_DOUBT, doubtful())]
    assert reasons(told, None, doubtful()) == (told, [])


def test_a_doubt_that_is_looked_into_for_a_while_is_not_told_again_after_it() -> None:
    told, _ = reasons(Notified(), None, doubtful())
    told, _ = reasons(told, None, doubtful(), waits=False)
    assert reasons(told, None, doubtful())[1] == []


def test_the_doubt_about_another_attempt_is_told_and_what_is_settled_is_forgotten() -> None:
    told, _ = reasons(Notified(), None, doubtful("5"))
    told, said = reasons(told, None, doubtful("6"))
    assert said == [IN_DOUBT]
    assert len(told.doubts) == 1
    assert reasons(told, None, made_job("job1", state=State.RUNNING, nonces=("6",)))[0] == Notified()


def test_a_job_that_is_no_doubt_is_no_news() -> None:
    assert reasons(Notified(), None, made_job(state=State.RUNNING), made_job(state=State.FAILED))[1] == []
