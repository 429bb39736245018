"""Answers of the bot that are words, not pictures: information, settings, descriptions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mjwatch.discord.protocol import FLAG_EPHEMERAL, FLAG_LOADING

from .commands import COMMANDS
from .messages import button, embed

if TYPE_CHECKING:
    from .identity import Json
    from .interactions import Interaction
    from .jobs import Studio
    from .witness import Executed
    from .workshop import Workshop

ANSWER_TIME = 0.4
DESCRIBE_TIME = 6.0
"""Seconds until a picture is described (recorded 2025-06)."""
BLUE = 5793266
KEYCAPS = ("1\ufe0f\u20e3", "2\ufe0f\u20e3", "3\ufe0f\u20e3", "4\ufe0f\u20e3", "5\ufe0f\u20e3")
HEART_EYES = "\U0001f60d"

_SPEEDS = {
    "fast": "Done! Your jobs now use fast-hours. You can always switch back with /relax",
    "relax": "Done! Your jobs now do not consume fast-hours, but might take a little longer. "
    "You can always switch back with /fast",
    "turbo": "Done! Your jobs now use turbo mode. You can always switch back with /fast",
}


class Desk:
    """Answers what needs no slot."""

    def __init__(self, studio: Studio, workshop: Workshop) -> None:
        self._studio = studio
        self._workshop = workshop

    async def info(self, interaction: Interaction, executed: Executed) -> None:
        """/info: a LOADING message that is filled in."""
        message = self._loading(interaction)
        await self._pause(ANSWER_TIME)
        body = self._workshop.account.body(self._workshop.slots.waiting)
        self._fill_in(message, interaction, body)
        executed.outcome = "done"

    async def speed(self, interaction: Interaction, executed: Executed) -> None:
        """/fast, /relax, /turbo: a line that begins with "Done!"."""
        speed = interaction.command or "fast"
        self._workshop.account.mode = speed
        self._whisper(interaction, _SPEEDS[speed])
        executed.outcome = "done"

    async def settings(self, interaction: Interaction, executed: Executed) -> None:
        """/settings: one button a setting, green where it is on."""
        mode = self._workshop.account.mode
        speeds = [_setting(f"{name.capitalize()} mode", f"{name}", on=name == mode) for name in _SPEEDS]
        others = [_setting(f"{name} mode", name.lower(), on=False) for name in ("Remix", "Stealth")]
        message = self._studio.forms.response(interaction, "", flags=FLAG_EPHEMERAL)
        message["embeds"] = [embed("Settings", "", BLUE)]
        message["components"] = self._studio.forms.rows(speeds, others)
        self._studio.delivery.create(message, interaction)
        executed.outcome = "done"

    async def shorten(self, interaction: Interaction, executed: Executed) -> None:
        """/shorten: the prompt with ever fewer words (other clients' code; not recorded)."""
        message = self._loading(interaction)
        await self._pause(ANSWER_TIME)
        words = (interaction.option("prompt") or "").split()
        lengths = [max(1, len(words) * part // 6) for part in (5, 4, 3, 2, 1)]
        lines = [f"{key} {' '.join(words[:n])}" for key, n in zip(KEYCAPS, lengths, strict=True)]
        text = f"**Important tokens**\n{' '.join(words)}\n\n**Shortened prompts**\n" + "\n\n".join(lines)
        body = embed(None, text, BLUE, "Click on a button to imagine one of the shortened prompts")
        row = [
            button(None, f"MJ::Job::PromptAnalyzer::{n}", emoji=key) for n, key in enumerate(KEYCAPS, start=1)
        ]
        self._fill_in(message, interaction, body, row)
        executed.outcome = "done"

    async def describe(self, interaction: Interaction, executed: Executed) -> None:
        """/describe: four prompts for a picture (recorded 2025-06)."""
        message = self._loading(interaction)
        await self._pause(DESCRIBE_TIME)
        uploaded = interaction.option("image")
        image: Json = {"width": 1024, "height": 1024, "url": interaction.option("link") or ""}
        if uploaded is not None:
            copy = f"/ephemeral-attachments/{COMMANDS['describe'].id}/{uploaded.split('/', 3)[3]}"
            self._studio.pictures.copy_upload(uploaded, copy)
            image |= {"url": copy, "proxy_url": copy}
        lines = [f"{key} A pretend picture, seen in pretend way number {n}." for n, key in _FOUR]
        body = {**embed(None, " \n\n".join(lines), None), "image": image}
        row = [button(None, f"MJ::Job::PicReader::{n}", emoji=key) for n, key in _FOUR]
        retry = button(None, "MJ::Picread::Retry", emoji="🔄")
        more = [retry, button("Imagine all", "MJ::Job::PicReader::all")]
        self._fill_in(message, interaction, body, row, more)
        executed.outcome = "done"

    async def rate(self, interaction: Interaction, executed: Executed) -> None:
        """The heart below a picture: a public line that says so (recorded 2026-06)."""
        channel, target = interaction.channel, interaction.message_id
        link = f"https://discord.com/channels/{channel.guild_id or '@me'}/{channel.id}/{target}"
        words = f"You have successfully rated [this job]({link}) with {HEART_EYES}"
        self._studio.delivery.create(self._studio.forms.post(channel, words, reply_to=target))
        executed.outcome = "done"

    def _whisper(self, interaction: Interaction, content: str) -> None:
        message = self._studio.forms.response(interaction, content, flags=FLAG_EPHEMERAL)
        self._studio.delivery.create(message, interaction)

    def _loading(self, interaction: Interaction) -> Json:
        message = self._studio.forms.response(interaction, "", flags=FLAG_EPHEMERAL | FLAG_LOADING)
        self._studio.delivery.create(message, interaction)
        return message

    def _fill_in(self, message: Json, interaction: Interaction, body: Json, *rows: list[Json]) -> None:
        components = self._studio.forms.rows(*rows)
        message |= {"flags": FLAG_EPHEMERAL, "embeds": [body], "components": components}
        self._studio.delivery.update(message, interaction)

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, self._studio.seconds_per_job / 10))


_FOUR = tuple(enumerate(KEYCAPS[:4], start=1))


def _setting(label: str, name: str, *, on: bool) -> Json:
    return button(label, f"MJ::Settings::{name}", style=3 if on else 2)
