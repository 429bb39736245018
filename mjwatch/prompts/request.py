"""What a prompt file asks for: the keys of one table, and one prompt before its text is composed.

A request is checked against the table of commands when it is made, so that nothing useless is sent.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

from mjwatch.errors import PromptFileError
from mjwatch.model import ParameterValue
from mjwatch.prompts.actions import takes_text
from mjwatch.prompts.commands import COMMANDS, Answer, TextUse
from mjwatch.prompts.images import is_local
from mjwatch.prompts.parameters import canonical
from mjwatch.settings.values import shown

if TYPE_CHECKING:
    from mjwatch.prompts.commands import CommandRule

Parameters = Mapping[str, ParameterValue]

_UUID = re.compile(r"\s*[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\s*", re.IGNORECASE)
_RATIOS = ("2:3", "1:1", "3:2")


@dataclass(frozen=True, slots=True)
class PromptKeys:
    """The keys of one table, each checked; None where a key is absent.

    ``images`` are links, and names of local files below the prompt file's folder. ``repeat`` is among the
    ``parameters`` and says how many jobs are made. ``not_before``: seconds since 1970.
    """

    prompts: tuple[str, ...] | None = None
    images: tuple[str, ...] | None = None
    command: str | None = None
    dimensions: str | None = None
    label: str | None = None
    then: tuple[str, ...] | None = None
    priority: int | None = None
    not_before: float | None = None
    application: str | None = None
    actions: tuple[str, ...] | None = None
    parent: str | None = None
    force: bool | None = None
    parameters: Parameters = field(default_factory=dict)

    def with_defaults(self, defaults: PromptKeys) -> PromptKeys:
        """Return these keys, with the absent ones from ``defaults``; parameters are merged one by one."""
        if defaults == _NO_KEYS:
            return self
        own = {key.name: getattr(self, key.name) for key in fields(self)}
        missing = {name: getattr(defaults, name) for name, value in own.items() if value is None}
        return replace(self, **missing, parameters=merge_parameters(self.parameters, defaults.parameters))


_NO_KEYS = PromptKeys()


def merge_parameters(own: Parameters, defaults: Parameters) -> Parameters:
    """Return both sets of parameters, the defaults first, without those that ``own`` has under any name."""
    if not defaults:
        return own
    own_names = {canonical(name) for name in own}
    return {name: value for name, value in defaults.items() if canonical(name) not in own_names} | dict(own)


@dataclass(frozen=True, slots=True)
class PromptRequest:
    """One prompt with its defaults filled in. ``where`` names its position in the file, "" for the only one.

    ``text`` may be empty. ``parameters`` are the request's own, and must not repeat what is in the text;
    ``defaults`` give way to both. ``finished``: the text was submitted in this form before, and is not
    expanded. ``force``: the text is sent as it is written, whatever it looks like. ``notes``: how the
    file was read.
    """

    where: str
    text: str
    command: str = "imagine"
    images: tuple[str, ...] = ()
    parameters: Parameters = field(default_factory=dict)
    defaults: Parameters = field(default_factory=dict)
    label: str | None = None
    then: tuple[str, ...] = ()
    priority: int = 0
    not_before: float | None = None
    application: str | None = None
    action: str | None = None
    parent: str | None = None
    finished: bool = False
    force: bool = False
    notes: tuple[str, ...] = ()


def make_request(
    where: str,
    text: str | None,
    folder: PromptKeys,
    own: PromptKeys = _NO_KEYS,
    top: PromptKeys = _NO_KEYS,
    action: str | None = None,
) -> PromptRequest:
    """Return the request for one prompt: its own keys, then those at the top of the file, then its folder's.

    Raises PromptFileError if the command or the follow-up does not accept these keys.
    """
    keys = own.with_defaults(top)
    with_folder = keys.with_defaults(folder)
    request = PromptRequest(
        where=where,
        text=text or "",
        then=keys.then or (),
        label=with_folder.label,
        priority=with_folder.priority or 0,
        not_before=keys.not_before,
        force=keys.force or False,
        application=None if with_folder.application == "midjourney" else with_folder.application,
    )
    if action is not None:
        return _follow_up(request, action, keys, own.parameters, top.parameters)
    if keys.parent is not None:
        raise PromptFileError("there is a parent, but no action", 'say what to do with it: action = "U1"')
    if text is None and not keys.images and COMMANDS[keys.command or "imagine"].text is not TextUse.NONE:
        raise PromptFileError("there is no prompt", 'add prompt = "…", prompts = ["…", "…"] or [[jobs]]')
    try:
        return _command(request, keys, own, top, folder)
    except PromptFileError as error:
        error.command = keys.command or "imagine"
        raise


def _command(
    request: PromptRequest, keys: PromptKeys, own: PromptKeys, top: PromptKeys, folder: PromptKeys
) -> PromptRequest:
    defaults = merge_parameters(top.parameters, folder.parameters)
    name = keys.command or "imagine"
    rule = COMMANDS[name]
    _check_text(name, rule, request.text)
    images = tuple(dict.fromkeys(keys.images or ()))
    if name != "imagine":
        _check_all_differ(name, keys.images or ())
    _check_pictures(name, rule, images)
    makes_pictures = rule.answer is Answer.PICTURES
    if own.then and not makes_pictures:
        raise PromptFileError(f"{name} makes no pictures, so no follow-up is possible", "remove then")
    then = keys.then if keys.then is not None else folder.then
    request = replace(request, command=name, images=images, then=then or () if makes_pictures else ())
    if name != "blend" and keys.dimensions:
        raise PromptFileError("only blend takes dimensions", 'write ar = "16:9" below [parameters]')
    if name == "imagine":
        return replace(request, parameters=own.parameters, defaults=defaults)
    if name == "blend":
        request = replace(request, text=_blend_ratio(keys, own.parameters))
    else:
        _check_no_parameters(name, own.parameters)
    return replace(request, parameters=_only_repeat(own.parameters), defaults=_only_repeat(defaults))


def _follow_up(
    request: PromptRequest, action: str, keys: PromptKeys, own: Parameters, top: Parameters
) -> PromptRequest:
    """Return the request for a follow-up.

    The folder's defaults for parameters and ``then`` are left out, because they are meant for new prompts.
    """
    if keys.parent is None:
        raise PromptFileError(
            f"{action} of which job?", 'give the job\'s id, or its folder in the outbox: parent = "7k3f9a2m"'
        )
    if keys.command not in (None, "imagine") or keys.images or keys.dimensions:
        key = "images" if keys.images else "dimensions" if keys.dimensions else "command"
        raise PromptFileError(f"there are both action and {key}", "remove one of them")
    if not takes_text(action):
        if request.text:
            raise PromptFileError(f"{action} takes no new text", "remove the prompt")
        _check_no_parameters(action, own)
    return replace(request, action=action, parent=keys.parent, parameters=own, defaults=_only_repeat(top))


def _check_text(name: str, rule: CommandRule, text: str) -> None:
    if rule.text is TextUse.NONE and text:
        raise PromptFileError(f"{name} takes no text", f"write {rule.example}")
    if rule.text is TextUse.REQUIRED and not text.strip():
        raise PromptFileError(f"{name} needs a prompt", f"write {rule.example}")
    if name == "show" and not _UUID.fullmatch(text):
        raise PromptFileError(
            f"{shown(text)} is not the uuid of a Midjourney job", "copy job_uuid from the job's manifest"
        )


def _check_all_differ(name: str, images: tuple[str, ...]) -> None:
    for image, count in Counter(images).items():
        if count > 1:
            raise PromptFileError(f"{name}: images names {shown(image)} {count} times", "name it once")


def _check_pictures(name: str, rule: CommandRule, images: tuple[str, ...]) -> None:
    if len(images) not in rule.pictures:
        raise PromptFileError(
            f"{name} takes {_how_many(rule.pictures)}, not {len(images)}", f"write {rule.example}"
        )
    if name == "blend" and not all(map(is_local, images)):
        raise PromptFileError(
            "blend takes files, not links", "remove the command: links without text are blended as well"
        )


def _how_many(pictures: range) -> str:
    first, last = pictures[0], pictures[-1]
    if last == 0:
        return "no pictures"
    return "one picture" if first == last else f"{first} to {last} pictures"


def _blend_ratio(keys: PromptKeys, own: Parameters) -> str:
    """Return the only option of a blend: ``--ar 2:3`` or the like, or nothing."""
    ratios = {str(value) for name, value in own.items() if canonical(name) == "ar"}
    others = [name for name in own if canonical(name) not in ("ar", "repeat")]
    if others or not ratios <= set(_RATIOS):
        raise PromptFileError(
            f"blend takes no parameter except ar, with the value {', '.join(_RATIOS[:-1])} or {_RATIOS[-1]}",
            'remove the others; dimensions = "portrait" is the same as ar = "2:3"',
        )
    if ratios and keys.dimensions:
        raise PromptFileError("there are both dimensions and ar", "remove one of them")
    return "".join(f"--ar {ratio}" for ratio in ratios or filter(None, [keys.dimensions]))


def _check_no_parameters(name: str, own: Parameters) -> None:
    if _only_repeat(own) != own:
        raise PromptFileError(f"{name} takes no parameters", "remove [parameters]")


def _only_repeat(parameters: Parameters) -> Parameters:
    return {name: value for name, value in parameters.items() if canonical(name) == "repeat"}
