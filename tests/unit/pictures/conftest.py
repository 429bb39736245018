"""Small pictures are cut like large ones here: they are quicker to test."""

import pytest

from mjwatch.pictures import split


@pytest.fixture(autouse=True)
def cut_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "_CUT_ABOVE", 0)
