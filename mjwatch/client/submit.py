"""Build requests, hand them to a daemon or to the engine in this process, and wait for the jobs.

Every request is a row in the journal. A running daemon is woken to answer it; where none runs, this process
answers it under the daemon's lock.
"""

from __future__ import annotations

import json
import time
from collections import deque
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mjwatch.client.in_process import answer_requests, is_answered, run_jobs
from mjwatch.discord.cdn import LARGEST_IMAGE
from mjwatch.errors import (
    ConfigError,
    DaemonError,
    NoJournalError,
    PausedError,
    PromptFileError,
    WaitTimeoutError,
)
from mjwatch.filesystem.safe_names import safe_file_name, slug
from mjwatch.host.platform import require_write_access
from mjwatch.host.running import daemon_runs, wake_daemon
from mjwatch.inbox.references import preview_alone
from mjwatch.jobs.pacing import Pace
from mjwatch.jobs.status_text import quiet_text
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader, TakenFile
from mjwatch.journal.requests import ask, read_answer
from mjwatch.midjourney.requests import request_for
from mjwatch.model import Job, Prompt, State, UploadedImage
from mjwatch.prompts.actions import expand_then
from mjwatch.prompts.compose import clean, compose
from mjwatch.prompts.images import is_picture
from mjwatch.prompts.meaning import is_path
from mjwatch.prompts.source_text import sha256
from mjwatch.runtime import new_id
from mjwatch.trouble import resume_hint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mjwatch.client.in_process import Listener
    from mjwatch.config import Config
    from mjwatch.journal.requests import Outcome
    from mjwatch.model import Pause

POLL_INTERVAL = 0.2
"""Seconds between two reads of the journal while a daemon works on the jobs."""

RESTART_PATIENCE = 2.0
"""Seconds in which a daemon that has stopped may start again, before this process takes its work over."""

ANSWER_PATIENCE = 30.0
"""Seconds that a daemon gets to answer a request; a daemon that is just stopping needs some."""

WAKE_INTERVAL = 0.5
"""Seconds between two attempts to wake the daemon; each also checks whether it still runs."""

ANSWER_POLL = 0.02

ACCEPT_PATIENCE = 10.0
"""Seconds that a paused daemon gets to accept a prompt file, so that its jobs can be named."""


class StoppedError(DaemonError):
    """The daemon stopped while somebody waited for it."""

    def __init__(self) -> None:
        super().__init__("the daemon has stopped; what was submitted is kept", "start it: `mjwatch run`")


# ---- what to submit


@dataclass(frozen=True, slots=True)
class Submission:
    """Prompts by the ids that their jobs will have.

    ``path``: the file that the prompts could have come from; None for follow-ups. ``images``: the content of
    the local images that they name. ``content``: that of the file, where it is not just the prompts' text.
    ``notes``: how the prompts were read, where that is not how they are written, and probable mistakes.
    """

    prompts: Mapping[str, Prompt]
    path: str | None = None
    images: Mapping[str, bytes] = field(default_factory=dict)
    content: bytes | None = None
    notes: tuple[str, ...] = ()

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the request."""
        jobs = {
            job_id: {"prompt": asdict(prompt), "path": self.path, "notes": self.notes}
            for job_id, prompt in self.prompts.items()
        }
        return {"jobs": jobs}

    def file(self) -> TakenFile | None:
        """Return the file that the jobs came from, as the journal stores it."""
        if self.path is None:
            return None
        content = self.content
        if content is None:
            content = "\n".join(prompt.text for prompt in self.prompts.values()).encode()
        return TakenFile(self.path, sha256(content), time.time(), content, self.images)


def read_prompt(text: str, *, force: bool = False, action: str | None = None) -> tuple[Prompt, list[str]]:
    """Return the prompt that a prompt file with this text would give, and notes on how it was read.

    Raise PromptFileError, also if the text names a file or folder that exists. ``force``: the text is meant
    as it is written. ``action``: the follow-up that it is for, which may need no words.
    """
    if not force:
        check_no_file(text)
    return compose(text.replace("\ufeff", ""), force=force, action=action)


def check_no_file(text: str) -> None:
    """Raise PromptFileError if a file or folder of this name exists: a name is never sent as a prompt."""
    with suppress(OSError, ValueError, RuntimeError):  # too long for a name, a null character, no home
        if text.strip() and Path(text.strip()).expanduser().exists():
            raise is_path(text)


def as_prompt_file(text: str, *, force: bool = False) -> tuple[str, bytes]:
    """Return suffix and content of a prompt file with exactly this prompt; ``text`` is one line."""
    if not text.startswith("#") and not force:
        return ".txt", f"{text}\n".encode()
    # In a text file the line would be a comment. A JSON string is also a valid TOML string.
    line = "force = true\n" if force else ""
    return ".toml", f"{line}prompt = {json.dumps(text, ensure_ascii=False)}\n".encode()


def single_prompt(text: str, *, force: bool = False) -> Submission:
    """Return one prompt without any folder's defaults or wildcards. Raise what ``read_prompt`` raises."""
    prompt, notes = read_prompt(text, force=force)
    return Submission({new_id(): prompt}, f"{slug(prompt.text)}.txt", notes=tuple(notes))


