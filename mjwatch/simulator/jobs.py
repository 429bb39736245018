"""One picture job as the world sees it: its messages from "Waiting to start" to the result."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mjwatch.discord.protocol import FLAG_LOADING
from mjwatch.simulator.buttons import rows_below
from mjwatch.simulator.finals import as_components_v2, website_link
from mjwatch.simulator.messages import DANGER, button
from mjwatch.simulator.prints import Prints
from mjwatch.simulator.quirks import Quirks

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from mjwatch.simulator.delivery import Delivery
    from mjwatch.simulator.faults import Faults
    from mjwatch.simulator.identity import Json
    from mjwatch.simulator.interactions import Interaction
    from mjwatch.simulator.links import Links
    from mjwatch.simulator.messages import MessageForms
    from mjwatch.simulator.notices import Notice
    from mjwatch.simulator.pictures import Pictures
    from mjwatch.simulator.plans import Plan
    from mjwatch.simulator.profiles import Profile

UPSCALE_TIME = 0.5
"""Seconds until U1-U4 are answered (recorded 2026-06)."""
VIDEO_TIMES = 2
"""How many times as long as a grid a video takes (recorded 2026-06)."""


@dataclass(frozen=True, slots=True)
class Studio:
    """What every job works with."""

    profile: Profile
    forms: MessageForms
    delivery: Delivery
    pictures: Pictures
    links: Links
    faults: Faults
    seconds_per_job: float
    grid: int


def _nobody(_job: Job) -> None:
    """Whom a stranger's job tells of its end."""


