"""Pages that are written from the code are current, and the manual page is one that programs can read."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from docs import make_cli, make_config, make_man, make_packages
from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    from types import ModuleType

HANG = deadline(30.0)
READERS = (["groff", "-man", "-Tutf8", "-ww", "-z"], ["mandoc", "-Tlint", "-Wwarning"])
MACROS = {".TH", ".SH", ".SS", ".PP", ".TP", ".IP", ".RS", ".RE", ".B", ".I", ".BR", ".RI", '.\\"'}


@pytest.mark.parametrize(
    "maker", [make_cli, make_config, make_man, make_packages], ids=lambda maker: maker.__name__
)
def test_a_page_says_what_the_code_says(maker: ModuleType) -> None:
    assert maker.PAGE.read_text(encoding="utf-8") == maker.page(), "run `make cli-page diagram`"


def test_the_manual_page_has_its_sections_in_their_order_and_every_verb() -> None:
    page = make_man.page()
    heads = re.findall(r"^\.SH (.+)$", page, re.MULTILINE)
    assert heads == [
        *("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "VERBS", "FILES", "ENVIRONMENT", "EXIT STATUS")
    ]
    assert set(re.findall(r"^\.B mjwatch ([a-z ]+) ", page, re.MULTILINE)) == {
        name for verbs in make_cli.groups().values() for name, _ in verbs
    }


def test_the_manual_page_uses_known_macros_and_no_text_is_taken_for_one() -> None:
    lines = make_man.page().splitlines()
    assert {line.split(" ")[0] for line in lines if line[:1] in (".", "'")} <= MACROS
    assert not any(re.search(r"\\(?![-e&(\"])", line) for line in lines)
    assert lines.count(".RS") == lines.count(".RE")
    assert "" not in lines


def test_readers_of_manual_pages_that_are_here_find_nothing_to_say() -> None:
    for reader in READERS:
        if shutil.which(reader[0]):
            done = subprocess.run(
                [*reader, str(make_man.PAGE)], capture_output=True, text=True, timeout=HANG, check=False
            )
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
