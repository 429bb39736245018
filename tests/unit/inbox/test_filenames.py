from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.inbox.filenames import (
    is_conflict_copy,
    is_marked_ready,
    is_prompt_name,
    is_request_name,
    may_hold_prompts,
    natural_key,
    why_ignored,
    why_not_scanned,
)
from mjwatch.prompts.filenames import without_ready_marker


@pytest.mark.parametrize(
    "name",
    [
        *("cat.txt", "CAT.TXT", "Cat.Toml", "moods.list.txt", "cat.ready.txt", "a b.txt", "cat (1).txt"),
        *("@x.txt", "caf\udce9.txt", "conflict.txt", "my conflict (copy).txt", "4913.txt"),
    ],
)
def test_prompt_files_are_known_by_their_names(name: str) -> None:
    assert is_prompt_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("cat.png", "cat", "txt", "cat.txt~", "4913", "sedA1b2C3", "cat.json", "cat.txt.part"),
        *(".syncthing.cat.txt.tmp", "~syncthing~cat.txt.tmp", ".cat.txt.a1B2c3", "cat.txt.1a2b3c4d.partial"),
        *("._cat.txt", ".cat.txt", "~$cat.txt", "#cat.txt#", ".#cat.txt", "#cat.txt", "_draft.txt"),
        *("_defaults.toml", ".cat.txt.swp", "cat.txt.filepart", "cat.txt.crdownload", "cat.txt.conflict1"),
        *("cat.txt:Zone.Identifier", ".nfs0000a1.txt", ".goutputstream-A1B2C3"),
    ],
)
def test_what_tools_leave_lying_about_is_no_prompt_file(name: str) -> None:
    assert not is_prompt_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "cat.sync-conflict-20260101-120000-ABCDEFG.txt",
        "cat.sync-conflict-20260101-120000.toml",
        "cat (conflicted copy 2026-01-01 120000).txt",
        "cat (Sam's conflicted copy 2026-01-01).txt",
        "cat (conflicting copy).txt",
        "cat_conflict-20260101-120000.txt",
        "cat (case clash from user sam).txt",
        "cat (Selective Sync Conflict).txt",
        "cat (Case Conflict 1).toml",
        "cat (Unicode Encoding Conflict).txt",
        "cat (conflict_on_2026-01-01).txt",
        "cat (conflict #2_on_2026-01-01).txt",
        "cat.Conflict.txt",
        "cat~20260101-120000.txt",
        "two\nlines.sync-conflict-20260101-120000-ABCDEFG.txt",
    ],
)
def test_conflict_copies_are_left_for_a_person(name: str) -> None:
    assert is_conflict_copy(name)
    assert not is_prompt_name(name)


@pytest.mark.parametrize("name", ["clients", "a.b", "Größe", "2026-01"])
def test_ordinary_folders_are_scanned(name: str) -> None:
    assert may_hold_prompts(name)


@pytest.mark.parametrize(
    "name",
    [
        ".stversions",
        ".~tmp~",
        "_wildcards",
        "@eaDir",
        "#recycle",
        "$RECYCLE.BIN",
        "lost+found",
        "__MACOSX",
        "",
    ],
)
def test_folders_of_tools_are_not_scanned(name: str) -> None:
    assert not may_hold_prompts(name)


@pytest.mark.parametrize(
    ("name", "ready", "without"),
    [
        ("cat.ready.txt", True, "cat.txt"),
        ("cat.READY.txt", True, "cat.txt"),
        ("moods.ready.list.txt", True, "moods.list.txt"),
        ("moods.list.ready.txt", True, "moods.list.txt"),
        ("ready.txt", False, "ready.txt"),
        ("ready.cat.txt", False, "ready.cat.txt"),
        ("already.txt", False, "already.txt"),
        ("cat.ready", False, "cat.ready"),
        ("cat", False, "cat"),
    ],
)
def test_the_ready_marker_stands_before_the_suffix(name: str, ready: bool, without: str) -> None:
    assert is_marked_ready(name) is ready
    assert without_ready_marker(name) == without


# ---- what tools leave, by tool


