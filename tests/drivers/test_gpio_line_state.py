"""What edges and levels of a line say: every change told once, in order, and no press forgotten."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.gpio.line_state import LineState


def started(active: bool = False, debounce: float = 0.0) -> LineState:
    line = LineState(debounce)
    assert line.start(active) == [active]
    return line


def test_level_at_the_start_is_told_whatever_it_is():
    assert LineState().start(True) == [True]
    assert LineState().start(False) == [False]


def test_edges_are_told_in_order_and_a_level_seen_twice_once():
    line = started()
    assert line.edge(True, 1, 0.0) == [True]
    assert line.look(True, 0.1) == []
    assert line.edge(False, 2, 0.2) == [False]
    assert line.look(True, 0.3) == [True]  # no edge has told it
    assert line.edge(True, 3, 0.4) == []
    assert line.missed == 0


def test_press_whose_edge_was_lost_is_still_a_press():
    line = started()
    assert line.edge(False, 2, 0.0) == [True, False]
    assert line.missed == 1


def test_release_whose_edge_was_lost_is_still_a_release():
    line = started(active=True)
    assert line.edge(True, 2, 0.0) == [False, True]
    assert line.missed == 1


def test_gap_that_ends_elsewhere_tells_the_change_and_counts_the_rest():
    line = started()
    assert line.edge(True, 85, 0.0) == [True]
    assert line.missed == 84


@pytest.mark.parametrize(("after", "told"), [(0.0299, []), (0.03, [True]), (5.0, [True])])
def test_level_counts_once_it_has_lasted(after, told):
    line = started(debounce=0.03)
    assert line.edge(True, 1, 0.0) == []
    assert line.deadline() == 0.03
    assert line.tick(after) == told
    assert line.tick(after) == []
    assert line.deadline() == (None if told else 0.03)


def test_bounce_is_passed_over_and_starts_the_time_again():
    line = started(debounce=0.03)
    assert line.edge(True, 1, 0.0) == []
    assert line.edge(False, 2, 0.01) == []
    assert line.deadline() is None
    assert line.edge(True, 3, 0.02) == []
    assert line.tick(0.049) == []
    assert line.tick(0.05) == [True]


def test_late_tick_does_not_lose_a_level_that_had_lasted():
    line = started(debounce=0.03)
    line.edge(True, 1, 0.0)
    assert line.edge(False, 2, 0.1) == [True]
    assert line.tick(0.2) == [False]


def test_level_read_now_and_then_must_last_too():
    line = started(debounce=0.03)
    assert line.look(True, 0.0) == []
    assert line.look(True, 0.02) == []
    assert line.look(True, 0.03) == [True]


@given(st.lists(st.tuples(st.integers(1, 4), st.floats(0, 1)), max_size=40), st.booleans())
def test_what_is_told_alternates_and_ends_at_the_last_level(steps, first):
    """Edges with numbers; ``skip - 1`` of them are lost before each one that comes."""
    line = LineState()
    told = line.start(first)
    number, now, level = 0, 0.0, first
    for skip, pause in steps:
        number += skip
        now += pause
        level = level ^ (skip % 2 == 1)
        told += line.edge(level, number, now)
    assert all(before != after for before, after in itertools.pairwise(told))
    assert told[-1] == level
    assert line.missed == sum(skip - 1 for skip, _ in steps)
    lost_presses = sum(1 for skip, _ in steps if skip % 2 == 0)
    assert len(told) == 1 + sum(skip % 2 for skip, _ in steps) + 2 * lost_presses


@given(
    # Whole numbers, so that both sides of a comparison round alike.
    st.lists(st.tuples(st.booleans(), st.integers(1, 100)), max_size=40),
    st.integers(5, 50),
)
def test_debounced_level_is_told_only_if_it_lasted_and_always_if_it_did(steps, debounce):
    line = started(debounce=debounce)
    told, now = [], 0
    expected, current, since, state = [], False, 0, False
    for number, (level, pause) in enumerate(steps, 1):
        if level != current:
            if current != state and now - since >= debounce:
                state = current
                expected.append(current)
            current, since = level, now
        told += line.edge(level, number, now)
        now += pause
    if current != state and now - since >= debounce:
        expected.append(current)
    told += line.tick(now)
    assert told == expected
