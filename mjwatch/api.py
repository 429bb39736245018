"""mjwatch from Python: submit prompts and get pictures back, on the daemon's own engine."""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mjwatch.config import Config, load_keys
from mjwatch.errors import DaemonError, MjwatchError
from mjwatch.events import PromptGiven
from mjwatch.folders.drop import drop_file
from mjwatch.folders.manifest import FILE_NAME, load_manifest
from mjwatch.folders.names import slug
from mjwatch.host.lock import daemon_runs
from mjwatch.jobs.intake import sha256
from mjwatch.jobs.reader import JournalReader
from mjwatch.model import Job, State
from mjwatch.prompts.promptfile import read_prompt_file
from mjwatch.runtime import JOURNAL_FILE, Runtime, new_id

if TYPE_CHECKING:
    from collections.abc import Callable

POLL = 0.2
"""Seconds between two looks into the journal while a daemon works on a job."""


class JobFailedError(MjwatchError):
    """The job ended without pictures; ``job`` has the reason."""

    def __init__(self, job: Job) -> None:
        refusal = job.refusal
        words = (refusal.title or refusal.detail) if refusal else f"it is {job.state}"
        mend = refusal.detail if refusal and refusal.title else ""
        super().__init__(f"job {job.id} got no pictures: {words}", mend)
        self.job = job
        self.exit_code = 4 if refusal is not None and refusal.needs_human else 1


@dataclass(frozen=True, slots=True)
class Dropped:
    """A prompt file that was put into the inbox: its name there, and the SHA-256 of its content."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Pictures:
    """What a prompt became. ``pictures`` are the four files in U1-U4 order."""

    folder: Path
    pictures: tuple[Path, ...]
    manifest: dict[str, Any]


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
        self._journal = config.state.path / JOURNAL_FILE

    def imagine(
        self,
        prompt: str,
        download_path: Path | str | None = None,
        *,
        on_change: Callable[[Job], None] = lambda job: None,
    ) -> Pictures:
        """Submit one prompt and wait for its pictures.

        The job's folder appears in the outbox as ever; with ``download_path`` its files are copied there too
        (into a folder of their own if another job's are there already). ``on_change`` is told of each step.
        Raises JobFailedError, PromptFileError for a prompt that can't be used, ConfigError, DaemonError.
        """
        found = read_prompt_file(prompt.encode() + b"\n", "prompt.txt").prompts[0]
        if daemon_runs(self.config.state.path):
            job = self.wait(self.submit(found.text), on_change)[0]
        else:
            job = self._run_here(new_id(), PromptGiven("", found, f"{slug(prompt)}.txt"), on_change)
        if job.state is not State.DONE or job.folder is None:
            raise JobFailedError(job)
        return _deliver(self.config.outbox.path / job.folder, job, download_path)

    def submit(self, text: str) -> Dropped:
        """Drop a prompt into the inbox. Returns at once."""
        data = text.encode() + b"\n"
        read_prompt_file(data, "prompt.txt")
        return self.submit_file(slug(text), ".txt", data)

    def submit_file(self, stem: str, suffix: str, data: bytes) -> Dropped:
        """Drop a whole prompt file into the inbox. Returns at once."""
        digest = sha256(data)

        def taken(name: str) -> bool:
            if not self._journal.exists():
                return False
            with closing(JournalReader(self._journal)) as reader:
                return bool(reader.taken_mtimes(name, digest))

        return Dropped(drop_file(self.config.inbox.path, stem, suffix, data, taken), digest)

    def wait(self, dropped: Dropped, on_change: Callable[[Job], None] = lambda job: None) -> list[Job]:
        """Wait until a daemon has answered all jobs of this file (those in doubt count as answered).

        Raises PausedError where a person is needed first, DaemonError where the daemon has stopped.
        """
        seen: dict[str, Job] = {}
        while True:
            jobs, paused = self._look(dropped)
            for job in jobs:
                if seen.get(job.id) != job:
                    seen[job.id] = job
                    on_change(job)
            if jobs and all(not job.open or job.state is State.IN_DOUBT for job in jobs):
                return jobs
            if paused is not None:
                raise PausedError(paused)
            if not daemon_runs(self.config.state.path):
                raise DaemonError("the daemon has stopped; the prompt is kept", "start it: `mjwatch run`")
            time.sleep(POLL)

    def _look(self, dropped: Dropped) -> tuple[list[Job], str | None]:
        if not self._journal.exists():
            return [], None
        with closing(JournalReader(self._journal)) as reader:
            return reader.jobs_of_file(dropped.name, dropped.sha256), reader.recall("paused")

    def _run_here(self, job_id: str, given: PromptGiven, on_change: Callable[[Job], None]) -> Job:
        with Runtime(self.config, load_keys(self.config), watch_inbox=False) as runtime:
            engine = runtime.engine
            engine.only = job_id
            engine.on_change = lambda job: on_change(job) if job.id == job_id else None
            engine.put(PromptGiven(job_id, given.prompt, given.path))

            def ended() -> bool:
                job = engine.job(job_id)
                return job is not None and (
                    not job.open or job.state is State.IN_DOUBT or bool(engine.paused)
                )

            runtime.run(ended)
            runtime.comes_back = not engine.settled()
            job = engine.job(job_id)
            if engine.paused is not None and (job is None or job.open):
                raise PausedError(engine.paused)
        if job is None:
            raise DaemonError("it was stopped before the prompt was taken")
        return job


class PausedError(DaemonError):
    """Sending is paused until a person has acted; the prompt is kept."""

    exit_code = 4

    def __init__(self, why: str) -> None:
        super().__init__(f"nothing is sent until a person has acted: {why}")


def _deliver(folder: Path, job: Job, download_path: Path | str | None) -> Pictures:
    if download_path is not None:
        target = Path(download_path).expanduser()
        target = target / folder.name if (target / FILE_NAME).exists() else target
        shutil.copytree(folder, target, dirs_exist_ok=True)
        folder = target
    manifest = load_manifest(folder)
    return Pictures(folder, tuple(folder / image["file"] for image in manifest["images"]), manifest)
