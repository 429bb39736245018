"""Texts that may be something else than a prompt: none is sent, and each is answered in words."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from tests.scenarios.stage import open_stage

REFUSED = Path(__file__).parents[1] / "data" / "prompts" / "refused.toml"


def test_nothing_of_a_folder_of_such_texts_is_sent(tmp_path: Path) -> None:
    cases = [case for group in tomllib.loads(REFUSED.read_text(encoding="utf-8")).values() for case in group]
    with open_stage(tmp_path / "w", "--seconds-per-job", "0.1") as stage:
        stage.set_config("inbox", settle=0.2, settle_incomplete=0.2, scan_interval=0.5)
        words = {}
        for number, case in enumerate(cases):
            kind = case.get("name", "cat.txt").replace(".ready", "").partition(".")[2]
            name = f"text{number}.{kind}"
            words[name] = (
                case["words"].replace("cat.list", f"text{number}.list").replace("pets", f"text{number}")
            )
            stage.drop(name, case["text"] + "\n")
        stage.drain()
        assert not list(stage.inbox.glob("text*"))
        assert stage.simulator_state()["interactions"] == []
        for folder in (stage.outbox / "_failed").iterdir():
            manifest = json.loads((folder / "manifest.json").read_text())
            page = (folder / "ERROR.md").read_text()
            assert manifest["state"] == "rejected"
            assert (
                words.pop(manifest["source"]["path"])
                in f"{manifest['error']['title']} {manifest['error']['detail']}"
            )
            assert manifest["error"]["title"].split("\n")[0][:40] in page
            assert "Traceback" not in page
        assert not words
