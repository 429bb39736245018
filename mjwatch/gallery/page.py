"""Write the gallery's page from this package's templates: ``index.html``, ``gallery.css``, ``gallery.js``."""

from __future__ import annotations

import logging
import subprocess
import sys
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

from mjwatch.filesystem.files import read_file, replace_file
from mjwatch.filesystem.folder import UnexpectedFileError
from mjwatch.model import ENDED
from mjwatch.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger("mjwatch.gallery")

PAGE = "index.html"
STYLE, SCRIPT = "gallery.css", "gallery.js"

RENDER_TIMEOUT = 60.0
"""Seconds that rendering the page may take."""

_LARGEST_PART = 4 * 1024 * 1024
"""Bytes; no file that the page consists of comes near."""

_PARTS = (
    *("dom", "wording", "kept", "store", "load", "wall", "files", "picks", "panel"),
    *("viewer", "zoom", "gestures", "service", "filters", "choice", "jump", "main"),
)
"""The files of the script, in the order in which they build on each other."""

_STYLES = ("gallery", "finding", "viewer")
"""The files of the style sheet, in their order."""


def install(outbox: Path, folder: str) -> None:
    """Write the page into the outbox and what it loads into its ``folder``, unless this version is there."""
    style, script = _style(), _script()
    stamp = sha256(style + script + _template()).hexdigest()[:12]
    if _is_installed(outbox, folder, stamp):
        return
    replace_file(outbox, f"{folder}/{STYLE}", style)
    replace_file(outbox, f"{folder}/{SCRIPT}", script)
    replace_file(outbox, PAGE, _render_in_subprocess(stamp))  # last: it says that this version is there


def _render_in_subprocess(stamp: str) -> bytes:
    """Return the page, rendered in another process: a daemon would keep the template library in memory."""
    command = [sys.executable, "-m", __name__, __version__, stamp]
    try:
        finished = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=RENDER_TIMEOUT, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        log.debug("mjwatch renders the gallery's page in this process: %s", error)
        return render(__version__, stamp)
    return finished.stdout


def render(version: str, stamp: str) -> bytes:
    """Return the page. ``stamp`` tells its script and style from another version's in a browser's cache."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mjwatch.gallery"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    template = environment.get_template("index.html")
    states = sorted(str(state) for state in ENDED)
    return template.render(version=version, stamp=stamp, states=states).encode()


def _is_installed(outbox: Path, folder: str, stamp: str) -> bool:
    try:
        page = read_file(outbox, PAGE, _LARGEST_PART)
        for name in (STYLE, SCRIPT):
            read_file(outbox, f"{folder}/{name}", _LARGEST_PART)
    except (FileNotFoundError, UnexpectedFileError):
        return False  # writing it says what is in the way
    return f'content="mjwatch {__version__} {stamp}"'.encode() in page


def _template() -> bytes:
    return files("mjwatch.gallery").joinpath("templates", PAGE).read_bytes()


def _style() -> bytes:
    folder = files("mjwatch.gallery").joinpath("static")
    return b"\n".join(folder.joinpath(f"{part}.css").read_bytes() for part in _STYLES)


def _script() -> bytes:
    """Return the parts as one script, in a function of its own so that no name is global."""
    folder = files("mjwatch.gallery").joinpath("static")
    parts = [folder.joinpath(f"{part}.js").read_text("utf-8") for part in _PARTS]
    return ('"use strict";\n(() => {\n' + "\n".join(parts) + "})();\n").encode()


if __name__ == "__main__":
    sys.stdout.buffer.write(render(*sys.argv[1:]))
