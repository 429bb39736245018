from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from mjwatch.errors import MjwatchError
from mjwatch.inbox.filenames import is_marked_ready, is_prompt_name
from mjwatch.inbox.removal import drop_file
from mjwatch.prompts.promptfile import read_prompt_file
from tests.helpers.unprivileged_user import unprivileged

NEVER = frozenset[str]()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    return tmp_path / "inbox"


@pytest.fixture(params=[True, False], ids=["hard links", "no hard links"])
def links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if not request.param:
        monkeypatch.setattr(os, "link", refuse)


def drop(inbox: Path, stem: str = "cat", data: bytes = b"a cat\n", taken: frozenset[str] = NEVER) -> str:
    return drop_file(inbox, stem, ".txt", data, taken.__contains__)


def left(inbox: Path) -> list[str]:
    return sorted(path.name for path in inbox.iterdir())


@pytest.mark.usefixtures("links")
def test_a_file_arrives_whole_and_says_so(inbox: Path) -> None:
    name = drop(inbox)
    assert left(inbox) == [name] == ["cat.ready.txt"]
    assert (inbox / name).read_bytes() == b"a cat\n"
    assert is_marked_ready(name)


@pytest.mark.usefixtures("links")
def test_a_file_of_that_name_is_never_replaced(inbox: Path) -> None:
    names = [drop(inbox, data=f"{number} cats\n".encode()) for number in range(3)]
    assert names == ["cat.ready.txt", "cat-2.ready.txt", "cat-3.ready.txt"]
    assert [(inbox / name).read_text() for name in names] == ["0 cats\n", "1 cats\n", "2 cats\n"]


def test_content_that_was_taken_under_that_name_gets_another_one(inbox: Path) -> None:
    assert drop(inbox, taken=frozenset({"cat.ready.txt", "cat-2.ready.txt"})) == "cat-3.ready.txt"


def test_the_second_of_two_equal_lists_is_still_a_list(inbox: Path) -> None:
    drop(inbox, "moods.list", b"a cat\na dog\n")
    name = drop(inbox, "moods.list", b"a cat\na dog\n")
    assert name == "moods-2.list.ready.txt"
    assert len(read_prompt_file((inbox / name).read_bytes(), name).prompts) == 2


@pytest.mark.parametrize(
    "stem", ["_draft", ".hidden", "~cat", "#cat", "._cat", "_", "", "cat (conflicting copy)"]
)
def test_whatever_its_name_was_the_inbox_takes_it(inbox: Path, stem: str) -> None:
    assert is_prompt_name(drop(inbox, stem))


def test_its_content_and_its_name_survive_a_power_cut(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().suffix)
        fsync(descriptor)

    inbox.mkdir()
    monkeypatch.setattr(os, "fsync", note)
    drop(inbox)
    assert synced == [".tmp", ""]


def test_files_dropped_at_the_same_time_all_arrive(inbox: Path) -> None:
    names: list[str] = []
    threads = [
        threading.Thread(target=lambda n: names.append(drop(inbox, data=b"%d\n" % n)), args=(number,))
        for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names) == left(inbox)
    assert len({(inbox / name).read_bytes() for name in names}) == 20


def test_a_full_disk_leaves_nothing_and_is_reported(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    inbox.mkdir()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MjwatchError, match="No space left on device"):
        drop(inbox)
    assert left(inbox) == []


def test_an_inbox_without_permissions_is_reported_as_text() -> None:
    with unprivileged() as folder:
        inbox = folder / "inbox"
        inbox.mkdir(mode=0o500)
        with pytest.raises(MjwatchError, match=r"mjwatch can't write into the inbox .*: Permission denied"):
            drop(inbox)
        with pytest.raises(MjwatchError, match="Permission denied"):
            drop(inbox / "below")


def test_dropping_a_file_gives_up_after_1000_taken_names(inbox: Path) -> None:
    with pytest.raises(MjwatchError, match="1000 files named cat"):
        drop_file(inbox, "cat", ".txt", b"a cat\n", lambda name: True)
    assert left(inbox) == []


def test_a_temporary_name_that_cannot_be_removed_is_no_error(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str, **_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "unlink", refuse)
    assert drop(inbox) == "cat.ready.txt"  # an error would have it dropped, and paid for, once more
