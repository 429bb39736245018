"""Random pairs of faults: no pair breaks a promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.scenarios.fault_pairs import draw_pairs, run_pairs

if TYPE_CHECKING:
    from pathlib import Path

SEED, COUNT = 20, 14


@pytest.mark.long
def test_no_two_faults_together_break_a_promise(tmp_path: Path) -> None:
    broken = run_pairs(tmp_path, draw_pairs(SEED, COUNT))
    assert not broken, "\n\n".join(broken)


def test_the_own_seed_of_a_pair_draws_the_same_pair() -> None:
    several = draw_pairs(SEED, COUNT)
    (again,) = draw_pairs(SEED + 5, 1)
    assert (again.first, again.second) == (several[5].first, several[5].second)
