"""Follow-ups by name: which button of a message does what a person asks for. Pure.

The names are the canonical ones of prompts/actions.py. Custom ids are as recorded 2023-03 to 2026-06; where
one is of no known form, the button's label counts.

The grammar of Midjourney's custom ids: what a button or a modal does, to which picture of which job.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mjwatch.midjourney.parsing.parsed_message import Action
from mjwatch.model import ButtonPress
from mjwatch.prompts.actions import ON_PICTURE, split_number, zoom_factor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mjwatch.midjourney.parsing.parsed_message import ParsedMessage
    from mjwatch.model import Button


CUSTOM_ZOOM = "zoom N"
"""What the button that asks for the factor in a form is called here."""

_FORMS = frozenset({"customzoom"})

_VERBS: tuple[tuple[str, str], ...] = (
    (r"reroll", "reroll"),
    (r"low_variation", "vary subtle"),
    (r"high_variation", "vary strong"),
    (r"upsample\w*_subtle", "upscale subtle"),  # upsample_v6_2x_subtle, v6r1, v7, and what comes after
    (r"upsample\w*_creative", "upscale creative"),
    (r"upsample\w*_2x", "upscale 2x"),
    (r"upsample\w*_4x", "upscale 4x"),
    (r"customzoom", CUSTOM_ZOOM),
    (r"pan_(left|right|up|down)", r"pan \1"),
    (r"animate_(low|high)", r"animate \1"),
    (r"animate_(low|high)_extend", r"extend \1"),
)
_ZOOMS = {50: "zoom 2x", 75: "zoom 1.5x", 100: "square"}
_LABELS: tuple[tuple[str, str], ...] = (
    (r"(U|V)([1-4])", r"\1\2"),
    (r"\U0001f504|Reroll", "reroll"),
    (r"Vary \(Subtle\)", "vary subtle"),
    (r"Vary \(Strong\)", "vary strong"),
    (r"Upscale \(Subtle\)", "upscale subtle"),
    (r"Upscale \(Creative\)", "upscale creative"),
    (r"Upscale \(([24])x\)", r"upscale \1x"),
    (r"Zoom Out (2|1\.5)x", r"zoom \1x"),
    (r"Custom Zoom", CUSTOM_ZOOM),
    (r"Make Square", "square"),
    (r"\u2b05", "pan left"),
    (r"\u27a1", "pan right"),
    (r"\u2b06", "pan up"),
    (r"\u2b07", "pan down"),
    (r"Animate \(Low motion\)", "animate low"),
    (r"Animate \(High motion\)", "animate high"),
)


def find(action: str, buttons: Iterable[Button]) -> Button | None:
    """The button of this message that does the follow-up with this name; None if it has none."""
    name, picture = split_number(action)
    buttons = tuple(buttons)
    for one in _names_for(name):
        same = [button for button in buttons if name_of(button) == one]
        if same:
            return _of_picture(picture, same)
    return None


def why_not(action: str, buttons: Iterable[Button]) -> str:
    """Why ``find`` finds nothing, and what this message offers instead, in words."""
    offered = tuple(dict.fromkeys(filter(None, map(name_of, buttons))))
    words = f"Midjourney's message has no button for `{action}`"
    if not offered:
        return f"{words}, nor for any other follow-up that mjwatch knows"
    single = split_number(action)[0] in ON_PICTURE or zoom_factor(action) is not None
    first = ", a single picture may have: ask for U1 to U4 first" if single and "U1" in offered else ""
    return f"{words}{first}. It has: {', '.join(offered)}"


def opens_form(custom_id: str) -> bool:
    """Whether this button opens a form always, so that nothing runs by the press alone.

    With Remix mode on others may do so too: V1-V4, reroll, vary, pan, zoom, animate.
    """
    found = read_custom_id(custom_id)
    return found is not None and found.verb in _FORMS


def name_of(button: Button) -> str | None:
    """The follow-up that this button does, without a picture's number; None for all other buttons."""
    found = read_custom_id(button.custom_id)
    if found is None:
        return None
    if found.action is None and not found.ends_job:
        return _translated(_LABELS, _plain(button.label or ""))
    return _name_by_id(found)


def _name_by_id(found: CustomId) -> str | None:
    if found.verb in ("upsample", "video_virtual_upscale", "variation"):
        letter = "V" if found.verb == "variation" else "U"
        return f"{letter}{found.image_index}" if found.image_index and not found.solo else None
    if found.verb == "outpaint":
        return _ZOOMS.get(found.zoom or 0)
    return _translated(_VERBS, found.verb)


def _translated(table: tuple[tuple[str, str], ...], text: str) -> str | None:
    matches = ((re.fullmatch(pattern, text), name) for pattern, name in table)
    return next((match.expand(name) for match, name in matches if match), None)


def _plain(label: str) -> str:
    """Without the word before a button that was used, and without an emoji's variation selector."""
    return label.replace("\ufe0f", "").strip().removeprefix("Redo ")


def _names_for(name: str) -> tuple[str, ...]:
    """What the button may be called: any zoom can be had by Custom Zoom, and a video is extended."""
    if zoom_factor(name) is not None:
        return (name, CUSTOM_ZOOM)
    if name.startswith("animate "):
        return (name, name.replace("animate", "extend"))
    return (name,)


def _of_picture(picture: int | None, same: Sequence[Button]) -> Button | None:
    """Of one button for each picture the right one; under a single picture they all count it as 1."""
    if picture is None or len({_picture_of(button) for button in same}) == 1:
        return same[0]
    return next((button for button in same if _picture_of(button) == picture), None)


def _picture_of(button: Button) -> int | None:
    found = read_custom_id(button.custom_id)
    return found.image_index if found else None


def cancel_of(reading: ParsedMessage) -> ButtonPress | None:
    """The button below a start message that stops its job (recorded for jobs of buttons, 2026-06)."""
    for button in reading.buttons:
        read = read_custom_id(button.custom_id)
        if read is not None and read.verb == "canceljob" and reading.message_id is not None:
            return ButtonPress(reading.message_id, button.custom_id, reading.flags)
    return None


UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_UUID = re.compile(UUID, re.IGNORECASE)

_ACTION_OF_VERB: tuple[tuple[str, Action], ...] = (
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
    action = next((action for start, action in _ACTION_OF_VERB if verb.startswith(start)), None)
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
