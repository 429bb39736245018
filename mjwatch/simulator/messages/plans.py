"""Plans of render jobs, for prompts and for the buttons below pictures, and the simulated account.

A plan says what a job renders and how its messages describe it. The account has settings and usage.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from math import gcd
from typing import TYPE_CHECKING, Literal

from mjwatch.simulator.cdn.render import Size, aspect_ratio, grid_size, video_size
from mjwatch.simulator.faults.registry import FaultError
from mjwatch.simulator.messages.message import embed
from mjwatch.simulator.messages.prompt_text import (
    DEFAULTS,
    NIJI_DEFAULTS,
    echoed,
    rewritten,
    split_parameters,
    version_of,
    without_parameters,
)
from mjwatch.simulator.world import NIJI_ID, USER_ID, USERNAME, Json

if TYPE_CHECKING:
    from mjwatch.simulator.cdn.render import Size
    from mjwatch.simulator.messages.profiles import Profile


MODES = {"fast": "fast", "relax": "relaxed", "turbo": "turbo"}
GRID = (1, 2, 3, 4)
Motion = Literal["low", "high"]


@dataclass(frozen=True, slots=True)
class RenderPlan:
    """The plan of one job."""

    prompt: str
    """The prompt as submitted."""
    echo: str
    """The prompt as the bot writes it."""
    mode: str
    size: Size
    version: str
    """The model's version, such as `6.1`, which determines the buttons."""
    tiles: tuple[int, ...] = GRID
    lead: str = ""
    """Text before the prompt while the job waits."""
    label: str = ""
    """Text before the mention from the first percent on, e.g. `Variations (Strong) by `."""
    reply_to: str | None = None
    """The message whose button was pressed."""
    user_id: str = USER_ID
    stealth: bool = False
    picture_of: str | None = None
    """For U1-U4: the job whose tile is shown again."""
    motion: Motion | None = None
    """For videos."""
    upscaled: bool = False

    @property
    def at_once(self) -> bool:
        """Whether there is only a result, because U1-U4 need no rendering."""
        return self.picture_of is not None

    @property
    def paid_mode(self) -> str:
        """The mode and the visibility, as the bot writes them."""
        return MODES[self.mode] + (", stealth" if self.stealth else "")

    def waiting(self) -> str:
        """Return the content of the start message."""
        if self.motion == "high" and self.reply_to is not None:
            return "Animating..."
        return f"{self.lead}**{self.echo}** - <@{self.user_id}> (Waiting to start)"

    def running(self, status: str) -> str:
        """Return the content at some percent, such as ``status`` "35%"."""
        label = "Upscaling by " if self.upscaled else self.label
        return f"**{self.echo}** - {label}<@{self.user_id}> ({status}) ({self.paid_mode})"

    def stopped(self) -> str:
        """Return the content after a person has cancelled the job."""
        label = "Upscaling by " if self.upscaled else self.label
        return f"**{self.echo}** - {label}<@{self.user_id}> (Stopped)"

    def finished(self, website: str) -> str:
        """Return the content of the result; ``website`` is the link after a blank, or ""."""
        if self.at_once:
            return f"**{self.echo}** - Image #{self.tiles[0]} <@{self.user_id}>"
        return f"**{self.echo}** - {self.label}<@{self.user_id}>{website} ({self.paid_mode})"


def plan_for_prompt(
    prompt: str, profile: Profile, account: SimulatedAccount, edge: int, application_id: str = ""
) -> RenderPlan:
    """Return the plan of an /imagine; the prompt may choose a speed."""
    niji = application_id == NIJI_ID
    meant = _with_defaults(prompt, profile, account, niji=niji)
    default = NIJI_DEFAULTS[profile.name] if niji else account.version or DEFAULTS[profile.name]
    plan = RenderPlan(
        prompt,
        echoed(rewritten(meant, profile)),
        mode_for(prompt, account),
        grid_size(meant, edge),
        version_of(meant, default),
        stealth=account.stealth,
    )
    parameters = dict(split_parameters(prompt)[1])
    if not (profile.videos and "video" in parameters and _STARTING_FRAME.match(prompt)):
        return plan
    # What its messages look like is not recorded: here the start is that of a grid, and the rest a video's.
    motion: Motion = "high" if parameters.get("motion") == "high" else "low"
    return replace(_moving(plan, motion, edge), lead="")


def mode_for(prompt: str, account: SimulatedAccount) -> str:
    """Return the prompt's speed, or else the account's."""
    _, parameters = split_parameters(prompt)
    return next((name for name, _ in parameters if name in MODES), account.mode)


