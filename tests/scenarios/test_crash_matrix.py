"""SIGKILL at every named point of a job's life, then a normal start: nothing is lost, nothing is paid twice.

Each scene crashes mjwatch at one point, some of them at a second one during the recovery, once with a gateway
session that can be resumed and once with one that is lost.

Seen to catch: a POST in doubt at the start sent again; a session's place that is not journaled; a drain that
does not wait for the proof; a second delivery run; a file aside not put back; staging not swept; a published
folder not known again.
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
from tests.scenarios.picture_checks import first_pixels
from tests.scenarios.stage import HANG, Stage, environment, staged

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent

DONE, IN_DOUBT, FAILED = State.DONE, State.IN_DOUBT, State.FAILED


@dataclass(frozen=True)
class Scene:
    """The points at which one start after another is killed, and what must have become of the prompt.

    ``ends`` where the session can be resumed, ``ends_lost`` where it can't; None: only much later.
    """

    points: tuple[str, ...]
    ends: State = DONE
    ends_lost: State | None = DONE
    faults: tuple[dict[str, object], ...] = field(default=(), hash=False)
    prompt: str = "a lighthouse at dawn"

    @property
    def name(self) -> str:
        cause = "".join(f" of {fault['fault']}" for fault in self.faults if str(fault["fault"])[:4] == "post")
        return " then ".join(self.points) + (cause or (" of a refusal" if self.prompt == BANNED else ""))


def scene(*points: str, **changes: Any) -> Scene:
    return Scene(points, **changes)


LATE_HELLO = {"fault": "hello_late", "seconds": 3}
"""Keeps the prompt from being sent before what is looked at here has happened."""
SLOW_PICTURE = {"fault": "cdn_slow", "seconds": 3}
RESET, RESET_EXECUTED = {"fault": "post_reset"}, {"fault": "post_reset_executed"}
BANNED = "a banned-word-test"
UNKNOWN = {"ends_lost": IN_DOUBT}
"""Not executed, and without its session nobody can know."""

SCENES = [
    *(
        scene(point, faults=(LATE_HELLO,))
        for point in (
            *("before-accept", "after-accept", "before-removal", "before-put-aside", "after-put-aside"),
            *("after-removal", "before-session"),
        )
    ),
    scene("after-put-aside", "in-put-back", faults=(LATE_HELLO,)),
    scene("after-session"),
    scene("before-submitting"),
    scene("after-submitting", **UNKNOWN),
    scene("before-post", **UNKNOWN),
    scene("in-request", **UNKNOWN),
    scene("in-post"),
    scene("after-post"),
    scene("before-submitted"),
    scene("after-submitted"),
    scene("before-post", "before-doubt", **UNKNOWN),
    scene("before-post", "after-doubt", **UNKNOWN),
    scene("before-doubt", faults=(RESET,), **UNKNOWN),
    scene("after-doubt", faults=(RESET,), **UNKNOWN),
    scene("before-doubt", faults=(RESET_EXECUTED,)),
    scene("after-doubt", faults=(RESET_EXECUTED,)),
    scene("before-found-unsent", faults=(RESET,), **UNKNOWN),
    scene("after-found-unsent", faults=(RESET,)),
    scene("in-post", "before-adopted"),
    scene("in-post", "after-adopted"),
    scene("before-started"),
    scene("after-started"),
    scene("before-progress"),
    scene("after-progress"),
    scene("before-finished"),
    scene("after-finished"),
    scene("before-download"),
    scene("in-download", faults=(SLOW_PICTURE,)),
    scene("after-download"),
    scene("in-split"),
    scene("after-split"),
    scene("in-staging"),
    scene("before-staging"),
    scene("after-staging"),
    scene("before-rename"),
    scene("after-rename"),
    scene("after-rename", "before-done"),
    scene("after-publish"),
    scene("before-done"),
    scene("after-done"),
    *(
        scene(point, prompt=BANNED, ends=FAILED, ends_lost=ends_lost)
        for point, ends_lost in {
            "before-failed": None,
            "after-failed": FAILED,
            "in-staging": FAILED,
            "before-rename": FAILED,
            "after-rename": FAILED,
            "before-answered": FAILED,
            "after-answered": FAILED,
        }.items()
    ),
    scene("before-farewell"),
    scene("after-farewell"),
]


CASES = [
    (one, resumable)
    for resumable in (True, False)
    for one in SCENES
    if resumable or one.ends_lost is not None
]
NAMES = [f"{one.name}, session {'resumed' if resumable else 'lost'}" for one, resumable in CASES]


@dataclass
class Outcome:
    """What was found after the recovery."""

    codes: list[int]
    state: dict[str, Any]
    manifests: list[dict[str, Any]]
    jobs: list[Job]
    shown: list[dict[str, Any]]
    folder: Path
    left: list[str]


def play(scene: Scene, resumable: bool, stage: Stage) -> Outcome:
    """Crash at each of the points in turn, then run on normally until all is settled."""
    stage.set("pace", quiet_time=5)
    stage.set("inbox", settle=0.1)
    for fault in scene.faults:
        stage.fault(**fault)
    if not resumable:
        stage.fault(fault="gateway_invalid_session", count=99)
    stage.drop("lighthouse.ready.txt", f"{scene.prompt}\n")
    codes = [crash(stage, point) for point in scene.points]
    codes.append(stage.start("--drain").wait(timeout=HANG))
    with closing(JournalReader(stage.folder / "state" / "journal.sqlite3")) as journal:
        jobs = journal.listed(None, 10)
    shown = [json.loads(stage.run("show", job.id, "--json").stdout) for job in jobs if job.open]
    folder = next(iter(stage.folders().values()), stage.outbox)
    return Outcome(codes, stage.state(), stage.manifests(), jobs, shown, folder, stage.left())


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
    """One for all cases of a process, one after another; its address."""
    options = ("--seconds-per-job", "0.3", "--format", "png")
    with staged(tmp_path_factory.mktemp("simulator"), *options) as stage:
        yield stage.address


@pytest.mark.parametrize(("scene", "resumable"), CASES, ids=NAMES)
def test_a_killed_daemon_continues_where_it_stopped(
    scene: Scene, resumable: bool, simulator: str, tmp_path: Path
) -> None:
    reset(simulator)
    make_workspace(tmp_path, simulator)
    found = play(scene, resumable, Stage(tmp_path, simulator))
    (job,) = found.jobs
    assert found.codes == [*([-signal.SIGKILL] * len(scene.points)), 4 if job.state is IN_DOUBT else 0]
    assert job.state == (scene.ends if resumable else scene.ends_lost)
    assert found.left == []
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
    """A refused prompt has none; else they are those of this job, as their first pixel tells."""
    assert {entry["file"] for entry in [*manifest["images"], *manifest["files"]]} < {
        path.name for path in folder.iterdir()
    }
    assert first_pixels(folder, manifest) == (job_colours(job_uuid) if manifest["state"] == DONE else [])


def test_every_crash_point_is_in_the_matrix_and_in_the_documentation() -> None:
    assert {point for scene in SCENES for point in scene.points} == set(POINTS)
    page = (ROOT / "docs" / "explanation" / "crash-points.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE)
    assert [name for cell in cells for name in re.findall(r"`([a-z-]+)`", cell)] == list(POINTS)
