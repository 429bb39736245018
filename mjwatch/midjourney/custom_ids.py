"""The grammar of Midjourney's custom ids: what a button or a modal does, to which picture of which job."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mjwatch.midjourney.reading import Action

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_UUID = re.compile(UUID, re.IGNORECASE)

_VERBS: tuple[tuple[str, Action], ...] = (
    ("upsample", Action.UPSCALE),  # upsample, upsample_max, upsample_v5_4x, upsample_v6r1_2x_subtle
    ("video_virtual_upscale", Action.UPSCALE),
    ("variation", Action.VARIATION),
    ("low_variation", Action.VARIATION),
    ("high_variation", Action.VARIATION),
    ("inpaint", Action.VARIATION),  # labelled Vary (Region); its results say Variations (Region)
    ("reroll", Action.REROLL),
    ("outpaint", Action.ZOOM),  # also OutpaintCustomZoomModal
    ("customzoom", Action.ZOOM),
    ("pan_", Action.PAN),
    ("panmodal", Action.PAN),
    ("animate", Action.VIDEO),  # animate_high, animate_low_extend, AnimateModal
    ("remixmodal", Action.REMIX),
    ("imaginemodal", Action.IMAGINE),
)
_STOPS = re.compile(r"cancel|stop|pause")
_VIDEO_VERB = re.compile(r"video_virtual_upscale|animate_\w+_extend")


@dataclass(frozen=True, slots=True)
class CustomId:
    """A custom id taken apart. ``image_index`` is 1 to 4, None for what concerns the whole job (reroll).

    ``zoom``: what Outpaint leaves of the picture's side, in percent: 50 is Zoom Out 2x, 100 Make Square.
    """

    verb: str
    action: Action | None
    image_index: int | None
    job_uuid: str | None
    solo: bool
    zoom: int | None = None
    unknown: bool = False
    """It does something to a job (``MJ::JOB::…`` with its uuid) that was not met before."""

    @property
    def ends_job(self) -> bool:
        """Whether only finished jobs carry this button (Cancel Job, for one, is not among them)."""
        return self.action is not None or self.verb == "bookmark"

    @property
    def of_grid(self) -> bool:
        """U1-U4 and V1-V4. With SOLO they are the redo buttons under a single picture of 2022 and 2023."""
        return self.verb in ("upsample", "variation") and not self.solo

    @property
    def of_video(self) -> bool:
        """The upscale of one of four videos, or the extension of one."""
        return _VIDEO_VERB.fullmatch(self.verb) is not None


def read_custom_id(custom_id: str) -> CustomId | None:
    """Takes a custom id apart; None if it is not Midjourney's (``MJ::…``).

    Grammar as recorded 2023-03 to 2026-06: elements joined by ``::``, of which the job is the only uuid
    and the index the first number (after Outpaint, whose first number is the zoom, the second).
    """
    elements = custom_id.split("::")
    if elements[0] != "MJ" or len(elements) < 2:
        return None
    to_job = elements[1].upper() == "JOB" and len(elements) > 2
    named = elements[2:] if to_job else elements[1:]
    verb = named[0].lower()
    action = next((action for start, action in _VERBS if verb.startswith(start)), None)
    uuids = [element.lower() for element in named[1:] if _UUID.fullmatch(element)]
    return CustomId(
        verb=verb,
        action=action,
        image_index=_index(verb, named[1:]) if action else None,
        job_uuid=uuids[0] if uuids else None,
        solo=elements[-1] == "SOLO",
        zoom=_zoom(named[1:]) if verb == "outpaint" else None,
        unknown=to_job and action is None and bool(uuids) and not _STOPS.search(verb),
    )


def _zoom(elements: list[str]) -> int | None:
    first = next((element for element in elements if element.isdecimal()), "")
    return int(first) if 0 < len(first) < 4 else None


def _index(verb: str, elements: list[str]) -> int | None:
    numbers = [element for element in elements if element.isdecimal()][verb == "outpaint" :]
    return int(numbers[0]) if numbers and numbers[0] in ("1", "2", "3", "4") else None