@dataclass(slots=True)
class Job:
    """A job that has its slot."""

    studio: Studio
    interaction: Interaction
    plan: Plan
    rng: Random
    finished: Callable[[Job], None] = _nobody
    """Told just before the world is."""
    late_notice: Notice | None = None
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    progress: Json | None = None
    """The progress message, once it exists."""
    result: Json = field(default_factory=dict)
    """`id` and `channel_id` of the result's message, once it exists."""
    _quirks: Quirks = field(default_factory=Quirks)
    _ended_badly: bool = False
    _prints: Prints = field(init=False)

    async def run(self, *, answers: bool) -> bool:
        """From the first message to the last; False if it ended without a picture.

        ``answers``: the start message answers the interaction. A job that waited in the queue starts with an
        ordinary message, without nonce and interaction (assumed: clients are known to lose such jobs).
        """
        self._quirks = Quirks.taken(self.studio.faults, f"{self.plan.prompt} {self.interaction.text}")
        self._prints = Prints(self.studio, self.interaction.channel, self.plan, self.uuid, self._quirks)
        if self.plan.at_once:
            await asyncio.sleep(min(UPSCALE_TIME, self.studio.seconds_per_job / 10))
            await self._finish()
            return True
        if not self._quirks.no_start:
            await self._start(answers=answers)
        rendering = asyncio.create_task(self._prints.render_ahead())
        try:
            await self._pass_time()
            if self._quirks.moderated or self._quirks.stopped or self.late_notice is not None:
                self._end_badly()
                return False
            await rendering
            await self._finish()
            return True
        finally:
            rendering.cancel()

    async def clear_up(self) -> None:
        """What follows a final when the slot is free already: the progress message goes, if it goes last."""
        if self.studio.profile.delete == "after" and not self._ended_badly:
            await asyncio.sleep(self._moment())
            self._delete_progress()

    def stop(self) -> None:
        """A person has cancelled the job."""
        self._ended_badly = True
        if self.progress is not None:
            self.progress |= {"content": self.plan.stopped(), "components": [], "attachments": []}
            self._prints.drop_previews()
            self.studio.delivery.update(self.progress, manner=self._quirks.manner)

    async def _start(self, *, answers: bool) -> None:
        content, buttons = self.plan.waiting() + self._quirks.small_print, self._cancel_button()
        forms, delivery, manner = self.studio.forms, self.studio.delivery, self._quirks.manner
        if not answers:
            self.progress = self._post(content, self.plan.reply_to)
            self.progress |= {"components": buttons, "flags": self._quirks.flags}
            delivery.create(self.progress, manner=manner)
        elif self._quirks.loading_first:
            self.progress = forms.response(self.interaction, "", flags=FLAG_LOADING | self._quirks.flags)
            delivery.create(self.progress, self.interaction, manner)
            await asyncio.sleep(self._moment())
            self.progress |= {"content": content, "components": buttons, "flags": self._quirks.flags}
            delivery.update(self.progress, manner=manner)
        else:
            flags = self._quirks.flags
            self.progress = forms.response(self.interaction, content, components=buttons, flags=flags)
            delivery.create(self.progress, self.interaction, manner)

    def _cancel_button(self) -> list[Json]:
        """Jobs of buttons can be cancelled by a button; it tells their uuid from the start."""
        if self.plan.reply_to is None or self.plan.motion == "high":
            return []
        cancel = button("Cancel Job", f"MJ::CancelJob::ByJobid::{self.uuid}", style=DANGER)
        return self.studio.forms.rows([cancel])

    async def _pass_time(self) -> None:
        times = VIDEO_TIMES if self.plan.motion is not None else 1
        length = times * self.studio.seconds_per_job * self.rng.uniform(0.6, 1.4)
        steps = sorted(self.rng.sample(range(1, 19), 3))
        percents = [0, *(5 * step + self.rng.randint(0, 4) for step in steps)]
        for percent in percents:
            await asyncio.sleep(length / (len(percents) + 1))
            if self.progress is not None and self._quirks.shows_progress:
                await self._show(percent, self.progress)
        await asyncio.sleep(length / (len(percents) + 1))

    async def _show(self, percent: int, progress: Json) -> None:
        if percent >= 20 and not self._quirks.no_preview:
            progress["attachments"] = await self._prints.previews()
        status = "paused" if self._quirks.paused and percent % 2 else f"{percent}%"
        progress["content"] = self.plan.running(status) + self._quirks.small_print
        self.studio.delivery.update(progress, manner=self._quirks.manner)

    async def _finish(self) -> None:
        attachment = await self._prints.result()
        if self.studio.profile.delete == "before" and self.progress is not None:
            self._delete_progress()
            await asyncio.sleep(self._moment())
        for _ in range(2 if self._quirks.final_twice else 1):
            self._post_final(attachment)

    def _post_final(self, attachment: Json) -> None:
        delivery, quirks = self.studio.delivery, self._quirks
        message = self._final(attachment)
        answered = self.interaction if quirks.nonce_on_final else None
        self.result = {name: message[name] for name in ("id", "channel_id")}
        self.finished(self)
        delivery.create(message, answered, quirks.final_manner)
        if quirks.final_edited:
            delivery.update(message, manner=quirks.final_manner)

    def _final(self, attachment: Json) -> Json:
        forms, profile = self.studio.forms, self.studio.profile
        website = website_link(profile, self.uuid, self._prints.kind)
        message = self._post(self.plan.finished(website) + self._quirks.small_print, self._reply_to())
        message |= {"attachments": [attachment], "flags": self._quirks.flags}
        message["components"] = forms.rows(*rows_below(self.plan, profile, self.uuid))
        if self._quirks.nonce_on_final:
            answer = forms.response(self.interaction, message["content"])
            message |= {name: answer[name] for name in answer if name.startswith("interaction")}
        return as_components_v2(message) if self._quirks.components_v2 else message

    def _post(self, content: str, reply_to: str | None) -> Json:
        return self.studio.forms.post(
            self.interaction.channel,
            content,
            reply_to=reply_to,
            mentioned=self.plan.user_id,
            application_id=self.interaction.application_id,
        )

    def _reply_to(self) -> str | None:
        """Buttons' results reply to the button's message, prompts' (lately) to their progress message."""
        if self.plan.reply_to is not None:
            return self.plan.reply_to
        if self.progress is None or not self.studio.profile.reference_on_final:
            return None
        replied: str = self.progress["id"]
        return replied

    def _end_badly(self) -> None:
        self._ended_badly = True
        if self._quirks.stopped:
            self.stop()
        elif self.late_notice is None or self.progress is None:
            self._delete_progress()
        else:
            self._notify(self.late_notice, self.progress)

    def _notify(self, notice: Notice, progress: Json) -> None:
        asked = f"/imagine {self.plan.prompt}" if self.interaction.command else None
        embeds, delivery = notice.embeds(asked), self.studio.delivery
        self._prints.drop_previews()
        if notice.by_reply:
            delivery.create({**self._post("", progress["id"]), "embeds": embeds}, manner=self._quirks.manner)
            return
        progress |= {"embeds": embeds, "attachments": []}
        delivery.update(progress, manner=self._quirks.manner)

    def _delete_progress(self) -> None:
        if self.progress is not None:
            quirks = self._quirks
            self.studio.delivery.delete(self.progress, quirks.manner, bulk=quirks.delete_bulk)
            self._prints.drop_previews()

    def _moment(self) -> float:
        return min(0.3, self.studio.seconds_per_job / 10)
