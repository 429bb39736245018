"""What is wrong with the service: the one value that all displays, the log and the hooks show, and its texts.

``Trouble`` says in one sentence what is wrong, and what a person can do. Each function makes the trouble of
one kind. engine/troubles.py keeps those that last, and reports their begin and their end.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from mjwatch.model import ENDED_BY_CONNECTING, PauseKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mjwatch.errors import MjwatchError
    from mjwatch.model import Pause


class TroubleKind(StrEnum):
    """The part of the service that is in trouble, the worst first."""

    JOURNAL = "journal"
    """The journal can't be written: nothing is sent, and no file is taken."""
    PAUSED = "paused"
    """Nothing is sent until a person has acted."""
    OWNER = "owner"
    """The inbox belongs to another mjwatch: no file is taken."""
    INBOX = "inbox"
    """The inbox can't be used: no file is taken."""
    OUTBOX = "outbox"
    """The outbox can't be written: pictures are not saved."""
    GATEWAY = "gateway"
    """Discord can't be used: nothing is sent, and nothing is heard."""
    LIMIT = "limit"
    """A limit or an outage keeps jobs waiting for long."""
    DOWNLOAD = "download"
    """Pictures can't be downloaded."""
    CLOCK = "clock"
    """This machine's clock is wrong."""


_STEADY = frozenset({TroubleKind.GATEWAY, TroubleKind.LIMIT, TroubleKind.DOWNLOAD, TroubleKind.CLOCK})
"""Kinds whose sentence changes from one try to the next although the trouble is the same."""

_PASSING = frozenset({TroubleKind.GATEWAY, TroubleKind.DOWNLOAD})
"""Kinds that usually end by themselves within seconds."""

_SEVERITY = {kind: number for number, kind in enumerate(TroubleKind)}


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong: ``sentence``, without a full stop, and ``remedy``, what a person can do.

    ``since``: when it began, in seconds since 1970. ``wanted``: a person asked for it, so it is no news.
    """

    kind: TroubleKind
    sentence: str
    remedy: str = ""
    since: float | None = None
    wanted: bool = False

    def __str__(self) -> str:
        """Return both parts as one line: ``what is wrong; what to do``."""
        return f"{self.sentence}; {self.remedy}" if self.remedy else self.sentence

    @property
    def identity(self) -> tuple[str, ...]:
        """What tells this trouble from another one: its kind, and its sentence where that is steady."""
        return (self.kind,) if self.kind in _STEADY else (self.kind, self.sentence)

    @property
    def is_passing(self) -> bool:
        """Whether it will probably end by itself soon, so that it is no news before it has lasted."""
        return self.kind in _PASSING

    @property
    def stops_work(self) -> bool:
        """Whether nothing is sent, or no file is taken, until somebody has acted."""
        return _SEVERITY[self.kind] <= _SEVERITY[TroubleKind.INBOX] and not self.wanted

    def to_store(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {
            "kind": str(self.kind),
            "sentence": self.sentence,
            "remedy": self.remedy,
            "since": self.since,
            "wanted": self.wanted,
        }

    @classmethod
    def stored(cls, value: Any) -> Trouble:
        """Return what ``to_store`` gave."""
        return cls(**{**value, "kind": TroubleKind(value["kind"])})


def worst_first(troubles: Iterable[Trouble]) -> list[Trouble]:
    """Return the troubles in the order in which they matter; each one once, since its first report."""
    found: dict[tuple[str, ...], Trouble] = {}
    for trouble in troubles:
        known = found.setdefault(trouble.identity, trouble)
        if (trouble.since or 0.0) < (known.since or 0.0):
            found[trouble.identity] = replace(known, since=trouble.since)
    return sorted(found.values(), key=lambda trouble: (_SEVERITY[trouble.kind], trouble.since or 0.0))


def trouble_facts(troubles: Sequence[Trouble]) -> dict[str, Any]:
    """Return the troubles, worst first, as ``status --json`` and ``status.json`` have them.

    ``trouble``: the sentence of the worst. ``inbox_trouble``, ``journal_trouble``: the worst of these parts,
    with its remedy; they are older than the list.
    """
    inbox = [trouble for trouble in troubles if trouble.kind in {TroubleKind.INBOX, TroubleKind.OWNER}]
    journal = [trouble for trouble in troubles if trouble.kind is TroubleKind.JOURNAL]
    return {
        "trouble": troubles[0].sentence if troubles else None,
        "troubles": [
            {"kind": str(t.kind), "sentence": t.sentence, "remedy": t.remedy, "since": t.since}
            for t in troubles
        ],
        "inbox_trouble": str(inbox[0]) if inbox else None,
        "journal_trouble": str(journal[0]) if journal else None,
    }


# ---- the journal, the pause, the connection


def journal_trouble(error: MjwatchError) -> Trouble:
    """Return the trouble of a journal that can't be written."""
    return Trouble(TroubleKind.JOURNAL, f"{error.message}; nothing is sent and no file is taken", error.hint)


def pause_trouble(pause: Pause, since: float | None = None) -> Trouble:
    """Return the pause as a trouble."""
    sentence = pause.reason if pause.kind is PauseKind.PERSON else f"sending is paused: {pause.reason}"
    return Trouble(
        TroubleKind.PAUSED, sentence, resume_hint(pause), since, wanted=pause.kind is PauseKind.PERSON
    )


