"""The outbox: a folder appears whole, by one rename, once, and nothing else of it is ever visible.

Seen to catch: files, their folder or its name not synced to disk; a folder made in the outbox and filled
file by file; what failed left in staging; a published folder not known again, also where its manifest can't
be read just now; the missing disk of a mount point not noticed.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.errors import ConfigError, OutboxError
from mjwatch.filesystem.folder import Folder
from mjwatch.outbox import publisher as outbox_module
from mjwatch.outbox.manifest import FILE_NAME, iso
from mjwatch.outbox.publisher import FAILED, STAGING, Outbox, prompt_file_name, stem_of
from tests.helpers.job_factory import made_job
from tests.helpers.rights import foreign_groups, mode, share, umask
from tests.helpers.unprivileged_user import unprivileged

if TYPE_CHECKING:
    from collections.abc import Callable

JOB = made_job("7k3f9a2m", "clients/acme/cat.txt")
PLACE = "clients/acme/cat-7k3f9a2m"


def files(job_id: str = "7k3f9a2m", **more: bytes) -> dict[str, bytes]:
    return {"cat_1.png": b"picture", "cat.txt": b"a cat\n", FILE_NAME: manifest(job_id), **more}


def manifest(job_id: str) -> bytes:
    return json.dumps({"job": job_id}).encode()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


@pytest.fixture
def outbox(root: Path, tmp_path: Path) -> Outbox:
    return Outbox(root, tmp_path / "state")


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


# ---- whole by one rename


def test_a_folder_is_published_with_every_byte(outbox: Outbox, root: Path, tmp_path: Path) -> None:
    assert outbox.publish(JOB, files()) == PLACE
    assert {path.name: path.read_bytes() for path in (root / PLACE).iterdir()} == files()
    assert tree(tmp_path / "state") == []


def test_a_failure_is_published_apart(outbox: Outbox, root: Path) -> None:
    assert outbox.publish(JOB, files(), failed=True) == f"_failed/{PLACE}"
    assert (root / "_failed" / PLACE / FILE_NAME).is_file()


@pytest.mark.parametrize(
    ("mask", "file_mode", "folder_mode"),
    [(0o022, 0o644, 0o755), (0o007, 0o660, 0o770), (0o077, 0o600, 0o700), (0o000, 0o666, 0o777)],
)
def test_modes_follow_the_umask_but_the_state_folder_is_private(
    root: Path, tmp_path: Path, mask: int, file_mode: int, folder_mode: int
) -> None:
    with umask(mask):
        Outbox(root, tmp_path / "state").publish(JOB, files())
    assert {mode(path) for path in (root / PLACE).iterdir()} == {file_mode}
    made = [root, root / "clients", root / "clients/acme", root / PLACE]
    assert [mode(path) for path in made] == [folder_mode] * 4
    assert mode(tmp_path / "state") == 0o700


@pytest.mark.parametrize("staged_in", ["state", "outbox"])
def test_what_is_published_has_the_group_of_the_folder_that_it_appears_in(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, staged_in: str
) -> None:
    of_state, of_outbox, *_ = (*foreign_groups(), os.getegid(), os.getegid())
    for folder in (tmp_path / "state", root / "clients/acme"):
        folder.mkdir(parents=True)
    share(tmp_path / "state", of_state)
    share(root / "clients/acme", of_outbox)
    if staged_in == "outbox":
        refuse_renames(monkeypatch, lambda path: path.is_relative_to(tmp_path / "state"))
    Outbox(root, tmp_path / "state").publish(JOB, files())
    published = root / PLACE
    assert published.stat().st_mode & stat.S_ISGID
    assert {path.stat().st_gid for path in (published, *published.iterdir())} == {of_outbox}


def test_an_outbox_is_given_to_a_group(outbox: Outbox, root: Path) -> None:
    group = (*foreign_groups(), os.getegid())[0]
    outbox.give_to(str(group))
    outbox.publish(JOB, files())
    assert {path.stat().st_gid for path in root.rglob("*")} == {group}
    with pytest.raises(ConfigError, match="there is no group no-such-group"):
        outbox.give_to("no-such-group")


def test_a_group_that_may_not_be_given_is_no_reason_to_publish_nothing(
    outbox: Outbox, root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fail(monkeypatch, os, "chown", errno.EPERM, after=0)
    outbox.give_to("61003")
    assert outbox.publish(JOB, files()) == PLACE
    command = f"sudo chgrp -R 61003 {root} && "
    assert f"can't get the group 61003: Operation not permitted; run `{command}" in caplog.text


def test_what_a_crash_left_beside_the_published_folder_is_removed(outbox: Outbox, root: Path) -> None:
    left = root / "clients/acme/.mjwatch-probe-cat-7k3f9a2m"
    left.mkdir(parents=True)
    (left / "cat_1.png").write_bytes(b"another one")
    outbox.publish(JOB, files())
    assert [path.name for path in (root / "clients/acme").iterdir()] == ["cat-7k3f9a2m"]
    assert {path.name: path.read_bytes() for path in (root / PLACE).iterdir()} == files()


class Calls:
    """Which of the system's calls were made, in order, by the names they were about."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[str] = []
        fsync, rename, mkdir = os.fsync, os.rename, os.mkdir

        def note_fsync(descriptor: int) -> None:
            self.made.append(f"fsync {path_of(descriptor).name}")
            fsync(descriptor)

        def note_rename(name: str, target: str, **folders: int) -> None:
            self.made.append(f"rename to {target}")
            rename(name, target, **folders)

        def note_mkdir(name: str, mode: int, *, dir_fd: int | None = None) -> None:
            self.made.append(f"mkdir {name}")
            mkdir(name, mode, dir_fd=dir_fd)

        monkeypatch.setattr(os, "fsync", note_fsync)
        monkeypatch.setattr(os, "rename", note_rename)
        monkeypatch.setattr(os, "mkdir", note_mkdir)


