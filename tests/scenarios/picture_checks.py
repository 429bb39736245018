"""Check whether a folder has the pictures of its own job, as the simulator has drawn them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from PIL import Image

from mjwatch.simulator.cdn.render import job_colours

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def has_own_pictures(folder: Path, executed: Mapping[str, str]) -> bool:
    """Return whether the pictures belong to the job. They must be lossless (``--format png``).

    ``executed``: job uuids by nonce, as the simulator has recorded them.
    """
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    job_uuid = executed.get(manifest["discord"]["nonce"])
    if job_uuid is None or job_uuid != manifest["discord"]["job_uuid"]:
        return False
    return first_pixels(folder, manifest) == job_colours(job_uuid)


def first_pixels(folder: Path, manifest: Mapping[str, Any]) -> list[Any]:
    """Return the top left pixel of each picture: its colour identifies the job and the tile."""
    colours = []
    for image in manifest["images"]:
        with Image.open(folder / image["file"]) as picture:
            colours.append(picture.convert("RGB").getpixel((0, 0)))
    return colours
