from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from mjwatch.host import platform

if TYPE_CHECKING:
    from pathlib import Path


def test_machines_have_different_ids_and_their_own_id_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "machine-id"
    monkeypatch.setattr(platform, "ID_FILES", (tmp_path / "none", file))
    ids = []
    for own in ("0123456789abcdef0123456789abcdef\n", "ffffffffffffffffffffffffffffffff\n"):
        file.write_text(own)
        ids.append(platform.machine_id())
        assert platform.machine_id() == ids[-1]
        assert ids[-1] not in own
    assert ids[0] != ids[1]
    assert {len(machine) for machine in ids} == {16}


def test_a_machine_without_an_id_gets_one_from_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "ID_FILES", (tmp_path / "none",))
    monkeypatch.setattr("platform.node", lambda: "one")
    one = platform.machine_id()
    monkeypatch.setattr("platform.node", lambda: "other")
    assert platform.machine_id() != one
    assert platform.host_name() == "other"
    monkeypatch.setattr("platform.node", lambda: "")
    assert platform.host_name() == "unnamed"


def test_in_a_container_the_machine_is_what_the_journal_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "machine-id").write_text("that of the image\n")
    monkeypatch.setattr(platform, "ID_FILES", (tmp_path / "machine-id",))
    outside = platform.machine_id("one")
    assert outside == platform.machine_id("another")
    monkeypatch.setenv("container", "oci")
    assert platform.machine_id("one") == platform.machine_id("one")
    assert len({outside, platform.machine_id("one"), platform.machine_id("another")}) == 3
    assert platform.machine_id("") == outside


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("pipx_metadata.json", "pipx inject mjwatch aiohttp"),
        ("uv-receipt.toml", "uv pip install --python '/a b/python' aiohttp"),
        ("pyvenv.cfg", "'/a b/python' -m pip install aiohttp"),
    ],
)
def test_a_missing_package_is_installed_where_mjwatch_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, expected: str
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "executable", "/a b/python")
    monkeypatch.setattr(platform, "CONTAINER_FILES", (tmp_path / "containerenv",))
    (tmp_path / file).touch()
    assert platform.install_command("aiohttp") == expected
    (tmp_path / "containerenv").touch()
    in_container = platform.install_command("aiohttp")
    assert ("in the image" in in_container) is (file == "pyvenv.cfg")
