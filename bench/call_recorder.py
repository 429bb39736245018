"""Run mjwatch, and record which of its functions each thread enters until the POST of its first prompt.

``python -m bench.call_recorder FILE ARGUMENT...``: mjwatch gets the arguments. FILE gets a JSON list with an
entry for each call: time (seconds since 1970), thread, file and function.
"""

from __future__ import annotations

import json
import runpy
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mjwatch

if TYPE_CHECKING:
    from types import FrameType

PACKAGE = f"{Path(mjwatch.__file__).parent}/"


POST_DELAY = 0.5
"""Seconds that the POST waits, so that the other threads finish the work for the prompt."""


class CallRecorder:
    """The profile function of every thread; in most calls it only appends to a list."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._calls: list[tuple[float, int, str, str]] = []
        self._written = False

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        """Record the call of a function; at the POST, write all of them to the file."""
        if event != "call" or self._written:
            return
        code = frame.f_code
        if code.co_filename.startswith(PACKAGE):
            path = code.co_filename[len(PACKAGE) :]
            self._calls.append((time.time(), threading.get_ident(), path, code.co_qualname))
        elif code.co_name == "send" and code.co_filename.endswith("requests/sessions.py"):
            request = frame.f_locals.get("request")
            if request is not None and request.method == "POST" and "/interactions" in request.url:
                self._write()

    def _write(self) -> None:
        time.sleep(POST_DELAY)
        self._written = True
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        calls = [(at, names.get(thread, str(thread)), *where) for at, thread, *where in self._calls]
        aside = self._file.with_suffix(".new")
        aside.write_text(json.dumps(calls), encoding="utf-8")
        aside.rename(self._file)


if __name__ == "__main__":
    record = CallRecorder(Path(sys.argv[1]))
    sys.argv = ["mjwatch", *sys.argv[2:]]
    threading.setprofile(record)
    sys.setprofile(record)
    runpy.run_module("mjwatch", run_name="__main__")