def with_prompt(parent: RenderPlan, prompt: str, profile: Profile, edge: int) -> RenderPlan:
    """Return a finished job's plan with the prompt from a modal in place of its own."""
    if prompt.strip() == parent.prompt:
        return parent
    meant = without_parameters(prompt, "zoom")
    if not meant and profile.bare_zoom_keeps_prompt:
        return parent
    width, height = grid_size(meant, edge)
    whole = len(parent.tiles) == len(GRID) or parent.upscaled
    return replace(
        parent,
        prompt=prompt,
        echo=echoed(rewritten(meant, profile)),
        size=(width, height) if whole else (width // 2, height // 2),
        version=version_of(meant, parent.version),
    )


def _with_defaults(prompt: str, profile: Profile, account: SimulatedAccount, *, niji: bool) -> str:
    """Return the prompt with the additions of the account or of niji."""
    names = {name for name, _ in split_parameters(prompt)[1]}
    added = [prompt, account.suffix]
    if not names & {"v", "version", "niji"} and "--v" not in account.suffix:
        if niji:
            added.append(f"--niji {NIJI_DEFAULTS[profile.name]}")
        elif account.version:
            added.append(f"--v {account.version}")
    return " ".join(part for part in added if part)


_STARTING_FRAME = re.compile(r"\s*<?https?://")
"""The picture that a video begins with: a link before the words."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PAN = re.compile(r"pan_(left|right|up|down)")
_UPSCALE = re.compile(r"upsample_(?:max|v\w+?_(?:2x|4x)(?:_(?:subtle|creative))?)")
_ANIMATE = re.compile(r"animate_(low|high)(?:_extend)?")
_STRENGTHS = {"variation": "Strong", "low_variation": "Subtle", "high_variation": "Strong"}


def uuid_in(custom_id: str) -> str | None:
    """Return the job that a button belongs to."""
    found = _UUID.search(custom_id)
    return found[0] if found else None


def plan_for_button(
    custom_id: str, parent: RenderPlan, target: str, profile: Profile, edge: int, *, remixed: bool = False
) -> RenderPlan | None:
    """Return the plan of a button below a finished picture; None for buttons without a job.

    ``remixed`` says that the prompt is no longer the picture's.
    """
    _, group, *rest = [*custom_id.split("::"), "", ""]
    base = replace(parent, lead="", label="", reply_to=target, picture_of=None, upscaled=False)
    whole = replace(base, tiles=GRID, size=_grid_of(parent))
    if group in ("Outpaint", "CustomZoom"):
        return _zoomed(whole, square=rest[0] == "100")
    if group != "JOB":
        return None
    action, number = rest[0], int(rest[1]) if rest[1].isdecimal() else 1
    if action in ("upsample", "video_virtual_upscale"):
        return _tile(base, number, uuid_in(custom_id))
    if action == "reroll":
        return replace(base, lead="Rerolling ")
    if found := _PAN.fullmatch(action):
        return _panned(whole, found[1])
    if found := _ANIMATE.fullmatch(action):
        return _moving(base, "high" if found[1] == "high" else "low", edge)
    varied = _variation(action, number, whole, profile)
    if varied is not None and remixed:
        varied = replace(varied, label=varied.label.replace("Variations", "Remix"))
    return varied or _upscale(action, base)


def _tile(base: RenderPlan, number: int, job_uuid: str | None) -> RenderPlan:
    size = base.size if base.motion else (base.size[0] // 2, base.size[1] // 2)
    return replace(base, tiles=(number,), size=size, picture_of=job_uuid)


def _zoomed(whole: RenderPlan, *, square: bool) -> RenderPlan:
    zoomed = replace(whole, label="Zoom Out by ")
    if not square:
        return zoomed
    edge = max(whole.size)
    return replace(zoomed, size=(edge, edge), echo=_with_ratio(whole.echo, 1, 1))


def _panned(whole: RenderPlan, way: str) -> RenderPlan:
    """Return the plan of a pan, 1.5 times the length in one direction: 1:1 becomes 3:2 (recorded 2026-06)."""
    (wide, high), (width, height) = aspect_ratio(whole.echo), whole.size
    if way in ("left", "right"):
        wide, high, width = wide * 3, high * 2, width * 3 // 4 * 2
    else:
        wide, high, height = wide * 2, high * 3, height * 3 // 4 * 2
    echo = _with_ratio(whole.echo, wide, high)
    return replace(whole, label=f"Pan {way.capitalize()} by ", size=(width, height), echo=echo)


def _moving(base: RenderPlan, motion: Motion, edge: int) -> RenderPlan:
    wide, high = aspect_ratio(base.echo)
    kept = without_parameters(base.echo, "no", "motion", "video", "aspect", "ar")
    echo = f"{kept} --motion {motion} --video 1 --aspect {wide}:{high}"
    size = video_size(base.size, edge)
    return replace(base, tiles=GRID, motion=motion, echo=echo, size=size, lead="Creating video with prompt ")


def _variation(action: str, number: int, whole: RenderPlan, profile: Profile) -> RenderPlan | None:
    if action not in _STRENGTHS:
        return None
    plain = action == "variation" and profile.name == "2023"
    label = "Variations by " if plain else f"Variations ({_STRENGTHS[action]}) by "
    return replace(whole, lead=f"Making variations for image #{number} with prompt ", label=label)


def _upscale(action: str, base: RenderPlan) -> RenderPlan | None:
    if not _UPSCALE.fullmatch(action):
        return None
    way = action.rpartition("_")[2]
    way = way if way[0].isdigit() else way.capitalize()
    factor = 4 if way == "4x" else 2
    return replace(
        base,
        lead="Upscaling image #1 with ",
        label=f"Upscaled ({way}) by ",
        size=(base.size[0] * factor, base.size[1] * factor),
        upscaled=True,
    )


def _grid_of(parent: RenderPlan) -> Size:
    """Return the size of a grid of the parent's pictures; the tiles of an upscaled one are smaller."""
    if len(parent.tiles) == 4 or parent.upscaled:
        return parent.size
    return (parent.size[0] * 2, parent.size[1] * 2)


def _with_ratio(echo: str, wide: int, high: int) -> str:
    """Return the echo with its aspect ratio at the end, as the bot writes it for a pan."""
    common = gcd(wide, high)
    return f"{without_parameters(echo, 'ar', 'aspect')} --ar {wide // common}:{high // common}"


GREEN = 65280
HOURS_OF_PLAN = 30.0
_MINUTE = 1 / 60
_SPEEDS = {"fast": 1.0, "turbo": 2.0, "relax": 0.0}
"""The used fast hours, as a multiple of the job's cost."""
_SETTINGS: dict[str, type] = {
    "mode": str,
    "stealth": bool,
    "remix": bool,
    "variability": bool,
    "suffix": str,
    "version": str,
    "fast_hours": float,
}
"""The settings that can be changed from outside, with their types."""


@dataclass(slots=True)
class SimulatedAccount:
    """The account's settings, running and waiting jobs, and usage."""

    fast_hours: float = HOURS_OF_PLAN
    """The month's remaining fast hours."""
    mode: str = "fast"
    stealth: bool = False
    remix: bool = False
    variability: bool = True
    """High variation."""
    suffix: str = ""
    """Added to every prompt."""
    version: str = ""
    """The model's version, added to every prompt; empty for the default."""
    images: int = 0
    hours: float = 0.0
    relaxed_images: int = 0
    relaxed_hours: float = 0.0
    running: dict[str, str] = field(default_factory=dict)
    """Job uuid to the address of the job."""
    waiting: Counter[str] = field(default_factory=Counter)
    """How many jobs wait, by mode."""

    def change(self, settings: Json) -> None:
        """Change these settings. Raise FaultError for an unknown setting or value."""
        for name, value in settings.items():
            kind = _SETTINGS.get(name)
            given = float(value) if kind is float and type(value) is int else value
            if kind is None or type(given) is not kind or (name == "mode" and given not in _SPEEDS):
                raise FaultError(f"an account has {', '.join(_SETTINGS)}; {name!r} can't be {value!r}")
            setattr(self, name, given)

    def settings(self) -> Json:
        """Return the settings as /_sim/state shows them."""
        return {name: getattr(self, name) for name in _SETTINGS}

    def lacks_hours(self, mode: str) -> bool:
        """Return whether a job of this mode can't be paid for."""
        return mode != "relax" and self.fast_hours <= 0

    def pay(self, plan: RenderPlan) -> float:
        """Pay for a job that begins, and return its fast hours."""
        time = _minutes(plan) * _MINUTE
        cost = time * _SPEEDS[plan.mode]
        self.fast_hours = max(0.0, self.fast_hours - cost)
        self.hours += time
        self.relaxed_hours += time if plan.mode == "relax" else 0.0
        return cost

    def count(self, plan: RenderPlan) -> None:
        """Count the pictures of a finished job."""
        self.images += len(plan.tiles)
        self.relaxed_images += len(plan.tiles) if plan.mode == "relax" else 0

    def body(self) -> Json:
        """Return the embed of /info."""
        total = max(HOURS_OF_PLAN, self.fast_hours)
        left = f"{self.fast_hours:.2f}/{total} hours ({100 * self.fast_hours / total:.2f}%)"
        running = ", ".join(f"[{uuid[:8]}](<{url}>)" for uuid, url in self.running.items()) or "None"
        lines = {
            "Subscription": "Pro (Active monthly, renews next on <t:1893456000>)",
            "Job Mode": {"relax": "Relaxed"}.get(self.mode, self.mode.capitalize()),
            "Visibility Mode": "Stealth" if self.stealth else "Public",
            "Fast Time Remaining": left,
            "Lifetime Usage": f"{self.images} images ({self.hours:.2f} hours)",
            "Relaxed Usage": f"{self.relaxed_images} images ({self.relaxed_hours:.2f} hours)",
        }
        queues = {
            "Queued Jobs (fast)": str(self.waiting["fast"] + self.waiting["turbo"]),
            "Queued Jobs (relax)": str(self.waiting["relax"]),
            "Running Jobs": running,
        }
        text = "\n".join(map(_line, lines.items())) + "\n\n" + "\n".join(map(_line, queues.items()))
        return embed(f"Your info - {USERNAME}", text, GREEN)


def _minutes(plan: RenderPlan) -> float:
    if plan.at_once:
        return 0.0
    if plan.motion is not None:
        return 8.0
    return 2.0 if plan.upscaled else 1.0


def _line(pair: tuple[str, str]) -> str:
    return f"{f'**{pair[0]}**:':<32}{pair[1]}"
