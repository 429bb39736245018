"""The number of examples of a property test: all of them in `make test`, fewer during development."""

from __future__ import annotations

from hypothesis import settings

FULL = 100
"""The default number of examples of a test in the profile "full"."""


def examples(full: int) -> int:
    """Return the number of examples in the current profile of a test with ``full`` ones in `make test`."""
    return max(5, full * settings().max_examples // FULL)
