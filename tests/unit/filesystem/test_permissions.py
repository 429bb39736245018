"""The commands that give a missing right, and groups by name.

Seen to catch: a path that is not quoted, a group that only a user namespace shows, a mode that was changed in
vain because the folder has another group.
"""

from __future__ import annotations

import errno
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from mjwatch.filesystem import permissions
from mjwatch.filesystem.permissions import (
    UNKNOWN_GROUP,
    group_id,
    pass_on_group,
    passes_on_group,
    removal_hint,
)
from tests.helpers.rights import foreign_groups

if TYPE_CHECKING:
    from pathlib import Path

DENIED = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
GROUPS = {4242: "mjwatch", 4343: "pictures"}


@pytest.fixture
def inbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An inbox with a subfolder of another user, which this process must not write to."""
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    monkeypatch.setattr(os, "getegid", lambda: 4242)
    monkeypatch.setattr(os, "getgroups", list)
    monkeypatch.setattr(os, "access", lambda _path, _mode, **_: False)
    monkeypatch.setattr(permissions, "_group_name", lambda group: GROUPS.get(group, str(group)))
    folder = tmp_path / "it's an inbox/two words"
    folder.mkdir(parents=True)
    return folder.parent


def group_of(monkeypatch: pytest.MonkeyPatch, inbox: Path, group: int, folder: int | None = None) -> None:
    """Give the inbox this group, and its subfolder another one."""
    original = type(inbox).stat

    def stat(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        found = list(original(path, follow_symlinks=follow_symlinks))
        found[5] = group if path == inbox or folder is None else folder
        return os.stat_result(found)

    monkeypatch.setattr(type(inbox), "stat", stat)


def hint(inbox: Path) -> str:
    return removal_hint(inbox, "two words/cat.txt", DENIED)


def quoted(inbox: Path) -> str:
    return "'" + f"{inbox}/two words".replace("'", "'\"'\"'") + "'"


def test_a_folder_of_the_inboxs_group_needs_the_right_to_write(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for group in (4242, 4343, UNKNOWN_GROUP):
        group_of(monkeypatch, inbox, group)
        assert hint(inbox) == f"run `sudo chmod g+rwx {quoted(inbox)}`"


def test_a_folder_of_another_group_needs_the_group_first(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group_of(monkeypatch, inbox, 4343, UNKNOWN_GROUP)
    assert hint(inbox) == f"run `sudo chgrp mjwatch {quoted(inbox)} && sudo chmod g+rwx {quoted(inbox)}`"
    monkeypatch.setattr(os, "getgroups", lambda: [4343, UNKNOWN_GROUP])
    assert hint(inbox) == f"run `sudo chgrp pictures {quoted(inbox)} && sudo chmod g+rwx {quoted(inbox)}`"


def test_an_own_folder_needs_no_other_user(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: inbox.stat().st_uid)
    assert hint(inbox) == f"run `chmod u+rwx {quoted(inbox)}`"


def test_where_the_folder_may_be_written_to_the_file_is_removed_by_hand(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda _path, _mode, **_: True)
    assert hint(inbox) == f"run `sudo rm {quoted(inbox)[:-1]}/cat.txt'`"
    (inbox / "two words").chmod(0o1777)
    assert hint(inbox) == f"run `sudo chmod -t {quoted(inbox)}`"


def test_no_command_helps_a_disk_that_is_read_only_or_a_folder_that_is_gone(inbox: Path) -> None:
    assert removal_hint(inbox, "two words/cat.txt", OSError(errno.EROFS, "read-only")) == ""
    assert removal_hint(inbox, "gone/cat.txt", DENIED) == ""


def test_a_shell_gets_the_folder_as_one_word(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: inbox.stat().st_uid)
    folder = inbox / "two words"
    folder.chmod(0o500)
    subprocess.run(hint(inbox).removeprefix("run ").strip("`"), shell=True, check=True)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_groups_by_name_and_number() -> None:
    assert group_id("root") == 0
    assert group_id("61001") == 61001
    assert group_id("no-such-group") is None


def test_a_folder_passes_on_its_group(tmp_path: Path) -> None:
    group = (*foreign_groups(), os.getegid())[0]
    assert not passes_on_group(tmp_path, group)
    tmp_path.chmod(0o750)
    pass_on_group(tmp_path, group)
    assert passes_on_group(tmp_path, group)
    assert tmp_path.stat().st_mode & 0o7777 == 0o2750
    (tmp_path / "inner").mkdir()
    assert passes_on_group(tmp_path / "inner", group)
