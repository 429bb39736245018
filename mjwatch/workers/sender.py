"""Requests to Discord for the loop: POSTs, uploads and history; one effect in, one event out."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.discord.protocol import NIJI_APPLICATION_ID, snowflake
from mjwatch.errors import (
    AnsweredNoError,
    JournalError,
    NotReachedError,
    UnansweredError,
    WireError,
)
from mjwatch.midjourney.packets import Target
from mjwatch.midjourney.requests import cancel_packet, request_for
from mjwatch.model import Refusal, RefusalClass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mjwatch.discord.cdn import AttachmentUploads
    from mjwatch.discord.rest import DiscordREST
    from mjwatch.midjourney.requests import JobRequest
    from mjwatch.model import Job, UploadedImage
    from mjwatch.outbox.manifest import OutboxChannel

INDEX_INTERVAL = 30.0
"""Least seconds between two readings of the command index, which is large and rate-limited."""

BEFORE_FIRST_MESSAGE = "0"
"""Stands for the newest message of an empty channel: every message is after it."""

HISTORY_PAGES = 50

STOPPED = ev.NotSent("mjwatch was stopped before sending the job", retry_after=0.0)

PRESS_RETRY = 10.0
"""Seconds after which the press of Cancel Job is repeated, if it failed."""

LINK_LIFETIME = 1800.0
"""Seconds for which the link of a posted picture is reused for other jobs with the same picture."""

_AS_FILES = frozenset({"blend", "describe"})
"""Commands that take uploaded files as options; all others take a picture of one's own as a link."""


