"""Imported by the fork server: its processes render the gallery's page here, once for all of them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mjwatch.gallery import page
from tests.helpers.gallery_page import render_here

render_here()
with tempfile.TemporaryDirectory() as folder:
    page.install(Path(folder), "_gallery")
