"""Handlers of commands with a text answer: /info, /describe, /shorten, and the account's settings."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

from mjwatch.discord.protocol import FLAG_EPHEMERAL, FLAG_LOADING
from mjwatch.simulator.http.command_index import COMMANDS
from mjwatch.simulator.messages.message import button, embed, select
from mjwatch.simulator.messages.notices import notice_named
from mjwatch.simulator.midjourney.context import answer_ephemerally, asked_refusal, refuse

if TYPE_CHECKING:
    from mjwatch.simulator.http.history import History
    from mjwatch.simulator.messages.modals import Interaction
    from mjwatch.simulator.messages.plans import SimulatedAccount
    from mjwatch.simulator.midjourney.job import BotContext
    from mjwatch.simulator.midjourney.queue import RenderQueue
    from mjwatch.simulator.recorder import ExecutedInteraction
    from mjwatch.simulator.world import Json


DESCRIBE_TIME = 6.0
"""Seconds until the description of a picture (recorded 2025-06)."""
KEYCAPS = ("1\ufe0f\u20e3", "2\ufe0f\u20e3", "3\ufe0f\u20e3", "4\ufe0f\u20e3", "5\ufe0f\u20e3")
HEART_EYES = "\U0001f60d"
PARTY = "\U0001f389"
TEXTS_KEPT = 1000

Source = tuple[str | None, str]
"""The described picture: the path of an upload, or None and a link."""


class TextCommands:
    """Handles the commands with a text answer, which need no slot."""

    def __init__(self, context: BotContext, queue: RenderQueue) -> None:
        self._context = context
        self._queue = queue
        self._texts: OrderedDict[str, tuple[list[str], Source]] = OrderedDict()
        """The texts that an answer's buttons offer, and the answer's subject, by message id."""

    def choices(self, interaction: Interaction) -> list[str]:
        """Return the texts that a press of this answer's buttons chooses; none for other buttons."""
        custom_id, (texts, _) = interaction.custom_id or "", self._about(interaction)
        if custom_id.startswith(("MJ::Job::PicReader::", "MJ::Job::PromptAnalyzer::")):
            number = custom_id.rpartition("::")[2]
            return texts if number == "all" else texts[int(number) - 1 : int(number)]
        return []

    def choice(self, interaction: Interaction) -> str | None:
        """Return the one text that a press chooses; None for other buttons, and for all at once."""
        chosen = self.choices(interaction)
        return chosen[0] if len(chosen) == 1 else None

    def _about(self, interaction: Interaction) -> tuple[list[str], Source]:
        return self._texts.get(interaction.message_id or "", ([], (None, "")))

    def _refused_by_fault(self, interaction: Interaction, executed: ExecutedInteraction) -> bool:
        """Handle a fault that replaces the answer; return whether there was one."""
        if self._context.faults.take("silent", interaction.text):
            return True
        notice = asked_refusal(self._context, interaction.text)
        if notice is not None:
            executed.outcome = "refused"
            refuse(self._context, interaction, notice)
        return notice is not None

    async def info(self, interaction: Interaction, executed: ExecutedInteraction) -> None:
        """Handle /info: send a LOADING message and fill it in."""
        if self._refused_by_fault(interaction, executed):
            return
        context = self._context.for_text(interaction.text)
        body = self._queue.account.body()
        if context.profile.info_renamed:
            body["description"] = body["description"].replace("Fast Time Remaining", "Hours Left")
        if not context.profile.info_loading:
            message = context.forms.response(interaction, "", flags=FLAG_EPHEMERAL, embeds=[body])
            context.delivery.create(message, interaction)
            executed.outcome = "done"
            return
        message = self._loading(interaction)
        await self._pause(ANSWER_TIME)
        self._fill_in(message, interaction, executed, body)

    async def shorten(self, interaction: Interaction, executed: ExecutedInteraction) -> None:
        """Handle /shorten: send the prompt with fewer and fewer words (other clients' code; not recorded)."""
        if self._refused_by_fault(interaction, executed):
            return
        message = self._loading(interaction)
        await self._pause(ANSWER_TIME)
        words = (interaction.prompt or "").split()
        lengths = [max(1, len(words) * part // 6) for part in (5, 4, 3, 2, 1)]
        texts = [" ".join(words[:length]) for length in lengths]
        lines = [f"{key} {text}" for key, text in zip(KEYCAPS, texts, strict=True)]
        text = f"**Important tokens**\n{' '.join(words)}\n\n**Shortened prompts**\n" + "\n\n".join(lines)
        body = embed(None, text, BLUE, "Click on a button to imagine one of the shortened prompts")
        row = [
            button(None, f"MJ::Job::PromptAnalyzer::{n}", emoji=key) for n, key in enumerate(KEYCAPS, start=1)
        ]
        self._offer(message, texts, (None, ""))
        self._fill_in(message, interaction, executed, body, row)

    async def describe(self, interaction: Interaction, executed: ExecutedInteraction) -> None:
        """Handle /describe: send four prompts for a picture (recorded 2025-06)."""
        if self._refused_by_fault(interaction, executed):
            return
        source = interaction.option("image"), interaction.option("link") or ""
        if not await self._can_see(source):
            executed.outcome = "refused"
            refuse(self._context, interaction, notice_named("Invalid link"))
            return
        await self._describe(interaction, executed, source, "seen in simulated way number")

    async def describe_again(self, interaction: Interaction, executed: ExecutedInteraction) -> None:
        """Handle the retry button below a description: send another description of the same picture."""
        _, source = self._about(interaction)
        await self._describe(interaction, executed, source, "seen again in simulated way number")

    async def _can_see(self, source: Source) -> bool:
        path, link = source
        if path is not None:
            return await self._context.links.are_pictures([path])
        return bool(link) and await self._context.links.has_valid_pictures(link)

    async def _describe(
        self, interaction: Interaction, executed: ExecutedInteraction, source: Source, description: str
    ) -> None:
        message = self._loading(interaction)
        await self._pause(DESCRIBE_TIME)
        texts = [f"A simulated picture, {description} {n}." for n, _ in _FOUR]
        lines = [f"{key} {text}" for (_, key), text in zip(_FOUR, texts, strict=True)]
        body = {**embed(None, " \n\n".join(lines), None), "image": await self._shown(source)}
        row = [button(None, f"MJ::Job::PicReader::{n}", emoji=key) for n, key in _FOUR]
        row.append(button(None, "MJ::Picread::Retry", emoji="🔄"))
        self._offer(message, texts, source)
        more = [button("Imagine all", "MJ::Job::PicReader::all", emoji=PARTY)]
        self._fill_in(message, interaction, executed, body, row, more)

    async def _shown(self, source: Source) -> Json:
        path, link = source
        if path is None:
            return {"width": 1024, "height": 1024, "url": link}
        width, height = await self._context.pictures.size_of(path) or (0, 0)
        # The address of a described picture contains the command's id (recorded 2025-06).
        copy = f"/ephemeral-attachments/{COMMANDS['describe'].id}/{path.split('/', 3)[3]}"
        self._context.pictures.copy_upload(path, copy)
        return {"width": width, "height": height, "url": copy, "proxy_url": copy}

    async def rate(self, interaction: Interaction, executed: ExecutedInteraction) -> None:
        """Handle the heart below a picture: send a public line about it (recorded 2026-06)."""
        channel, target = interaction.channel, interaction.message_id
        link = f"https://discord.com/channels/{channel.guild_id or '@me'}/{channel.id}/{target}"
        text = f"You have successfully rated [this job]({link}) with {HEART_EYES}"
        post = self._context.forms.post(
            channel, text, reply_to=target, application_id=interaction.application_id
        )
        self._context.delivery.create(post)
        executed.outcome = "done"

    def _offer(self, message: Json, texts: list[str], source: Source) -> None:
        self._texts[message["id"]] = texts, source
        if len(self._texts) > TEXTS_KEPT:
            self._texts.popitem(last=False)

    def _loading(self, interaction: Interaction) -> Json:
        forms = self._context.for_text(interaction.text).forms
        message = forms.response(interaction, "", flags=FLAG_EPHEMERAL | FLAG_LOADING)
        self._context.delivery.create(message, interaction)
        return message

    def _fill_in(
        self,
        message: Json,
        interaction: Interaction,
        executed: ExecutedInteraction,
        body: Json,
        *rows: list[Json],
    ) -> None:
        if self._context.faults.take("answer_stuck", interaction.text):
            return
        components = self._context.forms.rows(*rows)
        message |= {"flags": FLAG_EPHEMERAL, "embeds": [body], "components": components}
        self._context.delivery.update(message, interaction)
        executed.outcome = "done"

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, self._context.seconds_per_job / 10))


