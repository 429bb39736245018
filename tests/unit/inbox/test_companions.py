"""A folder of the outbox that is put back into the inbox: one request, whatever lies in it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.events import InboxScanned
from mjwatch.inbox import filenames, pickup
from mjwatch.inbox.filenames import is_whole_json, may_be_manifest, read_companions
from mjwatch.inbox.pickup import InFlightFiles
from mjwatch.model import MANIFEST_SCHEMA
from mjwatch.outbox.manifest import manifest_schema
from mjwatch.prompts.source_text import sha256
from tests.helpers.running_inbox import HANG, Running, move_in, running
from tests.scenarios.stage import wait_until

if TYPE_CHECKING:
    from pathlib import Path

JOB = "7k3f9a2m"
PAGE = "# This prompt file could not be used\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "inbox"
    root.mkdir()
    return root


def manifest(prompt_file: str = "dog.txt", page: str = PAGE, **other: Any) -> str:
    document = {
        "schema": MANIFEST_SCHEMA,
        "job": JOB,
        "source": {"path": f"clients/{prompt_file}", "sha256": "0" * 64},
        "files": [
            {"file": prompt_file, "bytes": 6, "sha256": "0" * 64},
            {"file": "ERROR.md", "bytes": len(page), "sha256": sha256(page.encode())},
        ],
    }
    return json.dumps(document | other, indent=2) + "\n"


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files count as put there at once, however long it takes to write both."""
    monkeypatch.setattr(filenames, "SAME_DELIVERY_TIME", 10 * HANG)


def write(root: Path, **files: str) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (root / name.replace("__", ".")).write_text(text)


def settled(it: Running, count: int) -> dict[str, str | None]:
    """Return so many files that are handed over, all there are, and the prompt file that each belongs to."""
    found: dict[str, str | None] = {}
    scans = 0
    while scans < 3:
        event = it.events.get(timeout=HANG)
        if isinstance(event, InboxScanned):
            scans += event.waiting == 0 and len(found) >= count
        else:
            assert event.path not in found
            found[event.path] = event.belongs_to
    return found


# ---- what a manifest says


def test_the_schema_is_that_of_our_manifests() -> None:
    assert manifest_schema()["properties"]["schema"]["const"] == MANIFEST_SCHEMA


def test_a_manifest_names_its_prompt_file_and_the_page_beside_it() -> None:
    found = read_companions(manifest().encode())
    assert found is not None
    assert (found.job, found.prompt_files) == (JOB, ("dog.txt",))
    assert found.pages == {"ERROR.md": sha256(PAGE.encode())}


def test_the_ready_marker_that_the_outbox_drops_does_not_hide_it() -> None:
    found = read_companions(manifest(source={"path": "a/dog.ready.txt"}).encode())
    assert found is not None
    assert found.prompt_files == ("dog.txt", "dog.ready.txt")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"schema": "other/1"}', '{"schema": ["mjwatch/manifest/1"]}', "[" * 100_000],
)
def test_what_is_no_manifest_of_ours_is_none(text: str) -> None:
    assert read_companions(text.encode()) is None


def test_a_forged_manifest_names_nothing_outside_of_its_folder() -> None:
    text = manifest(
        files=[
            {"file": "../../etc/passwd.txt"},
            {"file": "/etc/x.toml"},
            {"file": 7},
            "x",
            {"file": "ERROR.md"},
        ],
        source={"path": "../../secret/key.txt"},
    )
    found = read_companions(text.encode())
    assert found is not None
    assert (found.prompt_files, found.pages) == (("key.txt",), {})


@given(st.recursive(st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from(["files", "file", "sha256", "source", "path", "job"]), inner)))  # fmt: skip
def test_a_manifest_of_any_shape_can_be_read(shape: Any) -> None:
    document = shape if isinstance(shape, dict) else {"files": shape, "source": shape}
    found = read_companions(json.dumps({**document, "schema": MANIFEST_SCHEMA}).encode())
    assert found is not None
    assert not any("/" in name for name in (*found.prompt_files, *found.pages))


def test_half_a_manifest_is_known_for_ours_and_for_half() -> None:
    text = manifest().encode()
    assert may_be_manifest(text[:200])
    assert not is_whole_json(text[:200])
    assert is_whole_json(text)
    assert may_be_manifest(text.replace(b"/", rb"\/"))
    assert not may_be_manifest(b'{"schema": "mjwatch/manifest/12"}')


