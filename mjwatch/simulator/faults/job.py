"""What faults do to one job."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from mjwatch.discord.protocol import FLAG_EPHEMERAL
from mjwatch.simulator.gateway.delivery import Manner

if TYPE_CHECKING:
    from mjwatch.simulator.faults.registry import Faults


@dataclass(frozen=True, slots=True)
class Quirks:
    """Each field is a fault of that name, taken when the job starts."""

    no_start: bool = False
    no_progress: bool = False
    loading_first: bool = False
    moderated: bool = False
    no_preview: bool = False
    preview_without_uuid: bool = False
    duplicate_dispatch: bool = False
    passive_only: bool = False
    components_v2: bool = False
    final_edited: bool = False
    final_twice: bool = False
    final_lost: bool = False
    nonce_on_final: bool = False
    paused: bool = False
    footer: bool = False
    ephemeral_job: bool = False
    out_of_order: bool = False
    delete_bulk: bool = False
    stopped: bool = False
    as_gif: bool = False

    @classmethod
    def taken(cls, faults: Faults, prompt: str) -> Quirks:
        """Use up the armed faults that fit this prompt."""
        return cls(**{quirk.name: faults.take(quirk.name, prompt) is not None for quirk in fields(cls)})

    @property
    def manner(self) -> Manner:
        """How the gateway tells of the job's messages."""
        if self.passive_only:
            return Manner.PASSIVE
        if self.out_of_order:
            return Manner.SWAPPED
        return Manner.TWICE if self.duplicate_dispatch else Manner.ONCE

    @property
    def final_manner(self) -> Manner:
        """How the gateway tells of the result."""
        return Manner.UNTOLD if self.final_lost else self.manner

    @property
    def flags(self) -> int:
        """The flags of the job's messages."""
        return FLAG_EPHEMERAL if self.ephemeral_job else 0

    @property
    def small_print(self) -> str:
        """What stands below every content."""
        return "\n-# Create, explore, and organize on the website" if self.footer else ""

    @property
    def shows_progress(self) -> bool:
        """Whether the start message is edited while the job runs."""
        return not self.no_start and not self.no_progress
