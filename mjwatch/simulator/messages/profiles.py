"""The messages of Discord and Midjourney in three years, as data.

Each field comes from recorded messages of that year (2023-03 to 2026-06), unless
`docs/explanation/simulator.md` lists it as assumed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from mjwatch.simulator.options import DeleteOrder, PictureFormat, ProfileName, SimulatorOptions

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Profile:
    """The form of one year's messages."""

    name: ProfileName
    delete: DeleteOrder
    format: PictureFormat
    uuid_in_preview: bool
    """The preview is named `<uuid>_grid_0.webp`, else `grid_0.webp`."""
    reference_on_final: bool
    """A final of /imagine replies to its progress message (type 19)."""
    metadata: bool
    """Interaction responses carry `interaction_metadata` beside the older `interaction`."""
    response_type: int
    """Message type of the answer to a slash command: 0 at first, later 20."""
    website: Literal["plain", "link"]
    """How "Open on website" is written; it comes with webp pictures only."""
    website_button: bool
    numbered_components: bool
    """Every component carries an `id`."""
    raw_for_style: bool
    """`--style raw` is echoed as `--raw`, at the end."""
    url_lifetime: float
    videos: bool
    """Single pictures can be animated (since 2025)."""
    redo_on_used: bool
    """A used upscale button is called "Redo Upscale"."""


PROFILES: dict[ProfileName, Profile] = {
    "2023": Profile(
        name="2023",
        delete="after",
        format="png",
        uuid_in_preview=False,
        reference_on_final=False,
        metadata=False,
        response_type=0,
        website="plain",
        website_button=False,
        numbered_components=False,
        raw_for_style=False,
        url_lifetime=14 * DAY,
        videos=False,
        redo_on_used=False,
    ),
    "2024": Profile(
        name="2024",
        delete="before",
        format="png",
        uuid_in_preview=True,
        reference_on_final=False,
        metadata=True,
        response_type=20,
        website="plain",
        website_button=True,
        numbered_components=True,
        raw_for_style=False,
        url_lifetime=DAY,
        videos=False,
        redo_on_used=False,
    ),
    "2026": Profile(
        name="2026",
        delete="after",
        format="webp",
        uuid_in_preview=True,
        reference_on_final=True,
        metadata=True,
        response_type=20,
        website="link",
        website_button=True,
        numbered_components=True,
        raw_for_style=True,
        url_lifetime=DAY,
        videos=True,
        redo_on_used=True,
    ),
}


def profile_for(options: SimulatorOptions) -> Profile:
    """Return the profile of the options, with their overrides."""
    chosen = PROFILES[options.profile]
    lifetime = chosen.url_lifetime if options.url_lifetime is None else options.url_lifetime
    return replace(
        chosen,
        delete=options.delete or chosen.delete,
        format=options.format or chosen.format,
        url_lifetime=lifetime,
    )
