"""Reading prompt files: from the bytes of one, and the files that it refers to, to the prompts that it holds.

Also finds the names that a file refers to, before it can be read, and reads a manifest that is dropped into
the inbox: its job once more, or a follow-up of it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from mjwatch.errors import PromptFileError
from mjwatch.model import MANIFEST_SCHEMA, References
from mjwatch.prompts import tomlfile
from mjwatch.prompts.actions import canonical
from mjwatch.prompts.commands import file_commands
from mjwatch.prompts.compose import JobCount, PromptFile, compose_file
from mjwatch.prompts.expand import MAX_GLOBS, MAX_WILDCARDS, Wildcards, wildcards_in
from mjwatch.prompts.filenames import WildcardNames, check_content, is_glob, kind_of
from mjwatch.prompts.filenames import check_name as check_file_name
from mjwatch.prompts.images import MAX_PICTURES, check_name, check_pictures, is_local
from mjwatch.prompts.parameters import read_parameters
from mjwatch.prompts.request import PromptKeys, PromptRequest, make_request
from mjwatch.prompts.source_text import MAX_BYTES, decode, prompt_lines
from mjwatch.prompts.structure import list_entries, one_prompt
from mjwatch.settings.values import did_you_mean, shown, toml_value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo


__all__ = ["MAX_BYTES", "PromptFile", "looks_incomplete", "read_prompt_file"]

_NO_REFERENCES = References()


def read_prompt_file(
    data: bytes,
    name: str,
    *,
    max_jobs: int = 100,
    references: References = _NO_REFERENCES,
    zone: tzinfo | None = None,
) -> PromptFile:
    """Return what the bytes of a prompt file hold; its ``name`` says the format.

    ``references`` is what the file refers to. ``max_jobs``: the most jobs that it may make, with follow-ups.
    ``zone``: the time zone of a ``not_before`` that names none; None is the zone of this machine. Raises
    PromptFileError, and nothing else, with the position in the file if there is one, and with what to do.
    """
    for path, why in references.unreadable.items():
        raise PromptFileError(
            f"{path}, which applies to this file, can't be used: {why}", "fix it, or remove it"
        )
    requests = _requests(data, name, max_jobs, references, zone)
    if not requests:
        raise PromptFileError("the file holds no prompt", "write one prompt per line")
    with_pictures = [request for request in requests if request.images]
    try:
        check_pictures([image for request in with_pictures for image in request.images], references)
    except PromptFileError as error:
        error.command = with_pictures[0].command
        raise
    return compose_file(requests, Wildcards(references.wildcards, references.wildcard_names), max_jobs)


def _requests(
    data: bytes, name: str, max_jobs: int, references: References, zone: tzinfo | None
) -> list[PromptRequest]:
    kind = kind_of(name)
    if kind == "":
        raise PromptFileError(f"{name} is not a prompt file", "prompt files end in .txt, .list.txt or .toml")
    check_file_name(name)
    check_content(data)
    text = decode(data)
    if kind == ".json":
        return [read_manifest(text)]
    folder = tomlfile.read_defaults(references.defaults) if references.defaults else PromptKeys()
    if kind == ".toml":
        return tomlfile.read_requests(tomlfile.parse(text), folder, max_jobs, zone)
    if kind == ".list.txt":
        lines, notes = list_entries(text)
        JobCount(max_jobs).check_more(len(lines))
        requests = [make_request(f"line {number}", line, folder) for number, line in lines]
        return [replace(request, notes=notes) for request in requests[:1]] + requests[1:]
    return [make_request("", one_prompt(text, name), folder)]


def forced(data: bytes, name: str) -> tuple[str, bytes]:
    """Return name and content of a .toml file that sends the prompts of this file as they are written.

    A file that says itself whether to force, and a manifest, are returned unchanged. Raises PromptFileError.
    """
    kind = kind_of(name)
    if kind not in (".txt", ".list.txt", ".toml"):
        return name, data
    text = decode(data)
    if kind == ".toml":
        return name, data if "force" in tomlfile.parse(text) else f"force = true\n{text}".encode()
    lines = [line for _, line in prompt_lines(text)]
    prompts = toml_value(lines if kind == ".list.txt" else [" ".join(lines)])
    stem = name[: -len(".txt")]
    return f"{stem}.toml", f"force = true\nprompts = {prompts}\n".encode()


def looks_incomplete(data: bytes, name: str) -> bool:
    """Return whether this may be a file that is still being written.

    The file looks so if it is empty, does not end with a line break, is cut within a character, or is TOML
    that does not parse. It may be complete all the same: the caller waits longer, then takes the file as it
    is.
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
    would is left out here, and refused when the file is read. ``wildcards`` are names out of
    ``References.wildcard_names``, or as the text has them if nothing is there by that name; they are never
    used as paths.
    """

    images: tuple[str, ...] = ()
    wildcards: tuple[str, ...] = ()


def referenced_names(data: bytes, name: str, references: References = _NO_REFERENCES) -> ReferencedNames:
    """Return all that must be searched before ``read_prompt_file`` can read these bytes. Never raises.

    Wildcards and ``_defaults.toml`` may name further wildcards. So the caller puts the defaults into
    ``references``, searches what is returned, adds what was found, and asks again, until nothing new is
    returned. A file that can't be read refers to nothing; ``read_prompt_file`` says why.
    """
    kind = kind_of(name)
    table: dict[str, Any] = {}
    texts: list[str] = []
    if kind == ".toml":
        table = _table(data)
        texts += _texts(table)
    elif kind in (".txt", ".list.txt") and b"__" in data.replace(b"\0", b""):  # UTF-16 has a zero in between
        texts += _lines(data)
    for _, content in references.defaults:
        texts += _texts(_table(content))
    for content in references.wildcards.values():
        texts += _lines(content)
    known = WildcardNames.of(references.wildcard_names or references.wildcards)
    asked = dict.fromkeys(found for text in texts for found in wildcards_in(text)) if texts else {}
    refused = set(islice(filter(is_glob, asked), MAX_GLOBS, None))
    searched = islice((one for one in asked if one not in refused), MAX_WILDCARDS)
    names = dict.fromkeys(name for one in searched for name in known.matching(one) or (one,))
    images = dict.fromkeys(_local_pictures(table)) if table else {}
    return ReferencedNames(tuple(islice(images, MAX_PICTURES)), tuple(islice(names, MAX_WILDCARDS)))


def _local_pictures(table: dict[str, Any]) -> Iterator[str]:
    """Yield the local ``images`` of the file and of its jobs that may be searched."""
    for job in _tables(table):
        for image in _strings(job.get("images")):
            if is_local(image):
                try:
                    yield check_name(image)
                except PromptFileError:
                    continue


def _texts(table: dict[str, Any]) -> Iterator[str]:
    """Yield the texts of the file and of its jobs in which wildcards are expanded."""
    for job in _tables(table):
        yield from _strings([job.get("prompt"), job.get("prompts")])
        parameters = job.get("parameters")
        if isinstance(parameters, dict):
            yield from _strings(list(parameters.values()))


def _tables(table: dict[str, Any]) -> Iterator[dict[str, Any]]:
    jobs = table.get("jobs")
    yield table
    yield from (job for job in (jobs if isinstance(jobs, list) else ()) if isinstance(job, dict))


def _strings(value: Any) -> Iterator[str]:
    """Yield a text, or every text in a list and in the lists in it."""
    for item in value if isinstance(value, list) else [value]:
        for inner in item if isinstance(item, list) else [item]:
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
    """Return what a manifest asks for; its ``action``, if it has one, is done to its own ``job``.

    Only ``job``, ``prompt.submitted``, ``parameters``, ``command`` and ``action`` are used: everything else
    in it may be forged, paths above all; but a picture's name holds only the beginning of a prompt, and that
    is refused. Raises PromptFileError.
    """
    manifest = _json_object(text)
    if manifest.get("schema") != MANIFEST_SCHEMA:
        raise PromptFileError(
            f"this is not a manifest of mjwatch ({MANIFEST_SCHEMA})",
            "the only JSON file that is read is the manifest.json of an outbox folder; use .txt or .toml",
        )
    action = manifest.get("action")
    return _same_prompt(manifest) if action is None else _follow_up(manifest, action)


def _follow_up(manifest: dict[str, Any], action: object) -> PromptRequest:
    job = manifest.get("job")
    if not isinstance(action, str) or not isinstance(job, str) or not _JOB.fullmatch(job):
        raise PromptFileError(
            f"the manifest asks for action {shown(action)} of job {shown(job)}",
            'action must be a follow-up such as "U1", and job the id of a job',
        )
    return PromptRequest("", "", action=canonical(action), parent=job)


def _same_prompt(manifest: dict[str, Any]) -> PromptRequest:
    prompt, command = manifest.get("prompt"), manifest.get("command")
    text = prompt.get("submitted") if isinstance(prompt, dict) else None
    if not isinstance(text, str) or not isinstance(command, str):
        raise PromptFileError(
            "the manifest has no prompt.submitted or no command", "copy it from the outbox again, unchanged"
        )
    if _is_partial(manifest):
        raise PromptFileError(
            "the manifest of a picture from a folder has only the beginning of the prompt",
            "write the whole prompt into a .txt file",
        )
    commands = file_commands()
    if command not in commands:
        raise PromptFileError(
            f"the manifest has command {shown(command)}{did_you_mean(command, commands)}",
            "commands are " + ", ".join(commands),
        )
    if command == "blend" or (command == "describe" and not text):
        raise PromptFileError(
            f"a manifest does not hold the pictures that {command} needs",
            "drop the prompt file itself, with its pictures",
        )
    parameters = manifest.get("parameters")
    read = read_parameters(parameters) if isinstance(parameters, dict) else {}
    return PromptRequest("", text, command=command, parameters=read, finished=True)


def _is_partial(manifest: dict[str, Any]) -> bool:
    """Return whether the prompt was read from the name of an imported picture."""
    source, prompt = manifest.get("source"), manifest.get("prompt")
    is_from_folder = isinstance(source, dict) and source.get("kind") == "folder"
    return is_from_folder and isinstance(prompt, dict) and prompt.get("echoed") is None


def _json_object(text: str) -> dict[str, Any]:
    """Return the JSON object in this text, or an empty one."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
