"""Results into the outbox: download, split, publish; one effect in, one event out."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain, count
from typing import TYPE_CHECKING

from mjwatch import events as ev
from mjwatch.discord.cdn import LARGEST_PICTURE
from mjwatch.errors import (
    AnsweredNoError,
    DownloadError,
    JournalError,
    OutboxError,
    PictureError,
    UnsplitGridError,
    WireError,
)
from mjwatch.filesystem.files import read_file
from mjwatch.filesystem.safe_names import MAX_BYTES, safe_file_name, safe_name
from mjwatch.jobs.imported import STAGED, STAGING_FOLDER
from mjwatch.midjourney.parsing.message_view import MessageView
from mjwatch.midjourney.parsing.picture_names import read_picture_name
from mjwatch.model import Refusal, RefusalClass, ResultKind, SourceKind
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
from mjwatch.trouble import download_trouble
from mjwatch.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from PIL.Image import Image

    from mjwatch.discord.cdn import CDN
    from mjwatch.discord.rest import DiscordREST
    from mjwatch.journal.reader import TakenFile
    from mjwatch.model import Job, RemotePicture, Result
    from mjwatch.outbox.publisher import Outbox

log = logging.getLogger(__name__)

PICTURE_TRIES = 8
"""Attempts to get a readable picture before the job fails (``retry`` tries again)."""

MOST_KEPT_PICTURES = 4
"""Downloaded pictures that are kept until their folder is written, so that a full disk costs no traffic."""

_LIMITED = "Discord limits what may be read at the moment"
_VIDEO_SUFFIXES = frozenset({"mp4", "webm", "mov", "gif"})


class Collector:
    """Publishes results. Several threads may use it, but never two for one job."""

    def __init__(
        self,
        *,
        rest: DiscordREST,
        cdn: CDN,
        outbox: Outbox,
        channel: OutboxChannel,
        picture_format: str,
        keep_grid: bool,
        embed_prompt: bool,
        state: Path,
        file_of: Callable[[str], TakenFile | None],
        reading_wait: Callable[[], float] = lambda: 0.0,
        published: Callable[[str, bytes | None], None] | None = None,
    ) -> None:
        """``published`` is called with the path in the outbox of each new folder; it must return at once.

        If the picture is in memory, so that a thumbnail costs little, the thumbnail is passed too.
        ``state``: the folder below which lie the copies of pictures that are imported from another folder.
        ``reading_wait`` returns for how many seconds Discord's API may not be read.
        """
        self._rest = rest
        self._cdn = cdn
        self._outbox = outbox
        self._channel = channel
        self._format = picture_format
        self._keep_grid = keep_grid
        self._embed_prompt = embed_prompt
        self._state = state
        self._file_of = file_of
        self._reading_wait = reading_wait
        self._published = published
        self._failed_tries: dict[str, int] = {}
        self._fetched: dict[str, bytes] = {}
        self._fetched_lock = threading.Lock()
        # Grids are split and published one after another, each on two threads, so that memory holds only one.
        self._grid_lock = threading.Lock()

    def collect(self, job: Job) -> ev.JobEvent:
        """Publish the folder of a job that has a result."""
        result = job.result
        if result is None or not (result.pictures or result.kind is ResultKind.TEXT):
            return ev.SaveFailed("Midjourney's message has no picture", final=True)
        try:
            fetched = [self._fetch_once(job, picture, result.message_id) for picture in _pictures_of(result)]
            if _is_grid(result):
                with self._grid_lock:
                    return self._publish_grid(job, result, fetched[0])
            pictures = self._unchanged(job, result, fetched)
        except (DownloadError, PictureError) as error:
            if isinstance(error, PictureError):
                self._forget(result)  # the next try needs other bytes
            return self._not_fetched(job, str(error))
        except WireError as error:
            reason = f"the picture's address can't be renewed: {error}"
            if isinstance(error, AnsweredNoError) and error.refusal.kind is RefusalClass.RETRY:
                return ev.SaveFailed(reason, refusal=error.refusal)
            return self._not_fetched(job, reason)
        self._failed_tries.pop(job.id, None)
        page = {"result.md": result_page(job, result).encode()} if result.kind is ResultKind.TEXT else {}
        return self._publish(job, pictures, page)

    def publish_failure(self, job: Job) -> ev.JobEvent:
        """Publish the folder of a job without a result."""
        return self._publish(job, [], {"ERROR.md": failure_page(job).encode()}, failed=True)

    def _not_fetched(self, job: Job, reason: str) -> ev.SaveFailed:
        return ev.SaveFailed(reason, final=self._is_last_try(job), trouble=download_trouble(reason))

    def _is_last_try(self, job: Job) -> bool:
        """Return whether getting the picture failed too often. Failures of a full disk do not count."""
        self._failed_tries[job.id] = self._failed_tries.get(job.id, 0) + 1
        if self._failed_tries[job.id] < PICTURE_TRIES:
            return False
        del self._failed_tries[job.id]
        return True

    # ---- pictures

    def _unchanged(self, job: Job, result: Result, fetched: list[bytes]) -> list[PictureFile]:
        if job.source is not None and job.source.kind is SourceKind.FOLDER:
            numbered = enumerate(zip(result.pictures, fetched, strict=True), 1)
            return _with_own_names([_as_it_is(p, data, n) for n, (p, data) in numbered])
        stem, provenance = stem_of(job), self._provenance(job, result)
        is_named_by_action = job.prompt.action is not None and result.kind is not ResultKind.GRID
        name = f"{stem}_{(job.prompt.action or '').replace(' ', '_')}" if is_named_by_action else stem
        remote = result.pictures[: len(fetched)]
        return [
            _unchanged_file(f"{name}_{n}" if len(remote) > 1 else name, data, n, picture, provenance)
            for n, (data, picture) in enumerate(zip(fetched, remote, strict=True), 1)
        ]

    def _publish_grid(self, job: Job, result: Result, data: bytes) -> ev.JobEvent:
        from mjwatch.pictures.split import thumbnail_of  # see _split

        try:
            pictures, image = self._split(stem_of(job), data, self._provenance(job, result))
        except UnsplitGridError as error:
            reason = f"{error.message}; {error.hint}" if error.hint else error.message
            log.warning("%s the grid is published unsplit: %s", job.id, reason, extra={"job": job.id})
            self._failed_tries.pop(job.id, None)
            return self._publish(job, [_picture(f"{stem_of(job)}_grid", data, 0)], {})
        self._failed_tries.pop(job.id, None)
        return self._publish(job, pictures, {}, thumbnail=lambda: thumbnail_of(image))

    def _split(self, stem: str, data: bytes, provenance: Provenance) -> tuple[list[PictureFile], Image]:
        """Return the grid's files and its pixels; other memory is freed before the files are written."""
        from mjwatch.pictures.split import opened_grid  # imports Pillow, which an idle service doesn't need

        with ThreadPoolExecutor(1, thread_name_prefix="split") as executor:
            whole = executor.submit(_picture, f"{stem}_grid", data, 0) if self._keep_grid else None
            grid = opened_grid(data, self._format)
            pictures = grid.pieces(
                lambda n, tile: _picture(f"{stem}_{n}", with_provenance(tile, provenance), n)
            )
            return [*pictures, whole.result()] if whole is not None else pictures, grid.image

    def _provenance(self, job: Job, result: Result) -> Provenance:
        """Return what the pictures' metadata says. A follow-up often has no prompt of its own."""
        prompt = (job.prompt.text or result.echoed) if self._embed_prompt else None
        software, created = f"mjwatch {__version__}", job.finished or time.time()
        return Provenance(prompt, software, created, result.job_uuid)

    def _fetch_once(self, job: Job, picture: RemotePicture, message_id: str) -> bytes:
        """Download the picture, unless it was kept by a try that failed only at writing the folder."""
        with self._fetched_lock:
            kept = self._fetched.pop(picture.url, None)
        data = self._fetch(job, picture, message_id) if kept is None else kept
        with self._fetched_lock:
            self._fetched[picture.url] = data
            while len(self._fetched) > MOST_KEPT_PICTURES:
                del self._fetched[next(iter(self._fetched))]
        return data

    def _forget(self, result: Result | None) -> None:
        with self._fetched_lock:
            for picture in result.pictures if result else ():
                self._fetched.pop(picture.url, None)

    def _fetch(self, job: Job, picture: RemotePicture, message_id: str) -> bytes:
        """Download the picture. If its address has expired, have it signed again, or read the message."""
        if picture.url.startswith(STAGED):
            return self._read_staged(picture.url.removeprefix(STAGED))
        try:
            return self._cdn.fetch(picture.url, picture.size)
        except DownloadError as error:
            if not error.gone:
                raise
            log.info(
                "%s the picture's address has expired, requesting a new one: %s",
                job.id,
                error,
                extra={"job": job.id},
            )
        if wait := self._reading_wait():
            raise AnsweredNoError(Refusal(RefusalClass.RETRY, None, _LIMITED, retry_after=wait))
        renewed = self._rest.refresh_urls([picture.url]).get(picture.url)
        if renewed is not None and renewed != picture.url:
            try:
                return self._cdn.fetch(renewed, picture.size)
            except DownloadError as error:
                if not error.gone:
                    raise
        moved = self._read_again(job, picture, message_id)
        if moved is None:
            raise DownloadError("Midjourney's message and its picture no longer exist", gone=True)
        return self._cdn.fetch(moved.url, picture.size)

    def _read_staged(self, name: str) -> bytes:
        try:
            return read_file(self._state, f"{STAGING_FOLDER}/{name}", LARGEST_PICTURE)
        except OSError as error:
            hint = "`mjwatch import FOLDER` copies it again"
            raise DownloadError(f"the copy of the picture can't be read: {error.strerror}", hint) from error

    def _read_again(self, job: Job, picture: RemotePicture, message_id: str) -> RemotePicture | None:
        """Return the picture as its message has it now: in the same place, or else by its file name."""
        message = self._rest.message(self._channel.channel_id, message_id)
        before, now = job.result.pictures if job.result else (), MessageView(message or {}).images
        if len(before) == len(now):
            return now[before.index(picture)]
        return next((image for image in now if image.filename == picture.filename), None)

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
            manifest = build_manifest(job, self._channel, pictures, others, time.time())
            files = {picture.name: picture.data for picture in pictures} | others
            folder = self._outbox.publish(job, files | {FILE_NAME: dump_manifest(manifest)}, failed=failed)
        except OutboxError as error:
            trouble = self._outbox.trouble(error, self._outbox.folder_of(job, failed=failed).parent)
            return ev.SaveFailed(str(error), trouble=trouble)
        except JournalError as error:
            return ev.SaveFailed(str(error))
        self._forget(job.result)
        if self._published is not None:
            self._published(folder, thumbnail())
        return ev.Published(folder, failed)


