"""The gallery's page, from the templates in this package: ``index.html``, ``gallery.css``, ``gallery.js``."""

from __future__ import annotations

import logging
import subprocess
import sys
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

from mjwatch.filesystem.files import durable_folder, durable_replace
from mjwatch.model import ENDED
from mjwatch.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger("mjwatch.gallery")

PAGE = "index.html"
STYLE, SCRIPT = "gallery.css", "gallery.js"

PATIENCE = 60.0
"""Seconds that the page may take to be made."""

_PARTS = ("dom", "words", "store", "load", "wall", "panel", "service", "filters", "main")
"""The files that the script consists of, in the order in which they build on each other."""


def install(outbox: Path, folder: Path) -> None:
    """Write the page into the outbox and what it loads into its folder, unless just these are there."""
    style, script = _style(), _script()
    stamp = sha256(style + script + _template()).hexdigest()[:12]
    if _is_there(outbox, folder, stamp):
        return
    durable_folder(folder)
    durable_replace(folder / STYLE, style)
    durable_replace(folder / SCRIPT, script)
    durable_replace(outbox / PAGE, _rendered_aside(stamp))  # last: it is what says that this version is there


def _rendered_aside(stamp: str) -> bytes:
    """The page, from a process of its own: a daemon would keep the template library in memory for good."""
    command = [sys.executable, "-m", __name__, __version__, stamp]
    try:
        made = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        log.debug("the gallery's page is made in this process: %s", error)
        return render(__version__, stamp)
    return made.stdout


def render(version: str, stamp: str) -> bytes:
    """The page. ``stamp`` tells its script and style from another version's, for browsers that keep them."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mjwatch.gallery"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    template = environment.get_template("index.html")
    states = sorted(str(state) for state in ENDED)
    return template.render(version=version, stamp=stamp, states=states).encode()


def _is_there(outbox: Path, folder: Path, stamp: str) -> bool:
    try:
        page = (outbox / PAGE).read_bytes()
    except FileNotFoundError:
        return False
    version = f'content="mjwatch {__version__} {stamp}"'.encode()
    return version in page and (folder / STYLE).exists() and (folder / SCRIPT).exists()


def _template() -> bytes:
    return files("mjwatch.gallery").joinpath("templates", PAGE).read_bytes()


def _style() -> bytes:
    return files("mjwatch.gallery").joinpath("static", STYLE).read_bytes()


def _script() -> bytes:
    """The parts as one script, whose names don't meet those of anything else."""
    folder = files("mjwatch.gallery").joinpath("static")
    parts = [folder.joinpath(f"{part}.js").read_text("utf-8") for part in _PARTS]
    return ('"use strict";\n(() => {\n' + "\n".join(parts) + "})();\n").encode()


if __name__ == "__main__":
    sys.stdout.buffer.write(render(*sys.argv[1:]))
