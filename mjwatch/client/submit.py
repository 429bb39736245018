"""Jobs that are asked for without a prompt file: follow-ups and commands, by a daemon or in this process.

The one way to steer: a request in the journal, done by the daemon or, where none runs, in this process.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from mjwatch.client.in_process import answered, prompt_file, read_words, run_these
from mjwatch.config import load_keys
from mjwatch.discord.cdn import LARGEST_IMAGE
from mjwatch.errors import DaemonError, PausedError, PromptFileError
from mjwatch.events import RequestsPending
from mjwatch.filesystem.safe_names import safe_file_name, slug
from mjwatch.host.lock import daemon_lock
from mjwatch.host.platform import require_write_access
from mjwatch.host.running import daemon_runs, wake_daemon
from mjwatch.inbox.references import preview_alone
from mjwatch.jobs.intake import sha256
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader, TakenFile
from mjwatch.journal.requests import ask, read_answer
from mjwatch.midjourney.requests import request_for
from mjwatch.model import Job, Prompt, State, UploadedImage
from mjwatch.prompts.actions import expand_then
from mjwatch.prompts.compose import clean
from mjwatch.prompts.images import is_picture
from mjwatch.runtime import Runtime, new_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mjwatch.client.in_process import Listener
    from mjwatch.config import Config
    from mjwatch.journal.requests import Outcome


POLL = 0.2
"""Seconds between two looks into the journal while a daemon works on the jobs."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What is asked for: prompts by the ids that their jobs will have.

    ``path``: the file that they could have come from; None for follow-ups. ``images``: the content of the
    local images that they name. ``content``: that of the file, where it is not just the prompts' text.
    """

    prompts: Mapping[str, Prompt]
    path: str | None = None
    images: Mapping[str, bytes] = field(default_factory=dict)
    content: bytes | None = None

    def arguments(self) -> dict[str, Any]:
        """What the request says."""
        jobs = {
            job_id: {"prompt": asdict(prompt), "path": self.path} for job_id, prompt in self.prompts.items()
        }
        return {"jobs": jobs}

    def file(self) -> TakenFile | None:
        """What the jobs came from, for the journal."""
        if self.path is None:
            return None
        content = self.content
        if content is None:
            content = "\n".join(prompt.text for prompt in self.prompts.values()).encode()
        return TakenFile(self.path, sha256(content), time.time(), content, self.images)


def follow_ups(job_id: str, actions: Sequence[str], words: str = "") -> Submission:
    """These actions on a finished job, with new words for those that take some.

    Raises PromptFileError for a name that is no follow-up's, and for words that can't be sent.
    """
    names = expand_then(list(actions))
    if not names:
        raise PromptFileError("no follow-up is named", "name some: U1, V2, vary strong, zoom 2x …")
    text = read_words(words).text if words.strip() else ""
    return Submission({new_id(): Prompt(text, action=name, parent=job_id) for name in names})


def typed(config: Config, line: str) -> tuple[Submission, list[str]]:
    """A prompt as it was typed, with all that it stands for, and a note on each thing that looks like a slip.

    It is read as a file of these words in the inbox would be, with that folder's defaults and wildcards.
    Raises PromptFileError.
    """
    words = clean(line.replace("\ufeff", ""))
    suffix, content = prompt_file(words)
    name = f"{slug(words)}{suffix}"
    found = preview_alone(name, content, config.inbox.path, config.pace.max_jobs_per_file)
    return Submission({new_id(): one for one in found.prompts}, name, content=content), list(found.warnings)


def command(name: str, text: str, paths: Sequence[Path]) -> Submission:
    """A command other than imagine, with local pictures. Raises PromptFileError for what can't be sent."""
    if name == "imagine":
        raise PromptFileError("imagine has a verb of its own", "`mjwatch imagine`, or `mjwatch submit`")
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
            raise PromptFileError(f"{path} is too large", f"Discord takes {LARGEST_IMAGE:,} bytes at most")
        data = path.read_bytes()
    except OSError as error:
        raise PromptFileError(f"{path} can't be read: {error.strerror}", "check its name") from error
    if not is_picture(data):
        raise PromptFileError(f"{path} is no picture", "PNG, JPEG, WebP and GIF can be uploaded")
    return data


def give(config: Config, wish: Submission) -> list[Outcome]:
    """Hand it in and return what became of each of its jobs; they run when a daemon does.

    Raises DaemonError, JournalError.
    """
    return steer(config, "give", wish.arguments(), wish.file())


def give_and_wait(config: Config, wish: Submission, listener: Listener) -> list[Job]:
    """Hand it in, and wait until all its jobs have their answers, or wait for a person's word.

    Raises PausedError where a person is needed first, UnreachableError, DaemonError, JournalError.
    """
    while True:
        if daemon_runs(config.state.path):
            steer(config, "give", wish.arguments(), wish.file())
            return _await(config, list(wish.prompts), listener)
        jobs = _run_here(config, wish, listener)
        if jobs is not None:
            return jobs


