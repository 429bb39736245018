"""A journal of an installation of 2026-11-30 opens with all its content, and work continues with it.

The JSON beside it says what must be found. Its names are not those of the code, so that a field or an event
of the code can be renamed without a change there. tests/data/journals/README.md says what made both.
"""

from __future__ import annotations

import base64
import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch import effects as ef
from mjwatch.engine.loop import Engine
from mjwatch.engine.queue import EventQueue
from mjwatch.jobs.pacing import Pace
from mjwatch.jobs.transitions import Timeouts
from mjwatch.journal.reader import JournalReader
from mjwatch.journal.requests import read_answer
from mjwatch.journal.writer import Journal
from mjwatch.midjourney.channel import Channel
from mjwatch.midjourney.matching.foreign_jobs import ForeignJobs
from mjwatch.model import (
    Button,
    ButtonPress,
    Job,
    Refusal,
    RemotePicture,
    Result,
    Source,
    State,
    UploadedImage,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

OLD = Path(__file__).parents[2] / "data/journals/2026-11-30.sqlite3"
READ_AT = 1_796_020_000.0
"""Seconds since 1970, a quarter of an hour after the last that was written; what is older than a day goes."""

OLD_FIELDS = 7
"""The fields that a foreign job had then."""

MUST_FIND = OLD.with_suffix(".json")

EFFECTS = {
    ef.FetchResult: "fetch the result",
    ef.PublishFailure: "publish the failure",
    ef.SendNotification: "tell a person",
    ef.Submit: "submit",
    ef.UploadImages: "upload",
    ef.PressCancel: "press cancel",
}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy of the old journal, as it was in the state folder."""
    return Path(shutil.copy(OLD, tmp_path / "journal.sqlite3"))


@pytest.fixture
def must_find() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(MUST_FIND.read_bytes())
    return found


def test_every_job_of_an_old_journal_comes_back_complete(old: Path, must_find: dict[str, Any]) -> None:
    found = as_json(jobs_in(old))
    assert set(found) == set(must_find["jobs"])
    for job_id, job in must_find["jobs"].items():
        assert found[job_id] == job, job_id


def test_an_old_journal_still_answers_every_question(old: Path, must_find: dict[str, Any]) -> None:
    assert as_json(answers_in(old)) == must_find["answers"]


def test_the_facts_of_an_old_journal_are_known(old: Path, must_find: dict[str, Any]) -> None:
    assert as_json(facts_in(old)) == must_find["facts"]


def test_a_start_continues_with_an_old_journal(old: Path, must_find: dict[str, Any]) -> None:
    assert as_json(restarted(old)) == must_find["restart"]


def test_an_old_journal_holds_every_state_of_a_job(must_find: dict[str, Any]) -> None:
    assert {job["state"] for job in must_find["jobs"].values()} == {str(state) for state in State}


# ---- what is found, in names that stay


def jobs_in(path: Path) -> dict[str, Any]:
    """Every job by its id."""
    with closing(Journal(path)), closing(JournalReader(path)) as reader:
        return {job.id: job_facts(job) for job in reversed(reader.listed(None, 1000))}


def job_facts(job: Job) -> dict[str, Any]:
    """All that is stored of the job, except the seconds that its history says it waits."""
    cancel = job.cancel_request
    return {
        "state": job.state,
        "open": job.open,
        "prompt": {
            "text": job.prompt.text,
            "command": job.prompt.command,
            "parameters": dict(job.prompt.parameters),
            "label": job.prompt.label,
            "images": job.prompt.images,
            "action": job.prompt.action,
            "parent": job.prompt.parent,
            "then": job.prompt.then,
            "priority": job.prompt.priority,
            "not_before": job.prompt.not_before,
            "application": job.prompt.application,
        },
        "accepted": job.accepted,
        "source": _source(job.source),
        "parent": job.parent,
        "button_press": _press(job.button_press),
        "modal": None if job.modal is None else [job.modal.id, job.modal.custom_id, job.modal.fields],
        "uploads": [_upload(one) for one in job.uploads],
        "next_action_at": job.next_action_at,
        "failed_tries": job.failed_tries,
        "nonces": job.nonces,
        "session_id": job.session_id,
        "anchor": job.anchor,
        "interaction_id": job.interaction_id,
        "message_id": job.message_id,
        "job_uuid": job.job_uuid,
        "percent": job.percent,
        "queued_by_bot": job.queued_by_bot,
        "start_deleted_at": job.start_deleted_at,
        "in_doubt_since": job.in_doubt_since,
        "cancel_button": _press(job.cancel_button),
        "cancel_request": None
        if cancel is None
        else {
            "asked": cancel.asked,
            "press_at": cancel.next_action_at,
            "nonce": cancel.nonce,
            "pressed": cancel.pressed,
            "answered": cancel.answered,
        },
        "submitted": job.submitted,
        "started": job.started,
        "finished": job.finished,
        "published": job.published,
        "folder": job.folder,
        "result": _result(job.result),
        "refusal": _refusal(job.refusal),
        "history": [[note.at, note.event.partition("; again in ")[0]] for note in job.history],
    }


def _source(source: Source | None) -> list[Any] | None:
    return None if source is None else [source.path, source.sha256, source.mtime, source.index]


def _press(press: ButtonPress | None) -> dict[str, Any] | None:
    if press is None:
        return None
    return {
        "message_id": press.message_id,
        "custom_id": press.custom_id,
        "flags": press.flags,
        "opens_form": press.form,
        "new_words": press.words,
    }


def _upload(image: UploadedImage) -> list[Any]:
    return [image.filename, image.uploaded_filename, image.url, image.at]


def _result(result: Result | None) -> dict[str, Any] | None:
    if result is None:
        return None
    return {
        "message_id": result.message_id,
        "matched_by": result.matched_by,
        "job_uuid": result.job_uuid,
        "echoed": result.echoed,
        "pictures": [_picture(one) for one in result.pictures],
        "buttons": [_button(one) for one in result.buttons],
        "kind": result.kind,
        "text": result.text,
        "flags": result.flags,
    }


def _picture(picture: RemotePicture) -> list[Any]:
    size = [picture.width, picture.height, picture.size]
    return [picture.filename, picture.url, *size, picture.content_type]


def _button(button: Button) -> list[Any]:
    return [button.custom_id, button.label]


def _refusal(refusal: Refusal | None) -> dict[str, Any] | None:
    if refusal is None:
        return None
    return {
        "class": refusal.kind,
        "title": refusal.title,
        "detail": refusal.detail,
        "needs_human": refusal.needs_human,
        "retry_after": refusal.retry_after,
        "advice": refusal.advice,
        "token": refusal.token,
        "stopped": refusal.stopped,
    }


def answers_in(path: Path) -> dict[str, Any]:
    """What the loop and the CLI look up in it: by columns and indices, not by the body of a job."""
    with closing(Journal(path)), closing(JournalReader(path)) as reader:
        jobs = reader.listed(None, 1000)
        contents = {file.sha256 for job in jobs if (file := reader.file_of(job.id)) is not None}
        return {
            "live": [job.id for job in reader.live_jobs()],
            "counts": {str(state): count for state, count in reader.open_counts().items()},
            "next": [_id(reader.next_queued(now, set())) for now in (READ_AT, READ_AT + 1e6)],
            "next_time": reader.next_queued_due(READ_AT),
            "any_queued": [reader.any_queued(READ_AT, set())],
            "ahead_of_a_duplicate": {job.id: _id(reader.duplicate_ahead(job.id)) for job in jobs},
            "children": {job.id: [child.id for child in reader.children_of(job.id)] for job in jobs},
            "owners": {
                job.id: [
                    reader.owner_of(job_uuid=job.job_uuid),
                    reader.owner_of(message_id=job.result.message_id if job.result else None),
                    reader.owner_of(start_id=job.message_id),
                ]
                for job in jobs
            },
            "files": {
                job.id: None if (file := reader.file_of(job.id)) is None else [file.path, file.content]
                for job in jobs
            },
            "images": {
                job.id: {name: reader.image_of(job.id, name) for name in job.prompt.images} for job in jobs
            },
            "taken": {
                content: [[one.path, one.mtime, one.at, one.kept, one.moved] for one in reader.taken(content)]
                for content in sorted(contents)
            },
            "kept_paths": sorted(reader.kept_paths()),
            "attempts": reader.attempts_since(0.0),
            "answered_requests": {
                str(number): [[one.job, one.done, one.message, one.needs_person] for one in read_answer(text)]
                for number in range(1, 40)
                if (text := reader.answer_of(number)) is not None
            },
        }


def _id(job: Job | None) -> str | None:
    return None if job is None else job.id


def facts_in(path: Path) -> dict[str, Any]:
    """The facts that are stored besides the jobs."""
    with closing(Journal(path)) as journal:
        channel, pause, strangers = _channel(journal), journal.paused(), ForeignJobs()
        channel.load(*map(journal.recall, ("gateway", "newest", "strangers")))
        strangers.load(journal.recall("strangers"))
        resume = channel.stream.resume_state()
        return {
            "pause": None if pause is None else [pause.reason, pause.kind],
            "resume": None if resume is None else [resume.session_id, resume.seq, resume.resume_gateway_url],
            "newest": channel.tracker.newest,
            "foreign_jobs": [list(one.values())[:OLD_FIELDS] for one in strangers.stored()],
            "identity": journal.identity(),
            "inbox_owned": journal.recall("inbox_owned"),
            "inbox": journal.recall("inbox"),
            "connected": journal.recall("connected"),
            "trouble": journal.recall("trouble"),
        }


def restarted(path: Path) -> dict[str, Any]:
    """What a start does with it: which facts of which job change, which effects and answers there are.

    The texts of new lines in the history are left out. A person who was notified is not notified again.
    """
    before = jobs_in(path)
    effects: list[ef.Effect] = []
    with closing(Journal(path)) as journal:
        asked = [request.id for request in journal.open_requests()]
        engine = Engine(
            journal,
            _channel(journal),
            EventQueue(lambda: READ_AT),
            effects.append,
            pace=Pace(max_in_flight=3, delay=0.0, jitter=0.0, max_per_day=0),
            timeouts=Timeouts(),
            min_fast_hours=0.0,
            clock=lambda: READ_AT,
            monotonic=lambda: READ_AT,
            rng=lambda: 0.5,
            new_nonce=lambda: "1500000000000009999",
            new_id=lambda: "newnewnew",
        )
        engine.load()
        engine._report()
        answers = {number: read_answer(journal.answer_of(number) or "[]") for number in asked}
        paused = engine.paused
    return {
        "changed": dict(_changes(before, jobs_in(path))),
        "effects": sorted([EFFECTS[type(one)], _id(getattr(one, "job", None)) or ""] for one in effects),
        "answers": {
            str(number): [[one.job, one.done, one.needs_person] for one in outcomes]
            for number, outcomes in answers.items()
        },
        "paused": paused,
    }


def _changes(before: dict[str, Any], after: dict[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    for job_id, job in after.items():
        then = before.get(job_id, {})
        changed = {key: job[key] for key in job if key != "history" and job[key] != then.get(key)}
        if changed:
            yield job_id, changed


def _channel(journal: Journal) -> Channel:
    return Channel("1111000000000000003", journal.owner_of, quiet_time=60.0)


def as_json(found: object) -> Any:
    """As it comes back from a JSON file; bytes in base64."""
    return json.loads(json.dumps(found, default=lambda data: base64.b64encode(data).decode()))
