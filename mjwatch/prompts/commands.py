"""What each command and follow-up takes: checked when a wish is made, so that nothing useless is sent."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

from mjwatch.errors import PromptFileError
from mjwatch.prompts import images as pictures
from mjwatch.prompts.actions import takes_words
from mjwatch.prompts.parameters import canonical
from mjwatch.prompts.request import PromptRequest, over
from mjwatch.settings.values import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mjwatch.prompts.request import Parameters, PromptKeys


class PromptUse(Enum):
    """Whether a command takes a prompt."""

    NONE = auto()
    MAY = auto()
    MUST = auto()


@dataclass(frozen=True, slots=True)
class CommandRule:
    """What a command takes, and ``example``: how it is written. ``follows``: it makes pictures."""

    words: PromptUse
    pictures: range
    example: str
    follows: bool = False


COMMANDS: Mapping[str, CommandRule] = {
    "imagine": CommandRule(
        PromptUse.MAY, range(pictures.MAX_PICTURES + 1), 'prompt = "…", or images', follows=True
    ),
    "blend": CommandRule(
        PromptUse.NONE,
        range(2, 6),
        'command = "blend" with images = ["a.png", "b.png"], up to five',
        follows=True,
    ),
    "describe": CommandRule(
        PromptUse.NONE, range(1, 2), 'command = "describe" with images = ["a.png"] or one link'
    ),
    "shorten": CommandRule(PromptUse.MUST, range(1), 'command = "shorten" with prompt = "…"'),
    "info": CommandRule(PromptUse.NONE, range(1), 'command = "info" alone'),
    "show": CommandRule(
        PromptUse.MUST, range(1), 'command = "show" with prompt = "<the uuid of a job of Midjourney>"'
    ),
}

_UUID = re.compile(r"\s*[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\s*", re.IGNORECASE)
_SHAPES = ("2:3", "1:1", "3:2")


def wish_for(
    where: str, text: str | None, action: str | None, own: PromptKeys, top: PromptKeys, folder: PromptKeys
) -> PromptRequest:
    """The wish for one prompt: its own keys, over those above it in the file, over those of its folder.

    Raises PromptFileError where the command or follow-up can't be had so.
    """
    given = own.over(top)
    lasting = given.over(folder)
    wish = PromptRequest(
        where=where,
        text=text or "",
        then=given.then or (),
        label=lasting.label,
        priority=lasting.priority or 0,
        not_before=given.not_before,
        application=None if lasting.application == "midjourney" else lasting.application,
    )
    if action is not None:
        return _follow_up(wish, action, given, own.parameters, top.parameters)
    if given.parent is not None:
        raise PromptFileError("there is a parent, but no action", 'say what is to be done: action = "U1"')
    if text is None and not given.images and COMMANDS[given.command or "imagine"].words is not PromptUse.NONE:
        raise PromptFileError("there is no prompt", 'it needs prompt = "…", prompts = ["…", "…"] or [[jobs]]')
    return _command(wish, own, top, folder)


def _command(wish: PromptRequest, own: PromptKeys, top: PromptKeys, folder: PromptKeys) -> PromptRequest:
    given, above = own.over(top), over(top.parameters, folder.parameters)
    name = given.command or "imagine"
    rule = COMMANDS[name]
    _check_text(name, rule, wish.text)
    _check_pictures(name, rule, given.images or ())
    if own.then and not rule.follows:
        raise PromptFileError(f"nothing can follow {name}, which makes no pictures", "leave then out")
    then = given.then if given.then is not None else folder.then
    wish = replace(wish, command=name, images=given.images or (), then=then or () if rule.follows else ())
    if name == "imagine":
        _check_shape_is_for_blend(given)
        return replace(wish, parameters=own.parameters, defaults=above)
    if name == "blend":
        wish = replace(wish, text=_shape(given, own.parameters))
    else:
        _check_shape_is_for_blend(given)
        _check_none(name, own.parameters)
    return replace(wish, parameters=_only_repeat(own.parameters), defaults=_only_repeat(above))


def _follow_up(
    wish: PromptRequest, action: str, given: PromptKeys, own: Parameters, above: Parameters
) -> PromptRequest:
    """A folder's defaults for parameters and ``then`` are meant for new prompts, and don't count here."""
    if given.parent is None:
        raise PromptFileError(
            f"{action} of which job?", 'give its id, or its folder in the outbox: parent = "7k3f9a2m"'
        )
    if given.command not in (None, "imagine") or given.images or given.dimensions:
        key = "images" if given.images else "dimensions" if given.dimensions else "command"
        raise PromptFileError(f"there are both action and {key}", "leave one of them out")
    if not takes_words(action):
        if wish.text:
            raise PromptFileError(f"{action} takes no new words", "leave the prompt out")
        _check_none(action, own)
    return replace(wish, action=action, parent=given.parent, parameters=own, defaults=_only_repeat(above))


def _check_text(name: str, rule: CommandRule, text: str) -> None:
    if rule.words is PromptUse.NONE and text:
        raise PromptFileError(f"{name} takes no words", f"write {rule.example}")
    if rule.words is PromptUse.MUST and not text.strip():
        raise PromptFileError(f"{name} needs a prompt", f"write {rule.example}")
    if name == "show" and not _UUID.fullmatch(text):
        raise PromptFileError(
            f"{shown(text)} is no job of Midjourney's", "show takes a uuid, as manifests have it in job_uuid"
        )


def _check_pictures(name: str, rule: CommandRule, images: tuple[str, ...]) -> None:
    if len(images) not in rule.pictures:
        raise PromptFileError(
            f"{name} takes {_how_many(rule.pictures)}, not {len(images)}", f"write {rule.example}"
        )
    if name == "blend" and not all(map(pictures.is_local, images)):
        raise PromptFileError(
            "blend takes files, not links", "leave the command out: links without words are blended as well"
        )


def _how_many(pictures: range) -> str:
    first, last = pictures[0], pictures[-1]
    if last == 0:
        return "no pictures"
    return "one picture" if first == last else f"{first} to {last} pictures"


def _shape(given: PromptKeys, own: Parameters) -> str:
    """The only thing about a blend that can be chosen: ``--ar 2:3``, or nothing."""
    shapes = {str(value) for name, value in own.items() if canonical(name) == "ar"}
    others = [name for name in own if canonical(name) not in ("ar", "repeat")]
    if others or not shapes <= set(_SHAPES):
        raise PromptFileError(
            "of all parameters blend takes ar alone, and that only as " + ", ".join(_SHAPES),
            'leave the others out; dimensions = "portrait" is the same as ar = "2:3"',
        )
    if shapes and given.dimensions:
        raise PromptFileError("there are both dimensions and ar", "leave one of them out")
    return "".join(f"--ar {shape}" for shape in shapes or filter(None, [given.dimensions]))


def _check_shape_is_for_blend(given: PromptKeys) -> None:
    if given.dimensions:
        raise PromptFileError("dimensions is for blend alone", 'others take ar = "16:9" below [parameters]')


def _check_none(name: str, own: Parameters) -> None:
    if _only_repeat(own) != own:
        raise PromptFileError(f"{name} takes no parameters", "leave [parameters] out")


def _only_repeat(parameters: Parameters) -> Parameters:
    return {name: value for name, value in parameters.items() if canonical(name) == "repeat"}