_FOUR = tuple(enumerate(KEYCAPS[:4], start=1))


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
    """Handles the commands that change settings, with ephemeral answers."""

    def __init__(self, context: BotContext, account: SimulatedAccount, history: History) -> None:
        self._context = context
        self._account = account
        self._history = history

    async def speed(self, interaction: Interaction, executed: ExecutedInteraction) -> None:
        """Handle /fast, /relax and /turbo: answer with a line that begins with "Done!"."""
        self._account.mode = interaction.command or "fast"
        self._say(interaction, executed, _SPEEDS[self._account.mode])

    async def visibility(self, interaction: Interaction, executed: ExecutedInteraction) -> None:
        """Handle /public, /private and /stealth (the texts are not recorded)."""
        name = interaction.command or "public"
        self._account.stealth = name != "public"
        self._say(interaction, executed, _VISIBILITY[name])

    async def prefer(self, interaction: Interaction, executed: ExecutedInteraction) -> None:
        """Handle /prefer: switches and the suffix."""
        given = dict(interaction.options)
        name = next(iter(given), "")
        if name == "suffix":
            values = given[name]
            chosen = dict(values).get("new_value") if isinstance(values, tuple) else None
            self._account.suffix = chosen if isinstance(chosen, str) else ""
            change = f"set to `{chosen}`" if chosen else "removed"
            text = f"Your preferred suffix has been {change}"
        else:
            text = self._switch(name) if name in ("remix", "variability") else "Done!"
        await self._answer(interaction, executed, {"content": text})

    async def settings(self, interaction: Interaction, executed: ExecutedInteraction) -> None:
        """Handle /settings: answer with a button for each setting, green if it is on."""
        shown = {"embeds": [embed("Settings", "", BLUE)], "components": self._rows()}
        await self._answer(interaction, executed, shown)

    async def press(self, interaction: Interaction, executed: ExecutedInteraction) -> None:
        """Handle a button or the menu of /settings: change the setting and the message."""
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
            self._context.delivery.update({**message, "components": self._rows()}, interaction)
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
        return self._context.forms.rows(versions, speeds, others)

    async def _answer(self, interaction: Interaction, executed: ExecutedInteraction, body: Json) -> None:
        """Send a LOADING message and fill it in: other clients wait for the edit, which has no nonce."""
        message = self._context.forms.response(interaction, "", flags=FLAG_EPHEMERAL | FLAG_LOADING)
        self._context.delivery.create(message, interaction)
        await asyncio.sleep(min(ANSWER_TIME, self._context.seconds_per_job / 10))
        message |= {"flags": FLAG_EPHEMERAL, **body}
        self._context.delivery.update(message, interaction)
        executed.outcome = "done"

    def _say(self, interaction: Interaction, executed: ExecutedInteraction, text: str) -> None:
        answer_ephemerally(self._context, interaction, text)
        executed.outcome = "done"


def _setting(label: str, name: str, *, on: bool) -> Json:
    return button(label, f"{SETTINGS}{name}", style=3 if on else 2)


def _word(*, on: bool) -> str:
    return "on" if on else "off"
