"""Wheel and sdist: all that the program needs is in them, no secret is, and they install elsewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from mjwatch import __version__
from tests.helpers.timeouts import deadline
from tests.scenarios.container_base import make_wheels
from tests.scenarios.required_programs import package_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
HANG = deadline(150.0)

SOURCES = ("mjwatch", "tests", "docs", "systemd", "container", "keys", "bench")
SECRET = "an-invented-token-that-must-not-travel"


class Built(NamedTuple):
    """What was built."""

    sdist: Path
    wheel: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """An sdist of a copy of this source, with a key in it, and the wheel that is made of that sdist."""
    folder = tmp_path_factory.mktemp("built")
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        shutil.copytree(
            ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    for file in ROOT.iterdir():
        if file.is_file():
            shutil.copy(file, source)
    (source / "keys" / "authToken.key").write_text(SECRET)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(source))
    return Built(next(folder.glob("*.tar.gz")), next(folder.glob("*.whl")))


def run(*command: str, cwd: Path | None = None, environ: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
        cwd=cwd,
        env=os.environ | (environ or {}),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files_below(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield str(path.relative_to(ROOT))


def test_the_wheel_has_the_whole_package_and_nothing_else(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    beside = {name for name in names if name.startswith(f"mjwatch-{__version__}.data/")}
    assert beside == {f"mjwatch-{__version__}.data/data/share/man/man1/mjwatch.1"}
    assert names - beside == set(files_below(ROOT / "mjwatch"))
    assert {
        "mjwatch/py.typed",
        "mjwatch/outbox/manifest.schema.json",
        "mjwatch/systemd/mjwatch.service",
    } <= names


def test_the_sdist_has_what_a_clone_has_and_no_key(built: Built) -> None:
    with tarfile.open(built.sdist) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    for wanted in ("Makefile", "README.md", "LICENSE", "config.example.toml", "pyproject.toml"):
        assert wanted in names
    for folder in SOURCES:
        if folder not in {"keys", "bench"}:
            assert set(files_below(ROOT / folder)) <= names
    assert {name for name in names if name.startswith("keys/")} == {"keys/README.md"}


def test_ci_installs_every_program_that_a_test_needs() -> None:
    sources = [path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py")]
    named = {name for text in sources for name in re.findall(r'\bprogram\("([\w-]+)"\)', text)}
    essential = {"bash", "cp", "mv", "sh"}  # every Debian has them
    packages = {package_of(name) for name in named - essential}
    assert {"podman", "rsync", "syncthing"} < packages
    assert packages <= set(re.findall(r"[\w-]+", (ROOT / ".ci" / "run").read_text("utf-8")))


# ---- where nothing else is


def works(scripts: Path, empty: Path) -> None:
    """The program, from a folder that has nothing of it."""
    assert run(str(scripts / "mjwatch"), "--version", cwd=empty) == f"mjwatch {__version__}\n"
    config = empty / "config.toml"
    config.touch()
    unit = run(str(scripts / "mjwatch"), "--config", str(config), "service", "print", "--user", cwd=empty)
    assert f"--config {config} run" in unit
    run(str(scripts / "mjwatch"), "--config", str(config), "status", cwd=empty)


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables with which pip takes the libraries of the tests; an index would take most of the time."""
    wheels = tmp_path_factory.mktemp("offline") / "wheels"
    make_wheels(wheels, "")
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}


@pytest.mark.real
def test_the_wheel_works_where_only_its_dependencies_are(
    built: Built, offline: dict[str, str], tmp_path: Path
) -> None:
    venv.create(tmp_path / "venv")
    scripts = tmp_path / "venv" / "bin"
    pip = (sys.executable, "-m", "pip", "--python", str(scripts / "python"))
    run(*pip, "install", "--quiet", "--no-compile", str(built.wheel), environ=offline)
    empty = tmp_path / "empty"
    empty.mkdir()
    works(scripts, empty)
    assert run(str(scripts / "python"), "-m", "mjwatch", "--version", cwd=empty) == f"mjwatch {__version__}\n"
    run(*pip, "check")
    run(str(scripts / "python"), "-c", "import mjwatch; [getattr(mjwatch, name) for name in mjwatch.__all__]")


@pytest.mark.real
@pytest.mark.start_early
def test_the_sdist_works_by_pipx(built: Built, offline: dict[str, str], tmp_path: Path) -> None:
    homes = {name: str(tmp_path / name) for name in ("PIPX_HOME", "PIPX_BIN_DIR", "PIPX_MAN_DIR")}
    pipx = (sys.executable, "-m", "pipx", "install", "--python", sys.executable, "--pip-args=--no-compile")
    run(*pipx, str(built.sdist), environ=offline | homes)
    empty = tmp_path / "empty"
    empty.mkdir()
    works(tmp_path / "PIPX_BIN_DIR", empty)
