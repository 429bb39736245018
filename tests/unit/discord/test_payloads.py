import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.discord.payloads import InflateError, Inflater


def compressed(*messages: bytes) -> list[bytes]:
    stream = zlib.compressobj()
    return [stream.compress(message) + stream.flush(zlib.Z_SYNC_FLUSH) for message in messages]


@given(st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=5), st.integers(1, 50))
def test_messages_are_complete_however_they_are_cut(messages: list[bytes], size: int) -> None:
    inflater = Inflater()
    messages_out = []
    for data in compressed(*messages):
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        messages_out.append(b"".join(inflater.feed(piece) or b"" for piece in pieces))
    assert messages_out == messages


def test_all_messages_share_one_stream() -> None:
    first, second = compressed(b"same words", b"same words")
    inflater = Inflater()
    assert inflater.feed(first) == inflater.feed(second) == b"same words"
    with pytest.raises(InflateError):
        Inflater().feed(second)


def test_a_message_that_grows_too_large_is_refused() -> None:
    (bomb,) = compressed(b"\0" * 1_000_000)
    assert len(bomb) < 2000
    with pytest.raises(InflateError, match="too large"):
        Inflater(largest=100_000).feed(bomb)


def test_a_message_that_never_ends_is_refused() -> None:
    inflater = Inflater(largest=1000)
    with pytest.raises(InflateError, match="too large"):
        for _ in range(10):
            inflater.feed(b"x" * 200)
