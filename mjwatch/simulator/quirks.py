"""What faults do to one job."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from .delivery import Manner

if TYPE_CHECKING:
    from .faults import Faults


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

    @classmethod
    def taken(cls, faults: Faults, prompt: str) -> Quirks:
        """Use up the armed faults that fit this prompt."""
        return cls(**{quirk.name: faults.take(quirk.name, prompt) is not None for quirk in fields(cls)})

    @property
    def manner(self) -> Manner:
        """How the gateway tells of the job's messages."""
        if self.passive_only:
            return Manner.PASSIVE
        return Manner.TWICE if self.duplicate_dispatch else Manner.ONCE

    @property
    def shows_progress(self) -> bool:
        """Whether the start message is edited while the job runs."""
        return not self.no_start and not self.no_progress
