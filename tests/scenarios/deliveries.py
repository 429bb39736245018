"""Methods to deliver prompt files into an inbox, each with the real program.

Each method delivers the files of a source folder to a folder in the inbox, under the same names.
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
"""Bytes of a comment that makes a file long enough to be interrupted; 64 KiB would be too large."""

TRIES = 8
"""rsync writes in steps of 32 KiB, so an interruption too early or too late leaves no partial file."""

SETTLE, SETTLE_INCOMPLETE = 2.0, 120.0
"""Seconds without a change after which a file is taken. What is interrupted is not taken until the resume."""


@dataclass(frozen=True)
class DeliveryMethod:
    """How files are delivered, and with which programs. ``long``: files are long enough to be interrupted."""

    deliver: Callable[[Path, Path], None]
    programs: tuple[str, ...]
    long: bool = False


def make_source(folder: Path, method: str) -> dict[str, str]:
    """Write the files to deliver, and return their prompts by name."""
    folder.mkdir(parents=True)
    prompts = {
        f"p{number}.txt": f"a picture that came by {method}, number {number}" for number in range(FILES)
    }
    for name, prompt in prompts.items():
        padding = f"# {'.' * PADDING}\n" if METHODS[method].long else ""
        (folder / name).write_text(f"{padding}{prompt}\n")
    return prompts


def run(*command: str, cwd: Path | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=False, cwd=cwd)
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}: {done.stderr}"


# ---- shell commands


def copy(source: Path, target: Path) -> None:
    run(program("cp"), *map(str, sorted(source.iterdir())), str(target))


def move(source: Path, target: Path) -> None:
    run(program("mv"), *map(str, sorted(source.iterdir())), str(target))


class TooSlowError(Exception):
    """Programs stood still for so long that half of these files could be taken for a whole one."""

    def __init__(self, names: set[str]) -> None:
        super().__init__(f"scripts were too slow for {', '.join(sorted(names))}")
        self.names = names


def echo(source: Path, target: Path) -> None:
    """Write like a script that pauses between two lines: after the first line the file looks complete.

    Raise TooSlowError where a pause was not short.
    """
    slow = set()
    for path in source.iterdir():
        text = path.read_text().rstrip().replace(", ", ",\n", 1)
        first, second = text.splitlines()
        script = 'exec >"$1"; echo "$2"; sleep 0.1; echo "$3"'
        began = time.monotonic()
        run(program("sh"), "-c", script, "sh", str(target / path.name), first, second)
        if time.monotonic() - began > SETTLE * 0.9:
            slow.add(path.name)
    if slow:
        raise TooSlowError(slow)


# ---- vim


def edit_new(source: Path, target: Path) -> None:
    for path in source.iterdir():
        edit(target / path.name, path.read_text().rstrip())


def edit_existing(source: Path, target: Path) -> None:
    """Edit like vim by default: it renames the old file, and writes a new file in its place."""
    assert _inodes(target) == 2
    for path in source.iterdir():
        (target / path.name).write_text("half a prom")
        edit(target / path.name, path.read_text().rstrip())


def edit_in_place(source: Path, target: Path) -> None:
    """Edit with ``backupcopy=yes``: vim copies the old file, and then overwrites it."""
    assert _inodes(target, *IN_PLACE) == 1
    for path in source.iterdir():
        (target / path.name).write_text("half a prom")
        edit(target / path.name, path.read_text().rstrip(), *IN_PLACE)


IN_PLACE = ("-c", "set backupcopy=yes")


def _inodes(folder: Path, *options: str) -> int:
    """Return how many inodes an edited file has in this folder. Its name is one that the inbox ignores."""
    path = folder / "probe.md"
    path.write_text("one\n")
    found = {path.stat().st_ino}
    edit(path, "two", *options)
    found.add(path.stat().st_ino)
    path.unlink()
    return len(found)


def edit(path: Path, text: str, *options: str) -> None:
    """Open the file in vim, type the text, save and quit."""
    keys = path.parent / f".{path.name}.keys"
    keys.write_text(f"ggcG{text}\x1b:wq\r")
    command = [program("vim"), "--clean", "--not-a-term", *options, "-s", str(keys), str(path)]
    # Below the folders of these variables vim behaves differently (its option backupskip).
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


def rsync_interrupted(source: Path, target: Path) -> None:
    """Interrupt the transfer of each file, which leaves it under its name, dated 1970; then resume all."""
    remaining = list(source.iterdir())
    for _ in range(TRIES):
        slowly = (program("rsync"), "-a", "--partial", "--bwlimit=10")
        commands = {path: [*slowly, str(path), f"{target}/"] for path in remaining}
        # Between the first step and the second. No file shows it: rsync writes what it has when it ends.
        interrupt(commands, lambda _, seconds: seconds > 4.5, signal.SIGINT)
        remaining = [path for path in remaining if not is_partial(path, target / path.name)]
        if not remaining:
            break
        for path in remaining:  # a file that is there as a whole is not transferred again
            (target / path.name).unlink(missing_ok=True)
    assert remaining == []
    assert all(int((target / path.name).stat().st_mtime) == 0 for path in source.iterdir())
    run(program("rsync"), "-a", "--partial", f"{source}/", f"{target}/")


# ---- sftp


def sftp_interrupted(source: Path, target: Path) -> None:
    """Interrupt every upload with kill -9; then resume all."""
    paths = list(source.iterdir())
    interrupt_sftp(paths, target, "-l", "8", "-B", "1024")  # a minute for each file
    resume = "\n".join(f"reput {path} {target / path.name}" for path in paths)
    command = [program("sftp"), "-q", "-D", program("sftp-server"), "-b", "-"]
    done = subprocess.run(command, input=resume, capture_output=True, text=True, timeout=HANG, check=False)
    assert done.returncode == 0, done.stderr


def interrupt_sftp(paths: list[Path], target: Path, *options: str) -> None:
    """Leave each of these files partly uploaded."""
    batches = []
    for path in paths:
        batch = path.with_suffix(".batch")
        batch.write_text(f"put {path} {target / path.name}\n")
        batches.append(batch)
    begin = (program("sftp"), "-q", "-D", program("sftp-server"), *options, "-b")
    commands = {path: [*begin, str(batch)] for path, batch in zip(paths, batches, strict=True)}
    interrupt(commands, lambda path, _: _size(target / path.name) > 0, signal.SIGKILL)
    assert all(is_partial(path, target / path.name) for path in paths)
    for batch in batches:
        batch.unlink()


# ---- interrupted transfers


def interrupt(
    commands: dict[Path, list[str]], is_due: Callable[[Path, float], bool], sig: signal.Signals
) -> None:
    """Run the commands for all these files at once, and end each with a signal when it is due.

    ``is_due`` gets the file and the seconds since the start of its command. A busy machine may need longer to
    start all commands than one of them runs.
    """
    uninterrupted: dict[Path, tuple[float, subprocess.Popen[bytes]]] = {}
    interrupted: list[subprocess.Popen[bytes]] = []
    waiting = dict(commands)

    def all_interrupted() -> bool:
        if waiting:
            path, command = waiting.popitem()
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            uninterrupted[path] = time.monotonic(), process
        for path, (began, process) in list(uninterrupted.items()):
            if is_due(path, time.monotonic() - began) or process.poll() is not None:
                process.send_signal(sig)
                interrupted.append(process)
                del uninterrupted[path]
        return not waiting and not uninterrupted

    try:
        wait_until(all_interrupted, "the moment to interrupt each transfer")
    finally:
        for _, process in uninterrupted.values():
            process.kill()
            process.wait(timeout=HANG)
        for process in interrupted:
            process.wait(timeout=HANG)


def _size(path: Path) -> int:
    """Return the size of the file, or 0 if there is none."""
    return path.stat().st_size if path.exists() else 0


def is_partial(whole: Path, found: Path) -> bool:
    """Return whether only a part of the file was delivered."""
    return found.exists() and 0 < found.stat().st_size < whole.stat().st_size


METHODS: dict[str, DeliveryMethod] = {
    "cp": DeliveryMethod(copy, ("cp",)),
    "mv": DeliveryMethod(move, ("mv",)),
    "echo": DeliveryMethod(echo, ("sh",)),
    "vim-new": DeliveryMethod(edit_new, ("vim",)),
    "vim-existing": DeliveryMethod(edit_existing, ("vim",)),
    "vim-backupcopy-yes": DeliveryMethod(edit_in_place, ("vim",)),
    "rsync": DeliveryMethod(rsync, ("rsync",)),
    "rsync-inplace": DeliveryMethod(rsync_in_place, ("rsync",)),
    "rsync-partial-cut": DeliveryMethod(rsync_interrupted, ("rsync",), long=True),
    "sftp-cut": DeliveryMethod(sftp_interrupted, ("sftp", "sftp-server"), long=True),
}
