"""What waits in the uplink: its pace, the squelch's tail, and inputs that never close. Times are spelled out."""

import pytest

from gateway.voice.rtp import Token
from gateway.voice.uplink.actions import Ask, Begin, GiveBack, Send
from gateway.voice.uplink.uplink import Block, State, Uplink

TOKEN = Token(3, 7)
LAST = Send(None, last=True)


def block(number):
    return Block(number, 100.0 + number * 0.02)


def numbers(actions):
    return [action.block.samples for action in actions if isinstance(action, Send) and action.block]


class Clock:
    """An uplink with a microphone: a block each 20 ms, and its timer in between."""

    def __init__(self, **options):
        self.uplink = Uplink(**({"pre_roll": 0.0, "rx_mute": 0.3} | options))
        self.now = 0.0
        self.number = 0
        self.actions = []  # (when, action)

    def did(self, actions):
        self.actions += [(self.now, action) for action in actions]

    def blocks(self, count):
        """``count`` blocks are captured, the timer rings in between."""
        for _ in range(count):
            self.until(self.now + 0.02)
            self.did(self.uplink.block(block(self.number), self.now))
            self.number += 1

    def until(self, end):
        """Time passes without audio."""
        while (due := self.uplink.deadline(self.now)) is not None and due <= end:
            self.now = max(due, self.now)
            self.did(self.uplink.tick(self.now))
            if due == self.uplink.deadline(self.now):
                break
        self.now = end

    @property
    def sent(self):
        return [
            (round(at, 4), action.block.samples)
            for at, action in self.actions
            if isinstance(action, Send) and action.block
        ]


def test_a_second_of_pre_roll_goes_out_in_parts_and_has_caught_up_within_a_fifth_of_a_second():
    clock = Clock(pre_roll=1.0)
    clock.blocks(60)
    clock.did(clock.uplink.squelch(True, clock.now))
    clock.blocks(10)  # 0.2 s until the answer
    granted = clock.now
    clock.did(clock.uplink.granted(TOKEN, granted))
    clock.blocks(30)
    assert [number for _, number in clock.sent] == list(range(10, 100))
    caught_up = next(at for at, number in clock.sent if at == pytest.approx((number + 1) * 0.02))
    assert caught_up - granted <= 0.2


def test_no_more_than_ten_packets_leave_at_once_and_eight_in_any_20_ms_after_that():
    clock = Clock(pre_roll=1.0)
    clock.blocks(60)
    clock.did(clock.uplink.squelch(True, clock.now))
    granted = clock.now
    clock.did(clock.uplink.granted(TOKEN, granted))
    clock.blocks(30)
    times = [at for at, _ in clock.sent]
    assert times.count(round(granted, 4)) == 10
    later = [at for at in times if at > granted + 0.001]
    for start in later:
        assert sum(start <= at < start + 0.0199 for at in later) <= 8


def test_only_what_is_older_than_the_grant_is_marked_as_pre_roll():
    clock = Clock(pre_roll=1.0)
    clock.blocks(60)
    clock.did(clock.uplink.squelch(True, clock.now))
    clock.did(clock.uplink.granted(TOKEN, clock.now))
    clock.blocks(30)
    marked = [action.pre_roll for _, action in clock.actions if isinstance(action, Send)]
    assert marked == [True] * 50 + [False] * 30


def test_a_word_that_is_over_before_it_was_all_sent_is_sent_whole_and_then_ends():
    clock = Clock(pre_roll=1.0)
    clock.blocks(60)
    clock.did(clock.uplink.squelch(True, clock.now))
    clock.did(clock.uplink.granted(TOKEN, clock.now))
    clock.blocks(2)
    clock.did(clock.uplink.squelch(False, clock.now))
    clock.blocks(1)  # was being captured
    clock.until(clock.now + 1.0)
    assert [number for _, number in clock.sent] == list(range(10, 63))
    assert [action for _, action in clock.actions][-2:] == [LAST, GiveBack()]
    assert clock.uplink.state is State.QUIET


