"""The pure parts of the ``sip`` driver: addresses, options, frames, session and playback."""

import contextlib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.sip import child_protocol as protocol
from drivers.sip import session as machine
from drivers.sip.address import Address
from drivers.sip.child_protocol import Media, Settings
from drivers.sip.options import SipOptions
from drivers.sip.playback import PlaybackQueue
from drivers.sip.session import (
    Answer,
    Begin,
    Cease,
    Dial,
    End,
    Fail,
    HangUp,
    Ready,
    Refuse,
    Register,
    Session,
    State,
)
from gateway.errors import RemoteProtocolError

GATE = "sip:gate@10.0.0.7"


# Addresses and options.


@pytest.mark.parametrize(
    ("entry", "caller", "listed"),
    [
        (GATE, "sip:gate@10.0.0.7", True),
        (GATE, "sip:gate@10.0.0.7:5062;transport=udp", True),
        (GATE, "sip:door@10.0.0.7", False),
        (GATE, "sip:gate@10.0.0.77", False),
        (GATE, "sip:Gate@10.0.0.7", False),  # users differ by case (RFC 3261, 19.1.4)
        ("sip:gate@Door.Example", "sip:gate@door.example", True),
        ("sip:gate@10.0.0.7:5060", "sip:gate@10.0.0.7:5062", False),
        ("sip:*@10.0.0.7", "sip:anything@10.0.0.7", True),
        ("sip:*@10.0.0.7", "sip:anything@10.0.0.8", False),
        ("sip:gate@*", "sip:gate@anywhere", True),
        ("gate@[fe80::1]", "sip:gate@[FE80::1]:5060", True),
    ],
)
def test_a_caller_is_listed_or_not(entry, caller, listed):
    assert Address.from_text(entry).lists(Address.from_text(caller)) is listed


@pytest.mark.parametrize(
    "text", ["", "sip:", "tel:+4912", "sip:a b@c", "sip:a@b\nx", 'sip:"@b', "a@b:0", "a@b:70000"]
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError):
        Address.from_text(text)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "either call or accept_from"),
        ({"call": GATE, "accept_from": (GATE,)}, "either call or accept_from"),
        ({"accept_from": (GATE,)}, "listen or registrar"),
        ({"call": "sip:*@10.0.0.7"}, "one address"),
        ({"call": GATE, "listen": "gateway.example:5060"}, "IPv4 or IPv6"),
        ({"call": GATE, "listen": "127.0.0.1"}, "host:port"),
        ({"call": GATE, "registrar": "gate@pbx"}, "username"),
        ({"call": GATE, "password_file": Path("x")}, "need a registrar"),
        ({"call": GATE, "username": "a b"}, "user name"),
        ({"call": GATE, "username": "a\nsip_listen"}, "user name"),
        ({"call": "sip:gate@10.0.0.7\nmodule x"}, "no SIP address"),
    ],
)
def test_options_that_cannot_work_say_why(options, says):
    with pytest.raises(ValueError, match=says):
        SipOptions(**options)


def test_an_address_to_listen_on_is_occupied():
    assert list(SipOptions(call=GATE, listen="10.0.0.1:5060").occupies()) == ["udp 10.0.0.1:5060"]
    assert list(SipOptions(call=GATE).occupies()) == []


# Frames.

SETTINGS = Settings(
    call=GATE,
    accept_from=(),
    listen=None,
    transport="udp",
    username="baiying",
    registrar=None,
    auth_username=None,
    password="secret",
    register_every=60,
    codecs=("opus", "pcmu"),
    answer_within=20.0,
    silent=5,
)
MEDIA = Media(serial=255, peer=GATE, capture_hz=8_000, playback_hz=48_000)


def test_frames_are_as_documented():
    assert protocol.to_bytes(protocol.READY) == b"R\0\0\0\0"
    assert protocol.audio_to_bytes(protocol.PLAY, 7, b"\1\2") == b"P\0\0\0\3\7\1\2"


def test_settings_and_media_survive_their_frames():
    assert Settings.from_bytes(SETTINGS.to_bytes()) == SETTINGS
    assert Media.from_bytes(MEDIA.to_bytes()) == MEDIA
    assert protocol.audio_from_bytes(b"\7\1\2") == (7, b"\1\2")


