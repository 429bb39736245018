"""Accepting prompt files: which become jobs, are removed, kept, held or left in the inbox."""

from __future__ import annotations

import itertools
import unicodedata
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mjwatch import effects
from mjwatch import events as ev
from mjwatch.engine.acceptance import Acceptance
from mjwatch.inbox.reading import read_settled
from mjwatch.jobs.intake import COPY_PATIENCE, HOUR
from mjwatch.journal.writer import Journal
from mjwatch.model import References, State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = 1_700_000_000.0
IDENTITY = (1, 2, 6, 3, 4)
_ALONE = References()

_numbers = itertools.count(1)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield journal


def _settled(path: str, data: bytes, mtime: float, references: References = _ALONE) -> ev.FileSettled:
    return replace(read_settled(path, data, IDENTITY, references, 100), mtime=mtime)


class Desk:
    """Accepts files and returns the outcome of each as one word. ``inbox``: the files kept there, if any."""

    def __init__(self, journal: Journal, inbox: set[str] | None = None) -> None:
        self.inbox = inbox
        self.journal = journal
        self._acceptance = Acceptance(
            journal,
            lambda: f"job{next(_numbers):05}",
            None if inbox is None else inbox.__contains__,
        )

    def take(
        self, path: str = "cat.txt", text: str = "a cat\n", *, mtime: float = NOW, now: float = NOW
    ) -> str:
        if self.inbox is not None:
            self.inbox.add(unicodedata.normalize("NFC", path))
        file = _settled(path, text.encode(), mtime)
        jobs, wanted = self._acceptance.file(file, now)
        if any(isinstance(effect, effects.DeferFile) for effect in wanted):
            assert jobs == []
            return "left"
        assert effects.RemoveFile(path, IDENTITY) in wanted
        return "run" if jobs else "known"

    def file(self, file: ev.FileSettled) -> tuple[list[str], list[effects.Effect]]:
        jobs, wanted = self._acceptance.file(file, NOW)
        return [job.id for job in jobs], wanted


# ---- removed


def test_a_loop_that_copies_a_file_again_and_again_runs_it_twice_an_hour(journal: Journal) -> None:
    desk, now = Desk(journal), NOW
    became = []
    for minute in range(0, 130, 10):
        now = NOW + minute * 60
        became.append(desk.take(mtime=now, now=now))
    assert became == ["run", "run", *["left"] * 4, "run", "run", *["left"] * 4, "run"]


def test_a_held_file_is_reported_and_left_until_the_hour_is_over(journal: Journal) -> None:
    desk = Desk(journal)
    assert [desk.take(mtime=NOW + n, now=NOW + n) for n in (0.0, 10.0)] == ["run", "run"]
    jobs, [effect] = desk.file(_settled("cat.txt", b"a cat\n", NOW + 20))
    assert jobs == []
    assert isinstance(effect, effects.DeferFile)
    assert (effect.path, effect.seconds) == ("cat.txt", HOUR)
    assert "twice within an hour" in (effect.why or "")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_delivery_is_the_same_however_its_accents_are_composed(journal: Journal, form: str) -> None:
    desk = Desk(journal)
    assert desk.take("café.txt") == "run"
    assert desk.take(unicodedata.normalize(form, "café.txt"), mtime=NOW + 1.5) == "known"  # type: ignore[arg-type]


def test_a_name_that_is_not_utf_8_is_recognised(journal: Journal) -> None:
    desk = Desk(journal)
    assert [desk.take("caf\udce9.txt"), desk.take("caf\udce9.txt"), desk.take("caf\\udce9.txt")] == [
        "run",
        "known",
        "run",
    ]


def test_pictures_are_taken_with_the_file(journal: Journal) -> None:
    text = b'prompt = "a cat"\nimages = ["ref.png"]\n'
    png = b"\x89PNG\r\n\x1a\n" + bytes(30)
    around = References(images={"ref.png": png})
    [job], _ = Desk(journal).file(_settled("cat.toml", text, NOW, around))
    assert journal.image_of(job, "ref.png") == png


