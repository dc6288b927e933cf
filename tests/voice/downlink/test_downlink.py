"""The downlink machine, packet by packet and tick by tick. Times are seconds, spelled out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.voice.downlink.downlink import Downlink, Heard
from gateway.voice.downlink.jitter import Kind
from gateway.voice.rtp import BurstFlags, Packet, Token

TICK = 0.02
OWN = Heard("police", 30.0, 2.0)
OTHER = Heard("street", 30.0, 2.0)


def packet(number, *, ssrc=1, token=(1, 1), last=False, level=15):
    return Packet(
        sequence=number,
        timestamp=number * 960,
        ssrc=ssrc,
        marker=number == 0,
        payload=b"\x48" + bytes([number & 0xFF]),
        level_dbov=level,
        voice_activity=True,
        token=Token(*token),
        flags=BurstFlags(last=last),
        captured=0.0,
    )


class Radio:
    """An endpoint's downlink with its ticks, as the shell runs it."""

    def __init__(self, *heard, tx_delay=0.0, tail=0.0):
        self.downlink = Downlink(tx_delay=tx_delay, tail=tail)
        self.downlink.tune(heard or (OWN, OTHER), 0.0)
        self.played = []  # (ssrc, sequence) or None for concealment
        self.now = 0.0

    def hear(self, item, talkgroup="police", talker="a/b", *, confirmed=True):
        return self.downlink.packet(talkgroup, talker, item, 960, self.now, confirmed=confirmed)

    def tick(self, count=1):
        for _ in range(count):
            self.now += TICK
            if self.downlink.tick(self.now):
                frame = self.downlink.pull(self.now)
                if frame is not None:
                    kind = frame.kind is Kind.PLAY
                    self.played.append((frame.packet.ssrc, frame.packet.sequence) if kind else None)
        return self.downlink.keyed is not None

    def burst(self, count, **fields):
        """Hear and play a whole burst, in time."""
        for n in range(count):
            self.hear(packet(n, last=n == count - 1, **fields))
            self.tick()


def test_the_first_packet_makes_it_busy_and_the_next_tick_keys():
    radio = Radio()
    assert not radio.downlink.busy
    assert radio.hear(packet(0))
    assert radio.downlink.busy
    radio.downlink.tick(0.0)
    assert radio.downlink.keyed.talkgroup == "police"
    assert radio.downlink.keyed.token == Token(1, 1)
    assert radio.downlink.talker == "a/b"


def test_a_burst_is_played_whole_and_released_one_tick_after_its_last_packet():
    radio = Radio()
    radio.burst(5)
    assert radio.tick()
    assert radio.played == [(1, n) for n in range(5)]
    assert not radio.tick()
    assert not radio.downlink.busy


def test_the_tail_is_kept_keyed_after_a_whole_burst():
    radio = Radio(tail=0.1)
    radio.burst(3)
    assert radio.tick(6)
    assert not radio.tick(1)


def test_audio_is_held_back_by_the_transmit_delay_and_none_is_lost():
    radio = Radio(tx_delay=0.2)
    for n in range(30):
        radio.hear(packet(n, last=n == 29))
        keyed = radio.tick()
        assert keyed
        assert (len(radio.played) > 0) is (n >= 10)
    radio.tick(12)
    assert radio.played == [(1, n) for n in range(30)]


@pytest.mark.parametrize(("ticks", "keyed"), [(19, True), (20, False)])
def test_a_talker_that_vanishes_is_concealed_and_released_after_400_ms(ticks, keyed):
    radio = Radio(tail=0.5)  # silence has been sent for long enough: no tail
    radio.hear(packet(0))
    assert radio.tick(ticks) is keyed


@pytest.mark.parametrize(("ticks", "keyed"), [(4, True), (5, False)])
def test_with_the_floor_idle_it_is_released_after_100_ms(ticks, keyed):
    radio = Radio()
    radio.hear(packet(0))
    radio.downlink.floor_idle("police")
    assert radio.tick(ticks) is keyed


def test_what_is_held_of_a_concealed_frame_does_not_keep_a_vanished_talker_keyed():
    radio = Radio()
    for n in range(10):
        radio.hear(packet(n))
        radio.tick()
    for _ in range(18):
        radio.now += TICK
        radio.downlink.tick(radio.now, holding=("police",))
        radio.downlink.pull(radio.now)
        assert radio.downlink.keyed is not None
    radio.now += TICK
    radio.downlink.tick(radio.now, holding=("police",))
    assert radio.downlink.keyed is None
    assert not radio.downlink.busy


