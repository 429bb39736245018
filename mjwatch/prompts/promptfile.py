"""Reading prompt files: the bytes of one, and what lies around it, to the prompts that it holds.

What a prompt file refers to around it, found before it is read for real. Never raises.

A manifest that is dropped into the inbox: its job once more, or a follow-up of it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from mjwatch.errors import PromptFileError
from mjwatch.model import MANIFEST_SCHEMA, References
from mjwatch.prompts import images as pictures
from mjwatch.prompts import tomlfile
from mjwatch.prompts.actions import canonical
from mjwatch.prompts.commands import COMMANDS, wish_for
from mjwatch.prompts.compose import PromptFile, unfold
from mjwatch.prompts.expand import MAX_WILDCARDS, wildcards_in
from mjwatch.prompts.images import check_pictures
from mjwatch.prompts.parameters import read_parameters
from mjwatch.prompts.request import PromptKeys, PromptRequest
from mjwatch.prompts.source_text import MAX_BYTES, JobCount, decode, kind_of, one_prompt, prompt_lines
from mjwatch.prompts.tomlfile import read_defaults
from mjwatch.settings.values import did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo


__all__ = ["MAX_BYTES", "NOTHING_AROUND", "PromptFile", "looks_incomplete", "read_prompt_file"]

NOTHING_AROUND = References()


def read_prompt_file(
    data: bytes,
    name: str,
    *,
    max_jobs: int = 100,
    around: References = NOTHING_AROUND,
    zone: tzinfo | None = None,
) -> PromptFile:
    """Read the bytes of a prompt file; its ``name`` says the format, ``around`` what it refers to.

    ``max_jobs``: the most that it may make, follow-ups counted. ``zone``: the time zone of a ``not_before``
    that names none; None is this machine's. Raises PromptFileError, and nothing else, with the place in the
    file where there is one, and with what to do.
    """
    for path, why in around.unreadable.items():
        raise PromptFileError(
            f"{path}, which counts for this file, can't be used: {why}", "mend it, or remove it"
        )
    wishes = _wishes(data, name, max_jobs, around, zone)
    if not wishes:
        raise PromptFileError(
            "the file holds no prompt", "write what Midjourney shall draw, one prompt a line"
        )
    check_pictures((image for wish in wishes for image in wish.images), around)
    return unfold(wishes, around.wildcards, max_jobs)


def _wishes(
    data: bytes, name: str, max_jobs: int, around: References, zone: tzinfo | None
) -> list[PromptRequest]:
    kind = kind_of(name)
    if kind == "":
        raise PromptFileError(f"{name} is no prompt file", "prompt files end in .txt, .list.txt or .toml")
    text = decode(data)
    if kind == ".json":
        return [read_manifest(text)]
    folder = read_defaults(around.defaults)
    if kind == ".toml":
        return tomlfile.read_wishes(tomlfile.parse(text), folder, max_jobs, zone)
    if kind == ".list.txt":
        lines = prompt_lines(text)
        JobCount(max_jobs).foresee(len(lines))
        return [_wish(f"line {number}", line, folder) for number, line in lines]
    return [_wish("", one_prompt(text, name), folder)]


def _wish(where: str, text: str, folder: PromptKeys) -> PromptRequest:
    return wish_for(where, text, None, PromptKeys(), PromptKeys(), folder)


def looks_incomplete(data: bytes, name: str) -> bool:
    """Whether this may be a file that is still being written.

    So it looks if it is empty, does not end with a line break, is cut within a character, or is TOML that
    does not parse. It may be complete all the same: whoever asks waits longer, then takes it as it is.
    """
    try:
        text = decode(data)
        if not text.strip() or not text.endswith("\n"):
            return True
        if kind_of(name) == ".toml":
            tomlfile.parse(text)
    except PromptFileError:
        return True
    return False


@dataclass(frozen=True, slots=True)
class ReferencedNames:
    """The local pictures and the wildcards that a file names, each once, in order.

    ``images`` are relative to the prompt file, with slashes, and never lead out of its folder: a name that
    would is left out, and refused when the file is read. ``wildcards`` are names alone, of word
    characters and hyphens: ``colour`` is looked for as ``_wildcards/colour.txt``, in the prompt file's folder
    first and then in each folder above it up to the inbox.
    """

    images: tuple[str, ...] = ()
    wildcards: tuple[str, ...] = ()


_NOTHING = References()


def wants(data: bytes, name: str, around: References = _NOTHING) -> ReferencedNames:
    """All that must be looked for before ``read_prompt_file`` can read these bytes.

    Wildcards and ``_defaults.toml`` may name further wildcards. So whoever asks puts the defaults into
    ``around``, looks for what is wanted, puts in what was found, and asks again, until nothing is wanted that
    was not looked for. What can't be read wants nothing; why, the reading tells.
    """
    kind = kind_of(name)
    table = _table(data) if kind == ".toml" else {}
    texts = _lines(data) if kind in (".txt", ".list.txt") else list(_texts(table))
    texts += [text for _, content in around.defaults for text in _texts(_table(content))]
    texts += [line for content in around.wildcards.values() for line in _lines(content)]
    names = dict.fromkeys(found for text in texts for found in wildcards_in(text))
    return ReferencedNames(
        images=tuple(islice(dict.fromkeys(_local_pictures(table)), pictures.MAX_PICTURES)),
        wildcards=tuple(islice(names, MAX_WILDCARDS)),
    )


def _local_pictures(table: dict[str, Any]) -> Iterator[str]:
    """The ``images`` of the file and of its jobs that are local and may be looked for."""
    for one in _tables(table):
        for image in _strings(one.get("images")):
            if pictures.is_local(image):
                try:
                    yield pictures.check_name(image)
                except PromptFileError:
                    continue


def _texts(table: dict[str, Any]) -> Iterator[str]:
    """The texts of the file and of its jobs in which wildcards are expanded."""
    for one in _tables(table):
        yield from _strings([one.get("prompt"), one.get("prompts")])
        parameters = one.get("parameters")
        if isinstance(parameters, dict):
            yield from _strings(list(parameters.values()))


def _tables(table: dict[str, Any]) -> Iterator[dict[str, Any]]:
    jobs = table.get("jobs")
    yield table
    yield from (job for job in (jobs if isinstance(jobs, list) else ()) if isinstance(job, dict))


def _strings(value: Any) -> Iterator[str]:
    """A text, or every text in a list, and in a list in that."""
    for one in value if isinstance(value, list) else [value]:
        for inner in one if isinstance(one, list) else [one]:
            if isinstance(inner, str):
                yield inner


def _table(data: bytes) -> dict[str, Any]:
    try:
        return tomlfile.parse(decode(data))
    except PromptFileError:
        return {}


def _lines(data: bytes) -> list[str]:
    try:
        return [line for _, line in prompt_lines(decode(data))]
    except PromptFileError:
        return []


_JOB = re.compile(r"[a-z0-9]{8}")


def read_manifest(text: str) -> PromptRequest:
    """What a manifest asks for; its ``action``, where it has one, is done to its own ``job``.

    Believed are only ``job``, ``prompt.submitted``, ``parameters``, ``command`` and ``action``: whatever else
    it says may be forged, paths above all. Raises PromptFileError.
    """
    manifest = _read(text)
    if manifest.get("schema") != MANIFEST_SCHEMA:
        raise PromptFileError(
            f"this is no manifest of mjwatch ({MANIFEST_SCHEMA})",
            "of JSON only the manifest.json of an outbox folder is taken; prompts go into .txt or .toml",
        )
    action = manifest.get("action")
    return _again(manifest) if action is None else _follow_up(manifest, action)


def _follow_up(manifest: dict[str, Any], action: object) -> PromptRequest:
    job = manifest.get("job")
    if not isinstance(action, str) or not isinstance(job, str) or not _JOB.fullmatch(job):
        raise PromptFileError(
            f"the manifest wants action {shown(action)} of job {shown(job)}",
            'it must be a follow-up such as "U1", and the id of a job',
        )
    return PromptRequest("", "", action=canonical(action), parent=job)


def _again(manifest: dict[str, Any]) -> PromptRequest:
    prompt, command = manifest.get("prompt"), manifest.get("command")
    text = prompt.get("submitted") if isinstance(prompt, dict) else None
    if not isinstance(text, str) or not isinstance(command, str):
        raise PromptFileError(
            "the manifest has no prompt.submitted or no command", "take it from the outbox again, unchanged"
        )
    if command not in COMMANDS:
        raise PromptFileError(
            f"the manifest has command {shown(command)}{did_you_mean(command, COMMANDS)}",
            "commands are " + ", ".join(COMMANDS),
        )
    if command == "blend" or (command == "describe" and not text):
        raise PromptFileError(
            f"a manifest does not hold the pictures that {command} needs",
            "drop the prompt file itself, with its pictures",
        )
    parameters = manifest.get("parameters")
    read = read_parameters(parameters) if isinstance(parameters, dict) else {}
    return PromptRequest("", text, command=command, parameters=read, finished=True)


def _read(text: str) -> dict[str, Any]:
    """The JSON object that this is, or an empty one."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