def test_a_squelch_that_opens_again_while_the_end_is_being_sent_loses_nothing():
    clock = Clock(pre_roll=1.0)
    clock.blocks(60)
    clock.did(clock.uplink.squelch(True, clock.now))
    clock.did(clock.uplink.granted(TOKEN, clock.now))
    clock.did(clock.uplink.squelch(False, clock.now))
    clock.blocks(3)
    clock.did(clock.uplink.squelch(True, clock.now))
    clock.blocks(20)
    assert [number for _, number in clock.sent] == list(range(10, 83))
    assert clock.uplink.state is State.TALKING


def test_what_waits_is_not_sent_once_the_endpoint_transmits():
    clock = Clock(pre_roll=1.0)
    clock.blocks(60)
    clock.did(clock.uplink.squelch(True, clock.now))
    clock.did(clock.uplink.granted(TOKEN, clock.now))
    assert clock.uplink.transmitting(True, clock.now) == [LAST, GiveBack()]
    assert len(clock.uplink.backlog) == 0


# The squelch's tail


def cutting(tail_cut):
    """An uplink that talks and has captured blocks 0 to 19, the last at 1.4."""
    clock = Clock(tail_cut=tail_cut)
    clock.now = 1.0
    clock.did(clock.uplink.squelch(True, clock.now))
    clock.did(clock.uplink.granted(TOKEN, clock.now))
    clock.blocks(20)
    return clock


@pytest.mark.parametrize(("tail_cut", "held"), [(0.02, 1), (0.05, 3), (0.06, 3), (0.2, 10)])
def test_with_a_tail_cut_each_block_is_held_back_by_that_rounded_up_to_blocks(tail_cut, held):
    clock = cutting(tail_cut)
    assert [number for _, number in clock.sent] == list(range(20 - held))


@pytest.mark.parametrize(
    ("closed", "last"),
    [
        (1.401, 16),  # block 17 came at 1.36: less than 50 ms before
        (1.4101, 17),  # block 17 came 50.1 ms before
        (1.4099, 16),
    ],
)
def test_what_came_within_the_tail_cut_before_the_squelch_closed_is_never_sent(closed, last):
    clock = cutting(0.05)
    clock.now = closed
    clock.did(clock.uplink.squelch(False, closed))
    clock.blocks(5)
    clock.until(clock.now + 1)
    assert [number for _, number in clock.sent] == list(range(last + 1))
    assert [action for _, action in clock.actions][-2:] == [LAST, GiveBack()]
    assert clock.uplink.backlog.cut == 19 - last


def test_without_a_tail_cut_the_block_being_captured_is_sent():
    clock = cutting(0.0)
    clock.did(clock.uplink.squelch(False, 1.405))
    clock.blocks(3)
    assert [number for _, number in clock.sent] == list(range(21))


def test_a_squelch_open_for_less_than_its_tail_sends_nothing():
    uplink = Uplink(pre_roll=0.0, rx_mute=0.3, tail_cut=0.1)
    assert uplink.squelch(True, 1.0) == [Ask()]
    for n in range(3):
        uplink.block(block(n), 1.02 + n * 0.02)
    assert uplink.squelch(False, 1.065) == [GiveBack()]
    assert uplink.granted(TOKEN, 1.07) == [GiveBack()]


def test_the_tail_is_cut_from_a_word_that_was_over_before_the_answer_too():
    uplink = Uplink(pre_roll=0.0, rx_mute=0.3, tail_cut=0.04)
    uplink.squelch(True, 1.0)
    for n in range(5):  # the last at 1.1
        uplink.block(block(n), 1.02 + n * 0.02)
    uplink.squelch(False, 1.105)
    uplink.block(block(5), 1.12)
    assert numbers(uplink.granted(TOKEN, 1.2)) == [0, 1, 2]


def test_a_device_that_stops_loses_nothing_of_what_was_held_back():
    clock = cutting(0.1)
    clock.until(clock.now + 0.31)
    assert [number for _, number in clock.sent] == list(range(20))
    assert clock.uplink.state is State.REFUSED


# An input that never closes


def stuck(**options):
    clock = Clock(**({"input_timeout": 60.0} | options))
    clock.did(clock.uplink.squelch(True, 0.0))
    return clock


