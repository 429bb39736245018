"""Import old pictures from a folder: their names and metadata are read, and copies go into the outbox."""

from __future__ import annotations

import errno
import os
import time
from collections import Counter
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from stat import S_IMODE
from typing import TYPE_CHECKING, Any

from mjwatch.client.imports import POLL_INTERVAL
from mjwatch.client.submit import request
from mjwatch.config import load_keys
from mjwatch.discord.cdn import LARGEST_PICTURE
from mjwatch.errors import DaemonError, MjwatchError, NoJournalError
from mjwatch.events import RequestsPending
from mjwatch.filesystem.folder import UnexpectedFileError, open_folder, private_folder
from mjwatch.filesystem.safe_names import slug
from mjwatch.host.platform import require_write_access
from mjwatch.host.running import daemon_runs
from mjwatch.jobs.imported import FILES_FOLDER, STAGED, STAGING_FOLDER, FileGroup, stable_id
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from mjwatch.journal.requests import ask
from mjwatch.midjourney.parsing.picture_names import read_picture_name
from mjwatch.model import State
from mjwatch.pictures.embedded import read_embedded
from mjwatch.prompts.source_text import sha256
from mjwatch.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mjwatch.config import Config
    from mjwatch.filesystem.folder import Folder

BATCH = 8
"""Groups of pictures that are staged at the same time: the state folder's disk may be small."""

MOST_PICTURES = 4
"""Pictures of one job besides its grid."""

_PICTURES = frozenset({".png", ".webp", ".jpg", ".jpeg"})
_VIDEOS = frozenset({".mp4", ".webm", ".gif", ".mov"})


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A picture in the folder: where it is, and what its name and its metadata say."""

    path: Path
    digest: str
    size: int
    made: float
    job_uuid: str | None
    prompt: str | None
    words: str


@dataclass(slots=True)
class FolderCount:
    """What a folder holds. ``months``: the new groups by the month of their files, UTC."""

    new: int = 0
    known: int = 0
    files: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    months: Counter[str] = field(default_factory=Counter)
    failed: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return it as ``--json`` prints it."""
        return {**asdict(self), "skipped": dict(self.skipped), "months": dict(self.months)}


