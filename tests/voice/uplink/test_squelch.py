"""Squelches joined by all, any and not."""

import itertools

import pytest

from gateway.voice.uplink.squelch import Combination, Ear, Line, Squelch


class Listener:
    """A squelch that hears what it is told to."""

    def __init__(self):
        self.open = False
        self.fed = 0

    def feed(self, block, now):
        self.fed += 1
        return self.open


def test_without_a_part_it_never_opens():
    squelch = Squelch(None)
    assert not squelch.listens
    assert squelch.feed(None, 1.0) is False
    assert squelch.line(0, True) is False


def test_a_line_is_what_was_last_heard_of_it():
    squelch = Squelch(Line(0))
    assert not squelch.open
    assert squelch.line(0, True)
    assert squelch.feed(None, 1.0)
    assert not squelch.line(0, False)
    assert not squelch.listens


@pytest.mark.parametrize("values", list(itertools.product([False, True], repeat=5)))
def test_open_is_all_of_all_and_one_of_any_and_not_the_one_of_not(values):
    squelch = Squelch(Combination(all=(Line(0), Line(1)), any=(Line(2), Line(3)), none=Line(4)))
    for number, value in enumerate(values):
        squelch.line(number, value)
    a, b, c, d, e = values
    assert squelch.open == (a and b and (c or d) and not e)


def test_combinations_may_stand_in_combinations():
    # carrier and (tone or (voice and not the neighbour's tone))
    tone, voice, neighbour = Listener(), Listener(), Listener()
    squelch = Squelch(
        Combination(
            all=(
                Line(0),
                Combination(any=(Ear(tone), Combination(all=(Ear(voice),), none=Ear(neighbour)))),
            )
        )
    )
    squelch.line(0, True)
    assert not squelch.feed(None, 0.0)
    voice.open = True
    assert squelch.feed(None, 0.02)
    neighbour.open = True
    assert not squelch.feed(None, 0.04)
    tone.open = True
    assert squelch.feed(None, 0.06)
    assert not squelch.line(0, False)


def test_every_listener_is_fed_each_block_whatever_the_others_say():
    ears = [Listener(), Listener(), Listener()]
    squelch = Squelch(Combination(all=(Ear(ears[0]), Ear(ears[1])), none=Ear(ears[2])))
    for _ in range(5):
        squelch.feed(None, 0.0)
    assert [ear.fed for ear in ears] == [5, 5, 5]


def test_while_the_endpoint_plays_what_listens_counts_as_closed_and_lines_as_they_are():
    ear = Listener()
    ear.open = True
    squelch = Squelch(Combination(any=(Line(0), Ear(ear))))
    assert squelch.feed(None, 0.0)
    assert not squelch.deafen()
    assert squelch.line(0, True)
    assert squelch.feed(None, 1.0)
