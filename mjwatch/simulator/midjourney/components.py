"""Handlers of buttons, menus and submitted modals, of message commands and reactions.

A press may also open something in the client: a modal with a field for a prompt, or a page in a frame.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from mjwatch.simulator.http.command_index import application_name
from mjwatch.simulator.messages.buttons import with_button_used
from mjwatch.simulator.messages.modals import form_for_press, form_for_text
from mjwatch.simulator.messages.notices import UNKNOWN_JOB
from mjwatch.simulator.messages.plans import mode_for, plan_for_button, uuid_in, with_prompt
from mjwatch.simulator.midjourney.context import answer_ephemerally, refuse
from mjwatch.simulator.midjourney.text_commands import SETTINGS
from mjwatch.simulator.world import CHANNELS, DM_CHANNEL_ID, USER_ID

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.simulator.gateway.sessions import Sessions
    from mjwatch.simulator.http.history import History
    from mjwatch.simulator.messages.modals import Interaction, ModalForm, OpenModals
    from mjwatch.simulator.messages.plans import RenderPlan
    from mjwatch.simulator.midjourney.context import Answer
    from mjwatch.simulator.midjourney.imagine import ImagineCommands
    from mjwatch.simulator.midjourney.job import BotContext
    from mjwatch.simulator.midjourney.queue import RenderQueue
    from mjwatch.simulator.midjourney.text_commands import Preferences, TextCommands
    from mjwatch.simulator.recorder import ExecutedInteraction
    from mjwatch.simulator.world import Json


ALWAYS_ASKS = "MJ::CustomZoom::"
INPAINT = "MJ::Inpaint::"


class ComponentPresses:
    """Finds the handler of a press."""

    def __init__(
        self,
        context: BotContext,
        queue: RenderQueue,
        history: History,
        text_commands: TextCommands,
        imagine_commands: ImagineCommands,
        preferences: Preferences,
    ) -> None:
        self._context = context
        self._queue = queue
        self._history = history
        self._text_commands = text_commands
        self._imagine_commands = imagine_commands
        self._fixed: dict[str, Answer] = {
            "MJ::CancelJob::": self._cancel,
            "MJ::BOOKMARK::": text_commands.rate,
            "MJ::Prompts::Confirm::": imagine_commands.confirm,
            "MJ::Prompts::Reject::": imagine_commands.confirm,
            "MJ::Picread::Retry": text_commands.describe_again,
            SETTINGS: preferences.press,
        }

    def form(self, interaction: Interaction) -> ModalForm | None:
        """Return the form that this press opens; None if it opens none."""
        custom_id = interaction.custom_id or ""
        if interaction.modal is not None or not self._opens_modal(interaction):
            return None
        if (choice := self._text_commands.choice(interaction)) is not None:
            return form_for_text(custom_id, interaction.message_id or "", choice)
        parent = self._queue.plan_of(uuid_in(custom_id))
        if parent is None:
            return None
        numbered = self._context.profile.name != "2023"
        return form_for_press(custom_id, parent.echo, numbered_pans=numbered)

    def _opens_modal(self, interaction: Interaction) -> bool:
        custom_id = interaction.custom_id or ""
        if custom_id.startswith(ALWAYS_ASKS) or self._queue.account.remix:
            return True
        return self._context.faults.take("modal_asked", interaction.text) is not None

    def answer(self, interaction: Interaction) -> Answer | None:
        """Return the handler of a press without a modal, or of a submitted modal; None if there is none."""
        custom_id = interaction.custom_id
        if custom_id is None or interaction.message_id is None:
            return None
        if interaction.modal is not None:
            return self._answer_to_modal(interaction)
        for prefix, answer in self._fixed.items():
            if custom_id.startswith(prefix):
                return answer
        if self._text_commands.choices(interaction):
            return self._imagine_choices
        plan = self._plan(custom_id, interaction)
        return None if plan is None else partial(self._press, plan)

    def _answer_to_modal(self, interaction: Interaction) -> Answer | None:
        press = interaction.modal.press if interaction.modal is not None else interaction
        if self._text_commands.choices(press):
            return self._imagine_words
        plan = self._plan(press.custom_id or "", interaction)
        return None if plan is None else partial(self._press, plan)

    def _plan(self, custom_id: str, interaction: Interaction) -> RenderPlan | None:
        parent = self._queue.plan_of(uuid_in(custom_id))
        if parent is None:
            return None
        profile = self._context.current.for_text(f"{parent.prompt} {interaction.text}")
        edge, account = self._context.grid, self._queue.account
        meant = (
            parent
            if interaction.field_text is None
            else with_prompt(parent, interaction.field_text, profile, edge)
        )
        target, remixed = interaction.message_id or "", meant is not parent
        plan = plan_for_button(custom_id, meant, target, profile, edge, remixed=remixed)
        if plan is None:
            return None
        return replace(plan, mode=mode_for(meant.prompt, account), stealth=account.stealth)

    async def _press(self, plan: RenderPlan, interaction: Interaction, executed: ExecutedInteraction) -> None:
        text = f"{plan.prompt} {interaction.text}"
        if self._context.faults.take("silent", text):
            return
        notice = await self._imagine_commands.notice(text)
        if notice is not None and not notice.late:
            executed.outcome = "refused"
            refuse(self._context, interaction, notice)
            return
        self._imagine_commands.inform(interaction, text)
        self._mark_used(interaction)
        await self._queue.make(interaction, executed, plan, notice)

    def _mark_used(self, interaction: Interaction) -> None:
        press = interaction.modal.press if interaction.modal is not None else interaction
        message = self._history.find(interaction.channel.id, interaction.message_id)
        if message is not None:
            marked = with_button_used(message, press.custom_id or "", self._context.profile)
            self._context.delivery.update(marked, interaction)

    async def _imagine_words(self, interaction: Interaction, executed: ExecutedInteraction) -> None:
        await self._imagine_commands.picture(interaction, executed, interaction.field_text or "")

    async def _imagine_choices(self, interaction: Interaction, executed: ExecutedInteraction) -> None:
        """Imagine the text of a number below a description or a shortened prompt, or all texts."""
        first, *others = self._text_commands.choices(interaction)
        for prompt in others:
            self._imagine_commands.start_parallel(interaction, executed, prompt)
        await self._imagine_commands.picture(interaction, executed, first)

    async def _cancel(self, interaction: Interaction, executed: ExecutedInteraction) -> None:
        stopped = self._queue.cancel(uuid_in(interaction.custom_id or ""))
        executed.outcome = "done" if stopped else "refused"


ENVELOPE, CROSS = "\u2709", "\u274c"


class ContextMenu:
    """Answers message commands and reactions."""

    def __init__(self, context: BotContext, queue: RenderQueue, history: History) -> None:
        self._context = context
        self._queue = queue
        self._history = history

    async def cancel_job(self, interaction: Interaction, executed: ExecutedInteraction) -> None:
        """Handle Cancel Job: stop the job with this progress message (the text is not recorded)."""
        job_uuid = self._queue.job_of(interaction.target_id or "")
        if job_uuid is None or not self._queue.cancel(job_uuid):
            executed.outcome = "refused"
            refuse(self._context, interaction, UNKNOWN_JOB)
            return
        answer_ephemerally(self._context, interaction, "Done! The job has been cancelled.")
        executed.outcome = "done"

    async def dm_results(self, interaction: Interaction, executed: ExecutedInteraction) -> None:
        """Handle DM Results: send the result again, in the direct messages."""
        message = self._history.of(interaction.channel.id).get(int(interaction.target_id or 0))
        if message is None or not message["attachments"]:
            executed.outcome = "refused"
            refuse(self._context, interaction, UNKNOWN_JOB)
            return
        self._send_directly(message["content"], message["attachments"])
        answer_ephemerally(self._context, interaction, "Done! Check your direct messages.")
        executed.outcome = "done"

    def reacted(self, message: Json, emoji: str) -> None:
        """Handle a reaction: an envelope asks for the seed, a cross deletes it (other clients' code)."""
        emoji = emoji.removesuffix("\ufe0f")
        if not any(person["id"] == USER_ID for person in message["mentions"]):
            return
        if emoji == CROSS:
            self._remove_message(message)
        elif emoji == ENVELOPE and message["attachments"] and message["components"]:
            self._send_seed(message)

    def _remove_message(self, message: Json) -> None:
        job_uuid = self._queue.job_of(message["id"])
        if job_uuid is not None:
            self._queue.cancel(job_uuid)
        self._context.delivery.delete(message)

    def _send_seed(self, message: Json) -> None:
        job_uuid = next(uuid for name in _names(message) if (uuid := uuid_in(name)))
        prompt = message["content"].rpartition("** - ")[0].removeprefix("**")
        lines = [f"**{prompt}**", f"**Job ID**: {job_uuid}", f"**seed** {int(job_uuid[:8], 16)}"]
        self._send_directly("\n".join(lines), message["attachments"])

    def _send_directly(self, content: str, attachments: list[Json]) -> None:
        post = self._context.forms.post(CHANNELS[DM_CHANNEL_ID], content)
        self._context.delivery.create({**post, "attachments": attachments})


def _names(message: Json) -> list[str]:
    return [attachment["filename"] for attachment in message["attachments"]]


class Dialogs:
    """Opens modals. That renders nothing and is recorded with the outcome `modal`."""

    def __init__(self, context: BotContext, sessions: Sessions, modals: OpenModals) -> None:
        self._context = context
        self._sessions = sessions
        self._modals = modals

    async def ask(
        self,
        form: ModalForm,
        interaction: Interaction,
        executed: ExecutedInteraction,
        succeed: Callable[[], None],
    ) -> None:
        """Open a form after INTERACTION_SUCCESS, as discord.py-self needs it, or before it."""
        faults, text = self._context.faults, interaction.text
        executed.outcome = "modal"
        modal = self._modals.open(interaction, form)
        if faults.take("modal_expired", text):
            self._modals.close(modal)
        overtakes = self._context.current.for_text(text).modal_first
        if not overtakes:
            succeed()
        if late := faults.take("modal_late", text):
            await asyncio.sleep(late.number("seconds", 1))
        if not faults.take("modal_never", text):
            body = {
                **_about(interaction, form.custom_id, form.title),
                "components": self._context.forms.rows(form.row()),
            }
            self._sessions.to_session(interaction.session_id, "INTERACTION_MODAL_CREATE", body)
        if overtakes:
            succeed()

    def show_page(self, interaction: Interaction, title: str, path: str) -> None:
        """Open a page in a frame."""
        page = {
            **_about(interaction, f"MJ::iframe::{interaction.id}", title),
            "iframe_path": f"{path}{interaction.id}",
            "modal_size": 2,
        }
        self._sessions.to_session(interaction.session_id, "INTERACTION_IFRAME_MODAL_CREATE", page)


def _about(interaction: Interaction, custom_id: str, title: str) -> Json:
    nonce = {} if interaction.nonce is None else {"nonce": interaction.nonce}
    application = {"id": interaction.application_id, "name": application_name(interaction.application_id)}
    return {
        "id": interaction.id,
        **nonce,
        "application": application,
        "channel_id": interaction.channel.id,
        "custom_id": custom_id,
        "title": title,
    }
