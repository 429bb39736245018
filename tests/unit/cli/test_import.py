"""The command import: its bounds, what it says, and the pictures of a folder, without Discord."""

from __future__ import annotations

import json
import os
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import typer
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from typer.testing import CliRunner

from mjwatch.cli.app import app
from mjwatch.cli.import_ import _bounds, _end_text, _progress_text
from mjwatch.client import imports
from mjwatch.client.import_folder import FolderImport
from mjwatch.client.imports import ImportProgress
from mjwatch.config import Config
from mjwatch.discord.cdn import LARGEST_PICTURE
from mjwatch.discord.protocol import snowflake_ms
from mjwatch.engine.channel_import import Reading
from mjwatch.errors import MjwatchError, UsageError
from mjwatch.jobs.imported import STAGING_FOLDER
from mjwatch.journal.reader import JOURNAL_FILE
from mjwatch.journal.writer import Journal
from mjwatch.model import Result, State
from tests.helpers.message_shapes import a_job

if TYPE_CHECKING:
    from pathlib import Path

U = "6c1d40e2-5a17-4f0b-9d3e-2b7f81c05a11"
V = "7e20b19c-0000-4000-8000-00000000000b"


@pytest.fixture
def in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.mark.usefixtures("in_utc")
@pytest.mark.parametrize(
    ("since", "until", "first", "last"),
    [
        ("2024-05-01", "2024-05-01", 1_714_521_600, 1_714_608_000),
        ("2024-05", "2024-05", 1_714_521_600, 1_717_200_000),
        ("2023-12", "2024-12", 1_701_388_800, 1_735_689_600),
    ],
)
def test_days_and_months_are_bounds_with_their_last_moment(
    since: str, until: str, first: int, last: int
) -> None:
    after, newest = _bounds(since, until)
    assert snowflake_ms(str(int(after) + 1)) == first * 1000
    assert newest is not None
    assert snowflake_ms(newest) == last * 1000


def test_without_dates_there_are_no_bounds_and_nothing_is_older_than_discord() -> None:
    assert _bounds(None, None) == ("0", None)
    assert int(_bounds("1999-01-01", None)[0]) >= 0


@pytest.mark.parametrize(
    ("since", "until"),
    [("yesterday", None), (None, "2024-13"), ("2024-05-02", "2024-05-01"), ("20240501", None)],
)
def test_other_texts_are_refused(since: str | None, until: str | None) -> None:
    with pytest.raises(typer.BadParameter):
        _bounds(since, until)


def test_it_says_what_was_found_and_what_to_do() -> None:
    found = {"new": 3, "known": 1, "unclear": 2, "others": 0}
    running = ImportProgress(
        Reading(after="1174109840998400000", read=250, found=found), 2, trouble="slow down"
    )
    shown = "250 messages read, up to 2023-11-1"
    assert _progress_text(running).startswith(shown)
    assert _progress_text(running).endswith("; 1 imported, 2 being saved; waiting: slow down")
    ended = Reading(read=250, found=found, is_active=False, is_complete=True)
    first, *more = _end_text(ImportProgress(ended, failed=1)).splitlines()
    assert first.startswith(
        "250 messages read; finished pictures: 3 imported, 1 here already, 2 that may be of"
    )
    assert ["import again" in more[0], "list --state failed" in more[1]] == [True, True]
    stopped = Reading(read=250, is_active=False)
    assert "continues it" in _end_text(ImportProgress(stopped))
    lost = Reading(read=200, is_active=False, trouble="Discord shows nothing")
    assert _end_text(ImportProgress(lost)).endswith("\nDiscord shows nothing; the same command continues it")
    assert "may not read the history" in _end_text(ImportProgress(Reading(is_complete=True)))


@pytest.mark.parametrize(("failed", "complete", "code"), [(1, True, 0), (3, True, 1), (1, False, 1)])
def test_a_picture_that_could_not_be_saved_counts_if_it_is_of_this_import(
    config: Config, monkeypatch: pytest.MonkeyPatch, failed: int, complete: bool, code: int
) -> None:
    with closing(Journal(config.state.path / JOURNAL_FILE)) as journal:
        before = a_job(state=State.FAILED, nonces=(), result=Result("700", "uuid", U, None, ()))
        journal.accept_imported([(before, "x")], {})
    end = ImportProgress(Reading(read=9, is_active=False, is_complete=complete), failed=failed)
    monkeypatch.setattr(imports, "daemon_runs", lambda state: True)
    monkeypatch.setattr(imports, "_by_daemon", lambda *arguments: end)
    result = invoke(config)
    assert result.exit_code == code
    assert ("2 could not be saved" in result.stdout) == (failed == 3)


# ---- a folder


