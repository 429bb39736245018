"""``check --live`` against the simulator: complete, harmless, and right about each expectation.

Seen to catch: an expectation whose check looks at the wrong message; a job sent without the second yes.
"""

from __future__ import annotations

import io
import json
import stat
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.cli.live import run_live_check
from mjwatch.client.discord_api import connect
from mjwatch.config import Config, load_keys
from mjwatch.diagnostics.expectations import EXPECTATIONS, findings
from mjwatch.diagnostics.live_check import LiveCheck, LivePatience
from mjwatch.diagnostics.wire_evidence import Verdict
from mjwatch.errors import DaemonError, MjwatchError
from mjwatch.host.lock import daemon_lock
from mjwatch.jobs.pacing import DAY
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader, TakenFile
from mjwatch.journal.writer import Journal
from mjwatch.model import State
from mjwatch.simulator.options import PROFILE_NAMES
from mjwatch.simulator.world import CHANNEL_ID, GLOBAL_NAME, GUILD_ID, USER_ID, USER_TOKEN, USERNAME
from tests.helpers.job_factory import made_job
from tests.helpers.many_simulators import ManySimulators, many_simulators
from tests.helpers.timeouts import deadline
from tests.helpers.wire_flips import FLIPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from mjwatch.diagnostics.recording import WireEntry
    from tests.helpers.wire_flips import Flip

HANG = deadline(60.0)
AT_ONCE = 6
"""Checks that run at the same time; they mostly wait."""
SOMETIMES = {21, 39}
"""Expectations about a full queue and about errors."""

OTHERWISE_IN: dict[str, set[int]] = {"2023": {14, 16, 25, 28, 42}, "2024": {28, 31}, "2026": set()}
"""What each year's profile does otherwise, as docs/explanation/simulator.md says."""
UNSEEN_IN: dict[str, set[int]] = {"2023": {26, 34}, "2024": {34}, "2026": set()}
"""Without a uuid in the preview there is nothing to compare, without WebP no link."""


@pytest.fixture(scope="module")
def simulators() -> Iterator[ManySimulators]:
    with many_simulators() as found:
        yield found


ONE_FORM = {"fault": "wire", "format": "webp", "website": "link"}
"""Else the profile 2026 has several forms of results."""


def started(simulators: ManySimulators, folder: Path, profile: str = "2026") -> str:
    address = simulators.start(folder, profile=profile)
    if profile == "2026":
        arm(address, [ONE_FORM])
    return address


def arm(address: str, faults: Sequence[dict[str, Any]]) -> None:
    request = urllib.request.Request(
        f"http://{address}/_sim/faults",
        data=json.dumps(list(faults)).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=HANG) as answer:
        assert answer.status == 200


