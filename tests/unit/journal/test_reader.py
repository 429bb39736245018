from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.journal.overview import MOST_WAITING, overview
from mjwatch.journal.reader import JobFilter, JournalReader, TakenFile
from mjwatch.journal.writer import Journal
from mjwatch.model import Job, Prompt, State
from tests.helpers.job_factory import RESULT, made_job

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 1_770_000_000.0
FILE = TakenFile("clients/acme/cat.txt", "ab" * 32, 1_769_999_999.5, b"a cat\n")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state/journal.sqlite3"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with closing(Journal(path)) as journal:
        yield journal


def accept(journal: Journal, *jobs: Job, keys: str = "") -> None:
    journal.accept(None, [(job, keys[n : n + 1] or job.id) for n, job in enumerate(jobs)], NOW)


def next_id(
    journal: Journal, now: float = NOW, blocked: Any = (), only: set[str] | None = None
) -> str | None:
    job = journal.next_queued(now, blocked, only=only)
    return None if job is None else job.id


def test_the_next_job_is_chosen_by_priority_then_by_arrival(journal: Journal) -> None:
    accept(journal, made_job("a"), made_job("b", priority=5), made_job("c", priority=5), made_job("d"))
    order = []
    while (job := journal.next_queued(NOW, ())) is not None:
        order.append(job.id)
        journal.update(replace(job, state=State.SUBMITTING))
    assert order == ["b", "c", "a", "d"]


def test_the_first_queued_jobs_are_those_of_higher_priority(journal: Journal) -> None:
    accept(
        journal, made_job("a"), made_job("b", priority=5), made_job("c"), made_job("d", state=State.RUNNING)
    )
    assert [job.id for job in journal.first_queued(9)] == ["b", "a", "c"]
    assert [job.id for job in journal.first_queued(2)] == ["b", "a"]


def test_the_overview_names_the_first_queued_jobs_and_shortens_their_prompts(journal: Journal) -> None:
    prompt = Prompt("x" * 500, label="spring", not_before=NOW + 9)
    jobs = [made_job(f"q{n}", prompt=prompt) for n in range(MOST_WAITING + 1)]
    accept(journal, *jobs, made_job("u", priority=5, prompt=Prompt("", action="U1", priority=5)))
    waiting = overview(journal, daemon=True, max_per_day=9, now=NOW)["waiting"]
    assert [job["job"] for job in waiting] == ["u", *(f"q{n}" for n in range(MOST_WAITING - 1))]
    assert waiting[0]["action"] == "U1"
    assert waiting[1]["prompt"] == "x" * 200
    assert (waiting[1]["label"], waiting[1]["not_before"]) == ("spring", NOW + 9)


def test_a_job_that_is_not_due_lets_others_pass(journal: Journal) -> None:
    accept(
        journal,
        made_job("a", next_action_at=NOW + 9),
        made_job("b", next_action_at=NOW + 5),
        made_job("c", next_action_at=NOW - 1),
    )
    assert next_id(journal) == "c"
    assert next_id(journal, NOW + 9) == "a"
    assert journal.next_queued_due(NOW) == NOW + 5
    assert journal.next_queued_due(NOW + 9) is None


def test_duplicates_of_blocked_jobs_wait(journal: Journal) -> None:
    accept(journal, *(made_job(name) for name in "abc"), keys="xxy")
    assert next_id(journal, blocked={"x"}) == "c"
    assert next_id(journal, blocked={"x", "y"}) is None
    assert next_id(journal, blocked=[str(number) for number in range(1000)]) == "a"


def test_the_choice_can_be_limited_to_one_job(journal: Journal) -> None:
    accept(journal, made_job("a", priority=9), made_job("b"))
    assert next_id(journal, only={"b"}) == "b"
    assert next_id(journal, only={"x"}) is None


def test_open_jobs_are_counted_and_listed_by_state(journal: Journal) -> None:
    done = made_job("d", state=State.DONE, published=NOW)
    failed = made_job("f", state=State.FAILED)  # open until its folder is published
    accept(journal, made_job("q"), made_job("r", state=State.RUNNING), done, failed, made_job("p"))
    assert journal.open_counts() == {State.QUEUED: 2, State.RUNNING: 1, State.FAILED: 1}
    counts = journal.open_counts()
    assert (counts[State.QUEUED], counts.get(State.DONE, 0)) == (2, 0)
    assert [job.id for job in journal.live_jobs()] == ["r", "f"]
    assert [job.id for job in journal.listed(None, 3)] == ["p", "f", "d"]
    assert [job.id for job in journal.listed(State.DONE, 3)] == ["d"]
    journal.update(replace(failed, published=NOW))
    assert [job.id for job in journal.live_jobs()] == ["r"]


