"""The Python API: what it drops, what it waits for, what it raises, and where it copies pictures."""

from __future__ import annotations

import json
import time
from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.api import Dropped, JobFailedError, MidjourneyAPI, StoppedError
from mjwatch.client.in_process import CONNECT_PATIENCE, LIMIT_PATIENCE, _is_over
from mjwatch.client.results import deliver
from mjwatch.client.submit import as_prompt_file, follow_ups, read_prompt, single_prompt
from mjwatch.config import Config
from mjwatch.engine.service_state import ConnectionTrouble
from mjwatch.errors import OutboxError, PausedError, PromptFileError
from mjwatch.host.lock import daemon_lock
from mjwatch.jobs.status_text import reason
from mjwatch.journal.reader import TakenFile
from mjwatch.journal.writer import Journal
from mjwatch.model import MANIFEST_SCHEMA, Job, Note, Refusal, RefusalClass, State
from mjwatch.prompts.compose import clean
from mjwatch.prompts.promptfile import read_prompt_file
from tests.helpers.message_shapes import a_job
from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BANNED = Refusal(RefusalClass.MODERATION, "Banned prompt", "The word is banned.", advice="Use another word.")


@pytest.fixture
def api(tmp_path: Path) -> MidjourneyAPI:
    (tmp_path / "config.toml").write_text("")
    return MidjourneyAPI(Config.load(tmp_path / "config.toml"))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "state" / "journal.sqlite3")) as journal:
        yield journal


# ---- prompts


CHOICES = st.lists(st.sampled_from(["{", "}", ",", "\\", "__", "a", "__a__", " ", "https://x/"])).map("".join)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60) | CHOICES)
def test_a_prompt_as_a_file_says_just_the_prompt(text: str) -> None:
    for words in (text, f"# {text}", f'#{text}"\\'):
        try:
            prompt, _ = read_prompt(words)
        except PromptFileError:
            continue
        suffix, data = as_prompt_file(clean(words))
        found = read_prompt_file(data, f"x{suffix}").prompts
        assert [one.text for one in found] == [prompt.text]


def test_what_may_be_no_prompt_is_refused_unless_forced(api: MidjourneyAPI, tmp_path: Path) -> None:
    for text in ("five.txt", str(tmp_path), "./try", "exit", '{"prompt": "a cat"}'):
        for ask in (api.submit, api.imagine):
            with pytest.raises(PromptFileError, match="--force"):
                ask(text)
    dropped = api.submit("five.txt", force=True)
    assert (api.config.inbox.path / dropped.name).read_text() == 'force = true\nprompt = "five.txt"\n'


def test_how_a_prompt_was_read_is_in_the_answer(api: MidjourneyAPI) -> None:
    dropped = api.submit("a cat —ar 16:9")
    assert dropped.notes == ('"—ar 16:9" was read as --ar 16:9',)
    assert single_prompt("a cat —ar 16:9").notes == dropped.notes


def test_the_text_of_a_follow_up_may_be_parameters_alone() -> None:
    submission = follow_ups("7k3f9a2m", ["zoom 1.8x"], "--zoom 1.8 —ar 3:2")
    assert [prompt.text for prompt in submission.prompts.values()] == ["--zoom 1.8 --ar 3:2"]
    assert submission.notes == ('"—ar 3:2" was read as --ar 3:2',)


def test_the_same_prompt_twice_is_two_files_also_when_the_first_was_taken(
    api: MidjourneyAPI, journal: Journal
) -> None:
    first = api.submit("a cat")
    second = api.submit("a cat")
    assert first.name != second.name
    (api.config.inbox.path / first.name).unlink()
    journal.accept(TakenFile(first.name, first.sha256, 1.0, b"a cat\n"), [], 1.0)
    assert api.submit("a cat").name not in {first.name, second.name}


def test_a_prompt_that_cannot_be_used_is_refused_before_anything_is_dropped(api: MidjourneyAPI) -> None:
    for text in ("", "a {red, blue} cat", "\udce9", "a\x1bcat"):
        with pytest.raises(PromptFileError):
            api.submit(text)
        with pytest.raises(PromptFileError):
            api.imagine(text)
    assert not api.config.inbox.path.exists()


# ---- waiting for a daemon


def _taken(api: MidjourneyAPI, journal: Journal, *jobs: Job) -> Dropped:
    dropped = api.submit("a cat")
    journal.accept(TakenFile(dropped.name, dropped.sha256, 1.0, b""), [(job, job.id) for job in jobs], 1.0)
    return dropped


def test_waiting_ends_when_every_job_has_its_answer_or_is_in_doubt(
    api: MidjourneyAPI, journal: Journal
) -> None:
    done = a_job("jobaaaaa", state=State.DONE, published=2.0)
    doubtful = a_job("jobbbbbb", state=State.IN_DOUBT)
    seen: list[Job] = []
    found = api.wait(_taken(api, journal, done, doubtful), seen.append)
    assert [job.id for job in found] == ["jobaaaaa", "jobbbbbb"] == [job.id for job in seen]


