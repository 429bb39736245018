"""Podman in a mount namespace of its own, so that it leaves nothing on this machine. Needs root.

The namespace has the cgroups as a current system has them (this machine may still have the older kind beside
them, which crun refuses), and images and containers in memory, where Podman can always use overlay.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.scenarios.container_base import make_base, make_wheels
from tests.scenarios.required_programs import program
from tests.scenarios.stage import HANG

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
CONTAINERFILE = ROOT / "container" / "Containerfile"
COMPOSE = ROOT / "container" / "compose.yaml"
IMAGE = "localhost/mjwatch"

_NAMESPACE = """
mount --make-rprivate / && mount -t cgroup2 cgroup /sys/fs/cgroup && mount -t tmpfs tmpfs /dev/shm &&
mount -t tmpfs tmpfs /run && mkdir /run/storage && echo ready && exec cat
"""
_OPTIONS = ("--root=/run/storage", "--storage-driver=overlay", "--cgroup-manager=cgroupfs", "--runtime=crun")
_RUN_OPTIONS = (
    "--network=host",
    "--cgroups=disabled",
    "--ulimit=nofile=1024:1024",
    "--ulimit=nproc=1000:1000",
)
"""The simulator is on the loopback interface of the host. Where this machine is a container itself, it has no
cgroups to give away, and can't raise the limits to Podman's defaults.
"""


class Engine:
    """Podman in the namespace of the process ``pid``."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def __call__(
        self, *arguments: str, check: bool = True, stdin: bytes | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command of Podman and return its result."""
        enter = [program("nsenter"), f"--target={self._pid}", "--mount"]
        environ = {"PATH": os.environ["PATH"], "TMPDIR": "/run", "DISABLE_HC_SYSTEMD": "true"}
        done = subprocess.run(
            [*enter, program("podman"), *_OPTIONS, *arguments],
            capture_output=True,
            timeout=HANG * 3,
            check=False,
            input=stdin,
            env=environ,
            cwd="/",
        )
        assert not check or done.returncode == 0, f"{arguments}: {(done.stdout + done.stderr).decode()}"
        return done

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """Run a container with these options, image and command."""
        return self("run", *_RUN_OPTIONS, *arguments, check=check)


@contextmanager
def open_engine() -> Iterator[Engine]:
    """Yield Podman without any image; at the end its containers are removed."""
    if os.geteuid() != 0:
        pytest.fail("Podman in a mount namespace needs root", pytrace=False)
    program("podman")
    program("crun")
    program("catatonit")
    command = [program("unshare"), "--mount", program("sh"), "-c", _NAMESPACE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as namespace:
        assert namespace.stdout is not None
        assert namespace.stdout.readline() == b"ready\n"
        engine = Engine(namespace.pid)
        try:
            yield engine
        finally:
            engine("rm", "--all", "--force", "--time=0", check=False)
            namespace.kill()


def build_image(engine: Engine, folder: Path, extras: str) -> None:
    """Build the image from this source, on a base and with wheels that are made in ``folder``."""
    make_base(folder / "base")
    make_wheels(folder / "wheels", extras)
    archive = subprocess.run(
        ["tar", "--directory", str(folder / "base"), "--create", "."],
        stdout=subprocess.PIPE,
        timeout=HANG,
        check=True,
    ).stdout
    engine("import", "--quiet", "-", "localhost/base", stdin=archive)
    arguments = {
        "BASE": "localhost/base",
        "PIP_OPTIONS": "--quiet --no-index --find-links /wheels",
        "EXTRAS": extras,
    }
    engine(
        *("build", "--quiet", "--format=docker", f"--tag={IMAGE}", f"--file={CONTAINERFILE}"),
        *(f"--build-arg={name}={value}" for name, value in arguments.items()),
        *("--isolation=chroot", f"--volume={folder / 'wheels'}:/wheels:ro", str(ROOT)),
    )


def compose_options(folder: Path, user: str) -> list[str]:
    """Return what ``podman run`` gets for the service in compose.yaml, if that file is in ``folder``."""
    document = yaml.safe_load(COMPOSE.read_text())
    service = document["services"]["mjwatch"]
    options = [f"--user={user}"]
    options += [f"--{flag.replace('_', '-')}" for flag in ("init", "read_only") if service[flag]]
    for volume in service["volumes"]:
        source, target, _ = volume.split(":")
        options.append(f"--volume={folder / source}:{target}")
    for name in service["secrets"]:
        options.append(f"--volume={folder / document['secrets'][name]['file']}:/run/secrets/{name}:ro")
    options += [f"--tmpfs={path}" for path in service["tmpfs"]]
    options += [f"--cap-drop={name}" for name in service["cap_drop"]]
    options += [f"--security-opt={name}" for name in service["security_opt"]]
    return [*options, f"--stop-timeout={service['stop_grace_period'].removesuffix('s')}"]