def _pictures_of(result: Result) -> Sequence[RemotePicture]:
    """Return the pictures to download: all, but none of a text."""
    return () if result.kind is ResultKind.TEXT else result.pictures


def _is_grid(result: Result) -> bool:
    """Return whether one picture holds all four, so that it must be split."""
    return result.kind is ResultKind.GRID and len(result.pictures) == 1


def _picture(stem: str, data: bytes, index: int) -> PictureFile:
    from mjwatch.pictures.split import image_facts  # see _split

    kind, width, height = image_facts(data)
    suffix = {"jpeg": "jpg"}.get(kind, kind)
    return PictureFile(f"{stem}.{suffix}", data, index, width, height, kind)


def _as_it_is(picture: RemotePicture, data: bytes, number: int) -> PictureFile:
    """Return a picture that lay in a folder, byte for byte and with its own name."""
    known = read_picture_name(picture.filename)
    name = _own_name(picture.filename, known.job_uuid)
    stem, _, suffix = name.rpartition(".")
    index = 0 if known.is_grid else known.number or number
    if suffix.lower() in _VIDEO_SUFFIXES:
        return PictureFile(name, data, index, 0, 0, suffix.lower())
    return replace(_picture(stem, data, index), name=name)


def _own_name(filename: str, job_uuid: str | None) -> str:
    """Return a picture's name, safe everywhere; a long one loses words, not the uuid and the number."""
    stem, _, suffix = filename.rpartition(".")
    at = stem.lower().rfind(job_uuid) if job_uuid else 0
    if at <= 0:
        return safe_file_name(filename)
    end = safe_name(stem[at:])
    return safe_file_name(f"{safe_name(stem[:at], MAX_BYTES - len(end.encode()))}{end}.{suffix}")


def _with_own_names(pictures: list[PictureFile]) -> list[PictureFile]:
    """Return the pictures with names that differ on every system: safe names may be the same."""
    names: set[str] = set()
    for at, picture in enumerate(pictures):
        stem, _, suffix = picture.name.rpartition(".")
        tries = (f"{stem}-{n}.{suffix}" for n in count(2))
        name = next(name for name in chain([picture.name], tries) if name.casefold() not in names)
        names.add(name.casefold())
        pictures[at] = replace(picture, name=name)
    return pictures


def _unchanged_file(
    stem: str, data: bytes, index: int, remote: RemotePicture, provenance: Provenance
) -> PictureFile:
    """Return a picture or video with its pixels as they came; only the message knows a video's size."""
    suffix = remote.filename.rpartition(".")[2].lower()
    if suffix in _VIDEO_SUFFIXES:
        return PictureFile(f"{stem}.{suffix}", data, index, remote.width or 0, remote.height or 0, suffix)
    return _picture(stem, with_provenance(data, provenance), index)
