"""Who may write to the state folder; a refusal names the user who may."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from mjwatch.errors import DaemonError
from mjwatch.host.platform import create_shared_file, describe_owners, require_write_access
from tests.helpers.unprivileged_user import unprivileged

if TYPE_CHECKING:
    from pathlib import Path


def test_a_user_who_may_write_there_is_accepted(tmp_path: Path) -> None:
    require_write_access(tmp_path, tmp_path / "journal")
    (tmp_path / "journal").touch()
    require_write_access(tmp_path, tmp_path / "journal")
    require_write_access(tmp_path / "missing", tmp_path / "missing" / "journal")


def test_a_user_who_may_not_learns_who_may() -> None:
    with unprivileged() as folder:
        state = folder / "state"
        state.mkdir()
        (state / "journal").touch()
        for mode in (0o500, 0o000):
            state.chmod(mode)
            with pytest.raises(DaemonError, match=r"belongs to user \"\w+\"") as error:
                require_write_access(state, state / "journal")
            assert error.value.exit_code == 3
        state.chmod(0o700)
        (state / "journal").chmod(0o400)
        with pytest.raises(DaemonError, match="may not control mjwatch"):
            require_write_access(state, state / "journal")


def test_a_folder_that_can_not_be_seen_is_reported_without_a_name() -> None:
    with unprivileged() as folder:
        closed = folder / "closed"
        (closed / "state").mkdir(parents=True)
        closed.chmod(0o000)
        with pytest.raises(DaemonError, match="is closed"):
            require_write_access(closed / "state", closed / "state" / "journal")


def test_a_group_is_named_if_it_may_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o770)
    assert ' or group "' in describe_owners(tmp_path)
    tmp_path.chmod(0o750)
    assert "group" not in describe_owners(tmp_path)
    assert describe_owners(tmp_path / "missing") == ""


def test_ids_without_a_name_are_shown_as_numbers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def nameless(number: int) -> NoReturn:
        raise KeyError(number)

    monkeypatch.setattr("pwd.getpwuid", nameless)
    monkeypatch.setattr("grp.getgrgid", nameless)
    tmp_path.chmod(0o770)
    status = tmp_path.stat()
    assert describe_owners(tmp_path) == f'user "{status.st_uid}" or group "{status.st_gid}"'


@pytest.mark.parametrize(("folder", "file"), [(0o700, 0o600), (0o755, 0o644), (0o2770, 0o660)])
def test_a_file_of_the_state_folder_is_for_all_who_may_write_to_that_folder(
    tmp_path: Path, folder: int, file: int
) -> None:
    tmp_path.chmod(folder)
    create_shared_file(tmp_path / "daemon.lock")
    assert (tmp_path / "daemon.lock").stat().st_mode & 0o777 == file
    (tmp_path / "daemon.lock").write_text("kept")
    (tmp_path / "daemon.lock").chmod(0o600)
    create_shared_file(tmp_path / "daemon.lock")
    assert (tmp_path / "daemon.lock").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "daemon.lock").read_text() == "kept"
