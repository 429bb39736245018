"""Ways in which prompt files come into an inbox, each done by the real program.

Each way takes the files of one folder, the source, to a folder in the inbox, under the same names.
"""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.scenarios.required_programs import program
from tests.scenarios.stage import HANG, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FILES = 20
PADDING = 60_000
"""Bytes of a comment that make a file long enough to be cut in the middle; one of 64 KiB is too large."""

TRIES = 5
"""rsync writes in steps of 32 KiB, so that a cut that comes too soon or too late leaves nothing half."""


@dataclass(frozen=True)
class Way:
    """How files are delivered, by which programs; ``long``: they are long enough to be cut."""

    deliver: Callable[[Path, Path], None]
    programs: tuple[str, ...]
    long: bool = False


def make_source(folder: Path, way: str) -> dict[str, str]:
    """Write the files that are to be delivered; gives their prompts by name."""
    folder.mkdir(parents=True)
    prompts = {f"p{number}.txt": f"a picture that came by {way}, number {number}" for number in range(FILES)}
    for name, prompt in prompts.items():
        padding = f"# {'.' * PADDING}\n" if WAYS[way].long else ""
        (folder / name).write_text(f"{padding}{prompt}\n")
    return prompts


def run(*command: str, cwd: Path | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=False, cwd=cwd)
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}: {done.stderr}"


# ---- by hand


def copy(source: Path, target: Path) -> None:
    run(program("cp"), *map(str, sorted(source.iterdir())), str(target))


def move(source: Path, target: Path) -> None:
    run(program("mv"), *map(str, sorted(source.iterdir())), str(target))


def echo(source: Path, target: Path) -> None:
    """As a script does that thinks between two lines: after the first one the file looks complete."""
    for path in source.iterdir():
        words = path.read_text().rstrip().replace(", ", ",\n", 1)
        first, second = words.splitlines()
        script = 'exec >"$1"; echo "$2"; sleep 0.1; echo "$3"'
        run(program("sh"), "-c", script, "sh", str(target / path.name), first, second)


# ---- vim


def edit_new(source: Path, target: Path) -> None:
    for path in source.iterdir():
        edit(target / path.name, path.read_text().rstrip())


def edit_existing(source: Path, target: Path) -> None:
    """As vim does by default: the old file is renamed, and a new one written in its place."""
    assert _inodes(target) == 2
    for path in source.iterdir():
        (target / path.name).write_text("half a prom")
        edit(target / path.name, path.read_text().rstrip())


def edit_in_place(source: Path, target: Path) -> None:
    """With ``backupcopy=yes``, where the old file is copied, and then written over."""
    assert _inodes(target, *IN_PLACE) == 1
    for path in source.iterdir():
        (target / path.name).write_text("half a prom")
        edit(target / path.name, path.read_text().rstrip(), *IN_PLACE)


IN_PLACE = ("-c", "set backupcopy=yes")


def _inodes(folder: Path, *options: str) -> int:
    """How many inodes a file has that is edited there, of a name that nobody looks at."""
    path = folder / "probe.md"
    path.write_text("one\n")
    found = {path.stat().st_ino}
    edit(path, "two", *options)
    found.add(path.stat().st_ino)
    path.unlink()
    return len(found)


def edit(path: Path, text: str, *options: str) -> None:
    """Open the file in vim, type, save and leave."""
    keys = path.parent / f".{path.name}.keys"
    keys.write_text(f"ggcG{text}\x1b:wq\r")
    command = [program("vim"), "--clean", "--not-a-term", *options, "-s", str(keys), str(path)]
    # Under the folders that these name vim works otherwise (its option backupskip).
    kept = {key: value for key, value in os.environ.items() if key not in {"TMPDIR", "TMP", "TEMP"}}
    with terminal() as tty:
        done = subprocess.run(
            command,
            stdin=tty,
            stdout=subprocess.DEVNULL,
            timeout=HANG,
            check=False,
            env=kept | {"TERM": "dumb"},
        )
    assert done.returncode == 0
    keys.unlink()


