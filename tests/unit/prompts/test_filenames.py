"""What the names of files say, by a table in ``tests/data``; and files of other programs by their content."""

from __future__ import annotations

import tomllib
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from mjwatch.errors import PromptFileError
from mjwatch.inbox import filenames
from mjwatch.prompts.filenames import check_content, check_name, kind_of, without_ready_marker
from mjwatch.prompts.promptfile import read_prompt_file

TABLE: dict[str, Any] = tomllib.loads(
    (Path(__file__).parents[2] / "data/file_names.toml").read_text(encoding="utf-8")
)
KINDS = {"one_prompt": ".txt", "list": ".list.txt", "toml": ".toml", "manifest": ".json"}


def rows(*kinds: str) -> list[Any]:
    return [pytest.param(kind, name, id=f"{kind} {name}") for kind in kinds for name in TABLE[kind]]


@pytest.mark.parametrize(("kind", "name"), rows(*KINDS))
def test_a_name_says_what_is_read(kind: str, name: str) -> None:
    for form in ("NFC", "NFD"):
        spelling = unicodedata.normalize(form, name)
        assert kind_of(spelling) == KINDS[kind]
        check_name(spelling)
        assert filenames.is_request_name(spelling)


@pytest.mark.parametrize(("kind", "name"), rows("refused"))
def test_a_name_that_may_say_two_things_is_refused(kind: str, name: str) -> None:
    assert filenames.is_request_name(name)
    for text in (b"red\nblue\n", b'prompt = "a cat"\n'):
        with pytest.raises(PromptFileError, match="the name has") as caught:
            read_prompt_file(text, name)
        assert caught.value.hint


@pytest.mark.parametrize(("kind", "name"), rows("reported", "silent"))
def test_a_file_that_is_not_read_is_reported_if_somebody_may_wait_for_it(kind: str, name: str) -> None:
    assert not filenames.is_prompt_name(name)
    is_ours = name.lower().endswith(filenames.SUFFIXES)
    why = filenames.why_ignored(name) if is_ours else filenames.why_unread(name)
    assert (why is not None) is (kind == "reported")


@pytest.mark.parametrize(("kind", "name"), rows("folders_read", "folders_reported", "folders_silent"))
def test_no_prompt_is_read_in_a_copy_of_the_wildcards(kind: str, name: str) -> None:
    assert filenames.may_hold_prompts(name) is (kind == "folders_read")
    if kind != "folders_read":
        assert (filenames.why_not_scanned(name) is not None) is (kind == "folders_reported")


@pytest.mark.parametrize(
    ("name", "ready", "without"),
    [
        ("cat.ready (1).txt", False, "cat (1).txt"),
        ("cat.ready - Copy.txt", False, "cat - Copy.txt"),
        ("birds.list.ready 2.txt", False, "birds.list 2.txt"),
        ("cat.readymade.txt", False, "cat.readymade.txt"),
    ],
)
def test_a_copy_of_a_ready_file_settles_like_any_other(name: str, ready: bool, without: str) -> None:
    assert filenames.is_marked_ready(name) is ready
    assert without_ready_marker(name) == without


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"PK\x03\x04\x14\x00\x06\x00[Content_Types].xml", "a Word, Excel or OpenDocument"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(60), "old Word"),
        (rb"{\rtf1\ansi\deff0 a cat on a mat, {\b bold}, --ar 16:9}", "an RTF document"),
        (b"%PDF-1.7\n1 0 obj", "a PDF document"),
        (b"\xef\xbb\xbf<!DOCTYPE html>\n<p>a cat", "a web page"),
        (b"\n <HTML><body>a cat", "a web page"),
        (b"<?xml version='1.0'?><plist/>", "an XML document"),
        (b"bplist00\xd1\x01\x02", "a web archive"),
        (b"\x1f\x8b\x08\x00", "an archive"),
        (b"\x89PNG\r\n\x1a\n", "a picture"),
        (b"\xff\xd8\xff\xe0", "a picture"),
    ],
)
@pytest.mark.parametrize("name", ["cat.txt", "cat.toml", "birds.list.txt"])
def test_the_file_of_another_program_is_refused_whatever_its_name(data: bytes, what: str, name: str) -> None:
    with pytest.raises(PromptFileError, match=what) as caught:
        read_prompt_file(data, name)
    assert "plain text file" in caught.value.hint


@pytest.mark.parametrize(
    "text", ["<lora:x:1> a cat", "PKs and QBs", "BMW on a road", "MZ", "{rtf}", "Rar, a lion", "GIF", "%PDF"]
)
def test_a_text_that_only_begins_alike_is_read(text: str) -> None:
    check_content(text.encode())
