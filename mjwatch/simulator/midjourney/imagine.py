"""Handlers of /imagine, /blend and /show: a prompt becomes a job, several jobs or a refusal."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mjwatch.discord.protocol import FLAG_EPHEMERAL
from mjwatch.simulator.messages.message import DANGER, SUCCESS, button, embed
from mjwatch.simulator.messages.notices import ORANGE, UNKNOWN_JOB, asked_notice, notice_for, notice_named
from mjwatch.simulator.messages.plans import plan_for_prompt
from mjwatch.simulator.messages.prompt_text import JOBS_MAX, expanded
from mjwatch.simulator.midjourney.context import asked_refusal, refuse
from mjwatch.simulator.world import STRANGER_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from mjwatch.simulator.http.history import History
    from mjwatch.simulator.messages.modals import Interaction
    from mjwatch.simulator.messages.notices import BotNotice
    from mjwatch.simulator.messages.plans import RenderPlan
    from mjwatch.simulator.midjourney.job import BotContext
    from mjwatch.simulator.midjourney.queue import RenderQueue
    from mjwatch.simulator.recorder import ExecutedInteraction

    Spawn = Callable[[Coroutine[Any, Any, None]], object]

ASKED_KEPT = 200


class ImagineCommands:
    """Handles prompts from commands, buttons and modals."""

    def __init__(self, context: BotContext, queue: RenderQueue, history: History, spawn: Spawn) -> None:
        self._context = context
        self._queue = queue
        self._history = history
        self._spawn = spawn
        self._asked: OrderedDict[str, list[str]] = OrderedDict()

    async def imagine(self, interaction: Interaction, executed: ExecutedInteraction) -> None:
        """Handle /imagine; a permutation needs a confirmation."""
        prompt = interaction.prompt or ""
        prompts = expanded(prompt)
        if len(prompts) == 1:
            await self.picture(interaction, executed, prompt)
            return
        notice = notice_named("Invalid request") if len(prompts) > JOBS_MAX else await self.notice(prompt)
        if notice is None:
            self._ask(interaction, executed, prompts)
            return
        executed.outcome = "refused"
        refuse(self._context, interaction, notice)

    async def blend(self, interaction: Interaction, executed: ExecutedInteraction) -> None:
        """Handle /blend: a job with links as its prompt."""
        given = [interaction.option(f"image{n}") for n in range(1, 6)]
        paths = [path for path in given if path is not None]
        if not await self._context.links.are_pictures(paths):
            executed.outcome = "refused"
            refuse(self._context, interaction, notice_named("Invalid link"))
            return
        links = [f"https://cdn.discordapp.com{path}" for path in paths]
        prompt = " ".join([*links, interaction.option("dimensions") or ""]).strip()
        await self.picture(interaction, executed, prompt)

    async def show(self, interaction: Interaction, executed: ExecutedInteraction) -> None:
        """Handle /show: send the result of a known job again, as an ordinary message."""
        result = self._queue.result_of(interaction.option("job_id") or "")
        message = result and self._history.of(result["channel_id"]).get(int(result["id"]))
        if not message:
            executed.outcome = "refused"
            refuse(self._context, interaction, UNKNOWN_JOB)
            return
        shown = self._context.forms.post(interaction.channel, message["content"])
        kept = ("attachments", "components", "flags")
        self._context.delivery.create({**shown, **{name: message[name] for name in kept}})
        executed.outcome = "done"

    async def picture(self, interaction: Interaction, executed: ExecutedInteraction, prompt: str) -> None:
        """Start a job for this prompt, or refuse it."""
        if self._context.faults.take("silent", prompt):
            return
        notice = await self.notice(prompt)
        if notice is not None and not notice.late:
            executed.outcome = "refused"
            refuse(self._context, interaction, notice)
            return
        self.inform(interaction, prompt)
        plan = self._plan(interaction, prompt)
        if self._context.faults.take("foreign_twin", prompt):
            self._spawn(self._queue.make_for_person(interaction, plan, STRANGER_ID))
        if self._context.faults.take("by_hand_twin", prompt):
            self._spawn(self._queue.make_for_person(interaction, plan, interaction.user_id))
        await self._queue.make(interaction, executed, plan, notice)

    def inform(self, interaction: Interaction, text: str) -> None:
        """Send a notice beside a running job, if a fault is armed for it."""
        if armed := self._context.faults.take("informed", text):
            notice = asked_notice(armed, "Duplicate images detected")
            message = self._context.forms.response(
                replace(interaction, nonce=None), "", flags=FLAG_EPHEMERAL, embeds=notice.embeds(None)
            )
            self._context.delivery.create(message)

    async def notice(self, text: str) -> BotNotice | None:
        """Return the notice that replaces a job, because of faults or of the text, or None."""
        if (notice := asked_refusal(self._context, text)) is not None:
            return notice
        if not await self._context.links.has_valid_pictures(text):
            return notice_named("Invalid link")
        return notice_for(text)

    def _ask(self, interaction: Interaction, executed: ExecutedInteraction, prompts: list[str]) -> None:
        """Ask for a confirmation of several jobs (nothing of this is recorded)."""
        executed.outcome = "asked"
        token = secrets.token_urlsafe(8)
        self._asked[token] = prompts
        if len(self._asked) > ASKED_KEPT:
            self._asked.popitem(last=False)
        row = [
            button("Yes", f"MJ::Prompts::Confirm::{token}", style=SUCCESS),
            button("No", f"MJ::Prompts::Reject::{token}", style=DANGER),
        ]
        text = f"This prompt makes {len(prompts)} jobs:\n" + "\n".join(f"- {prompt}" for prompt in prompts)
        body = embed("Are you sure?", text[:4096], ORANGE, f"/imagine {interaction.prompt}")
        message = self._context.forms.response(interaction, "", flags=FLAG_EPHEMERAL, embeds=[body])
        message["components"] = self._context.forms.rows(row)
        self._context.delivery.create(message, interaction)

    async def confirm(self, interaction: Interaction, executed: ExecutedInteraction) -> None:
        """Handle the confirmation: remove its buttons, and start the jobs, without a nonce of the client."""
        _, _, verb, token = (interaction.custom_id or "").split("::")
        prompts = self._asked.pop(token, [])
        executed.outcome = "done"
        message = self._history.find(interaction.channel.id, interaction.message_id)
        if message is not None:
            self._context.delivery.update({**message, "components": []}, interaction)
        if verb != "Confirm":
            return
        for prompt in prompts:
            self.start_parallel(interaction, executed, prompt)

    def start_parallel(self, interaction: Interaction, executed: ExecutedInteraction, prompt: str) -> None:
        """Start one of several jobs of an interaction; its start is an ordinary message without a nonce."""
        plan = self._plan(interaction, prompt)
        self._spawn(self._queue.make(interaction, replace(executed, prompt=prompt), plan, answers=False))

    def _plan(self, interaction: Interaction, prompt: str) -> RenderPlan:
        context, account = self._context.for_text(prompt), self._queue.account
        profile = context.profile
        plan = plan_for_prompt(prompt, profile, account, context.grid, interaction.application_id)
        if profile.echo_changed:
            plan = replace(plan, echo=plan.echo.upper())
        return replace(plan, size=(plan.size[0] - 1, plan.size[1] - 1)) if profile.odd_size else plan
