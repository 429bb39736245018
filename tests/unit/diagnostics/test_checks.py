"""What ``mjwatch check`` reports about folders, journal, owner, keys and the machine."""

from __future__ import annotations

import json
import os
import re
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from mjwatch.diagnostics.check import CheckResult, CheckState, run_checks
from mjwatch.filesystem import probe
from mjwatch.host.platform import machine_id
from mjwatch.journal import database
from mjwatch.journal.reader import JOURNAL_FILE
from mjwatch.journal.writer import Journal
from mjwatch.model import State
from tests.helpers.check_workspace import GUILD, TOKEN, FakeAPI, check, make_workspace, states
from tests.helpers.job_factory import made_job
from tests.helpers.unprivileged_user import unprivileged

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return make_workspace(tmp_path)


def test_missing_folders_will_be_created(workspace: Path) -> None:
    (workspace / "config.toml").write_text('[outbox]\npath = "a/b/outbox"\n', encoding="utf-8")
    results = check(workspace)
    assert states(results) == {"staging": "skipped"}
    assert results["outbox"].detail.endswith("will be created")
    assert not (workspace / "a").exists()


def test_a_file_where_a_folder_should_be_fails(workspace: Path) -> None:
    (workspace / "outbox").rmdir()
    (workspace / "outbox").write_text("", encoding="utf-8")
    results = check(workspace)
    assert states(results) == {"outbox": "fail", "staging": "skipped"}
    assert "not a folder" in results["outbox"].detail


def test_folders_inside_each_other_fail(workspace: Path) -> None:
    (workspace / "config.toml").write_text(
        '[outbox]\npath = "inbox/out"\n[state]\npath = "inbox/s"\n', encoding="utf-8"
    )
    results = run_checks(workspace / "config.toml", connect=lambda _config, _keys: FakeAPI(), environ={})
    lines = [result for result in results if result.name == "folders"]
    assert [line.state for line in lines] == [CheckState.FAIL, CheckState.FAIL]
    assert all("config.toml" in line.hint for line in lines)


def test_a_folder_that_may_not_be_written_to_fails() -> None:
    with unprivileged() as folder:
        workspace = make_workspace(folder)
        (workspace / "inbox").chmod(0o500)
        assert states(check(workspace)) == {"inbox": "fail"}