def state(address: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://{address}/_sim/state", timeout=HANG) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def checked(
    folder: Path,
    *,
    yes: bool,
    keeps_progress: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[WireEntry, ...]:
    """Run the check with the workspace's configuration; return its recording."""
    config = Config.load(folder / "config.toml", environ={})
    keys = load_keys(config, {})
    patience = LivePatience(0.0, HANG, HANG, HANG, 0.5 if keeps_progress else HANG, 0.5)
    with LiveCheck(config, keys, connect, say=say, ask=lambda question: yes, patience=patience) as live_check:
        live_check.run()
        return live_check.recording.entries()


def sent(folder: Path) -> int:
    """Return how many submissions of the last day count."""
    with closing(JournalReader(folder / "state" / JOURNAL_FILE)) as reader:
        return len(reader.attempts_since(time.time() - DAY))


def numbers(entries: Sequence[WireEntry], verdict: Verdict) -> set[int]:
    return {number for number, found in findings(entries).items() if found.verdict is verdict}


AT_A_RUN = LivePatience(0.0, HANG, HANG, HANG, HANG, 0.5)


def on_the_terminal(
    folder: Path, answers: str, monkeypatch: pytest.MonkeyPatch, *, show: bool = False
) -> None:
    """Run the command's part with a person's answers."""
    monkeypatch.setattr("sys.stdin", io.StringIO(answers))
    run_live_check(folder / "config.toml", folder / "report.md", show=show, patience=AT_A_RUN)


def test_a_person_who_says_no_has_sent_nothing(
    simulators: ManySimulators,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    address = started(simulators, tmp_path)
    on_the_terminal(tmp_path, "n\n", monkeypatch)
    out = capsys.readouterr().out
    assert "terms of Discord" in out
    assert "one job of your plan" in out
    assert out.endswith("Nothing was sent.\n")
    assert state(address)["identifies"] == 0


def test_the_report_is_shown_and_saved_if_the_person_wants_it(
    simulators: ManySimulators,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    address = started(simulators, tmp_path)
    arm(address, [{"fault": "wire", "guild_on_ephemeral": True}])
    on_the_terminal(tmp_path, "y\nn\ny\n", monkeypatch, show=True)
    out, saved = capsys.readouterr().out, (tmp_path / "report.md").read_text()
    assert saved in out
    assert stat.S_IMODE((tmp_path / "report.md").stat().st_mode) == 0o600
    assert "### 19. Ephemeral messages come without guild_id" in saved
    for secret in (USER_TOKEN, USERNAME, USER_ID, GUILD_ID, CHANNEL_ID, "://", GLOBAL_NAME):
        assert secret not in saved
    assert [one["command"] for one in state(address)["interactions"]] == ["info"]
    with pytest.raises(MjwatchError, match="exists already"):
        on_the_terminal(tmp_path, "y\n", monkeypatch)


def test_no_other_mjwatch_may_run_beside_the_check(
    simulators: ManySimulators, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = started(simulators, tmp_path)
    with daemon_lock(tmp_path / "state"), pytest.raises(DaemonError, match="already works"):
        on_the_terminal(tmp_path, "y\ny\ny\n", monkeypatch)
    assert state(address)["identifies"] == 0


def test_a_pause_and_waiting_jobs_forbid_to_send(
    simulators: ManySimulators,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    address = started(simulators, tmp_path)
    with closing(Journal(tmp_path / "state" / "journal.sqlite3")) as journal:
        journal.remember({"paused": {"reason": "a captcha", "kind": "account"}})
    on_the_terminal(tmp_path, "y\nn\n", monkeypatch)
    assert "sending is paused: a captcha" in capsys.readouterr().out
    assert state(address)["interactions"] == []
    with closing(Journal(tmp_path / "state" / "journal.sqlite3")) as journal:
        journal.remember({"paused": None})
        job = made_job("aaaa1111", state=State.IN_DOUBT)
        journal.accept(TakenFile("a.txt", "0" * 64, 1.0, b"x"), [(job, job.id)], 1.0)
    on_the_terminal(tmp_path, "y\nn\n", monkeypatch)
    assert "jobs wait for their result" in capsys.readouterr().out
    assert [one["command"] for one in state(address)["interactions"]] == ["info"]


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ({"fault": "required_action"}, "Discord limits this account"),
        ({"fault": "captcha"}, "asks for a captcha"),
        ({"fault": "captcha_iframe"}, "a check for a person"),
        ({"fault": "refuse:Pending mod message", "match": "info"}, "Midjourney asks for you"),
        ({"fault": "identify_closed", "code": 4004}, "rejects the session"),
    ],
)
def test_what_is_addressed_to_a_person_ends_the_check(
    simulators: ManySimulators,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: dict[str, Any],
    text: str,
) -> None:
    address = started(simulators, tmp_path)
    arm(address, [fault])
    on_the_terminal(tmp_path, "y\nn\n", monkeypatch)
    out = capsys.readouterr().out
    assert text in out.replace("\n", " ")
    assert "Send one /imagine" not in out
    assert state(address)["renderings"] == []
    assert all(one["custom_id"] is None for one in state(address)["interactions"])


@pytest.mark.parametrize("fault", ["moderated", "interaction_failed", "refuse:Banned prompt"])
def test_a_job_without_a_result_ends_the_wait(simulators: ManySimulators, tmp_path: Path, fault: str) -> None:
    """The picture of an earlier check, with the same prompt, is not taken for the new one."""
    address = started(simulators, tmp_path)
    checked(tmp_path, yes=True)
    arm(address, [{"fault": fault, "match": "paper boat"}])
    assert sent(tmp_path) == 1
    lines: list[str] = []
    entries = checked(tmp_path, yes=True, say=lines.append)
    assert sent(tmp_path) == 2
    assert numbers(entries, Verdict.OTHERWISE) == set()
    assert any(
        line.startswith(("imagine   it ended without a result", "imagine   refused")) for line in lines
    ), lines


@pytest.mark.parametrize(("fault", "counts"), [("post_error", 0), ("post_500_executed", 1)])
def test_a_job_counts_for_the_daily_cap_unless_it_was_surely_not_executed(
    simulators: ManySimulators, tmp_path: Path, fault: str, counts: int
) -> None:
    address = started(simulators, tmp_path)
    arm(address, [{"fault": fault, "match": "paper boat"}])
    checked(tmp_path, yes=True)
    assert sent(tmp_path) == counts
    config = (tmp_path / "config.toml").read_text()
    assert "max_per_day = 0" in config
    (tmp_path / "config.toml").write_text(config.replace("max_per_day = 0", "max_per_day = 1"))
    lines: list[str] = []
    checked(tmp_path, yes=True, say=lines.append)
    assert ("imagine   skipped: [pace] max_per_day = 1 is reached" in lines) is bool(counts)


def test_numbers_and_flips_are_complete() -> None:
    assert [row.number for row in EXPECTATIONS] == list(range(1, len(EXPECTATIONS) + 1))
    assert {flip.number for flip in FLIPS} == {row.number for row in EXPECTATIONS}


@pytest.mark.parametrize("profile", PROFILE_NAMES)
def test_in_each_profile_the_check_sees_everything(
    simulators: ManySimulators, tmp_path: Path, profile: str
) -> None:
    address = started(simulators, tmp_path, profile=profile)
    entries = checked(tmp_path, yes=True)
    assert numbers(entries, Verdict.OTHERWISE) == OTHERWISE_IN[profile]
    assert numbers(entries, Verdict.NOT_SEEN) == {*SOMETIMES, *UNSEEN_IN[profile]}
    record = state(address)
    assert [one["command"] for one in record["interactions"]] == ["info", "imagine"]
    assert record["token_leaks"] == record["cdn_with_authorization"] == record["downloads"] == 0


def test_without_the_second_yes_nothing_is_rendered(simulators: ManySimulators, tmp_path: Path) -> None:
    address = started(simulators, tmp_path)
    entries = checked(tmp_path, yes=False)
    assert numbers(entries, Verdict.OTHERWISE) == set()
    record = state(address)
    assert [one["command"] for one in record["interactions"]] == ["info"]
    assert record["renderings"] == []


def test_each_contradiction_is_named_and_nothing_else(simulators: ManySimulators, tmp_path: Path) -> None:
    lock = threading.Lock()

    def run(number: int, faults: Sequence[dict[str, Any]], *, keeps_progress: bool) -> tuple[WireEntry, ...]:
        folder = tmp_path / str(number)
        with lock:
            address = started(simulators, folder)
        arm(address, faults)
        return checked(folder, yes=True, keeps_progress=keeps_progress)

    def contradicted(item: tuple[int, Flip]) -> str:
        place, flip = item
        entries = run(
            2 * place,
            [flip.fault, *flip.also],
            keeps_progress=flip.fault.get("delete") == "missing" or flip.number in (8, 27),
        )
        found = numbers(entries, Verdict.OTHERWISE)
        wrong = f"{flip.name}: {sorted(found)} instead of {flip.number}" if found != {flip.number} else ""
        if flip.normal and not wrong:
            usual = run(2 * place + 1, flip.normal, keeps_progress=False)
            if flip.number not in numbers(usual, Verdict.EXPECTED):
                return f"{flip.name}: not as expected by {flip.normal}"
        return wrong

    with ThreadPoolExecutor(AT_ONCE) as pool:
        wrong = [text for text in pool.map(contradicted, enumerate(FLIPS)) if text]
    assert wrong == []