FOREIGN = {
    "Syncthing": [".syncthing.cat.txt.tmp", "~syncthing~cat.txt.tmp", ".stfolder", ".stignore"],
    "rsync": [".cat.txt.a1B2c3", ".cat.txt.~tmp~", "cat.txt.X3fGh1"],
    "rclone": ["cat.txt.1a2b3c4d.partial", "cat.txt.conflict1", "cat.txt.conflict2"],
    "Unison": [".unison.cat.txt.0f3a.unison.tmp", ".bak.1.cat.txt", "cat.unison.bak"],
    "Nextcloud": [".cat.txt.~5f3a", "cat.txt.part", "._sync_1.db", ".owncloudsync.log", ".nextcloudsync.log"],
    "Dropbox": [".dropbox", ".dropbox.attr", "~$cat.txt", ".~cat.txt", "~cat.tmp"],
    "maestral": [".maestral", ".mignore"],
    "OneDrive and Google Drive": ["~$cat.txt", "cat.tmp", ".tmp.driveupload", ".cat.txt.icloud"],
    "Resilio": ["cat.txt.!sync", "cat.txt.!Sync", "cat.txt.SyncPart", ".SyncID", ".SyncIgnore"],
    "FreeFileSync": ["cat.txt.ffs_tmp", ".sync.ffs_db", "sync.ffs_lock", ".synkron.x", ".symform"],
    "transfers": ["cat.txt.filepart", ".in.cat.txt.", "cat.txt.aria2"],
    "browsers": ["cat.txt.crdownload", "Unconfirmed 12.crdownload", "cat.txt.part", "cat.opdownload"],
    "vim": [".cat.txt.swp", ".cat.txt.swo", ".cat.txt.swx", "4913", "5036", "cat.txt~", ".cat.txt.un~"],
    "emacs": ["#cat.txt#", ".#cat.txt", "cat.txt~", "cat.txt.~1~"],
    "nano, kate, gedit": [".cat.txt.swp", "cat.txt.save", ".cat.txt.kate-swp", ".goutputstream-A1B2C3"],
    "offices, JetBrains": [".~lock.cat.txt#", "~$cat.txt", "~WRL0001.tmp", "cat.txt___jb_tmp___"],
    "sed, perl": ["sedA1b2C3", "XXa1B2c3"],
    "macOS": ["._cat.txt", "._cat.toml", ".DS_Store", ".localized", "Icon\r", "cat.txt.sb-1a2b3c4d-x1y2z3"],
    "Windows, Samba": ["Thumbs.db", "desktop.ini", "cat.txt:Zone.Identifier", ".smbdelete0001"],
    "storage boxes": ["cat.txt@SynoEAStream", "cat.txt@SynoResource"],
    "Linux": [".nfs0000000001a2b3c4", ".fuse_hidden0000a1", ".directory", "#1234567"],
    "ourselves": [".mjwatch-owner", ".~mjwatch-aside-0123abcd-cat.txt", ".~mjwatch-0a1b.tmp"],
}
FOREIGN_FOLDERS = [
    *(
        ".stversions",
        ".~tmp~",
        ".rsync-partial",
        ".dropbox.cache",
        ".maestral.cache",
        ".sync",
        ".SyncArchive",
    ),
    *(".tmp.drivedownload", ".Spotlight-V100", ".Trashes", ".fseventsd", ".TemporaryItems", "__MACOSX"),
    *(".DocumentRevisions-V100", "$RECYCLE.BIN", "System Volume Information", "@eaDir", "#recycle"),
    *("#snapshot", "@Recycle", ".@__thumb", ".snapshot", ".Trash-1000", "lost+found", "~syncthing~dir"),
]


@pytest.mark.parametrize("tool", FOREIGN)
def test_what_a_tool_leaves_is_no_request_and_nobody_wonders_about_it(tool: str) -> None:
    assert [name for name in FOREIGN[tool] if is_request_name(name)] == []
    assert [name for name in FOREIGN[tool] if name.endswith((".txt", ".toml")) and why_ignored(name)] == []


@pytest.mark.parametrize("folder", FOREIGN_FOLDERS)
def test_no_folder_of_a_tool_is_scanned_or_reported(folder: str) -> None:
    assert not may_hold_prompts(folder)
    assert why_not_scanned(folder) is None


@pytest.mark.parametrize(
    "name", ["cat-LAPTOP7.txt", "cat (1).txt", "cat 2.txt", "cat(1).toml", "conflict_on_monday.txt"]
)
def test_a_copy_that_has_a_name_as_people_give_it_is_a_request(name: str) -> None:
    assert is_prompt_name(name)


# ---- other questions


def is_manifest_name(name: str) -> bool:
    return is_request_name(name) and not is_prompt_name(name)


def test_a_manifest_is_known_by_its_suffix_unless_a_tool_made_it() -> None:
    assert is_request_name("manifest.json")
    assert is_request_name("cat.ready.JSON")
    assert not is_request_name(".manifest.json")
    assert not is_request_name("manifest.sync-conflict-20260101-120000-ABCDEFG.json")
    assert not is_prompt_name("manifest.json")


@pytest.mark.parametrize("folder", ["_failed", "_later", "_"])
def test_a_folder_that_a_person_has_set_aside_is_one_to_wonder_about(folder: str) -> None:
    assert not may_hold_prompts(folder)
    assert why_not_scanned(folder) is not None
    assert why_not_scanned("_wildcards") is None


ORDERED = [
    *("1.txt", "2.txt", "10.txt", "Anna.txt", "bert.txt", "cat/1.txt", "cat.txt", "cat1.txt", "Cat2.txt"),
    *("cat10.txt", "cat10b.txt", "caf\udce9.txt", "dog 9.txt", "dog 09.txt", "dog 10.txt"),
]


def test_names_are_ordered_as_people_count() -> None:
    shuffled = ["cat10.txt", "10.txt", "cat2.txt", "2.txt", "Cat1.txt", "b.txt", "A.txt"]
    assert sorted(shuffled, key=natural_key) == [
        *("2.txt", "10.txt", "A.txt", "b.txt", "Cat1.txt", "cat2.txt", "cat10.txt")
    ]


@given(st.lists(st.text(min_size=1, max_size=12) | st.sampled_from(ORDERED), unique=True))
def test_the_order_is_one_and_the_same_however_names_come(names: list[str]) -> None:
    shuffled = random.Random(1).sample(names, len(names))
    assert sorted(shuffled, key=natural_key) == sorted(names, key=natural_key)


@given(st.text(min_size=1))
def test_any_name_can_be_asked_about(name: str) -> None:
    assert is_request_name(name) or not is_prompt_name(name)
    assert not (is_request_name(name) and (is_conflict_copy(name) or why_ignored(name)))
