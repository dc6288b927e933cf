"""Pauses between attempts: between 0.2 and 5 s, growing, and never all at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.link.backoff import LONGEST, SHORTEST, Backoff

NEARLY_ONE = 1 - 2**-53


def test_constants_are_those_of_the_fault_table():
    assert (SHORTEST, LONGEST) == (0.2, 5.0)


def test_pauses_grow_threefold_to_the_longest():
    backoff = Backoff(lambda: NEARLY_ONE)
    pauses = [backoff.pause() for _ in range(6)]
    assert pauses == pytest.approx([0.6, 1.8, 5.0, 5.0, 5.0, 5.0])


def test_luckiest_draw_is_the_shortest_pause():
    backoff = Backoff(lambda: 0.0)
    assert [backoff.pause() for _ in range(3)] == [0.2, 0.2, 0.2]


@pytest.mark.parametrize(("lasted", "after"), [(4.999, 5.0), (5.0, 0.6)])
def test_only_a_connection_that_held_five_seconds_starts_the_pauses_anew(lasted, after):
    backoff = Backoff(lambda: NEARLY_ONE)
    for _ in range(4):
        backoff.pause()
    backoff.lasted(lasted)
    assert backoff.pause() == pytest.approx(after)


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=50))
def test_every_pause_lies_within_the_bounds(draws):
    left = iter(draws)
    backoff = Backoff(lambda: next(left))
    assert all(SHORTEST <= backoff.pause() <= LONGEST for _ in draws)
