"""``python -m mjwatch`` and the ``mjwatch`` command: the CLI with one funnel for its errors."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import traceback
from pathlib import Path

from mjwatch.errors import ConfigError, MjwatchError

INTERRUPTED = 130


def main() -> None:
    """Run the CLI. What is wrong becomes a line on standard error that says what to do, and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that lacks a letter gets its number
            stream.reconfigure(errors="backslashreplace")
    try:
        from mjwatch.cli.app import run  # here, so that an error while importing it is told like any other

        sys.exit(run())
    except MjwatchError as error:
        _tell(*_lines(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        _drop_output()
        sys.exit(1)
    except Exception as error:  # the main thread's top
        if sys.flags.dev_mode or sys.excepthook is not sys.__excepthook__:
            raise  # for the developer to see, or into the service's log, which redacts it
        _tell(f"a fault in mjwatch itself: {_place(error)} - please report it; python -X dev shows more")
        sys.exit(1)


def _lines(error: MjwatchError) -> list[str]:
    """A line for each thing that is wrong: what it is, and what to do."""
    parts = error.parts if isinstance(error, ConfigError) and error.parts else (error,)
    return [" - ".join(half for half in (part.message, part.hint) if half) for part in parts]


def _tell(*lines: str) -> None:
    from mjwatch.cli.output import plain

    with contextlib.suppress(BrokenPipeError):
        for line in lines:
            print(f"mjwatch: {plain(line)}", file=sys.stderr)  # noqa: T201 - the one place for errors


def _place(error: Exception) -> str:
    """Which error and where. Not its message: that of a library may hold anything."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"


def _drop_output() -> None:
    """Whoever read our output has gone: what is still buffered must not raise once more at the exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
