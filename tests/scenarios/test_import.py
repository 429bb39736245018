"""Import what the account made before or by hand: exactly its own pictures, once each; nothing is sent."""

from __future__ import annotations

import json
import signal
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from mjwatch.simulator.cdn.render import job_colours
from mjwatch.simulator.world import STRANGER_ID, USER_ID
from tests.helpers.published import manifest_paths
from tests.scenarios.picture_checks import first_pixels
from tests.scenarios.stage import HANG, Stage, open_stage, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers.daemons import Daemon

PEOPLE = (USER_ID, STRANGER_ID, "1111000000000000006")
FIRST = 1_700_000_000
"""When the first of the past jobs ended: 2023-11-14."""

OPTIONS = ("--grid", "32", "--format", "png", "--seconds-per-job", "0.2")


def past_jobs(number: int) -> list[dict[str, Any]]:
    """Jobs of three people in turns, some with equal prompts, some upscaled, every tenth one deleted."""
    jobs = [
        {
            "prompt": f"a lamp in room {n // 6} --ar 1:1",
            "user": PEOPLE[n % 3],
            "at": FIRST + n * 40_000,
            "deleted": n % 10 == 9,
        }
        for n in range(number)
    ]
    for n in range(12, number, 24):  # of the job before, by the same person
        jobs[n] |= {"upscales": 1 + n % 4, "user": jobs[n - 1]["user"]}
    return jobs


def check_imported(stage: Stage, made: list[dict[str, Any]]) -> None:
    """Check that the outbox has each picture of this account once, as the simulator has drawn it."""
    wanted = {past["message_id"]: past for past in made if past["user"] == USER_ID and not past["deleted"]}
    folders = stage.folders()
    manifests = {manifest["job"]: manifest for manifest in stage.manifests()}
    found = Counter(manifest["discord"]["message_id"] for manifest in manifests.values())
    assert found == Counter(wanted.keys())
    for job_id, manifest in manifests.items():
        past = wanted[manifest["discord"]["message_id"]]
        assert manifest["state"] == "done"
        assert manifest["source"]["kind"] == "channel"
        assert manifest["discord"]["job_uuid"] == past["job_uuid"]
        colours = job_colours(past["drawn_for"])
        assert first_pixels(folders[job_id], manifest) == [colours[tile - 1] for tile in past["tiles"]]
        if manifest["grid"] is not None:
            assert manifest["grid"]["sha256"] == past["sha256"]
    check_nothing_was_sent(stage)


def check_nothing_was_sent(stage: Stage) -> None:
    witness = stage.simulator_state()
    assert (witness["interactions"], witness["posts"], witness["messages"]) == ([], [], [])
    assert witness["cdn_with_authorization"] == witness["token_leaks"] == 0


def killed_in_the_middle(stage: Stage, process: Daemon, folders: int) -> None:
    """Kill the process once there are so many folders."""
    wait_until(
        lambda: len(manifest_paths(stage.outbox)) >= folders or process.poll() is not None,
        f"{folders} folders",
    )
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=HANG)


