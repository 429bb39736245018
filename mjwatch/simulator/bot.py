"""The pretend Midjourney bot: hears of interactions and answers them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from mjwatch.discord.protocol import FLAG_EPHEMERAL

from .desk import ANSWER_TIME, Desk
from .finals import with_button_used
from .identity import BOT_ID
from .notices import UNKNOWN_JOB, notice_for, notice_named
from .plans import plan_for_button, plan_for_prompt, uuid_in
from .slots import Slots
from .workshop import Workshop

if TYPE_CHECKING:
    from .faults import Armed
    from .history import History
    from .identity import Json
    from .interactions import Interaction
    from .jobs import Studio
    from .notices import Notice
    from .options import SimulatorOptions
    from .plans import Plan
    from .sessions import Sessions
    from .witness import Executed, Witness

ANSWER_LIMIT = 3.0
"""Seconds that Discord waits for a bot before it says INTERACTION_FAILURE."""
REASON_TIMEOUT = 2

Answer = Callable[["Interaction", "Executed"], Coroutine[Any, Any, None]]


class MidjourneyBot:
    """Answers interactions, has jobs made."""

    def __init__(
        self,
        studio: Studio,
        sessions: Sessions,
        history: History,
        witness: Witness,
        options: SimulatorOptions,
    ) -> None:
        self._studio = studio
        self._sessions = sessions
        self._history = history
        self._witness = witness
        self._options = options
        self._rng = Random(options.seed)
        self._tasks: set[asyncio.Task[None]] = set()
        self._open()

    def execute(self, interaction: Interaction, executed: Executed) -> None:
        """Take an accepted interaction; everything else happens by and by."""
        self._witness.interactions.append(executed)
        numbered = replace(interaction, id=self._studio.forms.next_id())
        self._spawn(self._answer(numbered, executed))

    def reset(self) -> None:
        """Forget every job."""
        for task in self._tasks:
            task.cancel()
        self._open()

    async def close(self) -> None:
        """Stop all work."""
        tasks = list(self._tasks)
        self.reset()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _open(self) -> None:
        slots = Slots(self._options.max_running, self._options.max_queued)
        self._workshop = Workshop(self._studio, slots, self._rng, self._refuse)
        self._desk = Desk(self._studio, self._workshop)
        self._answers: dict[str | None, Answer] = {
            "imagine": self._imagine,
            "blend": self._blend,
            "show": self._show,
            "info": self._desk.info,
            "settings": self._desk.settings,
            "shorten": self._desk.shorten,
            "describe": self._desk.describe,
            **dict.fromkeys(("fast", "relax", "turbo"), self._desk.speed),
        }

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _answer(self, interaction: Interaction, executed: Executed) -> None:
        about = _about(interaction)
        self._sessions.to_session(interaction.session_id, "INTERACTION_CREATE", about)
        answer = self._answers.get(interaction.command) or self._answer_to_press(interaction)
        failed = self._studio.faults.take("interaction_failed", _text(interaction))
        if answer is None or failed is not None:
            executed.outcome = "refused"
            await asyncio.sleep(min(ANSWER_LIMIT, self._options.seconds_per_job))
            self._fail(interaction, failed)
            return
        await asyncio.sleep(min(ANSWER_TIME, self._options.seconds_per_job / 10) * self._rng.uniform(0.5, 1))
        if await self._answered_oddly(answer, interaction, executed):
            return
        # The first message and INTERACTION_SUCCESS come in either order.
        if self._rng.random() < 0.5:
            self._succeed(interaction, about)
            await answer(interaction, executed)
            return
        answering = self._spawn(answer(interaction, executed))
        await asyncio.sleep(0)
        self._succeed(interaction, about)
        await answering

    async def _answered_oddly(self, answer: Answer, interaction: Interaction, executed: Executed) -> bool:
        """Answer as a fault wants it; False if there is none."""
        faults, text = self._studio.faults, _text(interaction)
        if armed := faults.take("interaction_failed_executed", text):
            self._fail(interaction, armed)
            await answer(interaction, executed)
            return True
        if faults.take("captcha_iframe", text):
            executed.outcome = "refused"
            self._sessions.to_session(
                interaction.session_id, "INTERACTION_IFRAME_MODAL_CREATE", _captcha(interaction)
            )
            return True
        if faults.take("success_late", text):
            await answer(interaction, executed)
            self._succeed(interaction, _about(interaction))
            return True
        return False

    def _fail(self, interaction: Interaction, armed: Armed | None) -> None:
        reason = REASON_TIMEOUT if armed is None else int(armed.number("reason", REASON_TIMEOUT))
        failure = {**_about(interaction), "reason_code": reason}
        self._sessions.to_session(interaction.session_id, "INTERACTION_FAILURE", failure)

    def _answer_to_press(self, interaction: Interaction) -> Answer | None:
        if interaction.custom_id is None or interaction.message_id is None:
            return None
        if interaction.custom_id.startswith("MJ::CancelJob::"):
            return self._cancel
        if interaction.custom_id.startswith("MJ::BOOKMARK::"):
            return self._desk.rate
        parent = self._workshop.plan_of(uuid_in(interaction.custom_id))
        if parent is None:
            return None
        profile, target = self._studio.profile, interaction.message_id
        plan = plan_for_button(interaction.custom_id, parent, target, profile)
        return None if plan is None else partial(self._press, plan)

    def _succeed(self, interaction: Interaction, about: Json) -> None:
        if self._studio.faults.take("success_never", interaction.option("prompt") or "") is None:
            self._sessions.to_session(interaction.session_id, "INTERACTION_SUCCESS", about)

    async def _imagine(self, interaction: Interaction, executed: Executed) -> None:
        await self._picture(interaction, executed, interaction.option("prompt") or "")

    async def _blend(self, interaction: Interaction, executed: Executed) -> None:
        given = [interaction.option(f"image{n}") for n in range(1, 6)]
        paths = [path for path in given if path is not None]
        if not await self._studio.links.are_pictures(paths):
            executed.outcome = "refused"
            self._refuse(interaction, notice_named("Invalid link"))
            return
        links = [f"https://cdn.discordapp.com{path}" for path in paths]
        await self._picture(
            interaction, executed, " ".join([*links, interaction.option("dimensions") or ""]).strip()
        )

    async def _picture(self, interaction: Interaction, executed: Executed, prompt: str) -> None:
        if self._studio.faults.take("silent", prompt):
            return
        notice = await self._notice(prompt)
        if notice is not None and not notice.late:
            executed.outcome = "refused"
            self._refuse(interaction, notice)
            return
        mode = self._workshop.account.mode
        plan = plan_for_prompt(prompt, self._studio.profile, mode, self._studio.grid)
        if self._studio.faults.take("foreign_twin", prompt):
            self._spawn(self._workshop.make_for_stranger(interaction, plan))
        await self._workshop.make(interaction, executed, plan, notice)

    async def _show(self, interaction: Interaction, executed: Executed) -> None:
        """The result of a known job once more, as an ordinary message."""
        result = self._workshop.result_of(interaction.option("job_id") or "")
        message = result and self._history.of(result["channel_id"]).get(int(result["id"]))
        if not message:
            executed.outcome = "refused"
            self._refuse(interaction, UNKNOWN_JOB)
            return
        shown = self._studio.forms.post(interaction.channel, message["content"])
        kept = ("attachments", "components", "flags")
        self._studio.delivery.create({**shown, **{name: message[name] for name in kept}})
        executed.outcome = "done"

    async def _press(self, plan: Plan, interaction: Interaction, executed: Executed) -> None:
        message = self._history.of(interaction.channel.id).get(int(plan.reply_to or 0))
        if message is not None:
            self._studio.delivery.update(with_button_used(message, interaction.custom_id or ""))
        await self._workshop.make(interaction, executed, plan)

    async def _cancel(self, interaction: Interaction, executed: Executed) -> None:
        stopped = self._workshop.cancel(uuid_in(interaction.custom_id or ""))
        executed.outcome = "done" if stopped else "refused"

    async def _notice(self, prompt: str) -> Notice | None:
        if armed := self._studio.faults.take("refuse", prompt):
            notice = notice_named(armed.text("title", "Banned prompt"))
            return replace(notice, text=armed.text("text", notice.text))
        if armed := self._studio.faults.take("refuse_by_reply", prompt):
            return replace(notice_named(armed.text("title", "Banned prompt")), late=True, by_reply=True)
        if not await self._studio.links.lead_to_pictures(prompt):
            return notice_named("Invalid link")
        return notice_for(prompt)

    def _refuse(self, interaction: Interaction, notice: Notice) -> None:
        forms = self._studio.forms
        message = forms.response(
            interaction,
            notice.text if notice.title is None else "",
            flags=FLAG_EPHEMERAL,
            embeds=notice.embeds(interaction.command or "imagine", interaction.option("prompt") or ""),
            components=forms.rows(notice.row()) if notice.buttons else [],
        )
        self._studio.delivery.create(message, interaction)


def _text(interaction: Interaction) -> str:
    """What faults are matched with."""
    return interaction.option("prompt") or interaction.custom_id or ""


def _captcha(interaction: Interaction) -> Json:
    return {
        **_about(interaction),
        "application": {"id": BOT_ID, "name": "Midjourney Bot"},
        "channel_id": interaction.channel.id,
        "custom_id": f"MJ::iframe::{interaction.id}",
        "iframe_path": f"/captcha/embedded/{interaction.id}",
        "modal_size": 2,
        "title": "Action required to continue",
    }


def _about(interaction: Interaction) -> Json:
    nonce = {} if interaction.nonce is None else {"nonce": interaction.nonce}
    return {"id": interaction.id, **nonce}
