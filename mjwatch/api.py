"""mjwatch from Python: submit prompts and get pictures back, on the daemon's own engine."""

from __future__ import annotations

import shutil
import threading
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mjwatch.client.in_process import Listener, answered, prompt_file, read_words, run_one
from mjwatch.client.submit import command, follow_ups, give_and_wait
from mjwatch.config import Config, load_keys
from mjwatch.errors import (
    DaemonError,
    MjwatchError,
    NoJournalError,
    OutboxError,
    PausedError,
    UnreachableError,
)
from mjwatch.filesystem.safe_names import slug
from mjwatch.host.lock import daemon_lock
from mjwatch.host.running import daemon_runs
from mjwatch.inbox.removal import drop_file
from mjwatch.jobs.intake import sha256
from mjwatch.jobs.status_text import reason
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from mjwatch.model import Job, Prompt, State
from mjwatch.outbox.manifest import load_manifest
from mjwatch.prompts.expand import escape
from mjwatch.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mjwatch.client.submit import Submission

__all__ = [
    "Dropped",
    "JobFailedError",
    "MidjourneyAPI",
    "PausedError",
    "Pictures",
    "StoppedError",
    "UnreachableError",
]

POLL = 0.2
"""Seconds between two looks into the journal while a daemon works on a job."""

_delivering = threading.Lock()


class JobFailedError(MjwatchError):
    """The job ended without pictures; ``job`` has the reason. ``others``: what came of those beside it."""

    def __init__(self, job: Job, others: Sequence[Pictures] = ()) -> None:
        why, hint = reason(job)
        super().__init__(
            f"job {job.id} got no pictures: {why}", hint or f"`mjwatch show {job.id}` tells its history"
        )
        self.job = job
        self.others = tuple(others)
        needs_human = job.refusal is not None and job.refusal.needs_human
        self.exit_code = 4 if needs_human or job.state is State.IN_DOUBT else 1


class StoppedError(DaemonError):
    """The daemon that was waited for has stopped."""

    def __init__(self) -> None:
        super().__init__("the daemon has stopped; the prompt is kept", "start it: `mjwatch run`")


