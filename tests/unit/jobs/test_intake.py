from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.errors import PromptFileError
from mjwatch.inbox.reading import read_settled
from mjwatch.jobs.intake import job_for, make_jobs, rejected
from mjwatch.model import ID_ALPHABET, Job, Note, Prompt, References, RefusalClass, Source, State
from mjwatch.prompts.source_text import sha256

if TYPE_CHECKING:
    from mjwatch.events import FileSettled

NOW = 1_770_000_000.0
MTIME = 1_769_999_990.0


def settled(data: bytes, path: str = "clients/cat.txt", size: int | None = None) -> FileSettled:
    identity = (1, 2, len(data) if size is None else size, int(MTIME * 1e9), 4)
    return read_settled(path, data, identity, References(), 2 if path == "three.toml" else 100)


def made(file: FileSettled) -> list[Job]:
    return make_jobs(file, NOW, map("job{}".format, itertools.count()).__next__)


def test_a_text_file_is_one_job_that_knows_its_source() -> None:
    assert made(settled(b"a cat\n")) == [
        Job(
            id="job0",
            prompt=Prompt("a cat"),
            accepted=NOW,
            source=Source("clients/cat.txt", sha256(b"a cat\n"), MTIME, 0),
            history=(Note(NOW, "accepted"),),
        )
    ]


def test_each_prompt_of_a_file_is_its_own_job_in_order() -> None:
    jobs = made(settled(b'label = "spring"\nprompts = ["a cat", "a dog"]\n', "pets.toml"))
    assert [(job.id, job.prompt.text, job.prompt.label) for job in jobs] == [
        ("job0", "a cat", "spring"),
        ("job1", "a dog", "spring"),
    ]
    assert [job.source.index for job in jobs if job.source] == [0, 1]
    assert {job.state for job in jobs} == {State.QUEUED}


def test_the_ready_marker_does_not_change_what_a_file_is() -> None:
    assert len(made(settled(b"a cat\na dog\n", "pets.list.ready.txt"))) == 2
    assert made(settled(b'prompt = "a cat"\n', "cat.ready.toml"))[0].prompt.text == "a cat"


def test_warnings_for_a_person_are_in_the_history() -> None:
    [job] = made(settled(b'prompt = "a cat"\n[parameters]\nchaos = 900\n', "cat.toml"))
    assert [note.event.split(":")[0] for note in job.history] == ["accepted", "note"]


@pytest.mark.parametrize(
    ("data", "path", "why"),
    [
        (b"", "cat.txt", "the prompt is empty"),
        (b"\xff\xfe\x00", "cat.txt", "UTF-16"),
        (b"\x80", "cat.txt", "UTF-8"),
        (b"prompt = ", "cat.toml", "not valid TOML"),
        (b'prompts = ["a", "b", "c"]\n', "three.toml", "3"),
    ],
)
def test_an_unreadable_file_is_one_rejected_job(data: bytes, path: str, why: str) -> None:
    [job] = made(settled(data, path))
    assert job.state is State.REJECTED
    assert job.open  # until its folder is published
    assert job.finished == NOW
    assert job.refusal is not None
    assert job.refusal.kind is RefusalClass.USER
    assert why in (job.refusal.title or "")
    assert job.refusal.detail
    assert job.history[-1].event == f"rejected: {job.refusal.title}"
    assert job.source == Source(path, sha256(data), MTIME, 0)


def test_a_file_that_is_too_large_is_reported_with_its_real_size_and_where_it_is() -> None:
    [job] = made(settled(b"x" * 65_537, size=10_000_000))
    assert job.refusal is not None
    assert job.refusal.title == "the file has 10,000,000 bytes, but a prompt file may have at most 65,536"
    assert "stays in the inbox" in job.refusal.detail


@given(data=st.binary(max_size=60), name=st.sampled_from(["a.txt", "a.toml", "a.list.txt", "caf\udce9.txt"]))
def test_any_file_becomes_jobs_each_with_its_own_id(data: bytes, name: str) -> None:
    jobs = made(settled(data, name))
    assert len({job.id for job in jobs}) == len(jobs) > 0
    for index, job in enumerate(jobs):
        assert job.source == Source(name, sha256(data), MTIME, index)
        assert job.state is State.QUEUED or (len(jobs) == 1 and job.refusal is not None)


def test_a_prompt_from_the_command_line_is_a_job_as_if_it_had_come_from_a_file() -> None:
    job = job_for(
        Prompt("a cat"), "7k3f9a2m", NOW, Source("a-cat.txt", sha256(b"a cat"), NOW), lambda job_id: None
    )
    assert job.source == Source("a-cat.txt", sha256(b"a cat"), NOW, 0)
    assert (job.state, job.accepted, job.history) == (State.QUEUED, NOW, (Note(NOW, "accepted"),))


def test_no_letter_of_an_id_can_be_taken_for_another() -> None:
    assert len(set(ID_ALPHABET)) == len(ID_ALPHABET)
    assert not set(ID_ALPHABET) & set("0O1lI")


def test_a_rejected_job_has_the_command_of_its_file() -> None:
    error = PromptFileError("blend takes 2 to 5 pictures, not 1")
    error.command = "blend"
    assert rejected(None, error, NOW, "job0").prompt.command == "blend"
