"""PTT sequencing at its exact boundaries, in seconds spelled out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.voice.keying.ptt import Keyed, Ptt
from gateway.voice.rtp import Token

FIRST = Keyed("police", Token(1, 1), 30.0)
SECOND = Keyed("police", Token(1, 2), 30.0)


def test_audio_keys_at_once_and_passes_at_once_without_a_delay():
    ptt = Ptt(tx_delay=0.0, tail=0.0)
    assert ptt.keyed is None
    assert not ptt.passes(0.0)
    assert ptt.audio(FIRST, 0.0)
    assert ptt.keyed == FIRST
    assert ptt.passes(0.0)


@pytest.mark.parametrize(("at", "passes"), [(10.0, False), (10.199, False), (10.2, True)])
def test_audio_waits_for_the_transmit_delay_after_key_up(at, passes):
    ptt = Ptt(tx_delay=0.2, tail=0.0)
    ptt.audio(FIRST, 10.0)
    assert ptt.keyed
    assert ptt.passes(at) is passes


def test_without_a_tail_it_is_released_when_the_audio_ends():
    ptt = Ptt(0.0, 0.0)
    ptt.audio(FIRST, 0.0)
    ptt.silence(0.02)
    assert ptt.keyed is None


@pytest.mark.parametrize(("at", "keyed"), [(1.0, True), (1.299, True), (1.3, False)])
def test_it_stays_keyed_through_the_tail(at, keyed):
    ptt = Ptt(0.0, 0.3)
    ptt.audio(FIRST, 0.0)
    ptt.silence(1.0)
    ptt.silence(at)
    assert (ptt.keyed is not None) is keyed


def test_the_tail_counts_from_when_the_end_is_heard():
    ptt = Ptt(0.0, 0.3)
    ptt.lag = 0.04  # a sound card
    ptt.audio(FIRST, 0.0)
    ptt.silence(1.0)
    ptt.silence(1.339)
    assert ptt.keyed
    ptt.silence(1.34)
    assert ptt.keyed is None


def test_a_burst_within_the_tail_takes_over_without_waiting_again():
    ptt = Ptt(0.2, 0.3)
    ptt.audio(FIRST, 0.0)
    ptt.silence(1.0)
    ptt.audio(SECOND, 1.1)
    assert ptt.keyed == SECOND
    assert ptt.passes(1.1)
    ptt.silence(2.0)  # its own tail counts from its own end
    ptt.silence(2.29)
    assert ptt.keyed


def test_a_burst_after_the_release_waits_for_the_transmit_delay_again():
    ptt = Ptt(0.2, 0.0)
    ptt.audio(FIRST, 0.0)
    ptt.silence(1.0)
    ptt.audio(SECOND, 2.0)
    assert not ptt.passes(2.19)
    assert ptt.passes(2.2)


@pytest.mark.parametrize(("at", "keyed"), [(29.999, True), (30.0, False)])
def test_the_time_out_releases(at, keyed):
    ptt = Ptt(0.0, 0.0)
    ptt.audio(FIRST, 0.0)
    assert ptt.audio(FIRST, at) is keyed
    assert (ptt.keyed is not None) is keyed


def test_a_grant_that_timed_out_keys_no_more_and_another_one_does():
    ptt = Ptt(0.0, 0.0)
    ptt.audio(FIRST, 0.0)
    assert not ptt.audio(FIRST, 30.0)
    assert not ptt.audio(FIRST, 30.1)
    assert ptt.audio(SECOND, 30.2)


def test_the_time_out_goes_on_through_a_gap():
    ptt = Ptt(0.0, 0.0)
    ptt.audio(FIRST, 0.0)
    ptt.silence(10.0)
    assert ptt.audio(FIRST, 20.0)
    assert not ptt.audio(FIRST, 30.0)


def test_the_same_token_of_another_talkgroup_is_another_grant():
    ptt = Ptt(0.0, 0.0)
    ptt.audio(FIRST, 0.0)
    assert not ptt.audio(FIRST, 30.0)
    assert ptt.audio(Keyed("street", Token(1, 1), 30.0), 30.0)


def test_the_tail_ends_at_the_time_out():
    ptt = Ptt(0.0, 2.0)
    ptt.audio(FIRST, 0.0)
    ptt.silence(29.5)
    ptt.silence(29.99)
    assert ptt.keyed
    ptt.silence(30.0)
    assert ptt.keyed is None


def test_stop_releases_at_once_and_leaves_no_tail():
    ptt = Ptt(0.0, 2.0)
    ptt.audio(FIRST, 0.0)
    ptt.stop()
    assert ptt.keyed is None
    ptt.silence(0.1)
    assert ptt.keyed is None


@given(
    st.floats(0, 1),
    st.floats(0, 1),
    st.lists(st.tuples(st.sampled_from("aas"), st.integers(1, 3), st.integers(1, 100))),
)
def test_it_is_never_keyed_past_the_time_out_or_the_tail(tx_delay, tail, steps):
    ptt = Ptt(tx_delay, tail)
    now, first, heard = 0.0, {}, float("-inf")
    for what, grant, ticks in steps:
        for _ in range(ticks):
            now += 0.02
            if what == "a":
                token = Token(1, grant)
                if ptt.keyed is None or ptt.keyed.token != token:
                    first.setdefault(grant, now)
                ptt.audio(Keyed("police", token, 1.0), now)
                heard = now
            else:
                ptt.silence(now)
            if ptt.keyed:
                assert now - heard <= tail + 0.02
                # Going back to an older grant counts as another one; the keyer refuses it as stale.
                assert now - ptt._granted < 1.0
                assert ptt._granted >= first[ptt.keyed.token.grant]
