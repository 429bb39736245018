"""What importing the package loads, and the names that it offers."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import mjwatch
from mjwatch import api, config, errors
from mjwatch.outbox import manifest
from mjwatch.pictures import split
from mjwatch.prompts import promptfile
from tests.helpers.timeouts import deadline

HEAVY = {
    *("requests", "urllib3", "PIL", "watchdog", "websocket", "sqlite3", "typer", "rich", "aiohttp"),
    *("asyncio", "tomli", "ssl", "prompt_toolkit"),
}

HOMES = {
    **{name: getattr(api, name) for name in (*api.__all__,)},
    **{name: thing for name, thing in vars(errors).items() if inspect.isclass(thing)},
    "Config": config.Config,
    "load_manifest": manifest.load_manifest,
    "read_prompt_file": promptfile.read_prompt_file,
    "split_grid": split.split_grid,
}


def _loaded_after(code: str) -> set[str]:
    """The modules that a fresh interpreter has after this code."""
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=deadline(60), check=True
    )
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_else_of_ours_and_nothing_heavy() -> None:
    loaded = _loaded_after("import mjwatch; mjwatch.__version__")
    assert {name for name in loaded if name.startswith("mjwatch")} == {"mjwatch", "mjwatch.version"}
    assert loaded.isdisjoint(HEAVY)


def test_the_command_line_loads_no_library_before_a_verb_needs_it() -> None:
    loaded = _loaded_after("import mjwatch.cli.app")
    assert "typer" in loaded
    assert loaded.isdisjoint(
        {"requests", "PIL", "watchdog", "websocket", "sqlite3", "aiohttp", "prompt_toolkit"}
    )


PICTURES = """
from io import BytesIO
from PIL import Image
from mjwatch.pictures.split import split_grid, thumbnail
for format in ("PNG", "JPEG"):
    grid = BytesIO()
    Image.new("RGB", (64, 64)).save(grid, format)
    thumbnail(split_grid(grid.getvalue(), "webp"))
"""


def test_pictures_load_only_those_parts_of_pillow_that_are_for_their_formats() -> None:
    loaded = _loaded_after(PICTURES)
    assert {"PIL.PngImagePlugin", "PIL.JpegImagePlugin", "PIL.WebPImagePlugin"} <= loaded
    assert loaded.isdisjoint({"PIL.IcoImagePlugin", "PIL.PdfImagePlugin", "PIL.PsdImagePlugin"})


def test_the_service_loads_the_libraries_of_extras_only_where_they_are_configured() -> None:
    loaded = _loaded_after("import mjwatch.daemon")
    assert "mjwatch.host.metrics" in loaded
    assert loaded.isdisjoint({"apprise", "prometheus_client", "aiohttp"})


@pytest.mark.parametrize(
    ("name", "unneeded"),
    [
        ("read_prompt_file", {"requests", "PIL", "watchdog", "websocket", "sqlite3", "typer"}),
        ("load_manifest", {"requests", "PIL", "watchdog", "websocket", "sqlite3", "typer"}),
        ("split_grid", {"requests", "watchdog", "websocket", "sqlite3", "typer"}),
        ("MidjourneyAPI", {"typer", "aiohttp"}),
    ],
)
def test_a_name_loads_only_what_it_needs(name: str, unneeded: set[str]) -> None:
    assert _loaded_after(f"from mjwatch import {name}").isdisjoint(unneeded)


def test_the_lazy_names_are_those_of_their_modules() -> None:
    assert sorted(mjwatch.__all__) == sorted(HOMES)
    for name, thing in HOMES.items():
        assert getattr(mjwatch, name) is thing
        assert name in dir(mjwatch)


def test_a_type_checker_sees_the_same_names() -> None:
    (block,) = [node for node in ast.parse(Path(mjwatch.__file__).read_text()).body if _is_typing(node)]
    seen = [
        alias.name for node in ast.walk(block) if isinstance(node, ast.ImportFrom) for alias in node.names
    ]
    assert sorted(seen) == sorted(mjwatch.__all__)


def _is_typing(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Imagine"):
        getattr(mjwatch, "Imagine")  # noqa: B009 - a type checker would refuse the plain form