def typed_line(config: Config, line: str, *, force: bool = False) -> Submission:
    """Return all prompts that a typed line stands for.

    The line is read like a file in the inbox, with that folder's defaults and wildcards. Raise
    PromptFileError, also if the line names a file or folder that exists.
    """
    text = clean(line.replace("\ufeff", ""))
    if not force:
        check_no_file(text)
    suffix, content = as_prompt_file(text, force=force)
    name = f"{slug(text)}{suffix}"
    found = preview_alone(name, content, config.inbox.path, config.pace.max_jobs_per_file)
    prompts = {new_id(): prompt for prompt in found.prompts}
    return Submission(prompts, name, content=content, notes=found.warnings)


def follow_ups(job_id: str, actions: Sequence[str], text: str = "") -> Submission:
    """Return these actions on a finished job; ``text`` is the new prompt of those that take one.

    Raise PromptFileError for an unknown action, and for a text that can't be sent.
    """
    names = expand_then(list(actions))
    if not names:
        raise PromptFileError("no follow-up is named", "name some: U1, V2, vary strong, zoom 2x …")
    prompt, notes = read_prompt(text, action=names[0]) if text.strip() else (Prompt(""), [])
    jobs = {new_id(): Prompt(prompt.text, action=name, parent=job_id) for name in names}
    return Submission(jobs, notes=tuple(notes))


def command(name: str, text: str, paths: Sequence[Path]) -> Submission:
    """Return a command other than imagine, with local pictures. Raise PromptFileError if it can't be sent."""
    if name == "imagine":
        raise PromptFileError("imagine has a command of its own", "use `mjwatch imagine` or `mjwatch submit`")
    images = {f"{number}-{safe_file_name(path.name)}": _picture(path) for number, path in enumerate(paths, 1)}
    prompt = Prompt(clean(text), command=name, images=tuple(images))
    uploaded = tuple(UploadedImage(image, image, image, 0.0) for image in images)
    try:
        request_for(Job(id="", prompt=prompt, accepted=0.0, uploads=uploaded))
    except ValueError as error:
        raise PromptFileError(str(error)) from error
    return Submission({new_id(): prompt}, f"{name.replace(' ', '-')}.txt", images)


