"""How ``make docs`` builds these pages as a web site, with Sphinx."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import mmdr
from sphinx.util import logging

if TYPE_CHECKING:
    from sphinx.application import Sphinx

log = logging.getLogger(__name__)

ROOT = Path(__file__).parents[1]
_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
SOURCE = _PROJECT["urls"]["Source"]

project = _PROJECT["name"]
author = copyright = _PROJECT["authors"][0]["name"]
html_title = project
html_theme = "furo"
html_copy_source = False
html_show_sphinx = False

extensions = ["myst_parser"]
myst_heading_anchors = 3  # the anchors that GitHub gives to headings: a link works there and here
exclude_patterns = ["pictures"]
nitpicky = True


def setup(app: Sphinx) -> None:
    """Adapt pages that are written to be read in the repository too."""
    app.connect("source-read", _adapt)


def _adapt(app: Sphinx, page: str, source: list[str]) -> None:
    source[0] = re.sub(r"(?<=\]\()\.\.?/[^)\s]+(?=\))", lambda link: _outside(page, link[0]), source[0])
    source[0] = source[0].replace("\n```expanded\n", "\n```text\n")
    source[0] = re.sub(r"^```mermaid\n(.*?)^```$", _drawn, source[0], flags=re.MULTILINE | re.DOTALL)
    if page == "index":
        source[0] += _navigation(source[0])


def _outside(page: str, link: str) -> str:
    """A link that leaves ``docs/`` leads to the repository."""
    target = os.path.normpath(Path("docs", page).parent / link)
    if target.startswith("docs/"):
        return link
    if not (ROOT / target).exists():
        log.warning("there is no %s", link, location=page)
    return f"{SOURCE}/blob/main/{target}"


def _drawn(diagram: re.Match[str]) -> str:
    """A diagram as a picture within the page: a browser would have to load a script to draw it."""
    svg = mmdr.render(diagram[1]).svg()
    return f'```{{raw}} html\n<div style="background: white; overflow: auto">{svg}</div>\n```'


def _navigation(index: str) -> str:
    """The sections of the first page, and the pages that they name, for the side bar."""
    trees = []
    for section in index.split("\n## ")[1:]:
        pages = re.findall(r"\]\(([\w/-]+)\.md\)", section)
        trees.append(
            "\n".join(["```{toctree}", ":hidden:", f":caption: {section.splitlines()[0]}", *pages, "```"])
        )
    return "\n\n" + "\n\n".join(trees) + "\n"
