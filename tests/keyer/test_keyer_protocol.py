"""The keyer's messages: golden bytes, round trip, every truncated prefix, garbage."""

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RemoteProtocolError
from gateway.keyer.line import Keepalive, Refused, Released
from gateway.keyer.protocol import (
    MAX_MESSAGE_BYTES,
    Alive,
    Close,
    Device,
    Keep,
    Note,
    Open,
    State,
    Unkey,
    Up,
    from_bytes,
    to_bytes,
)
from gateway.keyer.readback import Disagrees

KEEP = Keep(7, Keepalive("police-xiaoying", 3, 9, 30.0, 1234.5))
MESSAGES = [
    KEEP,
    Keep(7, Keepalive("police-xiaoying", 3, 9, 30.0, 1234.5, confirmed=False)),
    Unkey(7),
    Close(2**32 - 1),
    Open(1, "radio", Device("pty", {"path": "/x"}), None),
    Open(1, "电台", None, Device("gpio", {"chip": "gpiochip0", "offset": 3})),
    Up(),
    Alive(),
    State(7, True, None, 0.0, ""),
    State(7, False, True, 5.25, "没有 /dev/ttyUSB1"),
    State(7, False, False, 5.25, "gone"),
    *(Note(7, what) for what in (*Released, *Refused, *Disagrees)),
]


def test_a_keepalive_has_these_bytes():
    assert to_bytes(KEEP) == (
        b"K\0\0\0\x07\0\0\0\x03\0\0\0\x09"
        + struct.pack(">dd", 30.0, 1234.5)
        + b"\x01police-xiaoying"
    )


def test_a_state_has_these_bytes():
    assert to_bytes(State(7, True, None, 0.5, "x")) == (
        b"S\0\0\0\x07\x01\xff" + struct.pack(">d", 0.5) + b"x"
    )


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_every_message_comes_back_as_it_went(message):
    assert from_bytes(to_bytes(message)) == message


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_truncated_message_is_an_error_or_another_whole_message(message):
    data = to_bytes(message)
    for length in range(len(data)):
        try:
            other = from_bytes(data[:length])
        except RemoteProtocolError:
            continue
        assert other != message  # only text at the end may be cut and still be text
        assert isinstance(other, Keep | State)


@given(st.binary(max_size=64))
def test_garbage_gives_a_protocol_error_and_nothing_else(data):
    try:
        message = from_bytes(data)
    except RemoteProtocolError:
        return
    assert from_bytes(to_bytes(message)) == message


@given(st.sampled_from(b"OCKUPASRX"), st.binary(max_size=64))
def test_garbage_behind_a_good_first_byte_gives_a_protocol_error_and_nothing_else(kind, data):
    try:
        from_bytes(bytes([kind]) + data)
    except RemoteProtocolError:
        return


@pytest.mark.parametrize("tot", [0.0, -1.0, 3600.5, float("nan"), float("inf")])
def test_a_time_out_that_no_configuration_allows_is_refused(tot):
    with pytest.raises(RemoteProtocolError):
        from_bytes(to_bytes(Keep(1, Keepalive("a", 1, 1, tot, 0.0))))


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        {"endpoint": 1, "ptt": None, "squelch": None},
        {"endpoint": "a", "ptt": 1, "squelch": None},
        {"endpoint": "a", "ptt": {"driver": 1, "options": {}}, "squelch": None},
        {"endpoint": "a", "ptt": {"driver": "pty", "options": []}, "squelch": None},
    ],
)
def test_an_open_message_of_the_wrong_shape_is_refused(value):
    with pytest.raises(RemoteProtocolError):
        from_bytes(b"O\0\0\0\x01" + json.dumps(value).encode())


def test_a_message_that_is_too_long_is_refused_unread():
    with pytest.raises(RemoteProtocolError):
        from_bytes(b"O\0\0\0\x01" + b"[" * MAX_MESSAGE_BYTES)


def test_a_long_fault_is_cut_between_characters():
    state = from_bytes(to_bytes(State(1, False, None, 0.0, "坏" * 9000)))
    assert state.fault == "坏" * 500
