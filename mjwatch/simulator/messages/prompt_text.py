"""Prompts as Midjourney echoes them (recorded 2023-09 to 2026-06), model versions, and permutations.

Before the bot starts several jobs of one prompt, `{a, b}` or `--repeat N`, it asks for a confirmation.
"""

from __future__ import annotations

import hashlib
import re
from itertools import islice, product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mjwatch.simulator.messages.profiles import Profile
    from mjwatch.simulator.options import ProfileName


ECHO_LIMIT = 1700
"""Characters of a prompt that still fit a message of 2000 with its mention and link."""

STEM_LIMIT = 63

_BLANKS = re.compile(r"[ \t]+")
_URL = re.compile(r"<?(https?://[^\s<>]+)>?")
_PARAMETER = re.compile(r"(?:^|(?<=\s))--(?=[A-Za-z])")
_EN_DASH_PARAMETER = re.compile(r"(?:^|\s)(\u2013[A-Za-z]\S*(?:\s+[^\s\u2013-]\S*)?)")
_ORDER = ("chaos", "c", "ar", "aspect", "niji", "v", "version", "no", "style", "stylize", "s")
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


def rewritten(prompt: str, profile: Profile) -> str:
    """Return the prompt as the bot echoes it, with its form of dashes, blanks, links and parameters."""
    text = _BLANKS.sub(" ", prompt.replace("—", "--")).strip()
    words, parameters = split_parameters(_URL.sub(lambda found: _short_link(found.group(1)), text))
    ordered = sorted((_spelled(*pair, profile) for pair in parameters), key=_rank)
    tail = " ".join(f"--{name} {value}".strip() for name, value in ordered)
    return f"{words} {tail}".strip()


def echoed(text: str) -> str:
    """Return a rewritten prompt, cut to the length of a message."""
    return text if len(text) <= ECHO_LIMIT else text[:ECHO_LIMIT].rstrip() + "..."


def split_parameters(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the words before the first parameter, and the parameters as (name, value)."""
    head, *rest = _PARAMETER.split(text)
    pairs = [part.strip().partition(" ") for part in rest]
    return head.strip(), [(name, value.strip()) for name, _, value in pairs]


def without_parameters(text: str, *names: str) -> str:
    """Return the text without these parameters."""
    words, parameters = split_parameters(text)
    kept = [f"--{name} {value}".strip() for name, value in parameters if name not in names]
    return " ".join([words, *kept]).strip()


def unrecognized_parameters(prompt: str) -> str | None:
    """Return parameters with an en dash, as the bot lists them in its refusal; None if there are none."""
    found = [word for match in _EN_DASH_PARAMETER.findall(prompt) for word in match.split()]
    return ", ".join(found) or None


def filename_stem(username: str, text: str) -> str:
    """Return the file name of a result up to the uuid: the user and the prompt's Latin words, cut at 63.

    Parameters, links and other letters are left out, so nothing of a prompt may remain.
    """
    words, _ = split_parameters(_URL.sub("", text))
    plain = re.sub(r"[^A-Za-z0-9. -]", "", words)
    return f"{username}_{'_'.join(plain.split())}"[:STEM_LIMIT]


def _short_link(url: str) -> str:
    if url.startswith("https://s.mj.run/"):
        return f"<{url}>"
    return f"<https://s.mj.run/{_code(url, 11)}>"


def _spelled(name: str, value: str, profile: Profile) -> tuple[str, str]:
    if name in ("v", "version") and value.isdigit() and int(value) >= 6:
        return "v", f"{value}.0"
    if name == "style" and value == "raw" and profile.raw_for_style:
        return "raw", ""
    if name in ("p", "personalize", "profile") and re.fullmatch(r"m\d{10,}", value):
        return name, _code(value, 7).lower()
    return name, value


def _rank(pair: tuple[str, str]) -> int:
    return _ORDER.index(pair[0]) if pair[0] in _ORDER else len(_ORDER)


def _code(text: str, length: int) -> str:
    number = int.from_bytes(hashlib.sha256(text.encode()).digest())
    letters = ""
    while len(letters) < length:
        number, digit = divmod(number, 36)
        letters += _BASE36[digit]
    return letters


DEFAULTS: dict[ProfileName, str] = {"2023": "5.2", "2024": "6.1", "2026": "7"}
"""The version that was the default in each year."""
NIJI_DEFAULTS: dict[ProfileName, str] = {"2023": "5", "2024": "6", "2026": "6"}

Upscaler = tuple[str, str]
"""The part of the label, such as `Subtle`, and the action in the custom_id."""


def version_of(prompt: str, default: str) -> str:
    """Return the version that this prompt asks for, such as `6.1`; versions of niji count too."""
    _, parameters = split_parameters(prompt)
    values = [value for name, value in parameters if name in ("v", "version", "niji")]
    return values[-1] if values and re.fullmatch(r"\d+(?:\.\d+)?", values[-1]) else default


def upscalers(version: str) -> tuple[Upscaler, ...]:
    """Return the upscalers of an image of this version (6.1 and 7 recorded, else other clients' code)."""
    number = float(version)
    if number < 5:
        return (("Max", "upsample_max"),)
    if number < 6:
        return (("2x", "upsample_v5_2x"), ("4x", "upsample_v5_4x"))
    name = f"v{int(number)}r{version.partition('.')[2]}" if version.endswith(".1") else f"v{int(number)}"
    return (("Subtle", f"upsample_{name}_2x_subtle"), ("Creative", f"upsample_{name}_2x_creative"))


JOBS_MAX = 40

_GROUP = re.compile(r"(?<!\\)\{([^{}]*)(?<!\\)\}")
_COMMA = re.compile(r"(?<!\\),")


def expanded(prompt: str) -> list[str]:
    """Return the prompts of a permutation, or the prompt itself; at most one more than `JOBS_MAX`."""
    pieces = _GROUP.split(prompt)
    choices = [
        [piece] if position % 2 == 0 else [one.strip() for one in _COMMA.split(piece)]
        for position, piece in enumerate(pieces)
    ]
    prompts = ["".join(chosen) for chosen in islice(product(*choices), JOBS_MAX + 1)]
    again = _repeats(prompt)
    if again == 1:
        return prompts
    single = [without_parameters(one, "repeat", "r") for one in prompts]
    return [one for one in single for _ in range(again)][: JOBS_MAX + 1]


def _repeats(prompt: str) -> int:
    _, parameters = split_parameters(prompt)
    values = [value for name, value in parameters if name in ("repeat", "r")]
    return max(1, int(values[-1])) if values and re.fullmatch(r"[0-9]{1,2}", values[-1]) else 1