def _run_here(config: Config, wish: Submission, listener: Listener) -> list[Job] | None:
    """The jobs as they ended; None if another process was faster to take the lock."""
    journal = config.state.path / JOURNAL_FILE
    try:
        runtime = Runtime(config, load_keys(config), watch_inbox=False).__enter__()
    except DaemonError:
        if daemon_runs(config.state.path):
            return None
        raise
    try:

        def hand_in() -> None:
            ask(journal, "give", wish.arguments(), time.time(), wish.file())
            runtime.engine.put(RequestsPending())

        return run_these(runtime, list(wish.prompts), hand_in, listener)
    finally:
        runtime.__exit__()


def _await(config: Config, job_ids: Sequence[str], listener: Listener) -> list[Job]:
    """Wait for a daemon to answer them."""
    seen: dict[str, Job] = {}
    told: str | None = None
    with closing(JournalReader(config.state.path / JOURNAL_FILE)) as reader:
        while True:
            jobs = _with_follow_ups(reader, job_ids)
            for job in jobs:
                if seen.get(job.id) != job:
                    seen[job.id] = job
                    listener.changed(job)
            if len(jobs) >= len(job_ids) and all(map(answered, jobs)):
                return jobs
            pause = reader.paused()
            if pause is not None and any(job.state is State.QUEUED for job in jobs):
                kept = ", ".join(job.id for job in jobs if job.state is State.QUEUED)
                raise PausedError(f"{pause.reason} (kept in the queue: {kept})")
            trouble = reader.recall("trouble")
            if trouble is not None and trouble != told:
                listener.trouble(trouble)
            told = trouble
            if not daemon_runs(config.state.path):
                raise DaemonError("the daemon has stopped; the jobs are kept", "start it: `mjwatch run`")
            time.sleep(POLL)


def _with_follow_ups(reader: JournalReader, job_ids: Sequence[str]) -> list[Job]:
    jobs = [job for job_id in job_ids if (job := reader.job(job_id)) is not None]
    for job in jobs:
        if job.prompt.then and job.state is State.DONE:
            jobs += reader.children_of(job.id)
    return jobs


PATIENCE = 30.0
"""Seconds for a daemon to answer; one that is just stopping takes some."""

ROUND = 0.5
"""Seconds between two looks whether the daemon is still there, and two pokes."""

ANSWER_POLL = 0.02


def steer(
    config: Config, verb: str, arguments: Mapping[str, Any], file: TakenFile | None = None
) -> list[Outcome]:
    """Ask for something, see that it is done, and tell what became of it.

    ``pause`` takes ``reason``; ``resume`` nothing; ``retry`` and ``cancel`` take ``jobs``, a table of ids
    with the number of attempts that the asker knows of; ``give`` takes ``jobs``, new ids with the fields of
    their ``prompt`` and its ``path``, and ``file`` is what they came from. Raises DaemonError where this user
    has no right to it or no answer comes, JournalError where there is no journal, or none that can be used.
    """
    state = config.state.path
    journal = state / JOURNAL_FILE
    require_write_access(state, journal)
    with closing(JournalReader(journal)) as reader:
        request = ask(journal, verb, arguments, time.time(), file)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if daemon_runs(state):
                wake_daemon(state)
            else:
                _do_it_here(config)
            answer = wait_for_answer(reader, request, ROUND)
            if answer is not None:
                return answer
    raise DaemonError(
        f"the daemon has not answered for {PATIENCE:.0f} s; what was asked for is written down and kept",
        "see its log for what keeps it from doing it",
    )


def wait_for_answer(reader: JournalReader, request: int, patience: float) -> list[Outcome] | None:
    """What became of a request; None if that is not known within so many seconds."""
    end = time.monotonic() + patience
    while (answer := reader.answer_of(request)) is None:
        if time.monotonic() >= end:
            return None
        time.sleep(ANSWER_POLL)
    return read_answer(answer)


def _do_it_here(config: Config) -> None:
    """One turn of the loop without shells: what follows from it is handed out by the next start.

    Does nothing where another process was faster to take the lock: it does what was asked for.
    """
    from mjwatch.engine.queue import EventQueue
    from mjwatch.journal.writer import Journal
    from mjwatch.midjourney.channel import Channel
    from mjwatch.runtime import build_engine

    state = config.state.path
    try:
        with daemon_lock(state), closing(Journal(state / JOURNAL_FILE)) as journal:
            channel = Channel("", journal.owner_of, config.pace.quiet_time)
            queue = EventQueue(time.monotonic)
            build_engine(config, journal, channel, queue, perform=lambda effect: None).load()
    except DaemonError:
        if not daemon_runs(state):
            raise