@dataclass(frozen=True, slots=True)
class Dropped:
    """A prompt file that was put into the inbox: its name there, and the SHA-256 of its content."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Pictures:
    """What a prompt became: its picture files, of a grid in U1-U4 order, or an answer in words (``text``)."""

    folder: Path
    pictures: tuple[Path, ...]
    manifest: dict[str, Any]
    text: str | None = None


class MidjourneyAPI:
    """Prompts in, pictures out, from a plain script.

    >>> api = MidjourneyAPI()                                              # doctest: +SKIP
    >>> api.imagine("a lighthouse at dawn --ar 3:2", "pictures").pictures  # doctest: +SKIP

    Through the daemon if one runs for this configuration, else in this process, under the daemon's lock.
    """

    def __init__(self, config: Config | Path | str | None = None) -> None:
        """``config``: a loaded one, or the path of a file, or None for the usual places."""
        if not isinstance(config, Config):
            config = Config.load(None if config is None else Path(config))
        self.config = config
        self._state = config.state.path
        self._journal = self._state / JOURNAL_FILE

    def imagine(
        self,
        prompt: str,
        download_path: Path | str | None = None,
        *,
        on_change: Callable[[Job], None] = lambda job: None,
        on_trouble: Callable[[str], None] = lambda why: None,
    ) -> Pictures:
        """Submit one prompt and wait for its pictures.

        The job's folder appears in the outbox as ever; with ``download_path`` its files are copied there too
        (into a folder of their own if files of their names are there already). ``on_change`` is told of each
        step, ``on_trouble`` of why Discord can't be used for a while.

        Raises PromptFileError for a prompt that can't be used, JobFailedError for one that got no pictures,
        PausedError, UnreachableError, ConfigError, DaemonError. Without a daemon a prompt that was not sent
        is taken back before any of them is raised, so that the caller may simply try again.
        """
        given = read_words(prompt)
        listener = Listener(on_change, on_trouble)
        job: Job | None = None
        while job is None:
            way = self._through_daemon if daemon_runs(self._state) else self._run_here
            job = way(given, listener)
        if job.state is not State.DONE or job.folder is None:
            raise JobFailedError(job)
        return _deliver(self.config.outbox.path / job.folder, download_path)

    def act(
        self,
        job: str,
        *actions: str,
        prompt: str = "",
        on_change: Callable[[Job], None] = lambda job: None,
        on_trouble: Callable[[str], None] = lambda why: None,
    ) -> list[Pictures]:
        """Do follow-ups (``U1``, ``vary strong``, ``zoom 2x`` …) on a finished job, and wait for them.

        ``job`` is its id; ``prompt`` new words for follow-ups that take some. Raises PromptFileError for a
        name that is no follow-up's, JobFailedError for the first that got nothing, and what ``imagine`` does.
        """
        return self._run(follow_ups(job, actions, prompt), Listener(on_change, on_trouble))

    def command(
        self,
        name: str,
        text: str = "",
        images: Sequence[Path | str] = (),
        *,
        on_change: Callable[[Job], None] = lambda job: None,
        on_trouble: Callable[[str], None] = lambda why: None,
    ) -> Pictures:
        """Any other command of Midjourney's, and its answer: pictures, or words in ``text``.

        ``name``: blend, describe, shorten, show, info, settings; and what changes the account: fast, relax,
        turbo, public, stealth, "prefer remix", "prefer variability", "prefer suffix". ``images``: local files
        for blend and describe. Raises what ``act`` does.
        """
        wish = command(name, text, [Path(image) for image in images])
        return self._run(wish, Listener(on_change, on_trouble))[0]

    def _run(self, wish: Submission, listener: Listener) -> list[Pictures]:
        jobs = give_and_wait(self.config, wish, listener)
        done = [job for job in jobs if job.state is State.DONE]
        found = [_deliver(self.config.outbox.path / (job.folder or ""), None) for job in done]
        for job in jobs:
            if job.state is not State.DONE:
                raise JobFailedError(job, found)
        return found

    def submit(self, text: str) -> Dropped:
        """Drop a prompt into the inbox. Returns at once. Raises PromptFileError, OutboxError."""
        return self._drop(read_words(text))

    def submit_file(self, stem: str, suffix: str, data: bytes) -> Dropped:
        """Drop a whole prompt file into the inbox. Returns at once. Raises OutboxError."""
        digest = sha256(data)

        def taken(name: str) -> bool:
            try:
                with closing(JournalReader(self._journal)) as reader:
                    return reader.was_taken(name, digest)
            except NoJournalError:  # whoever has the lock may be making it just now
                return False

        return Dropped(drop_file(self.config.inbox.path, stem, suffix, data, taken), digest)

    def wait(
        self,
        dropped: Dropped,
        on_change: Callable[[Job], None] = lambda job: None,
        on_trouble: Callable[[str], None] = lambda why: None,
    ) -> list[Job]:
        """Wait until a daemon has answered all jobs of this file (those in doubt count as answered).

        Raises PausedError where a person is needed first, StoppedError where the daemon has stopped.
        """
        seen: dict[str, Job] = {}
        told: str | None = None
        while True:
            jobs, paused, trouble = self._look(dropped)
            for job in jobs:
                if seen.get(job.id) != job:
                    seen[job.id] = job
                    on_change(job)
            if jobs and all(map(answered, jobs)):
                return jobs
            stuck = not jobs or trouble or any(job.state is State.QUEUED for job in jobs)
            if paused is not None and stuck:
                raise PausedError(paused)
            if trouble is not None and trouble != told:
                on_trouble(trouble)
            told = trouble
            if not daemon_runs(self._state):
                raise StoppedError
            time.sleep(POLL)

    # ---- the two ways

    def _through_daemon(self, given: Prompt, listener: Listener) -> Job | None:
        """The job's answer; None if whoever ran has ended without taking the prompt."""
        dropped = self._drop(given)
        while True:
            try:
                return self.wait(dropped, listener.changed, listener.trouble)[0]
            except StoppedError:
                if self._take_back(dropped):
                    return None
                if not daemon_runs(self._state):
                    raise

    def _drop(self, prompt: Prompt) -> Dropped:
        return self.submit_file(slug(prompt.text), *prompt_file(escape(prompt.text)))

    def _look(self, dropped: Dropped) -> tuple[list[Job], str | None, str | None]:
        """The file's jobs as they stand, why sending is paused, and why Discord can't be used."""
        try:
            with closing(JournalReader(self._journal)) as reader:
                jobs = reader.jobs_of_file(dropped.name, dropped.sha256)
                pause = reader.paused()
                return jobs, None if pause is None else pause.reason, reader.recall("trouble")
        except NoJournalError:
            return [], None, None

    def _take_back(self, dropped: Dropped) -> bool:
        """Remove the file from the inbox, under the lock, so that no daemon can be taking it just now."""
        try:
            with daemon_lock(self._state):
                if self._look(dropped)[0]:
                    return False
                (self.config.inbox.path / dropped.name).unlink(missing_ok=True)
                return True
        except DaemonError:
            return False

    def _run_here(self, given: Prompt, listener: Listener) -> Job | None:
        """The job's answer; None if another process was faster to take the lock."""
        keys = load_keys(self.config)
        with ExitStack() as stack:
            try:
                runtime = stack.enter_context(Runtime(self.config, keys, watch_inbox=False))
            except DaemonError:
                if daemon_runs(self._state):
                    return None
                raise
            return run_one(runtime, given, listener)


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
    """Copy its files into ``target``, or into a folder of their own there, and replace nothing."""
    if any((target / path.name).exists() for path in folder.iterdir()):
        target = target / folder.name
    return shutil.copytree(folder, target, dirs_exist_ok=True)
