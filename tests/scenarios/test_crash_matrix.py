"""SIGKILL at every named crash point, then a normal start: nothing is lost, nothing is paid twice.

Each case kills mjwatch at one point, some cases at a second point during the recovery. Each case runs with a
gateway session that can be resumed, and with a session that is lost; in half of these cases the new session
has the id of the lost one.

Seen to catch: a POST in doubt sent again at the start; a session position that is not journaled; a drain that
does not wait for the proof; a redelivered file run again; a file moved aside and not put back; leftovers in
staging; a published folder that is not recognised.
"""

from __future__ import annotations

import json
import re
import signal
import urllib.request
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.journal.reader import JournalReader
from mjwatch.model import Job, State
from mjwatch.simulator.cdn.render import job_colours
from mjwatch.simulator.options import make_workspace
from tests.helpers.daemons import ForkedDaemon
from tests.scenarios.crash_points import POINTS
from tests.scenarios.fault_runs import reuse_session_ids
from tests.scenarios.picture_checks import first_pixels
from tests.scenarios.stage import HANG, Stage, environment, open_stage

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent

DONE, IN_DOUBT, FAILED = State.DONE, State.IN_DOUBT, State.FAILED


@dataclass(frozen=True)
class CrashCase:
    """The crash points at which successive starts are killed, and the required state of the job.

    ``state`` applies if the session can be resumed, ``state_if_lost`` if it is lost; None: only much later.
    """

    points: tuple[str, ...]
    state: State = DONE
    state_if_lost: State | None = DONE
    faults: tuple[dict[str, object], ...] = field(default=(), hash=False)
    prompt: str = "a lighthouse at dawn"

    @property
    def name(self) -> str:
        cause = "".join(f" of {fault['fault']}" for fault in self.faults if str(fault["fault"])[:4] == "post")
        return " then ".join(self.points) + (cause or (" of a refusal" if self.prompt == BANNED else ""))


def crash_case(*points: str, **changes: Any) -> CrashCase:
    return CrashCase(points, **changes)


LATE_HELLO = {"fault": "hello_late", "seconds": 3}
"""Delays sending until the step that the case is about has happened."""
SLOW_PICTURE = {"fault": "cdn_slow", "seconds": 3}
RESET, RESET_EXECUTED = {"fault": "post_reset"}, {"fault": "post_reset_executed"}
BANNED = "a banned-word-test"
NOT_EXECUTED = {"state_if_lost": IN_DOUBT}
"""The prompt was not executed, and without its session that cannot be known."""

CRASH_CASES = [
    *(
        crash_case(point, faults=(LATE_HELLO,))
        for point in (
            *("before-accept", "after-accept", "before-removal", "before-put-aside", "after-put-aside"),
            *("after-removal", "before-session"),
        )
    ),
    crash_case("after-put-aside", "in-put-back", faults=(LATE_HELLO,)),
    crash_case("after-session"),
    crash_case("before-submitting"),
    crash_case("after-submitting", **NOT_EXECUTED),
    crash_case("before-post", **NOT_EXECUTED),
    crash_case("in-request", **NOT_EXECUTED),
    crash_case("in-post"),
    crash_case("after-post"),
    crash_case("before-submitted"),
    crash_case("after-submitted"),
    crash_case("before-post", "before-doubt", **NOT_EXECUTED),
    crash_case("before-post", "after-doubt", **NOT_EXECUTED),
    crash_case("before-doubt", faults=(RESET,), **NOT_EXECUTED),
    crash_case("after-doubt", faults=(RESET,), **NOT_EXECUTED),
    crash_case("before-doubt", faults=(RESET_EXECUTED,)),
    crash_case("after-doubt", faults=(RESET_EXECUTED,)),
    crash_case("before-found-unsent", faults=(RESET,), **NOT_EXECUTED),
    crash_case("after-found-unsent", faults=(RESET,)),
    crash_case("in-post", "before-adopted"),
    crash_case("in-post", "after-adopted"),
    crash_case("before-started"),
    crash_case("after-started"),
    crash_case("before-progress"),
    crash_case("after-progress"),
    crash_case("before-finished"),
    crash_case("after-finished"),
    crash_case("before-download"),
    crash_case("in-download", faults=(SLOW_PICTURE,)),
    crash_case("after-download"),
    crash_case("in-split"),
    crash_case("after-split"),
    crash_case("in-staging"),
    crash_case("before-staging"),
    crash_case("after-staging"),
    crash_case("before-rename"),
    crash_case("after-rename"),
    crash_case("after-rename", "before-done"),
    crash_case("after-publish"),
    crash_case("before-done"),
    crash_case("after-done"),
    *(
        crash_case(point, prompt=BANNED, state=FAILED, state_if_lost=state_if_lost)
        for point, state_if_lost in {
            "before-failed": None,
            "after-failed": FAILED,
            "in-staging": FAILED,
            "before-rename": FAILED,
            "after-rename": FAILED,
            "before-answered": FAILED,
            "after-answered": FAILED,
        }.items()
    ),
    crash_case("before-shutdown"),
    crash_case("after-shutdown"),
]