@pytest.fixture
def config(tmp_path: Path) -> Config:
    file = tmp_path / "config.toml"
    file.write_text("[inbox]\npath='inbox'\n[outbox]\npath='old/outbox'\n[state]\npath='state'\n")
    return Config.load(file)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A folder with pictures of every kind, and with what is none; all are of 2023-11-14."""
    old = tmp_path / "old"
    for name in ("lamps", ".hidden", "outbox"):
        (old / name).mkdir(parents=True)
    for number in range(4):
        save(old / "lamps" / f"ada_a_red_lamp_{U}_{number}.png", number)
    save(old / f"ada_a_blue_l_{V}.png", 9, Description=f"a blue lamp --v 6 Job ID: {V}")
    save(old / "holiday.png", 10)
    save(old / "lamps" / "copy of holiday.png", 10)
    save(old / ".hidden" / "x.png", 11)
    save(old / "outbox" / "published.png", 12)
    (old / "broken.png").write_bytes(b"<html>")
    (old / "notes.txt").write_text("lamps")
    (old / "link.png").symlink_to(old / "holiday.png")
    for path in old.rglob("*.png"):
        os.utime(path, (1.7e9, 1.7e9))
    return old


def save(path: Path, colour: int, **texts: str) -> None:
    info = PngInfo()
    for keyword, text in texts.items():
        info.add_text(keyword, text)
    Image.new("RGB", (4, 4), (colour, 0, 0)).save(path, pnginfo=info)


def test_files_of_one_job_are_one_group_and_what_is_no_picture_is_left(config: Config, old: Path) -> None:
    found = FolderImport(config, old, lambda count: None)
    groups = {group.path: group for group in found.groups.values()}
    assert set(groups) == {
        "_imported/old/lamps/a-red-lamp.txt",
        "_imported/old/a-blue-lamp.txt",
        "_imported/old/holiday.txt",
    }
    red, blue = groups["_imported/old/lamps/a-red-lamp.txt"], groups["_imported/old/a-blue-lamp.txt"]
    assert (red.job_uuid, red.prompt, red.words, len(red.pictures)) == (U, None, "a red lamp", 4)
    assert (blue.job_uuid, blue.prompt) == (V, "a blue lamp --v 6")
    assert dict(found.count.skipped) == {"not a picture": 1, "the same once more": 1}
    assert (found.count.files, found.count.new, dict(found.count.months)) == (7, 3, {"2023-11": 3})
    again = FolderImport(config, old, lambda count: None)
    assert list(again.groups) == list(found.groups)  # the ids follow from the pictures


def test_a_pipe_is_not_waited_for_and_a_huge_file_is_not_read(config: Config, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    os.mkfifo(folder / "pipe.png")
    with (folder / "huge.png").open("wb") as file:
        file.truncate(LARGEST_PICTURE + 1)
    (folder / "folder.png").mkdir()
    found = FolderImport(config, folder, lambda count: None)
    assert (found.groups, dict(found.count.skipped)) == ({}, {"not a file": 1, "too large": 1})


def test_the_outbox_is_not_imported_into_itself(config: Config, old: Path, tmp_path: Path) -> None:
    with pytest.raises(MjwatchError, match="in the outbox already"):
        FolderImport(config, old / "outbox", lambda count: None)
    with pytest.raises(MjwatchError, match="is not a folder"):
        FolderImport(config, tmp_path / "nothing", lambda count: None)


def invoke(config: Config, *arguments: str) -> Any:
    return CliRunner().invoke(app, ["--config", str(config.source), "import", *arguments])


def test_a_dry_run_of_a_folder_counts_and_changes_nothing(config: Config, old: Path, tmp_path: Path) -> None:
    shown = json.loads(invoke(config, str(old), "--dry-run", "--json").stdout)
    assert (shown["new"], shown["known"], shown["months"]) == (3, 0, {"2023-11": 3})
    assert "7 pictures read; jobs: 3 new; left out" in invoke(config, str(old), "--dry-run").stdout
    assert not (tmp_path / "state").exists()


def test_dates_are_for_the_channel_only(config: Config, old: Path) -> None:
    result = invoke(config, str(old), "--since", "2024-05")
    assert isinstance(result.exception, UsageError)


@pytest.mark.parametrize("more", ["--dry-run", "--since=2024-05", "--until=2024-05"])
def test_a_stop_has_no_bounds_and_is_not_tried(config: Config, more: str) -> None:
    assert isinstance(invoke(config, "--stop", more).exception, UsageError)


def test_behind_a_link_in_the_state_folder_nothing_is_changed(
    config: Config, old: Path, tmp_path: Path
) -> None:
    found, state, behind = FolderImport(config, old, lambda count: None), config.state.path, tmp_path / "home"
    Journal(state / JOURNAL_FILE).close()
    state.chmod(0o770)
    digests = {digest for group in found.groups.values() for _, digest, _ in group.pictures}
    behind.mkdir(0o700)
    for name in (*digests, "id_rsa"):
        (behind / name).write_text("precious")
    (state / STAGING_FOLDER).symlink_to(behind)
    for step in (found._make_staging, found._sweep, lambda: found._stage(found.groups)):
        with pytest.raises(MjwatchError, match="links are not followed"):
            step()
    found._unstage(found.groups)  # the pictures are saved by then, so that it says nothing
    assert {path.name: path.read_text() for path in behind.iterdir()} == dict.fromkeys(
        {*digests, "id_rsa"}, "precious"
    )
    assert behind.stat().st_mode & 0o777 == 0o700


def test_pictures_are_staged_for_all_who_may_write_to_the_state_folder(config: Config, old: Path) -> None:
    found, state = FolderImport(config, old, lambda count: None), config.state.path
    Journal(state / JOURNAL_FILE).close()
    state.chmod(0o770)
    found._make_staging()
    found._stage(found.groups)
    staging = state / STAGING_FOLDER
    assert staging.stat().st_mode & 0o777 == 0o770
    assert {path.stat().st_mode & 0o777 for path in staging.iterdir()} == {0o660}
    assert {path.name for path in staging.iterdir()} == set(found._files)
    found._unstage(found.groups)
    assert list(staging.iterdir()) == []
    found._stage(found.groups)
    found._sweep()  # what a killed import has left
    assert list(staging.iterdir()) == []
