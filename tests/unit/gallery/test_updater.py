"""The gallery's thread: nothing waits for it, no error ends it, and it catches up with what it missed.

Seen to catch: a folder that was published while the outbox was scanned, lost; a queue without an end;
a stop that leaves out what was published before it; an error that ends the thread.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

from mjwatch.errors import OutboxError
from mjwatch.gallery import updater as updater_module
from mjwatch.gallery.gallery import NO_THUMBNAILS, Gallery
from mjwatch.gallery.updater import BATCH_SIZE, GalleryUpdater
from tests.helpers.outbox_factory import a_folder, a_job, an_outbox
from tests.helpers.timeouts import deadline
from tests.unit.gallery.test_gallery import entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

HANG = deadline(30.0)


class FakeGallery:
    """Record its calls; each call may be held up or fail."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.missing: list[str] = []
        self.made: dict[str, bytes] = {}
        self.error: Exception | None = None
        self.may_go = threading.Event()
        self.may_go.set()
        self.began = threading.Semaphore(0)

    def install(self) -> None:
        self._called("install")

    def add(self, folders: Iterable[str], made: Mapping[str, bytes] = NO_THUMBNAILS) -> None:
        self._called("add", *folders)
        self.made |= made

    def repair(self) -> list[str]:
        self._called("repair")
        missing, self.missing = self.missing, []
        return missing

    def tidy(self) -> None:
        self._called("tidy")

    def _called(self, *call: str) -> None:
        self.began.release()
        assert self.may_go.wait(HANG)
        if self.error is not None:
            raise self.error
        self.calls.append(call)

    def added(self) -> list[str]:
        return [folder for call in self.calls if call[0] == "add" for folder in call[1:]]


@contextmanager
def running(
    gallery: FakeGallery,
    *,
    repair_first: bool = True,
    pause: float = 0.0,
    retry: float = 60.0,
    **options: Any,
) -> Iterator[GalleryUpdater]:
    updater = GalleryUpdater(
        cast("Gallery", gallery), repair_first=repair_first, pause=pause, retry=retry, **options
    )
    updater.start()
    yield updater
    gallery.may_go.set()
    updater.stop(HANG)
    assert not updater._thread.is_alive()


def wait_until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + HANG
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_start_installs_repairs_and_tidies_in_this_order() -> None:
    gallery = FakeGallery()
    gallery.missing = [f"f{n}" for n in range(BATCH_SIZE + 1)]
    missing = tuple(gallery.missing)
    with running(gallery):
        wait_until(lambda: ("tidy",) in gallery.calls)
    assert gallery.calls == [
        ("install",),
        ("repair",),
        ("add", *missing[:BATCH_SIZE]),
        ("add", *missing[BATCH_SIZE:]),
        ("tidy",),
    ]


def test_an_updater_that_need_not_repair_only_adds() -> None:
    gallery = FakeGallery()
    with running(gallery, repair_first=False) as updater:
        updater.published("a")
    assert gallery.calls == [("install",), ("add", "a")]


def test_a_thumbnail_goes_with_its_folder() -> None:
    gallery = FakeGallery()
    with running(gallery, repair_first=False) as updater:
        updater.published("a", b"small")
        updater.published("b")
    assert gallery.made == {"a": b"small"}


def test_what_is_published_in_the_pause_is_added_together() -> None:
    gallery = FakeGallery()
    with running(gallery, repair_first=False, pause=3600.0) as updater:
        updater.published("first")
        wait_until(lambda: len(gallery.calls) == 2)
        for number in range(BATCH_SIZE + 2):
            updater.published(str(number))
        wait_until(lambda: len(gallery.added()) > BATCH_SIZE)  # a whole batch waits for no pause
        assert len(updater._published) == 2
    sizes = [len(call) - 1 for call in gallery.calls if call[0] == "add"]
    assert sizes == [1, BATCH_SIZE, 2]  # a stop ends the pause


