"""The messages of Discord and Midjourney in three years, as data.

Each field comes from recorded messages of that year (2023-03 to 2026-06), unless
`docs/explanation/simulator.md` lists it as assumed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Literal

from mjwatch.simulator.options import DELETE_ORDERS, PICTURE_FORMATS

if TYPE_CHECKING:
    from random import Random

    from mjwatch.simulator.options import DeleteOrder, PictureFormat, ProfileName, SimulatorOptions
    from mjwatch.simulator.world import Json

DAY = 86_400.0

Website = Literal["none", "plain", "link"]
WEBSITES: tuple[Website, ...] = ("none", "plain", "link")


@dataclass(frozen=True, slots=True)
class Profile:
    """The form of one year's messages."""

    name: ProfileName
    delete: DeleteOrder
    format: PictureFormat | Literal["mixed"]
    uuid_in_preview: bool
    """The preview is named `<uuid>_grid_0.webp`, else `grid_0.webp`."""
    reference_on_final: bool
    """A final of /imagine replies to its progress message (type 19)."""
    metadata: bool
    """Interaction responses carry `interaction_metadata` beside the older `interaction`."""
    response_type: int
    """Message type of the answer to a slash command: 0 at first, later 20."""
    website: Website | Literal["mixed"]
    """How "Open on website" is written above a webp picture; a png has no such text."""
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

    # Nobody knows these; other clients rely on either.

    modal_first: bool = False
    """INTERACTION_MODAL_CREATE comes before INTERACTION_SUCCESS."""
    upload_refuses_login: bool = True
    """The PUT of a file is answered by 401 if it has a login, else it is stored."""
    bare_zoom_keeps_prompt: bool = True
    """A Custom Zoom whose text is only `--zoom N` repeats the picture's prompt, else no words at all."""

    # What follows is alike in all years, as far as anybody knows; the fault `wire` changes it.

    ready_deduped: bool = False
    """READY spreads users as for capability bit 4, whatever the client asks for."""
    ready_supplemental: bool = False
    """READY_SUPPLEMENTAL follows, as for capability bit 5."""
    resume_url_query: bool = False
    accepts_subscription: bool = True
    """Op 37 is accepted, else closed with 4001."""
    interaction_create: bool = True
    interaction_success: bool = True
    success_first: bool = False
    """INTERACTION_SUCCESS comes before INTERACTION_CREATE."""
    post_status: int = 204
    """The status of the answer to an accepted interaction; any other has a body."""
    nonce_on_start: bool = True
    old_interaction: bool = True
    """Answers to commands have the field `interaction`."""
    webhook_fields: bool = True
    """Answers have `webhook_id` and `application_id`."""
    guild_on_ephemeral: bool = False
    info_loading: bool = True
    """/info is answered by an empty message that is filled in later."""
    info_renamed: bool = False
    """The lines of /info have other names."""
    whole_updates: bool = True
    """MESSAGE_UPDATE has the whole message, else only what can change."""
    progress_edits: bool = True
    """Progress edits the start message, else a message that was never created."""
    nonce_on_progress: bool = False
    same_uuid: bool = True
    """Previews are named by the uuid of the result."""
    final_is_new: bool = True
    """The result is a new message, else an edit of the progress message."""
    nonce_on_final: bool = False
    interaction_on_final: bool = False
    """The result has the fields of an answer to the interaction."""
    odd_size: bool = False
    unknown_button: bool = False
    echo_changed: bool = False
    """The bot writes the words of a prompt in capitals."""
    nonce_in_history: bool = False
    """REST shows results with the nonce of their interaction."""
    json_charset: bool = False
    known_command_ids: bool = True
    refreshes_urls: bool = True

    def for_picture(self, rng: Random) -> Profile:
        """Return the profile of one result, with a format and a form of the website's text."""
        chosen_format = rng.choice(PICTURE_FORMATS) if self.format == "mixed" else self.format
        website = rng.choice(WEBSITES) if self.website == "mixed" else self.website
        return replace(self, format=chosen_format, website=website)

    def changed(self, changes: Json) -> Profile:
        """Return the profile with other values. Raise ValueError for an unknown key or value."""
        known = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "name"}
        for key, value in changes.items():
            kinds = (int, float) if key == "url_lifetime" else (type(known.get(key)),)
            allowed = _CHOICES.get(key)
            if key not in known or type(value) not in kinds or (allowed and value not in allowed):
                raise ValueError(f"a profile has {', '.join(known)}; {key!r} can't be {value!r}")
        return replace(self, **changes)


_CHOICES: dict[str, tuple[str, ...]] = {
    "delete": DELETE_ORDERS,
    "format": (*PICTURE_FORMATS, "mixed"),
    "website": (*WEBSITES, "mixed"),
}


class CurrentProfile:
    """A profile with the changes that the fault `wire` makes, for everything or for jobs of some prompts."""

    def __init__(self, base: Profile) -> None:
        self._base = base
        self._changes: list[tuple[str, Json]] = []

    def change(self, match: str, changes: Json) -> None:
        """Change the profile where this text occurs; "" is everywhere. Raise ValueError."""
        self._base.changed(changes)
        self._changes.append((match, changes))

    def reset(self) -> None:
        """Forget all changes."""
        self._changes.clear()

    def for_text(self, text: str = "") -> Profile:
        """Return the profile for an interaction with this text, or for what has none."""
        profile = self._base
        for match, changes in self._changes:
            profile = profile.changed(changes) if match in text else profile
        return profile


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
        format="mixed",
        uuid_in_preview=True,
        reference_on_final=True,
        metadata=True,
        response_type=20,
        website="mixed",
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
