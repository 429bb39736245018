"""mjwatch from Python: submit prompts and get pictures back, through a daemon or in this process."""

from __future__ import annotations

import shutil
import threading
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mjwatch.client.in_process import Listener
from mjwatch.client.submit import (
    StoppedError,
    as_prompt_file,
    command,
    follow_ups,
    read_prompt,
    single_prompt,
    submit_and_wait,
    wait_for_jobs,
)
from mjwatch.config import Config
from mjwatch.errors import (
    LimitedError,
    MjwatchError,
    NoJournalError,
    OutboxError,
    PausedError,
    UnreachableError,
)
from mjwatch.filesystem.safe_names import slug
from mjwatch.inbox.removal import drop_file
from mjwatch.jobs.status_text import reason
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from mjwatch.model import Job, State
from mjwatch.outbox.manifest import load_manifest
from mjwatch.prompts.compose import clean
from mjwatch.prompts.source_text import sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mjwatch.client.submit import Submission

__all__ = [
    "Dropped",
    "JobFailedError",
    "LimitedError",
    "MidjourneyAPI",
    "PausedError",
    "Pictures",
    "StoppedError",
    "UnreachableError",
]

_delivering = threading.Lock()


class JobFailedError(MjwatchError):
    """The job ended without pictures; ``job`` has the reason, ``others`` the results of jobs beside it."""

    def __init__(self, job: Job, others: Sequence[Pictures] = ()) -> None:
        message, hint = reason(job)
        super().__init__(
            f"job {job.id} got no pictures: {message}", hint or f"`mjwatch show {job.id}` shows its history"
        )
        self.job = job
        self.others = tuple(others)
        needs_human = job.refusal is not None and job.refusal.needs_human
        self.exit_code = 4 if needs_human or job.state is State.IN_DOUBT else 1


@dataclass(frozen=True, slots=True)
class Dropped:
    """A prompt file that was put into the inbox: its name there, the SHA-256 of its content.

    ``notes``: how the prompt was read, where that is not how it is written, and probable mistakes.
    """

    name: str
    sha256: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pictures:
    """The result of a job: picture files (those of a grid in U1-U4 order), or an answer in ``text``."""

    folder: Path
    pictures: tuple[Path, ...]
    manifest: dict[str, Any]
    text: str | None = None


