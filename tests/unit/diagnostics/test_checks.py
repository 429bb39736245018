"""What ``mjwatch check`` says of folders, journal, owner, keys and the machine."""

from __future__ import annotations

import json
import os
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
from tests.helpers.check_workspace import GUILD, TOKEN, FakeAPI, check, furnished, states
from tests.helpers.job_factory import made_job
from tests.helpers.unprivileged_user import unprivileged

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return furnished(tmp_path)


def test_folders_that_are_not_there_yet_will_be_made(place: Path) -> None:
    (place / "config.toml").write_text('[outbox]\npath = "a/b/outbox"\n', encoding="utf-8")
    results = check(place)
    assert states(results) == {"staging": "skipped"}
    assert results["outbox"].detail.endswith("will be made")
    assert not (place / "a").exists()


def test_a_file_where_a_folder_should_be_fails(place: Path) -> None:
    (place / "outbox").rmdir()
    (place / "outbox").write_text("", encoding="utf-8")
    results = check(place)
    assert states(results) == {"outbox": "fail", "staging": "skipped"}
    assert "not a folder" in results["outbox"].detail


def test_folders_within_each_other_fail(place: Path) -> None:
    (place / "config.toml").write_text(
        '[outbox]\npath = "inbox/out"\n[state]\npath = "inbox/s"\n', encoding="utf-8"
    )
    results = run_checks(place / "config.toml", connect=lambda _config, _keys: FakeAPI(), environ={})
    lines = [result for result in results if result.name == "folders"]
    assert [line.state for line in lines] == [CheckState.FAIL, CheckState.FAIL]
    assert all("config.toml" in line.hint for line in lines)


def test_a_folder_that_may_not_be_written_to_fails() -> None:
    with unprivileged() as folder:
        place = furnished(folder)
        (place / "inbox").chmod(0o500)
        assert states(check(place)) == {"inbox": "fail"}


