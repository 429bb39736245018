"""What ``mjwatch check`` reports about the rights of the service's user, and about groups.

Seen to catch: a check as root that finds everything open, because root may do everything.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mjwatch.filesystem.permissions import pass_on_group
from mjwatch.host import service
from mjwatch.host.accounts import Account, own_account
from tests.helpers.check_workspace import check, make_workspace, states
from tests.helpers.unprivileged_user import unprivileged

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTSIDE = 0
"""A group that the unprivileged user of a test is not in."""


@pytest.fixture(autouse=True)
def everything_is_imported(tmp_path: Path) -> None:
    """Check once as this user: another one may not be able to read Python's folder."""
    check(make_workspace(tmp_path))


@pytest.fixture
def workspace(everything_is_imported: None) -> Iterator[Path]:
    with unprivileged() as folder:
        yield make_workspace(folder)


def configure(workspace: Path, text: str) -> None:
    (workspace / "config.toml").write_text(text, encoding="utf-8")


def test_a_folder_in_which_taken_files_would_stay_is_reported_with_the_command(workspace: Path) -> None:
    inbox = workspace / "inbox"
    for name in ("open", "_drafts", ".git", "closed folder"):
        (inbox / name / "inner").mkdir(parents=True)
        (inbox / name / "inner").chmod(0o700 if name == "open" else 0o500)
    results = check(workspace)
    assert states(results) == {"rights": "warn"}
    path = f"{inbox}/closed folder/inner"
    name = own_account().name
    assert results["rights"].detail == f"{path} is not writable for {name}: taken prompt files stay there"
    assert results["rights"].hint == f"run `chmod u+rwx '{path}'`"


def test_for_several_folders_one_command_opens_all(workspace: Path) -> None:
    for name in ("a", "b"):
        (workspace / "inbox" / name).mkdir(mode=0o500)
    results = check(workspace)
    assert results["rights"].detail.startswith("2 folders, such as ")
    inbox = workspace / "inbox"
    assert f"{inbox} && sudo chmod -R ug+rwX {inbox}`" in results["rights"].hint
    configure(workspace, '[inbox]\nafter = "keep"\n')
    assert states(check(workspace)) == {}
    configure(workspace, "")
    command = results["rights"].hint.removeprefix("run ").strip("`").replace("sudo ", "")
    group = str(os.getegid())
    subprocess.run(command.replace(command.split()[2], group), shell=True, check=True)
    assert states(check(workspace)) == {}


def test_a_group_that_does_not_exist_fails(workspace: Path) -> None:
    configure(workspace, '[outbox]\ngroup = "no-such-group"\n')
    results = check(workspace)
    assert states(results) == {"group": "fail"}
    assert results["group"].hint == "run `sudo groupadd no-such-group`"


def test_a_group_that_the_user_is_not_in_fails(workspace: Path) -> None:
    configure(workspace, f'[outbox]\ngroup = "{OUTSIDE}"\n')
    results = check(workspace)
    assert states(results) == {"group": "fail"}
    assert f"run `sudo usermod -aG {OUTSIDE} {own_account().name}`" in results["group"].hint


def test_an_outbox_that_does_not_pass_the_group_on_is_a_warning_until_it_does(workspace: Path) -> None:
    group, outbox = os.getegid(), workspace / "outbox"
    configure(workspace, f'[outbox]\ngroup = "{group}"\n')
    outbox.chmod(0o755)
    results = check(workspace)
    assert states(results) == {"group": "warn"}
    assert results["group"].hint.startswith(f"run `sudo chgrp -R {group} {outbox} && ")
    pass_on_group(outbox, group)
    assert check(workspace)["group"].detail == f"what is published belongs to the group {group}"


@pytest.mark.real
def test_root_checks_with_the_rights_of_the_services_user(monkeypatch: pytest.MonkeyPatch) -> None:
    assert os.geteuid() == 0, "this test needs root"
    folder = Path(tempfile.mkdtemp(prefix="mjwatch-test-"))
    try:
        folder.chmod(0o755)
        make_workspace(folder)
        account = Account("mjwatch", 61001, (61002,))
        assert states(check(folder)) == {}
        monkeypatch.setattr(service, "SYSTEM_CONFIG", folder / "config.toml")
        monkeypatch.setattr(service, "named_account", lambda _name: account)
        results = check(folder)
        assert states(results) == {"inbox": "fail", "outbox": "fail"}
        assert results["inbox"].hint == "make it a folder that user 61001 may write to"
        for name in ("inbox", "outbox"):
            os.chown(folder / name, -1, 61002)
            (folder / name).chmod(0o2770)
        (folder / "inbox/sub").mkdir()
        results = check(folder)
        assert states(results) == {"rights": "warn"}
        assert results["rights"].hint == f"run `sudo chmod g+rwx {folder}/inbox/sub`"
        assert (os.geteuid(), os.getegid()) == (0, 0)
    finally:
        shutil.rmtree(folder)
