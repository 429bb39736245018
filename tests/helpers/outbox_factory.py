"""Make outboxes for tests and measurements: many jobs' folders, quickly, with invented content."""

from __future__ import annotations

import colorsys
import os
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any

from PIL import Image

from mjwatch.model import Job, Note, Prompt, Refusal, RefusalClass, Source, State
from mjwatch.outbox.manifest import FILE_NAME, OutboxChannel, PictureFile, build_manifest, dump_manifest
from tests.helpers.job_factory import RESULT

if TYPE_CHECKING:
    from pathlib import Path

FIRST = datetime(2026, 3, 1, 8, tzinfo=UTC)
APART = timedelta(minutes=71)

SUBJECTS = (
    "a lighthouse",
    "a red kite",
    "an old harbour",
    "a fox",
    "two cows",
    "a glass city",
    "a tin robot",
)
STYLES = (
    "at dawn",
    "in the rain",
    "as a woodcut",
    "under northern lights",
    "in soft clay",
    "seen from above",
)
RATIOS = (("1:1", 16, 16), ("3:2", 24, 16), ("16:9", 32, 18), ("2:3", 16, 24))
FOLDERS = ("", "clients/acme", "clients/bolt", "sketches")
LABELS = (None, None, "spring campaign", "calendar")


def an_outbox(folder: Path, jobs: int) -> list[str]:
    """Fill a folder with jobs, and return their paths. Every tenth failed, every ninth is a follow-up."""
    return [a_folder(folder, a_job(number), picture=number % 28) for number in range(jobs)]


def a_job(number: int, **changes: Any) -> Job:
    """Return the job of this number; neighbours differ in prompt, aspect ratio, folder, label and outcome."""
    rng = random.Random(number)
    ratio = RATIOS[number % len(RATIOS)][0]
    prompt = f"{rng.choice(SUBJECTS)} {rng.choice(STYLES)}, number{number} --ar {ratio}"
    accepted = (FIRST + number * APART).timestamp()
    parent = FOLDERS[number % len(FOLDERS)]
    failed, follows = number % 10 == 7, number % 9 == 4
    values: dict[str, Any] = {
        "id": f"{number:06x}zz",
        "prompt": Prompt(prompt, label=LABELS[number % len(LABELS)], action="V2" if follows else None),
        "parent": f"{number - 1:06x}zz" if follows else None,
        "accepted": accepted,
        "submitted": accepted + 3,
        "finished": accepted + 45,
        "source": Source(f"{parent}/note{number}.txt".lstrip("/"), "0" * 64, accepted - 1),
        "history": (Note(accepted, "accepted"),),
        "state": State.FAILED if failed else State.DONE,
        "refusal": REFUSAL if failed else None,
        "result": None if failed else replace(RESULT, echoed=prompt),
    }
    return Job(**{**values, **changes})


REFUSAL = Refusal(
    RefusalClass.MODERATION, "Banned prompt detected", "The word `sunburn` is not allowed here."
)


def a_folder(outbox: Path, job: Job, *, picture: int = 0, name: str = "note") -> str:
    """Make the job's folder as a daemon does, but not synced to disk; return its path in the outbox."""
    parts = (job.source.path if job.source else "").split("/")[:-1]
    path = "/".join([*(["_failed"] if job.state is not State.DONE else []), *parts, f"{name}-{job.id}"])
    folder = outbox / path
    folder.mkdir(parents=True)
    others = {f"{name}.txt": job.prompt.text.encode("utf-8", "replace")}
    pictures = some_pictures(name, picture, job) if job.result and job.result.pictures else []
    published = (job.finished or job.accepted) + 1
    manifest = build_manifest(job, OutboxChannel("1", "2"), pictures, others, published)
    for file, data in [*((picture.name, picture.data) for picture in pictures), *others.items()]:
        (folder / file).write_bytes(data)
    (folder / FILE_NAME).write_bytes(dump_manifest(manifest))
    at = int(published * 1e9)
    os.utime(folder / FILE_NAME, ns=(at, at))
    return path


def some_pictures(name: str, number: int, job: Job) -> list[PictureFile]:
    """Return four pictures of plain colours and their grid."""
    _, width, height = RATIOS[number % len(RATIOS)]
    pictures, grid = _drawn(width, height, number)
    return [
        *(
            PictureFile(f"{name}_{n}.webp", data, n, width, height, "webp")
            for n, data in enumerate(pictures, 1)
        ),
        PictureFile(f"{name}_grid.webp", grid, 0, 2 * width, 2 * height, "webp"),
    ]


_MADE: dict[tuple[int, int, int], tuple[list[bytes], bytes]] = {}


def _drawn(width: int, height: int, number: int) -> tuple[list[bytes], bytes]:
    """Draw the same few pictures only once, however many jobs have them."""
    key = (width, height, number)
    if key not in _MADE:
        grid = Image.new("RGB", (2 * width, 2 * height))
        pictures = []
        for n in range(4):
            red, green, blue = colorsys.hsv_to_rgb((number / 28 + n / 40) % 1, 0.5, 0.75 - 0.1 * n)
            tile = Image.new("RGB", (width, height), (int(red * 255), int(green * 255), int(blue * 255)))
            grid.paste(tile, (n % 2 * width, n // 2 * height))
            pictures.append(_encoded(tile))
        _MADE[key] = (pictures, _encoded(grid))
    return _MADE[key]


def _encoded(image: Image.Image) -> bytes:
    out = BytesIO()
    image.save(out, "WEBP", lossless=True)
    return out.getvalue()
