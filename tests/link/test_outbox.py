"""What waits while the broker is slow: bounded, the oldest voice goes first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.link.outbox import MAX_VOICE_AGE, Outbox


def contents(outbox, now=0.0):
    found = []
    while (packet := outbox.take(now)) is not None:
        found.append(packet)
    return found


def test_oldest_voice_is_dropped_and_counted():
    outbox = Outbox(limit_bytes=30)
    for word in (b"a" * 10, b"b" * 10, b"c" * 10, b"d" * 10):
        outbox.put(word, voice=True, now=0)
    assert contents(outbox) == [b"b" * 10, b"c" * 10, b"d" * 10]
    assert outbox.dropped_voice == 1


def test_exactly_the_limit_fits():
    outbox = Outbox(limit_bytes=30)
    for _ in range(3):
        outbox.put(b"x" * 10, voice=True, now=0)
    assert (len(outbox), outbox.dropped_voice, outbox.size_bytes) == (3, 0, 30)


def test_floor_message_outlives_all_voice():
    outbox = Outbox(limit_bytes=30)
    outbox.put(b"release...", voice=False, now=0)
    for number in range(10):
        outbox.put(b"%010d" % number, voice=True, now=0)
    assert contents(outbox) == [b"release...", b"%010d" % 8, b"%010d" % 9]
    assert (outbox.dropped_voice, outbox.dropped_floor) == (8, 0)


def test_floor_messages_alone_are_bounded_too():
    outbox = Outbox(limit_bytes=20)
    for number in range(3):
        outbox.put(b"%010d" % number, voice=False, now=0)
    assert contents(outbox) == [b"%010d" % 1, b"%010d" % 2]
    assert outbox.dropped_floor == 1


@pytest.mark.parametrize(("age", "kept"), [(0.999, True), (1.0, False), (3.0, False)])
def test_voice_too_old_to_play_is_dropped_and_a_floor_message_is_not(age, kept):
    assert MAX_VOICE_AGE == 1.0
    outbox = Outbox()
    outbox.put(b"voice", voice=True, now=10.0)
    outbox.put(b"floor", voice=False, now=10.0)
    assert contents(outbox, 10.0 + age) == [b"voice"] * kept + [b"floor"]
    assert outbox.dropped_voice == (not kept)


def test_clearing_counts_what_it_drops():
    outbox = Outbox()
    outbox.put(b"v", voice=True, now=0)
    outbox.put(b"f", voice=False, now=0)
    outbox.clear()
    assert (len(outbox), outbox.size_bytes) == (0, 0)
    assert (outbox.dropped_voice, outbox.dropped_floor) == (1, 1)


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=60))
def test_nothing_is_lost_uncounted_nor_reordered_nor_over_the_limit(puts):
    outbox = Outbox(limit_bytes=100)
    for number, (size, voice) in enumerate(puts):
        outbox.put(b"%04d" % number + b"x" * size, voice=voice, now=0)
        assert outbox.size_bytes <= 100
    left = contents(outbox)
    assert left == sorted(left)
    assert len(left) + outbox.dropped_voice + outbox.dropped_floor == len(puts)
    assert outbox.size_bytes == 0
