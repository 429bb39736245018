from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from mjwatch.errors import OwnerError
from mjwatch.events import InboxScanned
from mjwatch.filesystem.files import identity_of
from mjwatch.inbox.filenames import OWNER_FILE
from mjwatch.inbox.ownership import Owner, Ownership, OwnershipFacts
from mjwatch.inbox.scanner import InboxScanner
from mjwatch.trouble import TroubleKind
from tests.helpers.running_inbox import HANG, move_in, running
from tests.helpers.unprivileged_user import unprivileged

if TYPE_CHECKING:
    from pathlib import Path

HERE = Owner("here", "1234567890abcdef", "journal-1")
THERE = Owner("there", "fedcba0987654321", "journal-2")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "inbox"
    root.mkdir()
    return root


def owned(root: Path, owner: Owner = HERE, **claims: bool) -> Ownership:
    ownership = Ownership(root, owner, OwnershipFacts(**claims))
    ownership.claim()
    return ownership


def trouble(ownership: Ownership, root: Path) -> str | None:
    found = ownership.check(InboxScanner(root).scan(0.0))
    return None if found is None else str(found)


def marker(root: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((root / OWNER_FILE).read_text())
    return found


# ---- one host


def test_an_inbox_is_marked_with_host_and_journal_and_stays_ours(root: Path) -> None:
    for _ in range(2):
        assert trouble(owned(root), root) is None
        assert [path.name for path in root.iterdir()] == [OWNER_FILE]
        assert marker(root) | {"note": ""} == {
            "note": "",
            "host": "here",
            "machine": HERE.machine,
            "journal": "journal-1",
        }


def test_another_host_is_refused_with_the_owners_name(root: Path) -> None:
    assert trouble(owned(root, THERE), root) is None
    with pytest.raises(OwnerError, match=r'belongs to mjwatch on "there".*run --take-over') as refusal:
        owned(root)
    assert refusal.value.exit_code == 3
    assert marker(root)["host"] == "there"


def test_another_host_may_take_over_and_then_the_first_one_is_refused(root: Path) -> None:
    first = owned(root, THERE)
    assert trouble(first, root) is None
    second = owned(root, take_over=True)
    assert trouble(second, root) is None
    assert 'now belongs to mjwatch on "here"' in (trouble(first, root) or "")
    with pytest.raises(OwnerError, match='on "here"'):
        owned(root, THERE)
    assert marker(root)["machine"] == HERE.machine


def test_a_new_name_or_a_new_journal_of_the_same_host_is_no_stranger(root: Path) -> None:
    assert trouble(owned(root), root) is None
    assert trouble(owned(root, Owner("renamed", HERE.machine, "journal-9")), root) is None
    assert (marker(root)["host"], marker(root)["journal"]) == ("renamed", "journal-9")


def test_two_journals_of_one_host_do_not_write_over_each_others_marker(root: Path) -> None:
    first, second = owned(root), owned(root, Owner("here", HERE.machine, "journal-9"))
    assert trouble(first, root) is None
    assert trouble(second, root) is None
    before = identity_of((root / OWNER_FILE).stat())
    for _ in range(3):
        assert "another mjwatch on this machine" in (trouble(first, root) or "")
        assert trouble(second, root) is None
    assert identity_of((root / OWNER_FILE).stat()) == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"host": "x"}', b"\xff\xfe", b"x" * 10_000])
