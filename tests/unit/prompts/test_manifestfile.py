"""Manifests in the inbox: run again or followed up, and nothing is used that could do harm."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mjwatch.errors import PromptFileError
from mjwatch.model import Prompt, References
from mjwatch.prompts.promptfile import read_prompt_file
from tests.helpers.examples import examples

MANIFEST: dict[str, Any] = {
    "schema": "mjwatch/manifest/1",
    "job": "7k3f9a2m",
    "state": "done",
    "command": "imagine",
    "action": None,
    "parent": None,
    "label": "spring",
    "prompt": {"submitted": r"a \{red, blue\} __init__ --ar 1:1", "echoed": "something else"},
    "parameters": {"ar": "1:1"},
    "source": {"path": "../../../etc/cron.d/x.txt", "sha256": "0", "mtime": None, "index": 7},
    "images": [{"file": "../../../etc/passwd"}],
}


def read(manifest: object, name: str = "manifest.json") -> tuple[Prompt, ...]:
    references = References(defaults=(("_defaults.toml", b"repeat = 3\n[parameters]\nv = 7\n"),))
    return read_prompt_file(json.dumps(manifest).encode(), name, references=references).prompts


def refused(manifest: object) -> PromptFileError:
    with pytest.raises(PromptFileError) as caught:
        read(manifest)
    assert caught.value.hint
    return caught.value


def test_a_manifest_runs_its_job_again_just_as_it_was_submitted() -> None:
    again = Prompt(r"a \{red, blue\} __init__ --ar 1:1", parameters={"ar": "1:1"})
    assert read(MANIFEST) == (again,)
    assert read(MANIFEST, "any-other.ready.JSON") == (again,)


def test_a_prompt_of_which_a_pictures_name_has_only_the_beginning_is_refused() -> None:
    from_folder = {"source": {"kind": "folder"}, "prompt": {"submitted": "a red lamp on a", "echoed": None}}
    assert "only the beginning" in str(refused(MANIFEST | from_folder))
    whole = {"submitted": "a red lamp", "echoed": "a red lamp"}
    assert [prompt.text for prompt in read(MANIFEST | from_folder | {"prompt": whole})] == ["a red lamp"]


@pytest.mark.parametrize(
    ("change", "prompt"),
    [
        ({"action": "vary (strong) 2"}, Prompt("", action="vary strong 2", parent="7k3f9a2m")),
        ({"action": "U2", "parent": "../../x", "prompt": 5}, Prompt("", action="U2", parent="7k3f9a2m")),
        ({"command": "shorten"}, Prompt(MANIFEST["prompt"]["submitted"], "shorten", {"ar": "1:1"})),
        (
            {"command": "describe", "prompt": {"submitted": "https://x.example/a.png"}, "parameters": {}},
            Prompt("https://x.example/a.png", "describe"),
        ),
        ({"command": "info", "prompt": {"submitted": ""}, "parameters": None}, Prompt("", "info")),
        ({"images": ["a.png"], "then": ["all"], "repeat": 9}, None),
    ],
)
def test_what_is_used_of_a_manifest(change: dict[str, Any], prompt: Prompt | None) -> None:
    assert read(MANIFEST | change) == (read(MANIFEST) if prompt is None else (prompt,))


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ({}, "not a manifest of mjwatch"),
        ([MANIFEST], "not a manifest of mjwatch"),
        (MANIFEST | {"schema": "mjwatch/manifest/2"}, "not a manifest of mjwatch"),
        ({"name": "some-package", "version": "1.0.0"}, "not a manifest of mjwatch"),
        (MANIFEST | {"prompt": {"submitted": ""}}, "the prompt is empty"),
        (MANIFEST | {"prompt": {"submitted": "a {red, blue} cat"}}, "still holds a permutation"),
        (MANIFEST | {"prompt": {"submitted": "a\u0000"}}, "control character"),
        (MANIFEST | {"prompt": {"submitted": "x" * 6001}}, "6001 characters"),
        (MANIFEST | {"prompt": None}, "no prompt.submitted or no command"),
        (MANIFEST | {"command": None}, "no prompt.submitted or no command"),
        (MANIFEST | {"command": "fast"}, 'the manifest has command "fast"'),
        (MANIFEST | {"command": "blend"}, "does not hold the pictures that blend needs"),
        (MANIFEST | {"command": "describe", "prompt": {"submitted": ""}}, "the pictures that describe needs"),
        (MANIFEST | {"action": "U7"}, 'there is no follow-up "U7"'),
        (MANIFEST | {"action": 2}, "the manifest asks for action 2"),
        (MANIFEST | {"action": "U1", "job": "../../x"}, 'of job "../../x"'),
        (MANIFEST | {"action": "U1", "job": None}, "of job null"),
        (MANIFEST | {"parameters": {"ar": [[1]]}}, "the parameter ar is [[1]]"),
    ],
)
def test_a_manifest_that_can_not_be_used_is_refused(manifest: object, message: str) -> None:
    assert message in refused(manifest).message


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[" * 60_000, b'{"a": ' + b"9" * 5000 + b"}", b"\xff\x00", b"null"]
)
def test_anything_but_json_is_not_a_manifest(data: bytes) -> None:
    with pytest.raises(PromptFileError):
        read_prompt_file(data, "manifest.json")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=examples(100))
@given(st.dictionaries(st.sampled_from(sorted(MANIFEST)), VALUES))
def test_any_manifest_is_a_prompt_or_a_prompt_file_error(change: dict[str, Any]) -> None:
    try:
        read(MANIFEST | change)
    except PromptFileError as error:
        assert error.hint
