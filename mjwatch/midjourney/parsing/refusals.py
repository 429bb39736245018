"""The bot's notices and refusals: a table from their texts to what they mean and what the user can do.

The titles and sentences were seen by clients from 2023 to 2026: "Job queued", "Queue full", "Action needed to
continue" and the trace message are recorded, the others come from reports and from the code of other clients.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from mjwatch.discord.http_errors import LONGEST_WAIT
from mjwatch.midjourney.parsing.content import CUT_AT_LEAST, LINK
from mjwatch.model import LimitScope, Refusal, RefusalClass

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

RED = frozenset({16711680, 15548997})
"""Embed colours of errors; warnings are orange or yellow, acknowledgements green."""

_RETRY_AT = re.compile(r"<t:(\d{1,12})(?::[a-zA-Z])?>")
_DECLINE = re.compile(r"\s*decline-")
_APOLOGY = r"(?:sorry\W+)?(?:you(?: have|['\u2019]ve) run )?"
_ORNAMENT = re.compile(r"^[\W_]+")
"""Markdown and emoji before the text."""

_QUOTED = re.compile(
    r"```.+?```|`[^`]+`|\"[^\"\n]+\"|\u201c[^\u201d]+\u201d|\xab[^\xbb]+\xbb|^> [^\n]*$",
    re.DOTALL | re.MULTILINE,
)
"""Quotations in Discord's Markdown and in the usual quotation marks."""

_LINK_MARK = "\ufffc"
_ELLIPSIS = re.compile(r"\s?(?:\u2026|\.\.\.)")
LONG_PROMPT = 50
"""Characters; most sentences of the bot's own are shorter, so that they are not taken for such a prompt."""

_HEADING_LENGTH = 60
"""Characters; a longer first line of a text is not a title."""


class NoticeEffect(Enum):
    """What a notice does to its job."""

    REFUSED = auto()
    QUEUED = auto()
    INFORMS = auto()
    """Does nothing to the job: a warning, an acknowledgement."""


@dataclass(frozen=True, slots=True)
class RefusalPattern:
    """One row: what to search in the text (in any case, anywhere) and what it means."""

    pattern: str
    kind: RefusalClass | None
    advice: str
    needs_human: bool = False
    outcome: NoticeEffect = NoticeEffect.REFUSED
    scope: LimitScope | None = None

    def found_in(self, text: str, quotes: Collection[str] = ()) -> bool:
        """Return whether the text contains this pattern, in any case, and not only in what it quotes."""
        return self._count(text) > sum(map(self._count, quotes))

    def begins(self, text: str, quotes: Collection[str] = ()) -> bool:
        """Return whether the text begins with this pattern, possibly after an expression of regret."""
        pattern = re.compile(_APOLOGY + f"(?:{self.pattern})", re.IGNORECASE)
        return pattern.match(text) is not None and not any(map(pattern.match, quotes))

    def _count(self, text: str) -> int:
        return sum(1 for _ in re.finditer(self.pattern, text, re.IGNORECASE))


@dataclass(frozen=True, slots=True)
class Notice:
    """What an embed or a text of the bot does to its job, and the refusal if it is one."""

    outcome: NoticeEffect
    refusal: Refusal | None = None


_RETRY, _USER, _MODERATION = RefusalClass.RETRY, RefusalClass.USER, RefusalClass.MODERATION
_ACCOUNT, _PLAN, _TRANSIENT = RefusalClass.ACCOUNT, RefusalClass.PLAN, RefusalClass.TRANSIENT

_STOP = "Stop now. Open Midjourney in Discord yourself and read what it says. "
_PROVE = "Open Midjourney in Discord, answer its question yourself, then run `mjwatch resume`."
_LATER = "Nothing is wrong with the prompt. Try again later with `mjwatch retry`."
_REPHRASE = "Change the prompt; the same prompt will be refused again."
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
        _STOP + "Midjourney objects to automation on this account: don't continue with it.",
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
"""Sentences that stop the account, anywhere in a text, because not all of their titles are known."""

