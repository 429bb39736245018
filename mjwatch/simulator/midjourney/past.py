"""Jobs that people have finished long ago: their results are in the history, and their buttons work."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from mjwatch.simulator.messages.message import MessageForms
from mjwatch.simulator.messages.modals import Interaction
from mjwatch.simulator.messages.plans import plan_for_button, plan_for_prompt
from mjwatch.simulator.midjourney.job import RenderJob
from mjwatch.simulator.world import CHANNEL_ID, CHANNELS, USER_ID, SnowflakeGenerator

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mjwatch.simulator.http.history import History
    from mjwatch.simulator.messages.plans import RenderPlan
    from mjwatch.simulator.midjourney.job import BotContext
    from mjwatch.simulator.midjourney.queue import RenderQueue
    from mjwatch.simulator.world import Json


@dataclass(frozen=True, slots=True)
class PastJob:
    """A finished job of the past, as a test or a person asks for it.

    ``at``: when it ended, in seconds since 1970; each job needs a time of its own. ``user``: the id of the
    person who started it. ``upscales``: a picture 1-4 of the job before it. ``deleted``: somebody has deleted
    its message.
    """

    prompt: str
    at: float
    user: str = USER_ID
    upscales: int | None = None
    deleted: bool = False


class PastJobs:
    """Puts finished jobs into the channel's history. No session hears of them, and nobody pays."""

    def __init__(self, context: BotContext, queue: RenderQueue, history: History) -> None:
        self._context = context
        self._queue = queue
        self._history = history

    async def add(self, wanted: Iterable[PastJob]) -> list[Json]:
        """Add the jobs, and return of each what a test can compare: ids, uuid, and the picture's SHA-256."""
        made: list[Json] = []
        for job in wanted:
            made.append(await self._made(job, made[-1] if made else None))
        return made

    async def _made(self, wanted: PastJob, before: Json | None) -> Json:
        forms = MessageForms(self._context.profile, SnowflakeGenerator(lambda: wanted.at))
        context = replace(self._context, forms=forms)
        channel = CHANNELS[CHANNEL_ID]
        interaction = Interaction(
            id=forms.next_id(),
            channel=channel,
            session_id="",
            nonce=None,
            command="imagine",
            user_id=wanted.user,
        )
        job = RenderJob(context, interaction, self._plan(wanted, before), Random(0), self._queue.remember)
        message = await job.made_before()
        path = message["attachments"][0]["url"]
        data = await context.pictures.read(path)
        if wanted.deleted:
            context.pictures.remove(path)
        else:
            self._history.of(channel.id).put(message)
        return {
            "message_id": message["id"],
            "job_uuid": job.uuid,
            "user": wanted.user,
            "prompt": wanted.prompt,
            "deleted": wanted.deleted,
            "drawn_for": job.plan.picture_of or job.uuid,
            "tiles": list(job.plan.tiles),
            "sha256": hashlib.sha256(data or b"").hexdigest(),
        }

    def _plan(self, wanted: PastJob, before: Json | None) -> RenderPlan:
        context = self._context
        parent = self._queue.plan_of(before["job_uuid"]) if before is not None else None
        if before is not None and parent is not None and wanted.upscales is not None:
            custom_id = f"MJ::JOB::upsample::{wanted.upscales}::{before['job_uuid']}"
            plan = plan_for_button(custom_id, parent, before["message_id"], context.profile, context.grid)
            if plan is not None:
                return replace(plan, user_id=wanted.user)
        plan = plan_for_prompt(wanted.prompt, context.profile, self._queue.account, context.grid)
        return replace(plan, user_id=wanted.user)
