"""Order, loss and doubles of one burst, and that its length stays true."""

import random
from dataclasses import replace

import pytest

from gateway.voice.opus_toc import is_filler, ticks_of
from gateway.voice.recording.ordering import HELD, MAX_JUMP, Ordering
from tests.voice.recording.rec_world import burst


def through(packets, ordering=None):
    ordering = ordering or Ordering()
    given = []
    for packet in packets:
        ordering.put(packet, ticks_of(packet.payload))
        given += ordering.take()
    return ordering, given + ordering.take(over=True)


def ticks(given):
    return sum(map(ticks_of, given))


def test_a_burst_in_order_is_given_as_it_is():
    packets = burst()
    ordering, given = through(packets)
    assert given == [packet.payload for packet in packets]
    assert (ordering.packets, ordering.lost, ordering.whole) == (100, 0, True)


def test_packets_in_disorder_are_put_in_order():
    packets = burst()
    mixed = packets.copy()
    source = random.Random(1)
    for at in range(0, 95, 5):
        part = mixed[at : at + 5]
        source.shuffle(part)
        mixed[at : at + 5] = part
    ordering, given = through(mixed)
    assert given == [packet.payload for packet in packets]
    assert (ordering.lost, ordering.late, ordering.duplicates) == (0, 0, 0)
    assert ordering.whole


def test_doubles_are_dropped():
    packets = burst()
    twice = [packet for packet in packets for _ in range(2)]
    ordering, given = through(twice)
    assert given == [packet.payload for packet in packets]
    assert ordering.duplicates + ordering.late == 100
    assert ordering.lost == 0


@pytest.mark.parametrize("gone", [{50}, {10, 11, 12, 60}, set(range(20, 45)), {1, 3, 5, 7, 98}])
def test_what_is_lost_is_counted_and_filled(gone):
    packets = burst()
    ordering, given = through([one for n, one in enumerate(packets) if n not in gone])
    assert ordering.lost == len(gone)
    assert {n for n, payload in enumerate(given) if is_filler(payload)} == gone
    assert ticks(given) == 100 * 960
    assert ordering.whole


def test_one_is_waited_for_until_so_many_after_it_are_here():
    packets = burst()
    ordering = Ordering()
    ordering.put(packets[0], 960)
    assert len(ordering.take()) == 1
    for packet in packets[2 : 2 + HELD - 1]:
        ordering.put(packet, 960)
        assert ordering.take() == []
    ordering.put(packets[1], 960)  # just in time
    assert len(ordering.take()) == HELD
    assert ordering.lost == 0


def test_one_that_comes_after_it_was_given_up_is_late_and_lost():
    packets = burst()
    late = packets.pop(1)
    packets.insert(1 + HELD, late)
    ordering, given = through(packets)
    assert (ordering.lost, ordering.late) == (1, 1)
    assert ticks(given) == 100 * 960
    assert is_filler(given[1])


def test_a_first_packet_that_is_overtaken_is_still_first():
    packets = burst()
    packets[0], packets[1] = packets[1], packets[0]
    ordering = Ordering()
    for packet in packets[:2]:
        ordering.put(packet, 960)
    given = ordering.take()
    assert given == [packets[1].payload, packets[0].payload]


def test_what_lacks_its_beginning_or_its_end_is_not_whole():
    packets = burst()
    assert not through(packets[1:])[0].whole
    assert not through(packets[:-1])[0].whole
    assert through(packets[:-1])[0].lost == 0


def test_a_silent_sender_keeps_its_time_and_loses_nothing():
    """RFC 7587 allows DTX: the time goes on, the number does not."""
    packets = burst()
    for n in range(50, 100):
        later = packets[n].timestamp + 960 * 20 & 0xFFFF_FFFF
        packets[n] = replace(packets[n], timestamp=later)
    ordering, given = through(packets)
    assert ordering.lost == 0
    assert ticks(given) == 120 * 960
    assert sum(map(is_filler, given)) == 20


def test_a_time_that_makes_no_sense_is_not_believed():
    packets = burst()
    for n in range(50, 100):
        packets[n] = replace(packets[n], timestamp=packets[n].timestamp + 2**31 & 0xFFFF_FFFF)
    del packets[50]
    ordering, given = through(packets)
    assert ordering.lost == 1
    assert ticks(given) == 100 * 960


def test_a_sender_that_counts_anew_is_followed():
    packets = burst()
    for n in range(50, 100):
        packets[n] = replace(packets[n], sequence=packets[n].sequence + MAX_JUMP + 1 & 0xFFFF)
    ordering, given = through(packets)
    assert ordering.packets == 100
    assert ticks(given) == 100 * 960
    assert ordering.lost == 0


def test_numbers_may_run_over_more_than_once():
    ordering = Ordering()
    packet = burst(1)[0]
    given = []
    for n in range(140_000):
        one = replace(packet, sequence=n & 0xFFFF, timestamp=n * 960 & 0xFFFF_FFFF)
        ordering.put(one, 960)
        given += ordering.take()
    assert len(given) == 140_000
    assert ordering.lost == 0


@pytest.mark.parametrize("seed", range(60))
def test_at_random_the_length_stays_true(seed):
    """Loss, doubles and disorder within the bound, at once."""
    source = random.Random(seed)
    packets = burst(100, seed=seed % 3)
    sent = [(n + source.uniform(0, HELD / 2), one) for n, one in enumerate(packets)]
    sent += [(at + source.uniform(0, 5), one) for at, one in sent if source.random() < 0.1]
    sent = [one for one in sent if source.random() > 0.2 or one[1] in (packets[0], packets[99])]
    arrived = [one for _, one in sorted(sent, key=lambda one: one[0])]
    ordering, given = through(arrived)
    there = {one.sequence for one in arrived}
    assert ordering.lost == 100 - len(there)
    assert ticks(given) == 100 * 960
    assert [p for p in given if not is_filler(p)] == [
        one.payload for one in packets if one.sequence in there
    ]
