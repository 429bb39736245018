"""mjwatch from Python: submit prompts and get pictures back, through a daemon or in this process."""

from __future__ import annotations

import math
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mjwatch.client.background import SharedService
from mjwatch.client.in_process import Listener, is_answered
from mjwatch.client.results import JobFailedError, Pictures, PromptResult, result_of
from mjwatch.client.submit import (
    RESTART_PATIENCE,
    StoppedError,
    Submission,
    as_prompt_file,
    command,
    follow_jobs,
    follow_ups,
    read_prompt,
    request,
    single_prompt,
    submit_all,
    submit_and_wait,
    wait_for_jobs,
)
from mjwatch.config import Config
from mjwatch.errors import (
    LimitedError,
    MjwatchError,
    NoJournalError,
    PausedError,
    UnreachableError,
    WaitTimeoutError,
)
from mjwatch.filesystem.safe_names import slug
from mjwatch.host.running import daemon_runs
from mjwatch.inbox.removal import drop_file
from mjwatch.jobs.pacing import Pace
from mjwatch.journal.overview import overview
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from mjwatch.journal.requests import Outcome
from mjwatch.model import Job, State
from mjwatch.prompts.compose import clean
from mjwatch.prompts.source_text import sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = [
    "Dropped",
    "Job",
    "JobFailedError",
    "LimitedError",
    "MidjourneyAPI",
    "Outcome",
    "PausedError",
    "Pictures",
    "PromptResult",
    "State",
    "StoppedError",
    "UnreachableError",
    "WaitTimeoutError",
]


@dataclass(frozen=True, slots=True)
class Dropped:
    """A prompt file that was put into the inbox: its name there, the SHA-256 of its content.

    ``notes``: how the prompt was read, where that is not how it is written, and probable mistakes.
    """

    name: str
    sha256: str
    notes: tuple[str, ...] = ()


