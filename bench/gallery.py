"""The cost of a large gallery: the time until its page is usable, and the time to publish another job."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING
from unittest.mock import patch

from bench.figures import Figure
from bench.grids import encoded, grid
from mjwatch.gallery.gallery import CHUNK_ENTRIES, Gallery
from mjwatch.outbox.manifest import FILE_NAME, OutboxChannel, PictureFile, build_manifest, dump_manifest
from mjwatch.outbox.publisher import Outbox
from mjwatch.pictures.split import image_facts, split_grid
from tests.helpers.browser import DESKTOP, chromium, open_gallery
from tests.helpers.outbox_factory import a_job, an_outbox

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PAGE_AIM, PUBLISH_AIM = 4.0, 1.5
"""Limits as multiples of an empty page, and of publishing to an outbox with five jobs."""


def figures(quick: bool) -> list[Figure]:
    """Measure all sizes in each round, so that disturbances affect all of them."""
    full = CHUNK_ENTRIES - 1 - 20  # the entries in the last chunk at the most expensive moment
    sizes = [0, 5, 500, 5000] if not quick else [0, 5, 100]
    with tempfile.TemporaryDirectory() as folder:
        outboxes = {jobs: create_outbox(Path(folder) / str(jobs), jobs) for jobs in sizes}
        found = _pages({jobs: outboxes[jobs] for jobs in sizes if jobs != 5}, 2 if quick else 15)
        worst = sizes[-1] + (full if not quick else 0)
        if not quick:
            outboxes[worst] = create_outbox(Path(folder) / str(worst), worst)
        published = {jobs: outboxes[jobs] for jobs in sorted({5, sizes[-1], worst})}
        return found + _publishing(published, 2 if quick else 20)


def create_outbox(folder: Path, jobs: int) -> Path:
    """Create an outbox with this many jobs and their gallery, without syncing to disk."""
    with patch.object(os, "fsync"):
        an_outbox(folder / "outbox", jobs)
        gallery = Gallery(folder / "outbox", folder / "state")
        gallery.install()
        gallery.add(gallery.repair())
    return folder / "outbox"


# ---- the page


def _pages(outboxes: dict[int, Path], rounds: int) -> list[Figure]:
    usable_times: dict[int, list[float]] = {jobs: [] for jobs in outboxes}
    complete_times: dict[int, list[float]] = {jobs: [] for jobs in outboxes}
    with chromium() as browser:
        for _ in range(rounds):
            for jobs, outbox in outboxes.items():
                usable, complete = _page(browser, outbox)
                usable_times[jobs].append(usable)
                complete_times[jobs].append(complete)
    return [
        *_figures("page usable", usable_times, "an empty page", PAGE_AIM),
        *_figures("page search complete", complete_times, "an empty page", None),
    ]


def _page(browser: Browser, outbox: Path) -> tuple[float, float]:
    """Return when the page is usable and when it is complete, in milliseconds after navigation starts."""
    with open_gallery(browser, outbox, **DESKTOP) as gallery:
        gallery.open()
        usable, complete = (
            float(gallery.page.evaluate(f"performance.getEntriesByName('gallery:{name}')[0].startTime"))
            for name in ("shown", "complete")
        )
    return usable, complete


# ---- one more job


def _publishing(outboxes: dict[int, Path], rounds: int) -> list[Figure]:
    data = encoded(grid((1024, 1024)), "WEBP")
    tiles = split_grid(data)
    seen: dict[int, list[float]] = {jobs: [] for jobs in outboxes}
    for number in range(rounds):
        for jobs, root in outboxes.items():
            seen[jobs].append(_publish_one(root, jobs + number, [*tiles, data]))
    return _figures("one more job published and shown", seen, "beside five jobs", PUBLISH_AIM)


def _publish_one(root: Path, number: int, pictures: list[bytes]) -> float:
    job = a_job(10 * number + 1)
    entries = [
        PictureFile(f"note_{n}.webp", data, n % 5, *image_facts(data)[1:], "webp")
        for n, data in enumerate(pictures, 1)
    ]
    manifest = build_manifest(job, OutboxChannel(None, "1"), entries, {}, job.accepted)
    files = {entry.name: entry.data for entry in entries} | {FILE_NAME: dump_manifest(manifest)}
    outbox, gallery = Outbox(root, root.parent / "state"), Gallery(root, root.parent / "state")
    began = perf_counter()
    gallery.add([outbox.publish(job, files)])
    return (perf_counter() - began) * 1000


def _figures(what: str, seen: dict[int, list[float]], beside: str, aim: float | None) -> list[Figure]:
    """Return a figure for each size, compared with the smallest one."""
    least = min(seen)
    first = Figure(f"{what}: {least:,} jobs", median(seen[least]), "ms")
    others = [
        Figure(f"{what}: {jobs:,} jobs", median(times), "ms", first.value, beside, at_most=aim)
        for jobs, times in seen.items()
        if jobs != least
    ]
    return [first, *others]
