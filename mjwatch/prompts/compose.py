"""From what a file asks for to its prompts: choices expanded, repeats counted, texts put together.

Putting one prompt's text together: image links first, then words, then parameters.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import TYPE_CHECKING

from mjwatch.errors import PromptFileError
from mjwatch.model import Prompt
from mjwatch.prompts.actions import jobs_for
from mjwatch.prompts.expand import Wildcards
from mjwatch.prompts.images import is_local, split_links
from mjwatch.prompts.parameters import canonical, found_in, read_parameters, render, slips, take_out
from mjwatch.prompts.request import PromptRequest, over
from mjwatch.prompts.source_text import JobCount, placed
from mjwatch.settings.values import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mjwatch.model import ParameterValue
    from mjwatch.prompts.request import Parameters


_REPEAT = "repeat"
_COUNTABLE = re.compile(r"0*[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class PromptFile:
    """What a file holds: its prompts in order, and what a person may want to look at again."""

    prompts: tuple[Prompt, ...]
    warnings: tuple[str, ...] = ()

    @property
    def jobs(self) -> int:
        """How many jobs that makes at most, with the follow-ups that its prompts want when they are done."""
        return sum(_jobs(prompt) for prompt in self.prompts)


def compose(text: str) -> tuple[Prompt, list[str]]:
    """One prompt out of words alone, and warnings about what Midjourney will probably not like.

    Raises PromptFileError where it can't be submitted, or stands for several.
    """
    found = unfold([PromptRequest("", text)], {}, max_jobs=1000)
    if len(found.prompts) > 1:
        raise PromptFileError(
            f"this stands for {len(found.prompts)} prompts, but one is wanted here",
            "write it into a prompt file, or write \\{ for a plain brace",
        )
    return found.prompts[0], list(found.warnings)


def unfold(wishes: Sequence[PromptRequest], wildcards: Mapping[str, bytes], max_jobs: int) -> PromptFile:
    """The prompts that are wished for, in order. Raises PromptFileError, also for more than may be.

    They are counted before any is made: a line of text can stand for more than a machine can hold.
    """
    known, count = Wildcards(wildcards), JobCount(max_jobs)
    foreseen = 0
    for wish in wishes:
        with placed(wish.where):
            texts = 1 if wish.finished else known.template(wish.text).count
            foreseen += texts * _jobs(wish)
    count.foresee(foreseen)
    prompts: list[Prompt] = []
    warnings: dict[str, None] = {}
    for wish in wishes:
        with placed(wish.where):
            for prompt, times, slips in _variants(wish, known, count):
                count.add(times * _jobs(prompt))
                prompts += [prompt] * times
                warnings |= dict.fromkeys(f"{wish.where}: {slip}" if wish.where else slip for slip in slips)
    count.check()
    return PromptFile(tuple(prompts), tuple(warnings))


def _jobs(one: PromptRequest | Prompt) -> int:
    return 1 + jobs_for(one.then, one.action)


def _variants(
    wish: PromptRequest, known: Wildcards, count: JobCount
) -> Iterator[tuple[Prompt, int, tuple[str, ...]]]:
    """Each prompt that a wish stands for, how often it is to be done, and its slips."""
    if wish.finished:
        prompt, slips = _prompt(wish, wish.text, {})
        yield replace(prompt, parameters=wish.parameters), 1, slips
        return
    for words in known.template(wish.text).texts():
        text, repeats = take_out(clean(words), _REPEAT)
        for parameters in _each(_given(wish, text, repeats), known, count):
            rest = {name: value for name, value in parameters.items() if canonical(name) != _REPEAT}
            prompt, slips = _prompt(wish, text, rest)
            yield prompt, _times(parameters), slips


def _given(wish: PromptRequest, text: str, repeats: Sequence[str]) -> Parameters:
    """The parameters that go with a text; defaults are left out for what it has itself."""
    in_text = {name for name, _ in found_in(text)} | ({_REPEAT} if repeats else set())
    for name in wish.parameters:
        if canonical(name) in in_text:
            raise PromptFileError(
                f"--{name} stands in the prompt's text and in [parameters] too", "leave one of them out"
            )
    below = {name: value for name, value in wish.defaults.items() if canonical(name) not in in_text}
    if len(repeats) > 1:
        raise PromptFileError("--repeat stands there twice", "leave one of them out")
    given = over(wish.parameters, below)
    return over({_REPEAT: _number(repeats[0])}, given) if repeats else given


def _each(given: Parameters, known: Wildcards, count: JobCount) -> Iterator[Parameters]:
    """The parameters once for each value that their choices stand for."""
    choices = {name: known.template(value) for name, value in given.items() if isinstance(value, str)}
    count.foresee(prod(template.count for template in choices.values()))
    for values in product(*(template.texts() for template in choices.values())):
        yield read_parameters({**given, **dict(zip(choices, map(clean, values), strict=True))})


def _times(parameters: Parameters) -> int:
    """How often a prompt is to be done."""
    wanted = [value for name, value in parameters.items() if canonical(name) == _REPEAT]
    return _number(wanted[0]) if wanted and wanted[0] is not False else 1


def _number(value: ParameterValue) -> int:
    digits = str(value)
    if _COUNTABLE.fullmatch(digits) is None:
        raise PromptFileError(f"--repeat {shown(value)} is no number", "write --repeat 2")
    return int(digits)


def _prompt(wish: PromptRequest, text: str, parameters: Parameters) -> tuple[Prompt, tuple[str, ...]]:
    local = tuple(image for image in wish.images if is_local(image))
    links = [image for image in wish.images if not is_local(image)]
    bare = bool(local) or wish.action is not None or wish.command != "imagine"
    assembled = assemble(text, links, parameters, bare=bare)
    prompt = Prompt(
        text=assembled.text,
        command=wish.command,
        parameters=parameters,
        label=wish.label,
        images=local,
        action=wish.action,
        parent=wish.parent,
        then=wish.then,
        priority=wish.priority,
        not_before=wish.not_before,
        application=wish.application,
    )
    return prompt, assembled.slips


MAX_TEXT = 6000
"""Characters in a text option of a slash command (discord-api-docs, "Application Command Option")."""

_ESCAPED = re.compile(r"\\[{},]")
_PLAIN_BRACES = re.compile(r"\{[^{},]*\}")
_BRACES = re.compile(r"\{[^{}]*,[^{}]*\}")


@dataclass(frozen=True, slots=True)
class Assembled:
    """The text that is submitted, and a line for each thing that Midjourney will probably not like."""

    text: str
    slips: tuple[str, ...]


def assemble(text: str, links: Iterable[str], parameters: Parameters, *, bare: bool) -> Assembled:
    """One prompt, as it is submitted. ``bare``: it may consist of parameters alone, or of nothing.

    Raises PromptFileError where that can't be submitted.
    """
    found, words = split_links(clean(text))
    addresses = dict.fromkeys([*links, *found])
    if not (addresses or words or bare):
        raise PromptFileError("the prompt is empty", "write what Midjourney shall draw")
    whole = " ".join(part for part in (*addresses, words, render(parameters)) if part)
    if len(whole) > MAX_TEXT:
        raise PromptFileError(
            f"the prompt has {len(whole)} characters, but Discord takes {MAX_TEXT} at most", "shorten it"
        )
    if _is_permutation(whole):
        raise PromptFileError(
            "the prompt still holds a permutation, for which Midjourney would ask back",
            "write \\{ for a plain brace; a permutation goes into a .txt or .toml",
        )
    return Assembled(whole, tuple(slips(whole)))


def _is_permutation(text: str) -> bool:
    """Whether Midjourney would expand this: some comma stands within braces."""
    text = _ESCAPED.sub("", text)
    while (shorter := _PLAIN_BRACES.sub("", text)) != text:
        text = shorter
    return _BRACES.search(text) is not None


def clean(text: str) -> str:
    """The text with every run of blanks and line breaks made one space. Raises PromptFileError on binary."""
    text = " ".join(text.replace("\t", " ").replace("\n", " ").replace("\r", " ").split(" "))
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise PromptFileError(
                f"the text holds a control character (U+{ord(character):04X})", "save it as plain text"
            )
    return " ".join(text.split())
