"""One picture job as the world sees it: its messages from "Waiting to start" to the final grid."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from .grids import Picture, grid_size, preview_size
from .identity import USER_ID, USERNAME, Json
from .messages import button, link_button
from .rewriting import echoed, filename_slug, rewritten, split_parameters

if TYPE_CHECKING:
    from random import Random

    from .delivery import Delivery
    from .faults import Faults
    from .interactions import Interaction
    from .messages import MessageForms
    from .notices import Notice
    from .pictures import Pictures
    from .profiles import Profile

MODES = {"fast": "fast", "relax": "relaxed", "turbo": "turbo"}


@dataclass(frozen=True, slots=True)
class Studio:
    """What every job works with."""

    profile: Profile
    forms: MessageForms
    delivery: Delivery
    pictures: Pictures
    faults: Faults
    seconds_per_job: float
    grid: int


@dataclass(frozen=True, slots=True)
class Quirks:
    """What faults do to one job."""

    no_start: bool
    no_progress: bool
    moderated: bool
    no_preview: bool
    preview_without_uuid: bool
    duplicate_dispatch: bool

    @classmethod
    def taken(cls, faults: Faults, prompt: str) -> Quirks:
        """Use up the armed faults that fit this prompt."""
        return cls(**{quirk.name: faults.take(quirk.name, prompt) is not None for quirk in fields(cls)})


@dataclass(slots=True)
class Job:
    """A job that has its slot."""

    studio: Studio
    interaction: Interaction
    prompt: str
    """As submitted."""
    mode: str
    rng: Random
    late_notice: Notice | None = None
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    progress: Json | None = None
    """The progress message, once it exists."""
    _preview: str | None = None
    _quirks: Quirks = field(init=False)
    _ended_badly: bool = False

    @property
    def echo(self) -> str:
        """The prompt as the bot writes it."""
        return echoed(rewritten(self.prompt, self.studio.profile))

    async def run(self, *, answers: bool) -> bool:
        """From the first message to the last; False if it ended without a picture.

        ``answers``: the start message answers the interaction. A job that waited in the queue starts with an
        ordinary message, without nonce and interaction (assumed: clients are known to lose such jobs).
        """
        self._quirks = Quirks.taken(self.studio.faults, self.prompt)
        if not self._quirks.no_start:
            self._start(answers=answers)
        final = asyncio.create_task(self._render_final())
        try:
            await self._pass_time()
            if self._quirks.moderated or self.late_notice is not None:
                self._end_badly()
                return False
            await self._finish(await final)
            return True
        finally:
            final.cancel()

    def _start(self, *, answers: bool) -> None:
        content = f"**{self.echo}** - <@{USER_ID}> (Waiting to start)"
        if answers:
            self.progress = self.studio.forms.response(self.interaction, content)
            self.studio.delivery.create(
                self.progress, self.interaction, twice=self._quirks.duplicate_dispatch
            )
        else:
            self.progress = self.studio.forms.post(self.interaction.channel, content)
            self.studio.delivery.create(self.progress, twice=self._quirks.duplicate_dispatch)

    async def _pass_time(self) -> None:
        length = self.studio.seconds_per_job * self.rng.uniform(0.6, 1.4)
        steps = sorted(self.rng.sample(range(1, 19), 3))
        percents = [0, *(5 * step + self.rng.randint(0, 4) for step in steps)]
        still = self._quirks.no_start or self._quirks.no_progress
        for percent in percents:
            await asyncio.sleep(length / (len(percents) + 1))
            if not still:
                await self._show(percent)
        await asyncio.sleep(length / (len(percents) + 1))

    async def _show(self, percent: int) -> None:
        assert self.progress is not None
        if percent >= 20 and not self._quirks.no_preview:
            await self._attach_preview()
        self.progress["content"] = f"**{self.echo}** - <@{USER_ID}> ({percent}%) ({MODES[self.mode]})"
        self.studio.delivery.update(self.progress, twice=self._quirks.duplicate_dispatch)

    async def _attach_preview(self) -> None:
        assert self.progress is not None
        named = self.studio.profile.uuid_in_preview and not self._quirks.preview_without_uuid
        filename = f"{self.uuid}_grid_0.webp" if named else "grid_0.webp"
        size = preview_size(grid_size(self.prompt, self.studio.grid))
        self._drop_preview()
        picture = Picture(self.uuid, self.prompt, size, "webp")
        attachment = await self._attached(filename, picture)
        self._preview = attachment["url"]
        self.progress["attachments"] = [attachment]

    def _drop_preview(self) -> None:
        if self._preview is not None:
            self.studio.pictures.remove(self._preview)
            self._preview = None

    async def _render_final(self) -> Json:
        kind = self.studio.profile.format
        size = grid_size(self.prompt, self.studio.grid)
        filename = f"{USERNAME}_{filename_slug(self.echo)}_{self.uuid}.{kind}"
        return await self._attached(filename, Picture(self.uuid, self.prompt, size, kind))

    async def _attached(self, filename: str, picture: Picture) -> Json:
        attachment_id = self.studio.forms.next_id()
        path = f"/attachments/{self.interaction.channel.id}/{attachment_id}/{filename}"
        length = await self.studio.pictures.add(path, picture)
        return self.studio.forms.attachment(path, attachment_id, picture.size, length)

    async def _finish(self, attachment: Json) -> None:
        if self.studio.profile.delete == "before":
            self._delete_progress()
            await asyncio.sleep(self._moment())
        self._post_final(attachment)

    async def clear_up(self) -> None:
        """What follows a final when the slot is free already: the progress message goes, if it goes last."""
        if self.studio.profile.delete == "after" and not self._ended_badly:
            await asyncio.sleep(self._moment())
            self._delete_progress()

    def _end_badly(self) -> None:
        self._ended_badly = True
        if self.late_notice is None or self.progress is None:
            self._delete_progress()
            return
        self.progress["embeds"] = self.late_notice.embeds("imagine", self.prompt)
        self.progress["attachments"] = []
        self._drop_preview()
        self.studio.delivery.update(self.progress, twice=self._quirks.duplicate_dispatch)

    def _post_final(self, attachment: Json) -> None:
        profile = self.studio.profile
        progress_id = self.progress["id"] if self.progress is not None else None
        reply_to = progress_id if profile.reference_on_final else None
        content = f"**{self.echo}** - <@{USER_ID}>{self._website()} ({MODES[self.mode]})"
        message = self.studio.forms.post(self.interaction.channel, content, reply_to=reply_to)
        message["attachments"] = [attachment]
        message["components"] = grid_buttons(self.studio.forms, profile, self.uuid)
        self.studio.delivery.create(message, twice=self._quirks.duplicate_dispatch)

    def _website(self) -> str:
        if self.studio.profile.format != "webp":
            return ""
        words = "(Open on website for full quality)"
        if self.studio.profile.website == "plain":
            return f" {words}"
        return f" [{words}](<https://midjourney.com/jobs/{self.uuid}>)"

    def _delete_progress(self) -> None:
        if self.progress is not None:
            self.studio.delivery.delete(self.progress, twice=self._quirks.duplicate_dispatch)
            self._drop_preview()

    def _moment(self) -> float:
        return min(0.3, self.studio.seconds_per_job / 10)


def grid_buttons(forms: MessageForms, profile: Profile, job_uuid: str) -> list[Json]:
    """The buttons below a grid: U1-U4 with reroll, V1-V4 with the website."""
    upscales = [button(f"U{n}", f"MJ::JOB::upsample::{n}::{job_uuid}") for n in range(1, 5)]
    reroll = button(None, f"MJ::JOB::reroll::0::{job_uuid}::SOLO", emoji="🔄")
    variations = [button(f"V{n}", f"MJ::JOB::variation::{n}::{job_uuid}") for n in range(1, 5)]
    website = [link_button(f"https://www.midjourney.com/jobs/{job_uuid}")] if profile.website_button else []
    return forms.rows([*upscales, reroll], [*variations, *website])


def mode_of(prompt: str, account_mode: str) -> str:
    """The speed that a prompt asks for, else the account's."""
    _, parameters = split_parameters(prompt)
    return next((name for name, _ in parameters if name in MODES), account_mode)
