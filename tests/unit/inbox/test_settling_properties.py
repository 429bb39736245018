"""What programs do to a file in the inbox, notice by notice as inotify shows it, played through settling.

Each row has one program's doings as they were seen on Linux. CR create, OP open, MO modify, AT attributes, CW
closed after writing, CN after reading, MF and MT moved from and to, LN a name for a file that is there,
DE delete; +2 is a pause in seconds. They are the prompt file's, or another's whose letter stands before.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from mjwatch.inbox.filenames import is_request_name
from mjwatch.inbox.settling import EMPTY_PATIENCE, Settling

if TYPE_CHECKING:
    from mjwatch.model import Identity

SETTLE, INCOMPLETE = 2.0, 10.0
MOMENT = 0.01
"""Seconds between two notices."""

TICK = 0.25
NAME = "cat.txt"
SENDERS_TIME = 1_577_836_800_000_000_000


@dataclass(frozen=True)
class File:
    """``version`` counts what was written into it; ``whole``: it ends as text does."""

    inode: int
    version: int = 0
    mtime: int = 0
    ctime: int = 0
    whole: bool = False

    @property
    def identity(self) -> Identity:
        return (1, self.inode, 20 * self.version, self.mtime, self.ctime)


@dataclass
class Folder:
    """A folder, and a clock that stamps its files."""

    files: dict[str, File] = field(default_factory=dict)
    seconds: float = 0.0
    inodes: int = 0
    versions: int = 0
    moving: File | None = None

    @property
    def stamp(self) -> int:
        return int((1_800_000_000 + self.seconds) * 1e9)

    def make(self) -> File:
        self.inodes += 1
        return File(self.inodes, mtime=self.stamp, ctime=self.stamp)

    def written(self, file: File, whole: bool = True) -> File:
        self.versions += 1
        return replace(file, version=self.versions, mtime=self.stamp, ctime=self.stamp, whole=whole)

    def do(self, code: str, name: str) -> None:
        match code:
            case "CR":
                self.files[name] = self.make()
            case "MO":
                self.files[name] = self.written(self.files[name])
            case "HALF":  # MO that leaves it cut off
                self.files[name] = self.written(self.files[name], whole=False)
            case "CUT":  # MO that empties it
                self.files[name] = replace(self.files[name], version=0, ctime=self.stamp, whole=False)
            case "AT":
                self.files[name] = replace(self.files[name], ctime=self.stamp)
            case "TIME":  # AT that sets the sender's time
                self.files[name] = replace(self.files[name], mtime=SENDERS_TIME, ctime=self.stamp)
            case "OLD":  # AT that rsync leaves on what it has only in part
                self.files[name] = replace(self.files[name], mtime=0, ctime=self.stamp)
            case "MF":
                self.moving = self.files.pop(name)
            case "MT" | "LN":
                moved = self.moving or self.written(self.make())
                self.files[name] = replace(moved, ctime=self.stamp)
                self.moving = None
            case "DE":
                del self.files[name]
            case _:
                assert code in {"OP", "CW", "CN"}, code


def play(script: str, until: float = 100.0) -> list[tuple[float, File]]:
    """Return what is taken, and how long after the file's last change."""
    folder, settling = Folder(), Settling(SETTLE, INCOMPLETE)
    taken: list[tuple[float, File]] = []
    last_taken: dict[str, Identity] = {}
    waiting = script.split()
    next_notice, last, now = 0.0, 0.0, 0.0
    while now < until:
        while waiting and now >= next_notice:
            word = waiting.pop(0)
            if word.startswith("+"):
                next_notice += float(word)
                continue
            letter, colon, code = word.rpartition(":")
            folder.seconds, before = next_notice, folder.files.get(NAME)
            folder.do(code, NAMES[letter] if colon else NAME)
            if folder.files.get(NAME) != before:
                last = next_notice
            next_notice += MOMENT
        scan(folder, settling, last_taken, now)
        for name, identity in settling.due(now):
            file = folder.files[name]
            assert file.identity == identity
            if file.whole or not settling.extend_wait(name):
                settling.forget(name)
                last_taken[name] = identity
                taken.append((now - last, file))
        now += TICK
    assert not waiting
    return taken


