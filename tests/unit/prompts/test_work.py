"""The work of reading grows with the length of a text, not with its square.

Python's steps are counted, not seconds. What a regular expression does is not among the steps, so a generous
limit on the CPU time of this thread comes on top.
"""

from __future__ import annotations

import gc
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.errors import PromptFileError
from mjwatch.inbox.filenames import (
    is_conflict_copy,
    is_marked_ready,
    is_request_path,
    natural_key,
)
from mjwatch.midjourney.parsing.content import read_content
from mjwatch.midjourney.parsing.messages import read_message
from mjwatch.model import References
from mjwatch.prompts.compose import compose
from mjwatch.prompts.dashes import read_dashes
from mjwatch.prompts.expand import Wildcards, wildcards_in
from mjwatch.prompts.filenames import check_content, check_name, kind_of, without_ready_marker
from mjwatch.prompts.images import only_links, split_links
from mjwatch.prompts.meaning import read_as_meant
from mjwatch.prompts.parameters import find_mistakes, found_in, remove_parameter
from mjwatch.prompts.promptfile import read_prompt_file
from mjwatch.prompts.source_text import check_encoding, decode, prompt_lines
from mjwatch.prompts.structure import check_choices, check_is_no_json, list_entries, one_prompt
from tests.helpers.timeouts import FAST_LOOP_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

SIZE = 64 * 1024
TRIES = 3
CPU_LIMIT = 0.8
"""Seconds for the longest file. A linear reader needs some hundredths, a quadratic one twice this or more."""

PATTERNS = (
    *(
        "a",
        " ",
        "\n",
        "a\n",
        " \n",
        "a, ",
        ",\n",
        "a b\n",
        "0",
        "word ",
        "é",
        "猫",
        "é ",
        "\u05d0\u00e8",
        "\u200b",
        "\u200f-",
    ),
    *(
        "-",
        "- ",
        "-- ",
        "—",
        "--a ",
        "--ar ",
        "--ar 1:1 ",
        "—ar",
        "-\u200b",
        "--no a, ",
        "ー",
        "x--ar 3:2",
        "--sref https://a ",
    ),
    *(
        "http://",
        "https://a",
        "https://a,",
        "https://a.png",
        "https://a.png ",
        ")",
        "(",
        "a)",
        "https://a ) ",
        "://",
        "<https://a>,",
    ),
    *(
        "{",
        "}",
        "{a,",
        "{a}",
        "{a, b}",
        "\\{",
        ",",
        "{,",
        "__",
        "__a__",
        "__a",
        "\\__a__ ",
        "{{a}}",
        "${",
        "[a",
        "[A ",
        "<A",
        "[your ",
    ),
    *(
        '"',
        '"a" ',
        '"a", ',
        "“",
        "'",
        "`",
        "```",
        "``` ",
        "[",
        "]",
        "[[",
        '{"a":',
        '{"a": "b"},',
        "1. ",
        "1. a 2. ",
        "prompt: ",
        "prompt 1",
    ),
    *(
        "/imagine ",
        "/",
        "./",
        "a.",
        "..",
        "a.txt ",
        "a.b",
        "# ",
        "#",
        "* ",
        "*",
        "**",
        " (",
        "(a) ",
        "...",
        "... (",
        "<@1>",
        "**a** - <@1> (",
    ),
    *("%(", "(Open on website", "Image #1 ", "100% ", "\u2028", "\r", "::", "a::1 ", ";", "|", "~~~\n", "&"),
)
STARTS = ("", "http://a")

READERS: dict[str, Callable[[str], Any]] = {
    "file": lambda text: read_prompt_file(text.encode(), "a.txt"),
    "list": lambda text: read_prompt_file(text.encode(), "a.list.txt"),
    "toml": lambda text: read_prompt_file(text.encode(), "a.toml"),
    "toml prompt": lambda text: read_prompt_file(
        f"prompt = '''{text.replace(chr(39), '')}'''".encode(), "a.toml"
    ),
    "manifest": lambda text: read_prompt_file(text.encode(), "manifest.json"),
    "line": compose,
    "decode": lambda text: prompt_lines(decode(text.encode()[:SIZE])),
    "content of a file": lambda text: check_content(text.encode()),
    "encoding": check_encoding,
    "entries": list_entries,
    "one prompt": lambda text: one_prompt(text, "a.txt"),
    "json": check_is_no_json,
    "choices": check_choices,
    "meaning": read_as_meant,
    "dashes": read_dashes,
    "template": lambda text: Wildcards({}).template(text),
    "wildcards": lambda text: list(wildcards_in(text)),
    "links": split_links,
    "only links": only_links,
    "parameters": lambda text: (list(found_in(text)), remove_parameter(text, "ar"), find_mistakes(text)),
    "names": lambda text: [
        reader(text[:4096])  # PATH_MAX
        for reader in (
            *(is_conflict_copy, is_marked_ready, is_request_path, natural_key),
            *(kind_of, check_name, without_ready_marker),
        )
    ],
    "content": read_content,
    "message": lambda text: read_message("MESSAGE_CREATE", bot_message(text)),
    "notice": lambda text: read_message("MESSAGE_CREATE", bot_notice(text)),
}


