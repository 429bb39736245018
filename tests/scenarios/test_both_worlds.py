"""mjwatch keeps its promises in a world that contradicts each of its numbered expectations.

Also where no expectation says how it is: forms of results, and the order of a modal's events.

Seen to catch: a result taken for a stranger's because its preview had another uuid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.helpers.wire_flips import FLIPS, UNDECIDED
from tests.scenarios.fault_runs import SHORT_TIMEOUTS_MODULE
from tests.scenarios.stage import open_stage, wait_until

if TYPE_CHECKING:
    from pathlib import Path

ALL = (*FLIPS, *UNDECIDED)
EVERYWHERE = [flip for flip in ALL if not flip.by_prompt]
BY_PROMPT = [flip for flip in ALL if flip.by_prompt]
VIDEO = "https://pics.example/a.png a harbour at dawn --video 1"
ZOOM = 'prompt = "a harbour in the fog"\nthen = ["zoom 1.3"]\n'
PARTS = "parts-progress_edits"
"""A job whose progress is in parts of a message that was never created."""


def test_every_job_is_done_once_in_every_other_world(tmp_path: Path) -> None:
    with open_stage(tmp_path / "w", "--seconds-per-job", "0.3") as stage:
        for flip in EVERYWHERE:
            stage.arm_fault(**flip.fault)
        prompts = {}
        for place, flip in enumerate(BY_PROMPT):
            word = f"harbour{place:02}x"
            prompts[flip.name] = f"a {word} at dawn"
            for fault in (flip.fault, *flip.also):
                stage.arm_fault(**fault, match=word)
        prompts[PARTS] = "a lighthouse at dawn"
        stage.arm_fault(fault="wire", progress_edits=False, whole_updates=False, match="lighthouse")
        stage.fork(SHORT_TIMEOUTS_MODULE, "run")
        wait_until(lambda: "with 4001" in stage.log, "the subscription is refused")
        wait_until(lambda: "history can't be read" in stage.log, "an error that is no JSON")
        # Else each passive update would cost a connection.
        stage.arm_fault(fault="wire", accepts_subscription=True)
        for name, prompt in prompts.items():
            stage.drop(f"{name}.txt", prompt + "\n")
        stage.drop("video.txt", VIDEO + "\n")
        stage.drop("zoom.toml", ZOOM)
        wait_until(lambda: len(stage.manifests()) == len(prompts) + 4, "a folder for each job")
        ended = {manifest["prompt"]["submitted"]: manifest["state"] for manifest in stage.manifests()}
        assert {"video.txt": "done", "zoom.toml": "done"}.items() <= {
            manifest["source"]["path"]: manifest["state"] for manifest in stage.manifests()
        }.items()
        (video,) = [manifest for manifest in stage.manifests() if manifest["source"]["path"] == "video.txt"]
        assert "video_virtual_upscale" in video["buttons"][0]["custom_id"]
        others = {name: ended[prompt] for name, prompt in prompts.items() if ended[prompt] != "done"}
        assert others == {}, stage.log[-4000:]
        stage.check_simulator_record()
        assert len(stage.simulator_state()["renderings"]) == len(prompts) + 4
        assert stage.leftovers() == []