def test_a_write_that_the_system_refuses_is_told_in_its_words(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.touch", refuse)
    results = check(place)
    assert states(results) == {"inbox": "fail", "outbox": "fail", "state": "fail"}
    assert results["inbox"].detail.endswith("Permission denied")


def test_a_file_that_can_be_made_but_not_renamed_is_removed_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("pathlib.Path.rename", refuse)
    assert probe.writable(place / "inbox") == "Operation not permitted"
    assert list((place / "inbox").iterdir()) == []


def test_state_on_another_file_system_is_a_warning(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, target: Path) -> None:
        if path.parent != target.parent:
            raise OSError(18, "Invalid cross-device link")
        os.rename(path, target)  # noqa: PTH104  the method itself is what is replaced

    monkeypatch.setattr("pathlib.Path.rename", refuse)
    results = check(place)
    assert states(results) == {"staging": "warn"}
    assert ".mjwatch-staging" in results["staging"].hint
    assert list((place / "state").iterdir()) == []


def test_an_inbox_with_more_folders_than_watches_is_a_warning(place: Path) -> None:
    (place / "inotify/max_user_watches").write_text("4", encoding="ascii")
    (place / "inbox/a/b").mkdir(parents=True)
    results = check(place)
    assert states(results) == {"inotify": "warn"}
    assert results["inotify"].detail == "3 folders to watch, 4 watches allowed"


def test_a_system_without_inotify_skips_that_check(place: Path) -> None:
    (place / "inotify/max_user_watches").unlink()
    assert states(check(place)) == {"inotify": "skipped"}


def test_the_inbox_of_another_host_fails_and_ones_own_is_fine(place: Path) -> None:
    marker = place / "inbox/.mjwatch-owner"
    marker.write_text(json.dumps({"host": "attic", "machine": "another", "journal": "x"}))
    found = check(place)
    assert states(found) == {"owner": "fail"}
    assert '"attic"' in found["owner"].detail
    assert "--take-over" in found["owner"].hint
    marker.write_text("garbage")
    assert states(check(place)) == {"owner": "fail"}
    marker.write_text(json.dumps({"host": "here", "machine": machine_id(), "journal": "x"}))
    assert states(check(place)) == {}


def test_little_room_and_a_state_folder_on_a_network_are_warnings(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mjwatch.filesystem.probe.free_space", lambda folder: 300 << 20)
    found = check(place)
    assert states(found) == {"outbox": "warn", "state": "warn"}
    assert found["outbox"].detail.endswith("only 300 MiB are free")
    monkeypatch.undo()
    monkeypatch.setattr("mjwatch.diagnostics.checks.remote_type", lambda folder: "nfs4")
    assert "(nfs4)" in check(place)["state"].detail


def test_room_is_measured_where_a_folder_will_be_made(tmp_path: Path) -> None:
    assert (probe.free_space(tmp_path / "a/b") or 0) > 0


def test_a_kernel_that_lets_no_watch_begin_is_a_warning(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert probe.inotify_obstacle() is None
    monkeypatch.setattr("mjwatch.filesystem.probe.inotify_obstacle", lambda: "Too many open files")
    found = check(place)
    assert states(found) == {"inotify": "warn"}
    assert "max_user_instances" in found["inotify"].hint


def test_what_systemd_hands_over_is_told(place: Path, tmp_path: Path) -> None:
    handed = tmp_path / "handed"
    handed.mkdir()
    (handed / "API_guild_id.key").write_text(GUILD)

    def credential() -> CheckResult:
        results = run_checks(
            place / "config.toml",
            connect=lambda _config, _keys: FakeAPI(),
            environ={"CREDENTIALS_DIRECTORY": str(handed)},
            inotify=place / "inotify",
        )
        return next(one for one in results if one.name == "credential")

    assert credential().state is CheckState.WARN
    (handed / "authToken.key").write_text(TOKEN)
    assert credential().detail == "systemd hands over token, guild_id"


def test_a_key_file_that_others_may_change_is_a_warning(place: Path) -> None:
    (place / "keys/API_channel_id.key").chmod(0o666)
    found = check(place)
    assert states(found) == {"keys": "warn"}
    assert found["keys"].hint == f"chmod 600 {place}/keys/API_channel_id.key"


def test_what_waits_for_a_person_is_a_warning(place: Path) -> None:
    with closing(Journal(place / "state" / JOURNAL_FILE)) as journal:
        assert check(place)["sending"].state is CheckState.OK
        journal.accept(None, [(made_job(state=State.IN_DOUBT), "")], 1.0)
        assert check(place)["sending"].detail == "1 job is in doubt"
        journal.remember({"paused": {"reason": "Discord asks for a captcha", "kind": "account"}})
    found = check(place)
    assert states(found) == {"sending": "warn"}
    assert "mjwatch resume" in found["sending"].hint


# ---- the journal


def journal_of(place: Path, *, damaged: bool = False) -> Path:
    path = place / "state" / JOURNAL_FILE
    with closing(Journal(path)) as journal:
        for number in range(200):
            journal.accept(None, [(made_job(f"job{number}"), "")], 1.0)
    if damaged:
        data = path.read_bytes()
        path.write_bytes(data[:8192] + b"\xff" * 4096 + data[12288:])
    return path


def test_a_sound_journal_passes_with_a_daemon_and_without(place: Path) -> None:
    assert check(place)["journal"] == CheckResult(
        "journal", CheckState.OK, "there is none yet; the first start makes it"
    )
    path = journal_of(place)
    before = path.read_bytes()
    assert check(place)["journal"].detail.startswith("sound, ")
    assert path.read_bytes() == before
    with closing(Journal(path)) as journal:
        journal.remember({"newest": "1"})
        assert states(check(place)) == {}


def test_a_damaged_copy_of_the_journal_fails_with_what_to_do_and_is_left_as_it_is(place: Path) -> None:
    path = journal_of(place, damaged=True)
    before = path.read_bytes()
    found = check(place)["journal"]
    assert found.state is CheckState.FAIL
    assert "restore a backup" in found.hint
    assert path.read_bytes() == before


def test_a_journal_of_a_newer_version_fails_and_an_older_one_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = journal_of(place)
    newest = max(database.MIGRATIONS)
    monkeypatch.setitem(database.MIGRATIONS, newest + 1, ())
    assert f"from version {newest} to {newest + 1}" in check(place)["journal"].detail
    Journal(path).close()
    monkeypatch.delitem(database.MIGRATIONS, newest + 1)
    assert "written by a newer mjwatch" in check(place)["journal"].detail
    assert states(check(place)) == {"journal": "fail"}


def test_a_journal_that_may_not_be_read_is_told() -> None:
    with unprivileged() as folder:
        place = furnished(folder)
        journal_of(place).chmod(0)
        found = check(place)["journal"]
        assert found.state is CheckState.FAIL
        assert "as the user that the service runs as" in found.hint
