"""Queues that are fair by source."""

from __future__ import annotations

import itertools
from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from gateway.alarm.signals.fair_queue import FairQueue, RankedQueue


def drain(queue: FairQueue[str] | RankedQueue[str]) -> list[str]:
    taken = []
    while (item := queue.take()) is not None:
        taken.append(item)
    return taken


def test_sources_take_turns():
    queue: FairQueue[str] = FairQueue()
    for item in ("a1", "a2", "a3", "b1", "b2", "c1"):
        queue.put(item[0], item)
    assert drain(queue) == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_turn_of_several_items():
    queue: FairQueue[str] = FairQueue(2)
    for item in ("a1", "a2", "a3", "b1", "b2", "c1"):
        queue.put(item[0], item)
    assert drain(queue) == ["a1", "a2", "b1", "b2", "c1", "a3"]


def test_source_that_was_silent_goes_before_all_that_wait_for_another_turn():
    queue: FairQueue[str] = FairQueue()
    for number in range(3):
        for source in "abcdef":
            queue.put(source, f"{source}{number}")
    assert [queue.take() for _ in range(6)] == ["a0", "b0", "c0", "d0", "e0", "f0"]
    assert queue.take() == "a1"
    queue.put("z", "z0")
    assert queue.take() == "z0"
    queue.put("z", "z1")  # it had its turn: now behind the others
    assert drain(queue)[:7] == ["b1", "c1", "d1", "e1", "f1", "a2", "z1"]


def test_what_is_next_is_fresh_while_a_silent_source_has_its_first_turn():
    queue: FairQueue[str] = FairQueue()
    assert not queue.is_fresh
    for item in ("a1", "b1", "a2"):
        queue.put(item[0], item)
    assert [(queue.is_fresh, queue.take()) for _ in range(3)] == [
        (True, "a1"), (True, "b1"), (False, "a2"),
    ]  # fmt: skip
    queue.put("c", "c1")
    queue.withdraw("c", lambda _: True)
    queue.put("a", "a3")
    assert not queue.is_fresh
    assert queue.take() == "a3"


def test_turn_that_a_new_source_interrupts_goes_on_where_it_was():
    queue: FairQueue[str] = FairQueue(3)
    for item in ("a1", "a2", "a3", "a4", "a5", "b1"):
        queue.put(item[0], item)
    assert [queue.take() for _ in range(5)] == ["a1", "a2", "a3", "b1", "a4"]
    queue.put("z", "z1")
    queue.put("b", "b2")
    assert drain(queue) == ["z1", "a5", "b2"]


def test_source_that_says_little_often_gains_nothing():
    queue: FairQueue[str] = FairQueue()
    for number in range(50):
        queue.put("busy", f"busy{number}")
    taken = []
    for number in range(20):
        queue.put("sly", f"sly{number}")
        taken += [queue.take(), queue.take()]
    assert sum(one.startswith("busy") for one in taken) == 20


def test_withdrawn_items_are_gone_and_the_others_keep_their_order():
    queue: FairQueue[str] = FairQueue()
    for item in ("a1", "a2", "a3", "b1"):
        queue.put(item[0], item)
    assert queue.withdraw("a", lambda item: item != "a2") == ["a1", "a3"]
    assert queue.withdraw("x", lambda _: True) == []
    assert (len(queue), queue.waiting("a"), queue.waiting("x")) == (2, 1, 0)
    assert sorted(drain(queue)) == ["a2", "b1"]


@given(
    st.lists(st.tuples(st.sampled_from("abcde"), st.booleans()), max_size=60),
    st.integers(1, 4),
)
def test_nothing_is_lost_doubled_or_overtaken_within_its_source(steps, turn):
    queue: FairQueue[tuple[str, int]] = FairQueue(turn)
    put: dict[str, list[int]] = defaultdict(list)
    taken: dict[str, list[int]] = defaultdict(list)
    for number, (source, take) in enumerate(steps):
        queue.put(source, (source, number))
        put[source].append(number)
        if take and (item := queue.take()) is not None:
            taken[item[0]].append(item[1])
    assert len(queue) == sum(map(len, put.values())) - sum(map(len, taken.values()))
    while (item := queue.take()) is not None:
        taken[item[0]].append(item[1])
    assert taken == put
    assert len(queue) == 0


@given(st.lists(st.integers(1, 40), min_size=2, max_size=8), st.integers(1, 3))
def test_no_source_waits_for_more_than_one_turn_of_each_other(sizes, turn):
    queue: FairQueue[int] = FairQueue(turn)
    for source, size in enumerate(sizes):
        for _ in range(size):
            queue.put(str(source), source)
    order = []
    while (source := queue.take()) is not None:
        order.append(source)
    for source in range(len(sizes)):
        places = [place for place, one in enumerate(order) if one == source]
        gaps = [after - before for before, after in itertools.pairwise(places)]
        assert all(gap <= (len(sizes) - 1) * turn + 1 for gap in gaps)


def test_lower_rank_leaves_first_whatever_came_first():
    queue: RankedQueue[str] = RankedQueue()
    for rank, source, item in ((2, "a", "a2"), (5, "c", "c5"), (1, "b", "b1"), (2, "b", "b2")):
        queue.put(rank, source, item)
    assert len(queue) == 4
    assert drain(queue) == ["b1", "a2", "b2", "c5"]
