"""How many examples a property test draws: all of them in `make test`, fewer while at work."""

from __future__ import annotations

from hypothesis import settings

FULL = 100
"""Examples of a test that asks for no number of its own, in the profile "full"."""


def examples(full: int) -> int:
    """Return how many examples the current profile has for a test that draws ``full`` in `make test`."""
    return max(5, full * settings().max_examples // FULL)