# ---- in the inbox


def test_a_manifest_alone_is_a_request(root: Path) -> None:
    with running(root) as it:
        move_in(root / "any name.json", manifest())
        file = it.settled()
    assert (file.path, file.belongs_to, file.companions) == ("any name.json", None, ())


def test_other_json_is_left_alone_and_not_waited_for(root: Path) -> None:
    (root / "package.json").write_text('{"name": "x"}')
    (root / "manifest.json").write_text('{"start_url": "/"}')
    with running(root, settle=3600) as it:
        assert it.scans(3) == [InboxScanned(0)] * 3
        assert it.left() == {}
        (root / "package.json").write_text(manifest())
        while it.events.get(timeout=HANG) != InboxScanned(1):
            pass


@pytest.mark.parametrize("first", ["prompt file", "manifest", "both"])
def test_a_folder_that_is_put_back_whole_is_one_request_in_whatever_order_it_comes(
    root: Path, first: str
) -> None:
    folder = root / f"dog-{JOB}"
    found: dict[str, str | None] = {}
    with running(root, settle_incomplete=HANG) as it:
        if first == "both":
            write(folder, dog__txt="a dog\n", manifest__json=manifest(), ERROR__md=PAGE)
        elif first == "prompt file":
            write(folder, dog__txt="a dog\n")
            file = it.settled()
            found[file.path] = file.belongs_to
            assert it.inbox.remove(file.path, file.identity)
            write(folder, manifest__json=manifest(), ERROR__md=PAGE)
        else:
            write(folder, manifest__json=manifest(), ERROR__md=PAGE)
            wait_until(
                lambda: any(file.is_extended for file in [*it.inbox._settling._files.values()]),
                "the manifest waits for more files of its folder",
            )
            write(folder, dog__txt="a dog\n")
            file = it.settled()
            found[file.path] = file.belongs_to
            it.skip(HANG)
        found |= settled(it, 2 - len(found))
    assert found == {f"dog-{JOB}/dog.txt": None, f"dog-{JOB}/manifest.json": f"dog-{JOB}/dog.txt"}


def test_the_page_goes_with_the_manifest_if_it_is_still_ours(root: Path) -> None:
    folder = root / f"dog-{JOB}"
    write(folder, dog__txt="a dog\n", manifest__json=manifest(), ERROR__md=PAGE)
    with running(root) as it:
        files = [it.settled(), it.settled()]
        [manifest_file] = [file for file in files if file.belongs_to]
        [(path, identity)] = manifest_file.companions
        assert path == f"dog-{JOB}/ERROR.md"
        assert it.inbox.remove(path, identity)
    assert not (folder / "ERROR.md").exists()


@pytest.mark.parametrize("page", ["changed", "link", "pipe", "gone"])
def test_a_page_that_is_not_ours_any_more_stays(root: Path, tmp_path: Path, page: str) -> None:
    folder = root / f"dog-{JOB}"
    write(folder, dog__txt="a dog\n", manifest__json=manifest())
    if page == "changed":
        write(folder, ERROR__md="my own notes\n")
    elif page == "link":
        (tmp_path / "page").write_text(PAGE)
        (folder / "ERROR.md").symlink_to(tmp_path / "page")
    elif page == "pipe":
        os.mkfifo(folder / "ERROR.md")
    with running(root) as it:
        files = [it.settled(), it.settled()]
    assert [file.companions for file in files] == [(), ()]


def test_a_prompt_file_that_was_renamed_in_a_folder_of_ours_is_still_its_manifests(root: Path) -> None:
    write(root / f"dog-{JOB}", better__txt="a better dog\n", manifest__json=manifest())
    with running(root) as it:
        assert settled(it, 2) == {
            f"dog-{JOB}/better.txt": None,
            f"dog-{JOB}/manifest.json": f"dog-{JOB}/better.txt",
        }


@pytest.mark.parametrize("keep", [False, True])
def test_a_manifest_that_comes_after_its_prompt_file_was_taken_is_a_request(
    root: Path, monkeypatch: pytest.MonkeyPatch, keep: bool
) -> None:
    monkeypatch.setattr(filenames, "SAME_DELIVERY_TIME", 0.0)
    with running(root, keep=keep) as it:
        move_in(root / "dog.txt", "a dog\n")
        file = it.settled()
        it.inbox.remove(file.path, file.identity)
        move_in(root / "manifest.json", manifest())
        file = it.settled()
    assert (file.path, file.belongs_to) == ("manifest.json", None)


