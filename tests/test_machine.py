from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.host import machine

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_machines_are_told_apart_and_their_own_id_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "machine-id"
    monkeypatch.setattr(machine, "ID_FILES", (tmp_path / "none", file))
    found = []
    for own in ("0123456789abcdef0123456789abcdef\n", "ffffffffffffffffffffffffffffffff\n"):
        file.write_text(own)
        found.append(machine.machine_id())
        assert machine.machine_id() == found[-1]
        assert found[-1] not in own
    assert found[0] != found[1]
    assert {len(one) for one in found} == {16}


def test_a_machine_without_an_id_goes_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "ID_FILES", (tmp_path / "none",))
    monkeypatch.setattr("platform.node", lambda: "one")
    one = machine.machine_id()
    monkeypatch.setattr("platform.node", lambda: "other")
    assert machine.machine_id() != one
    assert machine.host_name() == "other"
    monkeypatch.setattr("platform.node", lambda: "")
    assert machine.host_name() == "unnamed"
