"""Refusals and other ephemeral answers of the bot."""

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
"""The handler of an interaction."""

BANNED = "Banned prompt"


def refuse(context: BotContext, interaction: Interaction, notice: BotNotice) -> None:
    """Answer with a notice; an answer to a command has the request in its footer."""
    forms = context.for_text(interaction.text).forms
    request = None if interaction.command is None else f"/{interaction.command} {interaction.prompt or ''}"
    message = forms.response(
        interaction,
        notice.content,
        flags=FLAG_EPHEMERAL,
        embeds=notice.embeds(request),
        components=forms.rows(notice.row()) if notice.buttons else [],
    )
    context.delivery.create(message, interaction)


def asked_refusal(context: BotContext, text: str) -> BotNotice | None:
    """Return the notice of an armed fault that replaces an answer; the fault is matched with the text."""
    if armed := context.faults.take("refuse", text):
        return asked_notice(armed, BANNED)
    if armed := context.faults.take("refuse_by_reply", text):
        return replace(asked_notice(armed, BANNED), late=True, by_reply=True)
    return None


def answer_ephemerally(context: BotContext, interaction: Interaction, content: str) -> None:
    """Answer with an ephemeral line."""
    message = context.forms.response(interaction, content, flags=FLAG_EPHEMERAL)
    context.delivery.create(message, interaction)
