"""What is installed or put into an image without a registry or an index: the Python of the tests."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.scenarios.stage import HANG

PROGRAMS = ("sh", "cat", "id", "ls")
"""Programs besides Python: a shell for the build's steps, and what the tests run."""

_SKIPPED = shutil.ignore_patterns(
    *("site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3"),
    *("config-*", "*.opt-?.pyc", "*.a", "_tkinter*", "_curses*", "readline*"),
)
_FOR_WHEELS = (
    "libpthread.so.0",
    "libdl.so.2",
    "librt.so.1",
    "libutil.so.1",
    "libgcc_s.so.1",
    "libstdc++.so.6",
)
"""Libraries that wheels expect of every system (PEP 599)."""
_LIBRARY = re.compile(r"(?:=> )?(/\S+) \(0x")


def make_base(root: Path) -> None:
    """Create the file system of a slim image with Python, at the paths that it has on this machine."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(stdlib, _inside(root, stdlib), ignore=_SKIPPED)
    pip = Path(str(distribution("pip").locate_file("pip")))
    shutil.copytree(pip, _inside(root, stdlib) / "pip")
    python = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}").resolve()
    extensions = sorted(_inside(root, stdlib).rglob("*.so"))
    programs = [Path(shutil.which(name) or name) for name in PROGRAMS]
    libraries = _libraries([python, *programs, *extensions])
    system = next(path.parent for path in libraries if path.name == "libc.so.6")
    libraries |= {system / name for name in _FOR_WHEELS if (system / name).exists()}
    for path in {python, *programs, *libraries}:
        _inside(root, path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, _inside(root, path))
    for name in ("bin", "tmp", "etc", "usr/local/bin"):
        root.joinpath(name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    for link in ("usr/local/bin/python", "usr/local/bin/python3"):
        (root / link).symlink_to(python)
    if not (root / "bin/sh").exists():
        (root / "bin/sh").symlink_to(programs[0])
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")


def _inside(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def _libraries(programs: list[Path]) -> set[Path]:
    """Return the shared libraries that these need, the dynamic linker included."""
    done = subprocess.run(["ldd", *programs], capture_output=True, text=True, timeout=HANG, check=False)
    return {Path(path) for path in _LIBRARY.findall(done.stdout)}


def make_wheels(folder: Path, extras: str) -> None:
    """Pack what mjwatch with these extras, its build and pipx need into wheels, as it is installed here."""
    folder.mkdir()
    waiting = [Requirement(f"mjwatch[{extras}]"), Requirement("hatchling"), Requirement("pip")]
    seen: set[str] = set()
    while waiting:
        wanted = waiting.pop()
        if str(wanted) in seen:
            continue
        seen.add(str(wanted))
        found = distribution(wanted.name)
        markers = [{"extra": extra} for extra in (wanted.extras or {""})]
        requirements = map(Requirement, found.requires or [])
        waiting += [r for r in requirements if not r.marker or any(map(r.marker.evaluate, markers))]
        if wanted.name != "mjwatch":
            _pack(found, folder)


def _pack(found: Distribution, folder: Path) -> None:
    tags = [line.split("-") for line in re.findall(r"(?m)^Tag: (\S+)", found.read_text("WHEEL") or "")]
    tag = "-".join(".".join(sorted(set(column))) for column in zip(*tags, strict=True))
    name = re.sub(r"[-_.]+", "_", found.name)
    with zipfile.ZipFile(folder / f"{name}-{found.version}-{tag}.whl", "w") as wheel:
        for path in found.files or []:
            if path.parts[0] != ".." and path.suffix != ".pyc":
                wheel.write(str(path.locate()), str(path))
