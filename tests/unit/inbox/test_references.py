from __future__ import annotations

import os
import re
import unicodedata
from typing import TYPE_CHECKING

import pytest

from mjwatch.errors import PromptFileError
from mjwatch.events import FileSettled, InboxScanned
from mjwatch.inbox import filenames, references
from mjwatch.inbox.references import MAX_PICTURE, RECHECK_INTERVAL, ReferenceFinder
from mjwatch.model import References
from mjwatch.prompts.promptfile import read_prompt_file
from tests.helpers.running_inbox import HANG, move_in, running
from tests.helpers.unprivileged_user import unprivileged

if TYPE_CHECKING:
    from pathlib import Path

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
SETTLE, PATIENCE = 2.0, 60.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "inbox"
    root.mkdir()
    return root


def write(root: Path, path: str, data: bytes | str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(data if isinstance(data, bytes) else data.encode())


def around(root: Path, path: str, text: str) -> References:
    """Return what is found around a prompt file if nothing changes."""
    finder = ReferenceFinder(root)
    found = finder.read(finder.find(path, text.encode(), 0.0))
    assert found is not None
    return found


def waits(finder: ReferenceFinder, path: str, text: str, now: float) -> float:
    found = finder.find(path, text.encode(), now)
    return finder.remaining_wait(found, now, SETTLE, PATIENCE)


def images(*names: str) -> str:
    listed = ", ".join(f'"{name}"' for name in names)
    return f'prompt = "a cat"\nimages = [{listed}]\n'


# ---- what is there and can't be had


@pytest.mark.parametrize("path", ["a/_defaults.toml", "a/_wildcards/colour.txt"])
@pytest.mark.parametrize("kind", ["unreadable", "link"])
def test_a_small_file_that_can_not_be_had_is_waited_for_and_then_refused(path: str, kind: str) -> None:
    with unprivileged() as root:
        write(root, "_wildcards/colour.txt", "red\n")
        write(root, path, 'label = "acme"\n')
        if kind == "link":
            (root / path).rename(root / "elsewhere")
            (root / path).symlink_to(root / "elsewhere")
        else:
            (root / path).chmod(0)
        finder = ReferenceFinder(root)
        assert waits(finder, "a/cat.txt", "a __colour__ cat\n", 0.0) > 0
        assert waits(finder, "a/cat.txt", "a __colour__ cat\n", PATIENCE) <= 0
        found = around(root, "a/cat.txt", "a __colour__ cat\n")
        assert list(found.unreadable) == [path]
        with pytest.raises(PromptFileError, match=re.escape(path)):
            read_prompt_file(b"a __colour__ cat\n", "cat.txt", references=found)


def test_defaults_that_are_a_link_are_reported(root: Path) -> None:
    (root / "_defaults.toml").symlink_to(root / "elsewhere.toml")
    with running(root) as it:
        assert it.left() == {"_defaults.toml": filenames.LINK}


# ---- what is found


def test_defaults_come_from_the_inbox_down_to_the_files_own_folder(root: Path) -> None:
    write(root, "_defaults.toml", 'label = "all"\n')
    write(root, "clients/acme/_defaults.toml", 'label = "acme"\n')
    write(root, "clients/other/_defaults.toml", 'label = "other"\n')
    found = around(root, "clients/acme/cat.txt", "a cat\n")
    assert found.defaults == (
        ("_defaults.toml", b'label = "all"\n'),
        ("clients/acme/_defaults.toml", b'label = "acme"\n'),
    )


def test_the_nearest_wildcard_counts_and_those_within_it_are_found_too(root: Path) -> None:
    write(root, "_wildcards/colour.txt", "red\n")
    write(root, "a/_wildcards/colour.txt", "__shade__ green\n")
    write(root, "_wildcards/shade.txt", "dark\nlight\n")
    write(root, "a/b/_wildcards/unused.txt", "x\n")
    found = around(root, "a/b/cat.txt", "a __colour__ cat\n")
    assert found.wildcards == {"colour": b"__shade__ green\n", "shade": b"dark\nlight\n"}
    assert around(root, "cat.txt", "a __colour__ cat\n").wildcards == {"colour": b"red\n"}


def test_defaults_may_use_wildcards(root: Path) -> None:
    write(root, "_defaults.toml", '[parameters]\nsref = "__style__"\n')
    write(root, "_wildcards/style.txt", "1\n2\n")
    assert around(root, "cat.txt", "a cat\n").wildcards == {"style": b"1\n2\n"}


def test_pictures_lie_beside_the_prompt_file_or_below(root: Path) -> None:
    write(root, "a/ref.png", PNG)
    write(root, "a/refs/two.webp", PNG + b"2")
    found = around(root, "a/cat.toml", images("ref.png", "refs/two.webp", "https://example.org/x.jpg"))
    assert found.images == {"ref.png": PNG, "refs/two.webp": PNG + b"2"}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_picture_is_found_however_its_accents_are_composed(root: Path, form: str) -> None:
    write(root, unicodedata.normalize("NFD" if form == "NFC" else "NFC", "café.png"), PNG)
    name = unicodedata.normalize(form, "café.png")  # type: ignore[arg-type]
    assert around(root, "cat.toml", images(name)).images == {name: PNG}


@pytest.mark.parametrize("name", ["../outside.png", "/etc/passwd.png", "../../etc/passwd", "~/x.png"])
def test_nothing_outside_of_the_folder_is_read(root: Path, name: str) -> None:
    write(root, "outside.png", PNG)
    assert around(root, "a/cat.toml", images(name)) == References()


@pytest.mark.parametrize("link", ["file", "folder", "dangling"])
def test_no_link_is_followed(root: Path, tmp_path: Path, link: str) -> None:
    write(tmp_path, "secret/ref.png", b"a secret")
    write(tmp_path, "secret/colour.txt", b"a secret")
    write(tmp_path, "secret/_defaults.toml", b"a secret")
    (root / "a").mkdir()
    if link == "folder":
        (root / "a/refs").symlink_to(tmp_path / "secret")
        (root / "a/_wildcards").symlink_to(tmp_path / "secret")
    else:
        target = tmp_path / ("nothing" if link == "dangling" else "secret")
        (root / "a/refs").mkdir()
        (root / "a/_wildcards").mkdir()
        (root / "a/refs/ref.png").symlink_to(target / "ref.png")
        (root / "a/_wildcards/colour.txt").symlink_to(target / "colour.txt")
    (root / "_defaults.toml").symlink_to(tmp_path / "secret/_defaults.toml")
    text = images("refs/ref.png").replace("a cat", "a __colour__ cat")
    found = around(root, "a/cat.toml", text)
    assert found == References(unreadable=found.unreadable, wildcard_names=found.wildcard_names)
    assert "_defaults.toml" in found.unreadable


def test_a_pipe_in_place_of_a_picture_is_no_picture(root: Path) -> None:
    os.mkfifo(root / "ref.png")
    assert around(root, "cat.toml", images("ref.png")).images == {}


def test_a_picture_that_is_too_large_is_left_out_and_says_why(root: Path) -> None:
    with (root / "ref.png").open("wb") as file:
        file.truncate(MAX_PICTURE + 1)
    found = around(root, "cat.toml", images("ref.png"))
    assert found.images == {}
    assert found.unusable == {"ref.png": "it has 10,485,761 bytes, but Discord takes 10,485,760 at most"}


def test_pictures_that_are_too_large_together_are_not_read_and_say_why(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "MAX_PICTURES_BYTES", 3 * len(PNG))
    names = ["a.png", "b.png", "c.png"]
    for name in names:
        write(root, name, PNG)
    assert list(around(root, "cat.toml", images(*names)).images) == names
    write(root, "c.png", PNG + b"x")
    found = around(root, "cat.toml", images(*names))
    assert found.images == {}
    assert list(found.unusable) == names
    with pytest.raises(
        PromptFileError, match="all pictures together have 325 bytes, but one prompt file's may"
    ):
        read_prompt_file(images(*names).encode(), "cat.toml", references=found)


@pytest.mark.parametrize("name", ["x" * 300 + ".png", "\udce9.png", "a\x00b.png"])
def test_a_name_that_can_not_be_is_not_there(root: Path, name: str) -> None:
    text = images("ref.png").encode().replace(b"ref.png", name.encode("utf-8", "surrogateescape"))
    finder = ReferenceFinder(root)
    assert finder.read(finder.find("cat.toml", text, 0.0)) == References()


def test_many_prompts_with_one_picture_share_its_bytes_until_they_are_let_go(root: Path) -> None:
    write(root, "ref.png", PNG)
    finder = ReferenceFinder(root)
    found = [finder.read(finder.find(f"{n}.toml", images("ref.png").encode(), 0.0)) for n in (1, 2)]
    assert found[0] is not None
    assert found[1] is not None
    assert found[0].images["ref.png"] is found[1].images["ref.png"]
    finder.release_contents(0.0)
    assert finder._contents == {}


# ---- when it has settled


def test_files_that_have_been_there_for_a_while_are_waited_for_once(root: Path) -> None:
    write(root, "ref.png", PNG)
    finder = ReferenceFinder(root)
    assert waits(finder, "cat.toml", images("ref.png"), 0.0) == SETTLE
    assert waits(finder, "cat.toml", images("ref.png"), SETTLE) <= 0
    assert waits(finder, "other.toml", images("ref.png"), SETTLE) <= 0


def test_a_prompt_file_without_references_does_not_wait(root: Path) -> None:
    assert waits(ReferenceFinder(root), "cat.txt", "a cat\n", 0.0) <= 0


def test_a_missing_picture_is_waited_for_and_taken_when_it_has_settled(root: Path) -> None:
    finder = ReferenceFinder(root)
    assert waits(finder, "cat.toml", images("ref.png"), 0.0) == RECHECK_INTERVAL
    write(root, "ref.png", PNG)
    assert waits(finder, "cat.toml", images("ref.png"), 30.0) == SETTLE
    assert waits(finder, "cat.toml", images("ref.png"), 30.0 + SETTLE) <= 0


def test_a_picture_that_grows_is_waited_for_however_long_that_takes(root: Path) -> None:
    finder = ReferenceFinder(root)
    for second in range(200):
        write(root, "ref.png", PNG + bytes(second))
        assert waits(finder, "cat.toml", images("ref.png"), float(second)) > 0


def test_a_picture_that_never_comes_is_given_up_after_the_long_wait(root: Path) -> None:
    write(root, "there.png", PNG)
    finder = ReferenceFinder(root)
    text = images("there.png", "ref.png")
    assert waits(finder, "cat.toml", text, 0.0) > 0
    assert waits(finder, "cat.toml", text, PATIENCE - 0.5) == 0.5
    assert waits(finder, "cat.toml", text, PATIENCE) <= 0
    found = finder.read(finder.find("cat.toml", text.encode(), PATIENCE))
    assert found is not None
    assert list(found.images) == ["there.png"]


@pytest.mark.parametrize("path", ["_defaults.toml", "_wildcards/colour.txt"])
def test_small_files_around_it_settle_too(root: Path, path: str) -> None:
    write(root, path, "")
    finder = ReferenceFinder(root)
    assert waits(finder, "cat.txt", "a __colour__ cat\n", 0.0) > 0
    assert waits(finder, "cat.txt", "a __colour__ cat\n", 1.0) > 0
    write(root, path, "red\n")
    assert waits(finder, "cat.txt", "a __colour__ cat\n", 1.5) > 0


def test_a_picture_that_changes_while_it_is_read_is_read_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, "ref.png", PNG)
    finder = ReferenceFinder(root)
    found = finder.find("cat.toml", images("ref.png").encode(), 0.0)
    write(root, "ref.png", PNG + b"more")
    assert finder.read(found) is None


