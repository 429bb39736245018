"""The soak finds memory that is kept of each prompt, and is not misled by what the allocators keep free."""

from __future__ import annotations

import platform
from dataclasses import replace

import pytest

from tests.helpers.memory import InUse, in_use
from tests.scenarios.soak import MOST_RESIDENT, Idle, Sample, growth, too_large

SAMPLE = Sample(at=0.0, rss=64.0, threads=16, descriptors=30)
EARLY = Idle(800, SAMPLE, InUse(objects=240_000, heap=13_000_000))
PROMPTS = 1_600


def _late(objects: float = 0.0, heap: float = 0.0) -> Idle:
    """Return the end of a run in which so much stays in use of each prompt."""
    used = InUse(EARLY.memory.objects + int(objects * PROMPTS), EARLY.memory.heap + int(heap * PROMPTS))
    return Idle(EARLY.prompts + PROMPTS, replace(SAMPLE, rss=80.0), used)


def test_two_kilobytes_kept_of_each_prompt_are_found() -> None:
    assert growth(EARLY, _late(heap=2048)) == ["2048 bytes are kept of each prompt"]


def test_some_small_objects_kept_of_each_prompt_are_found() -> None:
    assert growth(EARLY, _late(objects=20)) == ["20.0 objects are kept of each prompt"]


def test_memory_that_is_resident_but_free_is_no_growth() -> None:
    assert growth(EARLY, _late()) == []


def test_a_process_that_was_too_large_once_is_found() -> None:
    samples = [replace(SAMPLE, rss=rss) for rss in (60.0, MOST_RESIDENT + 1.0, 60.0)]
    assert too_large(samples) == [f"{MOST_RESIDENT + 1.0:.1f} MiB are resident"]
    assert too_large(samples[:1]) == []


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="measures the memory of glibc")
def test_what_is_in_use_is_counted_exactly() -> None:
    before = in_use()
    large, small = [bytes(2048) for _ in range(1000)], [object() for _ in range(5000)]
    during = in_use()
    assert during.heap - before.heap >= 2048 * 1000
    assert during.objects - before.objects >= 5000
    del large, small
    after = in_use()
    assert after.heap - before.heap < 100_000
    assert after.objects - before.objects < 500
