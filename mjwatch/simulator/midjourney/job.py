"""The life of a render job: its messages from "Waiting to start" to the result, and their attachments."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mjwatch.discord.protocol import FLAG_COMPONENTS_V2, FLAG_LOADING
from mjwatch.simulator.cdn.render import Picture, preview_size
from mjwatch.simulator.faults.registry import JobFaults
from mjwatch.simulator.messages.buttons import rows_below
from mjwatch.simulator.messages.message import DANGER, button
from mjwatch.simulator.messages.prompt_text import filename_stem
from mjwatch.simulator.world import username

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from mjwatch.simulator.cdn.render import ImageKind
    from mjwatch.simulator.cdn.store import ImageStore, LinkResolver
    from mjwatch.simulator.faults.registry import FaultRegistry
    from mjwatch.simulator.gateway.delivery import MessageDelivery
    from mjwatch.simulator.messages.message import MessageForms
    from mjwatch.simulator.messages.modals import Interaction
    from mjwatch.simulator.messages.notices import BotNotice
    from mjwatch.simulator.messages.plans import RenderPlan
    from mjwatch.simulator.messages.profiles import CurrentProfile, Profile
    from mjwatch.simulator.world import Json, SimulatedChannel


UPSCALE_TIME = 0.5
"""Seconds until the answer to U1-U4 (recorded 2026-06)."""
VIDEO_TIMES = 2
"""The duration of a video as a multiple of a grid's (recorded 2026-06)."""


@dataclass(frozen=True, slots=True)
class BotContext:
    """What handlers and jobs work with."""

    profile: Profile
    current: CurrentProfile
    forms: MessageForms
    delivery: MessageDelivery
    pictures: ImageStore
    links: LinkResolver
    faults: FaultRegistry
    seconds_per_job: float
    grid: int

    def for_text(self, text: str) -> BotContext:
        """Return the context for an interaction with this text, which may have another profile."""
        profile = self.current.for_text(text)
        return (
            self
            if profile == self.profile
            else replace(self, profile=profile, forms=self.forms.as_in(profile))
        )


def _ignore_end(_job: RenderJob) -> None:
    """Ignore the end of a stranger's job."""


