"""Presses of buttons and menus, and modals that come back: who answers them and how."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from mjwatch.simulator.button_plans import plan_for_button, uuid_in
from mjwatch.simulator.buttons import with_button_used
from mjwatch.simulator.modals import form_for_press, form_for_text
from mjwatch.simulator.plans import mode_for, reworded
from mjwatch.simulator.preferences import SETTINGS
from mjwatch.simulator.refusing import refuse

if TYPE_CHECKING:
    from mjwatch.simulator.bot import Answer
    from mjwatch.simulator.desk import Desk
    from mjwatch.simulator.history import History
    from mjwatch.simulator.interactions import Interaction
    from mjwatch.simulator.jobs import Studio
    from mjwatch.simulator.modals import ModalForm
    from mjwatch.simulator.orders import Orders
    from mjwatch.simulator.plans import Plan
    from mjwatch.simulator.preferences import Preferences
    from mjwatch.simulator.witness import Executed
    from mjwatch.simulator.workshop import Workshop

ALWAYS_ASKS = "MJ::CustomZoom::"
INPAINT = "MJ::Inpaint::"


class Presses:
    """Finds the answer to a press."""

    def __init__(
        self,
        studio: Studio,
        workshop: Workshop,
        history: History,
        desk: Desk,
        orders: Orders,
        preferences: Preferences,
    ) -> None:
        self._studio = studio
        self._workshop = workshop
        self._history = history
        self._desk = desk
        self._orders = orders
        self._fixed: dict[str, Answer] = {
            "MJ::CancelJob::": self._cancel,
            "MJ::BOOKMARK::": desk.rate,
            "MJ::Prompts::Confirm::": orders.confirm,
            "MJ::Prompts::Reject::": orders.confirm,
            "MJ::Picread::Retry": desk.describe_again,
            SETTINGS: preferences.press,
        }

    def form(self, interaction: Interaction) -> ModalForm | None:
        """The modal that this press opens; None if it opens none."""
        custom_id = interaction.custom_id or ""
        if interaction.modal is not None or not self._asks(interaction):
            return None
        if (choice := self._desk.choice(interaction)) is not None:
            return form_for_text(custom_id, interaction.message_id or "", choice)
        parent = self._workshop.plan_of(uuid_in(custom_id))
        if parent is None:
            return None
        numbered = self._studio.profile.name != "2023"
        return form_for_press(custom_id, parent.echo, numbered_pans=numbered)

    def _asks(self, interaction: Interaction) -> bool:
        custom_id = interaction.custom_id or ""
        if custom_id.startswith(ALWAYS_ASKS) or self._workshop.account.remix:
            return True
        return self._studio.faults.take("modal_asked", interaction.text) is not None

    def answer(self, interaction: Interaction) -> Answer | None:
        """Who answers a press that opens no modal, or a modal that was sent in; None if nobody does."""
        custom_id = interaction.custom_id
        if custom_id is None or interaction.message_id is None:
            return None
        if interaction.modal is not None:
            return self._answer_to_modal(interaction)
        for prefix, answer in self._fixed.items():
            if custom_id.startswith(prefix):
                return answer
        if self._desk.choices(interaction):
            return self._imagine_choices
        plan = self._plan(custom_id, interaction)
        return None if plan is None else partial(self._press, plan)

    def _answer_to_modal(self, interaction: Interaction) -> Answer | None:
        press = interaction.modal.press if interaction.modal is not None else interaction
        if self._desk.choices(press):
            return self._imagine_words
        plan = self._plan(press.custom_id or "", interaction)
        return None if plan is None else partial(self._press, plan)

    def _plan(self, custom_id: str, interaction: Interaction) -> Plan | None:
        parent = self._workshop.plan_of(uuid_in(custom_id))
        if parent is None:
            return None
        profile, edge, account = self._studio.profile, self._studio.grid, self._workshop.account
        meant = parent if interaction.words is None else reworded(parent, interaction.words, profile, edge)
        target, remixed = interaction.message_id or "", meant is not parent
        plan = plan_for_button(custom_id, meant, target, profile, edge, remixed=remixed)
        if plan is None:
            return None
        return replace(plan, mode=mode_for(meant.prompt, account), stealth=account.stealth)

    async def _press(self, plan: Plan, interaction: Interaction, executed: Executed) -> None:
        text = f"{plan.prompt} {interaction.text}"
        if self._studio.faults.take("silent", text):
            return
        notice = await self._orders.notice(text)
        if notice is not None and not notice.late:
            executed.outcome = "refused"
            refuse(self._studio, interaction, notice)
            return
        self._orders.inform(interaction, text)
        self._mark_used(interaction)
        await self._workshop.make(interaction, executed, plan, notice)

    def _mark_used(self, interaction: Interaction) -> None:
        press = interaction.modal.press if interaction.modal is not None else interaction
        message = self._history.find(interaction.channel.id, interaction.message_id)
        if message is not None:
            marked = with_button_used(message, press.custom_id or "", self._studio.profile)
            self._studio.delivery.update(marked, interaction)

    async def _imagine_words(self, interaction: Interaction, executed: Executed) -> None:
        await self._orders.picture(interaction, executed, interaction.words or "")

    async def _imagine_choices(self, interaction: Interaction, executed: Executed) -> None:
        """A number below a description or a shortened prompt: that text is imagined; or all of them."""
        first, *others = self._desk.choices(interaction)
        for prompt in others:
            self._orders.imagine_beside(interaction, executed, prompt)
        await self._orders.picture(interaction, executed, first)

    async def _cancel(self, interaction: Interaction, executed: Executed) -> None:
        stopped = self._workshop.cancel(uuid_in(interaction.custom_id or ""))
        executed.outcome = "done" if stopped else "refused"