def _picture(path: Path) -> bytes:
    try:
        path = path.expanduser()
        if path.stat().st_size > LARGEST_IMAGE:
            raise PromptFileError(f"{path} is too large", f"Discord accepts at most {LARGEST_IMAGE:,} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise PromptFileError(f"{path} can't be read: {error.strerror}", "check its name") from error
    if not is_picture(data):
        raise PromptFileError(f"{path} is not a picture", "PNG, JPEG, WebP and GIF can be uploaded")
    return data


# ---- submit


def submit(config: Config, submission: Submission) -> list[Outcome]:
    """Submit the prompts and return the outcome for each of their jobs; the jobs run when a daemon does.

    Raise DaemonError, JournalError.
    """
    return request(config, "give", submission.arguments(), submission.file())


def submit_all(config: Config, submissions: Sequence[Submission]) -> None:
    """Write all requests, and return once the last is answered. Raise DaemonError, JournalError."""
    *first, last = submissions
    journal = config.state.path / JOURNAL_FILE
    require_write_access(config.state.path, journal)
    for submission in first:
        ask(journal, "give", submission.arguments(), time.time(), submission.file())
    submit(config, last)  # requests are answered in order


def submit_and_wait(config: Config, submission: Submission, listener: Listener) -> list[Job]:
    """Submit the prompts and return their jobs once all are answered or wait for a person.

    Raise PausedError where a person is needed first, WaitTimeoutError at the listener's deadline,
    UnreachableError, LimitedError, DaemonError, JournalError.
    """
    state, job_ids = config.state.path, list(submission.prompts)
    stopped: StoppedError | None = None
    while True:
        if not daemon_runs(state):
            try:
                jobs = run_jobs(config, job_ids, lambda: _write_once(config, submission), listener)
            except ConfigError as error:
                if stopped is None:
                    raise
                raise stopped from error  # the daemon had keys that this user has not; it has the jobs
            if jobs is not None:
                return jobs
            continue
        try:
            if not _are_known(config, job_ids):
                submit(config, submission)
            return wait_for_jobs(config, lambda reader: _with_follow_ups(reader, job_ids), listener)
        except NoJournalError:  # the process that has the lock is just creating the journal
            time.sleep(POLL_INTERVAL)
        except StoppedError as error:
            # The other process may have been one like this, which runs no jobs but its own.
            if not _are_unsent(config, job_ids):
                raise
            stopped = error
            time.sleep(RESTART_PATIENCE)


def _write_once(config: Config, submission: Submission) -> None:
    """Write the request, unless a daemon that has stopped has already accepted the jobs."""
    if not _are_known(config, list(submission.prompts)):
        journal = config.state.path / JOURNAL_FILE
        ask(journal, "give", submission.arguments(), time.time(), submission.file())


def _are_known(config: Config, job_ids: Sequence[str]) -> bool:
    with closing(JournalReader(config.state.path / JOURNAL_FILE)) as reader:
        return all(reader.job(job_id) is not None for job_id in job_ids)


def _are_unsent(config: Config, job_ids: Sequence[str]) -> bool:
    with closing(JournalReader(config.state.path / JOURNAL_FILE)) as reader:
        jobs = [reader.job(job_id) for job_id in job_ids]
    return all(job is not None and job.state is State.QUEUED for job in jobs)


def _with_follow_ups(reader: JournalReader, job_ids: Sequence[str]) -> list[Job]:
    jobs = [job for job_id in job_ids if (job := reader.job(job_id)) is not None]
    for job in jobs:
        if job.prompt.then and job.state is State.DONE:
            jobs += reader.children_of(job.id)
    return jobs


def wait_for_jobs(
    config: Config, find: Callable[[JournalReader], list[Job]], listener: Listener
) -> list[Job]:
    """Wait until a daemon has answered all jobs that ``find`` reads; a job in doubt counts as answered.

    Raise what ``follow_jobs`` raises.
    """
    return deque(follow_jobs(config, find, listener), maxlen=1)[0]


def follow_jobs(
    config: Config, find: Callable[[JournalReader], list[Job]], listener: Listener
) -> Iterator[list[Job]]:
    """Yield the jobs that ``find`` reads again and again, until a daemon has answered all of them.

    Raise PausedError where a person is needed first, StoppedError where the daemon has stopped,
    WaitTimeoutError at the listener's deadline.
    """
    seen: dict[str, Job] = {}
    reported: str | None = None
    accepted_by = time.monotonic() + ACCEPT_PATIENCE
    while True:
        jobs, pause, trouble, limit = _read(config, find)
        for job in jobs:
            if seen.get(job.id) != job:
                seen[job.id] = job
                listener.changed(job)
        yield jobs
        if jobs and all(map(is_answered, jobs)):
            return
        if listener.is_late:
            raise WaitTimeoutError([job.id for job in jobs if not is_answered(job)])
        queued = [job.id for job in jobs if job.state is State.QUEUED]
        is_late = not jobs and time.monotonic() >= accepted_by
        if pause is not None and (queued or (jobs and trouble) or is_late):
            raise PausedError(pause.reason, resume_hint(pause), _fate(queued, jobs), queued)
        obstacle = trouble or (limit if queued else None)
        if obstacle is not None and obstacle != reported:
            listener.trouble(obstacle)
        reported = obstacle
        if not daemon_runs(config.state.path):
            raise StoppedError
        time.sleep(max(0.0, min(POLL_INTERVAL, listener.deadline - time.monotonic())))


def _fate(queued: Sequence[str], jobs: Sequence[Job]) -> str:
    """Return what becomes of jobs that a pause keeps from being sent."""
    if not jobs:
        return "the prompt file is kept in the inbox and runs after that; do not submit it again"
    if not queued:
        return "what was sent is fetched and published"
    names, verbs = (
        (f"job {queued[0]}", "is kept and runs")
        if len(queued) == 1
        else (f"jobs {', '.join(queued)}", "are kept and run")
    )
    return f"{names} {verbs} after that; do not submit the prompt again"


def _read(
    config: Config, find: Callable[[JournalReader], list[Job]]
) -> tuple[list[Job], Pause | None, str | None, str | None]:
    """Return the jobs, the pause, why Discord can't be used, and why queued jobs wait besides these."""
    try:
        with closing(JournalReader(config.state.path / JOURNAL_FILE)) as reader:
            jobs, now = find(reader), time.time()
            limit = reader.sending_limit(now) or _quiet_text(config, jobs, now)
            return jobs, reader.paused(), reader.recall("trouble"), limit
    except NoJournalError:
        return [], None, None, None


def _quiet_text(config: Config, jobs: Sequence[Job], now: float) -> str | None:
    """Return until when the time of the day holds any of these jobs that are queued; None if it doesn't."""
    queued = [job.prompt.priority for job in jobs if job.state is State.QUEUED]
    until = Pace.of(config.pace).quiet_until(now, min(queued)) if queued else None
    return None if until is None else quiet_text(until, now)


# ---- requests


def request(
    config: Config, verb: str, arguments: Mapping[str, Any], file: TakenFile | None = None
) -> list[Outcome]:
    """Write a request to the journal, have it answered, and return its outcomes.

    ``pause`` takes ``reason``; ``resume`` nothing; ``retry`` and ``cancel`` take ``jobs``, a table of ids
    with the number of attempts that the caller knows of; ``give`` takes ``jobs``, new ids with the fields of
    their ``prompt`` and its ``path``, and ``file`` is what they came from. Raise DaemonError where this user
    has no right to ask or no answer comes, JournalError where there is no journal, or an unusable one.
    """
    state = config.state.path
    journal = state / JOURNAL_FILE
    require_write_access(state, journal)
    with closing(JournalReader(journal)) as reader:
        request_id = ask(journal, verb, arguments, time.time(), file)
        deadline = time.monotonic() + ANSWER_PATIENCE
        while time.monotonic() < deadline:
            if daemon_runs(state):
                wake_daemon(state)
            else:
                answer_requests(config)
            outcomes = _wait_for_answer(reader, request_id, WAKE_INTERVAL)
            if outcomes is not None:
                return outcomes
    raise DaemonError(
        f"the daemon has not answered for {ANSWER_PATIENCE:.0f} s; the request is kept in the journal",
        "see the daemon's log for the reason",
    )


def _wait_for_answer(reader: JournalReader, request_id: int, patience: float) -> list[Outcome] | None:
    """Return the outcomes of a request, or None if there are none within so many seconds."""
    deadline = time.monotonic() + patience
    while (answer := reader.answer_of(request_id)) is None:
        if time.monotonic() >= deadline:
            return None
        time.sleep(ANSWER_POLL)
    return read_answer(answer)