def test_jobs_are_searched_by_all_conditions_at_once_the_newest_first(journal: Journal) -> None:
    for number in range(9):
        path = f"{('acme', 'Zoë')[number % 2]}/cat{number}.txt"
        state = (State.DONE, State.FAILED, State.QUEUED)[number % 3]
        prompt = Prompt("a cat", label="spring" if number > 4 else None)
        job = made_job(f"j{number}", prompt=prompt, state=state, accepted=NOW + number)
        journal.accept(replace(FILE, path=path), [(job, job.id)], NOW + number)

    def found(limit: int = 20, **wanted: Any) -> str:
        return "".join(job.id[1] for job in journal.search(JobFilter(**wanted), limit))

    assert found() == "876543210"
    assert found(limit=2) == "87"
    assert found(states=(State.DONE,)) == "630"
    assert found(states=(State.QUEUED, State.FAILED), limit=4) == "8754"
    assert found(label="spring") == "8765"
    assert found(label="\udce9") == ""
    assert found(source="acme/*") == "86420"
    assert found(source="Zoe\u0308/cat[13].*") == "31"
    assert [found(since=NOW + after) for after in (-1, 0, 3.5, 8, 8.5)] == [
        *("876543210", "876543210", "87654"),
        *("8", ""),
    ]
    assert found(states=(State.QUEUED,), label="spring", source="*cat8*", since=NOW + 1) == "8"


def test_a_job_is_found_by_the_ids_of_discord_and_midjourney_also_when_it_is_long_done(
    journal: Journal,
) -> None:
    done = made_job("d", state=State.DONE, published=NOW, job_uuid=RESULT.job_uuid, result=RESULT)
    accept(journal, done, made_job("q"))
    assert journal.owner_of(job_uuid=RESULT.job_uuid) == "d"
    assert journal.owner_of(job_uuid="other", message_id=RESULT.message_id) == "d"
    assert journal.owner_of(job_uuid="other", message_id="1") is None
    assert journal.owner_of() is None


def test_ids_are_found_by_their_beginning(journal: Journal) -> None:
    accept(journal, made_job("abc23456"), made_job("abd23456"), made_job("zzz23456"))
    assert journal.matching_ids("ab") == ["abc23456", "abd23456"]
    assert journal.matching_ids("zzz") == ["zzz23456"]
    assert [journal.matching_ids(odd) for odd in ("x", "%", "\udce9", "ä")] == [[], [], [], []]
    assert journal.job("\udce9") is None


def test_of_equal_files_the_last_accepted_one_counts(journal: Journal) -> None:
    for number in range(2):
        file = replace(FILE, mtime=FILE.mtime + number * 60)
        journal.accept(file, [(made_job(f"job{number}"), "")], NOW)
    assert [job.id for job in journal.jobs_of_file(FILE.path, FILE.sha256)] == ["job1"]
    assert [one.mtime for one in journal.taken(FILE.sha256)] == [FILE.mtime, FILE.mtime + 60]
    assert journal.jobs_of_file("other.txt", FILE.sha256) == []
    assert journal.file_of("nobody") is None


@given(
    jobs=st.lists(st.tuples(st.integers(-3, 3), st.sampled_from([None, 1.0, 5.0]), st.sampled_from("xyz"))),
    now=st.sampled_from([0.0, 1.0, 9.0]),
    blocked=st.sets(st.sampled_from("xyz")),
)
def test_the_next_job_is_the_one_that_a_plain_search_would_find(
    jobs: list[tuple[int, float | None, str]], now: float, blocked: set[str]
) -> None:
    made = [
        (made_job(f"job{number}", priority=priority, next_action_at=due), key)
        for number, (priority, due, key) in enumerate(jobs)
    ]
    free = [
        job
        for job, key in made
        if key not in blocked and (job.next_action_at is None or job.next_action_at <= now)
    ]
    with closing(memory_journal()) as journal:
        journal.accept(None, made, NOW)
        found = journal.next_queued(now, blocked)
        assert found == max(free, key=lambda job: job.prompt.priority, default=None)
        later = [
            job.next_action_at
            for job, _ in made
            if job.next_action_at is not None and job.next_action_at > now
        ]
        assert journal.next_queued_due(now) == min(later, default=None)


def memory_journal() -> Journal:
    """One that lies nowhere, so that there is no file for a group to write to."""
    with mock.patch("mjwatch.journal.writer.create_shared_file"):
        return Journal(Path(":memory:"))


# ---- speed: what is asked often touches an index on open jobs, however many are done


