from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.inbox.settling import EMPTY_PATIENCE, Settling

if TYPE_CHECKING:
    from mjwatch.model import Identity

SETTLE, INCOMPLETE = 2.0, 10.0
NOW = 1_700_000_000_000_000_000
STEP = 0.25


@dataclass(frozen=True)
class Look:
    """A file as a scan sees it. ``whole``: its content looks finished."""

    inode: int = 1
    size: int = 40
    mtime: int = NOW
    ctime: int = NOW
    whole: bool = True

    @property
    def identity(self) -> Identity:
        return (1, self.inode, self.size, self.mtime, self.ctime)


Film = dict[float, Look | None]
"""What lies at a path from which second on; None: nothing."""


def play(film: Film, path: str = "cat.txt", until: float = 100.0) -> list[tuple[float, Look]]:
    """Scan every quarter of a second, as the inbox does; return when which version of the file was taken."""
    settling, taken, last_taken = Settling(SETTLE, INCOMPLETE), [], None
    for tick in range(int(until / STEP)):
        now = tick * STEP
        look = film[max(time for time in film if time <= now)]
        if look is not None and look.identity != last_taken:
            settling.observe(path, look.identity, now)
        settling.keep_only({path} if look is not None else {})
        for found, identity in settling.due(now):
            assert look is not None
            assert (found, identity) == (path, look.identity)
            if look.whole or not settling.extend_wait(path):
                settling.forget(path)
                taken.append((now, look))
                last_taken = identity
    return taken


START = Look(size=0)
HALF = Look(size=20, ctime=NOW + 1, mtime=NOW + 1, whole=False)
WHOLE = Look(size=40, ctime=NOW + 2, mtime=NOW + 2)
ATTRIB = replace(WHOLE, ctime=NOW + 3)
OTHER = Look(inode=2, ctime=NOW + 5)
SENDERS_TIME = replace(OTHER, mtime=NOW - 10**18)
CUT = Look(inode=2, size=20, mtime=0, whole=False)


@pytest.mark.parametrize(
    ("film", "taken"),
    [
        pytest.param({0: None, 1: START, 1.25: WHOLE}, [(3.25, WHOLE)], id="echo, cp, scp: written in place"),
        pytest.param(
            {0: None, 1: HALF, 4: WHOLE}, [(6.0, WHOLE)], id="two echoes with a pause: the first is no prompt"
        ),
        pytest.param({0: None, 1: START, 9: WHOLE}, [(11.0, WHOLE)], id="touch, then written later"),
        pytest.param({0: None, 1: START, 2: WHOLE, 3: ATTRIB}, [(5.0, ATTRIB)], id="cp -a: attributes last"),
        pytest.param({0: None, 1: OTHER}, [(3.0, OTHER)], id="mv, ln, rename of a temporary file, O_TMPFILE"),
        pytest.param(
            {0: None, 1: SENDERS_TIME}, [(3.0, SENDERS_TIME)], id="rsync -t: the sender's old mtime"
        ),
        pytest.param(
            {0: WHOLE, 1: replace(WHOLE, ctime=NOW + 9)},
            [(3.0, replace(WHOLE, ctime=NOW + 9))],
            id="same size and mtime, but the ctime tells",
        ),
        pytest.param({0: WHOLE, 1: OTHER}, [(3.0, OTHER)], id="vim, sed -i: renamed over the old one"),
        pytest.param(
            {0: WHOLE, 1: None, 1.5: OTHER}, [(3.5, OTHER)], id="syncthing's update: gone for a moment"
        ),
        pytest.param(
            {0: None, 1: OTHER, 1.25: replace(OTHER, ctime=NOW + 6)},
            [(3.25, replace(OTHER, ctime=NOW + 6))],
            id="syncthing: the time is set after the rename",
        ),
        pytest.param(
            {0: None, 1: CUT, 20: WHOLE}, [(22.0, WHOLE)], id="rsync --partial: 1970 until it is resumed"
        ),
        pytest.param({0: None, 1: CUT}, [(61.0, CUT)], id="1970 and never resumed: taken as it is"),
        pytest.param({0: None, 1: HALF}, [(11.0, HALF)], id="scp killed: unfinished text, taken as it is"),
        pytest.param({0: None, 1: HALF, 9: WHOLE}, [(11.0, WHOLE)], id="sftp cut and resumed: one prompt"),
        pytest.param({0: None, 1: START}, [(61.0, START)], id="empty for good: handed over after a minute"),
        pytest.param({0: WHOLE, 1.5: None}, [], id="gone before it was complete"),
        pytest.param(
            {0: WHOLE, 5: OTHER}, [(2.0, WHOLE), (7.0, OTHER)], id="written again after it was taken"
        ),
        pytest.param({0: WHOLE, 50: WHOLE}, [(2.0, WHOLE)], id="taken once, however long it lies there"),
    ],
)
def test_a_file_is_taken_when_it_is_complete(film: Film, taken: list[tuple[float, Look]]) -> None:
    assert play(film) == taken


