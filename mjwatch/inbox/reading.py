"""Read prompt files off the event loop, each within a time limit, and remember which ones end the process.

What is being read is noted in a small file of the state folder. If the process dies meanwhile, the next start
finds the note: a file whose reading had lasted long, or during which a process died twice, is rejected once
instead of being read again. A single death during a short reading has other causes; then the file is read.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, NoReturn, TypeVar

from mjwatch.errors import PromptFileError
from mjwatch.events import FileSettled
from mjwatch.filesystem.folder import open_folder
from mjwatch.prompts.promptfile import MAX_BYTES, read_prompt_file
from mjwatch.prompts.source_text import sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mjwatch.model import Identity, References

T = TypeVar("T")

log = logging.getLogger("mjwatch.inbox")

NOTE_FILE = "reading.json"
"""The note's name in the state folder."""

LIGHT = 8 * 1024
"""Bytes that the inbox reads in its own thread: even the slowest reader is done with them at once."""

SLOW_AFTER, PATIENCE = 1.0, 20.0
"""Seconds after which a reading is noted as slow, and after which the file is rejected."""

FATAL_DEATHS = 2
"""So many processes may die during short readings of a file before the file counts as the cause."""

_MOST_NOTED = 64 * 1024
_HINT = "shorten or split it, or put it into the inbox again if it is not the cause"


class ReadingGuard:
    """Guards the readings of one thread; files are known by the SHA-256 of their content."""

    def __init__(self) -> None:
        self._note: int | None = None
        self._current = ""
        self._errors: dict[str, PromptFileError] = {}
        self._deaths: dict[str, int] = {}

    def open(self, note: Path) -> None:
        """Keep a note on disk from now on, and learn from the one that the last process left."""
        self._note = _open_note(note)
        if self._note is not None:
            self._load(self._note)

    def close(self) -> None:
        """Close the note, after the last reading."""
        if self._note is not None:
            os.close(self._note)
            self._note = None

    @contextmanager
    def reading(self, data: bytes) -> Iterator[None]:
        """Note that this content is being read. Raise PromptFileError if it must not be read."""
        self._current = sha256(data)
        if self._current in self._errors:
            raise self._errors[self._current]
        self._write(is_slow=False)
        try:
            yield
        finally:
            self._current = ""
            self._write(is_slow=False)

    def run(self, size: int, read: Callable[[], T]) -> T:
        """Return what ``read`` returns, or raise what it raises; ``size``: the bytes that it works on.

        Raise PromptFileError if that takes too long: then the reader's thread is left to itself.
        """
        if size <= LIGHT:
            return read()
        outcomes: queue.SimpleQueue[Callable[[], T]] = queue.SimpleQueue()

        def work() -> None:
            try:
                result = read()
            except Exception as error:  # a thread's top: raised again in the thread that waits
                outcomes.put(partial(_raise, error))
            else:
                outcomes.put(lambda: result)

        threading.Thread(target=work, name="reader", daemon=True).start()
        return self._wait(outcomes)()

    def _wait(self, outcomes: queue.SimpleQueue[Callable[[], T]]) -> Callable[[], T]:
        with suppress(queue.Empty):
            return outcomes.get(timeout=SLOW_AFTER)
        self._write(is_slow=True)
        with suppress(queue.Empty):
            return outcomes.get(timeout=PATIENCE - SLOW_AFTER)
        error = PromptFileError(f"mjwatch could not read this file within {PATIENCE:.0f} s", _HINT)
        self._errors[self._current] = error
        raise error

    def forget(self, data: bytes) -> None:
        """Forget what is known of this content: it was handed over, and is read when it comes again."""
        digest = sha256(data)
        self._errors.pop(digest, None)
        if self._deaths.pop(digest, None) is not None:
            self._write(is_slow=False)

    def _load(self, note: int) -> None:
        try:
            found = json.loads(os.read(note, _MOST_NOTED).partition(b"\n")[0] or b"{}")
            deaths = {str(digest): int(count) for digest, count in found.get("deaths", {}).items()}
            current, is_slow = str(found.get("reading") or ""), bool(found.get("slow"))
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return  # it was cut, or is not ours: nothing is known
        if current:
            deaths[current] = FATAL_DEATHS if is_slow else deaths.get(current, 0) + 1
        self._deaths = deaths
        fatal = [digest for digest, count in deaths.items() if count >= FATAL_DEATHS]
        self._errors = {
            digest: PromptFileError("mjwatch died while it was reading this file", _HINT) for digest in fatal
        }

    def _write(self, *, is_slow: bool) -> None:
        """Write the note; it need not survive a power cut, because that is no file's fault."""
        if self._note is None:
            return
        content = {"reading": self._current, "slow": is_slow, "deaths": self._deaths}
        with suppress(OSError):  # a full disk, which is reported elsewhere
            os.lseek(self._note, 0, os.SEEK_SET)  # Windows has no pwrite
            os.write(self._note, json.dumps(content).encode() + b"\n")


def _raise(error: Exception) -> NoReturn:
    raise error


def _open_note(path: Path) -> int | None:
    """Return a descriptor of the note, or None if there can't be one."""
    try:
        with open_folder(path.parent) as folder:
            return folder.open_for_update(path.name)
    except OSError as error:
        log.warning("%s can't be used: %s", path, error.strerror)
        return None


def read_settled(
    path: str, data: bytes, identity: Identity, references: References, max_jobs: int
) -> FileSettled:
    """Return a complete file with its prompts, or with the reason why it can't be read as prompts."""
    mtime = identity[3] / 1e9
    try:
        _check_size(identity[2])
        name = path.rpartition("/")[2]
        found = read_prompt_file(data, name, max_jobs=max_jobs, references=references)
    except PromptFileError as error:
        return FileSettled(path, data, mtime, identity, error=error, images=references.images)
    return FileSettled(path, data, mtime, identity, found.prompts, found.warnings, images=references.images)


def _check_size(size: int) -> None:
    """Raise PromptFileError if the file is too large; then only its beginning was read."""
    if size > MAX_BYTES:
        raise PromptFileError(
            f"the file has {size:,} bytes, but a prompt file may have at most {MAX_BYTES:,}",
            "it was not read completely and stays in the inbox: remove it or split it",
        )
