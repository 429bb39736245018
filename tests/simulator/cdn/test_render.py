"""Rendered pictures: sizes, colours, equality."""

from __future__ import annotations

import asyncio
import io

import pytest
from PIL import Image

from mjwatch.simulator.cdn.render import Picture, grid_size, job_colours, preview_size, render
from mjwatch.simulator.cdn.store import ByteCache, ImageStore

UUID = "6c1d40e2-5a17-4f0b-9d3e-2b7f81c05a11"
OTHER = "7e20b19c-5a17-4f0b-9d3e-2b7f81c05a11"


@pytest.mark.parametrize(
    ("prompt", "size"),
    [
        ("a cat", (2048, 2048)),
        ("a cat --ar 16:9", (2912, 1632)),
        ("a cat --ar 9:16", (1632, 2912)),
        ("a cat --ar 2:3", (1792, 2688)),
        ("a cat --aspect 3:2 --v 7", (2688, 1792)),
        ("a cat --ar 4:5", (1920, 2400)),
        ("a cat --ar 0:1", (2048, 2048)),
        ("a cat --ar wide", (2048, 2048)),
        ("a cat --ar 1000:1", (6176, 768)),
    ],
)
def test_a_grid_has_the_size_that_its_aspect_ratio_asks_for(prompt: str, size: tuple[int, int]) -> None:
    assert grid_size(prompt, 2048) == size


def test_small_grids_and_previews_keep_the_ratio() -> None:
    assert grid_size("a cat --ar 3:2", 256) == (336, 224)
    assert preview_size((2688, 1792)) == (512, 341)
    assert preview_size((64, 64)) == (32, 32)


@pytest.mark.parametrize("edge", [64, 600])
@pytest.mark.parametrize("kind", ["png", "webp"])
def test_a_picture_is_the_same_each_time_and_another_jobs_differs(edge: int, kind: str) -> None:
    picture = Picture(UUID, "a red cat", (edge, edge), "png" if kind == "png" else "webp")
    data = render(picture)
    assert render(picture) == data
    assert render(Picture(OTHER, "a red cat", (edge, edge), picture.format)) != data


def test_tiles_carry_their_jobs_colours_in_reading_order() -> None:
    with Image.open(io.BytesIO(render(Picture(UUID, "a red cat", (600, 400), "png")))) as picture:
        corners = [picture.getpixel(corner) for corner in ((0, 0), (300, 0), (0, 200), (300, 200))]
    assert corners == job_colours(UUID)
    assert not set(job_colours(UUID)) & set(job_colours(OTHER))


def test_a_picture_that_was_dropped_from_the_cache_is_rendered_again() -> None:
    async def scenario() -> None:
        pictures = ImageStore(cache_bytes=1)
        first = Picture(UUID, "a red cat", (64, 64), "png")
        assert await pictures.add("/a", first) == len(render(first))
        await pictures.add("/b", Picture(OTHER, "a red dog", (64, 64), "png"))
        assert await pictures.read("/a") == render(first)
        pictures.remove("/a")
        assert await pictures.read("/a") is None
        assert pictures.prompt_of("/b") == "a red dog"
        pictures.close()

    asyncio.run(scenario())


def test_the_cache_is_bounded_by_bytes_and_keeps_what_was_used_last() -> None:
    cache: ByteCache[str] = ByteCache(10)
    cache.put("a", b"12345")
    cache.put("b", b"12345")
    assert cache.get("a") == b"12345"
    cache.put("c", b"1")
    assert cache.get("b") is None
    assert cache.get("a") == b"12345"
    cache.put("big", b"x" * 100)
    assert cache.get("big") == b"x" * 100
    assert cache.get("a") is None
