"""Where jobs are made: their slots, the ones that run, and what is known of those that are done."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from .account import Account
from .identity import STRANGER_ID
from .jobs import Job
from .notices import JOB_QUEUED, QUEUE_FULL
from .slots import Place, Slots

if TYPE_CHECKING:
    from collections.abc import Callable

    from .identity import Json
    from .interactions import Interaction
    from .jobs import Studio
    from .notices import Notice
    from .plans import Plan
    from .witness import Executed

    Refuse = Callable[[Interaction, Notice], None]

PLANS_KEPT = 20_000
"""Finished jobs whose buttons still work."""


class Workshop:
    """Makes jobs, so many at once."""

    def __init__(self, studio: Studio, slots: Slots, rng: Random, refuse: Refuse) -> None:
        self.account = Account()
        self.slots = slots
        self._studio = studio
        self._rng = rng
        self._refuse = refuse
        self._running: dict[str, tuple[Job, asyncio.Task[bool]]] = {}
        self._done: OrderedDict[str, tuple[Plan, Json]] = OrderedDict()

    def plan_of(self, job_uuid: str | None) -> Plan | None:
        """The plan of a finished job."""
        done = self._done.get(job_uuid or "")
        return done[0] if done else None

    def result_of(self, job_uuid: str) -> Json | None:
        """Where a finished job's result is: `id` and `channel_id` of its message."""
        done = self._done.get(job_uuid)
        return done[1] if done else None

    async def make(
        self, interaction: Interaction, executed: Executed, plan: Plan, late_notice: Notice | None = None
    ) -> None:
        """Make this now or when a slot is free; refuse it if too many wait. U1-U4 need no slot."""
        job = Job(self._studio, interaction, plan, Random(self._rng.random()), late_notice)
        if plan.at_once:
            await self._run(job, executed, answers=True)
            return
        place = self.slots.take()
        if place is Place.NOWHERE:
            executed.outcome = "refused"
            self._refuse(interaction, QUEUE_FULL)
            return
        held = self._studio.faults.take("queued", plan.prompt)
        waits = place is Place.WAITING or held is not None
        if waits:
            executed.outcome = "queued"
            self._refuse(interaction, JOB_QUEUED)
        if place is Place.WAITING:
            await self.slots.turn()
        try:
            await asyncio.sleep(held.number("seconds", 1) if held else 0)
            await self._run(job, executed, answers=not waits)
        finally:
            self.slots.give_back()
        await job.clear_up()

    async def make_for_stranger(self, interaction: Interaction, plan: Plan) -> None:
        """Make the same for somebody else: another account's slots, and no record of ours."""
        theirs = replace(interaction, id=self._studio.forms.next_id(), nonce=None, user_id=STRANGER_ID)
        job = Job(self._studio, theirs, replace(plan, user_id=STRANGER_ID), Random(self._rng.random()))
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

    async def _run(self, job: Job, executed: Executed, *, answers: bool) -> None:
        executed.outcome, executed.job_uuid = "running", job.uuid
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
        if task.result():
            self._remember(job)

    def _remember(self, job: Job) -> None:
        self.account.images += len(job.plan.tiles)
        self._done[job.uuid] = job.plan, job.result
        if len(self._done) > PLANS_KEPT:
            self._done.popitem(last=False)