def imports_here(stage: Stage, made: list[dict[str, Any]], own: int, kills: int) -> None:
    """No daemon runs: the command itself imports, and is killed."""
    dry = stage.run("import", "--dry-run", "--json")
    assert json.loads(dry.stdout)["found"]["new"] == own, dry.stderr
    for kill in range(kills):
        killed_in_the_middle(stage, stage.fork("mjwatch", "import"), own * (kill + 1) // (kills + 2))
    finished = stage.run("import", "--json")
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["read"] == sum(not past["deleted"] for past in made)


def daemon_imports(stage: Stage, made: list[dict[str, Any]], own: int, kills: int) -> None:
    """A daemon imports, and is killed; it goes on by itself. Many addresses have expired."""
    stage.arm_fault(fault="cdn_404", count=own // 2)
    stage.arm_fault(fault="cdn_slow", match="in room 0 ", seconds=round(HANG * 2))  # the kill comes first
    daemon = stage.start_ready()
    one = stage.fork("mjwatch", "import")
    killed_in_the_middle(stage, daemon, own // (kills + 2))
    assert one.wait(timeout=HANG) == 3  # the daemon has stopped
    for kill in range(1, kills):
        killed_in_the_middle(stage, stage.start_ready(), own * (kill + 1) // (kills + 2))
    last = stage.start_ready()
    wait_until(lambda: len(stage.manifests()) >= own, "the rest", HANG * 2)
    assert stage.stop(last) == 0


_SHORT = (("2023", daemon_imports, 1), ("2024", imports_here, 0), ("2026", imports_here, 3))
_LONG = (("2023", imports_here, 3), ("2024", daemon_imports, 3), ("2026", daemon_imports, 3))


@pytest.mark.parametrize(
    ("profile", "way", "kills", "number"),
    [
        *((*case, 60) for case in _SHORT),
        *(pytest.param(*case, 600, marks=pytest.mark.long) for case in _LONG),
    ],
)
def test_exactly_the_pictures_of_this_account_are_imported_once_each(
    tmp_path: Path, profile: str, way: Any, kills: int, number: int
) -> None:
    with open_stage(tmp_path / "w", "--profile", profile, *OPTIONS) as stage:
        made = stage.add_past(past_jobs(number))
        own = sum(past["user"] == USER_ID and not past["deleted"] for past in made)
        way(stage, made, own, kills)
        check_imported(stage, made)
        again = json.loads(stage.run("import", "--json").stdout)
        assert (again["found"]["new"], again["found"]["known"], again["failed"]) == (0, own, 0)
        check_imported(stage, made)


def test_what_is_made_by_hand_is_collected_beside_equal_prompts_and_can_be_worked_on(tmp_path: Path) -> None:
    with open_stage(tmp_path / "w", "--profile", "2026", *OPTIONS) as stage:
        stage.set_config("outbox", collect_by_hand=True)
        old = stage.add_past(past_jobs(3))
        stage.start_ready()
        for n in range(4):
            stage.arm_fault(fault="by_hand_twin", match=f"twin {n} ")
            stage.arm_fault(fault="foreign_twin", match=f"twin {n} ")
            stage.drop(f"{n}.txt", f"a twin {n} of a lamp\n")
        wait_until(lambda: len(stage.manifests()) >= 8, "four pictures by file and four by hand")
        by_file = [found for found in stage.manifests() if found["source"]["kind"] == "inbox"]
        by_hand = [found for found in stage.manifests() if found["source"]["kind"] == "channel"]
        executed = {one["job_uuid"]: one["nonce"] for one in stage.simulator_state()["interactions"]}
        assert {one["discord"]["job_uuid"]: one["discord"]["nonce"] for one in by_file} == executed
        assert len({one["discord"]["job_uuid"] for one in by_hand} - set(executed)) == len(by_hand) == 4
        for manifest in (*by_file, *by_hand):
            folder = stage.folders()[manifest["job"]]
            assert first_pixels(folder, manifest) == job_colours(manifest["discord"]["job_uuid"])
        assert old[0]["message_id"] not in {one["discord"]["message_id"] for one in by_hand}
        acted = stage.run("act", by_hand[0]["job"], "U1", "--wait")
        assert acted.returncode == 0, acted.stderr
        (child,) = (one for one in stage.manifests() if one["parent"] == by_hand[0]["job"])
        assert (child["state"], child["action"]) == ("done", "U1")
        check_folder_import(stage, tmp_path / "old")


def check_folder_import(stage: Stage, old: Path) -> None:
    """Check that pictures of a folder are copied once each, beside a daemon, and sent nowhere."""
    before, sent = len(stage.manifests()), stage.simulator_state()["posts"]
    old.mkdir()
    for number in range(10):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(old / f"ada_a_lamp_{uuid.uuid4()}.png")
    contents = {path.read_bytes() for path in old.iterdir()}
    for imported in (10, 0):
        result = stage.run("import", str(old), "--json")
        assert result.returncode == 0, result.stderr
        assert json.loads(result.stdout)["new"] == imported
    copies = list(stage.outbox.glob("_imported/old/a-lamp-*/*.png"))
    assert len(copies) == len(contents) == len(stage.manifests()) - before
    assert {path.read_bytes() for path in copies} == contents == {path.read_bytes() for path in old.iterdir()}
    assert list((stage.folder / "state" / "import").iterdir()) == []
    assert stage.simulator_state()["posts"] == sent
