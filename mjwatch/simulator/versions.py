"""Versions of the model: which one a prompt asks for, and how its upscalers are called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mjwatch.simulator.rewriting import split_parameters

if TYPE_CHECKING:
    from mjwatch.simulator.options import ProfileName

DEFAULTS: dict[ProfileName, str] = {"2023": "5.2", "2024": "6.1", "2026": "7"}
"""The version that was the default in each year."""
NIJI_DEFAULTS: dict[ProfileName, str] = {"2023": "5", "2024": "6", "2026": "6"}

Upscaler = tuple[str, str]
"""What stands in the label, such as `Subtle`, and the action in the custom_id."""


def version_of(prompt: str, default: str) -> str:
    """The version that this prompt asks for, such as `6.1`; niji's are counted like the others."""
    _, parameters = split_parameters(prompt)
    asked = [value for name, value in parameters if name in ("v", "version", "niji")]
    return asked[-1] if asked and re.fullmatch(r"\d+(?:\.\d+)?", asked[-1]) else default


def upscalers(version: str) -> tuple[Upscaler, ...]:
    """The upscalers of a single image of this version (recorded for 6.1 and 7; else other clients' code)."""
    number = float(version)
    if number < 5:
        return (("Max", "upsample_max"),)
    if number < 6:
        return (("2x", "upsample_v5_2x"), ("4x", "upsample_v5_4x"))
    name = f"v{int(number)}r{version.partition('.')[2]}" if version.endswith(".1") else f"v{int(number)}"
    return (("Subtle", f"upsample_{name}_2x_subtle"), ("Creative", f"upsample_{name}_2x_creative"))