class FolderImport:
    """The groups of pictures below a folder that are not in the journal yet.

    Links, hidden files and what is no picture are left alone. ``watch`` is called after each file.
    """

    def __init__(self, config: Config, folder: Path, watch: Callable[[FolderCount], None]) -> None:
        """Read the folder. Raise MjwatchError if it can't be read, or is the outbox."""
        self._config = config
        self._folder = folder.expanduser().resolve()
        self.count = FolderCount()
        self._watch = watch
        self._outbox = config.outbox.path.resolve()
        if self._outbox in {self._folder, *self._folder.parents}:
            raise MjwatchError(f"{folder} is in the outbox already", "name a folder outside the outbox")
        if not self._folder.is_dir():
            raise MjwatchError(f"{folder} is not a folder", "check its name")
        self._files: dict[str, Path] = {}
        self.groups = dict(self._new_groups(self._grouped()))

    # ---- what is there

    def _found(self) -> Iterator[FoundFile]:
        for root, folders, names in os.walk(self._folder, onerror=_unreadable):
            folders[:] = sorted(n for n in folders if not n.startswith(".") and Path(root, n) != self._outbox)
            for name in sorted(names):
                path = Path(root, name)
                suffix = path.suffix.lower()
                if name.startswith(".") or path.is_symlink() or suffix not in _PICTURES | _VIDEOS:
                    continue
                found = self._read(path)
                if found is not None:
                    yield found
                self._watch(self.count)

    def _read(self, path: Path) -> FoundFile | None:
        try:
            data, changed = self._content(path)
        except OSError as error:
            is_file = not isinstance(error, UnexpectedFileError)
            why = "unreadable" if is_file else "too large" if error.errno == errno.EFBIG else "not a file"
            self.count.skipped[why] += 1
            return None
        if path.suffix.lower() in _PICTURES and not _is_picture(data):
            self.count.skipped["not a picture"] += 1
            return None
        self.count.files += 1
        named, embedded = read_picture_name(path.name), read_embedded(data)
        uuid = named.job_uuid or embedded.job_uuid
        return FoundFile(path, sha256(data), len(data), changed, uuid, embedded.prompt, named.words)

    def _content(self, path: Path) -> tuple[bytes, float]:
        """Return a file's content, and when it was changed; never wait for a pipe. Raise OSError."""
        folders = path.parent.relative_to(self._folder).parts
        with open_folder(self._folder, folders) as folder:
            return folder.read(path.name, LARGEST_PICTURE), folder.stat(path.name).st_mtime

    def _grouped(self) -> list[list[FoundFile]]:
        """Return the files, those of one job of Midjourney's in one folder together."""
        groups: dict[object, list[FoundFile]] = {}
        for found in self._found():
            same_job = (found.path.parent, found.job_uuid) if found.job_uuid else found.digest
            group = groups.setdefault(same_job, [])
            numbered = [one for one in group if not read_picture_name(one.path.name).is_grid]
            if found.digest in {one.digest for one in group} or len(numbered) >= MOST_PICTURES:
                self.count.skipped["the same once more"] += 1
            else:
                group.append(found)
        return list(groups.values())

    def _new_groups(self, groups: list[list[FoundFile]]) -> Iterator[tuple[str, FileGroup]]:
        with ExitStack() as stack:
            reader = _reader(self._config, stack)
            seen: set[str] = set()
            for files in groups:
                group = self._group(files)
                job_id = _id_of(group, reader)
                if job_id is None or group.key in seen:
                    self.count.known += 1
                    continue
                seen.add(group.key)
                self.count.new += 1
                made = datetime.fromtimestamp(group.made, UTC)
                self.count.months[made.strftime("%Y-%m")] += 1
                self._files |= {found.digest: found.path for found in files}
                yield job_id, group

    def _group(self, files: list[FoundFile]) -> FileGroup:
        first = files[0]
        below = first.path.parent.relative_to(self._folder).as_posix()
        prompt = next((found.prompt for found in files if found.prompt), None)
        words = next((found.words for found in files if found.words), "")
        # Midjourney's names are long, and the files keep them; all others name the folder, too.
        named = (prompt or words) if first.job_uuid else ""
        stem = slug(named) if named else first.path.stem
        parts = (FILES_FOLDER, self._folder.name, "" if below == "." else below, f"{stem}.txt")
        return FileGroup(
            path="/".join(part for part in parts if part),
            made=min(found.made for found in files),
            pictures=tuple((found.path.name, found.digest, found.size) for found in files),
            job_uuid=first.job_uuid,
            prompt=prompt,
            words=words,
        )

    # ---- into the outbox

    def run(self) -> FolderCount:
        """Copy all into the outbox; what is interrupted is done by the next run. Raise MjwatchError."""
        self._make_staging()
        batches = self._batches()
        if not daemon_runs(self._config.state.path):
            try:
                self._run_here(batches)
            except DaemonError:
                if not daemon_runs(self._config.state.path):
                    raise
        for batch in batches:
            self._stage(batch)
            request(self._config, "import files", _arguments(batch))
            while self._are_open(batch):
                if not daemon_runs(self._config.state.path):
                    raise DaemonError("the process that imported has stopped", "import the folder again")
                time.sleep(POLL_INTERVAL)
            self._unstage(batch)
        self.count.failed = sum(self._state(job_id) is State.FAILED for job_id in self.groups)
        return self.count

    def _make_staging(self) -> None:
        """Make the folder in which pictures are staged, for all users who may write to the state folder."""
        state = self._config.state.path
        require_write_access(state, self._journal)
        with self._not_staged():
            private_folder(state)
            with (
                open_folder(state) as folder,
                folder.make(STAGING_FOLDER, 0o700) as staging,
                suppress(OSError),  # it belongs to another of these users, who has done so
            ):
                staging.chmod(S_IMODE(state.stat().st_mode))

    @contextmanager
    def _not_staged(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            path = self._config.state.path / STAGING_FOLDER
            message = f"{path} can't be written: {error.strerror}"
            raise MjwatchError(message, "the pictures pass through it") from error

    @contextmanager
    def _staging(self) -> Iterator[Folder]:
        with self._not_staged(), open_folder(self._config.state.path, [STAGING_FOLDER]) as folder:
            yield folder

    def _batches(self) -> Iterator[dict[str, FileGroup]]:
        left = iter(self.groups.items())
        while batch := dict(islice(left, BATCH)):
            yield batch

    def _run_here(self, batches: Iterator[dict[str, FileGroup]]) -> None:
        with Runtime(self._config, load_keys(self._config), watch_inbox=False) as runtime:
            engine, batch = runtime.engine, dict[str, FileGroup]()
            engine.scheduler.only = frozenset()  # nothing is sent
            engine.imports.is_enabled = False
            self._sweep()

            def is_over() -> bool:
                nonlocal batch
                if not engine.idle or self._are_open(batch):
                    return False
                self._unstage(batch)
                batch = next(batches, {})
                if batch:
                    self._stage(batch)
                    ask(self._journal, "import files", _arguments(batch), time.time())
                    engine.put(RequestsPending())
                return not batch

            runtime.run(is_over)
            self._sweep()  # also of a killed import whose jobs this one has finished

    @property
    def _journal(self) -> Path:
        return self._config.state.path / JOURNAL_FILE

    def _stage(self, batch: dict[str, FileGroup]) -> None:
        for group in batch.values():
            for _, digest, _ in group.pictures:
                data = self._unchanged(self._files[digest], digest)
                with self._staging() as staging:
                    staging.replace(digest, data, mode=self._config.state.path.stat().st_mode & 0o666)

    def _unchanged(self, path: Path, digest: str) -> bytes:
        try:
            data, _ = self._content(path)
        except OSError as error:
            raise MjwatchError(f"{path} can't be read: {error.strerror}") from error
        if sha256(data) != digest:
            raise MjwatchError(f"{path} has changed meanwhile", "import the folder again")
        return data

    def _unstage(self, batch: dict[str, FileGroup]) -> None:
        with suppress(MjwatchError), self._staging() as staging:  # saved they are in any case
            for group in batch.values():
                for _, digest, _ in group.pictures:
                    with suppress(OSError):
                        staging.unlink(digest)

    def _sweep(self) -> None:
        """Remove what a killed import has staged and no open job needs."""
        with closing(JournalReader(self._journal)) as reader:
            jobs = reader.live_jobs()
        needed = {picture.url for job in jobs if job.result for picture in job.result.pictures}
        with self._staging() as staging:
            for name in staging.names():
                if f"{STAGED}{name}" not in needed:
                    with suppress(OSError):
                        staging.unlink(name)

    def _are_open(self, batch: dict[str, FileGroup]) -> bool:
        with closing(JournalReader(self._journal)) as reader:
            jobs = [reader.job(job_id) for job_id in batch]
        return any(job is None or job.open for job in jobs)

    def _state(self, job_id: str) -> State | None:
        with closing(JournalReader(self._journal)) as reader:
            job = reader.job(job_id)
        return None if job is None else job.state


def _arguments(batch: dict[str, FileGroup]) -> dict[str, Any]:
    return {"jobs": {job_id: asdict(group) for job_id, group in batch.items()}}


def _reader(config: Config, stack: ExitStack) -> JournalReader | None:
    try:
        return stack.enter_context(closing(JournalReader(config.state.path / JOURNAL_FILE)))
    except NoJournalError:
        return None


def _id_of(group: FileGroup, reader: JournalReader | None) -> str | None:
    """Return the id of the group's job; None if a job has these pictures already.

    A failed job is not finished: it gets its pictures once more.
    """
    if reader is None:
        return stable_id(group.key, lambda job_id: False)
    first = stable_id(group.key, lambda job_id: False)
    known = reader.job(first)
    if known is not None and known.source is not None and known.source.sha256 == group.pictures[0][1]:
        return first if known.state is State.FAILED else None
    if group.job_uuid is not None and reader.has_result(None, group.job_uuid):
        return None
    return stable_id(group.key, lambda job_id: reader.job(job_id) is not None)


def _is_picture(data: bytes) -> bool:
    from mjwatch.errors import PictureError
    from mjwatch.pictures.split import image_facts

    try:
        image_facts(data)
    except PictureError:
        return False
    return True


def _unreadable(error: OSError) -> None:
    raise MjwatchError(f"{error.filename} can't be read: {error.strerror}", "check the rights of the folder")