def test_a_reference_that_no_prompt_file_asks_for_is_forgotten(root: Path) -> None:
    finder = ReferenceFinder(root)
    finder.find("cat.toml", images("ref.png").encode(), 0.0)
    finder.release_contents(references._RECORD_LIFETIME + 1)
    assert finder._files == {}


# ---- in the inbox


def test_the_inbox_hands_over_the_files_around_a_prompt_file(root: Path) -> None:
    write(root, "_defaults.toml", 'label = "all"\n')
    write(root, "ref.png", PNG)
    write(root, "cat.toml", images("ref.png"))
    with running(root) as it:
        file = it.settled()
    assert file.images == {"ref.png": PNG}
    assert [prompt.label for prompt in file.prompts] == ["all"]


def test_a_prompt_file_waits_for_its_picture_and_others_pass_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "RECHECK_INTERVAL", 0.02)
    with running(root, settle_incomplete=HANG) as it:
        write(root, "cat.toml", images("ref.png"))
        write(root, "dog.txt", "a dog\n")
        assert it.settled().path == "dog.txt"
        while it.events.get(timeout=HANG) != InboxScanned(1):
            pass
        move_in(root / "ref.png", "a picture")
        file = it.settled()
    assert (file.path, file.images) == ("cat.toml", {"ref.png": b"a picture"})


