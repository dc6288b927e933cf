"""Bursts out, and bursts in: numbers, clocks, the floor, echoes."""

import random

import pytest

from gateway.voice.bridges.inflow import Ask, Inflow, Leave, Say, State
from gateway.voice.bridges.inlet import Inlet, Numbering, Taken
from gateway.voice.bridges.outflow import Outflow
from gateway.voice.bridges.plain_rtp import PlainPacket
from gateway.voice.rtp import BurstFlags, Packet, Token

FRAME = b"\xf8one"  # CELT, 20 ms
TICKS = 960


def bits(seed=0):
    return random.Random(seed).getrandbits


def packet(sequence, ssrc=1, *, last=False):
    flags, token = BurstFlags(last=last), Token(1, 1)
    return Packet(sequence & 0xFFFF, 0, ssrc, False, FRAME, 20, True, token, flags, 0.0)


# Out


class Out:
    def __init__(self, seed=0):
        self.flow = Outflow(96, bits(seed), 100.0)

    def __call__(self, sequence, now, ssrc=1, *, confirmed=True, last=False):
        one = packet(sequence, ssrc, last=last)
        return self.flow.packet("a/x", one, TICKS, now, confirmed=confirmed)


def test_a_burst_keeps_its_distances_and_begins_with_a_marker():
    out = Out()
    sent = [out(n, 100 + 0.02 * i) for i, n in enumerate((65_534, 65_535, 1, 2))]
    assert [one.marker for one in sent] == [True, False, False, False]
    assert {(one.payload_type, one.ssrc) for one in sent} == {(96, out.flow.ssrc)}
    first = sent[0]
    assert [one.sequence - first.sequence & 0xFFFF for one in sent] == [0, 1, 3, 4]
    assert [one.timestamp - first.timestamp & 0xFFFFFFFF for one in sent] == [0, 960, 2880, 3840]
    assert all(one.payload == FRAME for one in sent)


def test_the_next_burst_goes_on_by_one_and_by_the_clock():
    out = Out()
    first = out(10, 100.0)
    last = out(11, 100.02)
    then = out(500, 103.0, ssrc=2)
    assert then.marker
    assert then.ssrc == first.ssrc
    assert then.sequence - last.sequence & 0xFFFF == 1
    assert then.timestamp - first.timestamp & 0xFFFFFFFF == 3 * 48_000


def test_a_burst_that_follows_at_once_does_not_overlap():
    out = Out()
    sent = [out(n, 100.0) for n in range(50)]  # pre-roll: all at once
    then = out(7, 100.1, ssrc=2)
    assert then.timestamp - sent[-1].timestamp & 0xFFFFFFFF == 960


def test_what_comes_late_of_a_burst_that_is_over_begins_none():
    out = Out()
    out(1, 100.0)
    out(1, 101.0, ssrc=2)
    assert out(2, 101.0) is None
    assert out(0, 101.0, ssrc=2) is None
    assert out.flow.counts == {"late": 2}
    assert out(30_000, 101.0, ssrc=2) is None
    assert out.flow.counts["jumped"] == 1


def test_overtaken_packets_keep_their_place():
    out = Out()
    one, three, two = out(1, 100.0), out(3, 100.02), out(2, 100.03)
    assert (two.sequence - one.sequence, three.sequence - one.sequence) == (1, 2)
    assert out(1, 102.0, ssrc=2).sequence - three.sequence & 0xFFFF == 1


def test_a_forged_token_cuts_nobody_off():
    out = Out()
    out(1, 100.0)
    assert out(1, 100.01, ssrc=2, confirmed=False) is None
    assert out.flow.counts == {"unconfirmed": 1}
    assert out(2, 100.02) is not None
    assert out(2, 100.03, ssrc=2).marker  # a controller has spoken of it


def test_an_unconfirmed_burst_is_sent_where_nobody_talks_and_gives_way():
    out = Out()
    out(1, 100.0, last=True)
    assert out(1, 100.01, ssrc=2, confirmed=False).marker
    assert out(1, 100.02, ssrc=3).marker
    assert out(2, 100.03, ssrc=2, confirmed=False) is None
    out(9, 103.0, ssrc=4, confirmed=False)  # long after the last of 3
    assert out(2, 103.01, ssrc=3).marker  # which goes on: the other was nobody's


