"""The pretend Midjourney bot: hears of interactions and answers them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

from mjwatch.discord.protocol import FLAG_EPHEMERAL, FLAG_LOADING

from .account import Account
from .jobs import Job, mode_of
from .notices import JOB_QUEUED, QUEUE_FULL, Notice, notice_for, notice_named
from .slots import Place, Slots

if TYPE_CHECKING:
    from .identity import Json
    from .interactions import Interaction
    from .jobs import Studio
    from .options import SimulatorOptions
    from .sessions import Sessions
    from .witness import Executed, Witness

ANSWER_TIME = 0.4
"""Seconds until the bot answers, at most (recorded: 0.2 to 0.9)."""
ANSWER_LIMIT = 3.0
"""Seconds that Discord waits for a bot before it says INTERACTION_FAILURE."""
REASON_TIMEOUT = 2

Answer = Callable[["Interaction", "Executed"], Awaitable[None]]


class MidjourneyBot:
    """Answers interactions, runs jobs."""

    def __init__(
        self, studio: Studio, sessions: Sessions, witness: Witness, options: SimulatorOptions
    ) -> None:
        self._studio = studio
        self._sessions = sessions
        self._witness = witness
        self._options = options
        self._rng = Random(options.seed)
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers: dict[str | None, Answer] = {"imagine": self._imagine, "info": self._info}
        self._begin_anew()

    def execute(self, interaction: Interaction, executed: Executed) -> None:
        """Take an accepted interaction; everything else happens by and by."""
        self._witness.interactions.append(executed)
        numbered = replace(interaction, id=self._studio.forms.next_id())
        self._spawn(self._answer(numbered, executed))

    def reset(self) -> None:
        """Forget every job."""
        for task in self._tasks:
            task.cancel()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._slots = Slots(self._options.max_running, self._options.max_queued)
        self._account = Account()

    async def close(self) -> None:
        """Stop all work."""
        tasks = list(self._tasks)
        self.reset()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, interaction: Interaction, executed: Executed) -> None:
        about = _about(interaction)
        self._sessions.to_session(interaction.session_id, "INTERACTION_CREATE", about)
        answer = self._answers.get(interaction.command)
        if answer is None:
            executed.outcome = "refused"
            await asyncio.sleep(min(ANSWER_LIMIT, self._options.seconds_per_job))
            failure = {**about, "reason_code": REASON_TIMEOUT}
            self._sessions.to_session(interaction.session_id, "INTERACTION_FAILURE", failure)
            return
        await asyncio.sleep(min(ANSWER_TIME, self._options.seconds_per_job / 10) * self._rng.uniform(0.5, 1))
        early = self._rng.random() < 0.5
        if early:
            self._succeed(interaction, about)
        answering = asyncio.ensure_future(answer(interaction, executed))
        if not early:
            await asyncio.sleep(0)
            self._succeed(interaction, about)
        await answering

    def _succeed(self, interaction: Interaction, about: Json) -> None:
        if self._studio.faults.take("success_never", interaction.option("prompt") or "") is None:
            self._sessions.to_session(interaction.session_id, "INTERACTION_SUCCESS", about)

    async def _imagine(self, interaction: Interaction, executed: Executed) -> None:
        prompt = interaction.option("prompt") or ""
        if self._studio.faults.take("silent", prompt):
            return
        notice = self._notice(prompt)
        slots = self._slots
        place = Place.NOWHERE if notice and not notice.late else slots.take()
        if place is Place.NOWHERE:
            executed.outcome = "refused"
            self._refuse(interaction, notice or QUEUE_FULL)
            return
        if place is Place.WAITING:
            executed.outcome = "queued"
            self._refuse(interaction, JOB_QUEUED)
            await slots.turn()
        mode = mode_of(prompt, self._account.mode)
        job = Job(self._studio, interaction, prompt, mode, Random(self._rng.random()), notice)
        try:
            await self._run(job, executed, answers=place is Place.RUNNING)
        finally:
            slots.give_back()
        await job.clear_up()

    async def _run(self, job: Job, executed: Executed, *, answers: bool) -> None:
        executed.outcome, executed.job_uuid = "running", job.uuid
        account = self._account
        account.running[job.uuid] = f"https://www.midjourney.com/jobs/{job.uuid}"
        try:
            done = await job.run(answers=answers)
        finally:
            del account.running[job.uuid]
        executed.outcome = "done" if done else "refused"
        account.images += 4 if done else 0

    def _notice(self, prompt: str) -> Notice | None:
        armed = self._studio.faults.take("refuse", prompt)
        if armed is None:
            return notice_for(prompt)
        return notice_named(armed.text("title", "Banned prompt"))

    def _refuse(self, interaction: Interaction, notice: Notice) -> None:
        forms = self._studio.forms
        message = forms.response(
            interaction,
            notice.text if notice.title is None else "",
            flags=FLAG_EPHEMERAL,
            embeds=notice.embeds(interaction.command or "", interaction.option("prompt") or ""),
            components=forms.rows(notice.row()) if notice.buttons else [],
        )
        self._studio.delivery.create(message, interaction)

    async def _info(self, interaction: Interaction, executed: Executed) -> None:
        message = self._studio.forms.response(interaction, "", flags=FLAG_EPHEMERAL | FLAG_LOADING)
        self._studio.delivery.create(message, interaction)
        await asyncio.sleep(min(ANSWER_TIME, self._options.seconds_per_job / 10))
        message["flags"] = FLAG_EPHEMERAL
        message["embeds"] = [self._account.body(self._slots.waiting)]
        self._studio.delivery.update(message, interaction)
        executed.outcome = "done"


def _about(interaction: Interaction) -> Json:
    nonce = {} if interaction.nonce is None else {"nonce": interaction.nonce}
    return {"id": interaction.id, **nonce}
