from __future__ import annotations

from pathlib import Path

import pytest

from mjwatch.filesystem.probe import remote_type

ROOT = "21 1 253:0 / / rw,relatime shared:1 - ext4 /dev/vda rw"


def mounts(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "mountinfo"
    file.write_text("\n".join([ROOT, *lines]) + "\n")
    return file


def mount(place: str | Path, kind: str) -> str:
    escaped = str(place).replace(" ", r"\040")
    return f"40 21 0:44 / {escaped} rw,relatime shared:2 - {kind} server:/share rw"


@pytest.mark.parametrize(
    "kind", ["nfs4", "cifs", "smb3", "9p", "virtiofs", "fuse.sshfs", "fuse.rclone", "fuse"]
)
def test_a_folder_on_a_network_file_system_is_known(tmp_path: Path, kind: str) -> None:
    assert remote_type(tmp_path / "a/inbox", mounts(tmp_path, mount(tmp_path / "a", kind))) == kind


@pytest.mark.parametrize(
    "kind", ["ext4", "btrfs", "xfs", "tmpfs", "overlay", "vfat", "fuseblk", "fuse.mergerfs"]
)
def test_a_folder_on_a_disk_of_this_machine_is_not(tmp_path: Path, kind: str) -> None:
    assert remote_type(tmp_path / "inbox", mounts(tmp_path, mount(tmp_path, kind))) is None


def test_a_share_that_is_mounted_within_the_folder_counts(tmp_path: Path) -> None:
    found = mounts(
        tmp_path, mount(tmp_path / "inbox/clients/my share", "cifs"), mount(tmp_path / "other", "nfs")
    )
    assert remote_type(tmp_path / "inbox", found) == "cifs"
    assert remote_type(tmp_path / "inbox/clients/my share/deep", found) == "cifs"
    assert remote_type(tmp_path / "inbox/clients/my", found) is None


def test_the_nearest_and_of_those_at_one_place_the_latest_mount_counts(tmp_path: Path) -> None:
    place = tmp_path / "a"
    assert (
        remote_type(place / "inbox", mounts(tmp_path, mount(place, "nfs"), mount(place / "inbox", "ext4")))
        is None
    )
    assert remote_type(place / "inbox", mounts(tmp_path, mount(place, "nfs"), mount(place, "ext4"))) is None
    assert remote_type(place / "inbox", mounts(tmp_path, mount(place, "ext4"), mount(place, "nfs"))) == "nfs"


def test_a_link_to_a_share_is_seen_through(tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    (tmp_path / "inbox").symlink_to(tmp_path / "share")
    assert remote_type(tmp_path / "inbox", mounts(tmp_path, mount(tmp_path / "share", "nfs"))) == "nfs"


def test_if_the_system_lists_no_mounts_or_nonsense_all_is_local(tmp_path: Path) -> None:
    assert remote_type(tmp_path, tmp_path / "nothing") is None
    assert remote_type(tmp_path, mounts(tmp_path, "nonsense", "", "1 2 3 - ", "1 2 3 4 /x - ")) is None


def test_the_real_table_of_this_machine_can_be_read() -> None:
    assert remote_type(Path("/")) is None or isinstance(remote_type(Path("/")), str)
