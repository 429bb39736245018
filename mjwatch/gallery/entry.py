"""Turn a job's manifest into the entry that the gallery's page needs, and entries into scripts. Pure.

The page's data are small scripts, because a page that is opened from a disk may load nothing else::

    gallery.index({"chunks": 2})
    gallery.jobs(2, [
    {"id": "7k3f9a2m", …},
    {"id": "q2w4e6r8", …}
    ])
    gallery.status({…})
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from mjwatch.jobs.status_text import ADVICE
from mjwatch.midjourney.buttons import CUSTOM_ZOOM, name_of
from mjwatch.model import Button, RefusalClass
from mjwatch.prompts.parameters import found_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


Entry = dict[str, Any]
"""JSON values by the names that the page's script uses; unknown values are left out."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SEED = re.compile(r"[0-9]{1,12}")
_FAVOURITE = re.compile(r"\bfavou?rites?\b", re.IGNORECASE)
_IMPORTED = frozenset({"channel", "folder"})
_TIMES = ("accepted", "submitted", "started", "finished", "published")


def entry_of(
    manifest: Mapping[str, Any], folder: str, stamp: str, *, is_favourite: bool = False
) -> Entry | None:
    """Return the entry of the job whose folder in the outbox holds this manifest; None if it has no card.

    That is so if the manifest is no job's, and for an /info that no file asked for.
    ``stamp`` changes when the manifest does. ``is_favourite``: a file in the folder says so, as a label can.
    Anybody who shares the folder may have edited the manifest, so nothing in it is trusted: a value that does
    not have the right shape is left out.
    """
    job, state = manifest.get("job"), manifest.get("state")
    if not isinstance(job, str) or not _ID.fullmatch(job) or not isinstance(state, str):
        return None
    prompt, discord, source = (_table(manifest.get(key)) for key in ("prompt", "discord", "source"))
    submitted, echoed = _text(prompt.get("submitted")) or "", _text(prompt.get("echoed"))
    parameters = _parameters(manifest, echoed or submitted)
    times = dict(_table(manifest.get("times")))
    kind = _text(source.get("kind"))
    if kind in _IMPORTED:
        times.pop("published", None)  # its place is where it was made
    command, label = _text(manifest.get("command")), _text(manifest.get("label"))
    entry = {
        "id": job,
        "stamp": stamp,
        "folder": folder,
        "state": state,
        "prompt": submitted or echoed or "",
        "echoed": echoed if submitted and echoed != submitted else None,
        "is_partial": (kind == "folder" and bool(submitted) and echoed is None) or None,
        "command": None if command == "imagine" else command,
        "action": _text(manifest.get("action")),
        "parent": _text(manifest.get("parent")),
        "label": label,
        "favourite": is_favourite or _FAVOURITE.search(label or "") is not None or None,
        "actions": _actions(manifest.get("buttons")) if state == "done" else None,
        "parameters": [[name, value] for name, value in parameters.items()],
        "seed": parameters["seed"] if _SEED.fullmatch(parameters.get("seed", "")) else None,
        "source": _text(source.get("path")),
        "pictures": list(_pictures(manifest.get("images"))),
        "grid": _file_name(_table(manifest.get("grid")).get("file")),
        "files": [name for file in _tables(manifest.get("files")) if (name := _file_name(file.get("file")))],
        "text": _text(manifest.get("text")),
        "times": {key: value for key in _TIMES if (value := _text(times.get(key)))},
        "error": _error(manifest.get("error"), state),
        "uuid": _text(discord.get("job_uuid")),
        "matched_by": _text(discord.get("matched_by")),
    }
    shown = {key: value for key, value in entry.items() if value not in (None, [], {})}
    return None if is_unfiled_info(shown) else shown


def is_unfiled_info(entry: Entry) -> bool:
    """Return whether it is an /info that a command or mjwatch itself asked for, as they do again and again.

    A text file is always a prompt, so a file that asks for /info is a TOML file or a manifest.
    """
    return entry.get("command") == "info" and str(entry.get("source", ".txt")).endswith(".txt")


def printable_path(folder: str) -> str:
    """Return a path as the page shows it, also if its name is not UTF-8."""
    return folder.encode("utf-8", "backslashreplace").decode()