@contextmanager
def terminal() -> Iterator[int]:
    master, slave = pty.openpty()
    try:
        yield slave
    finally:
        os.close(slave)
        os.close(master)


# ---- rsync


def rsync(source: Path, target: Path) -> None:
    run(program("rsync"), "-a", f"{source}/", f"{target}/")


def rsync_in_place(source: Path, target: Path) -> None:
    run(program("rsync"), "-a", "--inplace", f"{source}/", f"{target}/")


def rsync_cut(source: Path, target: Path) -> None:
    """Every file is cut half-way, which leaves it under its own name, of 1970; then all are resumed."""
    left = list(source.iterdir())
    for _ in range(TRIES):
        cut_short(
            [[program("rsync"), "-a", "--partial", "--bwlimit=10", str(path), f"{target}/"] for path in left],
            after=lambda: time.sleep(4.5),
            number=signal.SIGINT,
        )
        left = [path for path in left if not is_half(path, target / path.name)]
        if not left:
            break
    assert left == []
    assert all(int((target / path.name).stat().st_mtime) == 0 for path in source.iterdir())
    run(program("rsync"), "-a", "--partial", f"{source}/", f"{target}/")


# ---- sftp


def sftp_cut(source: Path, target: Path) -> None:
    """Every upload is cut half-way by kill -9; then all are resumed."""
    paths = list(source.iterdir())
    cut_sftp(paths, target, "-l", "64", "-B", "1024")
    resume = "\n".join(f"reput {path} {target / path.name}" for path in paths)
    command = [program("sftp"), "-q", "-D", program("sftp-server"), "-b", "-"]
    done = subprocess.run(command, input=resume, capture_output=True, text=True, timeout=HANG, check=False)
    assert done.returncode == 0, done.stderr


def cut_sftp(paths: list[Path], target: Path, *options: str) -> None:
    """Leave each of these files half uploaded."""
    batches = []
    for path in paths:
        batch = path.with_suffix(".batch")
        batch.write_text(f"put {path} {target / path.name}\n")
        batches.append(batch)
    begin = [program("sftp"), "-q", "-D", program("sftp-server"), *options, "-b"]
    cut_short(
        [[*begin, str(batch)] for batch in batches],
        after=lambda: wait_until(
            lambda: all(
                (target / path.name).exists() and (target / path.name).stat().st_size for path in paths
            ),
            "the first bytes of every file",
        ),
        number=signal.SIGKILL,
    )
    assert all(is_half(path, target / path.name) for path in paths)
    for batch in batches:
        batch.unlink()


# ---- what is cut


def cut_short(commands: list[list[str]], after: Callable[[], object], number: signal.Signals) -> None:
    """Run all of these at once, and end them by a signal."""
    running = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for command in commands
    ]
    try:
        after()
    finally:
        for process in running:
            process.send_signal(number)
        for process in running:
            process.wait(timeout=HANG)


def is_half(whole: Path, found: Path) -> bool:
    """Whether something of a file was delivered, but not all."""
    return found.exists() and 0 < found.stat().st_size < whole.stat().st_size


WAYS: dict[str, Way] = {
    "cp": Way(copy, ("cp",)),
    "mv": Way(move, ("mv",)),
    "echo": Way(echo, ("sh",)),
    "vim-new": Way(edit_new, ("vim",)),
    "vim-existing": Way(edit_existing, ("vim",)),
    "vim-backupcopy-yes": Way(edit_in_place, ("vim",)),
    "rsync": Way(rsync, ("rsync",)),
    "rsync-inplace": Way(rsync_in_place, ("rsync",)),
    "rsync-partial-cut": Way(rsync_cut, ("rsync",), long=True),
    "sftp-cut": Way(sftp_cut, ("sftp", "sftp-server"), long=True),
}