@dataclass(slots=True)
class RenderJob:
    """A job that has a slot."""

    context: BotContext
    interaction: Interaction
    plan: RenderPlan
    rng: Random
    finished: Callable[[RenderJob], None] = _ignore_end
    """Called just before the result is sent."""
    late_notice: BotNotice | None = None
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    progress: Json | None = None
    """The progress message, once it exists."""
    result: Json = field(default_factory=dict)
    """`id` and `channel_id` of the result's message, once it exists."""
    _faults: JobFaults = field(default_factory=JobFaults)
    _ended_without_result: bool = False
    _moved: bool = False
    """Whether progress is shown in another message than the start's."""
    _attachments: JobAttachments = field(init=False)

    async def run(self, *, answers: bool) -> bool:
        """Send the job's messages from the first to the last; return False if it ended without a picture.

        ``answers`` says that the start message answers the interaction. A job that waited in the queue starts
        with an ordinary message, without nonce and interaction (assumed: clients lose such jobs).
        """
        self._faults = JobFaults.taken(self.context.faults, f"{self.plan.prompt} {self.interaction.text}")
        self.context = replace(self.context, profile=self.context.profile.for_picture(self.rng))
        self._attachments = JobAttachments(
            self.context, self.interaction.channel, self.plan, self.uuid, self._faults
        )
        if self.plan.at_once:
            await asyncio.sleep(min(UPSCALE_TIME, self.context.seconds_per_job / 10))
            await self._finish()
            return True
        if not self._faults.no_start:
            await self._start(answers=answers)
        rendering = asyncio.create_task(self._attachments.render_ahead())
        try:
            await self._render_with_progress()
            if self._faults.moderated or self._faults.stopped or self.late_notice is not None:
                self._end_without_result()
                return False
            await rendering
            await self._finish()
            return True
        finally:
            rendering.cancel()

    async def made_before(self) -> Json:
        """Return the final as a job that ended long ago has left it; its start is deleted."""
        self.progress = {"id": self.context.forms.next_id()}
        channel = self.interaction.channel
        self._attachments = JobAttachments(self.context, channel, self.plan, self.uuid, self._faults)
        message = self._final(await self._attachments.result())
        self.result = {name: message[name] for name in ("id", "channel_id")}
        self.finished(self)
        return message

    async def clear_up(self) -> None:
        """Delete the progress message after the final, if the profile does so; the slot is already free."""
        is_result = self.progress is not None and self.progress["id"] == self.result.get("id")
        if self.context.profile.delete == "after" and not self._ended_without_result and not is_result:
            await asyncio.sleep(self._moment())
            self._delete_progress()

    def stop(self) -> None:
        """Show that a person has cancelled the job."""
        self._ended_without_result = True
        if self.progress is not None:
            self.progress |= {"content": self.plan.stopped(), "components": [], "attachments": []}
            self._attachments.drop_previews()
            self.context.delivery.update(self.progress, mode=self._faults.delivery_mode)

    async def _start(self, *, answers: bool) -> None:
        content, buttons = self.plan.waiting() + self._faults.footer_text, self._cancel_button()
        forms, delivery, mode = self.context.forms, self.context.delivery, self._faults.delivery_mode
        if not answers:
            self.progress = self._post(content, self.plan.reply_to)
            self.progress |= {"components": buttons, "flags": self._faults.flags}
            delivery.create(self.progress, mode=mode)
        elif self._faults.loading_first:
            self.progress = forms.response(self.interaction, "", flags=FLAG_LOADING | self._faults.flags)
            delivery.create(self.progress, self.interaction, mode)
            await asyncio.sleep(self._moment())
            self.progress |= {"content": content, "components": buttons, "flags": self._faults.flags}
            delivery.update(self.progress, mode=mode)
        else:
            flags = self._faults.flags
            self.progress = forms.response(self.interaction, content, components=buttons, flags=flags)
            delivery.create(self.progress, self.interaction, mode)

    def _cancel_button(self) -> list[Json]:
        """Return the button that cancels a job of a button; it contains the job's uuid from the start."""
        if self.plan.reply_to is None or self.plan.motion == "high":
            return []
        cancel = button("Cancel Job", f"MJ::CancelJob::ByJobid::{self.uuid}", style=DANGER)
        return self.context.forms.rows([cancel])

    async def _render_with_progress(self) -> None:
        times = VIDEO_TIMES if self.plan.motion is not None else 1
        length = times * self.context.seconds_per_job * self.rng.uniform(0.6, 1.4)
        steps = sorted(self.rng.sample(range(1, 19), 3))
        percents = [0, *(5 * step + self.rng.randint(0, 4) for step in steps)]
        for percent in percents:
            await asyncio.sleep(length / (len(percents) + 1))
            if self.progress is not None and self._faults.shows_progress:
                await self._show(percent, self.progress)
        await asyncio.sleep(length / (len(percents) + 1))

    async def _show(self, percent: int, progress: Json) -> None:
        if percent >= 20 and not self._faults.no_preview:
            progress["attachments"] = await self._attachments.previews()
        status = "paused" if self._faults.paused and percent % 2 else f"{percent}%"
        progress["content"] = self.plan.running(status) + self._faults.footer_text
        profile, old = self.context.profile, None
        if not profile.progress_edits and not self._moved:
            old, progress = progress, {**progress, "id": self.context.forms.next_id()}
            self._moved, self.progress = True, progress
        nonce = self.interaction.nonce if profile.nonce_on_progress else None
        self.context.delivery.update(
            progress, mode=self._faults.delivery_mode, nonce=nonce, whole=profile.whole_updates
        )
        if old is not None:
            self.context.delivery.delete(old)

    async def _finish(self) -> None:
        attachments = await self._attachments.result()
        if not self.context.profile.final_is_new and self.progress is not None:
            self._edit_into_final(attachments, self.progress)
            return
        if self.context.profile.delete == "before" and self.progress is not None:
            self._delete_progress()
            await asyncio.sleep(self._moment())
        for _ in range(2 if self._faults.final_twice else 1):
            self._post_final(attachments)

    def _edit_into_final(self, attachments: list[Json], progress: Json) -> None:
        final = self._final(attachments)
        progress |= {name: final[name] for name in ("content", "attachments", "components", "flags")}
        self.result = {name: progress[name] for name in ("id", "channel_id")}
        self.finished(self)
        self.context.delivery.update(progress, mode=self._faults.final_delivery)

    def _post_final(self, attachments: list[Json]) -> None:
        delivery, faults, profile = self.context.delivery, self._faults, self.context.profile
        message = self._final(attachments)
        answered = self.interaction if faults.nonce_on_final or profile.nonce_on_final else None
        self.result = {name: message[name] for name in ("id", "channel_id")}
        self.finished(self)
        kept_nonce = self.interaction.nonce if profile.nonce_in_history else None
        delivery.create(message, answered, faults.final_delivery, kept_nonce=kept_nonce)
        if faults.final_edited:
            delivery.update(message, mode=faults.final_delivery)

    def _final(self, attachments: list[Json]) -> Json:
        forms, profile = self.context.forms, self.context.profile
        website = website_link(profile, self.uuid, self._attachments.kind)
        message = self._post(self.plan.finished(website) + self._faults.footer_text, self._reply_to())
        message |= {"attachments": attachments, "flags": self._faults.flags}
        rows = rows_below(self.plan, profile, self.uuid)
        new = [[button("Hologram", f"MJ::JOB::hologram::1::{self.uuid}")]] if profile.unknown_button else []
        message["components"] = forms.rows(*rows, *new)
        if self._faults.nonce_on_final or profile.interaction_on_final:
            answer = forms.response(self.interaction, message["content"])
            message |= {name: answer[name] for name in answer if name.startswith("interaction")}
        return as_components_v2(message) if self._faults.shows_gallery else message

    def _post(self, content: str, reply_to: str | None) -> Json:
        return self.context.forms.post(
            self.interaction.channel,
            content,
            reply_to=reply_to,
            mentioned=self.plan.user_id,
            application_id=self.interaction.application_id,
        )

    def _reply_to(self) -> str | None:
        """Return the message to reply to: the button's message, or (lately) a prompt's progress message."""
        if self.plan.reply_to is not None:
            return self.plan.reply_to
        if self.progress is None or not self.context.profile.reference_on_final:
            return None
        replied: str = self.progress["id"]
        return replied

    def _end_without_result(self) -> None:
        self._ended_without_result = True
        if self._faults.stopped:
            self.stop()
        elif self.late_notice is None or self.progress is None:
            self._delete_progress()
        else:
            self._notify(self.late_notice, self.progress)

    def _notify(self, notice: BotNotice, progress: Json) -> None:
        request = f"/imagine {self.plan.prompt}" if self.interaction.command else None
        embeds, delivery = notice.embeds(request), self.context.delivery
        self._attachments.drop_previews()
        if notice.by_reply:
            delivery.create(
                {**self._post("", progress["id"]), "embeds": embeds}, mode=self._faults.delivery_mode
            )
            return
        progress |= {"embeds": embeds, "attachments": []}
        delivery.update(progress, mode=self._faults.delivery_mode)

    def _delete_progress(self) -> None:
        if self.progress is not None:
            faults = self._faults
            self.context.delivery.delete(self.progress, faults.delivery_mode, bulk=faults.delete_bulk)
            self._attachments.drop_previews()

    def _moment(self) -> float:
        return min(0.3, self.context.seconds_per_job / 10)


