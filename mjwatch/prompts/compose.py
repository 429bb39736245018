"""From requests to prompts: choices expanded, repeats counted, and each text put together.

The text of a prompt is its image links first, then the words, then the parameters.
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
from mjwatch.prompts.dashes import read_dashes
from mjwatch.prompts.expand import MAY_HOLD_CHOICES, Wildcards
from mjwatch.prompts.images import MAY_HOLD_LINKS, is_local, split_links
from mjwatch.prompts.meaning import read_as_meant
from mjwatch.prompts.parameters import (
    MAY_HOLD_PARAMETERS,
    canonical,
    check_are_given_once,
    find_mistakes,
    found_in,
    read_parameters,
    remove_parameter,
    render,
)
from mjwatch.prompts.request import PromptRequest, merge_parameters
from mjwatch.prompts.source_text import located, not_meant
from mjwatch.prompts.structure import check_is_one_prompt, literal, looks_like_json
from mjwatch.settings.values import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mjwatch.model import ParameterValue
    from mjwatch.prompts.expand import Template
    from mjwatch.prompts.request import Parameters

MAX_TEXT = 6000
"""Characters in a text option of a slash command (discord-api-docs, "Application Command Option")."""

_REPEAT = "repeat"
_COUNTABLE = re.compile(r"0*[1-9][0-9]{0,8}")
_PARAMETER_FIRST = re.compile("--[A-Za-z]")
_MARK = re.compile(r"\\[{},]|[{},]")


@dataclass(frozen=True, slots=True)
class PromptFile:
    """What a file holds: its prompts in order, and notes on how they were read and on probable mistakes."""

    prompts: tuple[Prompt, ...]
    warnings: tuple[str, ...] = ()

    @property
    def jobs(self) -> int:
        """How many jobs that makes at most, with the follow-ups that its prompts ask for."""
        return sum(_jobs(prompt) for prompt in self.prompts)


def compose(text: str, *, force: bool = False, action: str | None = None) -> tuple[Prompt, list[str]]:
    """Return the one prompt that a text alone makes, and notes on how it was read and on probable mistakes.

    ``action``: the follow-up that the text is for. ``force``: the text is meant as it is written. Raises
    PromptFileError if the text can't be submitted, or stands for several prompts.
    """
    found = compose_file([PromptRequest("", text, force=force, action=action)], Wildcards({}), max_jobs=1000)
    if len(found.prompts) > 1:
        raise PromptFileError(
            f"this text stands for {len(found.prompts)} prompts, but only one is allowed here",
            "write it into a prompt file, or write \\{ for a plain brace",
        )
    return found.prompts[0], list(found.warnings)


def compose_file(requests: Sequence[PromptRequest], known: Wildcards, max_jobs: int) -> PromptFile:
    """Return the prompts that are asked for, in order. Raises PromptFileError, also for too many jobs.

    The prompts are counted before any is made: a line of text can stand for more than a machine can hold.
    """
    count = JobCount(max_jobs)
    notes: dict[str, None] = {}
    requests = [_as_meant(request, notes) for request in requests]
    templates = [_template(request, known) for request in requests]
    count.check_more(
        sum(
            _jobs(request) * (template.count if template else 1)
            for request, template in zip(requests, templates, strict=True)
        )
    )
    prompts: list[Prompt] = []
    for request, template in zip(requests, templates, strict=True):
        where = request.where
        try:
            for prompt, times, mistakes in _variants(request, template, known, count):
                count.add(times * _jobs(prompt))
                prompts += [prompt] * times
                _add_notes(notes, where, mistakes)
        except PromptFileError as error:
            raise located(error, where) from error
    count.check()
    return PromptFile(tuple(prompts), tuple(notes))


def _as_meant(request: PromptRequest, notes: dict[str, None]) -> PromptRequest:
    """Return the request with its text as it was meant, and add a note on each reading."""
    _add_notes(notes, request.where, request.notes)
    if request.finished or request.command not in ("imagine", "shorten"):
        return request
    if request.force:
        if not looks_like_json(request.text):
            return request
        _add_notes(notes, request.where, ["the JSON is sent as it is, with a backslash before its braces"])
        return replace(request, text=literal(request.text))
    try:
        check_lines(request.text)
        meaning = read_as_meant(request.text)
    except PromptFileError as error:
        raise located(error, request.where) from error
    _add_notes(notes, request.where, meaning.notes)
    return replace(request, text=meaning.text)


def check_lines(text: str) -> None:
    """Raise PromptFileError if the lines of a text look like several prompts."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 1:
        check_is_one_prompt(lines, "put each prompt on a line of its own in a .list.txt file")


