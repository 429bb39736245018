"""The entry point of ``mjwatch`` and ``python -m mjwatch``: run the CLI, print errors, set the exit code."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import traceback
from pathlib import Path

from mjwatch.errors import ConfigError, MjwatchError

INTERRUPTED, TERMINATED = 130, 143


def main() -> None:
    """Run the CLI. An error becomes a line on standard error, with what to do about it, and an exit code."""
    if os.getpid() == 1:
        _end_at_sigterm()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a character that the terminal lacks is shown as its number
            stream.reconfigure(errors="backslashreplace")
    try:
        from mjwatch.cli.app import run  # here, so that an error on import is reported like any other

        sys.exit(run())
    except MjwatchError as error:
        _echo_error(*_lines(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        _drop_output()
        sys.exit(1)
    except Exception as error:  # the main thread's top
        if sys.flags.dev_mode or sys.excepthook is not sys.__excepthook__:
            raise  # for the developer to see, or into the service's log, which redacts it
        _echo_error(
            f"internal error in mjwatch: {_location(error)} - please report it; python -X dev shows more"
        )
        sys.exit(1)


def _end_at_sigterm() -> None:
    """Have SIGTERM end this process: the first one of a container does not get it without a handler.

    The daemon has its own handler, as soon as there is anything to finish.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(TERMINATED))


def _lines(error: MjwatchError) -> list[str]:
    """Return a line for each problem: what happened, and what to do."""
    parts = error.parts if isinstance(error, ConfigError) and error.parts else (error,)
    return [" - ".join(text for text in (part.message, part.hint) if text) for part in parts]


def _echo_error(*lines: str) -> None:
    from mjwatch.cli.output import advice

    with contextlib.suppress(BrokenPipeError):
        for line in lines:
            print(f"mjwatch: {advice(line)}", file=sys.stderr)  # noqa: T201 - the one place for errors


def _location(error: Exception) -> str:
    """Return the error's type and where it was raised, without its message, which may contain a secret."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"


def _drop_output() -> None:
    """Discard the buffered output: its reader has gone, and the flush at the exit must not raise again."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
