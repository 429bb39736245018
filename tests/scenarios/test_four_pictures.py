"""A result with four separate pictures, as attachments or in a gallery of components: none is cut or lost.

Nothing of this is recorded; tolerant reading is the rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.scenarios.picture_checks import has_own_pictures
from tests.scenarios.stage import open_stage

if TYPE_CHECKING:
    from pathlib import Path


def test_four_separate_pictures_are_published_without_a_grid(tmp_path: Path) -> None:
    with open_stage(tmp_path / "w", "--seconds-per-job", "0.3", "--format", "png") as stage:
        for fault, name in (("four_pictures", "attached"), ("four_in_gallery", "shown")):
            stage.arm_fault(fault=fault, match=name)
            stage.drop(f"{name}.ready.txt", f"a cat {name}\n")
        stage.drain()
        executed = {str(e["nonce"]): e["job_uuid"] for e in stage.simulator_state()["interactions"]}
        manifests = stage.manifests()
        assert [[image["file"] for image in manifest["images"]] for manifest in manifests] == [
            [f"{name}_{n}.png" for n in range(1, 5)] for name in ("attached", "shown")
        ]
        assert [manifest["grid"] for manifest in manifests] == [None, None]
        assert all(has_own_pictures(folder, executed) for folder in stage.folders().values())
        labels = [[button["label"] for button in manifest["buttons"][:5]] for manifest in manifests]
        assert labels[0] == labels[1] == ["U1", "U2", "U3", "U4", "🔄"]
        stage.check_simulator_record()
