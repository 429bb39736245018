"""`make adopt`: only forms that no file has become test data, with the reading that they got."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from mjwatch.midjourney.parsing.messages import explain
from tests.helpers.adopt import MESSAGES, main, new_documents

if TYPE_CHECKING:
    import pytest

BUNDLES = Path(__file__).parents[3] / "data" / "bundles"


def changed_bundle(folder: Path) -> Path:
    """Return a copy of a bundle in which a title is new."""
    text = (BUNDLES / "refused.json").read_text(encoding="utf-8")
    copy = folder / "mjwatch-jobaaaaa.json"
    copy.write_text(
        text.replace('"title":"Banned prompt"', '"title":"A title nobody knows"'), encoding="utf-8"
    )
    return copy


def test_only_a_form_that_no_file_has_is_new_and_it_comes_with_its_reading(tmp_path: Path) -> None:
    assert new_documents(BUNDLES / "refused.json", MESSAGES) == {}
    ((name, document),) = new_documents(changed_bundle(tmp_path), MESSAGES).items()
    assert name == "jobaaaaa-1-refused"
    assert document["expect"]["error"]["title"] == "A title nobody knows"
    read = json.loads(json.dumps(explain(document)))
    assert {key: read[key] for key in document["expect"]} == document["expect"]


def test_it_writes_nothing_unless_told_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(MESSAGES.iterdir())
    main([str(changed_bundle(tmp_path))])
    assert "new forms: 1; add YES=1 to write the files" in capsys.readouterr().out
    assert sorted(MESSAGES.iterdir()) == before
