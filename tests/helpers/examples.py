"""The number of examples of a property test: all in `make test-long`, 40 % in `make test`, else 20 %.

With other versions of Python and libraries it is 5 %.
"""

from __future__ import annotations

from hypothesis import settings

FULL = 100
"""The default number of examples of a test in the profile "full"."""


def examples(full: int) -> int:
    """Return the number of examples in the current profile of a test that has ``full`` ones at most."""
    return max(5, full * settings().max_examples // FULL)