class Plans:
    """How SQLite answers the queries of a reader."""

    def __init__(self, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[str] = []
        original = JournalReader._all

        def explain(reader: JournalReader, query: str, *values: object) -> list[tuple[Any, ...]]:
            with closing(sqlite3.connect(reader.path)) as db:
                self.seen += [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {query}", values)]
            return original(reader, query, *values)

        def one(reader: JournalReader, query: str, *values: object) -> tuple[Any, ...] | None:
            rows = explain(reader, query, *values)
            return rows[0] if rows else None

        monkeypatch.setattr(JournalReader, "_all", explain)
        monkeypatch.setattr(JournalReader, "_one", one)

    def used(self) -> list[str]:
        """Return the indexes used since the last call; fail if a whole table was read."""
        seen, self.seen = self.seen, []
        whole = [plan for plan in seen if "SCAN" in plan and "INDEX" not in plan]
        assert set(whole) <= {"SCAN CONSTANT ROW", "SCAN waiting"}  # a row a top-level folder
        return [plan.split("INDEX ")[1].split()[0] for plan in seen if "INDEX " in plan]


@pytest.fixture
def plans(journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch) -> Plans:
    """In a journal with 100,000 jobs that are done."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
            " INSERT INTO jobs (id, state, open, priority, duplicate_key, job_uuid, start_message,"
            " result_message, attempts, accepted, body)"
            " SELECT 'd' || i, 'done', 0, 0, '', 'u' || i, 's' || i, 'm' || i, 1, i, '{}' FROM n"
        )
    accept(journal, *(made_job(f"q{number}", next_action_at=NOW + number) for number in range(20)))
    return Plans(journal, monkeypatch)


def test_a_search_by_age_reads_no_more_jobs_than_it_lists(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept(journal, *(made_job(f"q{number}") for number in range(100)))
    original, most = JournalReader._all, [0]

    def count(reader: JournalReader, query: str, *values: object) -> list[tuple[Any, ...]]:
        rows = original(reader, query, *values)
        most[0] = max(most[0], len(rows))
        return rows

    monkeypatch.setattr(JournalReader, "_all", count)
    assert len(journal.search(JobFilter(since=NOW - 1), 5)) == 5
    assert most == [5]


def test_no_query_of_the_loop_or_the_cli_reads_all_jobs(journal: Journal, plans: Plans) -> None:
    journal.next_queued(NOW, {"x", "y"})
    assert set(plans.used()) == {"jobs_queue"}
    journal.next_queued_due(NOW)
    assert plans.used() == ["jobs_by_next_action"]
    journal.live_jobs()
    journal.open_counts()
    journal.open_counts()
    journal.any_queued(NOW, {"x"})
    assert plans.used() == ["jobs_open", "jobs_put_back", *["jobs_open"] * 3]
    journal.first_queued(10)
    assert plans.used() == ["jobs_open"]
    journal.listed(State.FAILED, 20)
    assert plans.used() == ["jobs_by_state"]
    journal.search(JobFilter((State.FAILED, State.REJECTED)), 20)
    assert plans.used() == ["jobs_by_state"] * 2
    journal.search(JobFilter(label="spring"), 20)
    assert plans.used() == ["jobs_by_label"]
    journal.search(JobFilter(source="clients/*"), 20)
    assert set(plans.used()) == {"jobs_by_file", "files_by_path"}
    journal.owner_of(job_uuid="other", message_id="other", start_id="other")
    assert plans.used() == ["jobs_by_uuid", "jobs_by_result", "jobs_by_start"]
    journal.taken("b")
    journal.was_taken("a", "b")
    journal.jobs_of_file("a", "b")
    assert plans.used() == ["files_by_content", "files_by_path", "jobs_by_file", "files_by_path"]
    journal.was_delivered("a", NOW)
    assert plans.used() == ["files_by_path"]
    journal.keeps_files()
    journal.kept_paths()
    assert plans.used() == ["files_kept"] * 2
    journal.attempts_since(NOW)
    assert plans.used() == ["attempts_by_time"]
    journal.next_queued(NOW, (), only={"q1"})
    journal.job("q1")
    journal.matching_ids("q1")
    assert plans.used() == ["sqlite_autoindex_jobs_1"] * 3  # of the ids
    journal.file_of("q1")
    assert plans.used()[-1] == "sqlite_autoindex_jobs_1"
    assert len(journal.listed(State.QUEUED, 20)) == 20


def test_the_newest_jobs_are_read_from_the_end(journal: Journal, plans: Plans) -> None:
    newest = journal.listed(None, 20)
    assert len(plans.seen) == 1  # backwards by number: no sorting
    assert [job.id for job in newest] == [f"q{number}" for number in range(19, -1, -1)]
