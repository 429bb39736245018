from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mjwatch.filesystem.safe_names import MAX_BYTES, cut, safe_file_name, safe_name, slug

wild = st.text(st.characters(codec=None), max_size=150) | st.text(
    st.sampled_from("con.aux nul~$_vti_/\\:*?\x00\x7f\x9be\u0301\u202e\udce9ä猫🐈"), max_size=60
)
WINDOWS_KEEPS = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])\s*(\.|$)", re.IGNORECASE)


def assert_safe(name: str) -> None:
    assert name
    assert not set(name) & set('<>:"/\\|?*\u202e')
    assert not any(unicodedata.category(char) in {"Cc", "Cs", "Cn"} for char in name)
    assert not name.endswith((".", " "))
    assert not name.startswith((" ", "~$"))
    assert not WINDOWS_KEEPS.match(name)
    assert "_vti_" not in name.lower()
    assert unicodedata.is_normalized("NFC", name)


@given(name=wild)
@example("CON")
@example("nul.txt")
@example("com¹ .x")
@example("...")
@example("_vti_vti_")
@example("~$~$x")
@example("con" + "x" * 200)
@example("x" * 99 + "é")
@example("CO\u0301N")
def test_any_name_becomes_safe_everywhere_and_stays_as_it_is_then(name: str) -> None:
    safe = safe_name(name)
    assert_safe(safe)
    assert len(safe.encode()) <= MAX_BYTES
    assert safe_name(safe) == safe


@given(name=wild, size=st.integers(5, 40))
def test_no_name_is_longer_than_asked(name: str, size: int) -> None:
    safe = safe_name(name, size)
    assert_safe(safe)
    assert len(safe.encode()) <= size


@given(stem=wild, suffix=st.sampled_from([".txt", ".TOML", ".list.txt"]))
def test_a_file_keeps_its_suffix_however_long_its_name(stem: str, suffix: str) -> None:
    safe = safe_file_name(stem + suffix)
    assert_safe(safe)
    assert safe.endswith(suffix[suffix.rindex(".") :])
    assert len(safe.encode()) <= MAX_BYTES + 5
    assert safe_file_name(safe) == safe


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("cat", "cat"),
        ("My cat, on a wall (2)", "My cat, on a wall (2)"),
        ("Größe", "Größe"),
        ("Gro\u0308ße", "Größe"),
        ("猫🐈", "猫🐈"),
        ("a:b/c\\d", "a_b_c_d"),
        ("caf\udce9", "caf_"),
        ("con", "con_"),
        ("con.backup", "con_.backup"),
        ("console", "console"),
        ("..", "_"),
        ("", "_"),
        ("cat. . ", "cat"),
        ("\x1b[31mred", "_[31mred"),
    ],
)
def test_what_is_harmless_stays_and_the_rest_is_replaced(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(prompt=wild)
def test_any_prompt_gives_a_short_safe_name(prompt: str) -> None:
    name = slug(prompt)
    assert_safe(name)
    assert len(name.encode()) <= 41
    assert not name.startswith((".", "_", "~", "#"))


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("A lighthouse, at dawn! --ar 3:2", "a-lighthouse-at-dawn"),
        ("https://example.com/a.png a cat", "a-cat"),
        ("--tile", "prompt"),
        ("con", "con_"),
        ("ein sehr langer Satz über eine Katze auf einer Mauer", "ein-sehr-langer-satz-über-eine-katze-au"),
        ("猫がいる", "猫がいる"),
    ],
)
def test_a_prompt_without_a_file_is_named_by_its_first_words(prompt: str, name: str) -> None:
    assert slug(prompt) == name


@given(text=st.text(max_size=50), size=st.integers(0, 60))
def test_cutting_never_leaves_half_a_character(text: str, size: int) -> None:
    assert text.startswith(cut(text, size))
    assert len(cut(text, size).encode()) <= size
