"""The pictures of one job, from its previews to its result, as attachments of its messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.simulator.grids import Picture, preview_size
from mjwatch.simulator.identity import username
from mjwatch.simulator.rewriting import filename_stem

if TYPE_CHECKING:
    from mjwatch.simulator.grids import ImageKind
    from mjwatch.simulator.identity import Channel, Json
    from mjwatch.simulator.jobs import Studio
    from mjwatch.simulator.plans import Plan
    from mjwatch.simulator.quirks import Quirks

VIDEO_FRAMES = 6


class Prints:
    """Makes and takes away what hangs on a job's messages."""

    def __init__(self, studio: Studio, channel: Channel, plan: Plan, job_uuid: str, quirks: Quirks) -> None:
        self._studio = studio
        self._channel = channel
        self._plan = plan
        self._uuid = job_uuid
        self._quirks = quirks
        self._previews: list[str] = []
        self._steps = 0

    @property
    def kind(self) -> ImageKind:
        """The format of the result."""
        if self._plan.motion is None:
            return self._studio.profile.format
        return "gif" if self._quirks.as_gif else "webp"

    async def render_ahead(self) -> None:
        """Render the result while time passes."""
        await self._studio.pictures.render_ahead(self._picture())

    async def previews(self) -> list[Json]:
        """The attachments of the next progress message, in place of those before."""
        self.drop_previews()
        attachments = [
            await self._attached(filename, picture) for filename, picture in self._drafts().items()
        ]
        self._previews = [attachment["url"] for attachment in attachments]
        self._steps += 1
        return attachments

    def drop_previews(self) -> None:
        """Previews go with their message."""
        for path in self._previews:
            self._studio.pictures.remove(path)
        self._previews = []

    async def result(self) -> Json:
        """The attachment of the final."""
        plan, picture = self._plan, self._picture()
        told = plan.echo if plan.motion is None else f"A pretend scene of {plan.prompt} in motion"
        stem = filename_stem(username(plan.user_id), told)
        return await self._attached(f"{stem}_{self._uuid}.{picture.format}", picture)

    def _drafts(self) -> dict[str, Picture]:
        plan, size = self._plan, preview_size(self._plan.size)
        if plan.motion is not None:
            return {
                f"{self._uuid}_{number - 1}_step_{self._steps}.jpeg": Picture(
                    self._uuid, plan.prompt, size, "jpeg", (number,)
                )
                for number in plan.tiles
            }
        named = self._studio.profile.uuid_in_preview and not self._quirks.preview_without_uuid
        filename = f"{self._uuid}_grid_0.webp" if named else "grid_0.webp"
        return {filename: Picture(self._uuid, plan.prompt, size, "webp", plan.tiles)}

    def _picture(self) -> Picture:
        plan = self._plan
        frames = VIDEO_FRAMES if plan.motion is not None else 1
        return Picture(plan.picture_of or self._uuid, plan.prompt, plan.size, self.kind, plan.tiles, frames)

    async def _attached(self, filename: str, picture: Picture) -> Json:
        attachment_id = self._studio.forms.next_id()
        kind = "ephemeral-attachments" if self._quirks.ephemeral_job else "attachments"
        path = f"/{kind}/{self._channel.id}/{attachment_id}/{filename}"
        length = await self._studio.pictures.add(path, picture)
        return self._studio.forms.attachment(path, attachment_id, picture.size, length)
