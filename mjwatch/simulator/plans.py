"""What a job makes and how its messages speak of it: the same for prompts and for buttons."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from mjwatch.simulator.grids import Size, grid_size
from mjwatch.simulator.identity import NIJI_ID, USER_ID
from mjwatch.simulator.rewriting import echoed, rewritten, split_parameters, without_parameters
from mjwatch.simulator.versions import DEFAULTS, NIJI_DEFAULTS, version_of

if TYPE_CHECKING:
    from mjwatch.simulator.account import Account
    from mjwatch.simulator.profiles import Profile

MODES = {"fast": "fast", "relax": "relaxed", "turbo": "turbo"}
GRID = (1, 2, 3, 4)
Motion = Literal["low", "high"]


@dataclass(frozen=True, slots=True)
class Plan:
    """One job to be made."""

    prompt: str
    """As submitted."""
    echo: str
    """As the bot writes it."""
    mode: str
    size: Size
    version: str
    """Of the model, such as `6.1`; it decides the buttons."""
    tiles: tuple[int, ...] = GRID
    lead: str = ""
    """Stands before the prompt while the job waits."""
    label: str = ""
    """Stands before the mention from the first percent on, e.g. `Variations (Strong) by `."""
    reply_to: str | None = None
    """The message whose button was pressed."""
    user_id: str = USER_ID
    stealth: bool = False
    picture_of: str | None = None
    """The job whose tile is shown again, for U1-U4."""
    motion: Motion | None = None
    """Of a video."""
    upscaled: bool = False

    @property
    def at_once(self) -> bool:
        """U1-U4 cost no rendering: there is only a result."""
        return self.picture_of is not None

    @property
    def paid_mode(self) -> str:
        """The mode, and whether the gallery shows it, as the bot writes them."""
        return MODES[self.mode] + (", stealth" if self.stealth else "")

    def waiting(self) -> str:
        """The content of the start message."""
        if self.motion == "high":
            return "Animating..."
        return f"{self.lead}**{self.echo}** - <@{self.user_id}> (Waiting to start)"

    def running(self, status: str) -> str:
        """The content at some percent, such as ``status`` "35%"."""
        label = "Upscaling by " if self.upscaled else self.label
        return f"**{self.echo}** - {label}<@{self.user_id}> ({status}) ({self.paid_mode})"

    def stopped(self) -> str:
        """The content after a person has cancelled the job."""
        label = "Upscaling by " if self.upscaled else self.label
        return f"**{self.echo}** - {label}<@{self.user_id}> (Stopped)"

    def finished(self, website: str) -> str:
        """The content of the result; ``website`` is the link with a blank before it, or nothing."""
        if self.at_once:
            return f"**{self.echo}** - Image #{self.tiles[0]} <@{self.user_id}>"
        return f"**{self.echo}** - {self.label}<@{self.user_id}>{website} ({self.paid_mode})"


def plan_for_prompt(
    prompt: str, profile: Profile, account: Account, edge: int, application_id: str = ""
) -> Plan:
    """The plan of an /imagine; the prompt may ask for a speed of its own."""
    niji = application_id == NIJI_ID
    meant = _with_defaults(prompt, profile, account, niji=niji)
    default = NIJI_DEFAULTS[profile.name] if niji else account.version or DEFAULTS[profile.name]
    return Plan(
        prompt,
        echoed(rewritten(meant, profile)),
        mode_for(prompt, account),
        grid_size(meant, edge),
        version_of(meant, default),
        stealth=account.stealth,
    )


def mode_for(prompt: str, account: Account) -> str:
    """The speed that a prompt asks for, else the account's."""
    _, parameters = split_parameters(prompt)
    return next((name for name, _ in parameters if name in MODES), account.mode)


def reworded(parent: Plan, prompt: str, profile: Profile, edge: int) -> Plan:
    """A finished job's plan as if it had had the prompt that a person wrote into a modal."""
    if prompt.strip() == parent.prompt:
        return parent
    meant = without_parameters(prompt, "zoom")
    width, height = grid_size(meant, edge)
    whole = len(parent.tiles) == len(GRID) or parent.upscaled
    return replace(
        parent,
        prompt=prompt,
        echo=echoed(rewritten(meant, profile)),
        size=(width, height) if whole else (width // 2, height // 2),
        version=version_of(meant, parent.version),
    )


def _with_defaults(prompt: str, profile: Profile, account: Account, *, niji: bool) -> str:
    """The prompt with what the account, or niji, adds to it."""
    names = {name for name, _ in split_parameters(prompt)[1]}
    added = [prompt, account.suffix]
    if not names & {"v", "version", "niji"} and "--v" not in account.suffix:
        if niji:
            added.append(f"--niji {NIJI_DEFAULTS[profile.name]}")
        elif account.version:
            added.append(f"--v {account.version}")
    return " ".join(part for part in added if part)