def test_waiting_ends_when_the_daemon_does(api: MidjourneyAPI) -> None:
    with pytest.raises(StoppedError) as stopped:
        api.wait(api.submit("a cat"))
    assert stopped.value.exit_code == 3


@pytest.mark.parametrize(
    ("state", "trouble"), [(State.QUEUED, None), (State.RUNNING, "closed with 4004"), (None, None)]
)
def test_waiting_ends_where_a_person_is_needed_first(
    api: MidjourneyAPI,
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
    state: State | None,
    trouble: str | None,
) -> None:
    monkeypatch.setattr("mjwatch.client.submit.ACCEPT_PATIENCE", 0.0)
    dropped = _taken(api, journal, *([a_job(state=state)] if state else []))
    journal.remember(
        {"paused": {"reason": "Discord asks for a captcha", "kind": "account"}, "trouble": trouble}
    )
    with daemon_lock(api.config.state.path), pytest.raises(PausedError) as paused:
        api.wait(dropped)
    assert paused.value.exit_code == 4
    assert "captcha" in str(paused.value)
    assert paused.value.jobs == (("jobaaaaa",) if state is State.QUEUED else ())
    fates = {
        State.QUEUED: "job jobaaaaa is kept and runs after that; do not submit the prompt again",
        State.RUNNING: "what was sent is fetched and published",
        None: "the prompt file is kept in the inbox and runs after that; do not submit it again",
    }
    assert fates[state] in str(paused.value)