def test_what_is_published_goes_before_what_an_earlier_run_left_out() -> None:
    gallery = FakeGallery()
    gallery.missing = [f"old{n}" for n in range(3 * BATCH_SIZE)]
    gallery.may_go.clear()
    with running(gallery) as updater:
        updater.published("new")
        gallery.may_go.set()
        wait_until(lambda: ("tidy",) in gallery.calls)
    assert gallery.added()[0] == "new"
    assert len(gallery.added()) == 1 + 3 * BATCH_SIZE


def test_publishing_never_waits_and_more_than_fits_is_found_by_a_scan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(updater_module, "QUEUE", 4)
    gallery = FakeGallery()
    gallery.may_go.clear()
    with running(gallery, repair_first=False) as updater:
        assert gallery.began.acquire(timeout=HANG)
        for number in range(100):
            updater.published(str(number))
        assert len(updater._published) == 4
        gallery.missing = [str(number) for number in range(4, 100)]
        gallery.may_go.set()
        wait_until(lambda: len(gallery.added()) == 100)
    assert sorted(gallery.added(), key=int) == [str(number) for number in range(100)]


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left", "_gallery/~syncthing~x.tmp"), OutboxError("No space left")]
)
def test_a_gallery_that_can_not_be_written_is_reported_once_and_tried_again(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    gallery = FakeGallery()
    gallery.error = error
    tried: list[Exception | None] = []
    with running(gallery, retry=0.01, tried=tried.append) as updater:
        for _ in range(5):
            assert gallery.began.acquire(timeout=HANG)
        updater.published("a")
        gallery.missing = ["a", "b"]
        gallery.error = None
        wait_until(lambda: set(gallery.added()) == {"a", "b"})
    assert tried == [error, None]
    assert [record.message for record in caplog.records if "can't" in record.message] == [
        "the gallery can't be written: No space left"
    ]


def test_a_fault_ends_neither_the_thread_nor_the_gallery(caplog: pytest.LogCaptureFixture) -> None:
    gallery = FakeGallery()
    with running(gallery, repair_first=False) as updater:
        wait_until(lambda: gallery.calls == [("install",)])
        gallery.error = KeyError("unforeseen")
        updater.published("a")
        wait_until(lambda: "unforeseen" in caplog.text)
        gallery.error = None
        updater.published("b")
    assert gallery.added() == ["b"]


def test_a_stop_adds_what_was_published_and_leaves_the_rest_to_the_next_start() -> None:
    gallery = FakeGallery()
    gallery.missing = [f"old{n}" for n in range(100 * BATCH_SIZE)]
    gallery.may_go.clear()
    with running(gallery) as updater:
        assert gallery.began.acquire(timeout=HANG)
        updater.published("new")
        updater.stop(0.0)  # before the thread can go on with what was left out
    assert "new" in gallery.added()
    assert len(gallery.added()) < 100 * BATCH_SIZE


def test_a_stop_waits_no_longer_than_its_patience() -> None:
    gallery = FakeGallery()
    gallery.may_go.clear()
    with running(gallery) as updater:
        assert gallery.began.acquire(timeout=HANG)
        updater.stop(0.01)
        assert updater._thread.is_alive()


def test_a_real_gallery_is_brought_up_and_kept(tmp_path: Path) -> None:
    outbox = tmp_path / "outbox"
    folders = an_outbox(outbox, 3)
    updater = GalleryUpdater(Gallery(outbox, tmp_path / "state"))
    updater.start()
    folders.append(a_folder(outbox, a_job(3)))
    updater.published(folders[-1])
    updater.show_status({"service": "running"})
    try:
        wait_until(lambda: (outbox / "_gallery/index.js").exists() and len(entries(outbox)) == 4)
    finally:
        updater.stop(HANG)
    assert sorted(entries(outbox)) == sorted(folders)
    assert (outbox / "index.html").exists()