@given(st.binary(max_size=60) | st.integers(0, 90).map(lambda end: MEDIA.to_bytes()[:end]))
def test_garbage_and_prefixes_are_protocol_errors(body):
    for parse in (Media.from_bytes, protocol.audio_from_bytes, protocol.counters_from_bytes):
        with contextlib.suppress(RemoteProtocolError):
            parse(body)
    if len(body) >= protocol.HEAD.size:
        with contextlib.suppress(RemoteProtocolError):
            protocol.parse_head(body[: protocol.HEAD.size])


@pytest.mark.parametrize("fields", ['"serial":256', '"serial":-1', '"serial":true', '"serial":"1"'])
def test_a_serial_that_fits_no_byte_is_refused(fields):
    with pytest.raises(RemoteProtocolError):
        Media.from_bytes(f'{{{fields},"capture_hz":0,"playback_hz":0}}'.encode())


# The session.


def session(**changes):
    plan = {"call": None, "accept_from": (), "registers": False, "answer_within": 20.0}
    plan.update(changes)
    return Session(machine.Plan(**plan))


def calling(**changes):
    made = session(call=GATE, **changes)
    assert made.start(0.0) == [Dial(GATE)]
    return made


def waiting(**changes):
    made = session(accept_from=(Address.from_text(GATE),), **changes)
    assert made.start(0.0) == [Ready()]
    return made


def talking():
    made = waiting()
    made.incoming(1, GATE, 0.0)
    assert made.established(1) == [Begin(1, GATE)]
    return made


def test_a_call_is_ready_when_it_is_answered():
    made = calling()
    assert made.established(None) == [Ready(), Begin(None, GATE)]
    assert made.deadline() is None


def test_a_call_that_is_not_answered_fails_at_its_deadline_and_not_before():
    made = calling()
    assert made.deadline() == 20.0
    assert made.tick(19.99) == []
    hang_up, failure = made.tick(20.0)
    assert hang_up == HangUp(None)
    assert "did not answer within 20 s" in failure.what


@pytest.mark.parametrize("end", End)
def test_a_call_that_was_dialled_fails_however_it_ends(end):
    made = calling()
    made.established(None)
    cease, failure = made.closed(None, end, "486 Busy")
    assert (cease, type(failure)) == (Cease(), Fail)
    assert "486 Busy" in failure.what


def test_a_call_that_is_refused_says_so():
    (failure,) = calling().closed(None, End.LOST, "486 Busy Here")
    assert failure.what == f"{GATE} did not take the call: 486 Busy Here"


def test_whoever_calls_an_endpoint_that_calls_is_refused():
    made = calling()
    assert made.incoming(5, GATE, 0.0) == [Refuse(5)]
    assert made.closed(5, End.LOST, "") == []
    assert made.state is State.CALLING


def test_a_listed_caller_is_answered_and_others_are_refused():
    made = waiting()
    assert made.incoming(1, "sip:burglar@10.0.0.7", 0.0) == [Refuse(1)]
    assert made.incoming(2, "nonsense", 0.0) == [Refuse(2)]
    assert made.incoming(3, GATE, 0.0) == [Answer(3)]
    assert made.established(3) == [Begin(3, GATE)]


def test_a_second_caller_is_refused_while_one_talks():
    made = session(accept_from=(Address.from_text("sip:*@*"),))
    made.start(0.0)
    made.incoming(1, GATE, 0.0)
    made.established(1)
    assert made.incoming(2, "sip:other@10.0.0.8", 1.0) == [Refuse(2)]
    assert made.closed(2, End.HUNG_UP, "") == []
    assert made.state is State.TALKING


def test_the_same_caller_calling_again_replaces_its_call():
    made = talking()
    again = made.incoming(2, f"{GATE}:5099", 5.0)
    assert again == [HangUp(1), Cease(), Answer(2)]
    assert made.closed(1, End.LOST, "") == []
    assert made.established(2) == [Begin(2, f"{GATE}:5099")]


def test_a_hang_up_leaves_the_endpoint_ready_for_the_next_call():
    made = talking()
    assert made.closed(1, End.HUNG_UP, "") == [Cease()]
    assert made.incoming(2, GATE, 9.0) == [Answer(2)]


def test_a_call_that_was_lost_is_a_failure():
    cease, failure = talking().closed(1, End.LOST, "no audio came for 5 s")
    assert cease == Cease()
    assert "no audio came for 5 s" in failure.what


