"""Who may steer: told by name where this user may not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from mjwatch.errors import DaemonError
from mjwatch.host.permissions import make_for_steerers, owners, require_rights
from tests.helpers.unprivileged_user import unprivileged

if TYPE_CHECKING:
    from pathlib import Path


def test_who_may_write_there_has_the_right(tmp_path: Path) -> None:
    require_rights(tmp_path, tmp_path / "journal")
    (tmp_path / "journal").touch()
    require_rights(tmp_path, tmp_path / "journal")
    require_rights(tmp_path / "missing", tmp_path / "missing" / "journal")


def test_who_may_not_is_told_who_may() -> None:
    with unprivileged() as folder:
        state = folder / "state"
        state.mkdir()
        (state / "journal").touch()
        for mode in (0o500, 0o000):
            state.chmod(mode)
            with pytest.raises(DaemonError, match=r"belongs to user \"\w+\"") as error:
                require_rights(state, state / "journal")
            assert error.value.exit_code == 3
        state.chmod(0o700)
        (state / "journal").chmod(0o400)
        with pytest.raises(DaemonError, match="may not steer"):
            require_rights(state, state / "journal")


def test_a_folder_behind_a_closed_door_is_told_without_a_name() -> None:
    with unprivileged() as folder:
        closed = folder / "closed"
        (closed / "state").mkdir(parents=True)
        closed.chmod(0o000)
        with pytest.raises(DaemonError, match="is closed"):
            require_rights(closed / "state", closed / "state" / "journal")


def test_a_group_is_named_where_it_has_the_right(tmp_path: Path) -> None:
    tmp_path.chmod(0o770)
    assert ' or group "' in owners(tmp_path)
    tmp_path.chmod(0o750)
    assert "group" not in owners(tmp_path)
    assert owners(tmp_path / "missing") == ""


def test_ids_without_a_name_are_told_as_they_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def nameless(number: int) -> NoReturn:
        raise KeyError(number)

    monkeypatch.setattr("pwd.getpwuid", nameless)
    monkeypatch.setattr("grp.getgrgid", nameless)
    tmp_path.chmod(0o770)
    found = tmp_path.stat()
    assert owners(tmp_path) == f'user "{found.st_uid}" or group "{found.st_gid}"'


@pytest.mark.parametrize(("folder", "file"), [(0o700, 0o600), (0o755, 0o644), (0o2770, 0o660)])
def test_a_file_of_the_state_folder_is_for_all_who_may_write_to_that_folder(
    tmp_path: Path, folder: int, file: int
) -> None:
    tmp_path.chmod(folder)
    make_for_steerers(tmp_path / "daemon.lock")
    assert (tmp_path / "daemon.lock").stat().st_mode & 0o777 == file
    (tmp_path / "daemon.lock").write_text("kept")
    (tmp_path / "daemon.lock").chmod(0o600)
    make_for_steerers(tmp_path / "daemon.lock")
    assert (tmp_path / "daemon.lock").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "daemon.lock").read_text() == "kept"