def test_a_ready_file_waits_for_its_picture_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "RECHECK_INTERVAL", 0.02)
    with running(root, settle_incomplete=HANG) as it:
        move_in(root / "cat.ready.toml", images("ref.png"))
        while it.events.get(timeout=HANG) != InboxScanned(1):
            pass
        write(root, "ref.png", PNG)
        assert it.settled().images == {"ref.png": PNG}


def test_a_prompt_file_whose_picture_never_comes_is_handed_over_as_it_is(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "RECHECK_INTERVAL", 0.02)
    write(root, "cat.toml", images("ref.png"))
    with running(root, settle_incomplete=0.02) as it:
        file: FileSettled = it.settled()
    assert file.error is not None
    assert 'ref.png" was not found' in file.error.message


# ---- the tree of wildcards


def test_a_wildcard_is_found_by_any_name_below_the_folder(root: Path) -> None:
    for name in ("artists/dutch.txt", "hair color.TXT", "caf\u00e9.txt", "80s.txt", "old/deep/x.v2.txt"):
        write(root, f"_wildcards/{name}", f"{name}\n")
    write(root, "a/_wildcards/artists/dutch.txt", "nearer\n")
    text = "__artists/dutch__ __hair color__ __cafe\u0301__ __80s__ __old/**__"
    found = around(root, "a/cat.txt", text)
    assert found.wildcards == {
        "artists/dutch": b"nearer\n",
        "hair color": b"hair color.TXT\n",
        "caf\u00e9": "caf\u00e9.txt\n".encode(),
        "80s": b"80s.txt\n",
        "old/deep/x.v2": b"old/deep/x.v2.txt\n",
    }