def scan(folder: Folder, settling: Settling, last_taken: dict[str, Identity], now: float) -> None:
    present = {name: file for name, file in folder.files.items() if is_request_name(name)}
    settling.keep_only(present)
    for name, file in present.items():
        if last_taken.get(name) != file.identity:
            settling.observe(name, file.identity, now)


NAMES = {
    "T": "T",
    "S": ".cat.txt.swp",
    "B": "cat.txt~",
    "4": "4913",
    "R": ".cat.txt.a1B2c3",
    "D": ".~tmp~cat.txt",
    "P": "cat.txt.filepart",
    "U": ".unison.cat.txt.0f3a.unison.tmp",
    "Y": ".syncthing.cat.txt.tmp",
    "#": "#1234567",
}
"""Other names than the prompt file's, by the letter that stands for them."""

EXISTING = "MT +1"
"""The file was there before, for less than it takes to settle."""

WHOLE = [
    ("echo > N", "CR OP MO CW"),
    ("(echo a; sleep; echo b) > N", "CR OP MO +1.5 MO CW"),
    ("echo >> N; echo >> N", "CR OP MO CW +1.5 OP MO CW"),
    ("touch N, written later", "CR OP AT CW +20 OP MO CW"),
    ("cp", "CR OP MO CW"),
    ("cp -a", "CR OP MO AT TIME CW"),
    ("mv on the same file system", "MT"),
    ("mv from another file system", "CR OP MO TIME CW"),
    ("ln", "LN"),
    ("write T, mv T N", "T:CR T:OP T:MO T:CW T:MF MT"),
    ("O_TMPFILE, then a name", "#:CR #:OP #:MO #:CW #:MF LN"),
    ("written by a memory map after the close", "CR OP MO CW +1.5 MO"),
    ("sed -i, perl -i", f"{EXISTING} T:CR T:OP T:AT T:MO T:CW T:MF MT"),
    ("vim, a new file", "S:CR S:MO +1 CR OP MO MO CW S:DE"),
    (
        "vim, an existing file",
        f"{EXISTING} S:CR OP AT CW 4:CR 4:AT 4:CW 4:DE MF B:MT CR OP MO AT CW AT B:DE S:DE",
    ),
    ("vim in /tmp", f"{EXISTING} S:CR OP MO AT CW S:DE"),
    ("vim with backupcopy=yes", f"{EXISTING} B:CR B:CW OP CUT MO AT CW B:DE"),
    ("rsync, new", "R:CR R:OP R:AT R:MO R:CW R:TIME R:OP R:AT R:CN R:MF MT"),
    ("rsync, an update", f"{EXISTING} OP R:CR R:OP R:AT R:MO R:CW CN R:TIME R:MF MT"),
    ("rsync --inplace, --append", "CR OP MO MO CW TIME OP AT CN"),
    ("rsync --delay-updates", "D:CR D:OP D:MO D:CW +5 D:MF MT"),
    ("rsync --temp-dir on the same file system", "MT"),
    ("rsync --partial, cut and resumed", "R:CR R:HALF R:CW R:OLD R:MF MT +30 R:CR R:MO R:CW R:TIME R:MF MT"),
    ("rsync, killed and sent again", "R:CR +30 D:CR D:MO D:CW D:MF MT"),
    ("rsync --inplace, cut and resumed", "CR OP HALF CW +8 OP MO CW TIME"),
    ("scp, new; scp -O", "CR OP MO CW"),
    ("scp over an existing file", f"{EXISTING} OP CUT MO CW"),
    ("sftp put, renamed from .filepart", "P:CR P:OP P:MO P:CW +1 P:MF MT"),
    ("scp, killed and sent again", "CR OP HALF CW +8 OP CUT MO CW"),
    ("rclone copy", "CR OP MO CW TIME"),
    ("unison", "U:CR U:OP U:MO U:CW U:TIME U:OP U:CN U:MF MT"),
    ("Syncthing, new", "Y:CR Y:OP Y:MO Y:MO Y:CW Y:AT Y:MF MT TIME"),
    ("Syncthing, an update", f"{EXISTING} Y:CR Y:OP Y:MO Y:CW DE +0.5 Y:MF MT TIME"),
    ("Syncthing, a rename", "T:CR T:MO +1 T:MF Y:MT Y:AT +0.5 Y:MF MT AT"),
    ("Syncthing reads what is there", "MT OP CN OP CN OP CN"),
    ("an SMB server, and scanners that open it", "CR OP CW OP MO CW +1 OP MO CW +1 OP CN +1 OP CW"),
]


