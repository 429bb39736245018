"""Run mjwatch with a gallery that is written only when the rest has stopped, as on a busy machine.

``python -m tests.scenarios.late_gallery ARGUMENT...``: mjwatch gets the arguments.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from mjwatch import runtime
from mjwatch.__main__ import main
from mjwatch.gallery.gallery import Gallery
from mjwatch.gallery.updater import GalleryUpdater

if TYPE_CHECKING:
    from collections.abc import Callable


def delay_gallery(
    install: Callable[[Gallery], None] = Gallery.install,
    stop: Callable[[GalleryUpdater, float], None] = GalleryUpdater.stop,
) -> None:
    """Let the gallery wait for the stop, and let a stop in a hurry wait for no part of it."""
    stopping = threading.Event()

    def install_late(gallery: Gallery) -> None:
        stopping.wait()
        install(gallery)

    def stop_now(updater: GalleryUpdater, patience: float) -> None:
        stopping.set()
        stop(updater, patience)

    setattr(Gallery, "install", install_late)  # noqa: B010 - mypy forbids an assignment
    setattr(GalleryUpdater, "stop", stop_now)  # noqa: B010
    runtime.GALLERY_PATIENCE = 0.0


if __name__ == "__main__":
    delay_gallery()
    main()
