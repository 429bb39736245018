"""What a press opens in a client: modals with a field for a prompt, and pages in a frame."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mjwatch.simulator.http.command_index import application_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.simulator.gateway.sessions import Sessions
    from mjwatch.simulator.messages.interaction import Interaction
    from mjwatch.simulator.messages.modals import ModalForm, OpenModals
    from mjwatch.simulator.midjourney.job import Studio
    from mjwatch.simulator.recorder import Executed
    from mjwatch.simulator.world import Json


class Dialogs:
    """Opens modals. Nothing is rendered by that; it goes on record with the outcome `modal`."""

    def __init__(self, studio: Studio, sessions: Sessions, modals: OpenModals) -> None:
        self._studio = studio
        self._sessions = sessions
        self._modals = modals

    async def ask(
        self, form: ModalForm, interaction: Interaction, executed: Executed, succeed: Callable[[], None]
    ) -> None:
        """Open a form; INTERACTION_SUCCESS is said before, as discord.py-self needs it."""
        faults, text = self._studio.faults, interaction.text
        executed.outcome = "modal"
        modal = self._modals.open(interaction, form)
        if faults.take("modal_expired", text):
            self._modals.close(modal)
        overtakes = faults.take("modal_first", text) is not None
        if not overtakes:
            succeed()
        if late := faults.take("modal_late", text):
            await asyncio.sleep(late.number("seconds", 1))
        if not faults.take("modal_never", text):
            body = {
                **_about(interaction, form.custom_id, form.title),
                "components": self._studio.forms.rows(form.row()),
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