class MidjourneyAPI:
    """Prompts in, pictures out, from a plain script.

    >>> api = MidjourneyAPI()                                              # doctest: +SKIP
    >>> api.imagine("a lighthouse at dawn --ar 3:2", "pictures").pictures  # doctest: +SKIP

    The daemon of this configuration does the work if one runs, else this process does it, under the daemon's
    lock.
    """

    def __init__(self, config: Config | Path | str | None = None) -> None:
        """``config``: a loaded one, the path of a file, or None to look in the usual locations."""
        if not isinstance(config, Config):
            config = Config.load(None if config is None else Path(config))
        self.config = config

    def imagine(
        self,
        prompt: str,
        download_path: Path | str | None = None,
        *,
        force: bool = False,
        on_change: Callable[[Job], None] = lambda job: None,
        on_trouble: Callable[[str], None] = lambda reason: None,
    ) -> Pictures:
        """Submit one prompt and wait for its pictures.

        The job's folder appears in the outbox as for any job. With ``download_path`` its files are also
        copied there (into a folder of their own if files with these names exist there). ``on_change`` is
        called with each step of the job, ``on_trouble`` with the reason why Discord can't be used just now.

        ``force``: the prompt is sent as it is written, even if it looks like a list, a path, a command or
        JSON. How a prompt was read is in ``manifest["history"]``.

        Raise PromptFileError for a prompt that can't be used, JobFailedError for a prompt that got no
        pictures, PausedError, UnreachableError, LimitedError, ConfigError, DaemonError. Without a daemon, a
        prompt that was not sent is cancelled before any of them is raised, so that the caller may simply try
        again.
        """
        submission = single_prompt(prompt, force=force)
        return self._run(submission, Listener(on_change, on_trouble), download_path)[0]

    def act(
        self,
        job: str,
        *actions: str,
        prompt: str = "",
        on_change: Callable[[Job], None] = lambda job: None,
        on_trouble: Callable[[str], None] = lambda reason: None,
    ) -> list[Pictures]:
        """Do follow-ups (``U1``, ``vary strong``, ``zoom 2x`` …) on a finished job, and wait for them.

        ``job`` is its id; ``prompt`` is the new text of follow-ups that take one. Raise PromptFileError for
        an unknown follow-up, JobFailedError for the first one without a result, and what ``imagine`` raises.
        """
        return self._run(follow_ups(job, actions, prompt), Listener(on_change, on_trouble))

    def command(
        self,
        name: str,
        text: str = "",
        images: Sequence[Path | str] = (),
        *,
        on_change: Callable[[Job], None] = lambda job: None,
        on_trouble: Callable[[str], None] = lambda reason: None,
    ) -> Pictures:
        """Send any other Midjourney command and return its answer: pictures, or a ``text``.

        ``name``: blend, describe, shorten, show, info, settings; and those that change the account: fast,
        relax, turbo, public, stealth, "prefer remix", "prefer variability", "prefer suffix". ``images``:
        local files for blend and describe. Raise what ``act`` raises.
        """
        submission = command(name, text, [Path(image) for image in images])
        return self._run(submission, Listener(on_change, on_trouble))[0]

    def _run(
        self, submission: Submission, listener: Listener, download_path: Path | str | None = None
    ) -> list[Pictures]:
        jobs = submit_and_wait(self.config, submission, listener)
        outbox = self.config.outbox.path
        results = [
            _deliver(outbox / job.folder, download_path)
            for job in jobs
            if job.state is State.DONE and job.folder is not None
        ]
        for job in jobs:
            if job.state is not State.DONE or job.folder is None:
                raise JobFailedError(job, results)
        return results

    def submit(self, text: str, *, force: bool = False) -> Dropped:
        """Drop a prompt into the inbox and return at once. Raise PromptFileError, MjwatchError.

        ``force``: as for ``imagine``.
        """
        prompt, notes = read_prompt(text, force=force)
        content = as_prompt_file(clean(text.replace("\ufeff", "")), force=force)
        return replace(self.submit_file(slug(prompt.text), *content), notes=tuple(notes))

    def submit_file(self, stem: str, suffix: str, data: bytes) -> Dropped:
        """Drop a whole prompt file into the inbox and return at once. Raise MjwatchError."""
        digest = sha256(data)

        def was_taken(name: str) -> bool:
            try:
                with closing(JournalReader(self.config.state.path / JOURNAL_FILE)) as reader:
                    return reader.was_taken(name, digest)
            except NoJournalError:  # the process that has the lock may be just creating it
                return False

        return Dropped(drop_file(self.config.inbox.path, stem, suffix, data, was_taken), digest)

    def wait(
        self,
        dropped: Dropped,
        on_change: Callable[[Job], None] = lambda job: None,
        on_trouble: Callable[[str], None] = lambda reason: None,
    ) -> list[Job]:
        """Wait until a daemon has answered all jobs of this file; a job in doubt counts as answered.

        Raise PausedError where a person is needed first, StoppedError where the daemon has stopped.
        """

        def jobs_of_file(reader: JournalReader) -> list[Job]:
            return reader.jobs_of_file(dropped.name, dropped.sha256)

        return wait_for_jobs(self.config, jobs_of_file, Listener(on_change, on_trouble))


def _deliver(folder: Path, download_path: Path | str | None) -> Pictures:
    if download_path is not None:
        target = Path(download_path).expanduser()
        try:
            with _delivering:
                folder = _copy(folder, target)
        except OSError as error:
            raise OutboxError(
                f"the pictures are in {folder}, but can't be copied to {target}: {error.strerror or error}",
                "copy them from there",
            ) from error
    manifest = load_manifest(folder)
    pictures = tuple(folder / image["file"] for image in manifest["images"])
    return Pictures(folder, pictures, manifest, manifest.get("text"))


def _copy(folder: Path, target: Path) -> Path:
    """Copy the files into ``target``, or into a folder of their own there; replace nothing."""
    if any((target / path.name).exists() for path in folder.iterdir()):
        target = target / folder.name
    return shutil.copytree(folder, target, symlinks=True, dirs_exist_ok=True)