def test_a_marker_that_can_not_be_read_is_a_strangers(root: Path, content: bytes) -> None:
    (root / OWNER_FILE).write_bytes(content)
    with pytest.raises(OwnerError, match="unknown host"):
        owned(root)
    ownership = owned(root, take_over=True)
    assert trouble(ownership, root) is None
    assert marker(root)["host"] == "here"


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_a_marker_that_is_no_regular_file_is_a_strangers_and_not_waited_for(root: Path, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(root / OWNER_FILE)
    elif kind == "link":
        (root / OWNER_FILE).symlink_to("elsewhere")
    else:
        (root / OWNER_FILE).mkdir()
    with pytest.raises(OwnerError, match="unknown host"):
        owned(root)


def test_a_marker_that_went_is_put_back_where_the_inbox_is_the_same(root: Path) -> None:
    ownership = owned(root)
    assert trouble(ownership, root) is None
    (root / OWNER_FILE).unlink()
    assert trouble(ownership, root) is None
    assert marker(root)["host"] == "here"


def test_an_inbox_that_can_not_be_marked_is_used_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    with unprivileged() as folder:
        folder.chmod(0o500)
        ownership = owned(folder)
        assert trouble(ownership, folder) is None
        assert trouble(ownership, folder) is None
    assert caplog.text.count(f"can't mark the inbox {folder} as its own: Permission denied") == 1


# ---- a disk that is not mounted


def test_an_empty_folder_in_the_place_of_the_inbox_is_no_empty_inbox(root: Path) -> None:
    ownership = owned(root)
    assert trouble(ownership, root) is None
    root.rename(root.with_name("the disk"))
    root.mkdir()
    assert "is its disk mounted?" in (trouble(ownership, root) or "")
    assert list(root.iterdir()) == []
    root.rmdir()
    root.with_name("the disk").rename(root)
    assert trouble(ownership, root) is None


def test_a_known_inbox_that_is_empty_at_a_start_is_reported(root: Path) -> None:
    assert "is its disk mounted?" in (trouble(owned(root, known=True), root) or "")
    assert trouble(owned(root, known=False), root) is None


def test_a_new_folder_with_something_in_it_is_a_new_inbox(root: Path) -> None:
    ownership = owned(root)
    assert trouble(ownership, root) is None
    root.rename(root.with_name("elsewhere"))
    root.mkdir()
    (root / "cat.txt").write_text("a cat\n")
    assert trouble(ownership, root) is None
    assert marker(root)["host"] == "here"


# ---- an inbox that keeps what was taken


def test_what_is_kept_and_known_to_no_journal_waits_for_a_person(root: Path) -> None:
    (root / "cat.txt").write_text("a cat\n")
    for _ in range(2):
        words = trouble(owned(root, keep=True), root) or ""
        assert "keeps prompt files that this journal does not know" in words
        assert "run --accept-existing" in words
        assert marker(root)["journal"] == ""
    assert trouble(owned(root, keep=True, accept_existing=True), root) is None
    assert trouble(owned(root, keep=True), root) is None
    assert marker(root)["journal"] == "journal-1"


def test_a_lost_journal_knows_nothing_of_what_is_kept(root: Path) -> None:
    assert trouble(owned(root, keep=True), root) is None
    (root / "cat.txt").write_text("a cat\n")
    other = Owner("here", HERE.machine, "journal-9")
    assert trouble(owned(root, other, keep=True), root) is not None
    assert trouble(owned(root, other, keep=True, has_files=True), root) is not None
    (root / "cat.txt").unlink()
    assert trouble(owned(root, other, keep=True), root) is None


def test_a_lost_marker_is_written_again_by_a_journal_that_knows_of_files(root: Path) -> None:
    (root / "cat.txt").write_text("a cat\n")
    assert trouble(owned(root, keep=True, has_files=True), root) is None
    assert marker(root)["journal"] == "journal-1"


def test_who_takes_over_a_kept_inbox_from_another_host_does_not_know_its_files(root: Path) -> None:
    assert trouble(owned(root, THERE, keep=True), root) is None
    (root / "cat.txt").write_text("a cat\n")
    assert trouble(owned(root, keep=True, take_over=True), root) is not None
    assert trouble(owned(root, keep=True, take_over=True, accept_existing=True), root) is None


# ---- in the inbox


def test_an_owner_that_sees_another_name_stops_taking_files(root: Path) -> None:
    with running(root, ownership=Ownership(root, HERE, OwnershipFacts()), scan_interval=3600) as it:
        move_in(root / "cat.txt")
        assert it.settled().path == "cat.txt"
        other = owned(root, THERE, take_over=True)
        assert trouble(other, root) is None
        while not (isinstance(event := it.events.get(timeout=HANG), InboxScanned) and event.trouble):
            pass
        assert event.trouble.kind is TroubleKind.OWNER
        assert 'now belongs to mjwatch on "there"' in event.trouble.sentence
        move_in(root / "dog.ready.txt")
        it.inbox._hints.add_everything()
        event = it.events.get(timeout=HANG)
        assert isinstance(event, InboxScanned)
        assert event.trouble is not None
    assert (root / "dog.ready.txt").exists()


def test_an_inbox_of_another_host_is_not_even_scanned(root: Path) -> None:
    assert trouble(owned(root, THERE), root) is None
    with pytest.raises(OwnerError), running(root, ownership=Ownership(root, HERE, OwnershipFacts())):
        pass
