"""The account's settings, as the bot's commands and buttons change and show them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mjwatch.discord.protocol import FLAG_EPHEMERAL, FLAG_LOADING
from mjwatch.simulator.messages.message import button, embed, select
from mjwatch.simulator.midjourney.context import whisper

if TYPE_CHECKING:
    from mjwatch.simulator.http.history import History
    from mjwatch.simulator.messages.account import Account
    from mjwatch.simulator.messages.interaction import Interaction
    from mjwatch.simulator.midjourney.job import Studio
    from mjwatch.simulator.recorder import Executed
    from mjwatch.simulator.world import Json

BLUE = 5793266
ANSWER_TIME = 0.4
_SPEEDS = {
    "fast": "Done! Your jobs now use fast-hours. You can always switch back with /relax",
    "relax": "Done! Your jobs now do not consume fast-hours, but might take a little longer. "
    "You can always switch back with /fast",
    "turbo": "Done! Your jobs now use turbo mode. You can always switch back with /fast",
}
_VISIBILITY = {
    "public": "Done! Your jobs are now public.",
    "private": "Done! Your jobs are now hidden from other people.",
    "stealth": "Done! Your jobs are now hidden from other people.",
}
_VERSIONS = {"5.2": "Model V5.2", "6": "Model V6", "6.1": "Model V6.1", "7": "Model V7"}
SETTINGS = "MJ::Settings::"


class Preferences:
    """Answers the commands that change settings; all of them in a whisper."""

    def __init__(self, studio: Studio, account: Account, history: History) -> None:
        self._studio = studio
        self._account = account
        self._history = history

    async def speed(self, interaction: Interaction, executed: Executed) -> None:
        """/fast, /relax, /turbo: a line that begins with "Done!"."""
        self._account.mode = interaction.command or "fast"
        self._say(interaction, executed, _SPEEDS[self._account.mode])

    async def visibility(self, interaction: Interaction, executed: Executed) -> None:
        """/public, /private, /stealth (the words are not recorded)."""
        name = interaction.command or "public"
        self._account.stealth = name != "public"
        self._say(interaction, executed, _VISIBILITY[name])

    async def prefer(self, interaction: Interaction, executed: Executed) -> None:
        """/prefer: switches, and the suffix."""
        given = dict(interaction.options)
        name = next(iter(given), "")
        if name == "suffix":
            values = given[name]
            chosen = dict(values).get("new_value") if isinstance(values, tuple) else None
            self._account.suffix = chosen if isinstance(chosen, str) else ""
            words = f"set to `{chosen}`" if chosen else "removed"
            told = f"Your preferred suffix has been {words}"
        else:
            told = self._switch(name) if name in ("remix", "variability") else "Done!"
        await self._answer(interaction, executed, {"content": told})

    async def settings(self, interaction: Interaction, executed: Executed) -> None:
        """/settings: one button a setting, green where it is on."""
        shown = {"embeds": [embed("Settings", "", BLUE)], "components": self._rows()}
        await self._answer(interaction, executed, shown)

    async def press(self, interaction: Interaction, executed: Executed) -> None:
        """A button or the menu of /settings: its message changes."""
        name = (interaction.custom_id or "").removeprefix(SETTINGS)
        if name == "VersionSelector":
            self._account.version = interaction.values[0]
        elif name in _SPEEDS:
            self._account.mode = name
        elif name == "stealth":
            self._account.stealth = not self._account.stealth
        else:
            self._switch(name)
        message = self._history.find(interaction.channel.id, interaction.message_id)
        if message is not None:
            self._studio.delivery.update({**message, "components": self._rows()}, interaction)
        executed.outcome = "done"

    def _switch(self, name: str) -> str:
        if name == "remix":
            self._account.remix = not self._account.remix
            return f"Remix mode turned {_word(on=self._account.remix)}!"
        self._account.variability = not self._account.variability
        return f"High variability mode turned {_word(on=self._account.variability)}!"

    def _rows(self) -> list[Json]:
        account = self._account
        speeds = [_setting(f"{name.capitalize()} mode", name, on=name == account.mode) for name in _SPEEDS]
        others = [
            _setting("Remix mode", "remix", on=account.remix),
            _setting("High Variation Mode", "variability", on=account.variability),
            _setting("Stealth mode", "stealth", on=account.stealth),
        ]
        versions = [select(f"{SETTINGS}VersionSelector", _VERSIONS, account.version)]
        return self._studio.forms.rows(versions, speeds, others)

    async def _answer(self, interaction: Interaction, executed: Executed, body: Json) -> None:
        """A LOADING message that is filled in: other clients wait for a change of it, which has no nonce."""
        message = self._studio.forms.response(interaction, "", flags=FLAG_EPHEMERAL | FLAG_LOADING)
        self._studio.delivery.create(message, interaction)
        await asyncio.sleep(min(ANSWER_TIME, self._studio.seconds_per_job / 10))
        message |= {"flags": FLAG_EPHEMERAL, **body}
        self._studio.delivery.update(message, interaction)
        executed.outcome = "done"

    def _say(self, interaction: Interaction, executed: Executed, words: str) -> None:
        whisper(self._studio, interaction, words)
        executed.outcome = "done"


def _setting(label: str, name: str, *, on: bool) -> Json:
    return button(label, f"{SETTINGS}{name}", style=3 if on else 2)


def _word(*, on: bool) -> str:
    return "on" if on else "off"