def bot_message(content: str) -> dict[str, Any]:
    return {
        "id": "1",
        "channel_id": "2",
        "author": {"id": "936929561302675456", "bot": True},
        "content": content,
    }


def bot_notice(text: str) -> dict[str, Any]:
    embed = {"title": text[:256], "description": text, "color": 16711680, "footer": {"text": text}}
    return {**bot_message(""), "embeds": [embed]}


def read(reader: Callable[[str], Any], text: str) -> None:
    with suppress(PromptFileError):
        reader(text)


def steps_of(reader: Callable[[str], Any], text: str) -> int:
    """Return how many lines of Python are executed."""
    steps = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal steps
        steps += 1
        return trace

    before = sys.gettrace()
    gc.disable()  # a collection may run finalizers of what other tests have left in memory
    sys.settrace(trace)
    try:
        read(reader, text)
    finally:
        sys.settrace(before)
        gc.enable()
    return steps


def filled(start: str, pattern: str, size: int) -> str:
    """Return a text of about so many bytes; twice the size has twice the whole patterns."""
    return start + pattern * (size // len(pattern.encode()))


@pytest.mark.parametrize("name", READERS)
def test_twice_the_text_is_twice_the_work(name: str) -> None:
    reader = READERS[name]
    for pattern in PATTERNS:
        half = steps_of(reader, filled("", pattern, 512))
        whole = steps_of(reader, filled("", pattern, 1024))
        assert whole <= 2.2 * half + 200, f"{pattern!r}: {half} steps became {whole}"


@pytest.mark.parametrize("name", READERS)
def test_a_quarter_of_the_longest_text_is_read_in_a_moment(name: str) -> None:
    for start in STARTS if name in ("file", "content") else ("",):
        for pattern in PATTERNS:
            assert_read_in_a_moment(READERS[name], filled(start, pattern, SIZE // 4))


def assert_read_in_a_moment(reader: Callable[[str], Any], text: str) -> None:
    """Measure again if it takes long: other processes slow the caches and the core's other half down."""
    limit = CPU_LIMIT * len(text) / SIZE + 0.1
    spent = 0.0
    for _ in range(TRIES):
        spent = cpu_seconds(lambda: read(reader, text))
        if spent < limit or spent < limit * cpu_slowness():
            return
    pytest.fail(f"{text[:40]!r}: {spent:.1f} s")


def cpu_seconds(act: Callable[[], object]) -> float:
    gc.disable()  # a collection takes longer the more the other tests have left in memory
    try:
        began = time.thread_time()
        act()
        return time.thread_time() - began
    finally:
        gc.enable()


def cpu_slowness() -> float:
    """Return how many times the CPU time of a fast machine anything takes just now."""
    return cpu_seconds(lambda: sum(i * i for i in range(400_000))) / (FAST_LOOP_SECONDS / 5)


@pytest.mark.parametrize(
    "text",
    [
        "http://a" + ")" * 64_000,
        "{" + ",".join(map(str, range(50))) + "} __w__ " + "x" * 64_000,
        "{" * 30_000 + "}" * 30_000,
    ],
)
def test_the_longest_file_is_read_in_a_moment(text: str) -> None:
    wildcards = {"w": b"\n".join(b"%d" % line for line in range(2))}
    assert_read_in_a_moment(
        lambda text: read_prompt_file(text.encode(), "a.txt", references=References(wildcards=wildcards)),
        text,
    )


@pytest.mark.parametrize(
    "text", ["a" + ".a" * 32_000 + " = 1", "[a" + ".a" * 32_000 + "]", 'x = {"a" . b' + ".c" * 300 + " = 1}"]
)
def test_a_key_of_many_parts_is_refused_before_it_is_parsed(text: str) -> None:
    with pytest.raises(PromptFileError, match="parts"):
        read_prompt_file(text.encode(), "a.toml")