def _add_notes(notes: dict[str, None], where: str, lines: Iterable[str]) -> None:
    notes |= dict.fromkeys(f"{where}: {line}" if where else line for line in lines)


def _template(request: PromptRequest, known: Wildcards) -> Template | None:
    """Return the text with its choices, or None for a text that stands for itself."""
    if request.finished or not MAY_HOLD_CHOICES.search(request.text):
        return None
    try:
        return known.template(request.text, force=request.force)
    except PromptFileError as error:
        raise located(error, request.where) from error


def _jobs(item: PromptRequest | Prompt) -> int:
    return 1 + jobs_for(item.then, item.action) if item.then else 1


def _variants(
    request: PromptRequest, template: Template | None, known: Wildcards, count: JobCount
) -> Iterator[tuple[Prompt, int, Sequence[str]]]:
    """Yield each prompt that a request stands for, how often it is wanted, and its probable mistakes."""
    if request.finished:
        prompt, mistakes = _prompt(request, clean(request.text), {})
        yield replace(prompt, parameters=request.parameters), 1, mistakes
        return
    for words in template.texts() if template else (request.text,):
        text, repeats, readings = clean(words), list[str](), list[str]()
        if not request.force:
            text, readings = read_dashes(text)
            check_are_given_once(text)
        if MAY_HOLD_PARAMETERS.search(text):
            text, repeats = remove_parameter(text, _REPEAT)
        for parameters in _each(_merged(request, text, repeats), known, count):
            rest = {name: value for name, value in parameters.items() if canonical(name) != _REPEAT}
            prompt, mistakes = _prompt(request, text, rest)
            yield prompt, _times(parameters), [*readings, *mistakes]


def _merged(request: PromptRequest, text: str, repeats: Sequence[str]) -> Parameters:
    """Return the parameters that are added to a text, without defaults that the text itself replaces."""
    if not (request.parameters or request.defaults or repeats):
        return {}
    in_text = {name for name, _ in found_in(text)} | ({_REPEAT} if repeats else set())
    for name in request.parameters:
        if canonical(name) in in_text:
            raise PromptFileError(
                f"--{name} is given both in the prompt's text and in [parameters]", "remove one of them"
            )
    if len(repeats) > 1:
        raise PromptFileError("--repeat is given twice", "remove one of them")
    defaults = {name: value for name, value in request.defaults.items() if canonical(name) not in in_text}
    merged = merge_parameters(request.parameters, defaults)
    return merge_parameters({_REPEAT: _number(repeats[0])}, merged) if repeats else merged


def _each(parameters: Parameters, known: Wildcards, count: JobCount) -> Iterator[Parameters]:
    """Yield the parameters once for each combination of values that their choices stand for."""
    if not parameters:
        yield parameters
        return
    choices = {name: known.template(value) for name, value in parameters.items() if isinstance(value, str)}
    count.check_more(prod(template.count for template in choices.values()))
    for values in product(*(template.texts() for template in choices.values())):
        yield read_parameters({**parameters, **dict(zip(choices, map(clean, values), strict=True))})


def _times(parameters: Parameters) -> int:
    """Return how many jobs a prompt makes."""
    wanted = [value for name, value in parameters.items() if canonical(name) == _REPEAT]
    return _number(wanted[0]) if wanted and wanted[0] is not False else 1


def _number(value: ParameterValue) -> int:
    digits = str(value)
    if _COUNTABLE.fullmatch(digits) is None:
        raise PromptFileError(f"--repeat {shown(value)} is not a number", "write --repeat 2")
    return int(digits)


def _prompt(request: PromptRequest, text: str, parameters: Parameters) -> tuple[Prompt, Sequence[str]]:
    local = tuple(image for image in request.images if is_local(image))
    links = [image for image in request.images if not is_local(image)]
    may_be_empty = bool(local) or request.action is not None or request.command != "imagine"
    force = request.force or request.finished
    whole = _assemble(text, links, parameters, may_be_empty=may_be_empty, force=force)
    prompt = Prompt(
        text=whole,
        command=request.command,
        parameters=parameters,
        label=request.label,
        images=local,
        action=request.action,
        parent=request.parent,
        then=request.then,
        priority=request.priority,
        not_before=request.not_before,
        application=request.application,
    )
    return prompt, find_mistakes(whole) if MAY_HOLD_PARAMETERS.search(whole) else ()


