"""The bot's notices and refusals: one table from its wording to what it means and what a person can do.

Titles and sentences are what clients of 2023 to 2026 met: "Job queued", "Queue full", "Action needed to
continue" and the trace message are recorded, the others come from reports and from other clients' code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from mjwatch.model import Refusal, RefusalClass

if TYPE_CHECKING:
    from collections.abc import Iterable

RED = frozenset({16711680, 15548997})
"""Embed colours of errors; warnings are orange or yellow, acknowledgements green."""

_RETRY_AT = re.compile(r"<t:(\d{1,12})(?::[a-zA-Z])?>")
_DECLINE = re.compile(r"\s*decline-")
_REGRET = r"(?:sorry\W+)?(?:you(?: have|['\u2019]ve) run )?"
_ORNAMENT = re.compile(r"^[\W_]+")
"""Markdown and emoji in front of the words."""

_HEADING_LENGTH = 60
"""Characters; a longer first line is no title that stands outside of an embed's own."""


class NoticeEffect(Enum):
    """What a wording does to the job that it is about."""

    REFUSED = auto()
    QUEUED = auto()
    INFORMS = auto()
    """Says something beside the job: a warning, an acknowledgement."""


@dataclass(frozen=True, slots=True)
class RefusalPattern:
    """One row: what is looked for (lower case, anywhere in the text) and what it means."""

    pattern: str
    kind: RefusalClass | None
    advice: str
    needs_human: bool = False
    outcome: NoticeEffect = NoticeEffect.REFUSED

    def found_in(self, text: str) -> bool:
        """Whether the text has this wording, whatever its case."""
        return re.search(self.pattern, text, re.IGNORECASE) is not None

    def begins(self, text: str) -> bool:
        """Whether the text begins with this wording, but for a word of regret."""
        return re.match(_REGRET + f"(?:{self.pattern})", text, re.IGNORECASE) is not None


@dataclass(frozen=True, slots=True)
class Notice:
    """An embed or a text of the bot as judged: what it does, and the refusal if it is one."""

    outcome: NoticeEffect
    refusal: Refusal | None = None


_RETRY, _USER, _MODERATION = RefusalClass.RETRY, RefusalClass.USER, RefusalClass.MODERATION
_ACCOUNT, _PLAN, _TRANSIENT = RefusalClass.ACCOUNT, RefusalClass.PLAN, RefusalClass.TRANSIENT

_STOP = "Stop here, open Midjourney in Discord yourself and read what it says. "
_PROVE = "Open Midjourney in Discord, answer its question yourself, then run `mjwatch resume`."
_LATER = "Nothing is wrong with the prompt. Try it again later with `mjwatch retry`."
_REPHRASE = "Change the prompt; this one will be refused again."
_SPELLING = "Correct the prompt as the message says and submit it again."
_SUBSCRIBE = "Look at your plan with /subscribe in Discord, then run `mjwatch resume`."

ACCOUNT_SENTENCES: tuple[RefusalPattern, ...] = (
    RefusalPattern(
        r"triggered an abuse alert|account is now under manual review",
        _ACCOUNT,
        _STOP + "Midjourney's staff reviews the account; sending more makes it worse.",
        needs_human=True,
    ),
    RefusalPattern(
        r"third-party tools or scripting|blocked due to suspicious activity",
        _ACCOUNT,
        _STOP + "Midjourney objects to automation on this account: don't go on with it.",
        needs_human=True,
    ),
    RefusalPattern(
        r"blocked from accessing midjourney",
        _ACCOUNT,
        _STOP + "The account is blocked; only Midjourney's support can lift that.",
        needs_human=True,
    ),
    RefusalPattern(
        r"have a pending moderation message",
        _ACCOUNT,
        "Read the pending message in Discord and acknowledge it yourself, then run `mjwatch resume`.",
        needs_human=True,
    ),
    RefusalPattern(
        r"verify (?:that )?you(?:'|\u2019| a)re (?:a )?human|please complete the task",
        _ACCOUNT,
        _PROVE,
        needs_human=True,
    ),
)
"""Sentences that stop the account wherever they stand, since their titles are not all known."""

