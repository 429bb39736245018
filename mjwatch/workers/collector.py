"""What a job gives, brought into the outbox: fetch, split, publish. One effect in, one event out."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from mjwatch import events as ev
from mjwatch.errors import (
    DownloadError,
    JournalError,
    OutboxError,
    PictureError,
    WireError,
)
from mjwatch.model import ResultKind
from mjwatch.outbox.manifest import (
    FILE_NAME,
    OutboxChannel,
    PictureFile,
    build_manifest,
    dump_manifest,
    failure_page,
    result_page,
)
from mjwatch.outbox.publisher import prompt_file_name, stem_of
from mjwatch.pictures.metadata import Provenance, with_provenance
from mjwatch.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PIL.Image import Image

    from mjwatch.discord.cdn import CDN
    from mjwatch.discord.rest import DiscordREST
    from mjwatch.journal.reader import TakenFile
    from mjwatch.model import Job, RemotePicture, Result
    from mjwatch.outbox.publisher import Outbox

log = logging.getLogger("mjwatch.workers.pool")

TRIES = 8
"""Tries at a download, or at a picture that can't be read, before the job is given up (``retry`` goes on)."""

KEPT_AT_MOST = 4
"""Fetched pictures that are kept until their folder is written, so that a full disk costs no traffic."""

_VIDEO_SUFFIXES = frozenset({"mp4", "webm", "mov", "gif"})


