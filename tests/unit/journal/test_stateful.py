"""A job on its journal: any order of events, a crash anywhere, and it is never paid for twice.

Seen to catch: a POST in doubt, at a restart or a time-out, sent again; a silent session taken for a proof
without a POST in doubt; an overdue or failed interaction sent again; an attempt left out of the journal.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.jobs.state_machine import step
from mjwatch.journal.writer import Journal
from mjwatch.model import Job, Refusal, RefusalClass, State
from tests.helpers.examples import examples
from tests.helpers.job_factory import RESULT, made_job

MEMORY = Path("/dev/shm")
"""Where a commit waits for no disk, so that more orders can be tried in the same time."""

NOES = [Refusal(kind, "No", "a made-up no") for kind in RefusalClass]
NOES.append(Refusal(RefusalClass.ACCOUNT, "Captcha", "a person is wanted", needs_human=True))


@dataclass
class Attempt:
    """The truth about one POST, of which mjwatch knows only what the events say."""

    nonce: str
    sent: bool = False
    executed: bool = False
    begun: bool = False
    refused_by_bot: bool = False
    shown_absent: bool = False
    excused: bool = False
    """A person has said "again" since."""

    @property
    def paid_for(self) -> bool:
        return self.executed and not self.refused_by_bot


class Life(RuleBasedStateMachine):
    """One job, a sender that has POSTs to do, a Discord that tells the truth late, twice or never."""

    @initialize(executed=st.none() | st.booleans(), answered=st.booleans(), seen=st.booleans())
    def begin(self, executed: bool | None, answered: bool, seen: bool) -> None:
        """A job that waits or, so that more stories get far, has had its first POST."""
        self.folder = Path(tempfile.mkdtemp(prefix="mjwatch-life-", dir=MEMORY if MEMORY.is_dir() else None))
        self.journal = Journal(self.folder / "journal.sqlite3")
        self.job: Job = made_job()
        self.journal.accept(None, [(self.job, "a cat")], 0.0)
        self.now = itertools.count(1_000)
        self.attempts: list[Attempt] = []
        self.sender: list[Attempt] = []
        self.answers: list[tuple[Attempt, ev.JobEvent]] = []
        self.saving: list[ef.Effect] = []
        self.crash_at: str | None = None
        if executed is not None:
            self.choose()
            self.post(executed=executed, answered=answered, refusal=None)
            self.answer(again=False)
        if executed and seen:
            self.feed(ev.InteractionSeen("55"))

    def teardown(self) -> None:
        self.journal.close()
        shutil.rmtree(self.folder)

    # ---- what the loop does with an event: step, commit, and only then the effects

    def feed(self, event: ev.JobEvent) -> None:
        now = float(next(self.now))
        moved, effects = step(self.job, event, now)
        if moved is not self.job:
            if self.crash_at == "before the commit":
                return self.crash()
            self.journal.update(moved, attempt_at=now if isinstance(event, ev.AttemptStarted) else None)
            self.job = moved
        if self.crash_at is not None:
            return self.crash()
        for effect in effects:
            self.hand_out(effect)
        return None

    def hand_out(self, effect: ef.Effect) -> None:
        if not isinstance(effect, ef.Submit):
            self.saving.append(effect)
            return
        *before, present = self.attempts
        assert effect.job.nonce == present.nonce
        assert all(one.shown_absent or one.excused for one in before), "sent again without a proof or a word"
        self.sender.append(present)

    def crash(self) -> None:
        """Nothing is left but the journal; a start feeds Restarted to what it finds open."""
        self.crash_at = None
        self.sender, self.answers, self.saving = [], [], []
        self.journal.close()
        self.journal = Journal(self.folder / "journal.sqlite3")
        found = self.journal.job(self.job.id)
        assert found is not None
        self.job = found
        self.attempts = [one for one in self.attempts if one.nonce in found.nonces]
        live = [job.id for job in self.journal.live_jobs()]
        assert live == (
            [found.id] if found.open and (found.nonces or found.state is not State.QUEUED) else []
        )
        if live:
            self.feed(ev.Restarted())

    @property
    def present(self) -> Attempt:
        return self.attempts[-1]

    # ---- sending

    @precondition(lambda self: self.job.state is State.QUEUED)
    @rule()
    def choose(self) -> None:
        nonce = f"nonce-{next(self.now)}"
        self.attempts.append(Attempt(nonce))
        self.feed(ev.AttemptStarted(nonce, "session-1", "500"))

    @precondition(lambda self: self.sender)
    @rule(executed=st.booleans(), answered=st.booleans(), refusal=st.none() | st.sampled_from(NOES))
    def post(self, executed: bool, answered: bool, refusal: Refusal | None) -> None:
        attempt = self.sender.pop(0)
        assert not attempt.sent
        attempt.sent, attempt.executed = True, executed
        no = ev.NotSent("no connection", 0.0) if refusal is None else ev.Refused(refusal, executed=False)
        answer = ev.Accepted() if executed else no
        self.answers.append((attempt, answer if answered else ev.OutcomeUnknown("reset")))

    @precondition(lambda self: self.answers)
    @rule(again=st.booleans())
    def answer(self, again: bool) -> None:
        """The sender's event comes to the loop, which drops it if it is about an attempt that is over."""
        attempt, event = self.answers[0] if again else self.answers.pop(0)
        if attempt.nonce == self.job.nonce:
            attempt.shown_absent |= isinstance(event, ev.NotSent | ev.Refused)
            self.feed(event)

    @precondition(lambda self: self.attempts and self.job.state is State.IN_DOUBT)
    @rule()
    def session_stays_silent(self) -> None:
        """It is so of what was not executed and will not be, and of what it has named before."""
        job, present = self.job, self.present
        absent = not present.executed and present not in self.sender
        if absent or job.interaction_id or job.message_id:
            present.shown_absent |= absent
            self.feed(ev.ConfirmedNotExecuted())

    # ---- what the gateway and the history say

    @precondition(lambda self: any(one.paid_for for one in self.attempts))
    @rule(data=st.data(), percent=st.none() | st.integers(0, 100))
    def sign_of_life(self, data: st.DataObject, percent: int | None) -> None:
        attempt = data.draw(st.sampled_from([one for one in self.attempts if one.paid_for]))
        signs: list[ev.JobEvent] = [
            ev.Started("600", job_uuid=RESULT.job_uuid),
            ev.Progressed(percent, RESULT.job_uuid),
            ev.Finished(RESULT),
            ev.StartMessageDeleted(),
        ]
        if attempt.nonce == self.job.nonce:
            signs += [ev.InteractionSeen("55"), ev.InteractionFailed("too slow"), ev.QueuedByBot()]
        sign = data.draw(st.sampled_from(signs))
        attempt.begun |= isinstance(sign, ev.Started | ev.Progressed | ev.Finished)
        self.feed(sign)

    @precondition(lambda self: self.attempts and self.present.executed and not self.present.begun)
    @rule(refusal=st.sampled_from(NOES))
    def bot_refuses(self, refusal: Refusal) -> None:
        if self.present.nonce == self.job.nonce:
            self.present.refused_by_bot = self.present.shown_absent = True
            self.feed(ev.Refused(refusal))

    # ---- saving, time, and a person

    @precondition(lambda self: self.saving)
    @rule(saved=st.booleans(), final=st.booleans(), again=st.booleans())
    def save(self, saved: bool, final: bool, again: bool) -> None:
        effect = self.saving[0] if again else self.saving.pop(0)
        failed = isinstance(effect, ef.PublishFailure)
        self.feed(
            ev.Published("a-folder", failed) if saved else ev.SaveFailed("no room", final and not failed)
        )

    @precondition(lambda self: self.job.next_action_at is not None)
    @rule(held=st.booleans())
    def time_passes(self, held: bool) -> None:
        self.feed(ev.TimedOut(held))

    @precondition(lambda self: self.attempts)
    @rule()
    def person_cancels(self) -> None:
        self.feed(ev.CancelRequested())

    @precondition(lambda self: self.job.state in {State.IN_DOUBT, State.FAILED, State.CANCELLED})
    @rule()
    def person_says_again(self) -> None:
        for attempt in self.attempts:
            attempt.excused = True
        self.feed(ev.RetryRequested())

    @rule(at=st.sampled_from(["now", "before the commit", "after the commit"]))
    def kill(self, at: str) -> None:
        if at == "now":
            self.crash()
        else:
            self.crash_at = at

    # ---- what is always so

    @invariant()
    def at_most_one_attempt_is_paid_for_without_a_persons_word(self) -> None:
        assert sum(1 for one in self.attempts if one.paid_for and not one.excused) <= 1

    @invariant()
    def the_journal_knows_all_of_it(self) -> None:
        assert self.journal.job(self.job.id) == self.job
        assert len(self.journal.attempts_since(0.0)) == len(self.job.nonces)
        assert len(set(self.job.nonces)) == len(self.job.nonces)

    @invariant()
    def a_job_that_is_done_was_executed(self) -> None:
        assert self.job.state is not State.DONE or any(one.executed for one in self.attempts)


Life.TestCase.settings = settings(
    max_examples=examples(250),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestLife = Life.TestCase
