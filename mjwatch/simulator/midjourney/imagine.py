"""Orders: what a prompt becomes, be it a job, many jobs, or a refusal."""

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
    """Takes prompts from commands, buttons and modals alike."""

    def __init__(self, studio: BotContext, workshop: RenderQueue, history: History, spawn: Spawn) -> None:
        self._studio = studio
        self._workshop = workshop
        self._history = history
        self._spawn = spawn
        self._asked: OrderedDict[str, list[str]] = OrderedDict()

    async def imagine(self, interaction: Interaction, executed: ExecutedInteraction) -> None:
        """/imagine; a prompt that is many is asked back about."""
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
        refuse(self._studio, interaction, notice)

    async def blend(self, interaction: Interaction, executed: ExecutedInteraction) -> None:
        """/blend: a job whose prompt is links."""
        given = [interaction.option(f"image{n}") for n in range(1, 6)]
        paths = [path for path in given if path is not None]
        if not await self._studio.links.are_pictures(paths):
            executed.outcome = "refused"
            refuse(self._studio, interaction, notice_named("Invalid link"))
            return
        links = [f"https://cdn.discordapp.com{path}" for path in paths]
        prompt = " ".join([*links, interaction.option("dimensions") or ""]).strip()
        await self.picture(interaction, executed, prompt)

    async def show(self, interaction: Interaction, executed: ExecutedInteraction) -> None:
        """The result of a known job once more, as an ordinary message."""
        result = self._workshop.result_of(interaction.option("job_id") or "")
        message = result and self._history.of(result["channel_id"]).get(int(result["id"]))
        if not message:
            executed.outcome = "refused"
            refuse(self._studio, interaction, UNKNOWN_JOB)
            return
        shown = self._studio.forms.post(interaction.channel, message["content"])
        kept = ("attachments", "components", "flags")
        self._studio.delivery.create({**shown, **{name: message[name] for name in kept}})
        executed.outcome = "done"

    async def picture(self, interaction: Interaction, executed: ExecutedInteraction, prompt: str) -> None:
        """One job for this prompt."""
        if self._studio.faults.take("silent", prompt):
            return
        notice = await self.notice(prompt)
        if notice is not None and not notice.late:
            executed.outcome = "refused"
            refuse(self._studio, interaction, notice)
            return
        self.inform(interaction, prompt)
        plan = self._plan(interaction, prompt)
        if self._studio.faults.take("foreign_twin", prompt):
            self._spawn(self._workshop.make_for_stranger(interaction, plan))
        await self._workshop.make(interaction, executed, plan, notice)

    def inform(self, interaction: Interaction, text: str) -> None:
        """Say something beside a job that runs all the same, if a fault wants it."""
        if armed := self._studio.faults.take("informed", text):
            notice = asked_notice(armed, "Duplicate images detected")
            told = self._studio.forms.response(
                replace(interaction, nonce=None), "", flags=FLAG_EPHEMERAL, embeds=notice.embeds(None)
            )
            self._studio.delivery.create(told)

    async def notice(self, text: str) -> BotNotice | None:
        """What the bot says in place of a job, by faults and by what is in the text."""
        if (notice := asked_refusal(self._studio, text)) is not None:
            return notice
        if not await self._studio.links.lead_to_pictures(text):
            return notice_named("Invalid link")
        return notice_for(text)

    def _ask(self, interaction: Interaction, executed: ExecutedInteraction, prompts: list[str]) -> None:
        """Ask whether so many jobs are wanted (nothing of this is recorded)."""
        executed.outcome = "asked"
        token = secrets.token_urlsafe(8)
        self._asked[token] = prompts
        if len(self._asked) > ASKED_KEPT:
            self._asked.popitem(last=False)
        row = [
            button("Yes", f"MJ::Prompts::Confirm::{token}", style=SUCCESS),
            button("No", f"MJ::Prompts::Reject::{token}", style=DANGER),
        ]
        words = f"This prompt makes {len(prompts)} jobs:\n" + "\n".join(f"- {one}" for one in prompts)
        body = embed("Are you sure?", words[:4096], ORANGE, f"/imagine {interaction.prompt}")
        message = self._studio.forms.response(interaction, "", flags=FLAG_EPHEMERAL, embeds=[body])
        message["components"] = self._studio.forms.rows(row)
        self._studio.delivery.create(message, interaction)

    async def confirm(self, interaction: Interaction, executed: ExecutedInteraction) -> None:
        """The answer to that question: its buttons go, and the jobs start, without any nonce of ours."""
        _, _, verb, token = (interaction.custom_id or "").split("::")
        prompts = self._asked.pop(token, [])
        executed.outcome = "done"
        message = self._history.find(interaction.channel.id, interaction.message_id)
        if message is not None:
            self._studio.delivery.update({**message, "components": []}, interaction)
        if verb != "Confirm":
            return
        for prompt in prompts:
            self.imagine_beside(interaction, executed, prompt)

    def imagine_beside(self, interaction: Interaction, executed: ExecutedInteraction, prompt: str) -> None:
        """One of many jobs of one interaction: its start is an ordinary message, without nonce."""
        plan = self._plan(interaction, prompt)
        self._spawn(self._workshop.make(interaction, replace(executed, prompt=prompt), plan, answers=False))

    def _plan(self, interaction: Interaction, prompt: str) -> RenderPlan:
        studio, account = self._studio, self._workshop.account
        return plan_for_prompt(prompt, studio.profile, account, studio.grid, interaction.application_id)
