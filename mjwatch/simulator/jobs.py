"""One picture job as the world sees it: its messages from "Waiting to start" to the final grid."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mjwatch.discord.protocol import FLAG_LOADING

from .finals import as_components_v2, final_content, final_message, grid_buttons
from .grids import Picture, grid_size, preview_size
from .identity import USER_ID, USERNAME, Json
from .quirks import Quirks
from .rewriting import echoed, filename_stem, rewritten, split_parameters

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
    _quirks: Quirks = field(default_factory=Quirks)
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
            await self._start(answers=answers)
        picture = self._grid()
        rendering = asyncio.create_task(self.studio.pictures.render_ahead(picture))
        try:
            await self._pass_time()
            if self._quirks.moderated or self.late_notice is not None:
                self._end_badly()
                return False
            await rendering
            await self._finish(picture)
            return True
        finally:
            rendering.cancel()

    async def clear_up(self) -> None:
        """What follows a final when the slot is free already: the progress message goes, if it goes last."""
        if self.studio.profile.delete == "after" and not self._ended_badly:
            await asyncio.sleep(self._moment())
            self._delete_progress()

    async def _start(self, *, answers: bool) -> None:
        content = f"**{self.echo}** - <@{USER_ID}> (Waiting to start)"
        forms, delivery, manner = self.studio.forms, self.studio.delivery, self._quirks.manner
        if not answers:
            self.progress = forms.post(self.interaction.channel, content)
            delivery.create(self.progress, manner=manner)
        elif self._quirks.loading_first:
            self.progress = forms.response(self.interaction, "", flags=FLAG_LOADING)
            delivery.create(self.progress, self.interaction, manner)
            await asyncio.sleep(self._moment())
            self.progress |= {"content": content, "flags": 0}
            delivery.update(self.progress, manner=manner)
        else:
            self.progress = forms.response(self.interaction, content)
            delivery.create(self.progress, self.interaction, manner)

    async def _pass_time(self) -> None:
        length = self.studio.seconds_per_job * self.rng.uniform(0.6, 1.4)
        steps = sorted(self.rng.sample(range(1, 19), 3))
        percents = [0, *(5 * step + self.rng.randint(0, 4) for step in steps)]
        for percent in percents:
            await asyncio.sleep(length / (len(percents) + 1))
            if self._quirks.shows_progress:
                await self._show(percent)
        await asyncio.sleep(length / (len(percents) + 1))

    async def _show(self, percent: int) -> None:
        assert self.progress is not None
        if percent >= 20 and not self._quirks.no_preview:
            await self._attach_preview(self.progress)
        self.progress["content"] = f"**{self.echo}** - <@{USER_ID}> ({percent}%) ({MODES[self.mode]})"
        self.studio.delivery.update(self.progress, manner=self._quirks.manner)

    async def _attach_preview(self, progress: Json) -> None:
        named = self.studio.profile.uuid_in_preview and not self._quirks.preview_without_uuid
        filename = f"{self.uuid}_grid_0.webp" if named else "grid_0.webp"
        size = preview_size(grid_size(self.prompt, self.studio.grid))
        self._drop_preview()
        attachment = await self._attached(filename, Picture(self.uuid, self.prompt, size, "webp"))
        self._preview = attachment["url"]
        progress["attachments"] = [attachment]

    def _drop_preview(self) -> None:
        if self._preview is not None:
            self.studio.pictures.remove(self._preview)
            self._preview = None

    def _grid(self) -> Picture:
        size = grid_size(self.prompt, self.studio.grid)
        return Picture(self.uuid, self.prompt, size, self.studio.profile.format)

    async def _attached(self, filename: str, picture: Picture) -> Json:
        attachment_id = self.studio.forms.next_id()
        path = f"/attachments/{self.interaction.channel.id}/{attachment_id}/{filename}"
        length = await self.studio.pictures.add(path, picture)
        return self.studio.forms.attachment(path, attachment_id, picture.size, length)

    async def _finish(self, picture: Picture) -> None:
        filename = f"{filename_stem(USERNAME, self.echo)}_{self.uuid}.{picture.format}"
        attachment = await self._attached(filename, picture)
        if self.studio.profile.delete == "before":
            self._delete_progress()
            await asyncio.sleep(self._moment())
        self._post_final(attachment)

    def _post_final(self, attachment: Json) -> None:
        studio = self.studio
        content = final_content(studio.profile, self.echo, self.uuid, MODES[self.mode])
        reply_to = self.progress["id"] if self.progress is not None else None
        message = final_message(studio.forms, studio.profile, self.interaction.channel, content, reply_to)
        message["attachments"] = [attachment]
        message["components"] = grid_buttons(studio.forms, studio.profile, self.uuid)
        if self._quirks.components_v2:
            message = as_components_v2(message)
        studio.delivery.create(message, manner=self._quirks.manner)
        if self._quirks.final_edited:
            studio.delivery.update(message, manner=self._quirks.manner)

    def _end_badly(self) -> None:
        self._ended_badly = True
        if self.late_notice is None or self.progress is None:
            self._delete_progress()
            return
        self.progress["embeds"] = self.late_notice.embeds("imagine", self.prompt)
        self.progress["attachments"] = []
        self._drop_preview()
        self.studio.delivery.update(self.progress, manner=self._quirks.manner)

    def _delete_progress(self) -> None:
        if self.progress is not None:
            self.studio.delivery.delete(self.progress, self._quirks.manner)
            self._drop_preview()

    def _moment(self) -> float:
        return min(0.3, self.studio.seconds_per_job / 10)


def mode_of(prompt: str, account_mode: str) -> str:
    """The speed that a prompt asks for, else the account's."""
    _, parameters = split_parameters(prompt)
    return next((name for name, _ in parameters if name in MODES), account_mode)
