"""Links in a shared inbox: a taken file's removal touches nothing behind them.

Seen to catch: a file of the same name moved and put back behind a link; a start that puts a file back there.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from mjwatch.filesystem.files import identify, read_unchanged
from mjwatch.inbox.removal import ASIDE_PREFIX, remove_taken, restore_aside
from tests.helpers.flipping import flipping

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "inbox/clients").mkdir(parents=True)
    return tmp_path / "inbox"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def test_a_file_behind_a_link_is_neither_removed_nor_moved(root: Path, elsewhere: Path) -> None:
    (root / "clients/cat.txt").write_text("a cat\n")
    identity = identify(root, "clients/cat.txt")
    assert identity is not None
    (root / "clients").rename(elsewhere / "clients")
    (root / "clients").symlink_to(elsewhere / "clients")
    with pytest.raises(OSError, match="clients is a link"):
        remove_taken(root, "clients/cat.txt", identity)
    assert (elsewhere / "clients/cat.txt").exists()


def test_nothing_outside_is_touched_while_a_folder_flips_to_a_link_and_back(
    root: Path, elsewhere: Path
) -> None:
    names = [f"cat{number}.txt" for number in range(40)]
    identities = {}
    for name in names:
        (root / "clients" / name).write_text("a cat\n")
        (elsewhere / name).write_text("another cat\n")
        identities[name] = identify(root, f"clients/{name}")
    changed = elsewhere.stat().st_mtime_ns
    with flipping(root / "clients", elsewhere):
        for name in names:
            with suppress(OSError):
                remove_taken(root, f"clients/{name}", identities[name] or ())
    assert elsewhere.stat().st_mtime_ns == changed
    assert sorted(path.name for path in elsewhere.iterdir()) == sorted(names)


def test_a_start_puts_nothing_back_behind_a_link(root: Path, elsewhere: Path) -> None:
    (elsewhere / f"{ASIDE_PREFIX}0123abcd-cat.txt").write_text("a cat\n")
    (root / "linked").symlink_to(elsewhere)
    restore_aside(root)
    assert [path.name for path in elsewhere.iterdir()] == [f"{ASIDE_PREFIX}0123abcd-cat.txt"]


@pytest.mark.parametrize("rest", [".", ".."])
def test_an_aside_file_of_an_impossible_name_is_reported(
    root: Path, rest: str, caplog: pytest.LogCaptureFixture
) -> None:
    (root / f"{ASIDE_PREFIX}00000000-{rest}").touch()
    restore_aside(root)
    assert "can't be put back: " in caplog.text


def test_a_file_that_becomes_a_link_is_not_read(root: Path, tmp_path: Path) -> None:
    """The identity is the target's: only the flag of the opening call can notice the link."""
    (tmp_path / "secret").write_text("a secret\n")
    identity = identify(tmp_path, "secret")
    assert identity is not None
    (root / "cat.txt").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match=r"cat\.txt is a link"):
        read_unchanged(root, "cat.txt", identity, 100)