def test_a_file_that_a_paused_daemon_accepts_late_is_named(
    api: MidjourneyAPI, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped = api.submit("a cat")
    journal.remember({"paused": {"reason": "a captcha", "kind": "account"}, "trouble": "a captcha"})
    data, job = b"a cat\n", a_job(state=State.QUEUED)
    file = TakenFile(dropped.name, dropped.sha256, 1.0, data)

    def sleep(seconds: float) -> None:
        if journal.job(job.id) is None:
            journal.accept(file, [(job, job.id)], 1.0)

    monkeypatch.setattr("mjwatch.client.submit.time.sleep", sleep)
    monkeypatch.setattr("mjwatch.client.submit.ACCEPT_PATIENCE", deadline(60))
    with daemon_lock(api.config.state.path), pytest.raises(PausedError, match="do not submit") as paused:
        api.wait(dropped)
    assert paused.value.jobs == (job.id,)


def test_a_job_that_runs_is_waited_for_though_the_sending_is_paused(
    api: MidjourneyAPI, journal: Journal
) -> None:
    job = a_job(state=State.RUNNING)
    dropped = _taken(api, journal, job)
    journal.remember({"paused": {"reason": "Discord asks for a captcha", "kind": "account"}})
    looks: list[Job] = []

    def look(changed: Job) -> None:
        looks.append(changed)
        if changed.state is State.RUNNING:
            journal.update(a_job(state=State.DONE, published=2.0))

    with daemon_lock(api.config.state.path):
        assert [found.state for found in api.wait(dropped, look)] == [State.DONE]
    assert [changed.state for changed in looks] == [State.RUNNING, State.DONE]


def test_why_the_daemon_can_not_use_discord_is_reported_once(
    api: MidjourneyAPI, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped = _taken(api, journal, a_job(state=State.QUEUED))
    journal.remember({"trouble": "no network"})
    reported: list[str] = []
    rounds = iter(range(3))

    def sleep(seconds: float) -> None:
        if next(rounds, None) is None:
            journal.update(a_job(state=State.DONE, published=2.0))

    monkeypatch.setattr("mjwatch.client.submit.time.sleep", sleep)
    with daemon_lock(api.config.state.path):
        api.wait(dropped, on_trouble=reported.append)
    assert reported == ["no network"]


# ---- running it here


class FakeEngine:
    """The part of the event loop that the decision to give up depends on."""

    def __init__(
        self,
        job: Job | None,
        paused: str | None = None,
        trouble: ConnectionTrouble | None = None,
        limit: float = 0.0,
        quiet: float = 0.0,
    ) -> None:
        self._job = job
        quiet_until = time.time() + quiet if quiet else None
        self.scheduler = SimpleNamespace(quiet_until=lambda job, now: quiet_until)
        self.paused = paused
        self.service = SimpleNamespace(
            needs_resume=paused is not None, connection_trouble=trouble, sending_wait=lambda: limit
        )

    def job(self, job_id: str) -> Job | None:
        return self._job


SOON, LATE, NEVER = (
    ConnectionTrouble("no network", next_try)
    for next_try in (CONNECT_PATIENCE - 1, CONNECT_PATIENCE + 1, float("inf"))
)
QUEUED, RUNNING = a_job(state=State.QUEUED), a_job(state=State.RUNNING)


@pytest.mark.parametrize(
    ("engine", "over"),
    [
        (FakeEngine(None), False),
        (FakeEngine(QUEUED), False),
        (FakeEngine(QUEUED, trouble=SOON), False),
        (FakeEngine(QUEUED, trouble=LATE), True),
        (FakeEngine(QUEUED, paused="captcha"), True),
        (FakeEngine(QUEUED, limit=LIMIT_PATIENCE - 1), False),
        (FakeEngine(QUEUED, limit=LIMIT_PATIENCE + 1), True),
        (FakeEngine(RUNNING, limit=LIMIT_PATIENCE + 1), False),
        (FakeEngine(QUEUED, quiet=60.0), False),
        (FakeEngine(QUEUED, quiet=LIMIT_PATIENCE + 86_400), True),
        (FakeEngine(RUNNING, quiet=LIMIT_PATIENCE + 86_400), False),
        (FakeEngine(RUNNING, paused="captcha"), False),
        (FakeEngine(RUNNING, trouble=LATE), False),
        (FakeEngine(RUNNING, paused="wrong token", trouble=NEVER), True),
        (FakeEngine(a_job(state=State.IN_DOUBT)), True),
        (FakeEngine(a_job(state=State.DONE)), False),
        (FakeEngine(a_job(state=State.DONE, published=2.0)), True),
    ],
)
def test_it_waits_as_long_as_an_answer_may_come(engine: Any, over: bool) -> None:
    assert _is_over(engine, "jobaaaaa", CONNECT_PATIENCE) is over


# ---- what came of it


def test_a_failure_says_why_and_what_to_do() -> None:
    error = JobFailedError(a_job(state=State.FAILED, refusal=BANNED))
    assert str(error) == (
        "job jobaaaaa got no pictures: Banned prompt: The word is banned. (Use another word.)"
    )
    assert error.exit_code == 1


@pytest.mark.parametrize(
    "job",
    [
        a_job(state=State.IN_DOUBT),
        a_job(state=State.FAILED, refusal=Refusal(RefusalClass.ACCOUNT, None, "captcha", needs_human=True)),
    ],
)
def test_a_failure_that_needs_a_person_ends_with_four(job: Job) -> None:
    assert JobFailedError(job).exit_code == 4


def test_a_job_has_a_reason_only_where_it_has_no_pictures() -> None:
    assert reason(a_job(state=State.RUNNING)) == ("", "")
    assert reason(a_job(state=State.DONE)) == ("", "")
    assert reason(a_job(state=State.CANCELLED)) == ("it was cancelled", "")
    failed = a_job(state=State.FAILED, history=(Note(1.0, "accepted"), Note(2.0, "failed: no disk")))
    assert reason(failed) == ("failed: no disk", "")


def _folder(parent: Path, name: str) -> Path:
    """Create a job's folder in an outbox."""
    folder = parent / "outbox" / name
    folder.mkdir(parents=True)
    (folder / "cat_1.png").write_text(name)
    (folder / "manifest.json").write_text(
        json.dumps({"schema": MANIFEST_SCHEMA, "images": [{"file": "cat_1.png"}]})
    )
    return folder


def test_the_first_and_all_later_answers_get_folders_of_their_own(tmp_path: Path) -> None:
    target = tmp_path / "pictures"
    first = deliver(_folder(tmp_path, "cat-a"), target)
    second = deliver(_folder(tmp_path, "cat-b"), str(target))
    assert first.folder == target / "cat-a"
    assert second.folder == target / "cat-b"
    assert [found.pictures[0].read_text() for found in (first, second)] == ["cat-a", "cat-b"]


def test_an_answer_that_is_collected_once_more_is_not_copied_twice(tmp_path: Path) -> None:
    folder, target = _folder(tmp_path, "cat-a"), tmp_path / "pictures"
    (target / ".cat-a.unfinished").mkdir(parents=True)  # a killed script has left it
    assert {deliver(folder, target).folder for _ in range(2)} == {target / "cat-a"}
    assert [path.name for path in target.iterdir()] == ["cat-a"]


def test_a_file_of_that_name_that_is_none_of_ours_is_kept(tmp_path: Path) -> None:
    (tmp_path / "cat-a").mkdir()
    (tmp_path / "cat-a" / "cat_1.png").write_text("mine")
    (tmp_path / "cat-a-2").write_text("mine")
    found = deliver(_folder(tmp_path, "cat-a"), tmp_path)
    assert (tmp_path / "cat-a" / "cat_1.png").read_text() == "mine"
    assert found.folder == tmp_path / "cat-a-3"


def test_pictures_that_cannot_be_copied_are_still_in_the_outbox(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = _folder(tmp_path, "cat-a")
    with pytest.raises(OutboxError, match="the pictures are in") as failed:
        deliver(folder, tmp_path / "file" / "below")
    assert str(folder) in failed.value.message


def test_without_a_place_to_copy_to_the_outbox_is_the_place(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "cat-a")
    assert deliver(folder, None).pictures == (folder / "cat_1.png",)
