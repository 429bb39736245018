"""kill -9 at random moments: a short run of ``make kills``.

Seen to catch: a POST in doubt sent again at a restart; unpublished pictures forgotten at a restart; a session
position that is not journaled; a history that is read and forgotten.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.random_kills import Plan, run_kills

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.long
@pytest.mark.parametrize(("resumable", "kills"), [(True, 12), (False, 6)], ids=["resumed", "lost"])
def test_kills_at_random_moments_lose_no_prompt_and_pay_for_none_twice(
    resumable: bool, kills: int, tmp_path: Path
) -> None:
    report = run_kills(tmp_path, Plan(kills, 20, random.randrange(1_000_000), resumable))
    print(report)
    assert report.errors == []
    assert report.done + report.in_doubt == 20
    assert report.done_after_retry == 20