TITLES: tuple[RefusalPattern, ...] = (
    RefusalPattern(r"^job queued", None, "", outcome=NoticeEffect.QUEUED),
    RefusalPattern(r"duplicate images? detected", None, "", outcome=NoticeEffect.INFORMS),
    RefusalPattern(r"progress images have been disabled", None, "", outcome=NoticeEffect.INFORMS),
    RefusalPattern(
        r"queue (?:is )?full",
        _RETRY,
        "Too many jobs are waiting at Midjourney; this job is sent again in a while.",
        scope=LimitScope.QUEUE,
    ),
    RefusalPattern(
        r"slow down",
        _RETRY,
        "Midjourney got jobs too quickly; this job is sent again at the time that Midjourney named.",
    ),
    RefusalPattern(
        r"^action needed to continue",
        _MODERATION,
        "Midjourney's moderation doubts this prompt. Change it, or press Appeal in Discord yourself.",
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
        r"invalid link",
        _USER,
        "Check that the link opens in a browser without a login, and submit the prompt again.",
    ),
    RefusalPattern(r"invalid|empty prompt|unrecogni[sz]ed parameter", _USER, _SPELLING),
    RefusalPattern(r"something went wrong|could not complete|internal error", _TRANSIENT, _LATER),
)
"""Titles; the first match counts."""

TEXTS: tuple[RefusalPattern, ...] = (
    RefusalPattern(r"error processing your request|failed to process your command", _TRANSIENT, _LATER),
    RefusalPattern(
        r"queue is full",
        _RETRY,
        "Too many jobs are waiting at Midjourney; this job is sent again in a while.",
        scope=LimitScope.QUEUE,
    ),
    RefusalPattern(r"^unrecogni[sz]ed parameter", _USER, _SPELLING),
    RefusalPattern(r"^request cancelled due to \w+ filters", _MODERATION, _REPHRASE),
)
"""Errors in plain text, or in the description of an embed whose title has no meaning here."""

_UNKNOWN_ADVICE = "mjwatch does not know this message; read it, and look at the channel in Discord."
_STOPPED_ADVICE = (
    "The job was stopped before its end, by its Cancel button, a reaction, or Midjourney itself."
)


def judge_embed(
    title: str,
    description: str,
    colour: int | None,
    footer: str,
    now: float | None,
    prompts: Collection[str] = (),
) -> Notice:
    """Return what an embed of the bot does to its job, by its text, or by its colour if the text is unknown.

    An unknown red embed is a refusal without a class; an unknown embed of another colour only informs. A
    footer ``decline-<word>-<word>`` makes an unexplained failure one of moderation. ``now`` is when the
    message was sent, which turns a named time (``<t:…:R>``) into seconds to wait. ``prompts``: what the
    message may quote; a quotation is not the bot's own text and decides nothing.
    """
    heading, text = _without_ornament(title), _without_ornament(description)
    in_title, in_text = quotations(title, prompts), quotations(description, prompts)
    found = (
        _find(ACCOUNT_SENTENCES, f"{title}\n{description}", in_title + in_text)
        or (_find(TITLES, heading, in_title) if heading else _find_heading(text, in_text))
        or _find(TEXTS, text, in_text)
    )
    if found is None and colour in RED:
        found = RefusalPattern("", None, _UNKNOWN_ADVICE)
    if found is None or found.outcome is not NoticeEffect.REFUSED:
        return Notice(NoticeEffect.INFORMS if found is None else found.outcome)
    if _DECLINE.match(footer) and found.kind in (_TRANSIENT, None):
        found = RefusalPattern("", _MODERATION, _REPHRASE)
    return Notice(NoticeEffect.REFUSED, _refusal(found, title or None, description, now))


