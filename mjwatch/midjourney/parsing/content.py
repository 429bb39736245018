"""The grammar of the bot's message text: lead, bold prompt, label, mention, brackets after the mention."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from mjwatch.midjourney.parsing.parsed_message import Action, JobStatus, Mode

CUT_AT_LEAST = 1000
"""An echo this long, in characters, may have been cut (Discord's limit for a message is 2000)."""

LINK = re.compile(r"<?https?://[^\s<>]*[^\s<>,.;:!?)\]\"']>?", re.IGNORECASE)
"""A link of a prompt, also as the bot repeats it: ``<https://s.mj.run/…>``."""

_TAIL = re.compile(r"(?P<before>[^<\n]{0,60})<@!?(?P<user>\d+)>(?P<after>.*)", re.DOTALL)
_IMAGE = re.compile(r"\bimage #(\d{1,2})\b", re.IGNORECASE)
_WEBSITE = re.compile(r"\[?\(Open on website[^()]*\)(?:\]\([^()]*\))?", re.IGNORECASE)
_BRACKETS = re.compile(r"\(([^()]*)\)")
_PERCENT = re.compile(r"(\d{1,3})\s*%")
_DOTS = re.compile(r"(?:\.\.\.|\u2026)\s*(?:\([^()]*\)\s*)*$")
_FOOTER = "\n-# "

_LEAD_WORDS: tuple[tuple[str, Action], ...] = (
    ("making variations", Action.VARIATION),
    ("upscaling", Action.UPSCALE),
    ("rerolling", Action.REROLL),
    ("creating video", Action.VIDEO),
    ("animating", Action.VIDEO),
    ("remixing", Action.REMIX),
    ("zooming", Action.ZOOM),
    ("panning", Action.PAN),
)
_LABELS: tuple[tuple[str, Action], ...] = (
    ("variations", Action.VARIATION),
    ("remix", Action.REMIX),
    ("pan ", Action.PAN),
    ("zoom out", Action.ZOOM),
    ("upscal", Action.UPSCALE),  # Upscaling while it runs, Upscaled when done
)
_STATUSES = {"waiting to start": JobStatus.WAITING, "stopped": JobStatus.STOPPED, "paused": JobStatus.PAUSED}
_MODES = {"fast": Mode.FAST, "relaxed": Mode.RELAXED, "relax": Mode.RELAXED, "turbo": Mode.TURBO}


@dataclass(frozen=True, slots=True)
class Echo:
    """The parsed text of a job's message. ``action`` is what its lead or label says, if it has one.

    ``status`` is None in finals and if there is only a lead. ``stealth`` is None if no mode is given, because
    then nothing says that the job is public.
    """

    prompt: str | None
    user_id: str | None = None
    action: Action | None = None
    image_index: int | None = None
    percent: int | None = None
    status: JobStatus | None = None
    mode: Mode | None = None
    stealth: bool | None = None
    lead: bool = False
    """It begins like the start of a button's job: ``Rerolling **…**``."""
    single: bool = False
    """It has the label of one finished picture: ``Image #N`` or ``Upscaled``."""


def read_content(content: str) -> Echo | None:
    r"""Parse the text of a job's message; return None for any other text (a notice, an error).

    ``[<lead> ]**<prompt>** - [<label> by |Image #N ]<@user> [website] [(status)] [(mode[, stealth])]
    [\n-# footer]``, as recorded 2023-03 to 2026-06. The prompt itself may hold any of these parts, so
    the text is read from the end: the last ``** - `` before a mention counts.
    """
    start = content.find("**")
    end = content.rfind("** - ")
    while start >= 0 and end >= start + 2:
        tail = _TAIL.fullmatch(content, end + 5)
        if tail is not None:
            return _echo(content[:start], content[start + 2 : end], tail)
        end = content.rfind("** - ", 0, end)
    return _without_mention(content)


def _echo(lead: str, prompt: str, tail: re.Match[str]) -> Echo:
    before, after = tail["before"], tail["after"].partition(_FOOTER)[0]
    led, image = _action(lead, _LEAD_WORDS), _IMAGE.search(before)
    echo = Echo(
        prompt=prompt,
        user_id=tail["user"],
        action=led or _action(before, _LABELS) or (Action.UPSCALE if image else None),
        image_index=_index(image or _IMAGE.search(lead)),
        lead=led is not None,
        single=image is not None or before.lower().lstrip().startswith("upscaled"),
    )
    return _with_brackets(echo, after)


def _bracketed(after: str) -> list[str]:
    """Return the words in brackets after the mention, in lower case; ``(35%) (fast, stealth)`` has three."""
    brackets = _BRACKETS.findall(_WEBSITE.sub(" ", after))
    return [word.strip().lower() for bracket in brackets for word in bracket.split(",")]


def _with_brackets(echo: Echo, after: str) -> Echo:
    words = _bracketed(after)
    percent = next((min(int(m[1]), 100) for w in words if (m := _PERCENT.fullmatch(w))), None)
    running = JobStatus.RUNNING if percent is not None else None
    mode = next((_MODES[word] for word in words if word in _MODES), None)
    return replace(
        echo,
        percent=percent,
        status=next((_STATUSES[word] for word in words if word in _STATUSES), running),
        mode=mode,
        stealth="stealth" in words if mode or "stealth" in words else None,
    )


def _action(text: str, table: tuple[tuple[str, Action], ...]) -> Action | None:
    text = text.lower().lstrip()
    return next((action for start, action in table if text.startswith(start)), None)


def _index(image: re.Match[str] | None) -> int | None:
    return int(image[1]) if image else None


def _without_mention(content: str) -> Echo | None:
    """Parse the first text of a button's job: lead and prompt without a mention, or ``Animating...``."""
    lead, opened, rest = content.strip().partition("**")
    prompt, closed, after = rest.rpartition("**")
    action = _action(lead, _LEAD_WORDS)
    if action is None or "\n" in lead or not (closed if opened else _DOTS.search(lead)):
        return None
    image = _index(_IMAGE.search(lead))
    started = Echo(prompt if opened else None, action=action, image_index=image, lead=True)
    return _with_brackets(started, after if opened else lead)
