"""What a job makes and how its messages speak of it: the same for prompts and for buttons."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .grids import Size, grid_size
from .identity import USER_ID
from .rewriting import echoed, rewritten, split_parameters

if TYPE_CHECKING:
    from .profiles import Profile

MODES = {"fast": "fast", "relax": "relaxed", "turbo": "turbo"}
GRID = (1, 2, 3, 4)

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PANS = {f"pan_{way}": f"Pan {way.capitalize()} by " for way in ("left", "right", "up", "down")}


@dataclass(frozen=True, slots=True)
class Plan:
    """One job to be made."""

    prompt: str
    """As submitted."""
    echo: str
    """As the bot writes it."""
    mode: str
    size: Size
    tiles: tuple[int, ...] = GRID
    lead: str = ""
    """Stands before the prompt while the job waits."""
    label: str = ""
    """Stands before the mention from the first percent on, e.g. `Variations (Strong) by `."""
    reply_to: str | None = None
    """The message whose button was pressed."""
    user_id: str = USER_ID
    picture_of: str | None = None
    """The job whose tile is shown again, for U1-U4."""

    @property
    def at_once(self) -> bool:
        """U1-U4 cost no rendering: there is only a result."""
        return self.picture_of is not None

    def waiting(self) -> str:
        """The content of the start message."""
        return f"{self.lead}**{self.echo}** - <@{self.user_id}> (Waiting to start)"

    def running(self, status: str) -> str:
        """The content at some percent, such as ``status`` "35%"."""
        return f"**{self.echo}** - {self.label}<@{self.user_id}> ({status}) ({MODES[self.mode]})"

    def stopped(self) -> str:
        """The content after a person has cancelled the job."""
        return f"**{self.echo}** - {self.label}<@{self.user_id}> (Stopped)"

    def finished(self, website: str) -> str:
        """The content of the result; ``website`` is the link with a blank before it, or nothing."""
        if self.at_once:
            return f"**{self.echo}** - Image #{self.tiles[0]} <@{self.user_id}>"
        return f"**{self.echo}** - {self.label}<@{self.user_id}>{website} ({MODES[self.mode]})"


def plan_for_prompt(prompt: str, profile: Profile, account_mode: str, edge: int) -> Plan:
    """The plan of an /imagine; the prompt may ask for a speed of its own."""
    _, parameters = split_parameters(prompt)
    mode = next((name for name, _ in parameters if name in MODES), account_mode)
    return Plan(prompt, echoed(rewritten(prompt, profile)), mode, grid_size(prompt, edge))


def plan_for_button(custom_id: str, parent: Plan, target: str, profile: Profile) -> Plan | None:
    """The plan of a button below a finished picture; None for buttons that the simulator does not know."""
    _, group, *rest = [*custom_id.split("::"), "", ""]
    base = replace(parent, lead="", label="", reply_to=target, picture_of=None)
    whole = replace(base, tiles=GRID, size=_grid_of(parent))
    if group == "Outpaint":
        return replace(whole, label="Zoom Out by ")
    action, index = rest[0], int(rest[1]) if len(rest) > 1 and rest[1].isdecimal() else 1
    if group != "JOB":
        return None
    if action == "upsample":
        half = (parent.size[0] // 2, parent.size[1] // 2)
        return replace(base, tiles=(index,), size=half, picture_of=uuid_in(custom_id))
    if action in _PANS:
        return replace(whole, label=_PANS[action])
    if action == "reroll":
        return replace(whole, lead="Rerolling ")
    return _variation(action, index, whole, profile) or _upscale(action, base)


def uuid_in(custom_id: str) -> str | None:
    """The job that a button belongs to."""
    found = _UUID.search(custom_id)
    return found[0] if found else None


def _variation(action: str, index: int, whole: Plan, profile: Profile) -> Plan | None:
    strengths = {"variation": "Strong", "low_variation": "Subtle", "high_variation": "Strong"}
    if action not in strengths:
        return None
    plain = action == "variation" and profile.name == "2023"
    label = "Variations by " if plain else f"Variations ({strengths[action]}) by "
    return replace(whole, lead=f"Making variations for image #{index} with prompt ", label=label)


def _upscale(action: str, base: Plan) -> Plan | None:
    found = re.fullmatch(r"upsample_v\w+_(?:2x|4x)(?:_(subtle|creative))?", action)
    if not found:
        return None
    way = found[1].capitalize() if found[1] else action.rpartition("_")[2]
    size = (base.size[0] * 2, base.size[1] * 2)
    return replace(base, lead="Upscaling image #1 with ", label=f"Upscaled ({way}) by ", size=size)


def _grid_of(parent: Plan) -> Size:
    return parent.size if len(parent.tiles) == 4 else (parent.size[0] * 2, parent.size[1] * 2)