def resume_hint(pause: Pause) -> str:
    """Return what a person does to end this pause. Keys and the configuration are read at the start only."""
    if pause.kind is PauseKind.PERSON:
        return "`mjwatch resume` continues"
    if pause.kind in ENDED_BY_CONNECTING:
        return "fix the cause, then restart the service: it resumes by itself"
    if pause.kind is PauseKind.CONFIG:
        return "fix the configuration, stop the service, and start it with `mjwatch run --resume`"
    return "fix the cause, then run `mjwatch resume`"


def gateway_trouble(reason: str) -> Trouble:
    """Return the trouble of a connection that is lost."""
    remedy = "mjwatch tries again by itself; if it lasts, check the network and run `mjwatch check`"
    return Trouble(TroubleKind.GATEWAY, f"Discord can't be used: {reason}", remedy)


def limit_trouble(reason: str, until: str) -> Trouble:
    """Return the trouble of a limit that holds all prompts until this time, as text."""
    sentence = f"nothing is sent because of a limit: {reason}"
    return Trouble(TroubleKind.LIMIT, sentence, f"it ends by itself at {until}")


def outage_trouble(reason: str, until: str) -> Trouble:
    """Return the trouble of an outage, in which one prompt is tried at this time."""
    remedy = f"the next one is tried at {until}; `mjwatch resume` tries one now"
    return Trouble(TroubleKind.LIMIT, f"only one prompt at a time is tried: {reason}", remedy)


def reading_trouble(reason: str, until: str) -> Trouble:
    """Return the trouble of a limit for which the history and new addresses of pictures are not read."""
    sentence = f"the channel's history is not read because of a limit: {reason}"
    return Trouble(TroubleKind.LIMIT, sentence, f"it ends by itself at {until}")


# ---- the inbox (whose it is: inbox/ownership.py)


def inbox_trouble(inbox: object, error: OSError) -> Trouble:
    """Return the trouble of an inbox that can't be read."""
    sentence, remedy = {
        errno.ENOENT: ("the folder is missing", "put it back, or mount its disk"),
        errno.EACCES: ("mjwatch has no right to", "give mjwatch's user the right to read and write it"),
    }.get(error.errno or 0, (error.strerror or str(error), "check its disk"))
    return Trouble(
        TroubleKind.INBOX, f"the inbox {inbox} can't be read, so nothing is taken: {sentence}", remedy
    )


# ---- results


def download_trouble(reason: str) -> Trouble:
    """Return the trouble of pictures that could not be downloaded."""
    remedy = (
        "mjwatch tries again by itself; if it lasts, check the network and [discord] in the configuration"
    )
    return Trouble(TroubleKind.DOWNLOAD, f"pictures can't be downloaded: {reason}", remedy)


def outbox_trouble(error: MjwatchError | OSError, outbox: object, folder: object) -> Trouble:
    """Return the trouble of an outbox that can't be written. ``folder``: the one in it that was to change.

    ``error`` is the system's, or one that mjwatch raised from it.
    """
    cause = error if isinstance(error, OSError) else error.__cause__
    if not isinstance(cause, OSError):
        message, hint = (str(error), "") if isinstance(error, OSError) else (error.message, error.hint)
        return Trouble(TroubleKind.OUTBOX, message, hint)
    if cause.errno in {errno.EACCES, errno.EPERM}:
        where = f"the outbox {outbox}" if folder == outbox else f"{folder} in the outbox"
        sentence = f"mjwatch may not write to {where}"
        return Trouble(TroubleKind.OUTBOX, sentence, "give mjwatch's user the right to write there")
    sentence, remedy = _OBSTACLES.get(cause.errno or 0, (cause.strerror or str(cause), "check its disk"))
    sentence = f"the outbox {outbox} can't be written: {sentence}"
    return Trouble(TroubleKind.OUTBOX, sentence, remedy)


_ROOM = "make room; mjwatch then saves the pictures that wait"
_OBSTACLES: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("its disk has too little room left", _ROOM),  # for this file: a smaller one may still fit
    errno.EDQUOT: ("a quota has too little room left", _ROOM),  # of a user, a group or a folder
    errno.EROFS: ("its disk is read-only", "mount it writable; mjwatch then continues by itself"),
    errno.ENOENT: ("the folder is missing", "put it back; mjwatch then continues by itself"),
    errno.ENOTDIR: ("something else is in its place", "remove that; mjwatch then continues by itself"),
}
"""What is wrong with the outbox, and what to do, by the system's error."""


# ---- the clock

CLOCK_SLACK = 30.0
"""Seconds by which this machine's clock may differ from Discord's, which gives whole seconds, and late."""


def clock_trouble(ahead: float) -> Trouble | None:
    """Return the trouble of a clock that is so many seconds ahead of Discord's; None if that is little."""
    if abs(ahead) <= CLOCK_SLACK:
        return None
    where = "ahead of" if ahead > 0 else "behind"
    remedy = "set it, for example with `timedatectl set-ntp true`: nonces, pauses and the daily cap use it"
    return Trouble(
        TroubleKind.CLOCK, f"this machine's clock is {_span(abs(ahead))} {where} Discord's", remedy
    )


def _span(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