def versions(script: str) -> int:
    """How often something was written, or came with content; the last one must be what is taken."""
    codes = [word.rpartition(":")[2] for word in script.split()]
    arrived = sum(code in {"MT", "LN"} for code in codes) - codes.count("MF")
    return codes.count("MO") + codes.count("HALF") + arrived


@pytest.mark.parametrize(("program", "script"), WHOLE, ids=[program for program, _ in WHOLE])
def test_a_file_is_taken_once_and_whole_however_it_is_written(program: str, script: str) -> None:
    [(after, file)] = play(script)
    assert file.whole
    assert file.version == versions(script)
    assert SETTLE <= after < SETTLE + 4 * TICK


CUT = [
    ("touch N, and nothing more", "CR OP AT CW", INCOMPLETE * EMPTY_PATIENCE),
    ("a browser's empty file under the final name", "CR CW", INCOMPLETE * EMPTY_PATIENCE),
    ("rsync --partial, cut for good", "R:CR R:HALF R:CW R:OLD R:MF MT", INCOMPLETE * EMPTY_PATIENCE),
    ("rsync --inplace, cut for good", "CR OP HALF CW", INCOMPLETE),
    ("scp, killed for good", "CR OP HALF CW", INCOMPLETE),
]


@pytest.mark.parametrize(("program", "script", "wait"), CUT, ids=[program for program, *_ in CUT])
def test_what_is_cut_off_for_good_is_taken_as_it_is_after_the_longer_wait(
    program: str, script: str, wait: float
) -> None:
    [(after, file)] = play(script)
    assert not file.whole
    assert wait - TICK <= after <= wait + 4 * TICK


NOTHING = [
    ("rsync, killed: an empty temporary file stays", "R:CR"),
    ("rsync, interrupted: nothing stays", "R:CR R:HALF R:DE"),
    ("O_TMPFILE that never gets a name", "#:CR #:MO #:CW"),
    ("vim's own files", "S:CR S:MO 4:CR 4:DE B:CR B:MO"),
    ("gone before it was complete", "CR OP MO CW +1 DE"),
]


@pytest.mark.parametrize(("program", "script"), NOTHING, ids=[program for program, _ in NOTHING])
def test_of_what_is_no_prompt_file_nothing_is_taken(program: str, script: str) -> None:
    assert play(script) == []


def test_a_change_after_it_was_taken_is_another_file() -> None:
    first, second = play("CR OP MO CW +10 OP MO CW")
    assert (first[1].version, second[1].version) == (1, 2)


def test_on_a_network_file_system_two_scans_ten_seconds_apart_must_agree() -> None:
    """Changes by other machines cause no event: the file is there, or looks different, at the next scan."""
    settling = Settling(SETTLE, INCOMPLETE)
    settling.set_least_quiet(10.0)
    early, late = (1, 1, 20, SENDERS_TIME, 1), (1, 1, 40, SENDERS_TIME, 2)
    settling.observe(NAME, early, 0.0)
    assert settling.due(9.9) == []
    settling.observe(NAME, late, 15.0)
    assert settling.due(24.5) == []
    assert settling.due(25.0) == [(NAME, late)]
    settling.observe("dog.ready.txt", early, 30.0)
    assert ("dog.ready.txt", early) in settling.due(30.0)