def judge_text(
    text: str, now: float | None = None, *, answer: bool = False, prompts: Collection[str] = ()
) -> Notice:
    """Return what a plain text of the bot does to its job: it is a known error, or only informs.

    ``answer``: the text answers a command, so that a title in its first line is the bot's; the first line of
    any other text may be a prompt. ``now`` and ``prompts`` as for an embed.
    """
    bare, quotes = _without_ornament(text), quotations(text, prompts)
    found = (
        _find(ACCOUNT_SENTENCES, text, quotes)
        or (_find_heading(bare, quotes) if answer else None)
        or _find(TEXTS, bare, quotes)
    )
    if found is None or found.outcome is not NoticeEffect.REFUSED:
        return Notice(NoticeEffect.INFORMS if found is None else found.outcome)
    return Notice(NoticeEffect.REFUSED, _refusal(found, None, text, now))


def quotations(text: str, prompts: Collection[str]) -> list[str]:
    """Return what the text quotes: the prompts, with or without their parameters, and what stands in quotes.

    A prompt of a single word counts only in quotes, because it may be a word of the bot's own. If the text is
    nothing but a quotation, it is the bot's own.
    """
    found, rest = [], "\n".join(map(_as_repeated, text.splitlines()))
    whole = set(map(_as_repeated, prompts))
    forms = whole | {form.partition(" --")[0] for form in whole}
    for form in sorted(forms, key=len, reverse=True):
        while " " in form and (echo := _echo(rest.replace("\n", " "), form)):
            found.append(rest[echo])
            rest = f"{rest[: echo.start]} {rest[echo.stop :]}"
    found += _QUOTED.findall(rest)
    return found if re.search(r"\w", _QUOTED.sub(" ", rest)) else []


def _as_repeated(text: str) -> str:
    """Return a text in which a prompt and its echo are alike: without case, and with one mark for each link.

    matching/similarity.py has what the bot changes.
    """
    text = LINK.sub(_LINK_MARK, text) if "://" in text else text
    return " ".join(unicodedata.normalize("NFC", text).replace("\u2014", "--").casefold().split())


def _echo(text: str, prompt: str) -> slice | None:
    """Return where the text repeats the prompt, whole or cut, with an ellipsis or because of its length."""
    start = text.find(prompt)
    if start >= 0:
        return slice(start, start + len(prompt))
    beginning, end = prompt[:LONG_PROMPT], 0
    while (start := text.find(beginning, end)) >= 0:
        pairs = enumerate(zip(text[start:], prompt, strict=False))
        end = next((start + place for place, (here, there) in pairs if here != there), len(text))
        if end - start >= CUT_AT_LEAST or _ELLIPSIS.match(text, end):
            return slice(start, end)
    return None


def stopped(detail: str) -> Refusal:
    """Return the refusal of a job whose progress says ``(Stopped)``; Midjourney does not say why."""
    return Refusal(None, None, detail, advice=_STOPPED_ADVICE, stopped=True)


def _find(table: Iterable[RefusalPattern], text: str, quotes: Collection[str]) -> RefusalPattern | None:
    return next((pattern for pattern in table if pattern.found_in(text, quotes)), None)


def _without_ornament(text: str) -> str:
    return _ORNAMENT.sub("", text.strip())


def _find_heading(text: str, quotes: Collection[str]) -> RefusalPattern | None:
    """Return the pattern of the title in the first line of a text."""
    heading = text.partition("\n")[0]
    if len(heading) > _HEADING_LENGTH:
        return None
    return next((pattern for pattern in TITLES if pattern.begins(heading, quotes)), None)


def _refusal(found: RefusalPattern, title: str | None, detail: str, now: float | None) -> Refusal:
    at = _RETRY_AT.search(detail) if found.kind is RefusalClass.RETRY else None
    wait = min(max(0.0, int(at[1]) - now), LONGEST_WAIT) if at and now is not None else None
    return Refusal(found.kind, title, detail, found.needs_human, wait, found.advice, scope=found.scope)
