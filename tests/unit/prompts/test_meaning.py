"""What a text was meant as: the table of real-looking texts, and ordinary prompts."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from mjwatch.errors import PromptFileError
from mjwatch.prompts.promptfile import forced, read_prompt_file

DATA = Path(__file__).parents[2] / "data" / "prompts"


def cases(file: str) -> list[dict[str, str]]:
    table: dict[str, list[dict[str, str]]] = tomllib.loads((DATA / file).read_text(encoding="utf-8"))
    return [case for group in table.values() for case in group]


@pytest.mark.parametrize("case", cases("refused.toml"), ids=lambda case: case["text"][:40])
def test_what_is_no_prompt_is_refused_with_what_to_do(case: dict[str, str]) -> None:
    with pytest.raises(PromptFileError) as refused:
        read_prompt_file(case["text"].encode(), case.get("name", "cat.txt"))
    assert case["words"] in str(refused.value)


@pytest.mark.parametrize("case", cases("refused.toml"), ids=lambda case: case["text"][:40])
def test_force_sends_it_as_it_is_written(case: dict[str, str]) -> None:
    if not case.get("as_is", True):
        return
    name, data = forced(case["text"].encode(), case.get("name", "cat.txt"))
    assert read_prompt_file(data, name).prompts
