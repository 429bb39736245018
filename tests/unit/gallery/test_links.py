"""Links in a shared outbox: the gallery writes and removes nothing behind them, and reads nothing either.

Seen to catch: thumbnails removed behind a link; the gallery written behind one; a picture that is a link to
a file outside shown small.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from mjwatch.errors import OutboxError
from mjwatch.gallery.gallery import Gallery
from tests.helpers.flipping import flipping
from tests.helpers.outbox_factory import an_outbox
from tests.unit.gallery.test_gallery import bring_up, entries

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    an_outbox(tmp_path / "outbox", 3)
    return tmp_path / "outbox"


@pytest.fixture
def gallery(outbox: Path, tmp_path: Path) -> Gallery:
    gallery = Gallery(outbox, tmp_path / "state")
    bring_up(gallery)
    return gallery


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """What must stay as it is."""
    folder = tmp_path / "elsewhere"
    (folder / "documents").mkdir(parents=True)
    for name in ("letter.txt", "documents/jobs-0009.js", "jobs-0009.js", "documents/x.webp"):
        (folder / name).write_text("dear friend")
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("linked", ["_gallery", "_gallery/thumbs"])
def test_nothing_behind_a_link_is_written_or_removed_and_the_link_is_named(
    outbox: Path, gallery: Gallery, elsewhere: Path, linked: str
) -> None:
    before = content(elsewhere)
    shutil.rmtree(outbox / linked)
    (outbox / linked).symlink_to(elsewhere)
    for act in (gallery.install, gallery.tidy, lambda: bring_up(gallery), lambda: gallery.show_status({})):
        with suppress(OSError, OutboxError):
            act()
    assert content(elsewhere) == before
    with pytest.raises(OSError, match=f"{linked} is a link, and links are not followed: remove it"):
        gallery.repair()
    (outbox / linked).unlink()
    bring_up(gallery)
    assert len(entries(outbox)) == 3


def test_a_link_among_the_thumbnails_is_left_alone(outbox: Path, gallery: Gallery, elsewhere: Path) -> None:
    before = content(elsewhere)
    (outbox / "_gallery/thumbs/z").symlink_to(elsewhere)
    gallery.tidy()
    assert content(elsewhere) == before


def test_nothing_goes_outside_while_the_gallery_flips_to_a_link_and_back(
    outbox: Path, gallery: Gallery, elsewhere: Path
) -> None:
    before = content(elsewhere)
    with flipping(outbox / "_gallery", elsewhere):
        for number in range(40):
            with suppress(OSError, OutboxError):
                gallery.show_status({"turn": number})
            with suppress(OSError, OutboxError):
                gallery.tidy()
    assert content(elsewhere) == before