def _assemble(
    text: str, links: Iterable[str], parameters: Parameters, *, may_be_empty: bool, force: bool
) -> str:
    """Return one prompt's text as it is submitted. ``may_be_empty``: it needs neither words nor links.

    Raises PromptFileError if Midjourney can't be given that text.
    """
    if len(text) > 2 * MAX_TEXT:  # more than what marks around links can add
        raise _too_long(text)
    found, words = split_links(text, force=force) if MAY_HOLD_LINKS.search(text) else ([], text)
    addresses = dict.fromkeys([*links, *found])
    if not (addresses or words or may_be_empty):
        raise PromptFileError("the prompt is empty", "write what Midjourney should draw")
    if not (force or may_be_empty or len(addresses) > 1):
        _check_has_words(words, addresses)
    options = render(parameters) if parameters else ""
    whole = " ".join(part for part in (*addresses, words, options) if part)
    if len(whole) > MAX_TEXT:
        raise _too_long(whole)
    if "{" in whole and _is_permutation(whole):
        raise PromptFileError(
            "the prompt still holds a permutation, and Midjourney would ask for a confirmation",
            "write \\{ for a plain brace; put a permutation into a .txt or .toml file",
        )
    return whole


def _too_long(text: str) -> PromptFileError:
    return PromptFileError(
        f"the prompt has {len(text)} characters, but Discord accepts at most {MAX_TEXT}", "shorten it"
    )


def _check_has_words(words: str, links: Iterable[str]) -> None:
    """Refuse a link alone, and parameters alone."""
    if words and not _PARAMETER_FIRST.match(words):
        return
    for link in links:
        raise not_meant(
            f"{shown(link)} alone is no prompt",
            "add words, or a second link to blend both; `mjwatch ask describe LINK` describes a picture",
        )
    raise not_meant("the prompt has no words before its parameters", "begin with what Midjourney should draw")


def _is_permutation(text: str) -> bool:
    """Return whether Midjourney would expand this text, because a comma is within braces."""
    commas: list[bool] = []
    for mark in _MARK.finditer(text):
        if mark[0] == "{":
            commas.append(False)
        elif mark[0] == "," and commas:
            commas[-1] = True
        elif mark[0] == "}" and commas and commas.pop():
            return True
    return False


def clean(text: str) -> str:
    """Return the text with every run of blanks and line breaks made one space.

    Raises PromptFileError if the text holds a control character.
    """
    text = " ".join(text.replace("\t", " ").replace("\n", " ").replace("\r", " ").split(" "))
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise PromptFileError(
                f"the text holds a control character (U+{ord(character):04X})", "save it as plain text"
            )
    return " ".join(text.split())


_MOST_EXACT_COUNT = 1000
"""Up to this number the error gives the exact number of jobs, above it the least that it can be."""


class JobCount:
    """Counts the jobs of one file, with their follow-ups, and refuses more than ``maximum``."""

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._counted = 0

    def check_more(self, jobs: int) -> None:
        """Raise PromptFileError if the file makes far too many jobs with at least so many more."""
        if self._counted + jobs > max(self._maximum, _MOST_EXACT_COUNT):
            raise self._too_many(f"at least {_written(self._counted + jobs)}")

    def add(self, jobs: int) -> None:
        """Count so many more jobs. Raises PromptFileError if they are far too many."""
        self.check_more(jobs)
        self._counted += jobs

    def check(self) -> None:
        """Raise PromptFileError if there are too many jobs, after all are counted."""
        if self._counted > self._maximum:
            raise self._too_many(f"{self._counted:,}")

    def _too_many(self, number: str) -> PromptFileError:
        return PromptFileError(
            f"the file makes {number} jobs, but at most {self._maximum} are accepted from one file",
            "split it, or raise [pace] max_jobs_per_file; follow-ups count too",
        )


def _written(count: int) -> str:
    return f"{count:,}" if count < 10**9 else f"10^{len(str(count)) - 1}"