@pytest.mark.parametrize("look", [WHOLE, HALF], ids=["whole", "without a final newline"])
def test_a_file_that_says_it_is_ready_is_taken_at_once(look: Look) -> None:
    assert play({0: None, 1: look}, path="new/cat.ready.txt") == [(1.0, look)]


@pytest.mark.parametrize("look", [START, CUT], ids=["empty", "1970"])
def test_a_ready_file_that_can_not_be_whole_waits_all_the_same(look: Look) -> None:
    assert play({0: look}, path="cat.ready.txt") == [(INCOMPLETE * EMPTY_PATIENCE, look)]


looks = st.builds(
    Look,
    inode=st.integers(1, 3),
    size=st.integers(0, 50),
    mtime=st.integers(0, 5).map(lambda second: second * 10**9),
    ctime=st.integers(0, 10**6),
    whole=st.booleans(),
)


@given(changes=st.lists(st.tuples(st.integers(1, 7), looks), min_size=1, max_size=40))
def test_a_file_that_keeps_changing_is_never_taken(changes: list[tuple[int, Look]]) -> None:
    film: Film = {0: None}
    now = 0.0
    for number, (steps, look) in enumerate(changes):
        now += steps * STEP  # less than the settle time
        film[now] = replace(look, ctime=look.ctime + number * 10**7)
    assert play(film, until=now + SETTLE) == []


@given(
    before=st.dictionaries(st.integers(0, 400).map(lambda n: n * STEP), st.none() | looks, max_size=20),
    last=looks,
)
def test_a_file_that_is_left_alone_is_taken_exactly_once(before: Film, last: Look) -> None:
    last = replace(last, ctime=10**8)  # as it never was before
    taken = play({0: None, **before, 101.0: last}, until=101 + INCOMPLETE * EMPTY_PATIENCE + 2)
    assert [look for _, look in taken].count(last) == 1
    assert taken[-1][1] == last


def test_a_change_during_the_reading_begins_the_wait_again() -> None:
    settling = Settling(SETTLE, INCOMPLETE)
    settling.observe("cat.txt", WHOLE.identity, 0.0)
    settling.restart("cat.txt", 2.0)
    assert settling.status(0.0).next_due == 4.0


def test_a_ready_file_that_changed_while_it_was_read_is_read_again_soon_but_not_in_a_busy_loop() -> None:
    settling = Settling(SETTLE, INCOMPLETE)
    settling.observe("cat.ready.txt", WHOLE.identity, 1.0)
    assert settling.due(1.0)
    settling.restart("cat.ready.txt", 1.0)
    due = settling.status(0.0).next_due
    assert due is not None
    assert 1.0 < due < 1.5


def test_an_unreadable_file_is_reported_once_tried_seldom_and_not_waited_for() -> None:
    settling = Settling(SETTLE, INCOMPLETE)
    settling.observe("cat.txt", WHOLE.identity, 0.0)
    settling.mark_unreadable("cat.txt", "no right to it", 2.0)
    settling.mark_unreadable("cat.txt", "no right to it", 62.0)
    assert settling.status(62.0).stalled == [("cat.txt", "no right to it")]
    assert settling.due(121.0) == []
    assert settling.due(122.0) == [("cat.txt", WHOLE.identity)]
    assert settling.status(0.0).waiting == 0


def test_an_unreadable_file_is_tried_again_as_soon_as_it_looks_different() -> None:
    settling = Settling(SETTLE, INCOMPLETE)
    settling.observe("cat.txt", WHOLE.identity, 0.0)
    settling.mark_unreadable("cat.txt", "no right to it", 2.0)
    settling.observe("cat.txt", ATTRIB.identity, 5.0)
    assert settling.due(7.0) == [("cat.txt", ATTRIB.identity)]
    assert settling.status(0.0).waiting == 1


def test_what_is_gone_is_forgotten() -> None:
    settling = Settling(SETTLE, INCOMPLETE)
    settling.observe("cat.txt", WHOLE.identity, 0.0)
    settling.observe("dog.txt", OTHER.identity, 1.0)
    settling.keep_only({"dog.txt"})
    assert settling.status(0.0).waiting == 1
    assert settling.status(0.0).next_due == 3.0


def test_nothing_to_watch_over_is_due_never() -> None:
    assert Settling(SETTLE, INCOMPLETE).status(0.0).next_due is None