CASES = [
    (case, resumable)
    for resumable in (True, False)
    for case in CRASH_CASES
    if resumable or case.state_if_lost is not None
]
NAMES = [f"{case.name}, session {'resumed' if resumable else 'lost'}" for case, resumable in CASES]


@dataclass
class Outcome:
    """The results after the recovery."""

    codes: list[int]
    state: dict[str, Any]
    manifests: list[dict[str, Any]]
    jobs: list[Job]
    shown: list[dict[str, Any]]
    folder: Path
    leftovers: list[str]


def run_case(case: CrashCase, resumable: bool, stage: Stage) -> Outcome:
    """Crash at each of the points in turn, then drain normally, and return the results."""
    stage.set_config("pace", quiet_time=5)
    stage.set_config("inbox", settle=0.1)
    for fault in case.faults:
        stage.arm_fault(**fault)
    if not resumable:
        stage.arm_fault(fault="gateway_invalid_session", count=99)
        reuse_session_ids(stage, case.name)
    stage.drop("lighthouse.ready.txt", f"{case.prompt}\n")
    codes = [crash(stage, point) for point in case.points]
    codes.append(stage.start("--drain").wait(timeout=HANG))
    with closing(JournalReader(stage.folder / "state" / "journal.sqlite3")) as journal:
        jobs = journal.listed(None, 10)
    shown = [json.loads(stage.run("show", job.id, "--json").stdout) for job in jobs if job.open]
    folder = next(iter(stage.folders().values()), stage.outbox)
    return Outcome(codes, stage.simulator_state(), stage.manifests(), jobs, shown, folder, stage.leftovers())


def crash(stage: Stage, point: str) -> int:
    arguments = [point, stage.address, "--config", str(stage.config), "run", "--drain"]
    log = stage.folder / "mjwatch.log"
    return ForkedDaemon("tests.scenarios.crash_points", *arguments, log=log, env=environment()).wait(HANG)


def reset(address: str) -> None:
    request = urllib.request.Request(f"http://{address}/_sim/reset", data=b"", method="POST")
    with urllib.request.urlopen(request, timeout=HANG) as answer:
        assert answer.status == 200


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start one simulator for all cases of a worker process, and yield its address."""
    options = ("--seconds-per-job", "0.3", "--format", "png")
    with open_stage(tmp_path_factory.mktemp("simulator"), *options) as stage:
        yield stage.address


@pytest.mark.parametrize(("case", "resumable"), CASES, ids=NAMES)
def test_a_killed_daemon_continues_where_it_stopped(
    case: CrashCase, resumable: bool, simulator: str, tmp_path: Path
) -> None:
    reset(simulator)
    make_workspace(tmp_path, simulator)
    found = run_case(case, resumable, Stage(tmp_path, simulator))
    (job,) = found.jobs
    assert found.codes == [*([-signal.SIGKILL] * len(case.points)), 4 if job.state is IN_DOUBT else 0]
    assert job.state == (case.state if resumable else case.state_if_lost)
    assert found.leftovers == []
    executed = [entry for entry in found.state["interactions"] if entry["nonce"] in job.nonces]
    assert executed == found.state["interactions"]
    if job.state is State.IN_DOUBT:
        assert found.manifests == []
        assert executed == []
        (shown,) = found.shown
        assert (shown["state"], shown["nonces"]) == (IN_DOUBT, list(job.nonces))
        assert "not known" in shown["error"]
        assert shown["mend"]
    else:
        (entry,) = executed
        (manifest,) = found.manifests
        assert (manifest["job"], manifest["state"]) == (job.id, job.state)
        assert entry["outcome"] == {State.DONE: "done", State.FAILED: "refused"}[job.state]
        check_pictures(entry["job_uuid"], manifest, found.folder)


def check_pictures(job_uuid: str, manifest: dict[str, Any], folder: Path) -> None:
    """Check that the pictures are those of this job, by their first pixel. A refused prompt has none."""
    assert {entry["file"] for entry in [*manifest["images"], *manifest["files"]]} < {
        path.name for path in folder.iterdir()
    }
    assert first_pixels(folder, manifest) == (job_colours(job_uuid) if manifest["state"] == DONE else [])


def test_every_crash_point_is_in_the_matrix_and_in_the_documentation() -> None:
    assert {point for case in CRASH_CASES for point in case.points} == set(POINTS)
    page = (ROOT / "docs" / "explanation" / "crash-points.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE)
    assert [name for cell in cells for name in re.findall(r"`([a-z-]+)`", cell)] == list(POINTS)
