"""How the bot says no, or something else that only its user may read."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mjwatch.discord.protocol import FLAG_EPHEMERAL
from mjwatch.simulator.messages.notices import asked_notice

if TYPE_CHECKING:
    from mjwatch.simulator.messages.modals import Interaction
    from mjwatch.simulator.messages.notices import BotNotice
    from mjwatch.simulator.midjourney.job import BotContext
    from mjwatch.simulator.recorder import ExecutedInteraction
Answer = Callable[["Interaction", "ExecutedInteraction"], Coroutine[Any, Any, None]]
"""What answers one interaction."""

BANNED = "Banned prompt"


def refuse(studio: BotContext, interaction: Interaction, notice: BotNotice) -> None:
    """Answer with a notice; those to commands have what was asked for in their footer."""
    forms = studio.forms
    asked = None if interaction.command is None else f"/{interaction.command} {interaction.prompt or ''}"
    message = forms.response(
        interaction,
        notice.content,
        flags=FLAG_EPHEMERAL,
        embeds=notice.embeds(asked),
        components=forms.rows(notice.row()) if notice.buttons else [],
    )
    studio.delivery.create(message, interaction)


def asked_refusal(studio: BotContext, text: str) -> BotNotice | None:
    """What a fault wants the bot to say in place of an answer; the text is what the fault is matched with."""
    if armed := studio.faults.take("refuse", text):
        return asked_notice(armed, BANNED)
    if armed := studio.faults.take("refuse_by_reply", text):
        return replace(asked_notice(armed, BANNED), late=True, by_reply=True)
    return None


def whisper(studio: BotContext, interaction: Interaction, content: str) -> None:
    """Answer with an ephemeral line."""
    message = studio.forms.response(interaction, content, flags=FLAG_EPHEMERAL)
    studio.delivery.create(message, interaction)
