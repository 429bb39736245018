"""The recipes for sync tools: they leave out what is being made, and the lines for rsync do what is said."""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from mjwatch.filesystem.files import replace_file
from mjwatch.inbox import removal
from mjwatch.inbox.filenames import OWNER_FILE
from mjwatch.outbox import publisher
from tests.helpers.timeouts import deadline
from tests.scenarios.required_programs import program

RECIPES = (Path(__file__).parents[3] / "docs" / "how-to" / "syncing.md").read_text("utf-8")


def test_the_recipes_name_what_is_being_made_as_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [line.strip() for line in RECIPES.splitlines() if line.startswith("    ")]
    assert f"/{publisher.STAGING}" in lines
    assert ".~mjwatch-*" in lines
    assert removal.ASIDE_PREFIX.startswith(".~mjwatch-")
    assert OWNER_FILE in RECIPES
    seen = []
    monkeypatch.setattr(os, "replace", lambda name, target, **folders: seen.append(name))
    replace_file(tmp_path, "status.json", b"{}")
    assert [fnmatch.fnmatch(name, "~syncthing~*.tmp") for name in seen] == [True]
    assert "`~syncthing~*.tmp`" in RECIPES


@pytest.mark.real
def test_the_lines_for_rsync_deliver_prompts_and_fetch_pictures(tmp_path: Path) -> None:
    program("rsync")
    for name in (
        "prompts/acme",
        "studio/inbox",
        "studio/outbox/.mjwatch-staging/half",
        "studio/outbox/cat-1",
    ):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "prompts/acme/cat.txt").write_text("a cat\n")
    (tmp_path / "studio/outbox/cat-1/manifest.json").write_text("{}")
    (tmp_path / "studio/outbox/~syncthing~index.html.tmp").write_text("half")
    lines = re.findall(r"^    (rsync .* studio:.*)$", RECIPES, re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        subprocess.run(
            shlex.split(line.replace("studio:", "studio/")), cwd=tmp_path, check=True, timeout=deadline(60)
        )
    assert (tmp_path / "studio/inbox/acme/cat.txt").read_text() == "a cat\n"
    assert not (tmp_path / "prompts/acme/cat.txt").exists()
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["cat-1"]
