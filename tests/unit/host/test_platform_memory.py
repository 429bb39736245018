"""The memory of pictures returns to the system when they are freed, instead of staying in the heaps."""

from __future__ import annotations

import platform
import subprocess
import sys
from typing import Any

import pytest

from mjwatch.host import platform as memory
from tests.helpers.timeouts import deadline

on_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="tests the memory of glibc")

# Frees large blocks, as splitting does, which makes glibc keep later ones in its heap; then allocates one
# large block below a small one that stays, and frees the large one.
SCRIPT = """
import ctypes
from pathlib import Path
from mjwatch.host.platform import return_memory_early

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
if {early}:
    assert return_memory_early()
for size in (1, 4, 8, 16):
    libc.free(libc.malloc(size << 20))
size = 12 << 20
large = libc.malloc(size)
ctypes.memset(large, 1, size)
small = libc.malloc(100_000)
before = resident()
libc.free(large)
print(before - resident())
"""


# Lets paths be made as a service does for years, each with names of its own.
PATHS = """
import sys
from pathlib import Path, PurePosixPath
from mjwatch.host.platform import let_names_of_paths_be_freed

let_names_of_paths_be_freed(%s)
Path("/a/b").parts
before = sys.getallocatedblocks()
for number in range(5000):
    assert PurePosixPath(f"a{number}", f"b{number}.txt").parts == (f"a{number}", f"b{number}.txt")
kept = sys.getallocatedblocks() - before
assert Path.cwd().resolve().is_dir() and list(Path("/").glob("*"))
print(kept)
"""


def _given_back(early: bool) -> int:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(early=early)],
        capture_output=True,
        text=True,
        timeout=deadline(60),
        check=True,
    )
    return int(done.stdout)


@on_glibc
def test_a_large_block_below_a_small_one_is_given_back() -> None:
    assert _given_back(early=True) > 10 << 20


@on_glibc
def test_without_the_setting_a_freed_block_stays_in_the_process() -> None:
    assert _given_back(early=False) < 1 << 20


TABLES = """
import ctypes, resource
from mjwatch.host.platform import return_memory_early

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
assert return_memory_early()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    table = libc.malloc(1 << 20)
    ctypes.memset(table, 1, 1 << 20)
    libc.free(table)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@on_glibc
def test_the_table_that_webp_takes_for_each_picture_is_not_mapped_each_time() -> None:
    faults = subprocess.run(
        [sys.executable, "-c", TABLES], capture_output=True, text=True, timeout=deadline(60), check=True
    )
    pages_of_a_table = 256
    assert int(faults.stdout) < 10 * pages_of_a_table


def test_another_c_library_is_left_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such(name: Any) -> object:
        return object()

    monkeypatch.setattr("ctypes.CDLL", no_such)
    assert memory.return_memory_early() is False
    monkeypatch.setattr(sys, "platform", "darwin")
    assert memory.return_memory_early() is False


@pytest.mark.parametrize("version", ["", "(3, 12)"], ids=["this version", "as on 3.12"])
def test_the_names_of_paths_that_are_gone_are_freed(version: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PATHS % version],
        capture_output=True,
        text=True,
        timeout=deadline(60),
        check=True,
    )
    assert int(done.stdout) < 500