def test_a_caller_who_never_confirms_is_given_up():
    made = waiting()
    made.incoming(1, GATE, 1.0)
    assert made.tick(20.99) == []
    assert made.tick(21.0) == [HangUp(1)]
    assert made.state is State.WAITING


def test_registering_comes_first():
    made = session(call=GATE, registers=True)
    assert made.start(0.0) == [Register()]
    assert made.registered(3.0) == [Dial(GATE)]
    assert made.deadline() == 23.0
    assert made.registered(50.0) == []


def test_a_refused_registration_is_a_failure():
    made = session(accept_from=(Address.from_text(GATE),), registers=True)
    made.start(0.0)
    (failure,) = made.unregistered("403 Forbidden")
    assert "403 Forbidden" in failure.what
    assert made.unregistered("again") == []


def test_a_lost_registration_cuts_no_speech():
    made = talking()
    assert made.unregistered("503 Gone") == []
    cease, failure = made.closed(1, End.HUNG_UP, "")
    assert cease == Cease()
    assert "503 Gone" in failure.what


def test_a_registration_renewed_during_the_call_is_forgiven():
    made = talking()
    made.unregistered("503 Gone")
    made.registered(8.0)
    assert made.closed(1, End.HUNG_UP, "") == [Cease()]


EVENTS = st.one_of(
    st.tuples(st.just("registered"), st.none()),
    st.tuples(st.just("unregistered"), st.none()),
    st.tuples(st.just("incoming"), st.integers(1, 3)),
    st.tuples(st.just("established"), st.sampled_from([None, 1, 2, 3])),
    st.tuples(st.just("closed"), st.sampled_from([None, 1, 2, 3])),
    st.tuples(st.just("tick"), st.none()),
)


@settings(max_examples=300, deadline=None)
@given(st.booleans(), st.booleans(), st.lists(st.tuples(EVENTS, st.booleans()), max_size=40))
def test_whatever_happens_there_is_one_call_at_most_and_nothing_after_a_failure(dials, reg, events):
    callers = (Address.from_text("sip:*@*"),)
    made = session(
        call=GATE if dials else None, accept_from=() if dials else callers, registers=reg
    )
    done = made.start(0.0)
    on, failed, ready = None, False, Ready() in done
    for number, ((what, call), odd) in enumerate(events):
        now = 7.0 * number
        peer = GATE if odd else "sip:other@10.0.0.8"
        match what:
            case "registered":
                done = made.registered(now)
            case "unregistered":
                done = made.unregistered("x")
            case "incoming":
                done = made.incoming(call, peer, now)
            case "established":
                done = made.established(call)
            case "closed":
                done = made.closed(call, End.HUNG_UP if odd else End.LOST, "x")
            case "tick":
                done = made.tick(now)
        if failed:
            assert all(isinstance(action, Refuse) for action in done)
        for action in done:
            match action:
                case Ready():
                    assert not ready
                    ready = True
                case Begin():
                    assert on is None
                    assert ready
                    on = action
                case Cease():
                    assert on is not None
                    on = None
                case Fail():
                    failed = True
        assert (made.state is State.TALKING) == (on is not None)


# Playback.


def test_a_burst_begins_with_a_cushion_and_is_given_two_packets_ahead():
    queue = PlaybackQueue(8_000, Counter())
    block = b"\1\1" * 160
    queue.put(block)
    assert queue.take(0.0, 1.0) == bytes(160) + block
    for _ in range(3):
        queue.put(block)
    assert queue.take(0.039, 1.01) == block
    assert queue.take(0.04, 1.02) == b""
    assert queue.take(0.0, 1.03) == bytes(160) + 2 * block


def test_past_ten_blocks_the_oldest_is_dropped_and_counted():
    counters = Counter()
    queue = PlaybackQueue(8_000, counters)
    for number in range(13):
        queue.put(bytes((number, 0)))
    assert counters == {"playback_dropped": 3}
    assert queue.take(0.02, 1.0) == b"\3\0"


@pytest.mark.parametrize(("pause", "holes"), [(0.099, 1), (0.1, 0)])
def test_running_dry_is_a_hole_only_within_a_burst(pause, holes):
    counters = Counter()
    queue = PlaybackQueue(8_000, counters)
    queue.put(b"\1\1")
    queue.take(0.0, 0.0)
    queue.put(b"\1\1")
    queue.take(0.0, pause)
    assert counters["underruns"] == holes
