"""The main job end to end: files into pictures, in real processes.

Seen to catch: the echoed prompt trusted more than ids; equal prompts sent at the same time where no id
distinguishes them; quadrants numbered column by column.
"""

from __future__ import annotations

import json
import shutil
import signal
import stat
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from mjwatch.model import State
from mjwatch.pictures.split import split_grid
from tests.helpers.metrics_text import samples_in
from tests.scenarios.fault_runs import open_patient_stage, read_journal, renders_blocked
from tests.scenarios.stage import Stage, open_stage, wait_until

if TYPE_CHECKING:
    from pathlib import Path


def test_files_dropped_in_every_way_become_four_pictures_each(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.txt"
    elsewhere.write_text("a moved lighthouse\n")
    with open_stage(tmp_path / "w", "--seconds-per-job", "0.3") as stage:
        with stage.config.open("a") as config:
            config.write('[metrics]\ntextfile = "mjwatch.prom"\n')
        stage.set_config("outbox", mode="0750")
        daemon = stage.start_ready()
        stage.drop("plain.txt", "a plain lighthouse\nat dawn\n")
        shutil.move(elsewhere, stage.inbox / "moved.txt")
        stage.drop("clients/acme/wide.toml", 'prompt = "a train"\n[parameters]\nar = "16:9"\ntile = true\n')
        stage.drop("two.toml", '[[jobs]]\nprompt = "one bird"\n[[jobs]]\nprompt = "two birds"\n')
        submitted = stage.run("submit", "a submitted lighthouse --ar 3:2", "--wait")
        assert submitted.returncode == 0, submitted.stderr
        wait_until(lambda: len(stage.manifests()) == 6, "six folders")
        # A folder is there before the journal, whose figures are checked below, has its job as done.
        wait_until(lambda: read_journal(stage, lambda j: len(j.listed(State.DONE, 10))) == 6, "six jobs done")
        assert stage.stop(daemon) == 0
        assert not list(stage.inbox.rglob("*.t*"))
        for manifest in stage.manifests():
            assert manifest["state"] == "done"
            assert len(manifest["images"]) == 4
        stage.check_simulator_record()
        modes = {stat.S_IMODE(path.stat().st_mode) & 0o777 for path in stage.folders().values()}
        assert modes == {0o750}
        assert stat.S_IMODE((stage.outbox / "status.json").stat().st_mode) == 0o640
        wide = next(m for m in stage.manifests() if m["source"]["path"] == "clients/acme/wide.toml")
        assert wide["prompt"]["submitted"] == "a train --ar 16:9 --tile"
        assert wide["images"][0]["width"] > wide["images"][0]["height"]
        figures = samples_in((stage.folder / "mjwatch.prom").read_bytes())
        assert figures["mjwatch_ended_jobs"][("done",)] == 6
        assert figures["mjwatch_submissions_last_day"] == {(): 6}
        assert figures["mjwatch_up"] == {(): 0}
        assert set(figures["mjwatch_disk_free_bytes"]) == {("outbox",), ("state",)}
        assert len(figures["mjwatch_phase_seconds"]) == 12


def test_every_file_matches_the_manifest_and_the_pictures_are_the_grids_quadrants(
    tmp_path: Path,
) -> None:
    large = ("--grid", "320", "--format", "png")  # large enough that rows are cut
    with open_stage(tmp_path / "w", "--seconds-per-job", "0.2", "--profile", "2024", *large) as stage:
        stage.drop("cat.txt", "a cat\n")
        stage.drain()
        (folder,) = stage.folders().values()
        manifest = json.loads((folder / "manifest.json").read_text())
        listed = [*manifest["images"], manifest["grid"], *manifest["files"]]
        assert {entry["file"] for entry in listed} | {"manifest.json"} == {p.name for p in folder.iterdir()}
        for entry in listed:
            data = (folder / entry["file"]).read_bytes()
            assert (len(data), sha256(data).hexdigest()) == (entry["bytes"], entry["sha256"])
        grid = Image.open(BytesIO((folder / manifest["grid"]["file"]).read_bytes()))
        width, height = grid.size
        x, y = width // 2, height // 2
        boxes = [(0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height)]
        for image, box in zip(manifest["images"], boxes, strict=True):
            assert grid.crop(box).tobytes() == Image.open(folder / image["file"]).tobytes()
        assert (folder / "cat.txt").read_text() == "a cat\n"


# More prompts than the 12 that run at the same time, so that slots are used again.
EQUAL_PROMPTS = pytest.mark.parametrize("count", [20, pytest.param(60, marks=pytest.mark.long)])


@EQUAL_PROMPTS
@pytest.mark.parametrize(
    ("profile", "delete"), [(p, d) for p in ("2024", "2026") for d in ("before", "after", "missing")]
)
def test_equal_prompts_never_swap_pictures(tmp_path: Path, profile: str, delete: str, count: int) -> None:
    options = ("--seconds-per-job", "0.5", "--profile", profile, "--delete", delete)
    with open_stage(tmp_path / "w", *options) as stage:
        for number in range(count):
            stage.drop(f"cat{number}.ready.txt", "a cat on a mat\n")
        stage.drain()
        assert len(stage.manifests()) == count
        stage.check_simulator_record()


@EQUAL_PROMPTS
@pytest.mark.parametrize("delete", ["before", "after", "missing"])
def test_equal_prompts_run_one_at_a_time_where_no_id_distinguishes_them(
    tmp_path: Path, delete: str, count: int
) -> None:
    options = ("--seconds-per-job", "0.1", "--profile", "2023", "--delete", delete)
    with open_stage(tmp_path / "w", *options) as stage:
        for number in range(count):
            stage.drop(f"cat{number}.ready.txt", "a cat on a mat\n")
        stage.drain()
        assert len(stage.manifests()) == count
        stage.check_simulator_record()
        assert {manifest["discord"]["matched_by"] for manifest in stage.manifests()} == {"text"}


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_daemon_cleanly_and_the_next_start_continues(
    tmp_path: Path, sig: signal.Signals
) -> None:
    with open_patient_stage(tmp_path / "w") as stage:
        with renders_blocked():
            daemon = stage.start()
            for name in ("a", "b", "c"):
                stage.drop(f"{name}.ready.txt", f"a picture of {name}\n")
            wait_until(lambda: len(stage.simulator_state()["interactions"]) == 3, "three running jobs")
            assert stage.stop(daemon, sig) == 0, stage.log
        stage.drain()
        assert [manifest["state"] for manifest in stage.manifests()] == ["done"] * 3
        assert len(stage.simulator_state()["interactions"]) == 3
        assert stage.simulator_state()["resumes"] == 1
        stage.check_simulator_record()


def test_a_cut_gateway_is_resumed_and_jobs_finished_meanwhile_are_delivered(tmp_path: Path) -> None:
    with open_patient_stage(tmp_path / "w") as stage:
        daemon = stage.start()
        with renders_blocked():
            for number in range(6):
                stage.drop(f"p{number}.ready.txt", f"picture number {number}\n")
            wait_until(lambda: len(stage.simulator_state()["interactions"]) == 6, "six running jobs")
            stage.arm_fault(fault="gateway_cut", count=1)
        wait_until(lambda: len(stage.manifests()) == 6, "six folders")
        assert stage.stop(daemon) == 0
        assert stage.simulator_state()["resumes"] >= 1
        stage.check_simulator_record()


def test_results_missed_by_a_lost_session_are_read_from_the_history(tmp_path: Path) -> None:
    with open_patient_stage(tmp_path / "w") as stage:
        daemon = stage.start()
        with renders_blocked():
            for number in range(4):
                stage.drop(f"p{number}.ready.txt", f"picture number {number}\n")
            wait_until(lambda: len(stage.simulator_state()["interactions"]) == 4, "four running jobs")
            stage.arm_fault(fault="gateway_invalid_session", count=1)
            stage.arm_fault(fault="gateway_cut", count=1)
        wait_until(lambda: len(stage.manifests()) == 4, "four folders")
        assert stage.stop(daemon) == 0
        assert stage.simulator_state()["identifies"] >= 2
        stage.check_simulator_record()


def test_a_stale_command_version_is_read_again_and_the_job_runs(tmp_path: Path) -> None:
    with open_stage(tmp_path / "w", "--seconds-per-job", "0.2") as stage:
        daemon = stage.start()
        stage.drop("first.ready.txt", "the first\n")
        wait_until(lambda: len(stage.manifests()) == 1, "the first folder")
        stage.arm_fault(fault="stale_version", count=1)
        stage.drop("second.ready.txt", "the second\n")
        wait_until(lambda: len(stage.manifests()) == 2, "the second folder")
        assert stage.stop(daemon) == 0
        assert [manifest["state"] for manifest in stage.manifests()] == ["done", "done"]
        assert [post["status"] for post in stage.simulator_state()["posts"]] == [204, 400, 204]


def test_direct_messages_work_like_a_guild_channel(tmp_path: Path) -> None:
    with open_stage(tmp_path / "w", "--seconds-per-job", "0.2") as stage:
        use_direct_messages(stage)
        stage.drop("cat.txt", "a cat in private\n")
        stage.drain()
        (manifest,) = stage.manifests()
        assert manifest["state"] == "done"
        assert manifest["discord"]["guild_id"] is None


def use_direct_messages(stage: Stage) -> None:
    from mjwatch.simulator.world import DM_CHANNEL_ID

    (stage.folder / "keys" / "API_guild_id.key").unlink()
    (stage.folder / "keys" / "API_channel_id.key").write_text(DM_CHANNEL_ID + "\n")


def test_an_unusable_prompt_file_is_rejected_and_other_files_still_run(tmp_path: Path) -> None:
    bad = {
        "broken.toml": b'prompt = "a cat\n',
        "unknown.toml": b'promt = "a cat"\n',
        "wrong.toml": b"prompt = 7\n",
        "long.txt": b"word " * 1400 + b"\n",
        "latin.txt": b"caf\xe9 on a table\n",
    }
    with open_stage(tmp_path / "w", "--seconds-per-job", "0.2") as stage:
        for name, data in bad.items():
            (stage.inbox / name).write_bytes(data)
        stage.drop("good.txt", "a good cat\n")
        stage.drain()
        by_name = {manifest["source"]["path"]: manifest for manifest in stage.manifests()}
        assert by_name["good.txt"]["state"] == "done"
        for name, data in bad.items():
            manifest = by_name[name]
            assert manifest["state"] == "rejected"
            assert manifest["error"]["title"]
            folder = stage.folders()[manifest["job"]]
            assert folder.is_relative_to(stage.outbox / "_failed")
            assert (folder / name).read_bytes() == data
            assert manifest["error"]["title"] in (folder / "ERROR.md").read_text()
        assert len(stage.simulator_state()["posts"]) == 1
        assert "Traceback" not in stage.log


def test_split_on_the_command_line_gives_the_same_pictures(tmp_path: Path) -> None:
    large = ("--grid", "320", "--format", "png")  # large enough that rows are cut
    with open_stage(tmp_path / "w", "--seconds-per-job", "0.2", "--profile", "2024", *large) as stage:
        stage.drop("cat.txt", "a cat\n")
        stage.drain()
        (folder,) = stage.folders().values()
        done = stage.run("split", str(folder / "cat_grid.png"), "--out", str(tmp_path / "out"))
        assert done.returncode == 0, done.stderr
        tiles = split_grid((folder / "cat_grid.png").read_bytes())
        assert [(tmp_path / "out" / f"cat_grid_{n}.png").read_bytes() for n in (1, 2, 3, 4)] == tiles
