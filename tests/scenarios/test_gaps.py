"""A job that finishes while the gateway is down is delivered after its return.

Seen to catch: a gap before a new session whose history is not requested, or is read and forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.scenarios.gateway_gaps import Gap, seconds_to_delivery

if TYPE_CHECKING:
    from pathlib import Path

GAPS = [Gap(1, False), Gap(1, True, reuse_id=True), Gap(5, False), Gap(5, True)]


@pytest.mark.parametrize("gap", [pytest.param(gap, id=gap.name) for gap in GAPS])
def test_a_job_that_finishes_during_a_gap_is_delivered_afterwards(gap: Gap, tmp_path: Path) -> None:
    seconds_to_delivery(tmp_path / "w", gap)