@pytest.mark.parametrize("folder", [".", f"dog-{JOB}"])
def test_an_action_that_a_person_wrote_into_a_manifest_is_a_request_wherever_it_lies(
    root: Path, folder: str
) -> None:
    write(root / folder, dog__txt="a dog\n", manifest__json=manifest(action="U2"))
    with running(root) as it:
        assert set(settled(it, 2).values()) == {None}


@pytest.mark.usefixtures("together")
@pytest.mark.parametrize("ours", [{"parent": "8m4f2a9k"}, {"state": "rejected"}])
def test_an_action_that_we_wrote_ourselves_is_none(root: Path, ours: dict[str, str]) -> None:
    write(root, dog__toml='action = "U2"\n', manifest__json=manifest("dog.toml", action="U2", **ours))
    with running(root) as it:
        assert settled(it, 2) == {"dog.toml": None, "manifest.json": "dog.toml"}


@pytest.mark.usefixtures("together")
def test_a_manifest_that_came_together_with_its_prompt_file_belongs_to_it(root: Path) -> None:
    write(root, dog__txt="a dog\n", manifest__json=manifest())
    with running(root) as it:
        assert settled(it, 2) == {"dog.txt": None, "manifest.json": "dog.txt"}


def test_a_manifest_beside_a_prompt_file_that_is_none_of_its_own_is_a_request(root: Path) -> None:
    write(root, cat__txt="a cat\n", bird__txt="a bird\n", manifest__json=manifest())
    with running(root) as it:
        assert settled(it, 3) == {"bird.txt": None, "cat.txt": None, "manifest.json": None}


def test_a_manifest_that_is_still_being_written_waits(root: Path) -> None:
    with running(root, settle_incomplete=HANG) as it:
        (root / "manifest.json").write_text(manifest()[:200])
        while it.events.get(timeout=HANG) != InboxScanned(1):
            pass
        (root / "manifest.json").write_text(manifest())
        assert it.settled().data == manifest().encode()


# ---- files in flight


LOOK = (1, 1, 6, 1, 1)


def is_full(it: InFlightFiles) -> bool:
    return it.is_full


def test_files_in_flight_are_limited_by_number_and_bytes_but_one_is_always_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pickup, "MOST_FILES", 3)
    monkeypatch.setattr(pickup, "MOST_BYTES", 100)
    it = InFlightFiles()
    assert not is_full(it)
    it.add("a", LOOK, 1000)
    assert is_full(it)
    assert it.release("a")
    assert not it.release("a")
    for name in ("a", "b", "c"):
        assert not is_full(it)
        it.add(name, LOOK, 10)
    assert is_full(it)
    assert it.release("b")
    assert not is_full(it)
    it.add("a", LOOK, 95)  # the same file again, changed
    assert is_full(it)


def test_what_stays_for_a_time_is_new_again_after_it() -> None:
    now = [0.0]
    it = InFlightFiles(lambda: now[0])
    it.add("a", LOOK, 1)
    it.keep("a", "too often", 60.0)
    it.keep("b", None, 20.0)
    assert (it.status().kept, it.status().deferred, it.status().next_retry) == ([("a", "too often")], 1, 20.0)
    now[0] = 59.0
    it.forget_absent({"a"})
    assert it.is_handled("a", LOOK)
    now[0] = 60.0
    it.forget_absent({"a"})
    assert not it.is_handled("a", LOOK)
    assert (it.status().kept, it.status().deferred, it.status().next_retry) == ([], 0, None)


def test_names_are_remembered_for_a_while_and_identities_as_long_as_the_file_is_there() -> None:
    now = [0.0]
    it = InFlightFiles(lambda: now[0])
    it.add("a/dog.txt", LOOK, 1)
    it.forget_absent(set())
    assert not it.is_handled("a/dog.txt", LOOK)
    assert it.last_identity("a/dog.txt") == LOOK
    assert it.files_in("a/") == ["a/dog.txt"]
    assert it.files_in("") == []
    now[0] = pickup.NAME_LIFETIME + 1
    it.forget_absent(set())
    assert it.last_identity("a/dog.txt") is None
