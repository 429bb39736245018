"""What the names of Midjourney's pictures say."""

from __future__ import annotations

import pytest

from mjwatch.midjourney.parsing.picture_names import PictureName, read_picture_name

U = "6c1d40e2-5a17-4f0b-9d3e-2b7f81c05a11"
V = "7e20b19c-0000-4000-8000-00000000000b"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (f"ada_a_cat_in_a_hat_{U}.png", PictureName(U, "a cat in a hat")),
        (f"ada_a_cat_in_a_hat_{U.upper()}.PNG", PictureName(U, "a cat in a hat")),
        (f"u4242_a_cat_{U}.webp", PictureName(U, "a cat")),
        (f"ada_a_cat_{U}_0.png", PictureName(U, "a cat", 1)),
        (f"ada_a_cat_{U}_3.jpg", PictureName(U, "a cat", 4)),
        (f"ada_a_cat_{U} (1).png", PictureName(U, "a cat")),  # downloaded twice
        (f"{U}_grid_0.webp", PictureName(U, is_grid=True)),
        (f"{U}_2.png", PictureName(U, number=3)),
        (f"ada__{U}.png", PictureName(U)),  # a prompt without Latin letters
        (f"ada_{V}_{U}.png", PictureName(U, V)),  # the last one is the job's
        (f"ada_a_cat_{U}", PictureName(U, "a cat")),
        (f"{U}_17.png", PictureName(U)),
        ("holiday.png", PictureName()),
        ("", PictureName()),
    ],
)
def test_a_name_says_the_job_the_words_and_the_picture(name: str, says: PictureName) -> None:
    assert read_picture_name(name) == says
