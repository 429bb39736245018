"""Links in a shared outbox: nothing outside is written, moved or removed, and the link is named.

Seen to catch: a sweep through a staging folder that is a link; a check of the way followed by a rename by
path; a failure withdrawn through a link; status.json written through a link.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from mjwatch.errors import OutboxError
from mjwatch.outbox.manifest import FILE_NAME
from mjwatch.outbox.publisher import FAILED, STAGING, Outbox
from mjwatch.outbox.status_file import StatusFile
from tests.helpers.flipping import flipping
from tests.helpers.job_factory import made_job

if TYPE_CHECKING:
    from pathlib import Path

JOB = made_job("7k3f9a2m", "clients/acme/cat.txt")


def files(job_id: str = JOB.id) -> dict[str, bytes]:
    return {"cat_1.png": b"picture", FILE_NAME: json.dumps({"job": job_id}).encode()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


@pytest.fixture
def outbox(root: Path, tmp_path: Path) -> Outbox:
    return Outbox(root, tmp_path / "state")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """What must stay as it is."""
    folder = tmp_path / "elsewhere"
    (folder / "documents").mkdir(parents=True)
    (folder / "documents/letter.txt").write_text("dear friend")
    return folder


def content(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("staging", ["outbox/.mjwatch-staging", "state/staging"])
def test_a_sweep_removes_nothing_behind_a_link(
    outbox: Outbox, tmp_path: Path, elsewhere: Path, staging: str, caplog: pytest.LogCaptureFixture
) -> None:
    before, link = content(elsewhere), tmp_path / staging
    if link.is_dir():
        link.rmdir()
    link.symlink_to(elsewhere)
    (tmp_path / "outbox/.mjwatch-probe-1").symlink_to(elsewhere)
    outbox.sweep()
    assert content(elsewhere) == before
    assert f"{link} is a link, and links are not followed: remove it" in caplog.text


def test_a_link_inside_staging_is_not_followed_either(outbox: Outbox, root: Path, elsewhere: Path) -> None:
    before = content(elsewhere)
    (root / STAGING / "half").mkdir(parents=True)
    (root / STAGING / "half/inner").symlink_to(elsewhere)
    (root / STAGING / "link").symlink_to(elsewhere)
    outbox.sweep()
    assert content(elsewhere) == before
    assert not (root / STAGING / "half").exists()


def test_nothing_is_staged_behind_a_link(root: Path, tmp_path: Path, elsewhere: Path) -> None:
    before = content(elsewhere)
    (tmp_path / "state").mkdir()
    (tmp_path / "state/staging").symlink_to(elsewhere)
    outbox = Outbox(root, tmp_path / "state")
    outbox.publish(JOB, files())  # staged in the outbox
    (root / STAGING).rmdir()
    (root / STAGING).symlink_to(elsewhere)
    other = made_job("aaaaaaaa", "dog.txt")
    with pytest.raises(OutboxError, match=f"{STAGING} is a link"):
        outbox.publish(other, files(other.id))
    assert content(elsewhere) == before


def test_an_earlier_failure_is_not_withdrawn_through_a_link(
    outbox: Outbox, root: Path, elsewhere: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox.publish(JOB, files(), failed=True)
    (root / FAILED).rename(elsewhere / "failed")
    (root / FAILED).symlink_to(elsewhere / "failed")
    before = content(elsewhere)
    outbox.publish(JOB, files())
    assert content(elsewhere) == before
    assert f"{FAILED} is a link" in caplog.text


@pytest.mark.parametrize("flipped", ["clients", "clients/acme", STAGING])
def test_no_job_goes_outside_while_a_folder_flips_to_a_link_and_back(
    root: Path, tmp_path: Path, elsewhere: Path, flipped: str
) -> None:
    before = content(elsewhere)
    (tmp_path / "state").mkdir()
    if flipped == STAGING:
        (tmp_path / "state/staging").touch()  # so that staging is in the outbox
    outbox = Outbox(root, tmp_path / "state")
    jobs = [made_job(f"{number:08}", f"clients/acme/cat{number}.txt") for number in range(40)]
    outbox.publish(jobs[0], files(jobs[0].id))
    with flipping(root / flipped, elsewhere):
        for job in jobs:
            with suppress(OutboxError):  # the link was there just then
                outbox.publish(job, files(job.id))
    assert content(elsewhere) == before
    for job in jobs:
        outbox.publish(job, files(job.id))
    assert sorted(path.parent.name[-8:] for path in root.rglob(FILE_NAME)) == [job.id for job in jobs]


def test_the_file_that_a_link_stands_for_is_not_written(root: Path, elsewhere: Path) -> None:
    root.mkdir()
    (root / "status.json").symlink_to(elsewhere / "documents/letter.txt")
    (root / "~syncthing~status.json.tmp").symlink_to(elsewhere / "documents/letter.txt")
    StatusFile(root, dict, clock=lambda: 0.0)._write(running=True)
    assert (elsewhere / "documents/letter.txt").read_text() == "dear friend"
    assert json.loads((root / "status.json").read_bytes())["service"] == "running"