def test_what_tools_leave_in_the_folder_is_no_wildcard(root: Path) -> None:
    for name in ("._a.txt", "a.sync-conflict-20260101-120000.txt", "@eaDir/a.txt", "a.png", "_a.txt"):
        write(root, f"_wildcards/{name}", "x\n")
    (root / "_wildcards/b").symlink_to(root)
    assert around(root, "cat.txt", "__*__ __**__").wildcards == {}


def test_a_folder_with_too_many_wildcards_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "MAX_WILDCARD_FILES", 2)
    for name in "abc":
        write(root, f"_wildcards/{name}.txt", "x\n")
    found = around(root, "cat.txt", "__a__")
    with pytest.raises(PromptFileError, match=r"_wildcards/.* more than 2 files"):
        read_prompt_file(b"__a__", "cat.txt", references=found)


def test_a_wildcard_that_comes_late_is_waited_for(root: Path) -> None:
    finder = ReferenceFinder(root)
    assert waits(finder, "cat.txt", "a __hair color__ cat\n", 0.0) > 0
    finder.release_contents(0.0)
    write(root, "_wildcards/hair color.txt", "red\n")
    assert waits(finder, "cat.txt", "a __hair color__ cat\n", PATIENCE / 2) == SETTLE
    assert waits(finder, "cat.txt", "a __hair color__ cat\n", PATIENCE / 2 + SETTLE) <= 0
    assert waits(ReferenceFinder(root), "cat.txt", "a __other__ cat\n", 0.0) > 0
