"""The uplink machine, event by event. Times are seconds, spelled out."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.voice.rtp import Token
from gateway.voice.uplink.actions import Ask, Begin, GiveBack, Send
from gateway.voice.uplink.uplink import Block, State, Uplink

TOKEN = Token(3, 7)
LAST = Send(None, last=True)


def block(number):
    return Block(number, 100.0 + number * 0.02)


def before(uplink, count, start=0.0):
    """``count`` blocks with the squelch closed; the last one at ``start + (count - 1) * 0.02``."""
    for n in range(count):
        assert uplink.block(block(n), start + n * 0.02) == []


def talking(**options):
    uplink = Uplink(**({"pre_roll": 0.04, "rx_mute": 0.3} | options))
    assert uplink.squelch(True, 1.0) == [Ask()]
    assert uplink.granted(TOKEN, 1.0) == [Begin(TOKEN)]
    return uplink


def test_the_squelch_opening_asks_at_once():
    uplink = Uplink(pre_roll=0.04, rx_mute=0.3)
    assert uplink.squelch(True, 1.0) == [Ask()]
    assert uplink.state is State.ASKING
    assert not uplink.talking


@pytest.mark.parametrize(("pre_roll", "numbers"), [(0.0, []), (0.04, [3, 4]), (0.08, [1, 2, 3, 4])])
def test_blocks_from_before_the_squelch_opened_are_sent_first(pre_roll, numbers):
    uplink = Uplink(pre_roll=pre_roll, rx_mute=0.3)
    before(uplink, 5)
    uplink.squelch(True, 0.09)
    assert uplink.granted(TOKEN, 0.09) == [
        Begin(TOKEN),
        *[Send(block(n), pre_roll=True) for n in numbers],
    ]
    assert uplink.block(block(5), 0.1) == [Send(block(5))]


def test_blocks_that_wait_for_the_answer_are_sent_in_order():
    uplink = Uplink(pre_roll=0.02, rx_mute=0.3)
    before(uplink, 2)
    uplink.squelch(True, 0.03)
    for n in range(2, 6):
        assert uplink.block(block(n), n * 0.02) == []
    sent = uplink.granted(TOKEN, 0.11)
    assert sent == [Begin(TOKEN), *[Send(block(n), pre_roll=True) for n in range(1, 6)]]


def test_at_most_a_second_and_a_half_waits_and_the_oldest_goes():
    uplink = Uplink(pre_roll=0.0, rx_mute=0.3)
    uplink.squelch(True, 0.0)
    for n in range(80):
        uplink.block(block(n), n * 0.02)
    sent = uplink.granted(TOKEN, 1.6)
    assert sent[:2] == [Begin(TOKEN), Send(block(5), pre_roll=True)]
    assert uplink.backlog.dropped == 5
    assert len(sent[1:]) + len(uplink.backlog) == 75


def test_the_squelch_closing_lets_the_block_being_captured_through_and_one_of_silence():
    uplink = talking()
    assert uplink.squelch(False, 1.05) == []
    assert uplink.talking
    assert uplink.block(block(9), 1.06) == [Send(block(9)), LAST, GiveBack()]
    assert uplink.state is State.QUIET
    assert uplink.block(block(10), 1.08) == []


def test_without_another_block_the_burst_ends_40_ms_after_the_squelch_closed():
    uplink = talking()
    uplink.block(block(1), 1.02)
    uplink.squelch(False, 1.05)
    assert uplink.deadline(1.05) == pytest.approx(1.09)
    assert uplink.tick(1.0899) == []
    assert uplink.tick(1.09) == [LAST, GiveBack()]


def test_a_squelch_that_opens_again_while_closing_goes_on_in_the_same_burst():
    uplink = talking()
    uplink.squelch(False, 1.05)
    assert uplink.squelch(True, 1.055) == []
    assert uplink.block(block(1), 1.06) == [Send(block(1))]
    assert uplink.state is State.TALKING


def test_blocks_that_were_sent_are_no_pre_roll_of_the_next_burst():
    uplink = talking()
    uplink.block(block(1), 1.02)
    uplink.squelch(False, 1.03)
    uplink.block(block(2), 1.04)
    uplink.block(block(3), 1.06)
    uplink.squelch(True, 1.07)
    assert uplink.granted(TOKEN, 1.07)[1:] == [Send(block(3), pre_roll=True)]


def test_a_word_that_is_over_before_the_answer_is_sent_whole():
    uplink = Uplink(pre_roll=0.0, rx_mute=0.3)
    uplink.squelch(True, 0.0)
    uplink.block(block(1), 0.02)
    uplink.squelch(False, 0.03)
    uplink.block(block(2), 0.04)  # was being captured
    uplink.block(block(3), 0.06)
    uplink.block(block(4), 0.08)  # is after the word
    assert uplink.granted(TOKEN, 0.3) == [
        Begin(TOKEN),
        *[Send(block(n), pre_roll=True) for n in (1, 2, 3)],
        LAST,
        GiveBack(),
    ]


def test_an_answer_right_after_the_squelch_closed_still_waits_for_the_block_being_captured():
    uplink = Uplink(pre_roll=0.0, rx_mute=0.3)
    uplink.squelch(True, 0.0)
    uplink.squelch(False, 0.01)
    assert uplink.granted(TOKEN, 0.015) == [Begin(TOKEN)]
    assert uplink.block(block(1), 0.02) == [Send(block(1)), LAST, GiveBack()]


@pytest.mark.parametrize(("at", "actions"), [(1.529, []), (1.53, [GiveBack()])])
def test_a_word_that_nobody_answers_is_given_up_after_a_second_and_a_half(at, actions):
    uplink = Uplink(pre_roll=0.0, rx_mute=0.3)
    uplink.squelch(True, 0.0)
    uplink.squelch(False, 0.03)
    assert uplink.deadline(0.03) == pytest.approx(1.53)
    assert uplink.tick(at) == actions


def test_a_refused_endpoint_is_silent_and_asks_with_the_first_block_after_the_floor_is_idle():
    uplink = Uplink(pre_roll=0.04, rx_mute=0.3)
    uplink.squelch(True, 0.0)
    uplink.refused(None, 0.01)
    assert uplink.block(block(1), 5.0) == []
    uplink.idle(5.0)  # a dead device does not ask
    assert uplink.block(block(2), 5.02) == [Ask()]
    assert uplink.granted(TOKEN, 5.02)[1:] == [
        Send(block(1), pre_roll=True),
        Send(block(2), pre_roll=True),
    ]


@pytest.mark.parametrize(("at", "actions"), [(5.0, []), (5.019, []), (5.021, [Ask()])])
def test_where_a_time_to_wait_is_named_it_asks_after_that_time(at, actions):
    uplink = Uplink(pre_roll=0.04, rx_mute=0.3)
    uplink.squelch(True, 0.0)
    uplink.refused(5.0, 0.02)
    assert uplink.block(block(1), at) == actions


def test_refused_and_closed_it_forgets():
    uplink = Uplink(pre_roll=0.04, rx_mute=0.3)
    uplink.squelch(True, 0.0)
    uplink.refused(None, 0.01)
    uplink.squelch(False, 0.5)
    uplink.idle(0.6)
    assert uplink.block(block(1), 0.62) == []
    assert uplink.state is State.QUIET


def test_revoked_it_stops_at_once_and_asks_again_when_the_floor_is_idle():
    uplink = talking()
    uplink.revoked()
    assert not uplink.talking
    assert uplink.block(block(1), 1.52) == []
    uplink.idle(1.52)
    assert uplink.block(block(2), 3.02) == [Ask()]


def test_a_revoke_that_comes_while_it_asks_anew_changes_nothing():
    uplink = Uplink(pre_roll=0.04, rx_mute=0.3)
    uplink.squelch(True, 0.0)
    uplink.revoked()
    assert uplink.granted(TOKEN, 0.1) == [Begin(TOKEN)]


@pytest.mark.parametrize(("at", "ends"), [(1.299, False), (1.3, True)])
def test_without_audio_the_burst_ends_and_the_next_block_asks(at, ends):
    uplink = talking()
    assert uplink.deadline(1.0) == pytest.approx(1.3)
    assert uplink.tick(at) == ([LAST, GiveBack()] if ends else [])
    if ends:
        assert uplink.block(block(1), 2.0) == [Ask()]


def test_the_same_grant_said_twice_changes_nothing_and_another_token_begins_a_new_burst():
    uplink = talking()
    assert uplink.granted(TOKEN, 1.1) == []
    assert uplink.granted(Token(4, 0), 1.2) == [Begin(Token(4, 0))]
    assert uplink.talking


def test_a_grant_that_nobody_waits_for_is_given_back():
    uplink = Uplink(pre_roll=0.04, rx_mute=0.3)
    assert uplink.granted(TOKEN, 0.0) == [GiveBack()]


def test_the_squelch_is_not_listened_to_while_transmitting_nor_for_the_mute_time():
    uplink = Uplink(pre_roll=0.04, rx_mute=0.3)
    uplink.transmitting(True, 0.0)
    assert uplink.squelch(True, 0.1) == []
    assert uplink.block(block(1), 0.12) == []
    assert not uplink.open(0.12)
    assert uplink.transmitting(False, 1.0) == []
    assert uplink.block(block(2), 1.02) == []
    assert uplink.deadline(1.0) == pytest.approx(1.3)
    assert uplink.tick(1.2999) == []
    assert uplink.tick(1.3) == [Ask()]
    assert uplink.granted(TOKEN, 1.3) == [Begin(TOKEN)]  # nothing from the muted time is sent


def test_without_a_mute_time_it_listens_as_soon_as_the_transmission_ends():
    uplink = Uplink(pre_roll=0.04, rx_mute=0.0)
    uplink.transmitting(True, 0.0)
    uplink.squelch(True, 0.1)
    assert uplink.transmitting(False, 1.0) == [Ask()]


def test_what_was_captured_before_a_transmission_is_no_pre_roll_after_it():
    uplink = Uplink(pre_roll=0.2, rx_mute=0.0)
    before(uplink, 5)
    uplink.transmitting(True, 0.1)
    uplink.transmitting(False, 0.2)
    uplink.squelch(True, 0.21)
    assert uplink.granted(TOKEN, 0.21) == [Begin(TOKEN)]


def test_a_request_is_kept_when_the_endpoint_begins_to_transmit():
    uplink = Uplink(pre_roll=0.04, rx_mute=0.3)
    uplink.squelch(True, 0.0)
    assert uplink.transmitting(True, 0.01) == []
    assert uplink.granted(TOKEN, 0.02) == []
    assert not uplink.talking


def test_stopped_while_talking_it_ends_the_burst_and_asks_anew_with_the_next_block():
    uplink = talking()
    assert uplink.stop() == [LAST, GiveBack()]
    assert uplink.block(block(1), 2.0) == [Ask()]


def test_stopped_while_asking_it_takes_the_request_back():
    uplink = Uplink(pre_roll=0.04, rx_mute=0.3)
    uplink.squelch(True, 0.0)
    assert uplink.stop() == [GiveBack()]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "block",
                "open",
                "close",
                "grant",
                "grant2",
                "refuse",
                "retry",
                "revoke",
                "queue",
                "idle",
                "tx",
                "rx",
                "stop",
                "too long",
                "tick",
            ]
        ),
        st.sampled_from([0.0, 0.001, 0.02, 0.3, 2.0]),
    ),
    max_size=80,
)


@given(EVENTS, st.booleans(), st.sampled_from([0.0, 0.05]), st.sampled_from([None, 3.0]))
def test_whatever_happens_it_sends_only_under_a_grant_and_ends_what_it_began(
    events, waits, tail_cut, input_timeout
):
    """The grant is ours from `granted` until we give it back or it is revoked."""
    uplink = Uplink(
        pre_roll=0.1, rx_mute=0.3, waits=waits, tail_cut=tail_cut, input_timeout=input_timeout
    )
    now, numbers = 0.0, itertools.count()
    asked = granted = muted = False
    sent, begun = [], False
    for what, gap in events:
        now += gap
        actions = []
        match what:
            case "block":
                actions = uplink.block(block(next(numbers)), now)
            case "open" | "close":
                actions = uplink.squelch(what == "open", now)
            case "grant" | "grant2":
                if not asked and not granted:
                    continue
                granted, asked = True, False
                actions = uplink.granted(Token(1, len(what)), now)
            case "refuse" | "retry":
                asked = False
                uplink.refused(5.0 if what == "retry" else None, now)
            case "revoke" | "too long":
                granted = begun = False
                uplink.revoked(too_long=what == "too long")
            case "queue":
                actions = uplink.queued(now)
            case "idle":
                uplink.idle(now)
            case "tx" | "rx":
                muted = what == "tx"
                actions = uplink.transmitting(muted, now)
            case "stop":
                actions = uplink.stop()
            case _:
                actions = uplink.tick(now)
        for index, action in enumerate(actions):
            match action:
                case Ask():
                    assert index == len(actions) - 1
                    assert not asked
                    assert not muted
                    asked = True
                case Begin():
                    assert granted
                    begun = True
                case GiveBack():
                    assert asked or granted
                    asked = granted = begun = False
                case Send(item, _, last):
                    assert granted
                    assert begun
                    assert last is (item is None)
                    if item is not None:
                        sent.append(item.samples)
        assert uplink.talking <= granted
        assert not (muted and uplink.talking)
    assert sent == sorted(set(sent))