def test_a_file_whose_picture_is_missing_is_one_rejected_job_that_names_it(journal: Journal) -> None:
    text = b'prompt = "a cat"\nimages = ["ref.png"]\n'
    [job_id], wanted = Desk(journal).file(_settled("cat.toml", text, NOW))
    job = journal.job(job_id)
    assert job is not None
    assert job.state is State.REJECTED
    assert job.refusal is not None
    assert "ref.png" in job.refusal.title + job.refusal.detail  # type: ignore[operator]
    assert wanted == [effects.PublishFailure(job), effects.RemoveFile("cat.toml", IDENTITY)]


# ---- with a manifest


def test_a_manifest_beside_its_prompt_file_is_remembered_and_becomes_no_job(journal: Journal) -> None:
    desk = Desk(journal)
    page = ("a/ERROR.md", (1, 3, 5, 7, 9))
    file = ev.FileSettled("a/manifest.json", b"{}", NOW, IDENTITY, belongs_to="a/dog.txt", companions=(page,))
    for _ in range(2):
        assert desk.file(file) == (
            [],
            [effects.RemoveFile("a/manifest.json", IDENTITY), effects.RemoveFile(*page)],
        )
    assert len(journal.listed(None, 10)) == 0
    assert desk.take("a/manifest.json", "{}", mtime=NOW) == "known"


# ---- kept


def test_a_kept_file_is_run_once_whatever_is_done_to_it(journal: Journal) -> None:
    desk = Desk(journal, set())
    assert desk.take() == "run"
    assert desk.take(mtime=NOW + 1000, now=NOW + 1e6) == "known"
    assert desk.take(text="two cats\n", now=NOW + 1e6) == "run"
    assert desk.take(text="a cat\n", now=NOW + 2e6) == "known"


def test_a_new_start_knows_what_is_kept(journal: Journal) -> None:
    assert Desk(journal, set()).take() == "run"
    assert Desk(journal, set()).take(mtime=NOW + 1000) == "known"


def test_a_moved_file_is_not_run_and_not_when_it_comes_back_either(journal: Journal) -> None:
    inbox: set[str] = set()
    desk = Desk(journal, inbox)
    assert desk.take("a.txt") == "run"
    for path in ("b.txt", "c.txt", "a.txt", "b.txt"):
        inbox.clear()
        assert desk.take(path, mtime=NOW + 500) == "known"


def test_a_copy_is_run_after_a_while_if_the_first_one_stays(journal: Journal) -> None:
    desk = Desk(journal, set())
    assert desk.take("a.txt") == "run"
    assert desk.take("copy of a.txt", mtime=NOW + 500) == "left"
    assert desk.take("copy of a.txt", mtime=NOW + 500, now=NOW + COPY_PATIENCE) == "run"
    assert desk.take("copy of a.txt", mtime=NOW + 600) == "known"


def test_a_file_that_a_sync_tool_moves_in_two_steps_is_not_run(journal: Journal) -> None:
    inbox: set[str] = set()
    desk = Desk(journal, inbox)
    assert desk.take("a.txt") == "run"
    assert desk.take("b.txt", mtime=NOW + 500) == "left"
    inbox.discard("a.txt")
    assert desk.take("b.txt", mtime=NOW + 500, now=NOW + COPY_PATIENCE) == "known"


def test_a_kept_inbox_that_is_now_to_be_emptied_runs_nothing_again(journal: Journal) -> None:
    assert Desk(journal, set()).take() == "run"
    removing = Desk(journal)
    assert removing.take(mtime=NOW + 1000, now=NOW + 1e6) == "known"
    assert removing.take(mtime=NOW + 2000, now=NOW + 2e6) == "run"  # gone by then, and dropped again


def test_an_inbox_that_now_keeps_files_knows_those_that_could_not_be_removed(journal: Journal) -> None:
    assert Desk(journal).take() == "run"
    keeping = Desk(journal, set())
    assert keeping.take() == "known"
    assert keeping.take(mtime=NOW + 1000) == "known"
    assert journal.kept_paths() == {"cat.txt"}
