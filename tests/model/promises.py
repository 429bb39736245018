"""The promises that every history must keep, and when nothing could have told two jobs apart.

A picture goes to the prompt whose POST made it; nothing is executed twice without proof or a person's word;
in the end every result is published, or kept back and shown as in doubt.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from mjwatch.jobs.transitions import Timeouts
from mjwatch.midjourney.elsewhere import ImportVerdict
from mjwatch.midjourney.matching.evidence import duplicate_key
from mjwatch.model import IN_FLIGHT, Job, State
from tests.model.world import meaning

if TYPE_CHECKING:
    from tests.model.client import Client
    from tests.model.world import BotJob, World


class Promises:
    """Checks what mjwatch does against the truth that only the world knows."""

    def __init__(self, client: Client, world: World, counts: Counter[str]) -> None:
        self.client = client
        self.world = world
        self.counts = counts
        client.on_result = self.check_result
        client.on_by_hand = self.check_by_hand
        self.retries: Counter[str] = Counter()
        self.cancelled: set[str] = set()
        self.given_up: set[str] = set()
        """The nonces of attempts after which a person had the job sent again, whatever came of them."""
        self.confused: set[str] = set()
        """Prompts, as ``meaning`` has them, of which a job has the picture of an equal one run by hand."""
        self.was_hidden = False
        """Whether the channel's history could not be read for a while."""

    def made_by(self, job: Job) -> list[BotJob]:
        return [self.world.owners[nonce] for nonce in job.nonces if nonce in self.world.owners]

    def check_money(self, job: Job) -> None:
        self._check_duplicates(job)
        present = self.client.engine.job(job.id) or job
        rendered = [made for made in self.made_by(present) if made.fate != "refused"]
        allowed = 1 + self.retries[job.id]
        assert len(rendered) <= allowed, f"{job.id} was executed {len(rendered)} times"

    def _check_duplicates(self, job: Job) -> None:
        """Check that no duplicate is sent beside a job that follows another job's start message."""
        for other in self.client.jobs():
            if other.state not in IN_FLIGHT or other.id == job.id or other.message_id is None:
                continue
            follows = self.world.truth[other.message_id]
            is_duplicate = duplicate_key(other) == duplicate_key(job)
            assert not is_duplicate or follows in self.made_by(other), (
                f"{job.id} was sent beside {other.id}, which follows the start of {follows}"
            )

    def check_result(self, job: Job) -> None:
        result = job.result
        assert result is not None
        made = self.world.truth[result.message_id]
        if made in self.made_by(job):
            self.counts[f"matched by {result.matched_by}"] += 1
            return
        if meaning(made.prompt) == meaning(job.prompt.text) in self.confused:
            self.counts["an equal prompt after one that nothing told apart"] += 1
            return
        if self._can_not_be_told_apart(made, job):
            self.counts["an equal prompt by hand that nothing told apart"] += 1
            self.confused.add(meaning(job.prompt.text))
            return
        text = f"{job.id} {job.prompt.text!r} got the picture of {made} by {result.matched_by}"
        self.client.broken = self.client.broken or text

    def check_by_hand(self, job: Job) -> None:
        """Check that what is collected as made by hand is no picture that a job of ours waits for."""
        assert job.result is not None
        made = self.world.truth[job.result.message_id]
        owners = [other for other in self.client.jobs() if made in self.made_by(other)]
        # What a person gave up, by a retry or by cancelling, is the account's all the same.
        given_up = made.nonce in self.given_up or (bool(owners) and owners[0].id in self.cancelled)
        if owners and owners[0].result is None and not given_up:
            text = f"{made} of {owners[0]!r} was collected as made by hand"
            self.client.broken = self.client.broken or text
        self.counts["a spare picture collected" if owners else "made by hand, collected"] += 1

    def _can_not_be_told_apart(self, made: BotJob, job: Job) -> bool:
        """Return whether nothing that mjwatch was given says that this result is not the job's.

        A person ran the same prompt by hand, its start had no name that was heard, and nothing was heard of
        what became of the job itself, or it was moderated, which nothing says. Or the start by
        hand was gone before the gap's history was read, and the job's own result has not been heard.
        """
        last = [other for other in self.made_by(job) if other.nonce == job.nonce]
        own = [other for other in last if other.fate not in {"refused", "moderated"}]
        is_equal = meaning(made.prompt) == meaning(job.prompt.text)
        if made.owner is not None or made.pressed is not None or not is_equal:
            return False
        heard_of_own = any({"start", "final"} & other.shown for other in own)
        if self._is_older(job) or (not heard_of_own and self._can_wait(job)):
            return False
        is_named = "name" in made.shown and not self._lost_its_name(made)
        missed = "start" not in made.shown and not any("final" in other.shown for other in own)
        return not is_named and (missed or not heard_of_own)

    def _is_older(self, job: Job) -> bool:
        """Return whether an id shows that the result was asked for before the job's interaction."""
        assert job.result is not None
        start = (
            self.world.truth[job.result.message_id].start_id if self.world.year.reference_on_final else None
        )
        shown = [id_ for id_ in (job.result.message_id, start) if id_ is not None]
        return job.interaction_id is not None and min(map(int, shown)) < int(job.interaction_id)

    def _can_wait(self, job: Job) -> bool:
        """Return whether the session of the job's attempt lives, and the job is not overdue.

        Then its own messages will come with their ids, and nobody needs to look for it in the history.
        """
        session = self.client.sent_in[job.nonce or ""]
        is_due = job.submitted is None or job.start_deleted_at is not None
        is_due = is_due or self.world.now - (job.submitted or 0.0) >= Timeouts().start_timeout
        return self.client.reads_history and session is self.world.session and not is_due

    def _lost_its_name(self, made: BotJob) -> bool:
        """Return whether another start, whose own notice was not heard, may have ended this one's waiting."""
        words = made.prompt.split(" --")[0].split()
        others = (
            other for other in self.world.jobs if other.waits and other.owner is None and other is not made
        )
        return made.waits and any(
            "name" not in other.shown
            and "start" in other.shown
            and other.prompt.split()[: len(words)] == words
            for other in others
        )

    def check_collected(self) -> None:
        """Check that all that was made by hand is collected, has gone to a job, or waits for a person."""
        taken = {job.result.message_id for job in self.client.jobs() if job.result is not None}
        taken |= {*self.client.by_hand, *self.client.held()}
        left = [
            made for made in self.world.jobs if made.owner is None and made.final_id not in {None, *taken}
        ]
        after = self.client.collects_after or 0
        for made in (made for made in left if int(made.final_id or 0) > after):
            data = self.world.messages[made.final_id or ""]
            tracker, jobs = self.client.channel.tracker, self.client.engine._table.open
            verdict = self.client.engine.imports._judge.judge(tracker.read(data, jobs), jobs)
            assert verdict is not ImportVerdict.NEW, f"{made} was made by hand and is not collected"
            self.counts[f"made by hand, {verdict}"] += 1

    def check_end(self) -> None:
        held = set(self.client.held())
        sent = [job for job in self.client.jobs() if job.state in {State.IN_DOUBT, State.RUNNING}]
        blocked = {duplicate_key(job) for job in sent}
        for job in self.client.jobs():
            self.counts[f"ended {job.state}"] += 1
            assert job.state not in IN_FLIGHT, f"{job!r} is in flight for ever"
            is_blocked = duplicate_key(job) in blocked
            assert job.state is not State.QUEUED or is_blocked, f"{job!r} is queued for ever"
            made_last = [made for made in self.made_by(job) if made.nonce not in self.given_up]
            ended = [made for made in made_last if made.final_id is not None]
            if not ended or job.state is State.DONE:
                continue
            if job.id in self.cancelled and job.state is State.CANCELLED:
                # Given up by a person, after Midjourney was silent for too long: what ids name is delivered.
                named = any({"name", "start", "final"} <= made.shown and not made.waits for made in ended)
                is_lost = named and self.world.year.reference_on_final
                assert not is_lost, f"the result of {job!r} is lost, which was given up"
                continue
            is_held = any(made.final_id in held for made in ended)
            not_given = self.was_hidden and not any("final" in made.shown for made in ended)
            assert job.state is State.IN_DOUBT and (is_held or not_given), f"the result of {job!r} is lost"
            self.counts["held" if is_held else "in doubt because the history was hidden"] += 1