def test_a_whole_burst_waits_for_what_is_held_of_its_last_frame():
    radio = Radio()
    radio.burst(3)
    radio.tick()
    for _ in range(30):
        radio.now += TICK
        radio.downlink.tick(radio.now, holding=("police",))
        assert radio.downlink.keyed is not None
    assert not radio.tick(2)


def test_idleness_of_another_floor_ends_nothing():
    radio = Radio()
    radio.hear(packet(0))
    radio.downlink.floor_idle("street")
    assert radio.tick(10)


def test_what_is_buffered_is_played_though_nothing_more_comes():
    radio = Radio()
    for n in range(40):
        radio.hear(packet(n))
    assert radio.tick(41)
    assert radio.played == [(1, n) for n in range(40)]


def test_a_burst_that_was_held_up_for_half_a_second_goes_on_where_it_was():
    radio = Radio()
    radio.hear(packet(0))
    assert not radio.tick(25)
    for n in range(1, 4):
        assert radio.hear(packet(n, last=n == 3))
    radio.tick(4)
    assert [item for item in radio.played if item] == [(1, n) for n in range(4)]


def test_a_replay_of_a_burst_that_was_played_keys_nothing():
    radio = Radio()
    radio.burst(3)
    radio.tick(2)
    assert not radio.hear(packet(0))
    assert not radio.hear(packet(2, last=True))
    assert not radio.tick()
    assert radio.downlink.counts["ended"] == 2


def test_a_replay_after_a_talker_vanished_keys_nothing():
    radio = Radio()
    radio.hear(packet(0))
    radio.tick(25)
    assert not radio.hear(packet(0))
    assert not radio.tick()


def test_the_time_out_releases_and_the_grant_is_spent():
    radio = Radio(Heard("police", 1.0, 2.0))
    for n in range(50):
        radio.hear(packet(n))
        assert radio.tick()
    for n in range(50, 100):
        radio.hear(packet(n))
        assert not radio.tick(), n
    assert radio.hear(packet(0, ssrc=2, token=(1, 2)))
    assert radio.tick()


# One talkgroup


def test_a_newer_grant_waits_for_the_end_of_a_whole_burst():
    radio = Radio()
    for n in range(5):
        radio.hear(packet(n, last=n == 4))
    radio.hear(packet(0, ssrc=2, token=(1, 2)))
    radio.tick(7)
    assert radio.played == [*[(1, n) for n in range(5)], (2, 0)]
    assert radio.downlink.keyed.token == Token(1, 2)


def test_between_two_bursts_the_transmitter_stays_keyed_and_does_not_wait_again():
    radio = Radio(tx_delay=0.1)
    for n in range(5):
        radio.hear(packet(n, last=n == 4))
    for n in range(5):
        radio.hear(packet(n, ssrc=2, token=(1, 2), last=n == 4))
    for _ in range(15):
        assert radio.tick()
    assert len(radio.played) == 10
    assert not radio.tick()


def test_a_newer_grant_overtakes_a_burst_that_is_not_whole_with_its_first_packet():
    radio = Radio()
    for n in range(5):
        radio.hear(packet(n))
    radio.tick(2)
    assert radio.hear(packet(0, ssrc=2, token=(1, 2)))
    radio.tick(2)
    assert radio.played == [(1, 0), (2, 0)]
    assert not radio.hear(packet(6))
    assert not radio.hear(packet(0, ssrc=3))


def test_an_older_grant_is_refused():
    radio = Radio()
    radio.hear(packet(0, token=(2, 1)))
    assert not radio.hear(packet(0, ssrc=2, token=(1, 9)))
    assert radio.downlink.counts == {"stale": 1}


def test_four_whole_bursts_wait_at_most():
    radio = Radio()
    for ssrc in range(1, 7):
        radio.hear(packet(0, ssrc=ssrc, token=(1, ssrc), last=True))
    radio.tick(6)
    assert radio.played == [(1, 0), (4, 0), (5, 0), (6, 0)]
    assert radio.downlink.counts["overrun"] == 2


# Several talkgroups


def test_a_talkgroup_that_is_not_tuned_is_not_heard():
    radio = Radio()
    assert not radio.hear(packet(0), "elsewhere")
    assert radio.downlink.counts == {"untuned": 1}


def test_the_talkgroup_spoken_on_takes_over_from_one_that_is_only_heard():
    radio = Radio()
    radio.hear(packet(0), "street")
    radio.tick(2)
    assert radio.hear(packet(0, ssrc=2), "police")
    radio.tick(2)
    assert radio.played == [(1, 0), (2, 0)]
    assert radio.downlink.keyed.talkgroup == "police"


