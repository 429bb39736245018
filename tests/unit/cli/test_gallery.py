"""``mjwatch gallery``: print the page's path, add what is missing, and open the page."""

from __future__ import annotations

import json
import signal
import webbrowser
from typing import TYPE_CHECKING

from mjwatch.gallery.server import GalleryServer
from mjwatch.host.lock import daemon_lock
from tests.helpers.outbox_factory import an_outbox
from tests.unit.gallery.test_gallery import entries

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tests.helpers.command_result import CommandResult


def test_it_makes_the_gallery_where_no_daemon_does(
    mjwatch: Callable[..., CommandResult], tmp_path: Path
) -> None:
    folders = an_outbox(tmp_path / "outbox", 60)
    result = mjwatch("gallery")
    assert result == (
        0,
        f"{tmp_path}/outbox/index.html\n",
        "adding 60 jobs to the gallery; this takes a while\n",
    )
    assert sorted(entries(tmp_path / "outbox")) == sorted(folders)
    assert json.loads(mjwatch("gallery", "--json").out) == {
        "page": f"{tmp_path}/outbox/index.html",
        "address": (tmp_path / "outbox/index.html").as_uri(),
        "added": 0,
    }


def test_a_rebuild_reads_all_folders_again(mjwatch: Callable[..., CommandResult], tmp_path: Path) -> None:
    an_outbox(tmp_path / "outbox", 3)
    mjwatch("gallery")
    before = entries(tmp_path / "outbox")
    assert json.loads(mjwatch("gallery", "--rebuild", "--json").out)["added"] == 3
    assert entries(tmp_path / "outbox") == before


def test_what_a_daemon_keeps_is_left_to_it_but_for_a_rebuild(
    mjwatch: Callable[..., CommandResult], tmp_path: Path
) -> None:
    an_outbox(tmp_path / "outbox", 1)
    mjwatch("gallery")
    an_outbox(tmp_path / "outbox" / "more", 2)
    with daemon_lock(tmp_path / "state"):
        assert json.loads(mjwatch("gallery", "--json").out)["added"] == 0
        assert json.loads(mjwatch("gallery", "--rebuild", "--json").out)["added"] == 3


def test_it_opens_in_a_browser(
    mjwatch: Callable[..., CommandResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def open_it(address: str) -> bool:
        opened.append(address)
        return True

    monkeypatch.setattr(webbrowser, "open", open_it)
    assert mjwatch("gallery", "--open").code == 0
    assert opened == [(tmp_path / "outbox/index.html").as_uri()]


def test_where_no_browser_starts_it_says_what_to_open(
    mjwatch: Callable[..., CommandResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    result = mjwatch("gallery", "--open")
    assert result.code == 1
    assert f"open the page yourself: {(tmp_path / 'outbox/index.html').as_uri()}" in result.err


def test_without_an_outbox_it_says_what_makes_one(
    mjwatch: Callable[..., CommandResult], tmp_path: Path
) -> None:
    (tmp_path / "outbox").rmdir()
    result = mjwatch("gallery")
    assert result.code == 1
    assert "`mjwatch run` creates it" in result.err


def test_without_rights_it_says_what_is_missing(
    mjwatch: Callable[..., CommandResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("mjwatch.gallery.gallery.durable_folder", refuse)
    result = mjwatch("gallery")
    assert result.code == 1
    assert "the gallery can't be written: Permission denied" in result.err


# ---- --serve


def test_it_serves_the_gallery_until_it_is_interrupted(
    mjwatch: Callable[..., CommandResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM and Ctrl-C end it normally; it prints its address and how other machines reach it."""
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    monkeypatch.setattr("mjwatch.cli.show.getuser", lambda: "ann")
    monkeypatch.setattr("mjwatch.cli.show.gethostname", lambda: "studio")
    an_outbox(tmp_path / "outbox", 1)
    for number in (signal.SIGTERM, signal.SIGINT):
        served: list[int] = []

        def serve(server: GalleryServer, number: int = number, served: list[int] = served) -> None:
            served.append(server.port)
            signal.raise_signal(number)
            raise AssertionError("the signal did not end it")

        monkeypatch.setattr(GalleryServer, "serve_forever", serve)
        result = mjwatch("gallery", "--serve", "--port", "0")
        assert result.code == 0
        address = f"http://127.0.0.1:{served[0]}/"
        tunnel = f"ssh -N -L {served[0]}:127.0.0.1:{served[0]} ann@studio"
        assert result.out == (
            f"the gallery is at {address}, for this machine alone, until Ctrl-C\n"
            f"from another machine: {tunnel}, then open {address} there\n"
        )
        facts = json.loads(mjwatch("gallery", "--serve", "--port", "0", "--json").out)
        assert facts["address"] == f"http://127.0.0.1:{served[-1]}/"
        assert facts["ssh"].startswith("ssh -N -L ")


def test_a_port_that_is_taken_or_useless_is_refused(
    mjwatch: Callable[..., CommandResult], tmp_path: Path
) -> None:
    with GalleryServer(tmp_path / "outbox", 0) as other:
        result = mjwatch("gallery", "--serve", "--port", str(other.port))
    assert result.code == 1
    assert f"port {other.port} can't be used: Address already in use - give another by --port" in result.err
    result = mjwatch("gallery", "--port", "8460")
    assert result.code == 2
    assert "--port needs --serve" in result.err