@pytest.mark.parametrize(("at", "out"), [(59.999, False), (60.0, True)])
def test_a_squelch_open_for_the_time_out_is_taken_out_and_gives_the_floor_back(at, out):
    clock = stuck()
    uplink = clock.uplink
    uplink.granted(TOKEN, 0.0)
    clock.blocks(2990)  # at 59.8
    assert uplink.deadline(59.8) == pytest.approx(60.0)
    assert uplink.tick(at) == ([LAST, GiveBack()] if out else [])
    assert (uplink.state is State.OUT) is out
    assert uplink.timed_out == out
    assert uplink.open(at) is not out


def test_the_time_out_counts_on_while_others_have_the_floor():
    clock = stuck()
    uplink = clock.uplink
    uplink.refused(None, 0.1)
    assert uplink.deadline(0.1) == pytest.approx(60.0)
    uplink.transmitting(True, 5.0)
    uplink.transmitting(False, 50.0)
    assert uplink.tick(60.0) == []
    assert uplink.state is State.OUT
    uplink.idle(60.1)
    assert uplink.block(block(1), 60.2) == []


def test_an_input_that_asks_when_it_is_taken_out_takes_its_request_back():
    clock = stuck(input_timeout=1.0)
    assert clock.uplink.tick(1.0) == [GiveBack()]
    assert clock.uplink.granted(TOKEN, 1.1) == [GiveBack()]


@pytest.mark.parametrize(("again", "asks"), [(62.999, False), (63.001, True)])
def test_it_is_listened_to_again_once_it_has_been_closed_for_a_second(again, asks):
    clock = stuck()
    uplink = clock.uplink
    uplink.tick(60.0)
    assert uplink.squelch(False, 62.0) == []
    assert uplink.deadline(62.0) == 63.0
    uplink.tick(again)
    assert uplink.squelch(True, again) == ([Ask()] if asks else [])


def test_a_carrier_that_flutters_stays_out():
    clock = stuck()
    uplink = clock.uplink
    uplink.tick(60.0)
    for n in range(20):
        assert uplink.squelch(n % 2 == 1, 61.0 + n * 0.9) == []
    assert uplink.state is State.OUT


def test_an_input_that_was_taken_out_stays_so_on_another_talkgroup():
    clock = stuck()
    clock.uplink.tick(60.0)
    assert clock.uplink.stop() == []
    assert clock.uplink.state is State.OUT


def test_without_a_time_out_it_is_never_taken_out():
    clock = stuck(input_timeout=None)
    assert clock.uplink.tick(1e6) == [GiveBack()] or clock.uplink.state is not State.OUT
    assert clock.uplink.timed_out == 0


def test_who_was_cut_off_for_talking_too_long_leaves_the_next_second_to_others_then_two_then_four():
    uplink = Uplink(pre_roll=0.0, rx_mute=0.3)
    uplink.squelch(True, 0.0)
    at = 0.0
    for pause in (1.0, 2.0, 4.0):
        assert Begin(TOKEN) in uplink.granted(TOKEN, at)
        uplink.revoked(too_long=True)
        uplink.idle(at + 30.0)
        assert uplink.block(block(1), at + 30.0 + pause - 0.001) == []
        at += 30.0 + pause + 0.001
        assert uplink.block(block(2), at) == [Ask()]


def test_who_lets_go_after_being_cut_off_may_ask_at_once():
    uplink = Uplink(pre_roll=0.0, rx_mute=0.3)
    uplink.squelch(True, 0.0)
    uplink.granted(TOKEN, 0.0)
    uplink.revoked(too_long=True)
    uplink.squelch(False, 30.0)
    assert uplink.squelch(True, 30.1) == [Ask()]


def test_pre_empted_is_not_too_long():
    uplink = Uplink(pre_roll=0.0, rx_mute=0.3)
    uplink.squelch(True, 0.0)
    uplink.granted(TOKEN, 0.0)
    uplink.revoked()
    uplink.idle(30.0)
    assert uplink.block(block(1), 30.0) == [Ask()]
