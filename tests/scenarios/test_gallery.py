"""The gallery of a daemon that is killed and started again: it has every job with its folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from PIL import Image

from mjwatch.gallery.entry import read_entry
from mjwatch.gallery.gallery import Chunks
from tests.scenarios.stage import HANG, Stage, open_stage, wait_until

if TYPE_CHECKING:
    from pathlib import Path


def entries(stage: Stage) -> dict[str, dict[str, Any]]:
    """Return the entries by job as the page reads them: the last entry of a job counts."""
    chunks = Chunks(stage.outbox)
    lines = [line for number in range(1, chunks.count() + 1) for line in chunks.read(number)]
    return {entry["id"]: entry for entry in map(read_entry, lines)}


def status(stage: Stage) -> dict[str, Any]:
    path = stage.outbox / "_gallery/status.js"
    script = path.read_text() if path.exists() else "gallery.status({})\n"
    found: dict[str, Any] = json.loads(script.removeprefix("gallery.status(").removesuffix(")\n"))
    return found


def test_the_gallery_has_every_job_also_after_a_kill(tmp_path: Path) -> None:
    with open_stage(tmp_path / "w", "--seconds-per-job", "0.5") as stage:
        daemon = stage.start_ready()
        stage.drop("clients/cat.ready.txt", "a cat --ar 3:2\n")
        wait_until(lambda: len(entries(stage)) == 1, "the first job in the gallery")
        wait_until(lambda: status(stage).get("service") == "running", "the status in the gallery")
        stage.drop("owl.ready.toml", 'prompt = "an owl"\nlabel = "birds"\nthen = ["U2"]\n')
        stage.drop("bad.ready.toml", "prompt = 7\n")
        wait_until(lambda: len(stage.manifests()) == 4, "all folders")
        daemon.kill()
        daemon.wait(timeout=HANG)
        stage.drop("dog.ready.txt", "a dog\n")
        stage.drain()
        shown = entries(stage)
        folders = {job: path.relative_to(stage.outbox).as_posix() for job, path in stage.folders().items()}
        assert {job: entry["folder"] for job, entry in shown.items()} == folders
        assert len(folders) == 5
        by_state = sorted((entry["state"], entry.get("action", "")) for entry in shown.values())
        assert by_state == [("done", "")] * 3 + [("done", "U2"), ("rejected", "")]
        for job, entry in shown.items():
            path = stage.outbox / "_gallery/thumbs" / job[0] / f"{job}.webp"
            assert path.exists() == (entry["state"] == "done")
            if entry["state"] == "done":
                with Image.open(path) as image:
                    assert [*image.size] == entry["thumb"]
        assert status(stage)["service"] == "stopped"
        assert stage.run("gallery").stdout == f"{stage.outbox}/index.html\n"
        assert entries(stage) == shown


def test_no_gallery_is_written_when_it_is_switched_off(tmp_path: Path) -> None:
    with open_stage(tmp_path / "w", "--seconds-per-job", "0.2") as stage:
        stage.set_config("outbox", gallery=False, embed_prompt=False)
        stage.drop("cat.ready.txt", "a cat in a secret place\n")
        stage.drain()
        (folder,) = stage.folders().values()
        assert sorted(path.name for path in stage.outbox.iterdir()) == sorted([folder.name, "status.json"])
        for picture in [path for path in folder.iterdir() if path.stem[-1].isdigit()]:
            assert b"secret" not in picture.read_bytes()
            assert b"trainedAlgorithmicMedia" in picture.read_bytes()


def test_a_drain_ends_with_a_complete_gallery_however_long_that_takes(tmp_path: Path) -> None:
    with open_stage(tmp_path / "w", "--seconds-per-job", "0.1") as stage:
        stage.drop("cat.ready.txt", "a cat\n")
        drained = stage.fork("tests.scenarios.late_gallery", "run", "--drain")
        assert drained.wait(timeout=HANG) == 0
        assert [*entries(stage)] == [*stage.folders()]
        assert (stage.outbox / "index.html").is_file()