TITLES: tuple[RefusalPattern, ...] = (
    RefusalPattern(r"^job queued", None, "", outcome=NoticeEffect.QUEUED),
    RefusalPattern(r"duplicate images? detected", None, "", outcome=NoticeEffect.INFORMS),
    RefusalPattern(r"progress images have been disabled", None, "", outcome=NoticeEffect.INFORMS),
    RefusalPattern(
        r"queue (?:is )?full",
        _RETRY,
        "Too many jobs wait at Midjourney; this one goes again when one has ended.",
    ),
    RefusalPattern(
        r"slow down", _RETRY, "Too quick for Midjourney; it goes again at the time that it named."
    ),
    RefusalPattern(
        r"^action needed to continue",
        _MODERATION,
        "Midjourney's moderators doubt this prompt. Change it, or press Appeal in Discord yourself.",
    ),
    RefusalPattern(r"^action required", _ACCOUNT, _PROVE, needs_human=True),
    RefusalPattern(r"\bhuman\b|\bcaptcha\b|complete the task", _ACCOUNT, _PROVE, needs_human=True),
    RefusalPattern(
        r"pending mod",
        _ACCOUNT,
        "Read the pending message in Discord and acknowledge it yourself, then run `mjwatch resume`.",
        needs_human=True,
    ),
    RefusalPattern(
        r"(?:tos|terms(?: of service)?) not accepted",
        _ACCOUNT,
        "Read Midjourney's terms of service in Discord, accept them yourself, then run `mjwatch resume`.",
        needs_human=True,
    ),
    RefusalPattern(
        r"^(?:temporarily )?blocked|^account (?:blocked|banned|suspended)|^abuse (?:alert|detected)",
        _ACCOUNT,
        _STOP + "The account is blocked; only Midjourney's support can lift that.",
        needs_human=True,
    ),
    RefusalPattern(r"banned|image denied|image prompt denied", _MODERATION, _REPHRASE),
    RefusalPattern(r"(?:image|output|prompt) filters?", _MODERATION, _REPHRASE),
    RefusalPattern(
        r"credits? exhausted|out of (?:fast )?hours",
        _PLAN,
        "The fast hours are used up: switch to /relax in Discord or buy hours, then run `mjwatch resume`.",
        needs_human=True,
    ),
    RefusalPattern(
        r"subscription (?:is )?(?:required|paused|expired|cancell?ed)|plan cancell?ed",
        _ACCOUNT,
        _SUBSCRIBE,
        needs_human=True,
    ),
    RefusalPattern(r"job action restricted", _PLAN, "Your plan does not include this action."),
    RefusalPattern(
        r"invalid link", _USER, "Check that the link opens in a browser without a login, and submit again."
    ),
    RefusalPattern(r"invalid|empty prompt|unrecogni[sz]ed parameter", _USER, _SPELLING),
    RefusalPattern(r"something went wrong|could not complete|internal error", _TRANSIENT, _LATER),
)
"""Titles, the first that is found counts."""

TEXTS: tuple[RefusalPattern, ...] = (
    RefusalPattern(r"error processing your request|failed to process your command", _TRANSIENT, _LATER),
    RefusalPattern(
        r"queue is full", _RETRY, "Too many jobs wait at Midjourney; this one goes again when one has ended."
    ),
    RefusalPattern(r"^unrecogni[sz]ed parameter", _USER, _SPELLING),
    RefusalPattern(r"^request cancelled due to \w+ filters", _MODERATION, _REPHRASE),
)
"""Errors that come as plain text, or as the description of an embed whose title says nothing."""

_UNKNOWN_ADVICE = "mjwatch does not know this message; read it, and look into the channel in Discord."
_STOPPED_ADVICE = (
    "The job was stopped before its end: by its Cancel button, a reaction, or Midjourney itself."
)


def judge_embed(title: str, description: str, colour: int | None, footer: str, now: float | None) -> Notice:
    """What an embed of the bot does to its job. Decided by words, and by the colour only if they are unknown.

    An unknown red embed is a refusal whose class stays open; one of another colour only informs. A footer
    ``decline-<word>-<word>`` makes an unexplained failure one of moderation. ``now``: when the message was
    sent, from which a named time (``<t:…:R>``) becomes seconds to wait.
    """
    heading, words = _bare(title), _bare(description)
    wording = (
        _find(ACCOUNT_SENTENCES, f"{title}\n{description}")
        or (_find(TITLES, heading) if heading else _headed(words))
        or _find(TEXTS, words)
    )
    if wording is None and colour in RED:
        wording = RefusalPattern("", None, _UNKNOWN_ADVICE)
    if wording is None or wording.outcome is not NoticeEffect.REFUSED:
        return Notice(NoticeEffect.INFORMS if wording is None else wording.outcome)
    if _DECLINE.match(footer) and wording.kind in (_TRANSIENT, None):
        wording = RefusalPattern("", _MODERATION, _REPHRASE)
    return Notice(NoticeEffect.REFUSED, _refusal(wording, title or None, description, now))


def judge_text(text: str, now: float | None = None, *, answer: bool = False) -> Notice:
    """What a plain text of the bot does to its job: one of the known errors, or it only informs.

    ``answer``: it answers a command, so that a title in its first line is the bot's; in other texts a
    prompt may stand there. ``now`` as for an embed.
    """
    words = _bare(text)
    wording = _find(ACCOUNT_SENTENCES, text) or (_headed(words) if answer else None) or _find(TEXTS, words)
    if wording is None or wording.outcome is not NoticeEffect.REFUSED:
        return Notice(NoticeEffect.INFORMS if wording is None else wording.outcome)
    return Notice(NoticeEffect.REFUSED, _refusal(wording, None, text, now))


def stopped(detail: str) -> Refusal:
    """The refusal of a job whose progress says ``(Stopped)``; nobody is told why it was stopped."""
    return Refusal(None, None, detail, advice=_STOPPED_ADVICE, stopped=True)


def _find(table: Iterable[RefusalPattern], text: str) -> RefusalPattern | None:
    return next((wording for wording in table if wording.found_in(text)), None)


def _bare(text: str) -> str:
    return _ORNAMENT.sub("", text.strip())


def _headed(words: str) -> RefusalPattern | None:
    """The title that stands in the first line of a text."""
    heading = words.partition("\n")[0]
    if len(heading) > _HEADING_LENGTH:
        return None
    return next((wording for wording in TITLES if wording.begins(heading)), None)


def _refusal(wording: RefusalPattern, title: str | None, detail: str, now: float | None) -> Refusal:
    at = _RETRY_AT.search(detail) if wording.kind is RefusalClass.RETRY else None
    wait = max(0.0, int(at[1]) - now) if at and now is not None else None
    return Refusal(wording.kind, title, detail, wording.needs_human, wait, wording.advice)
