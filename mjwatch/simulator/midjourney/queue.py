"""The render queue: slots, running and waiting jobs, and finished jobs."""

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

if TYPE_CHECKING:
    from mjwatch.simulator.messages.modals import Interaction
    from mjwatch.simulator.messages.notices import BotNotice
    from mjwatch.simulator.messages.plans import RenderPlan, SimulatedAccount
    from mjwatch.simulator.midjourney.job import BotContext
    from mjwatch.simulator.recorder import ExecutedInteraction, Recorder
    from mjwatch.simulator.world import Json


PLANS_KEPT = 20_000
"""Finished jobs with buttons that still work."""


class RenderQueue:
    """Runs jobs, a limited number at the same time."""

    def __init__(
        self, context: BotContext, slots: Slots, account: SimulatedAccount, recorder: Recorder, rng: Random
    ) -> None:
        self.account = account
        self._slots = slots
        self._context = context
        self._recorder = recorder
        self._rng = rng
        self._running: dict[str, tuple[RenderJob, asyncio.Task[bool]]] = {}
        self._done: OrderedDict[str, tuple[RenderPlan, Json]] = OrderedDict()

    def plan_of(self, job_uuid: str | None) -> RenderPlan | None:
        """Return the plan of a finished job."""
        done = self._done.get(job_uuid or "")
        return done[0] if done else None

    def result_of(self, job_uuid: str) -> Json | None:
        """Return `id` and `channel_id` of the message with a finished job's result."""
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
        """Run the job now or when a slot is free; refuse it if too many wait. U1-U4 need no slot.

        ``answers`` says that the start message answers the interaction, unless the job had to wait.
        """
        rng = Random(self._rng.random())
        context = self._context.for_text(f"{plan.prompt} {interaction.text}")
        job = RenderJob(context, interaction, plan, rng, self.remember, late_notice)
        if plan.at_once:
            await self._run(job, executed, answers=True)
            return
        place = self._place(interaction, executed, plan)
        if place is None:
            return
        delayed = self._context.faults.take("queued", plan.prompt)
        waits = place is QueuePlace.WAITING or delayed is not None
        if waits:
            executed.outcome = "queued"
            refuse(self._context, interaction, JOB_QUEUED)
        if place is QueuePlace.WAITING:
            await self._wait(plan)
        try:
            await asyncio.sleep(delayed.number("seconds", 1) if delayed else 0)
            await self._run(job, executed, answers=self._will_answer(plan) if waits else answers)
        finally:
            self._slots.release()
        await job.clear_up()

    def _place(
        self, interaction: Interaction, executed: ExecutedInteraction, plan: RenderPlan
    ) -> QueuePlace | None:
        """Return this job's place in the queue; None if it was refused."""
        if self.account.lacks_hours(plan.mode):
            notice = CREDITS_EXHAUSTED
        else:
            place = self._slots.take()
            if place is not QueuePlace.NOWHERE:
                return place
            notice = QUEUE_FULL
        executed.outcome = "refused"
        refuse(self._context, interaction, notice)
        return None

    async def _wait(self, plan: RenderPlan) -> None:
        self.account.waiting[plan.mode] += 1
        try:
            await self._slots.turn()
        finally:
            self.account.waiting[plan.mode] -= 1

    def _will_answer(self, plan: RenderPlan) -> bool:
        """Return whether a job that waited starts with our nonce; unknown, so by default it does not."""
        return self._context.faults.take("queued_start_with_nonce", plan.prompt) is not None

    async def make_for_person(self, interaction: Interaction, plan: RenderPlan, user_id: str) -> None:
        """Run the same job for a person who typed its prompt, without a slot and without recording it."""
        theirs = replace(interaction, id=self._context.forms.next_id(), nonce=None, user_id=user_id)
        job = RenderJob(self._context, theirs, replace(plan, user_id=user_id), Random(self._rng.random()))
        if user_id == interaction.user_id:
            job.finished = self.remember  # whoever has made it by hand can press its buttons
        await job.run(answers=True)
        await job.clear_up()

    def cancel(self, job_uuid: str | None) -> bool:
        """Stop a running job; return False if no running job has this uuid."""
        running = self._running.get(job_uuid or "")
        if running is None:
            return False
        job, task = running
        job.stop()
        task.cancel()
        return True

    def job_of(self, message_id: str) -> str | None:
        """Return the uuid of the running job with this progress message."""
        for job_uuid, (job, _) in self._running.items():
            if job.progress is not None and job.progress["id"] == message_id:
                return job_uuid
        return None

    async def _run(self, job: RenderJob, executed: ExecutedInteraction, *, answers: bool) -> None:
        executed.outcome, executed.job_uuid = "running", job.uuid
        self._record_rendering(job, executed)
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

    def _record_rendering(self, job: RenderJob, executed: ExecutedInteraction) -> None:
        cost = self.account.pay(job.plan)
        rendering = Rendering(job.uuid, executed.nonce, job.plan.prompt, executed.custom_id, cost)
        self._recorder.renderings.append(rendering)

    def remember(self, job: RenderJob) -> None:
        """Count a job that ends, and remember it so that its buttons work."""
        self.account.count(job.plan)
        self._done[job.uuid] = job.plan, job.result
        if len(self._done) > PLANS_KEPT:
            self._done.popitem(last=False)


class QueuePlace(Enum):
    """The place of a new job."""

    RUNNING = auto()
    WAITING = auto()
    NOWHERE = auto()


class Slots:
    """Counts running jobs and keeps the others in a queue."""

    def __init__(self, max_running: int, max_waiting: int) -> None:
        self._max_running = max_running
        self._max_waiting = max_waiting
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.running = 0

    @property
    def waiting(self) -> int:
        """The number of waiting jobs."""
        return len(self._waiting)

    def take(self) -> QueuePlace:
        """Take a slot if one is free; a job that gets WAITING then calls `turn`."""
        if self.running < self._max_running:
            self.running += 1
            return QueuePlace.RUNNING
        return QueuePlace.WAITING if len(self._waiting) < self._max_waiting else QueuePlace.NOWHERE

    def turn(self) -> asyncio.Future[None]:
        """Join the queue; the future is done when this job has a slot."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return future

    def release(self) -> None:
        """Release a slot after a job's end; the next waiting job gets it."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.cancelled():
                future.set_result(None)
                return
        self.running -= 1
