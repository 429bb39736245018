"""The simulated Midjourney bot: receives interactions and has them answered."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

from mjwatch.simulator.messages.plans import HOURS_OF_PLAN, SimulatedAccount
from mjwatch.simulator.midjourney.components import INPAINT, ComponentPresses, ContextMenu, Dialogs
from mjwatch.simulator.midjourney.imagine import ImagineCommands
from mjwatch.simulator.midjourney.past import PastJobs
from mjwatch.simulator.midjourney.queue import RenderQueue, Slots
from mjwatch.simulator.midjourney.text_commands import ANSWER_TIME, Preferences, TextCommands
from mjwatch.simulator.recorder import ExecutedInteraction

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from mjwatch.simulator.faults.registry import ArmedFault
    from mjwatch.simulator.gateway.sessions import Sessions
    from mjwatch.simulator.http.history import History
    from mjwatch.simulator.messages.modals import Interaction, OpenModals
    from mjwatch.simulator.midjourney.context import Answer
    from mjwatch.simulator.midjourney.job import BotContext
    from mjwatch.simulator.options import SimulatorOptions
    from mjwatch.simulator.recorder import Recorder
    from mjwatch.simulator.world import Json

ANSWER_LIMIT = 3.0
"""Seconds that Discord waits for a bot before it sends INTERACTION_FAILURE."""
REASON_TIMEOUT = 2


class MidjourneyBot:
    """Answers interactions and starts jobs."""

    def __init__(
        self,
        context: BotContext,
        sessions: Sessions,
        history: History,
        recorder: Recorder,
        modals: OpenModals,
        options: SimulatorOptions,
    ) -> None:
        self._context = context
        self._sessions = sessions
        self._history = history
        self._recorder = recorder
        self._modals = modals
        self._options = options
        self._rng = Random(options.seed)
        self._tasks: set[asyncio.Task[None]] = set()
        self._dialogs = Dialogs(context, sessions, modals)
        self._open()

    def execute(self, interaction: Interaction) -> None:
        """Accept a checked interaction; everything else happens in the background."""
        executed = ExecutedInteraction.of(interaction)
        self._recorder.interactions.append(executed)
        if interaction.modal is not None:
            self._modals.close(interaction.modal)
        numbered = replace(interaction, id=self._context.forms.next_id())
        self._spawn(self._answer(numbered, executed))

    def handle_reaction(self, message: Json, emoji: str) -> None:
        """Handle the person's reaction to this message."""
        self._menu.reacted(message, emoji)

    def reset(self) -> None:
        """Cancel and forget all jobs."""
        for task in self._tasks:
            task.cancel()
        self._modals.clear()
        self._open()

    async def close(self) -> None:
        """Stop all work."""
        tasks = list(self._tasks)
        self.reset()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _open(self) -> None:
        context, options = self._context, self._options
        hours = HOURS_OF_PLAN if options.fast_hours is None else options.fast_hours
        self.account = SimulatedAccount(fast_hours=hours)
        slots = Slots(options.max_running, options.max_queued)
        queue = RenderQueue(context, slots, self.account, self._recorder, self._rng)
        text_commands = TextCommands(context, queue)
        imagine_commands = ImagineCommands(context, queue, self._history, self._spawn)
        preferences = Preferences(context, self.account, self._history)
        self.past = PastJobs(context, queue, self._history)
        self._menu = ContextMenu(context, queue, self._history)
        self._presses = ComponentPresses(
            context, queue, self._history, text_commands, imagine_commands, preferences
        )
        self._answers: dict[str | None, Answer] = {
            "imagine": imagine_commands.imagine,
            "blend": imagine_commands.blend,
            "show": imagine_commands.show,
            "info": text_commands.info,
            "shorten": text_commands.shorten,
            "describe": text_commands.describe,
            "settings": preferences.settings,
            "prefer": preferences.prefer,
            "Cancel Job": self._menu.cancel_job,
            "DM Results": self._menu.dm_results,
            **dict.fromkeys(("fast", "relax", "turbo"), preferences.speed),
            **dict.fromkeys(("public", "private", "stealth"), preferences.visibility),
        }

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _answer(self, interaction: Interaction, executed: ExecutedInteraction) -> None:
        if late := self._context.faults.take("told_late", interaction.text):
            await asyncio.sleep(late.number("seconds", 2))
        profile = self._context.current.for_text(interaction.text)
        if profile.interaction_create and not profile.success_first:
            self._sessions.to_session(interaction.session_id, "INTERACTION_CREATE", _about(interaction))
        form = self._presses.form(interaction)
        answer = self._answers.get(interaction.command) or self._presses.answer(interaction)
        failed = self._context.faults.take("interaction_failed", interaction.text)
        opens = form is not None or (interaction.custom_id or "").startswith(INPAINT)
        if (answer is None and not opens) or failed is not None:
            executed.outcome = "refused"
            await asyncio.sleep(min(ANSWER_LIMIT, self._options.seconds_per_job))
            self._fail(interaction, failed)
            return
        await asyncio.sleep(min(ANSWER_TIME, self._options.seconds_per_job / 10) * self._rng.uniform(0.5, 1))
        if self._showed_captcha(interaction, executed):
            return
        if form is not None:
            await self._dialogs.ask(form, interaction, executed, lambda: self._succeed(interaction))
        elif answer is None:
            executed.outcome = "modal"
            self._dialogs.show_page(interaction, "Editor", "/inpaint/embedded/")
        elif not await self._answered_by_fault(answer, interaction, executed):
            await self._answer_in_either_order(answer, interaction, executed)

    async def _answer_in_either_order(
        self, answer: Answer, interaction: Interaction, executed: ExecutedInteraction
    ) -> None:
        """Answer with the first message and INTERACTION_SUCCESS, in a random order."""
        if self._rng.random() < 0.5:
            self._succeed(interaction)
            await answer(interaction, executed)
            return
        answering = self._spawn(answer(interaction, executed))
        await asyncio.sleep(0)
        self._succeed(interaction)
        await answering

    def _showed_captcha(self, interaction: Interaction, executed: ExecutedInteraction) -> bool:
        if self._context.faults.take("captcha_iframe", interaction.text) is None:
            return False
        executed.outcome = "refused"
        self._dialogs.show_page(interaction, "Action required to continue", "/captcha/embedded/")
        return True

    async def _answered_by_fault(
        self, answer: Answer, interaction: Interaction, executed: ExecutedInteraction
    ) -> bool:
        """Answer as an armed fault requires; return False if there is none."""
        faults, text = self._context.faults, interaction.text
        if armed := faults.take("interaction_failed_executed", text):
            self._fail(interaction, armed)
            await answer(interaction, executed)
            return True
        if faults.take("success_late", text):
            await answer(interaction, executed)
            self._succeed(interaction)
            return True
        return False

    def _fail(self, interaction: Interaction, armed: ArmedFault | None) -> None:
        reason = REASON_TIMEOUT if armed is None else int(armed.number("reason", REASON_TIMEOUT))
        failure = {**_about(interaction), "reason_code": reason}
        self._sessions.to_session(interaction.session_id, "INTERACTION_FAILURE", failure)

    def _succeed(self, interaction: Interaction) -> None:
        profile, about = self._context.current.for_text(interaction.text), _about(interaction)
        if (
            profile.interaction_success
            and self._context.faults.take("success_never", interaction.text) is None
        ):
            self._sessions.to_session(interaction.session_id, "INTERACTION_SUCCESS", about)
        if profile.interaction_create and profile.success_first:
            self._sessions.to_session(interaction.session_id, "INTERACTION_CREATE", about)


def _about(interaction: Interaction) -> Json:
    nonce = {} if interaction.nonce is None else {"nonce": interaction.nonce}
    return {"id": interaction.id, **nonce}
