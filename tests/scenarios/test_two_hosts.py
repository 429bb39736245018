"""Two hosts with one synced inbox: only the owner takes files, and a person chooses the owner."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.other_host import check_refused, other_host
from tests.scenarios.stage import HANG, Stage, open_stage, wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real


def wait_for_job(stage: Stage, name: str) -> None:
    """Wait until this host has taken the file and published its job."""
    wait_until(lambda: any(m["source"]["path"] == name for m in stage.manifests()), f"the folder of {name}")


def test_the_inbox_belongs_to_one_host_until_another_host_takes_it_over(tmp_path: Path) -> None:
    with (
        open_stage(tmp_path / "w", "--seconds-per-job", "0.1") as local,
        other_host(tmp_path / "other", local, local.inbox) as remote,
    ):
        first = local.start_ready()
        local.drop("cat.txt", "a cat\n")
        wait_for_job(local, "cat.txt")
        check_refused(remote, by=platform.node())
        first.kill()
        first.wait(timeout=HANG)
        check_refused(remote, by=platform.node())

        second = remote.start("--take-over")
        local.drop("dog.txt", "a dog\n")
        wait_for_job(remote, "dog.txt")
        check_refused(local, by=remote.name)

        # Now the owner runs during the takeover, and notices it only by the owner file in the inbox.
        third = local.start("--take-over")
        wait_until(lambda: "now belongs to mjwatch on" in remote.log, "the owner notices the takeover")
        local.drop("owl.txt", "an owl\n")
        wait_for_job(local, "owl.txt")
        assert platform.node() in remote.run("status").stdout
        assert remote.stop(second) == 0
        check_refused(remote, by=platform.node())
        assert local.stop(third) == 0
        assert len(local.simulator_state()["posts"]) == 3
        assert [m["source"]["path"] for m in remote.manifests()] == ["dog.txt"]
