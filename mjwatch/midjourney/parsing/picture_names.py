"""What the name of a picture says that Midjourney or its website has named. Pure.

::

    ada_a_cat_in_a_hat_6c1d40e2-5a17-4f0b-9d3e-2b7f81c05a11.png      a result in Discord
    ada_a_cat_in_a_hat_6c1d40e2-5a17-4f0b-9d3e-2b7f81c05a11_2.png    a picture of the website, counted from 0
    6c1d40e2-5a17-4f0b-9d3e-2b7f81c05a11_grid_0.webp                 the grid of a preview

The words are the beginning of the prompt, after the account's name, which may itself hold a ``_``; they are
missing for prompts without Latin letters (recorded 2023 to 2026). Only the last uuid is certain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NUMBER = re.compile(r"_([0-3])(?!\d)")


@dataclass(frozen=True, slots=True)
class PictureName:
    """What a file's name says: the job's uuid, words of the prompt, the picture's number (1-4), or a grid.

    None and "" for what it does not say.
    """

    job_uuid: str | None = None
    words: str = ""
    number: int | None = None
    is_grid: bool = False


def read_picture_name(name: str) -> PictureName:
    """Read a file's name, with its suffix; any other name says nothing."""
    stem = name.rpartition(".")[0] or name
    found = list(_UUID.finditer(stem))
    if not found:
        return PictureName()
    before, after = stem[: found[-1].start()], stem[found[-1].end() :]
    if after.startswith("_grid"):
        return PictureName(found[-1][0].lower(), _words(before), is_grid=True)
    number = _NUMBER.match(after)
    return PictureName(found[-1][0].lower(), _words(before), int(number[1]) + 1 if number else None)


def _words(text: str) -> str:
    _, _, words = text.strip("_").partition("_")
    return " ".join(words.replace("_", " ").split())
