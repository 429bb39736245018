"""``python -m mjwatch`` and the ``mjwatch`` command: the CLI with one funnel for its errors."""

from __future__ import annotations

import sys

from mjwatch.errors import ConfigError, MjwatchError


def main() -> None:
    """Run the CLI. What mjwatch knows to be wrong becomes lines on standard error and an exit code."""
    from mjwatch.cli.app import app  # here, so that an error while importing it is told like any other

    try:
        app()
    except MjwatchError as error:
        for line in _lines(error):
            print(line, file=sys.stderr)  # noqa: T201 - the one place where errors are shown
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def _lines(error: MjwatchError) -> list[str]:
    parts = error.parts if isinstance(error, ConfigError) and error.parts else (error,)
    lines: list[str] = []
    for part in parts:
        lines += [f"mjwatch: {line}" for line in part.message.splitlines()]
        lines += [f"  to mend it: {part.mend}"] if part.mend else []
    return lines


if __name__ == "__main__":
    main()
