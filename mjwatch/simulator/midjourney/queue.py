"""Where jobs are made: their slots, the ones that run, and what is known of those that are done.

Which jobs run and which wait: so many at once, so many behind them.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from dataclasses import replace
from enum import Enum, auto
from random import Random
from typing import TYPE_CHECKING

from mjwatch.simulator.messages.notices import CREDITS_EXHAUSTED, JOB_QUEUED, QUEUE_FULL
from mjwatch.simulator.midjourney.context import refuse
from mjwatch.simulator.midjourney.job import RenderJob
from mjwatch.simulator.recorder import Rendering
from mjwatch.simulator.world import STRANGER_ID

if TYPE_CHECKING:
    from mjwatch.simulator.messages.modals import Interaction
    from mjwatch.simulator.messages.notices import BotNotice
    from mjwatch.simulator.messages.plans import RenderPlan, SimulatedAccount
    from mjwatch.simulator.midjourney.job import BotContext
    from mjwatch.simulator.recorder import ExecutedInteraction, Recorder
    from mjwatch.simulator.world import Json


PLANS_KEPT = 20_000
"""Finished jobs whose buttons still work."""


class RenderQueue:
    """Makes jobs, so many at once."""

    def __init__(
        self, studio: BotContext, slots: Slots, account: SimulatedAccount, witness: Recorder, rng: Random
    ) -> None:
        self.account = account
        self._slots = slots
        self._studio = studio
        self._witness = witness
        self._rng = rng
        self._running: dict[str, tuple[RenderJob, asyncio.Task[bool]]] = {}
        self._done: OrderedDict[str, tuple[RenderPlan, Json]] = OrderedDict()

    def plan_of(self, job_uuid: str | None) -> RenderPlan | None:
        """The plan of a finished job."""
        done = self._done.get(job_uuid or "")
        return done[0] if done else None

    def result_of(self, job_uuid: str) -> Json | None:
        """Where a finished job's result is: `id` and `channel_id` of its message."""
        done = self._done.get(job_uuid)
        return done[1] if done else None

    async def make(
        self,
        interaction: Interaction,
        executed: ExecutedInteraction,
        plan: RenderPlan,
        late_notice: BotNotice | None = None,
        *,
        answers: bool = True,
    ) -> None:
        """Make this now or when a slot is free; refuse it if too many wait. U1-U4 need no slot.

        ``answers``: its start message answers the interaction, if it need not wait.
        """
        rng = Random(self._rng.random())
        job = RenderJob(self._studio, interaction, plan, rng, self._remember, late_notice)
        if plan.at_once:
            await self._run(job, executed, answers=True)
            return
        place = self._place(interaction, executed, plan)
        if place is None:
            return
        held = self._studio.faults.take("queued", plan.prompt)
        waits = place is QueuePlace.WAITING or held is not None
        if waits:
            executed.outcome = "queued"
            refuse(self._studio, interaction, JOB_QUEUED)
        if place is QueuePlace.WAITING:
            await self._wait(plan)
        try:
            await asyncio.sleep(held.number("seconds", 1) if held else 0)
            await self._run(job, executed, answers=self._will_answer(plan) if waits else answers)
        finally:
            self._slots.give_back()
        await job.clear_up()

    def _place(
        self, interaction: Interaction, executed: ExecutedInteraction, plan: RenderPlan
    ) -> QueuePlace | None:
        """Where this job goes; None if it was refused."""
        if self.account.lacks_hours(plan.mode):
            notice = CREDITS_EXHAUSTED
        else:
            place = self._slots.take()
            if place is not QueuePlace.NOWHERE:
                return place
            notice = QUEUE_FULL
        executed.outcome = "refused"
        refuse(self._studio, interaction, notice)
        return None

    async def _wait(self, plan: RenderPlan) -> None:
        self.account.waiting[plan.mode] += 1
        try:
            await self._slots.turn()
        finally:
            self.account.waiting[plan.mode] -= 1

    def _will_answer(self, plan: RenderPlan) -> bool:
        """Whether a job that waited starts with our nonce: nobody knows, so that it does not, by default."""
        return self._studio.faults.take("queued_start_with_nonce", plan.prompt) is not None

    async def make_for_stranger(self, interaction: Interaction, plan: RenderPlan) -> None:
        """Make the same for somebody else: another account's slots, and no record of ours."""
        theirs = replace(interaction, id=self._studio.forms.next_id(), nonce=None, user_id=STRANGER_ID)
        job = RenderJob(self._studio, theirs, replace(plan, user_id=STRANGER_ID), Random(self._rng.random()))
        await job.run(answers=True)
        await job.clear_up()

    def cancel(self, job_uuid: str | None) -> bool:
        """Stop a running job; False if there is none of this uuid."""
        running = self._running.get(job_uuid or "")
        if running is None:
            return False
        job, task = running
        job.stop()
        task.cancel()
        return True

    def job_of(self, message_id: str) -> str | None:
        """The uuid of the running job whose progress message this is."""
        for job_uuid, (job, _) in self._running.items():
            if job.progress is not None and job.progress["id"] == message_id:
                return job_uuid
        return None

    async def _run(self, job: RenderJob, executed: ExecutedInteraction, *, answers: bool) -> None:
        executed.outcome, executed.job_uuid = "running", job.uuid
        self._put_on_record(job, executed)
        task = asyncio.create_task(job.run(answers=answers))
        self._running[job.uuid] = job, task
        self.account.running[job.uuid] = f"https://www.midjourney.com/jobs/{job.uuid}"
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()
            del self._running[job.uuid], self.account.running[job.uuid]
        if task.cancelled():
            executed.outcome = "cancelled"
            return
        executed.outcome = "done" if task.result() else "refused"

    def _put_on_record(self, job: RenderJob, executed: ExecutedInteraction) -> None:
        cost = self.account.pay(job.plan)
        rendering = Rendering(job.uuid, executed.nonce, job.plan.prompt, executed.custom_id, cost)
        self._witness.renderings.append(rendering)

    def _remember(self, job: RenderJob) -> None:
        self.account.count(job.plan)
        self._done[job.uuid] = job.plan, job.result
        if len(self._done) > PLANS_KEPT:
            self._done.popitem(last=False)


class QueuePlace(Enum):
    """Where a new job goes."""

    RUNNING = auto()
    WAITING = auto()
    NOWHERE = auto()


class Slots:
    """Counts running jobs and lines up the others."""

    def __init__(self, max_running: int, max_waiting: int) -> None:
        self._max_running = max_running
        self._max_waiting = max_waiting
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.running = 0

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return len(self._waiting)

    def take(self) -> QueuePlace:
        """Take a slot if one is free; a job told WAITING then calls `turn`."""
        if self.running < self._max_running:
            self.running += 1
            return QueuePlace.RUNNING
        return QueuePlace.WAITING if len(self._waiting) < self._max_waiting else QueuePlace.NOWHERE

    def turn(self) -> asyncio.Future[None]:
        """Stand in line; the future is done when the slot is this job's."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return future

    def give_back(self) -> None:
        """A job ended: its slot goes to the next in line."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.cancelled():
                future.set_result(None)
                return
        self.running -= 1
