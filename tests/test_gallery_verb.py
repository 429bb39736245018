"""``mjwatch gallery``: it says where the page is, makes what is missing, and opens it."""

from __future__ import annotations

import json
import sys
import webbrowser
from typing import TYPE_CHECKING, NamedTuple

import pytest

from mjwatch import __main__
from mjwatch.host.lock import daemon_lock
from tests.outboxes import an_outbox
from tests.test_gallery import entries
from tests.unprivileged import unprivileged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Told(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def gallery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Told]:
    """Run the verb in a workspace without an outbox."""
    (tmp_path / "config.toml").write_text("")

    def run(*arguments: str, folder: Path = tmp_path) -> Told:
        command = ["mjwatch", "--config", str(folder / "config.toml"), "gallery", *arguments]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as ended:
            __main__.main()
        out, err = capsys.readouterr()
        return Told(int(ended.value.code or 0), out, err)

    return run


def test_it_makes_the_gallery_where_no_daemon_does(gallery: Callable[..., Told], tmp_path: Path) -> None:
    folders = an_outbox(tmp_path / "outbox", 60)
    told = gallery()
    assert told == (
        0,
        f"{tmp_path}/outbox/index.html\n",
        "adding 60 jobs to the gallery; this takes a while\n",
    )
    assert sorted(entries(tmp_path / "outbox")) == sorted(folders)
    assert json.loads(gallery("--json").out) == {
        "page": f"{tmp_path}/outbox/index.html",
        "address": (tmp_path / "outbox/index.html").as_uri(),
        "added": 0,
    }


def test_a_rebuild_reads_all_folders_anew(gallery: Callable[..., Told], tmp_path: Path) -> None:
    an_outbox(tmp_path / "outbox", 3)
    gallery()
    before = entries(tmp_path / "outbox")
    assert json.loads(gallery("--rebuild", "--json").out)["added"] == 3
    assert entries(tmp_path / "outbox") == before


def test_what_a_daemon_keeps_is_left_to_it_but_for_a_rebuild(
    gallery: Callable[..., Told], tmp_path: Path
) -> None:
    an_outbox(tmp_path / "outbox", 1)
    gallery()
    an_outbox(tmp_path / "outbox" / "more", 2)
    with daemon_lock(tmp_path / "state"):
        assert json.loads(gallery("--json").out)["added"] == 0
        assert json.loads(gallery("--rebuild", "--json").out)["added"] == 3


def test_it_opens_in_a_browser(
    gallery: Callable[..., Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    (tmp_path / "outbox").mkdir()

    def open_it(address: str) -> bool:
        opened.append(address)
        return True

    monkeypatch.setattr(webbrowser, "open", open_it)
    assert gallery("--open").code == 0
    assert opened == [(tmp_path / "outbox/index.html").as_uri()]


def test_where_no_browser_starts_it_says_what_to_open(
    gallery: Callable[..., Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outbox").mkdir()
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    told = gallery("--open")
    assert told.code == 1
    assert f"open it by hand: {(tmp_path / 'outbox/index.html').as_uri()}" in told.err


def test_without_an_outbox_it_says_what_makes_one(gallery: Callable[..., Told]) -> None:
    told = gallery()
    assert told.code == 1
    assert "`mjwatch run` makes it" in told.err


def test_without_rights_it_says_what_is_missing(gallery: Callable[..., Told]) -> None:
    with unprivileged() as folder:
        (folder / "config.toml").write_text("")
        (folder / "state").mkdir()
        an_outbox(folder / "outbox", 1)
        (folder / "outbox").chmod(0o500)
        told = gallery(folder=folder)
        (folder / "outbox").chmod(0o755)
    assert told.code == 1
    assert "the gallery can't be written: Permission denied" in told.err