def _parameters(manifest: Mapping[str, Any], text: str) -> dict[str, str]:
    """Return the parameters in the text, as Midjourney repeated it; if there are none, the file's own."""
    found = dict(found_in(text))
    own = _table(manifest.get("parameters")).items()
    return found or {
        name: "" if value is True else str(value)
        for name, value in own
        if isinstance(value, str | int | float)
    }


def _pictures(images: object) -> Iterator[list[str | int]]:
    """Yield file, width and height of each; 0 if the size is not known."""
    for image in _tables(images):
        name = _file_name(image.get("file"))
        if name is not None:
            yield [name, _pixels(image.get("width")), _pixels(image.get("height"))]


def _actions(buttons: object) -> list[str]:
    """Return the follow-ups that the message has buttons for, by their names in prompt files.

    A button that asks for a factor is left out: the other two zooms say theirs.
    """
    found = (
        name_of(Button(custom_id, _text(button.get("label"))))
        for button in _tables(buttons)
        if (custom_id := _text(button.get("custom_id")))
    )
    return list(dict.fromkeys(name for name in found if name and name != CUSTOM_ZOOM))


def _error(value: object, state: str) -> Entry | None:
    """Return why there are no pictures, with what to do, which older manifests leave to the class."""
    error = _table(value)
    keys = ("class", "title", "detail", "advice")
    kept: Entry = {key: text for key in keys if (text := _text(error.get(key)))}
    if state in {"failed", "rejected"} and "advice" not in kept:
        kind = kept.get("class")
        kept["advice"] = ADVICE[RefusalClass(kind) if kind in set(RefusalClass) else None]
    kept |= {key: True for key in ("needs_human", "retry") if error.get(key) is True}
    return kept or None


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _tables(value: object) -> Iterator[Mapping[str, Any]]:
    yield from (_table(item) for item in (value if isinstance(value, list) else []))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _pixels(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 20 else 0


def _file_name(value: object) -> str | None:
    """Return the name of a file in the job's own folder; None for anything that could lead out of it."""
    if not isinstance(value, str) or value in {"", ".", ".."} or re.search(r"[/\\\0]", value):
        return None
    return value


_MARKUP = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}

_INDEX = re.compile(rb'gallery\.index\(\{"chunks": ?([0-9]{1,9})\}\)\s*')
_HEAD = re.compile(r"gallery\.jobs\([0-9]+, \[")
_FOOT = "])"


def literal(value: object) -> str:
    """Return a value as JSON on one line, harmless in HTML and in every script: ASCII without markup."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.translate(_MARKUP)


def status_script(status: Mapping[str, Any] | None) -> bytes:
    """Return ``_gallery/status.js``: what ``status.json`` says, for the page's banner; None if unknown."""
    return f"gallery.status({literal(status)})\n".encode("ascii")


def index_script(chunks: int) -> bytes:
    """Return ``_gallery/index.js``: how many chunks there are."""
    return f"gallery.index({literal({'chunks': chunks})})\n".encode("ascii")


def read_index(data: bytes) -> int:
    """Return the number of chunks. Raise ValueError for anything but such a script."""
    match = _INDEX.fullmatch(data)
    if match is None:
        raise ValueError("not the index of a gallery")
    return int(match[1])


def chunk_script(number: int, lines: Sequence[str]) -> bytes:
    """Return ``_gallery/jobs-0007.js``: the entries of some jobs, each a literal on a line of its own."""
    return f"gallery.jobs({number}, [\n{_joined(lines)}{_FOOT}\n".encode("ascii")


def _joined(lines: Sequence[str]) -> str:
    return ",\n".join(lines) + "\n" if lines else ""


def chunk_lines(data: bytes) -> list[str]:
    """Return the literals in a chunk. Raise ValueError for anything but such a script."""
    text = data.decode("ascii")
    head, *lines, foot, end = text.split("\n") if text.count("\n") > 1 else ("", "", "")
    if not _HEAD.fullmatch(head) or foot != _FOOT or end:
        raise ValueError("not a chunk of a gallery")
    return [line.removesuffix(",") for line in lines]


def read_entry(line: str) -> Entry:
    """Return the entry that a literal stands for. Raise ValueError if it is none."""
    try:
        entry: Entry = json.loads(line)
        texts = [entry["id"], entry["folder"], entry["stamp"]]
    except (RecursionError, KeyError, TypeError) as error:
        raise ValueError("not an entry of a gallery") from error
    if not all(isinstance(text, str) for text in texts) or not _ID.fullmatch(entry["id"]):
        raise ValueError("not an entry of a gallery")
    return entry