VIDEO_FRAMES = 6


class JobAttachments:
    """Creates and removes the attachments of a job's messages."""

    def __init__(
        self,
        context: BotContext,
        channel: SimulatedChannel,
        plan: RenderPlan,
        job_uuid: str,
        faults: JobFaults,
    ) -> None:
        self._context = context
        self._channel = channel
        self._plan = plan
        self._uuid = job_uuid
        self._faults = faults
        self._previews: list[str] = []
        self._preview_uuid = job_uuid if context.profile.same_uuid else str(uuid.uuid4())
        self._steps = 0

    @property
    def kind(self) -> ImageKind:
        """The format of the result."""
        if self._plan.motion is None:
            return "webp" if self._context.profile.format == "webp" else "png"
        return "gif" if self._faults.as_gif else "webp"

    async def render_ahead(self) -> None:
        """Render the result before it is needed."""
        await self._context.pictures.render_ahead(self._picture())

    async def previews(self) -> list[Json]:
        """Return the attachments of the next progress message, which replace the previous ones."""
        self.drop_previews()
        attachments = [
            await self._attached(filename, picture) for filename, picture in self._drafts().items()
        ]
        self._previews = [attachment["url"] for attachment in attachments]
        self._steps += 1
        return attachments

    def drop_previews(self) -> None:
        """Remove the previews, as their message is removed."""
        for path in self._previews:
            self._context.pictures.remove(path)
        self._previews = []

    async def result(self) -> list[Json]:
        """Return the attachments of the result: its picture, or (not recorded) each tile of the grid."""
        plan, picture = self._plan, self._picture()
        text = plan.echo if plan.motion is None else f"A simulated scene of {plan.prompt} in motion"
        stem = filename_stem(username(plan.user_id), text)
        if not (self._faults.four_pictures or self._faults.four_in_gallery) or len(plan.tiles) == 1:
            return [await self._attached(f"{stem}_{self._uuid}.{picture.format}", picture)]
        tile_size = picture.size[0] // 2, picture.size[1] // 2
        tiles = {n: replace(picture, size=tile_size, tiles=(n,)) for n in plan.tiles}
        return [await self._attached(f"{stem}_{n}_{self._uuid}.{t.format}", t) for n, t in tiles.items()]

    def _drafts(self) -> dict[str, Picture]:
        plan, size = self._plan, preview_size(self._plan.size)
        if plan.motion is not None:
            return {
                f"{self._uuid}_{number - 1}_step_{self._steps}.jpeg": Picture(
                    self._uuid, plan.prompt, size, "jpeg", (number,)
                )
                for number in plan.tiles
            }
        named = self._context.profile.uuid_in_preview and not self._faults.preview_without_uuid
        filename = f"{self._preview_uuid}_grid_0.webp" if named else "grid_0.webp"
        return {filename: Picture(self._uuid, plan.prompt, size, "webp", plan.tiles)}

    def _picture(self) -> Picture:
        plan = self._plan
        frames = VIDEO_FRAMES if plan.motion is not None else 1
        return Picture(plan.picture_of or self._uuid, plan.prompt, plan.size, self.kind, plan.tiles, frames)

    async def _attached(self, filename: str, picture: Picture) -> Json:
        attachment_id = self._context.forms.next_id()
        kind = "ephemeral-attachments" if self._faults.ephemeral_job else "attachments"
        path = f"/{kind}/{self._channel.id}/{attachment_id}/{filename}"
        length = await self._context.pictures.add(path, picture)
        return self._context.forms.attachment(path, attachment_id, picture.size, length)


TEXT, GALLERY = 10, 12


def website_link(profile: Profile, job_uuid: str, kind: str) -> str:
    """Return the link to the website, or its text, after a blank; only webp pictures have it."""
    if kind != "webp" or profile.website == "none":
        return ""
    label = "(Open on website for full quality)"
    if profile.website == "plain":
        return f" {label}"
    return f" [{label}](<https://midjourney.com/jobs/{job_uuid}>)"


def as_components_v2(message: Json) -> Json:
    """Return the message in a form that a bot may use one day: everything is in its components."""
    kept = ("url", "proxy_url", "width", "height", "content_type")
    media = [{name: attachment[name] for name in kept} for attachment in message["attachments"]]
    text: Json = {"type": TEXT, "content": message["content"]}
    items = [{"media": medium, "description": None, "spoiler": False} for medium in media]
    gallery: Json = {"type": GALLERY, "items": items}
    return {
        **message,
        "flags": message["flags"] | FLAG_COMPONENTS_V2,
        "content": "",
        "attachments": [],
        "components": [text, gallery, *message["components"]],
    }
