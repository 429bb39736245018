"""The buttons below messages: the grammar of their custom ids, and the button that does a follow-up. Pure.

Follow-ups have the canonical names of prompts/actions.py. Custom ids are as recorded 2023-03 to 2026-06; if a
custom id has no known form, the button's label counts.
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
_STOP_WORDS = re.compile(r"cancel|stop|pause")
_VIDEO_VERB = re.compile(r"video_virtual_upscale|animate_\w+_extend")

CUSTOM_ZOOM = "zoom N"
"""The name for the button that asks for the factor in a form."""

_VERBS_WITH_FORM = frozenset({"customzoom"})

_VERBS: tuple[tuple[str, str], ...] = (
    (r"reroll", "reroll"),
    (r"low_variation", "vary subtle"),
    (r"high_variation", "vary strong"),
    (r"upsample\w*_subtle", "upscale subtle"),  # upsample_v6_2x_subtle, v6r1, v7, and later ones
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


@dataclass(frozen=True, slots=True)
class CustomId:
    """A custom id, parsed. ``image_index`` is 1 to 4, or None for a button of the whole job (reroll).

    ``zoom``: the part of the picture's side that Outpaint keeps, in percent: 50 is Zoom Out 2x, 100 Make
    Square.
    """

    verb: str
    action: Action | None
    image_index: int | None
    job_uuid: str | None
    solo: bool
    zoom: int | None = None
    unknown: bool = False
    """It does something unknown to a job (``MJ::JOB::…`` with the job's uuid)."""

    @property
    def ends_job(self) -> bool:
        """Whether only finished jobs have this button (for example, Cancel Job does not count)."""
        return self.action is not None or self.verb == "bookmark"

    @property
    def of_grid(self) -> bool:
        """Whether it is U1-U4 or V1-V4; with SOLO they are redo buttons below a picture of 2022 and 2023."""
        return self.verb in ("upsample", "variation") and not self.solo

    @property
    def of_video(self) -> bool:
        """Whether it is the upscale of one of four videos, or the extension of one."""
        return _VIDEO_VERB.fullmatch(self.verb) is not None


def read_custom_id(custom_id: str) -> CustomId | None:
    """Parse a custom id; return None if it is not Midjourney's (``MJ::…``).

    Grammar as recorded 2023-03 to 2026-06: elements joined by ``::``. The job is the only uuid among them,
    and the index is the first number (after Outpaint the second, because there the first is the zoom).
    """
    elements = custom_id.split("::")
    if elements[0] != "MJ" or len(elements) < 2:
        return None
    to_job = elements[1].upper() == "JOB" and len(elements) > 2
    details = elements[2:] if to_job else elements[1:]
    verb = details[0].lower()
    action = next((action for start, action in _ACTION_OF_VERB if verb.startswith(start)), None)
    uuids = [element.lower() for element in details[1:] if _UUID.fullmatch(element)]
    return CustomId(
        verb=verb,
        action=action,
        image_index=_index(verb, details[1:]) if action else None,
        job_uuid=uuids[0] if uuids else None,
        solo=elements[-1] == "SOLO",
        zoom=_zoom(details[1:]) if verb == "outpaint" else None,
        unknown=to_job and action is None and bool(uuids) and not _STOP_WORDS.search(verb),
    )


def _zoom(elements: list[str]) -> int | None:
    first = next((element for element in elements if element.isdecimal()), "")
    return int(first) if 0 < len(first) < 4 else None


def _index(verb: str, elements: list[str]) -> int | None:
    numbers = [element for element in elements if element.isdecimal()][verb == "outpaint" :]
    return int(numbers[0]) if numbers and numbers[0] in ("1", "2", "3", "4") else None


def find_button(action: str, buttons: Iterable[Button]) -> Button | None:
    """Return the button of a message that does the follow-up with this name, or None."""
    name, picture = split_number(action)
    buttons = tuple(buttons)
    for button_name in _names_for(name):
        same = [button for button in buttons if name_of(button) == button_name]
        if same:
            return _of_picture(picture, same)
    return None


def explain_missing(action: str, buttons: Iterable[Button]) -> str:
    """Return a text on why ``find_button`` finds nothing, and what the message offers instead."""
    offered = tuple(dict.fromkeys(filter(None, map(name_of, buttons))))
    text = f"Midjourney's message has no button for `{action}`"
    if not offered:
        return f"{text}, nor for any other follow-up that mjwatch knows"
    single = split_number(action)[0] in ON_PICTURE or zoom_factor(action) is not None
    first = (
        ", but a single picture may have one: ask for U1 to U4 first" if single and "U1" in offered else ""
    )
    return f"{text}{first}. Its buttons: {', '.join(offered)}"


def opens_form(custom_id: str) -> bool:
    """Return whether this button always opens a form, so that the press alone runs nothing.

    In Remix mode others may do so too: V1-V4, reroll, vary, pan, zoom, animate.
    """
    found = read_custom_id(custom_id)
    return found is not None and found.verb in _VERBS_WITH_FORM


def name_of(button: Button) -> str | None:
    """Return the follow-up that this button does, without a picture's number, or None."""
    found = read_custom_id(button.custom_id)
    if found is None:
        return None
    if found.action is None and not found.ends_job:
        return _translated(_LABELS, _plain_label(button.label or ""))
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


def _plain_label(label: str) -> str:
    """Return a label without the word before a used button, and without an emoji's variation selector."""
    return label.replace("\ufe0f", "").strip().removeprefix("Redo ")


def _names_for(name: str) -> tuple[str, ...]:
    """Return the possible names of the button: Custom Zoom does any zoom, and a video is extended."""
    if zoom_factor(name) is not None:
        return (name, CUSTOM_ZOOM)
    if name.startswith("animate "):
        return (name, name.replace("animate", "extend"))
    return (name,)


def _of_picture(picture: int | None, same: Sequence[Button]) -> Button | None:
    """Return the button for this picture; below a single picture all buttons count it as 1."""
    if picture is None or len({_picture_of(button) for button in same}) == 1:
        return same[0]
    return next((button for button in same if _picture_of(button) == picture), None)


def _picture_of(button: Button) -> int | None:
    found = read_custom_id(button.custom_id)
    return found.image_index if found else None


def cancel_button_of(message: ParsedMessage) -> ButtonPress | None:
    """Return the button below a start message that stops its job (recorded for jobs of buttons, 2026-06)."""
    for button in message.buttons:
        found = read_custom_id(button.custom_id)
        if found is not None and found.verb == "canceljob" and message.message_id is not None:
            return ButtonPress(message.message_id, button.custom_id, message.flags)
    return None
