"""How the bot says no, or something else that only its user may read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.discord.protocol import FLAG_EPHEMERAL

if TYPE_CHECKING:
    from .interactions import Interaction
    from .jobs import Studio
    from .notices import Notice


def refuse(studio: Studio, interaction: Interaction, notice: Notice) -> None:
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


def whisper(studio: Studio, interaction: Interaction, content: str) -> None:
    """Answer with an ephemeral line."""
    message = studio.forms.response(interaction, content, flags=FLAG_EPHEMERAL)
    studio.delivery.create(message, interaction)