def path_of(descriptor: int) -> Path:
    return Path(f"/proc/self/fd/{descriptor}").readlink()


def refuse_renames(
    monkeypatch: pytest.MonkeyPatch, refused: Callable[[Path], bool], code: int = errno.EXDEV
) -> None:
    """Let renames out of some folders fail."""
    original = os.rename

    def rename(name: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        if refused(path_of(src_dir_fd)):
            raise OSError(code, os.strerror(code))
        original(name, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "rename", rename)


def test_files_folder_parents_and_name_are_durable_in_this_order(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uuid.uuid4", lambda: type("Id", (), {"hex": "staged"}))
    calls = Calls(monkeypatch)
    outbox.publish(JOB, files())
    assert calls.made == [
        *("mkdir clients", "fsync outbox", "mkdir acme", "fsync clients"),
        *("mkdir .mjwatch-probe-cat-7k3f9a2m", "rename to staged"),
        *("fsync cat_1.png", "fsync cat.txt", "fsync manifest.json", "fsync staged"),
        *("rename to cat-7k3f9a2m", "fsync acme"),
    ]


# ---- again


def test_publishing_again_changes_nothing(outbox: Outbox, root: Path, tmp_path: Path) -> None:
    outbox.publish(JOB, files())
    inode = (root / PLACE).stat().st_ino
    assert Outbox(root, tmp_path / "state").publish(JOB, files(more=b"later")) == PLACE
    assert (root / PLACE).stat().st_ino == inode
    assert tree(root) == sorted(f"{PLACE}/{name}" for name in files())


def test_a_folder_that_was_tampered_with_is_left_and_another_name_taken(outbox: Outbox, root: Path) -> None:
    outbox.publish(JOB, files())
    (root / PLACE / FILE_NAME).unlink()
    assert outbox.publish(JOB, files()) == f"{PLACE}-2"
    assert outbox.publish(JOB, files()) == f"{PLACE}-2"
    assert (root / PLACE / "cat_1.png").exists()


def test_when_all_names_are_taken_it_says_so(outbox: Outbox, root: Path, tmp_path: Path) -> None:
    for name in (PLACE, *(f"{PLACE}-{number}" for number in range(2, 10))):
        (root / name).mkdir(parents=True)
    with pytest.raises(OutboxError, match="are taken"):
        outbox.publish(JOB, files())
    assert tree(tmp_path / "state") == []


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"job": "other"}'])
def test_a_foreign_manifest_does_not_count_as_published(outbox: Outbox, root: Path, data: bytes) -> None:
    (root / PLACE).mkdir(parents=True)
    (root / PLACE / FILE_NAME).write_bytes(data)
    assert outbox.publish(JOB, files()) == f"{PLACE}-2"


def test_a_late_result_takes_the_failure_away(outbox: Outbox, root: Path, tmp_path: Path) -> None:
    outbox.publish(JOB, files(), failed=True)
    other = made_job("aaaaaaaa", "clients/acme/cat.txt")
    outbox.publish(other, files("aaaaaaaa"), failed=True)
    outbox.publish(JOB, files())
    assert not (root / FAILED / PLACE).exists()
    assert (root / FAILED / "clients/acme/cat-aaaaaaaa").exists()
    assert tree(tmp_path / "state") == []


def test_a_failure_that_a_crash_left_beside_the_result_goes_at_the_next_try(
    outbox: Outbox, root: Path
) -> None:
    outbox.publish(JOB, files())
    outbox.publish(JOB, files(), failed=True)
    outbox.publish(JOB, files())
    assert not (root / FAILED / PLACE).exists()


def test_a_failure_that_can_not_be_taken_away_does_not_undo_the_result(
    outbox: Outbox, root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    outbox.publish(JOB, files(), failed=True)
    refuse_renames(monkeypatch, lambda path: FAILED in path.parts, errno.EACCES)
    assert outbox.publish(JOB, files()) == PLACE
    assert (root / PLACE).is_dir()
    assert "can't remove the folder of an earlier failure" in caplog.text


def test_a_failure_that_can_not_be_deleted_is_out_of_sight_and_does_not_undo_the_result(
    outbox: Outbox, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.publish(JOB, files(), failed=True)
    original = Folder.remove_tree

    def refuse(self: Folder, name: str) -> None:
        if name in self.folders():
            raise PermissionError(errno.EACCES, "Permission denied")
        original(self, name)

    monkeypatch.setattr(Folder, "remove_tree", refuse)
    assert outbox.publish(JOB, files()) == PLACE
    assert not list((root / FAILED).rglob(FILE_NAME))


# ---- staging


def test_where_a_rename_from_the_state_folder_fails_staging_is_in_the_outbox(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    refuse_renames(monkeypatch, lambda path: path.is_relative_to(state))
    outbox = Outbox(root, state)
    assert outbox.publish(JOB, files()) == PLACE
    assert sorted(path.name for path in root.iterdir()) == [STAGING, "clients"]
    assert list((root / STAGING).iterdir()) == []
    assert list((state / "staging").iterdir()) == []


def test_trying_the_rename_leaves_nothing_behind(outbox: Outbox, root: Path, tmp_path: Path) -> None:
    assert list(root.iterdir()) == []
    assert list((tmp_path / "state/staging").iterdir()) == []


@pytest.mark.parametrize("folder", [" .mjwatch-probe-a", " .mjwatch-staging", ".MJWATCH-Staging"])
def test_a_sweep_removes_no_result_whatever_the_folder_of_its_file_is_called(
    outbox: Outbox, root: Path, folder: str
) -> None:
    published = outbox.publish(made_job("7k3f9a2m", f"{folder}/cat.txt"), files())
    outbox.sweep()
    assert (root / published / FILE_NAME).is_file()
    assert not published.casefold().startswith(".mjwatch-")  # the same folder on macOS and Windows


def test_a_sweep_clears_what_a_crash_left_and_nothing_else(
    outbox: Outbox, root: Path, tmp_path: Path
) -> None:
    outbox.publish(JOB, files())
    for left in (tmp_path / "state/staging/half", root / STAGING / "half", root / ".mjwatch-probe-1"):
        left.mkdir(parents=True)
    (tmp_path / "state/staging/half/cat_1.png").write_bytes(b"half")
    outbox.sweep()
    assert tree(tmp_path / "state") == []
    assert sorted(path.name for path in root.iterdir()) == [STAGING, "clients"]
    assert list((root / STAGING).iterdir()) == []
    assert len(tree(root)) == 3


# ---- what goes wrong


def fail(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, code: int, after: int = 0) -> None:
    """Let a call of the system fail once, after so many that succeed."""
    original: Callable[..., Any] = getattr(owner, name)
    count = itertools.count()

    def call(*arguments: Any, **options: Any) -> Any:
        if next(count) == after:
            raise OSError(code, os.strerror(code))
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, call)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EIO, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize(
    ("owner", "name", "after"),
    [
        *((os, "fsync", 0), (os, "fsync", 2), (os, "fsync", 3), (os, "fsync", 4), (os, "fsync", 5)),
        *((os, "mkdir", 0), (os, "mkdir", 1), (os, "mkdir", 2), (os, "rename", 0), (os, "rename", 1)),
        *((os, "open", 0), (os, "open", 3), (os, "open", 6), (os, "open", 9), (os, "open", 12)),
    ],
)
def test_whatever_fails_nothing_is_visible_and_it_can_be_tried_again(
    outbox: Outbox, root: Path, tmp_path: Path, owner: object, name: str, after: int, code: int
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        fail(monkeypatch, owner, name, code, after)
        with pytest.raises(OutboxError, match=os.strerror(code)):
            outbox.publish(JOB, files())
    assert tree(root) == []
    assert tree(tmp_path / "state") == []
    assert outbox.publish(JOB, files()) == PLACE
    assert len(tree(root)) == 3


def test_a_manifest_that_can_not_be_read_just_now_is_no_reason_for_a_second_folder(
    outbox: Outbox, root: Path
) -> None:
    outbox.publish(JOB, files())
    with pytest.MonkeyPatch.context() as once:
        fail(once, os, "open", errno.EIO, after=4)  # root, clients, acme, the folder, then the manifest
        with pytest.raises(OutboxError, match=os.strerror(errno.EIO)):
            outbox.publish(JOB, files())
    assert outbox.publish(JOB, files()) == PLACE
    assert [path.name for path in (root / "clients/acme").iterdir()] == ["cat-7k3f9a2m"]


def test_an_outbox_that_was_removed_is_made_again(outbox: Outbox, root: Path) -> None:
    shutil.rmtree(root)
    assert outbox.publish(JOB, files()) == PLACE
    assert len(tree(root)) == 3


def test_a_state_folder_that_was_removed_is_made_again_for_staging(
    outbox: Outbox, root: Path, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "state")
    assert outbox.publish(JOB, files()) == PLACE


def test_a_disk_that_is_mounted_over_the_outbox_later_moves_the_staging_there(
    outbox: Outbox, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_renames(monkeypatch, lambda path: path.is_relative_to(tmp_path / "state"))
    assert outbox.publish(JOB, files()) == PLACE
    assert list((root / STAGING).iterdir()) == []
    assert tree(tmp_path / "state") == []


def test_nothing_goes_below_the_mount_point_of_a_disk_that_is_gone(
    outbox: Outbox, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = outbox_module._is_mounted
    monkeypatch.setattr(outbox_module, "_is_mounted", lambda place: place == root or original(place))
    on_a_disk = Outbox(root, root.parent / "state")
    monkeypatch.setattr(outbox_module, "_is_mounted", original)
    with pytest.raises(OutboxError, match="is not mounted any more"):
        on_a_disk.publish(JOB, files())
    shutil.rmtree(root)
    with pytest.raises(OutboxError, match="is not mounted any more"):
        on_a_disk.publish(JOB, files())
    assert not root.exists()


def test_a_staging_place_that_can_not_be_swept_stops_no_start() -> None:
    with unprivileged() as folder:
        outbox = Outbox(folder / "outbox", folder / "state")
        (folder / "state/staging/half").mkdir()
        for mode in (0o500, 0):
            (folder / "state/staging").chmod(mode)
            outbox.sweep()
        (folder / "state/staging").chmod(0o700)
        outbox.sweep()
        assert list((folder / "state/staging").iterdir()) == []


def test_a_name_that_may_not_be_durable_is_no_success_until_it_is(
    outbox: Outbox, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "clients/acme").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as once:
        fail(once, os, "fsync", errno.EIO, after=4)
        with pytest.raises(OutboxError):
            outbox.publish(JOB, files())
    calls = Calls(monkeypatch)
    assert outbox.publish(JOB, files()) == PLACE
    assert calls.made == ["fsync acme"]


def test_an_interruption_leaves_nothing_in_staging(
    outbox: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        outbox.publish(JOB, files())
    assert tree(tmp_path / "state") == []


def test_an_outbox_without_permissions_is_reported_as_text() -> None:
    with unprivileged() as folder:
        outbox = Outbox(folder / "outbox", folder / "state")
        (folder / "outbox").chmod(0o500)
        with pytest.raises(OutboxError, match="can't be published: Permission denied"):
            outbox.publish(JOB, files())
        with pytest.raises(OutboxError, match="can't be used: Permission denied"):
            Outbox(folder / "outbox/below", folder / "state")
        (folder / "outbox").chmod(0o755)
        assert outbox.publish(JOB, files()) == PLACE


def test_a_folder_that_can_not_be_made_is_no_trouble_besides_that_of_the_outbox() -> None:
    with unprivileged() as folder:
        outbox = Outbox(folder / "outbox", folder / "state")
        (folder / "outbox/there").mkdir()
        troubles = [
            str(outbox.trouble(PermissionError(errno.EACCES, "Permission denied"), PurePosixPath(path)))
            for path in ("", "_gallery", "clients/acme", "there")
        ]
    may_not = "mjwatch may not write to"
    assert {trouble.partition(";")[0] for trouble in troubles[:3]} == {
        f"{may_not} the outbox {folder}/outbox"
    }
    assert troubles[3].startswith(f"{may_not} {folder}/outbox/there in the outbox;")


def test_a_manifest_without_permissions_may_be_this_jobs_and_is_waited_for() -> None:
    with unprivileged() as folder:
        outbox = Outbox(folder / "outbox", folder / "state")
        outbox.publish(JOB, files())
        (folder / "outbox" / PLACE / FILE_NAME).chmod(0)
        with pytest.raises(OutboxError, match="can't be published: Permission denied"):
            outbox.publish(JOB, files())
        (folder / "outbox" / PLACE / FILE_NAME).chmod(0o644)
        assert outbox.publish(JOB, files()) == PLACE


def test_a_file_in_place_of_the_folder_is_reported_as_text(outbox: Outbox, root: Path) -> None:
    (root / "clients").write_text("in the way")
    with pytest.raises(OutboxError, match="can't be published"):
        outbox.publish(JOB, files())


# ---- no way out


def test_folders_with_names_of_ours_keep_apart(outbox: Outbox) -> None:
    names = ("status.json", "Index.html", "_gallery")
    folders = [outbox.folder_of(made_job(path=f"{name}/a/cat.txt"), failed=False) for name in names]
    assert [folder.parts[:2] for folder in folders] == [(f"{name}_", "a") for name in names]


@pytest.mark.parametrize(
    "path",
    [
        *("../../cat.txt", "/etc/cat.txt", "a/../../cat.txt", "..", "con/aux.txt", "a\\..\\b/c:d.txt"),
        *("_failed/cat.txt", "_gallery/x.txt", "status.json/x.txt", "INDEX.html/x.txt", "/", "", "a//b.txt"),
        *(".../x.txt", f"{'long' * 60}/{'name' * 60}.txt", "caf\udce9/\udce9.txt", "\x00/.txt"),
    ],
)
def test_no_source_path_leads_out_of_the_outbox_or_into_what_is_ours(
    outbox: Outbox, root: Path, tmp_path: Path, path: str
) -> None:
    job = made_job(path=path)
    published = outbox.publish(job, files())
    assert (root / published).resolve().is_relative_to(root.resolve())
    first = PurePosixPath(published).parts[0].casefold()
    assert first not in {"_failed", "_gallery", "index.html", "status.json", "..", "/"}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["outbox", "state"]
    assert published.endswith("-7k3f9a2m")


@given(path=st.text(st.characters(codec=None), max_size=60), failed=st.booleans())
def test_every_part_of_a_folders_path_is_a_plain_name(path: str, failed: bool) -> None:
    outbox = object.__new__(Outbox)
    parts = outbox.folder_of(made_job(path=path), failed=failed).parts
    assert not {"..", ".", "/", ""} & set(parts)
    assert (parts[0] == FAILED) is failed
    assert parts[-1].endswith("-7k3f9a2m")


def test_a_link_that_leads_out_is_not_followed(outbox: Outbox, root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (root / "clients").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutboxError, match="clients is a link, and links are not followed: remove it"):
        outbox.publish(JOB, files())
    assert tree(tmp_path / "elsewhere") == []


@pytest.mark.parametrize("name", ["../x", "a/b", "/etc/x", "..", "", "."])
def test_a_file_in_the_folder_has_a_plain_name(outbox: Outbox, root: Path, name: str) -> None:
    with pytest.raises(OutboxError, match="is not a valid file name"):
        outbox.publish(JOB, {name: b"", **files()})
    assert tree(root) == []


def test_an_outbox_behind_a_link_of_the_persons_own_works(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "outbox").symlink_to(tmp_path / "disk")
    assert Outbox(tmp_path / "outbox", tmp_path / "state").publish(JOB, files()) == PLACE
    shutil.rmtree(tmp_path / "disk" / PLACE)


# ---- names


@pytest.mark.parametrize(
    ("path", "file", "stem"),
    [
        ("cat.txt", "cat.txt", "cat"),
        ("a/b/Cat.TOML", "Cat.TOML", "Cat"),
        ("cat.ready.txt", "cat.txt", "cat"),
        ("moods.ready.list.txt", "moods.list.txt", "moods.list"),
        ("con.txt", "con_.txt", "con_"),
        (f"{'x' * 200}.txt", f"{'x' * 100}.txt", "x" * 100),
        ("cat .txt", "cat.txt", "cat"),
        ("a/Manifest.json", "request.json", "request"),  # that name is the one of our manifest
    ],
)
def test_pictures_and_prompt_file_are_named_after_the_file_that_came(path: str, file: str, stem: str) -> None:
    job = made_job(path=path)
    assert (prompt_file_name(job), stem_of(job)) == (file, stem)


def test_a_job_without_a_file_has_a_name_too(outbox: Outbox) -> None:
    assert outbox.publish(made_job(path=None), files()) == "prompt-7k3f9a2m"


def test_a_job_that_failed_again_shows_the_second_reason(outbox: Outbox, root: Path) -> None:
    def answer(finished: float, why: bytes) -> dict[str, bytes]:
        manifest = json.dumps({"job": JOB.id, "times": {"finished": iso(finished)}}).encode()
        return {"ERROR.md": why, FILE_NAME: manifest}

    first, second = replace(JOB, finished=1000.0), replace(JOB, finished=2000.0)
    for job, why in ((first, b"first"), (first, b"again"), (second, b"second")):
        folder = outbox.publish(job, answer(job.finished or 0, why), failed=True)
        assert (root / folder / "ERROR.md").read_bytes() == (b"second" if why == b"second" else b"first")
    assert len(list((root / FAILED).rglob(FILE_NAME))) == 1