class Sender:
    """Calls Discord's API for the loop. One thread uses it, so that one POST is in flight."""

    def __init__(
        self,
        rest: DiscordREST,
        uploads: AttachmentUploads,
        channel: OutboxChannel,
        application_id: str,
        images_of: Callable[[Job], Mapping[str, bytes]],
    ) -> None:
        """``images_of`` returns a job's local images by name, or raises KeyError if one is missing."""
        self._rest = rest
        self._uploads = uploads
        self._channel = channel
        self._application_id = application_id
        self._images_of = images_of
        self._linked: dict[str, UploadedImage] = {}
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Send nothing from now on."""
        self._stopping.set()

    def submit(self, job: Job) -> ev.JobEvent:
        """POST the job's request, once."""
        target = self._target(job, job.session_id or "")
        try:
            payload = self._payload(request_for(job), target, job.nonce or "")
        except ValueError as error:
            return ev.Refused(Refusal(RefusalClass.USER, None, str(error)), executed=False)
        except AnsweredNoError as error:
            return ev.Refused(error.refusal, executed=False)
        except WireError as error:
            return ev.NotSent(f"the command index can't be read: {error}")
        return STOPPED if self._stopping.is_set() else self._post(payload)

    def press_cancel(self, effect: ef.PressCancel) -> ev.CancelPressed | None:
        """POST the press of the job's Cancel Job, once; None if mjwatch stops, and the next start does it."""
        if self._stopping.is_set():
            return None
        target = self._target(effect.job, effect.session_id)
        match self._post(cancel_packet(effect.job, target, effect.nonce)):
            case ev.NotSent(reason=reason):
                return ev.CancelPressed(reason, again=PRESS_RETRY)
            case ev.Refused(refusal=refusal):
                reason = refusal.title or refusal.detail
                return ev.CancelPressed(reason, refusal, _press_again_in(refusal))
            case _:
                return ev.CancelPressed()  # later events show whether an unanswered press was executed

    def _target(self, job: Job, session_id: str) -> Target:
        application = NIJI_APPLICATION_ID if job.prompt.application == "niji" else self._application_id
        return Target(self._channel.channel_id, session_id, application, self._channel.guild_id)

    def _payload(self, request: JobRequest, target: Target, nonce: str) -> dict[str, Any]:
        command = None
        if request.command is not None:
            guild, channel = target.guild_id, target.channel_id
            command = self._rest.command(request.command, target.application_id, guild, channel)
        return request.assemble(command, target, nonce)

    def _post(self, payload: dict[str, Any]) -> ev.JobEvent:
        try:
            self._rest.interact(payload)
        except NotReachedError as error:
            return ev.NotSent(str(error))
        except UnansweredError as error:
            return ev.OutcomeUnknown(str(error))
        except AnsweredNoError as error:
            refusal = error.refusal
            if refusal.kind is RefusalClass.STALE_VERSION and self._rest.forget_commands(INDEX_INTERVAL):
                return ev.NotSent(
                    "the command's version was out of date; mjwatch reads it again", retry_after=0.0
                )
            return ev.Refused(refusal, executed=False)
        return ev.Accepted()

    def upload(self, job: Job) -> ev.JobEvent:
        """Upload the job's local images, as files for a command or as links for a prompt."""
        if self._stopping.is_set():
            return ev.UploadFailed(STOPPED.reason, retry_after=0.0)
        try:
            images = self._images_of(job)
            if job.prompt.command in _AS_FILES:
                return ev.Uploaded(tuple(self._uploads.upload(self._channel.channel_id, images)))
            return self._links(job, images)
        except KeyError as error:
            missing = f"the image {error.args[0]} is no longer in the journal"
            return ev.UploadFailed(missing, refusal=Refusal(RefusalClass.USER, None, missing))
        except AnsweredNoError as error:
            return ev.UploadFailed(str(error), refusal=_upload_refusal(error.refusal))
        except (WireError, JournalError) as error:
            return ev.UploadFailed(str(error))

    def _links(self, job: Job, images: Mapping[str, bytes]) -> ev.JobEvent:
        """Return a link for each image; a recently posted link of the same image is reused."""
        channel, now = self._channel.channel_id, time.time()
        self._linked = {
            key: image for key, image in self._linked.items() if 0 <= now - image.at < LINK_LIFETIME
        }
        keys = {name: hashlib.sha256(data).hexdigest() for name, data in images.items()}
        new = {name: data for name, data in images.items() if keys[name] not in self._linked}
        if new:
            uploaded = self._uploads.upload(channel, new)
            try:
                for image in self._uploads.link(channel, uploaded, _message_nonce(job)):
                    self._linked[keys[image.filename]] = image
            except UnansweredError as error:
                return ev.UploadFailed(str(error), posted=True)
        return ev.Uploaded(tuple(replace(self._linked[keys[name]], filename=name) for name in images))

    def read(
        self, effect: ef.ReadHistory | ef.ReadPage
    ) -> ev.HistoryRead | ev.HistoryReadFailed | ev.PageRead | ev.PageReadFailed:
        """Read the channel's messages."""
        return self.read_history(effect) if isinstance(effect, ef.ReadHistory) else self.read_page(effect)

    def read_history(self, effect: ef.ReadHistory) -> ev.HistoryRead | ev.HistoryReadFailed:
        """Read the messages after an id, and the current state of some messages."""
        channel = self._channel.channel_id
        try:
            if effect.after is None:
                return self._first_reading(channel)
            reread = {start: self._rest.message(channel, start) for start in effect.reread}
            messages, complete = self._pages(effect.after)
        except AnsweredNoError as error:
            return ev.HistoryReadFailed(str(error), error.refusal)
        except WireError as error:
            return ev.HistoryReadFailed(str(error))
        newest = str(messages[-1]["id"]) if messages else None
        return ev.HistoryRead(tuple(messages), newest, reread, complete)

    def read_page(self, effect: ef.ReadPage) -> ev.PageRead | ev.PageReadFailed:
        """Read one page of the history for an import."""
        try:
            page, is_last = self._rest.page(self._channel.channel_id, effect.after)
        except AnsweredNoError as error:
            return ev.PageReadFailed(str(error), error.refusal)
        except WireError as error:
            return ev.PageReadFailed(str(error))
        return ev.PageRead(effect.purpose, effect.after, tuple(page), complete=is_last)

    def _first_reading(self, channel: str) -> ev.HistoryRead:
        """Read the newest messages, so that jobs that were started by hand are not taken for ours."""
        newest = self._rest.channel(channel).get("last_message_id")
        if not isinstance(newest, str):
            return ev.HistoryRead((), BEFORE_FIRST_MESSAGE)
        return ev.HistoryRead(tuple(self._rest.history(channel)), newest)

    def _pages(self, after: str) -> tuple[list[dict[str, Any]], bool]:
        """Return the messages after this id, up to ``HISTORY_PAGES``, and whether these are all."""
        messages: list[dict[str, Any]] = []
        for _ in range(HISTORY_PAGES):
            page, is_last = self._rest.page(self._channel.channel_id, after)
            messages += page
            if is_last:
                return messages, True
            after = str(page[-1]["id"])
        return messages, False


def _press_again_in(refusal: Refusal) -> float | None:
    """Return the seconds after which to press Cancel Job again; None if that can't help."""
    if refusal.needs_human:
        return 0.0  # nothing is sent until the person has acted
    if refusal.kind not in {RefusalClass.RETRY, RefusalClass.TRANSIENT}:
        return None
    return PRESS_RETRY if refusal.retry_after is None else refusal.retry_after


def _upload_refusal(refusal: Refusal) -> Refusal:
    """Return the refusal for this job alone: without the right to attach files, other prompts still work."""
    if refusal.kind is not RefusalClass.CONFIG:
        return refusal
    advice = "Let the account attach files in this channel, or give the picture's address on the web."
    return replace(refusal, needs_human=False, advice=advice)


def _message_nonce(job: Job) -> str:
    """Return a nonce that is always the same for a job, so that a repeated message is the same message.

    Like every nonce it is a snowflake of a sane time: when the job was accepted.
    """
    low_bits = int.from_bytes(hashlib.sha256(job.id.encode()).digest()[:3])
    return snowflake(int(job.accepted * 1000), low_bits)
