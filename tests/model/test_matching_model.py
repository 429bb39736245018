"""In random histories no picture goes to another prompt, nothing is paid for twice, and nothing is lost.

`make model HISTORIES=20000 SEED=1` runs more of them.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.helpers.examples import examples
from tests.model.reverts import FOUND_BY, REVERTS, without
from tests.model.run import failures

PARTS = 2
"""Tests that share the histories, so that workers can run them at the same time."""

EXPECTED = (
    *("matched by reference", "matched by job uuid", "matched by text", "by hand", "bot queue notice"),
    *("resumed", "new session", "new session with the old id", "killed and started", "retry", "held"),
    *("history hidden", "probe answered", "assigned", "dismissed", "ended done", "ended in_doubt"),
    "made by hand, collected",
)
"""What must have happened, or the histories show nothing."""


@pytest.mark.parametrize("part", range(PARTS))
def test_no_history_breaks_a_promise(part: int) -> None:
    counts: Counter[str] = Counter()
    share = examples(600) // PARTS
    failed = failures(range(1 + part * share, 1 + (part + 1) * share), counts)
    assert not failed, failed[0][1]
    if share >= 100:
        assert [what for what in EXPECTED if not counts[what]] == []


def test_a_history_that_breaks_a_promise_is_found_and_told() -> None:
    with without("parameters"):
        failed = failures(range(201, 320), Counter())
    assert failed
    assert "got the picture of" in failed[0][1]


def test_each_fix_that_can_be_taken_back_has_a_history_that_needs_it() -> None:
    assert FOUND_BY.keys() == REVERTS.keys()


@pytest.mark.parametrize("name", FOUND_BY)
def test_a_fix_that_is_taken_back_is_missed(name: str) -> None:
    seed = FOUND_BY[name]
    assert not failures([seed], Counter())
    with without(name):
        assert failures([seed], Counter())