def test_the_report_is_of_the_same_clock():
    out = Out()
    assert out.flow.sent(100.0) is None
    one = out(1, 102.0)
    sent = out.flow.sent(102.5)
    assert (sent.packets, sent.octets) == (1, len(FRAME))
    assert sent.timestamp - one.timestamp & 0xFFFFFFFF == 24_000
    assert out.flow.sent(103.0) is None


def test_whatever_comes_the_stream_is_in_order_from_burst_to_burst():
    chance = random.Random(5)
    out, now, newest = Out(5), 100.0, None
    for burst in range(300):
        start, length = chance.randrange(65_536), chance.randrange(1, 80)
        made = []
        for number in range(length):
            now += chance.choice((0.0, 0.02))
            if chance.random() > 0.1:
                made.append(out(start + number, now, ssrc=burst))
        made = [one for one in made if one is not None]
        if made and newest is not None:
            assert made[0].marker
            assert 0 < made[0].sequence - newest.sequence & 0xFFFF < 2
            assert made[0].timestamp - newest.timestamp & 0xFFFFFFFF < 0x7FFFFFFF
        newest = made[-1] if made else newest
        now += chance.choice((0.0, 3.0))


# In: which packets


class In:
    def __init__(self):
        self.inlet = Inlet(111, {0xAAAA})
        self.base = 0xFFFFFF00  # wraps soon

    def __call__(self, number, ssrc=5, kind=111, payload=FRAME):
        timestamp = self.base + number * TICKS & 0xFFFFFFFF
        data = PlainPacket(kind, False, number & 0xFFFF, timestamp, ssrc, payload).to_bytes()
        return self.inlet.take(data)


def test_a_place_is_by_the_timestamp():
    take = In()
    assert [take(n) for n in (0, 1, 3, 2)] == [Taken(FRAME, TICKS, n) for n in (0, 1, 3, 2)]
    assert take(-1).number == -1


def test_one_stream_at_a_time_until_it_is_released():
    take = In()
    take(0)
    assert take(1, ssrc=6) is None
    assert take.inlet.holds(5)
    take.inlet.release()
    assert take(1, ssrc=6).number == 0
    assert take.inlet.holds(6)
    assert take.inlet.counts == {"other_ssrc": 1}


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"ssrc": 0xAAAA}, "looped"),
        ({"kind": 112}, "payload_type"),
        ({"payload": b"\xff\x00"}, "malformed"),
        ({"payload": b"\xf0ten"}, "jumped"),  # 10 ms
    ],
)
def test_what_is_not_taken_is_counted(more, why):
    take = In()
    take(0)
    assert take(1, **more) is None
    assert take.inlet.counts == {why: 1}


def test_a_leap_of_the_clock_is_not_of_this_burst():
    take = In()
    take(0)
    assert take(51) is None
    assert take(-51) is None
    assert take(50).number == 50
    assert take.inlet.take(b"garbage") is None
    assert take.inlet.counts == {"jumped": 2, "malformed": 1}


def test_numbers_follow_the_place():
    numbering = Numbering(bits())
    first, ssrc = numbering.place(Taken(FRAME, TICKS, 0)), numbering.ssrc
    then = numbering.place(Taken(FRAME, TICKS, 4))
    assert (then[0] - first[0] & 0xFFFF, then[1] - first[1] & 0xFFFFFFFF) == (4, 3840)
    numbering.begin()
    assert numbering.ssrc != ssrc


# In: the floor


def flow(**more):
    return Inflow(**{"pre_roll": 0.1, "guard": 0.3, **more})


