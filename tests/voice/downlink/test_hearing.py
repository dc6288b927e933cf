"""KPI 2, 3 and 4 of TS 22.179 from what an endpoint plays."""

from collections import Counter

import pytest

from gateway.ops.measures import Measures
from gateway.voice.downlink.hearing import ACCESS, EACH, LATE_ENTRY, MOUTH_TO_EAR, Hearing
from gateway.voice.downlink.jitter import Frame, Kind
from gateway.voice.rtp import BurstFlags, Packet, Token


class Ear:
    def __init__(self):
        self.measures = Measures()
        self.counts = Counter()
        self.hearing = Hearing(self.measures, self.counts)
        self.now = 0.0

    def plays(self, *, marker=False, ssrc=1, age=0.1, kind=Kind.PLAY, pre_roll=False):
        packet = Packet(
            0, 0, ssrc, marker, b"\x08", 20, True, Token(1, 1), BurstFlags(pre_roll=pre_roll),
            1000 + self.now - age,
        )  # fmt: skip
        self.hearing.taken("tg", packet)
        self.hearing.heard("tg", Frame(kind, 960, packet), self.now, 1000 + self.now)
        self.now += 0.02

    def figure(self, name):
        histogram = self.measures.of(name).get("tg")
        return None if histogram is None else (histogram.number, round(histogram.total, 3))


def test_first_packet_is_the_access_time_and_every_25th_later_one_mouth_to_ear():
    ear = Ear()
    ear.plays(marker=True, age=0.25)
    assert ear.figure(ACCESS) == (1, 0.25)
    for _ in range(EACH - 1):
        ear.plays(age=0.04)
    assert ear.figure(MOUTH_TO_EAR) is None
    ear.plays(age=0.04)
    assert ear.figure(MOUTH_TO_EAR) == (1, 0.04)
    ear.plays(marker=True, ssrc=2, age=0.1)
    assert ear.figure(ACCESS) == (2, 0.35)


def test_silence_before_the_word_may_be_left_out():
    ear = Ear()
    packet = Packet(
        0, 0, 7, True, b"\x08", 127, False, Token(1, 1), BurstFlags(pre_roll=True), 999.0
    )
    ear.hearing.taken("tg", packet)
    ear.plays(ssrc=7, age=0.2)
    assert ear.figure(ACCESS) == (1, 0.2)
    assert not ear.counts["tg", "clipped_starts"]


def test_pre_roll_is_in_no_mouth_to_ear():
    ear = Ear()
    ear.plays(marker=True, pre_roll=True)
    for _ in range(2 * EACH):
        ear.plays(pre_roll=True, age=0.5)
    assert ear.figure(MOUTH_TO_EAR) is None


def test_burst_without_its_start_is_clipped_unless_the_endpoint_has_just_come():
    ear = Ear()
    ear.plays()
    assert ear.counts["tg", "clipped_starts"] == 1
    ear.hearing.came("tg", ear.now)
    ear.now += 0.06
    ear.plays(ssrc=2)
    assert ear.figure(LATE_ENTRY) == (1, 0.06)
    assert ear.counts["tg", "clipped_starts"] == 1
    ear.hearing.came("tg", ear.now)
    ear.now += 2.0
    ear.plays(ssrc=3)
    assert ear.counts["tg", "clipped_starts"] == 2, "that was too long ago"


def test_a_start_that_was_heard_ends_the_coming():
    ear = Ear()
    ear.hearing.came("tg", ear.now)
    ear.plays(marker=True)
    ear.plays(ssrc=2)
    assert ear.counts["tg", "clipped_starts"] == 1


@pytest.mark.parametrize(
    ("age", "counted"), [(-0.001, True), (0.0, False), (9.99, False), (10.0, True)]
)
def test_an_impossible_age_is_in_no_figure(age, counted):
    ear = Ear()
    ear.plays(marker=True, age=age)
    assert (ear.figure(ACCESS) is None) == counted
    assert ear.counts["tg", "clocks_apart"] == counted


def test_what_is_played_is_counted_by_kind():
    ear = Ear()
    ear.plays(marker=True)
    ear.plays(kind=Kind.RECOVER)
    ear.hearing.heard("tg", Frame(Kind.CONCEAL, 960), ear.now, 1000 + ear.now)
    kinds = {kind: number for (_, kind), number in ear.counts.items()}
    assert kinds == {"played": 1, "recovered": 1, "concealed": 1}