def test_a_talkgroup_that_is_only_heard_waits_for_the_end_and_the_hang_time():
    radio = Radio()
    radio.hear(packet(0))
    assert not radio.hear(packet(0, ssrc=2), "street")
    radio.hear(packet(1, last=True))
    radio.tick(4)  # ended at 0.08
    radio.now = 2.0799
    assert not radio.hear(packet(100, ssrc=2), "street")
    radio.now = 2.0801
    assert radio.hear(packet(101, ssrc=2), "street")  # entered late
    radio.tick(2)
    assert radio.played[-1] == (2, 101)


def test_its_own_talkgroup_needs_not_wait_for_the_hang_time_of_another():
    radio = Radio()
    radio.hear(packet(0, last=True), "street")
    radio.tick(2)
    assert radio.hear(packet(0, ssrc=2), "police")


def test_what_the_endpoint_itself_said_holds_its_talkgroup_as_well():
    radio = Radio()
    radio.downlink.spoken("police", 0.0)
    radio.now = 1.999
    assert not radio.hear(packet(0), "street")
    radio.now = 2.0
    assert radio.hear(packet(1), "street")


def test_tuned_away_the_burst_ends_and_the_tail_begins():
    radio = Radio(tail=0.1)
    radio.hear(packet(0))
    radio.tick()
    radio.downlink.tune([OTHER], radio.now)
    assert radio.tick(4)
    assert not radio.tick()


def test_tuned_to_one_more_talkgroup_the_burst_goes_on():
    radio = Radio()
    radio.hear(packet(0))
    radio.tick(2)
    radio.downlink.tune([Heard("incident", 30.0, 2.0), OWN, OTHER], radio.now)
    radio.hear(packet(1))
    assert radio.tick()
    assert radio.played == [(1, 0), (1, 1)]


def test_stopped_it_releases_at_once():
    radio = Radio(tail=1.0)
    radio.hear(packet(0))
    radio.tick()
    radio.downlink.stop(radio.now)
    assert radio.downlink.keyed is None
    assert not radio.downlink.busy


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["police", "street", "elsewhere"]),
        st.integers(1, 3),  # ssrc, with a grant of its own
        st.integers(0, 30),
        st.sampled_from([False] * 5 + [True]),
        st.sampled_from([0, 0, 1, 1, 2, 10, 40]),
    ),
    max_size=80,
)


@settings(deadline=None)
@given(STEPS, st.sampled_from([0.0, 0.1]), st.sampled_from([0.0, 0.1]))
def test_whatever_comes_it_is_keyed_only_while_there_is_fresh_audio(steps, tx_delay, tail):
    radio = Radio(tx_delay=tx_delay, tail=tail)
    heard = float("-inf")
    depth = 0
    for talkgroup, ssrc, number, last, ticks in steps:
        if radio.hear(packet(number, ssrc=ssrc, token=(1, ssrc), last=last), talkgroup):
            heard = radio.now
            depth += 1
        for _ in range(ticks):
            radio.tick()
            if radio.downlink.keyed:
                waiting = depth * 0.02  # at most what came can still be buffered
                assert radio.now - heard <= 0.4 + tail + tx_delay + waiting + 0.021
            else:
                depth = 0
    radio.tick(400)
    assert not radio.downlink.busy
    assert radio.downlink.keyed is None


def test_an_unconfirmed_burst_ends_no_other():
    radio = Radio()
    for n in range(10):
        radio.hear(packet(n))
        radio.tick()
    for n in range(10):
        assert radio.hear(packet(n, ssrc=66, token=(1, 99)), talker="m/x", confirmed=False)
        radio.tick()
        assert not radio.downlink.keyed.confirmed
    # Which of the two is listened to is the gate's choice; the downlink follows it at once.
    for n in range(20, 30):
        assert radio.hear(packet(n, last=n == 29))
        radio.tick()
        assert radio.downlink.keyed.token == Token(1, 1)
        assert radio.downlink.keyed.confirmed
    radio.tick(5)
    assert radio.played[-1] == (1, 29)
    assert not radio.hear(packet(30))


def test_a_burst_is_confirmed_from_the_packet_on_whose_token_is():
    radio = Radio()
    radio.hear(packet(0), confirmed=False)
    radio.tick()
    assert not radio.downlink.keyed.confirmed
    radio.hear(packet(1))
    radio.tick()
    assert radio.downlink.keyed.confirmed
