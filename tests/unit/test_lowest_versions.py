"""The lowest versions that pyproject.toml allows are those that make test-lowest installs."""

from pathlib import Path

import pytest

from tests.helpers.lowest_versions import constraints

PYPROJECT = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")


def test_each_library_has_a_lower_bound() -> None:
    found = constraints(PYPROJECT)
    assert "requests==2.32.3" in found
    assert any(line.startswith("aiohttp==") for line in found)


def test_a_library_without_a_lower_bound_is_an_error() -> None:
    with pytest.raises(ValueError, match="certifi has no lower bound"):
        constraints('[project]\ndependencies = ["certifi"]\noptional-dependencies = { demo = [] }')