def test_a_write_that_the_system_refuses_is_reported_in_its_words(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.touch", refuse)
    results = check(workspace)
    assert states(results) == {"inbox": "fail", "outbox": "fail", "state": "fail"}
    assert results["inbox"].detail.endswith("Permission denied")


def test_a_file_that_can_be_created_but_not_renamed_is_removed_again(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("pathlib.Path.rename", refuse)
    assert probe.writable(workspace / "inbox") == "Operation not permitted"
    assert list((workspace / "inbox").iterdir()) == []


def test_state_on_another_file_system_is_a_warning(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, target: Path) -> None:
        if path.parent != target.parent:
            raise OSError(18, "Invalid cross-device link")
        os.rename(path, target)  # noqa: PTH104  the method itself is replaced

    monkeypatch.setattr("pathlib.Path.rename", refuse)
    results = check(workspace)
    assert states(results) == {"staging": "warn"}
    assert ".mjwatch-staging" in results["staging"].hint
    assert list((workspace / "state").iterdir()) == []


def test_an_inbox_with_more_folders_than_watches_is_a_warning(workspace: Path) -> None:
    (workspace / "inotify/max_user_watches").write_text("4", encoding="ascii")
    (workspace / "inbox/a/b").mkdir(parents=True)
    results = check(workspace)
    assert states(results) == {"inotify": "warn"}
    assert results["inotify"].detail == "3 folders to watch, 4 watches allowed"


def test_a_system_without_inotify_skips_that_check(workspace: Path) -> None:
    (workspace / "inotify/max_user_watches").unlink()
    assert states(check(workspace)) == {"inotify": "skipped"}


def test_the_inbox_of_another_host_fails_and_our_own_passes(workspace: Path) -> None:
    marker = workspace / "inbox/.mjwatch-owner"
    marker.write_text(json.dumps({"host": "attic", "machine": "another", "journal": "x"}))
    found = check(workspace)
    assert states(found) == {"owner": "fail"}
    assert '"attic"' in found["owner"].detail
    assert "--take-over" in found["owner"].hint
    marker.write_text("garbage")
    assert states(check(workspace)) == {"owner": "fail"}
    marker.write_text(json.dumps({"host": "here", "machine": machine_id(), "journal": "x"}))
    assert states(check(workspace)) == {}


def test_the_inbox_of_the_container_before_is_our_own_if_the_journal_is_the_same(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("container", "oci")
    with closing(Journal(workspace / "state/journal.sqlite3")) as journal:
        machine = machine_id(journal.identity())
    marker = workspace / "inbox/.mjwatch-owner"
    marker.write_text(json.dumps({"host": "1f2e3d", "machine": machine, "journal": "x"}))
    assert states(check(workspace)) == {}
    marker.write_text(json.dumps({"host": "here", "machine": machine_id(), "journal": "x"}))
    assert states(check(workspace)) == {"owner": "fail"}


def test_little_space_and_a_state_folder_on_a_network_are_warnings(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mjwatch.filesystem.probe.free_space", lambda folder: 300 << 20)
    found = check(workspace)
    assert states(found) == {"outbox": "warn", "state": "warn"}
    assert found["outbox"].detail.endswith("only 300 MiB are free")
    monkeypatch.undo()
    monkeypatch.setattr("mjwatch.diagnostics.checks.remote_type", lambda folder: "nfs4")
    assert "(nfs4)" in check(workspace)["state"].detail


def test_space_is_measured_where_a_folder_will_be_created(tmp_path: Path) -> None:
    assert (probe.free_space(tmp_path / "a/b") or 0) > 0


def test_a_kernel_that_allows_no_watch_is_a_warning(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert probe.inotify_obstacle() is None
    monkeypatch.setattr("mjwatch.filesystem.probe.inotify_obstacle", lambda: "Too many open files")
    found = check(workspace)
    assert states(found) == {"inotify": "warn"}
    assert "max_user_instances" in found["inotify"].hint


def test_credentials_that_systemd_passes_are_shown(workspace: Path, tmp_path: Path) -> None:
    passed = tmp_path / "passed"
    passed.mkdir()
    (passed / "API_guild_id.key").write_text(GUILD)

    def credential(**environ: str) -> CheckResult:
        results = run_checks(
            workspace / "config.toml",
            connect=lambda _config, _keys: FakeAPI(),
            environ={"CREDENTIALS_DIRECTORY": str(passed), **environ},
            inotify=workspace / "inotify",
        )
        return next(result for result in results if result.name == "credential")

    assert credential().state is CheckState.WARN
    in_container = credential(container="oci")
    assert (in_container.state, in_container.detail) == (CheckState.OK, f"{passed} has guild_id")
    (passed / "authToken.key").write_text(TOKEN)
    assert credential().detail == "systemd passes token, guild_id"


def test_a_key_file_that_others_may_change_is_a_warning(workspace: Path) -> None:
    (workspace / "keys/API_channel_id.key").chmod(0o666)
    found = check(workspace)
    assert states(found) == {"keys": "warn"}
    assert found["keys"].hint == f"chmod 600 {workspace}/keys/API_channel_id.key"


def test_a_job_that_waits_for_a_person_is_a_warning(workspace: Path) -> None:
    with closing(Journal(workspace / "state" / JOURNAL_FILE)) as journal:
        assert check(workspace)["sending"].state is CheckState.OK
        journal.accept(None, [(made_job(state=State.IN_DOUBT), "")], 1.0)
        assert check(workspace)["sending"].detail == "1 job is in doubt"
        journal.remember({"paused": {"reason": "Discord asks for a captcha", "kind": "account"}})
    found = check(workspace)
    assert states(found) == {"sending": "warn"}
    assert "mjwatch resume" in found["sending"].hint


# ---- the journal


def journal_of(workspace: Path, *, damaged: bool = False) -> Path:
    path = workspace / "state" / JOURNAL_FILE
    with closing(Journal(path)) as journal:
        for number in range(200):
            journal.accept(None, [(made_job(f"job{number}"), "")], 1.0)
    if damaged:
        data = path.read_bytes()
        path.write_bytes(data[:8192] + b"\xff" * 4096 + data[12288:])
    return path


def test_an_undamaged_journal_passes_with_a_daemon_and_without(workspace: Path) -> None:
    assert check(workspace)["journal"] == CheckResult(
        "journal", CheckState.OK, "there is no journal yet; the first start creates it"
    )
    path = journal_of(workspace)
    before = path.read_bytes()
    assert check(workspace)["journal"].detail.startswith("undamaged, ")
    assert path.read_bytes() == before
    with closing(Journal(path)) as journal:
        journal.remember({"newest": "1"})
        assert states(check(workspace)) == {}


def test_a_damaged_copy_of_the_journal_fails_with_a_hint_and_is_not_changed(workspace: Path) -> None:
    path = journal_of(workspace, damaged=True)
    before = path.read_bytes()
    found = check(workspace)["journal"]
    assert found.state is CheckState.FAIL
    assert "restore a backup" in found.hint
    assert path.read_bytes() == before


def test_a_journal_of_a_newer_version_fails_and_an_older_one_is_mentioned(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = journal_of(workspace)
    newest = max(database.MIGRATIONS)
    monkeypatch.setitem(database.MIGRATIONS, newest + 1, ())
    assert f"from version {newest} to {newest + 1}" in check(workspace)["journal"].detail
    Journal(path).close()
    monkeypatch.delitem(database.MIGRATIONS, newest + 1)
    assert "written by a newer mjwatch" in check(workspace)["journal"].detail
    assert states(check(workspace)) == {"journal": "fail"}


def test_a_journal_that_may_not_be_read_is_reported() -> None:
    with unprivileged() as folder:
        workspace = make_workspace(folder)
        journal_of(workspace).chmod(0)
        found = check(workspace)["journal"]
        assert found.state is CheckState.FAIL
        assert re.search("as the user (of the service|that the service runs as)", found.hint)
