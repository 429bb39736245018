"""Two faults at once, drawn by chance: whatever comes of them, no promise is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.scenarios.fault_pairs import drawn, play_all

if TYPE_CHECKING:
    from pathlib import Path

SEED, COUNT = 20, 14


@pytest.mark.long
def test_no_two_faults_together_break_a_promise(tmp_path: Path) -> None:
    broken = play_all(tmp_path, drawn(SEED, COUNT))
    assert not broken, "\n\n".join(broken)


def test_the_own_seed_of_a_pair_draws_the_same_pair() -> None:
    several = drawn(SEED, COUNT)
    (again,) = drawn(SEED + 5, 1)
    assert (again.first, again.second) == (several[5].first, several[5].second)