class Collector:
    """Brings results into the outbox. Its calls may come from several threads, never two for one job."""

    def __init__(
        self,
        *,
        rest: DiscordREST,
        cdn: CDN,
        outbox: Outbox,
        place: OutboxChannel,
        picture_format: str,
        keep_grid: bool,
        embed_prompt: bool,
        file_of: Callable[[str], TakenFile | None],
        published: Callable[[str, bytes | None], None] | None = None,
    ) -> None:
        """``published`` is told of each folder, by its path in the outbox; it must return at once.

        Where a thumbnail costs little, since the picture was in hand, it comes with it.
        """
        self._rest = rest
        self._cdn = cdn
        self._outbox = outbox
        self._place = place
        self._format = picture_format
        self._keep_grid = keep_grid
        self._embed_prompt = embed_prompt
        self._file_of = file_of
        self._published = published
        self._missed: dict[str, int] = {}
        self._fetched: dict[str, bytes] = {}
        self._fetched_lock = threading.Lock()
        # Grids are split and published one after another, each on all cores: the peak of memory is one's.
        self._grid_turn = threading.Lock()

    def collect(self, job: Job) -> ev.JobEvent:
        """Publish the folder of a job that has its result."""
        result = job.result
        if result is None or not (result.pictures or result.kind is ResultKind.TEXT):
            return ev.SaveFailed("Midjourney's message has no picture", final=True)
        try:
            fetched = [self._fetch_once(one, result.message_id, job.id) for one in _pictures_of(result)]
            if result.kind is ResultKind.GRID:
                with self._grid_turn:
                    return self._publish_grid(job, result, fetched[0])
            pictures = self._as_they_came(job, result, fetched)
        except (DownloadError, PictureError) as error:
            if isinstance(error, PictureError):
                self._forget(result)  # the same bytes would be no better at the next try
            return ev.SaveFailed(str(error), final=self._is_last_try(job))
        except WireError as error:
            words = f"the picture's address can't be renewed: {error}"
            return ev.SaveFailed(words, final=self._is_last_try(job))
        self._missed.pop(job.id, None)
        page = {"result.md": result_page(job, result).encode()} if result.kind is ResultKind.TEXT else {}
        return self._publish(job, pictures, page)

    def answer(self, job: Job) -> ev.JobEvent:
        """Publish the folder of a job that has no result."""
        return self._publish(job, [], {"ERROR.md": failure_page(job).encode()}, failed=True)

    def _is_last_try(self, job: Job) -> bool:
        """Whether the picture itself could not be had too often. What a full disk cost does not count."""
        self._missed[job.id] = self._missed.get(job.id, 0) + 1
        if self._missed[job.id] < TRIES:
            return False
        del self._missed[job.id]
        return True

    # ---- pictures

    def _as_they_came(self, job: Job, result: Result, fetched: list[bytes]) -> list[PictureFile]:
        stem, about = stem_of(job), self._provenance(job, result)
        name = f"{stem}_{job.prompt.action.replace(' ', '_')}" if job.prompt.action else stem
        told = result.pictures[: len(fetched)]
        return [
            _as_it_is(f"{name}_{n}" if len(told) > 1 else name, data, n, one, about)
            for n, (data, one) in enumerate(zip(fetched, told, strict=True), 1)
        ]

    def _publish_grid(self, job: Job, result: Result, data: bytes) -> ev.JobEvent:
        from mjwatch.pictures.split import thumbnail_of  # see _split

        pictures, image = self._split(stem_of(job), data, self._provenance(job, result))
        self._missed.pop(job.id, None)
        return self._publish(job, pictures, {}, thumbnail=lambda: thumbnail_of(image))

    def _split(self, stem: str, data: bytes, about: Provenance) -> tuple[list[PictureFile], Image]:
        """The grid's files, and its pixels; what else it takes is let go before they are written."""
        from mjwatch.pictures.split import opened_grid  # with Pillow, which an idle service does without

        with ThreadPoolExecutor(1, thread_name_prefix="split") as aside:
            whole = aside.submit(_picture, f"{stem}_grid", data, 0) if self._keep_grid else None
            grid = opened_grid(data, self._format)
            pictures = grid.pieces(lambda n, tile: _picture(f"{stem}_{n}", with_provenance(tile, about), n))
            return [*pictures, whole.result()] if whole is not None else pictures, grid.image

    def _provenance(self, job: Job, result: Result) -> Provenance:
        """What the pictures are to say of themselves. A follow-up often has no words of its own."""
        prompt = (job.prompt.text or result.echoed) if self._embed_prompt else None
        software, created = f"mjwatch {__version__}", job.finished or time.time()
        return Provenance(prompt, software, created, result.job_uuid)

    def _fetch_once(self, picture: RemotePicture, message_id: str, job_id: str) -> bytes:
        """Fetch it, unless it is here from a try that failed only when its folder was written."""
        with self._fetched_lock:
            kept = self._fetched.pop(picture.url, None)
        data = self._fetch(picture, message_id, job_id) if kept is None else kept
        with self._fetched_lock:
            self._fetched[picture.url] = data
            while len(self._fetched) > KEPT_AT_MOST:
                del self._fetched[next(iter(self._fetched))]
        return data

    def _forget(self, result: Result | None) -> None:
        with self._fetched_lock:
            for picture in result.pictures if result else ():
                self._fetched.pop(picture.url, None)

    def _fetch(self, picture: RemotePicture, message_id: str, job_id: str) -> bytes:
        """Fetch it; where its address has expired, have it signed anew, else read the message again."""
        try:
            return self._cdn.fetch(picture.url, picture.size)
        except DownloadError as error:
            if not error.gone:
                raise
            log.info("%s the picture's address is gone, asking for a new one: %s", job_id, error)
        renewed = self._rest.refresh_urls([picture.url]).get(picture.url)
        if renewed is not None and renewed != picture.url:
            try:
                return self._cdn.fetch(renewed, picture.size)
            except DownloadError as error:
                if not error.gone:
                    raise
        message = self._rest.message(self._place.channel_id, message_id)
        for attachment in (message or {}).get("attachments", ()):
            if attachment.get("filename") == picture.filename:
                return self._cdn.fetch(str(attachment.get("url")), picture.size)
        raise DownloadError("Midjourney's message and its picture are gone", gone=True)

    # ---- the folder

    def _publish(
        self,
        job: Job,
        pictures: list[PictureFile],
        others: dict[str, bytes],
        *,
        failed: bool = False,
        thumbnail: Callable[[], bytes | None] = lambda: None,
    ) -> ev.JobEvent:
        try:
            file = self._file_of(job.id)
            if file is not None:
                others = {prompt_file_name(job): file.content, **others}
            manifest = build_manifest(job, self._place, pictures, others, time.time())
            files = {picture.name: picture.data for picture in pictures} | others
            folder = self._outbox.publish(job, files | {FILE_NAME: dump_manifest(manifest)}, failed=failed)
        except (OutboxError, JournalError) as error:
            return ev.SaveFailed(str(error))
        self._forget(job.result)
        if self._published is not None:
            self._published(folder, thumbnail())
        return ev.Published(folder, failed)


def _pictures_of(result: Result) -> Sequence[RemotePicture]:
    """Those that are fetched: of a grid one, of words none."""
    most = {ResultKind.GRID: 1, ResultKind.TEXT: 0}.get(result.kind, len(result.pictures))
    return result.pictures[:most]


def _picture(stem: str, data: bytes, index: int) -> PictureFile:
    from mjwatch.pictures.split import image_facts  # see _split

    kind, width, height = image_facts(data)
    suffix = {"jpeg": "jpg"}.get(kind, kind)
    return PictureFile(f"{stem}.{suffix}", data, index, width, height, kind)


def _as_it_is(stem: str, data: bytes, index: int, told: RemotePicture, about: Provenance) -> PictureFile:
    """A picture or video whose content is published as it came; only the message tells a video's size."""
    suffix = told.filename.rpartition(".")[2].lower()
    if suffix in _VIDEO_SUFFIXES:
        return PictureFile(f"{stem}.{suffix}", data, index, told.width or 0, told.height or 0, suffix)
    return _picture(stem, with_provenance(data, about), index)
