from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mjwatch.filesystem import files as nofollow
from mjwatch.filesystem.files import identify
from mjwatch.inbox import filenames, scanner
from mjwatch.inbox.scanner import MOST_NAMED_FILES, TIMESTAMP_RESOLUTION, UNREADABLE, InboxScan, InboxScanner
from tests.helpers.unprivileged_user import unprivileged

if TYPE_CHECKING:
    from mjwatch.model import Identity


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "inbox"
    root.mkdir()
    return root


def write(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("a cat\n")


def left(look: InboxScan) -> dict[str, str]:
    return {file.path: file.why for file in look.ignored.first}


class Reads:
    """Count which folders are read, and not only their times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folders: list[str] = []
        original = os.scandir

        def scandir(path: str) -> object:
            self.folders.append(Path(path).name)
            return original(path)

        monkeypatch.setattr(scanner.os, "scandir", scandir)  # type: ignore[attr-defined]

    def since(self) -> list[str]:
        folders, self.folders = sorted(self.folders), []
        return folders


# ---- what is found


def test_prompt_files_and_json_files_are_found_with_how_they_look(root: Path) -> None:
    write(root, "cat.txt", "a/b/dog.TOML", "a/manifest.json", "picture.png", "a/notes.md")
    look = InboxScanner(root).scan(0.0)
    assert sorted(look.files) == ["a/b/dog.TOML", "a/manifest.json", "cat.txt"]
    found = (root / "cat.txt").stat()
    assert look.files["cat.txt"][:3] == (found.st_dev, found.st_ino, found.st_size)
    assert (look.folders, look.is_empty) == (3, False)
    assert left(look) == {"a/notes.md": filenames.UNREAD}


def test_an_empty_inbox_differs_from_one_that_holds_other_things(root: Path) -> None:
    assert InboxScanner(root).scan(0.0).is_empty
    write(root, ".hidden")
    assert not InboxScanner(root).scan(0.0).is_empty


def test_what_a_person_may_wonder_about_is_listed_with_a_reason(root: Path, tmp_path: Path) -> None:
    write(
        root,
        "cat.sync-conflict-20260101-120000-ABCDEFG.txt",
        "_draft.txt",
        "_failed/dog-1/dog.txt",
        "a/_x.toml",
    )
    write(root, "m.sync-conflict-20260101-120000-ABCDEFG.json", "_failed/dog-1/manifest.json")
    (tmp_path / "elsewhere").mkdir()
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "secret.txt").symlink_to(tmp_path / "secret")
    os.mkfifo(root / "pipe.toml")
    assert left(InboxScanner(root).scan(0.0)) == {
        "cat.sync-conflict-20260101-120000-ABCDEFG.txt": filenames.CONFLICT_COPY,
        "m.sync-conflict-20260101-120000-ABCDEFG.json": filenames.CONFLICT_COPY,
        "_draft.txt": filenames.LEADING_UNDERSCORE,
        "_failed/": filenames.LEADING_UNDERSCORE,
        "a/_x.toml": filenames.LEADING_UNDERSCORE,
        "linked": filenames.LINK,
        "secret.txt": filenames.LINK,
        "pipe.toml": filenames.NOT_REGULAR,
    }


def test_what_nobody_wonders_about_is_not_listed(root: Path, tmp_path: Path) -> None:
    write(
        root, "_defaults.toml", "_wildcards/colour.txt", ".stversions/cat.txt", "@eaDir/cat.txt", "._cat.txt"
    )
    write(
        root, "~$cat.txt", ".cat.txt.swp", "#cat.txt", "__MACOSX/cat.txt", "other.json", "_x.json", "_y.png"
    )
    write(root, ".syncthing.cat.sync-conflict-20260101-120000-ABCDEFG.txt")
    (root / "picture.png").symlink_to(tmp_path / "nothing")
    os.mkfifo(root / "pipe.json")
    (root / "pipe.json").unlink()
    look = InboxScanner(root).scan(0.0)
    assert (left(look), sorted(look.files)) == ({}, ["other.json"])


def test_of_very_many_only_some_are_known_by_name(root: Path) -> None:
    write(root, *(f"a/_{number}.txt" for number in range(50)), *(f"_{number}.txt" for number in range(50)))
    look = InboxScanner(root).scan(0.0)
    assert look.ignored.counts == {filenames.LEADING_UNDERSCORE: 100}
    assert len(look.ignored.first) == MOST_NAMED_FILES


def test_files_that_look_like_prompts_and_are_never_read_are_counted_and_named(root: Path) -> None:
    write(root, *(f"_{number}.txt" for number in range(30)), "a/cat", "cat.md", "prompt.docx", "one.txt (1)")
    write(
        root, *(f"{number}.png" for number in range(30)), "a/cat.txt", "README.md", "4913", "wildcards/a.txt"
    )
    (root / "folder.md").mkdir()
    look = InboxScanner(root).scan(0.0)
    assert list(look.files) == ["a/cat.txt"]
    assert look.ignored.counts == {
        filenames.LEADING_UNDERSCORE: 30,
        filenames.UNREAD: 4,
        filenames.COPY_OF_WILDCARDS: 1,
    }
    assert {file.why for file in look.ignored.first} == set(look.ignored.counts)


def test_a_folder_that_may_not_be_read_is_left_out_and_listed() -> None:
    with unprivileged() as root:
        write(root, "closed/cat.txt", "open/dog.txt")
        (root / "closed").chmod(0)
        look = InboxScanner(root).scan(0.0)
        assert (sorted(look.files), left(look)) == (["open/dog.txt"], {"closed/": UNREADABLE})
        assert look.unreadable == ("closed/",)


def test_an_inbox_that_goes_during_a_scan_is_not_an_empty_one(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, "cat.txt")
    original = nofollow.identity_of

    def go(found: os.stat_result) -> object:
        monkeypatch.setattr(scanner, "identity_of", original)
        root.rename(root.with_name("elsewhere"))
        root.mkdir()
        return original(found)

    monkeypatch.setattr(scanner, "identity_of", go)
    with pytest.raises(FileNotFoundError):
        InboxScanner(root).scan(0.0)


@pytest.mark.parametrize(
    "name", ["caf\udce9.txt", "café.txt", "cafe\u0301.txt", "x" * 251 + ".txt", "a\nb.txt"]
)
def test_any_name_that_a_file_can_have_is_found_as_it_is(root: Path, name: str) -> None:
    write(root, name)
    assert list(InboxScanner(root).scan(0.0).files) == [name]


# ---- what is read again


def test_a_folder_in_which_nothing_happened_is_not_read_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, "a/cat.txt", "b/dog.txt")
    it, reads = InboxScanner(root), Reads(monkeypatch)
    it.scan(0.0)
    it.scan(1.0)
    assert len(reads.since()) == 6  # so soon a change could hide behind an equal time
    it.scan(1.0 + TIMESTAMP_RESOLUTION)
    assert len(reads.since()) == 3
    look = it.scan(100.0)
    assert (sorted(look.files), reads.since()) == (["a/cat.txt", "b/dog.txt"], [])
    it.scan(101.0, reread=True)
    assert reads.since() == ["a", "b", "inbox"]


def known(root: Path) -> InboxScanner:
    """A scanner that reads no folder again as long as nothing changes."""
    for folder in (root, *root.rglob("*/")):
        os.utime(folder, (1e9, 1e9))  # so that any change gives it another time, also one in this moment
    it = InboxScanner(root)
    for number in range(3):
        it.scan(number * 2 * TIMESTAMP_RESOLUTION)
    return it


@pytest.mark.parametrize(
    "change", ["new", "gone", "renamed", "replaced", "folder", "folder gone", "conflict"]
)
def test_whatever_changes_in_a_folder_shows(root: Path, change: str) -> None:
    write(root, "a/cat.txt", "a/b/dog.txt")
    it = known(root)
    if change == "new":
        write(root, "a/bird.txt")
    elif change == "gone":
        (root / "a/cat.txt").unlink()
    elif change == "renamed":
        (root / "a/cat.txt").rename(root / "a/lion.txt")
    elif change == "replaced":
        write(root, "other.txt")
        (root / "other.txt").rename(root / "a/cat.txt")
    elif change == "folder":
        write(root, "a/c/bird.txt")
    elif change == "folder gone":
        shutil.rmtree(root / "a/b")
    else:
        write(root, "a/cat (conflicting copy).txt")
    look = it.scan(1000.0)
    assert look.files == InboxScanner(root).scan(0.0).files
    assert look.ignored.counts == InboxScanner(root).scan(0.0).ignored.counts


def test_a_file_that_is_written_in_place_shows_though_its_folder_does_not_change(root: Path) -> None:
    write(root, "a/cat.txt")
    it = known(root)
    before = it.scan(900.0).files["a/cat.txt"]
    (root / "a/cat.txt").write_text("two cats\n")
    assert it.scan(1000.0).files["a/cat.txt"] != before


def test_a_folder_that_was_replaced_by_a_link_is_not_scanned(root: Path, tmp_path: Path) -> None:
    write(root, "a/cat.txt")
    it = known(root)
    (root / "a").rename(tmp_path / "a")
    (root / "a").symlink_to(tmp_path / "a")
    look = it.scan(1000.0)
    assert (look.files, left(look)) == ({}, {"a": filenames.LINK})


# ---- one file


def identity_by_path(root: Path, path: str) -> Identity | None:
    return identify(root, path) if filenames.is_request_path(path) else None


def test_one_file_is_checked_by_the_same_rules(root: Path, tmp_path: Path) -> None:
    write(root, "a/cat.txt", "_a/cat.txt", ".a/cat.txt", "a/_cat.txt", "a/cat.png", "a/cat.json")
    write(tmp_path, "elsewhere/cat.txt")
    (root / "link.txt").symlink_to(root / "a/cat.txt")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    found = InboxScanner(root).scan(0.0).files
    assert identity_by_path(root, "a/cat.txt") == found["a/cat.txt"]
    assert identity_by_path(root, "a/cat.json") is not None
    for path in (
        "_a/cat.txt",
        ".a/cat.txt",
        "a/_cat.txt",
        "a/cat.png",
        "link.txt",
        "linked/cat.txt",
        "gone.txt",
    ):
        assert identity_by_path(root, path) is None, path
