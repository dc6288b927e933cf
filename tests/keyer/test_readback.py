"""A transmitter that does otherwise than its line says is noticed."""

import pytest

from gateway.keyer.readback import SETTLE, Disagrees, ReadBack


@pytest.fixture
def readback():
    return ReadBack()


def test_a_transmitter_may_take_300_ms_to_follow(readback):
    assert SETTLE == 0.3
    assert readback.look(True, False, 1.0) is None
    assert readback.look(True, False, 1.299) is None
    assert readback.look(True, True, 1.3) is None
    assert readback.disagrees is None


def test_keyed_but_not_read_so_is_told_once(readback):
    readback.look(True, False, 1.0)
    assert readback.look(True, False, 1.3) is Disagrees.NOT_KEYED
    assert readback.look(True, False, 1.35) is None
    assert readback.disagrees is Disagrees.NOT_KEYED


def test_released_but_read_keyed_is_stuck(readback):
    readback.look(True, True, 1.0)
    readback.look(False, True, 2.0)
    assert readback.look(False, True, 2.29) is None
    assert readback.look(False, True, 2.3) is Disagrees.STUCK


def test_stuck_from_the_start_is_seen(readback):
    assert readback.look(False, True, 100.0) is Disagrees.STUCK


def test_it_ends_when_both_agree_and_begins_anew(readback):
    readback.look(False, True, 100.0)
    readback.look(False, False, 101.0)
    assert readback.disagrees is None
    assert readback.look(False, True, 102.0) is Disagrees.STUCK


def test_a_transmitter_that_cannot_be_read_disagrees_with_nothing(readback):
    assert readback.look(True, None, 1.0) is None
    assert readback.look(True, None, 2.0) is None
    readback.look(True, False, 3.0)
    assert readback.disagrees is Disagrees.NOT_KEYED
    readback.look(True, None, 3.1)
    assert readback.disagrees is None


def test_one_disagreement_may_turn_into_the_other(readback):
    readback.look(True, False, 1.0)
    readback.look(True, False, 2.0)
    readback.look(False, True, 3.0)
    assert readback.look(False, True, 3.3) is Disagrees.STUCK