def test_the_first_asks_and_what_waited_is_sent_first():
    inflow = flow()
    assert inflow.hear("a", 1.0) == [Ask()]
    assert inflow.hear("b", 1.02) == []
    assert inflow.granted() == [
        Say("a", 1.0, first=True, waited=True),
        Say("b", 1.02, first=False, waited=True),
    ]
    assert inflow.hear("c", 1.04) == [Say("c", 1.04, first=False, waited=False)]
    assert inflow.granted() == []
    assert inflow.deadline == pytest.approx(1.34)
    assert inflow.tick(1.33) == []
    assert inflow.tick(1.34) == [Leave(over=False)]
    assert inflow.deadline is None
    assert not inflow.counts.total()


def test_only_the_newest_wait():
    inflow = flow()
    for n in range(10):
        inflow.hear(n, 1.0 + 0.02 * n)
    assert [say.what for say in inflow.granted()] == [4, 5, 6, 7, 8, 9]
    assert inflow.counts == {"overflowed": 4}


def test_the_other_side_says_when_it_is_over():
    inflow = flow()
    inflow.hear("a", 1.0)
    inflow.granted()
    assert inflow.over() == [Leave(over=True)]
    assert inflow.over() == []
    inflow.hear("b", 2.0)
    assert inflow.over() == [Leave(over=False)]  # before the answer
    assert inflow.counts["unheard"] == 1
    assert inflow.granted() == [Leave(over=False)]  # which comes too late


def test_refused_it_drops_until_the_floor_is_idle():
    inflow = flow()
    inflow.hear("a", 1.0)
    inflow.refused()
    assert inflow.hear("b", 1.1) == []
    assert inflow.counts == {"refused": 2}
    inflow.idle()
    assert inflow.hear("c", 1.2) == [Ask()]
    assert [say.what for say in inflow.granted()] == ["c"]


def test_who_has_talked_too_long_must_pause():
    inflow = flow()
    inflow.hear("a", 1.0)
    inflow.granted()
    inflow.revoked(too_long=True)
    inflow.idle()
    for n in range(20):
        assert inflow.hear("b", 1.1 + 0.2 * n) == []
        assert inflow.tick(1.1 + 0.2 * n + 0.19) == []
    assert inflow.tick(5.3) == []
    assert inflow.state is State.IDLE
    assert inflow.hear("c", 6.0) == [Ask()]


def test_what_is_pre_empted_asks_again_once_it_may():
    inflow = flow()
    inflow.hear("a", 1.0)
    inflow.granted()
    inflow.revoked(too_long=False)
    assert inflow.hear("b", 1.02) == []
    inflow.idle()
    assert inflow.hear("c", 1.04) == [Ask()]


def test_an_echo_is_no_burst():
    inflow = flow()
    inflow.sending_out(1.0)
    assert inflow.hear("echo", 1.29) == []
    assert inflow.counts == {"half_duplex": 1}
    assert inflow.state is State.IDLE
    assert inflow.hear("speech", 1.31) == [Ask()]
    inflow.granted()
    inflow.sending_out(1.32)  # who pre-empted us; the floor says the rest
    assert len(inflow.hear("more", 1.33)) == 1


def test_without_a_guard_it_may_ask_at_any_time():
    inflow = flow(guard=None)
    inflow.sending_out(1.0)
    assert inflow.hear("a", 1.0) == [Ask()]


def test_whatever_happens_the_floor_is_given_back():
    chance = random.Random(3)
    for _ in range(300):
        inflow, now, floor = flow(), 0.0, False  # asked for, or ours
        for _ in range(80):
            now += chance.choice((0.01, 0.02, 0.4))
            step = chance.randrange(7)
            done = []
            if step <= 2:
                done = inflow.hear("x", now)
            elif step == 3 and floor:
                done = inflow.granted()
            elif step == 4 and floor:
                floor = False
                inflow.revoked(too_long=True) if chance.random() < 0.5 else inflow.refused()
            elif step == 5:
                done = inflow.over() if chance.random() < 0.5 else inflow.tick(now)
            else:
                inflow.idle()
            for one in done:
                floor = (floor or isinstance(one, Ask)) and not isinstance(one, Leave)
            assert floor is (inflow.state in (State.ASKING, State.TALKING))
        inflow.tick(now + 1)
        assert inflow.state is State.IDLE
