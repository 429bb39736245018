"""Why nothing is sent: kept in the journal, ended by a person's word or by a proof that the cause is gone."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mjwatch.model import ENDED_BY_ENTRY, Pause, PauseKind, Refusal, RefusalClass

if TYPE_CHECKING:
    from mjwatch.journal.writer import Journal

log = logging.getLogger("mjwatch")

_KINDS = {RefusalClass.PLAN: PauseKind.PLAN, RefusalClass.CONFIG: PauseKind.CONFIG}
_BAD_TOKEN = 4004


def pause_for(refusal: Refusal) -> Pause:
    """The pause that a refusal asks for."""
    kind = PauseKind.ACCOUNT if refusal.kind is None else _KINDS.get(refusal.kind, PauseKind.ACCOUNT)
    return Pause(refusal.title or refusal.detail, PauseKind.TOKEN if refusal.token else kind)


class Pauses:
    """The one pause that there is or isn't."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.now: Pause | None = None
        self.shut_out: Pause | None = None
        """Set once the gateway has said that it won't let this program in again."""
        self._may_be_over = False

    def load(self) -> None:
        """Take up the pause of an earlier start; this start is no reason to end it."""
        self.now = self._journal.paused()
        if self.now is not None:
            self._may_be_over = self.now.kind in ENDED_BY_ENTRY
            log.warning("still paused, `mjwatch resume` ends that: %s", self.now.reason)

    @property
    def stuck(self) -> bool:
        """Whether it lasts until a person acts; at a start the gateway may yet show that it is over."""
        return self.now is not None and not self._may_be_over

    def begin(self, pause: Pause) -> None:
        """Send nothing from now on. A cause that comes on top of another does not replace it."""
        self._may_be_over = False
        if self.now is None:
            log.error("paused, nothing more is sent until a person has acted: %s", pause.reason)
            self._set(pause)

    def refused(self, refusal: Refusal | None) -> None:
        """Send nothing from now on if Discord or Midjourney said a no that only a person can mend."""
        if refusal is not None and refusal.needs_human:
            self.begin(pause_for(refusal))

    def ask(self, reason: str | None) -> Pause:
        """A person wants it. It outlasts what it was paused for before."""
        words = "paused by hand" + (f": {reason}" if reason else "")
        pause = Pause(words, PauseKind.PERSON)
        log.warning("%s; nothing more is sent until `mjwatch resume`", words)
        self._may_be_over = False
        self._set(pause)
        return pause

    def end(self) -> Pause | None:
        """A person says that it is mended. What stands in the way even so: only a new start can help."""
        if self.now is None:
            return None
        if self.shut_out is not None:
            self._set(self.shut_out)
            return self.shut_out
        log.info("going on; it was paused: %s", self.now.reason)
        self._set(None)
        return None

    def refused_entry(self, reason: str, code: int | None) -> None:
        """The gateway won't let us in again."""
        self.shut_out = Pause(reason, PauseKind.TOKEN if code == _BAD_TOKEN else PauseKind.GATEWAY)
        self.begin(self.shut_out)

    def let_in(self) -> None:
        """The gateway has let us in, with this token."""
        self.shut_out = None
        if self.now is not None and self.now.kind in ENDED_BY_ENTRY:
            log.info("going on: Discord accepts the token again; it was paused: %s", self.now.reason)
            self._set(None)

    def _set(self, pause: Pause | None) -> None:
        value = None if pause is None else {"reason": pause.reason, "kind": pause.kind}
        self._journal.remember({"paused": value})
        self.now = pause