class MidjourneyAPI:
    """Prompts in, pictures out, from a plain script.

    >>> with MidjourneyAPI() as api:                                           # doctest: +SKIP
    ...     api.imagine("a lighthouse at dawn --ar 3:2", "pictures").pictures

    The daemon of this configuration does the work if one runs, else this process does it, under the daemon's
    lock. In a ``with`` block one connection serves all calls; without it each call makes one of its own. Any
    thread may call any method at any time.

    Keywords of all methods that wait: ``on_change`` is called with each step of a job, ``on_trouble`` with
    the reason why Discord can't be used just now, both on the thread that waits. ``timeout`` is in seconds;
    after that WaitTimeoutError is raised, and what was sent continues.
    """

    def __init__(self, config: Config | Path | str | None = None) -> None:
        """``config``: a loaded one, the path of a file, or None to look in the usual locations."""
        if not isinstance(config, Config):
            config = Config.load(config)
        self.config = config
        self._shared = SharedService(config)

    def __enter__(self) -> Self:
        """Start to work in this process where no daemon runs.

        Raise ConfigError, JournalError, DaemonError.
        """
        self._shared.enter()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop that work, once no other thread needs it; a later start fetches what was sent."""
        self._shared.leave()

    # ---- submit and wait

    def imagine(
        self,
        prompt: str,
        download_path: Path | str | None = None,
        *,
        force: bool = False,
        timeout: float | None = None,
        on_change: Callable[[Job], None] = lambda job: None,
        on_trouble: Callable[[str], None] = lambda reason: None,
    ) -> Pictures:
        """Submit one prompt and wait for its pictures.

        The job's folder appears in the outbox as for any job. With ``download_path`` it is also copied there,
        under the same name.

        ``force``: the prompt is sent as it is written, even if it looks like a list, a path, a command or
        JSON. How a prompt was read is in ``manifest["history"]``.

        Raise PromptFileError for a prompt that can't be used, JobFailedError for a prompt that got no
        pictures, PausedError, UnreachableError, LimitedError, WaitTimeoutError, ConfigError, DaemonError.
        Without a daemon, a prompt that was not sent is cancelled before any of them is raised, so that the
        caller may simply try again.
        """
        submission = single_prompt(prompt, force=force)
        return self._run(submission, _listener(timeout, on_change, on_trouble), download_path)[0]

    def imagine_many(
        self,
        prompts: Iterable[str],
        download_path: Path | str | None = None,
        *,
        force: bool = False,
        timeout: float | None = None,
        on_change: Callable[[Job], None] = lambda job: None,
        on_trouble: Callable[[str], None] = lambda reason: None,
    ) -> Iterator[PromptResult]:
        """Submit all prompts at the first ``next``, and yield a PromptResult for each as its job ends.

        As many are in flight at the same time as ``[pace]`` in the configuration allows. A prompt without
        pictures does not stop the others: its PromptResult has the error. ``timeout`` is for all together.
        As a daemon does, it waits for the end of limits and outages. A loop that is left early gives up what
        was not sent, unless a daemon runs.

        Raise PromptFileError at once if one of the prompts can't be used; then none is sent. While iterating,
        raise what ``imagine`` raises besides JobFailedError, UnreachableError and LimitedError.
        """
        texts = list(prompts)
        submissions = [single_prompt(prompt, force=force) for prompt in texts]
        listener = Listener(on_change, on_trouble)
        return self._answers(texts, submissions, listener, timeout, download_path) if texts else iter(())

    def act(
        self,
        job: str,
        *actions: str,
        prompt: str = "",
        download_path: Path | str | None = None,
        timeout: float | None = None,
        on_change: Callable[[Job], None] = lambda job: None,
        on_trouble: Callable[[str], None] = lambda reason: None,
    ) -> list[Pictures]:
        """Do follow-ups (``U1``, ``vary strong``, ``zoom 2x`` …) on a finished job, and wait for them.

        ``job`` is its id; ``prompt`` is the new text of follow-ups that take one. Raise PromptFileError for
        an unknown follow-up, JobFailedError for the first one without a result, and what ``imagine`` raises.
        """
        submission = follow_ups(job, actions, prompt)
        return self._run(submission, _listener(timeout, on_change, on_trouble), download_path)

    def command(
        self,
        name: str,
        text: str = "",
        images: Sequence[Path | str] = (),
        *,
        timeout: float | None = None,
        on_change: Callable[[Job], None] = lambda job: None,
        on_trouble: Callable[[str], None] = lambda reason: None,
    ) -> Pictures:
        """Send any other Midjourney command and return its answer: pictures, or a ``text``.

        ``name``: blend, describe, shorten, show, info, settings; and those that change the account: fast,
        relax, turbo, public, stealth, "prefer remix", "prefer variability", "prefer suffix". ``images``:
        local files for blend and describe. Raise what ``act`` raises.
        """
        submission = command(name, text, [Path(image) for image in images])
        return self._run(submission, _listener(timeout, on_change, on_trouble))[0]

    def collect(
        self,
        job: str,
        download_path: Path | str | None = None,
        *,
        timeout: float | None = None,
        on_change: Callable[[Job], None] = lambda job: None,
        on_trouble: Callable[[str], None] = lambda reason: None,
    ) -> Pictures:
        """Wait for a job that was submitted before, by whomever, and return its pictures.

        Raise MjwatchError if there is no such job, and what ``imagine`` raises.
        """
        known = self.job(job)
        if is_answered(known):
            return result_of(known, self.config.outbox.path, download_path)
        submission = Submission({known.id: known.prompt})
        return self._run(submission, _listener(timeout, on_change, on_trouble), download_path)[0]

    def _run(
        self, submission: Submission, listener: Listener, download_path: Path | str | None = None
    ) -> list[Pictures]:
        with self._shared.sending(list(submission.prompts)):
            jobs = submit_and_wait(self.config, submission, listener)
        results, failed = [], None
        for job in jobs:
            try:
                results.append(result_of(job, self.config.outbox.path, download_path))
            except JobFailedError:
                failed = failed or job
        if failed is not None:
            raise JobFailedError(failed, results)
        return results

    def _answers(
        self,
        texts: Sequence[str],
        submissions: Sequence[Submission],
        listener: Listener,
        timeout: float | None,
        download_path: Path | str | None,
    ) -> Iterator[PromptResult]:
        listener = replace(listener, deadline=_deadline(timeout))
        job_ids = [job_id for submission in submissions for job_id in submission.prompts]
        left = dict(zip(job_ids, enumerate(texts), strict=True))

        def find(reader: JournalReader) -> list[Job]:
            return [job for job_id in left if (job := reader.job(job_id)) is not None]

        with self, self._shared.sending(job_ids) as let_send:
            submit_all(self.config, submissions)
            while left:
                for jobs in self._followed(find, listener, let_send):
                    for job in filter(is_answered, jobs):
                        index, text = left.pop(job.id)
                        yield self._answer(index, text, job, download_path)

    def _followed(
        self,
        find: Callable[[JournalReader], list[Job]],
        listener: Listener,
        let_send: Callable[[], None],
    ) -> Iterator[list[Job]]:
        """Yield what ``follow_jobs`` yields; when a daemon stops, take its work over, and end."""
        try:
            yield from follow_jobs(self.config, find, listener)
        except StoppedError:
            time.sleep(RESTART_PATIENCE)
            let_send()

    def _answer(self, index: int, text: str, job: Job, download_path: Path | str | None) -> PromptResult:
        try:
            found = result_of(job, self.config.outbox.path, download_path)
        except MjwatchError as error:
            return PromptResult(index, text, job.id, error=error)
        return PromptResult(index, text, job.id, found)

    # ---- look and steer

    def status(self) -> dict[str, Any]:
        """Return how the service stands, as ``mjwatch status --json`` shows it. Raise JournalError.

        ``live``: the jobs that were sent; ``waiting``: the first of the queued ones; ``troubles``: what is
        wrong and what to do.
        """
        config, now = self.config, time.time()
        with self._reader() as reader:
            return overview(
                reader,
                daemon=daemon_runs(config.state.path),
                max_per_day=config.pace.max_per_day,
                now=now,
                command=config.command(),
                quiet_until=Pace.of(config.pace).quiet_until(now),
            )

    def jobs(self, state: State | str | None = None, limit: int = 100) -> list[Job]:
        """Return the last jobs, the newest first; ``state``: only those in this state. Raise JournalError."""
        wanted = None if state is None else State(state)
        with self._reader() as reader:
            return [] if reader is None else reader.listed(wanted, limit)

    def job(self, job: str) -> Job:
        """Return the job with this id as it is now. Raise MjwatchError if there is none."""
        with self._reader() as reader:
            found = None if reader is None else reader.job(job)
        if found is None:
            raise MjwatchError(f"there is no job {job}", "`jobs()` returns the last ones")
        return found

    def cancel(self, *jobs: str) -> list[Outcome]:
        """Cancel jobs that are queued, running or in doubt, as ``mjwatch cancel`` does.

        Return for each whether it is ``done``, and a ``message``: a job that runs is paid for. Raise
        MjwatchError if there is no such job, DaemonError, JournalError.
        """
        attempts = {job_id: len(self.job(job_id).nonces) for job_id in jobs}
        return request(self.config, "cancel", {"jobs": attempts}) if attempts else []

    @contextmanager
    def _reader(self) -> Iterator[JournalReader | None]:
        """Open the journal; None if there is none yet."""
        try:
            reader = JournalReader(self.config.state.path / JOURNAL_FILE)
        except NoJournalError:
            yield None
            return
        with closing(reader):
            yield reader

    # ---- by the inbox

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
            with self._reader() as reader:  # none: the process that has the lock may be just creating it
                return reader is not None and reader.was_taken(name, digest)

        return Dropped(drop_file(self.config.inbox.path, stem, suffix, data, was_taken), digest)

    def wait(
        self,
        dropped: Dropped,
        on_change: Callable[[Job], None] = lambda job: None,
        on_trouble: Callable[[str], None] = lambda reason: None,
        *,
        timeout: float | None = None,
    ) -> list[Job]:
        """Wait until a daemon has answered all jobs of this file; a job in doubt counts as answered.

        Raise PausedError where a person is needed first, StoppedError where the daemon has stopped,
        WaitTimeoutError.
        """

        def jobs_of_file(reader: JournalReader) -> list[Job]:
            return reader.jobs_of_file(dropped.name, dropped.sha256)

        return wait_for_jobs(self.config, jobs_of_file, _listener(timeout, on_change, on_trouble))


def _listener(
    timeout: float | None, on_change: Callable[[Job], None], on_trouble: Callable[[str], None]
) -> Listener:
    return Listener(on_change, on_trouble, _deadline(timeout))


def _deadline(timeout: float | None) -> float:
    return math.inf if timeout is None else time.monotonic() + timeout
