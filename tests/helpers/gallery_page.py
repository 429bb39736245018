"""Render the gallery's page in this process: another one for it takes more CPU than most tests."""

from __future__ import annotations

from functools import cache

from mjwatch.gallery import page

in_subprocess = page._render_in_subprocess
"""How mjwatch renders the page."""


def render_here() -> None:
    """Have mjwatch render the page in this process from now on."""
    page._render_in_subprocess = lambda stamp: _rendered(vars(page)["__version__"], stamp)


@cache
def _rendered(version: str, stamp: str) -> bytes:
    return page.render(version, stamp)
