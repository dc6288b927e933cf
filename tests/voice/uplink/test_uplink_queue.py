"""The uplink while its request waits for its turn. Times are seconds, spelled out."""

import pytest

from gateway.voice.rtp import Token
from gateway.voice.uplink.actions import Ask, Begin, GiveBack, Send
from gateway.voice.uplink.uplink import Block, State, Uplink

TOKEN = Token(3, 7)


def block(number):
    return Block(number, 100.0 + number * 0.02)


def queued(*, waits=False, pre_roll=0.04):
    """An uplink whose talker has spoken for 0.1 s when it is told to wait, at 1.1."""
    uplink = Uplink(pre_roll=pre_roll, rx_mute=0.3, waits=waits)
    assert uplink.squelch(True, 1.0) == [Ask()]
    for n in range(5):
        assert uplink.block(block(n), 1.02 + n * 0.02) == []
    assert uplink.queued(1.1) == []
    assert uplink.state is State.QUEUED
    return uplink


def test_turn_of_a_held_key_talks_at_once_and_sends_nothing_from_before_the_queue():
    uplink = queued()
    for n in range(5, 10):
        assert uplink.block(block(n), 1.12 + (n - 5) * 0.02) == []
    sent = uplink.granted(TOKEN, 1.3)
    assert sent == [Begin(TOKEN), *[Send(block(n), pre_roll=True) for n in (8, 9)]]
    assert uplink.block(block(10), 1.32) == [Send(block(10))]
    assert uplink.talking


def test_key_that_is_let_go_takes_its_request_back():
    uplink = queued()
    assert uplink.squelch(False, 2.0) == [GiveBack()]
    assert uplink.state is State.QUIET
    assert uplink.granted(TOKEN, 2.1) == [GiveBack()]


def test_key_that_was_let_go_before_the_answer_is_not_queued():
    uplink = Uplink(pre_roll=0.0, rx_mute=0.3)
    uplink.squelch(True, 1.0)
    uplink.squelch(False, 1.1)
    assert uplink.queued(1.2) == [GiveBack()]


def test_voice_that_pauses_keeps_its_place_and_has_2_s_to_speak_when_its_turn_comes():
    uplink = queued(waits=True)
    assert uplink.squelch(False, 2.0) == []
    assert uplink.granted(TOKEN, 9.0) == []
    assert uplink.state is State.TURN
    assert not uplink.talking
    assert uplink.deadline(9.0) == 11.0
    assert uplink.tick(10.999) == []
    assert uplink.squelch(True, 10.999) == [Begin(TOKEN)]
    assert uplink.talking


@pytest.mark.parametrize("at", [11.0, 11.001])
def test_turn_in_which_nobody_speaks_is_given_back_after_2_s(at):
    uplink = queued(waits=True)
    uplink.squelch(False, 2.0)
    uplink.granted(TOKEN, 9.0)
    assert uplink.tick(at) == [GiveBack()]
    assert uplink.state is State.QUIET


def test_place_is_kept_while_the_radio_transmits_what_the_other_says():
    uplink = queued()
    assert uplink.transmitting(True, 1.2) == []
    assert uplink.squelch(False, 1.3) == []
    assert uplink.state is State.QUEUED


def test_radio_whose_squelch_closed_meanwhile_gives_its_turn_back_as_soon_as_it_can_be_known():
    uplink = queued()
    uplink.transmitting(True, 1.2)
    uplink.squelch(False, 1.3)
    assert uplink.granted(TOKEN, 4.0) == []  # the radio still transmits: nobody knows
    assert uplink.transmitting(False, 4.1) == []
    assert uplink.deadline(4.1) == pytest.approx(4.4)
    assert uplink.tick(4.399) == []
    assert uplink.tick(4.401) == [GiveBack()]


def test_radio_whose_squelch_is_still_open_talks_when_it_has_stopped_transmitting():
    uplink = queued()
    uplink.transmitting(True, 1.2)
    assert uplink.granted(TOKEN, 4.0) == []
    uplink.transmitting(False, 4.1)
    assert uplink.tick(4.401) == [Begin(TOKEN)]


def test_renewed_grant_in_the_turn_is_the_one_that_is_used():
    uplink = queued(waits=True)
    uplink.squelch(False, 2.0)
    uplink.granted(TOKEN, 9.0)
    assert uplink.granted(Token(4, 1), 9.5) == []
    assert uplink.deadline(9.5) == 11.0  # the time to react does not begin anew
    assert uplink.squelch(True, 10.0) == [Begin(Token(4, 1))]


def test_denied_in_the_queue_asks_again_when_the_floor_is_idle():
    uplink = queued()
    uplink.refused(None, 2.0)
    assert uplink.state is State.REFUSED
    uplink.idle(2.5)
    assert uplink.block(block(9), 3.0) == [Ask()]


def test_revoked_before_it_spoke_is_quiet():
    uplink = queued(waits=True)
    uplink.squelch(False, 2.0)
    uplink.granted(TOKEN, 9.0)
    uplink.revoked()
    assert uplink.state is State.QUIET


def test_endpoint_that_is_tuned_elsewhere_takes_its_place_back():
    assert queued().stop() == [GiveBack()]


def test_queued_means_nothing_to_who_does_not_ask():
    uplink = Uplink(pre_roll=0.0, rx_mute=0.3)
    assert uplink.queued(1.0) == []
    assert uplink.state is State.QUIET


def test_request_without_an_answer_yet_is_kept_when_another_turns_out_to_be_first():
    uplink = Uplink(pre_roll=0.0, rx_mute=0.3)
    uplink.squelch(True, 1.0)
    assert uplink.transmitting(True, 1.05) == []
    assert uplink.state is State.QUEUED
    assert uplink.queued(1.1) == []
    uplink.transmitting(False, 2.0)
    assert uplink.granted(TOKEN, 2.0) == []
    assert uplink.tick(2.301) == [Begin(TOKEN)]


def test_request_that_is_denied_while_the_endpoint_transmits_is_made_again_afterwards():
    uplink = Uplink(pre_roll=0.0, rx_mute=0.3)
    uplink.squelch(True, 1.0)
    uplink.transmitting(True, 1.05)
    uplink.refused(None, 1.1)
    uplink.transmitting(False, 2.0)
    uplink.idle(2.0)
    assert Ask() in uplink.tick(2.301) + uplink.block(block(1), 2.32)
