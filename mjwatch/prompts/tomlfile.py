"""What a TOML prompt file says: its tables checked key by key, each prompt with the defaults above it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mjwatch.errors import PromptFileError
from mjwatch.prompts import compose
from mjwatch.prompts.parameters import read_parameters
from mjwatch.settings import did_you_mean, parse_toml, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mjwatch.model import ParameterValue

_KEYS = ("prompt", "prompts", "images", "parameters", "label")
_LATER = ("command", "repeat", "then", "priority", "not_before", "parent", "action")
"""Keys that the format has, but this version does nothing with: refused, so that nobody counts on them."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One prompt as the file asks for it. ``where`` names its place in the file, "" for the only one."""

    where: str
    text: str
    images: tuple[str, ...]
    parameters: Mapping[str, ParameterValue]
    defaults: Mapping[str, ParameterValue]
    label: str | None


@dataclass(frozen=True, slots=True)
class _Table:
    """The file's top level or one of its jobs; None where a key is absent."""

    where: str
    prompts: tuple[str, ...] | None = None
    images: tuple[str, ...] | None = None
    label: str | None = None
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    defaults: Mapping[str, ParameterValue] = field(default_factory=dict)


def parse(text: str) -> dict[str, Any]:
    """TOML to a table. Raises PromptFileError with line and column."""
    try:
        return parse_toml(text)
    except ValueError as error:
        raise PromptFileError(
            f"not valid TOML: {error}",
            'text values stand in quotes, such as prompt = "a cat" and ar = "16:9"',
        ) from error


def read_wishes(document: Mapping[str, Any], max_jobs: int) -> list[Wish]:
    """Every prompt of the file, in order. Raises PromptFileError, also for more than ``max_jobs``."""
    jobs = document.get("jobs")
    top = _read_table({key: value for key, value in document.items() if key != "jobs"}, "")
    if jobs is None:
        tables = [top]
    elif isinstance(jobs, list) and jobs and all(isinstance(job, dict) for job in jobs):
        tables = [
            _with_defaults(_read_table(job, f"job {number}"), top) for number, job in enumerate(jobs, start=1)
        ]
    else:
        raise PromptFileError(
            f"jobs is {shown(jobs)}, but must be tables", "begin each job with a line [[jobs]]"
        )
    for table in tables:
        if not table.prompts:
            raise _at(
                table.where, "there is no prompt", 'it needs prompt = "…", prompts = ["…", "…"] or [[jobs]]'
            )
    check_count(sum(len(table.prompts or ()) for table in tables), max_jobs)
    return [wish for table in tables for wish in _wishes(table)]


def check_count(count: int, max_jobs: int) -> None:
    """Raise PromptFileError for more prompts in one file than are allowed."""
    if count > max_jobs:
        raise PromptFileError(
            f"the file holds {count} prompts, but at most {max_jobs} are taken from one file",
            "split it, or raise [pace] max_jobs_per_file",
        )


def _wishes(table: _Table) -> list[Wish]:
    prompts = table.prompts or ()
    return [
        Wish(
            where=", ".join(
                part for part in (table.where, f"prompt {n}" if len(prompts) > 1 else "") if part
            ),
            text=text,
            images=table.images or (),
            parameters=table.parameters,
            defaults=table.defaults,
            label=table.label,
        )
        for n, text in enumerate(prompts, start=1)
    ]


def _with_defaults(job: _Table, top: _Table) -> _Table:
    return replace(
        job,
        prompts=job.prompts if job.prompts is not None else top.prompts,
        images=job.images if job.images is not None else top.images,
        label=job.label if job.label is not None else top.label,
        defaults=top.parameters,
    )


def _read_table(table: Mapping[str, Any], where: str) -> _Table:
    try:
        _check_keys(table, where)
        if "prompt" in table and "prompts" in table:
            raise PromptFileError("there are both prompt and prompts", "leave one of them out")
        prompts = (_text(table, "prompt"),) if "prompt" in table else _texts(table, "prompts")
        if prompts == ():
            raise PromptFileError("prompts is empty", 'it must be texts: prompts = ["a cat", "a dog"]')
        images = _texts(table, "images")
        return _Table(
            where=where,
            prompts=prompts,
            images=None if images is None else tuple(compose.check_image(image) for image in images),
            label=compose.clean(_text(table, "label")) if "label" in table else None,
            parameters=_parameters(table.get("parameters", {})),
        )
    except PromptFileError as error:
        raise _at(where, error.message, error.mend) from error


def _check_keys(table: Mapping[str, Any], where: str) -> None:
    for key, value in table.items():
        if key in _LATER and not (key == "command" and value == "imagine"):
            raise PromptFileError(f"this version can't do {key} = {shown(value)} yet", "leave it out")
        if key not in _KEYS and key not in _LATER:
            known = (*_KEYS, *(() if where else ("jobs",)))
            raise PromptFileError(
                f"unknown key {shown(key)}{did_you_mean(key, known)}",
                "known are " + ", ".join(known) + "; Midjourney's own parameters go below [parameters]",
            )


def _parameters(table: object) -> dict[str, ParameterValue]:
    if not isinstance(table, dict):
        raise PromptFileError(
            f"parameters is {shown(table)}, but must be a table",
            'a line [parameters], then for example ar = "16:9"',
        )
    for key in table:
        if key in _KEYS or (key in _LATER and key != "repeat"):
            raise PromptFileError(
                f"{key} stands below [parameters] and so counts as one of Midjourney's parameters",
                f"move {key} above the line [parameters]",
            )
    return read_parameters(table)


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table[key]
    if not isinstance(value, str):
        raise PromptFileError(f"{key} is {shown(value)}, but must be text in quotes", f'{key} = "…"')
    return value


def _texts(table: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
    value = table.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise PromptFileError(
            f"{key} is {shown(value)}, but must be a list of texts in quotes", f'{key} = ["…", "…"]'
        )
    return tuple(value)


def _at(where: str, message: str, mend: str) -> PromptFileError:
    return PromptFileError(f"{where}: {message}" if where else message, mend)
