"""What a text was meant as: the table of real-looking texts, and ordinary prompts."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from mjwatch.errors import PromptFileError
from mjwatch.prompts.promptfile import forced, read_prompt_file

DATA = Path(__file__).parents[2] / "data" / "prompts"


def cases(file: str) -> list[Any]:
    table = tomllib.loads((DATA / file).read_text(encoding="utf-8"))
    return [
        pytest.param(case, id=f"{group} {number}")
        for group, rows in table.items()
        for number, case in enumerate(rows)
    ]


@pytest.mark.parametrize("case", cases("refused.toml"))
def test_what_may_be_no_prompt_is_refused_with_what_to_do(case: dict[str, Any]) -> None:
    with pytest.raises(PromptFileError) as refused:
        read_prompt_file(case["text"].encode(), case.get("name", "cat.txt"))
    assert case["words"] in str(refused.value)
    assert ("--force, or force = true in a .toml file" in refused.value.hint) is case.get("force", True)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "case", [case for case in cases("refused.toml") if case.values[0].get("as_is", True)]
)
def test_force_sends_it_as_it_is_written(case: dict[str, Any]) -> None:
    name, data = forced(case["text"].encode(), case.get("name", "cat.txt"))
    assert read_prompt_file(data, name).prompts


@pytest.mark.parametrize("case", cases("noted.toml"))
def test_what_can_only_mean_one_thing_is_read_so_and_noted(case: dict[str, Any]) -> None:
    found = read_prompt_file(case["text"].encode(), case.get("name", "cat.txt"))
    assert [prompt.text for prompt in found.prompts] == case["prompts"]
    assert any(case["note"] in note for note in found.warnings), found.warnings


def test_the_tables_hold_enough_and_no_text_twice() -> None:
    texts = [
        (row.values[0].get("name"), row.values[0]["text"])
        for file in ("refused.toml", "noted.toml")
        for row in cases(file)
    ]
    assert len(texts) == len(set(texts)) >= 150


ORDINARY = [
    text
    for texts in tomllib.loads((DATA / "ordinary.toml").read_text(encoding="utf-8")).values()
    for text in texts
]

LONG = "".join(
    f"In room {number} of the hotel a guest is packing, and the window shows a different sea. "
    for number in range(68)
)


def test_no_ordinary_prompt_is_refused_changed_or_noted() -> None:
    assert len(set(ORDINARY)) == len(ORDINARY) >= 200
    faults = [fault for text in [*ORDINARY, LONG[:5990]] if (fault := fault_of(text))]
    assert not faults, "\n".join(faults)


def fault_of(text: str) -> str:
    """Return how the reading of an ordinary prompt differs from the prompt, or nothing."""
    lines = [line for line in text.split("\n") if not line.startswith("# ")]
    expected = " ".join(" ".join(lines).split())
    try:
        found = read_prompt_file(text.encode(), "cat.txt")
    except PromptFileError as error:
        return f"{text!r} is refused: {error}"
    if [prompt.text for prompt in found.prompts] != [expected]:
        return f"{text!r} became {[prompt.text for prompt in found.prompts]}"
    return f"{text!r} is noted: {found.warnings}" if found.warnings else ""


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("a {red, blue} cat", 2),
        ("a {red, {dark, light} blue} cat {on a roof, in a boat}", 6),
        ("a cat in {oil, ink, chalk} --ar {3:2, 16:9}", 6),
        ("a cat {--ar 3:2, --tile}", 2),
        ("{a \"red\" cat, a 'blue' dog}", 2),
        ("a cat {::2, ::1} fog", 2),
        ("a cat {at 12:30, at 18:45}", 2),
        ("{, very} old {tree, man's hat}", 4),
        ("a (tall) {tower, tree}, dusk", 2),
        ("{spring: a meadow, winter} morning", 2),
        ("a choice of {1, 2, 3, 4, 5, 6, 7, 8, 9, 10} birds {asleep, awake}", 20),
    ],
)
def test_ordinary_choices_are_expanded(text: str, count: int) -> None:
    assert len(read_prompt_file(text.encode(), "cat.txt").prompts) == count
