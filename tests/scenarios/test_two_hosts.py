"""Two hosts at one synced inbox: only one takes what comes, and a person says which."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.other_host import is_refused, other_host
from tests.scenarios.stage import HANG, Stage, staged, wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real


def answered(stage: Stage, name: str) -> None:
    """This host has taken the file, and answered it."""
    wait_until(lambda: any(m["source"]["path"] == name for m in stage.manifests()), f"the folder of {name}")


def test_the_inbox_belongs_to_one_host_until_another_host_takes_it_over(tmp_path: Path) -> None:
    with (
        staged(tmp_path / "w", "--seconds-per-job", "0.1") as here,
        other_host(tmp_path / "other", here, here.inbox) as there,
    ):
        first = here.start_ready()
        here.drop("cat.txt", "a cat\n")
        answered(here, "cat.txt")
        is_refused(there, by=platform.node())
        first.kill()
        first.wait(timeout=HANG)
        is_refused(there, by=platform.node())

        second = there.start("--take-over")
        here.drop("dog.txt", "a dog\n")
        answered(there, "dog.txt")
        is_refused(here, by=there.name)

        # The other way round the owner runs, and only hears of it by the marker in the inbox.
        third = here.start("--take-over")
        wait_until(lambda: "now belongs to mjwatch on" in there.log, "it sees that it owns no more")
        here.drop("owl.txt", "an owl\n")
        answered(here, "owl.txt")
        assert platform.node() in there.run("status").stdout
        assert there.stop(second) == 0
        is_refused(there, by=platform.node())
        assert here.stop(third) == 0
        assert len(here.state()["posts"]) == 3
        assert [m["source"]["path"] for m in there.manifests()] == ["dog.txt"]
