"""Floor payloads against JSON written by hand from the contract, section 2."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RemoteProtocolError
from gateway.voice.floor import wire
from gateway.voice.floor.actions import Answer, Op, Show, State
from gateway.voice.floor.causes import Deny, Revoke
from gateway.voice.floor.participant_actions import Send
from gateway.voice.rtp import Token

NOW = "2026-11-24T05:45:08.123Z"
REQUEST = {
    "v": 1, "op": "request", "talker": "zju1/radio", "priority": 100, "emergency": False, "seq": 7
}  # fmt: skip
DENIED = {
    "v": 1, "op": "denied", "talker": "zju1/radio", "seq": 7, "term": 5, "grant": 2,
    "cause": 4, "cause_text": "retry-after has not expired", "retry_after_s": 1.5
}  # fmt: skip
STATE = {
    "v": 1, "state": "revoking", "talker": "zju1/radio", "priority": 100, "emergency": False,
    "term": 5, "grant": 2, "since": NOW, "queue": ["police/desk"]
}  # fmt: skip
ANSWER = Answer(
    op=Op.DENIED, talker="zju1/radio", seq=7, token=Token(5, 2), cause=Deny(4), retry_after=1.5
)
SHOW = Show(
    state=State.REVOKING,
    talker="zju1/radio",
    priority=100,
    emergency=False,
    token=Token(5, 2),
    queue=("police/desk",),
)
READERS = (
    (wire.answer_from_bytes, DENIED),
    (wire.state_from_bytes, STATE),
    (lambda payload: wire.request_from_bytes("zju1", payload), REQUEST),
)


def packed(message):
    return json.dumps(message).encode()


def test_payloads_are_those_of_the_contract():
    send = Send("request", 7, 100, False)
    assert json.loads(wire.request_to_bytes("zju1/radio", send)) == REQUEST
    assert json.loads(wire.answer_to_bytes(ANSWER)) == DENIED
    assert json.loads(wire.state_to_bytes(SHOW, NOW)) == STATE


def test_payloads_are_read_back():
    assert wire.answer_from_bytes(packed(DENIED)) == ANSWER
    assert wire.state_from_bytes(packed(STATE)) == SHOW
    assert wire.request_from_bytes("zju1", packed(REQUEST)) == (
        "zju1/radio",
        Send("request", 7, 100, False),
    )


@pytest.mark.parametrize("op", ["request", "release", "cancel", "queue_position", "ack"])
def test_every_message_of_a_participant_crosses_the_wire(op):
    send = Send(op, 7, 100, False)
    payload = wire.request_to_bytes("zju1/radio", send)
    assert json.loads(payload) == {**REQUEST, "op": op}
    assert wire.request_from_bytes("zju1", payload) == ("zju1/radio", send)


def test_idle_floor_says_null_for_its_talker():
    idle = {**STATE, "state": "idle", "talker": None, "queue": []}
    show = wire.state_from_bytes(packed(idle))
    assert show.talker is None
    assert json.loads(wire.state_to_bytes(show, NOW)) == idle


def test_grant_names_its_limit_and_no_cause():
    granted = Answer(op=Op.GRANTED, talker="zju1/radio", seq=7, token=Token(5, 2), tot=30.0)
    message = json.loads(wire.answer_to_bytes(granted))
    assert message["tot_s"] == 30.0
    assert not message.keys() & {"cause", "cause_text", "position", "retry_after_s"}


@pytest.mark.parametrize(
    ("op", "cause", "expected"),
    [
        ("denied", 1, Deny.ANOTHER_HAS_PERMISSION),
        ("denied", 99, Deny.OTHER),
        ("denied", None, Deny.OTHER),
        ("revoked", 4, Revoke.PREEMPTED),
        ("revoked", 5, Revoke.OTHER),
        ("granted", 1, None),
    ],
)
def test_causes_of_other_programs(op, cause, expected):
    message = {**DENIED, "op": op, "cause": cause}
    if cause is None:
        del message["cause"]
    assert wire.answer_from_bytes(packed(message)).cause is expected


@pytest.mark.parametrize("client", ["police", "zju", "zju11", "zju1/radio", ""])
def test_nobody_asks_for_another_s_talker(client):
    with pytest.raises(RemoteProtocolError):
        wire.request_from_bytes(client, packed(REQUEST))


@pytest.mark.parametrize(("read", "message"), READERS)
def test_every_truncated_payload_is_refused(read, message):
    whole = packed(message)
    for length in range(len(whole)):
        with pytest.raises(RemoteProtocolError):
            read(whole[:length])


@pytest.mark.parametrize(
    "change", [{"term": -1}, {"term": 1 << 32}, {"talker": "radio"}, {"v": 2}, {"seq": "7"}]
)
def test_what_the_contract_does_not_allow_is_refused(change):
    with pytest.raises(RemoteProtocolError):
        wire.answer_from_bytes(packed(DENIED | change))


@given(st.binary(max_size=200))
def test_garbage_gives_only_a_protocol_error(garbage):
    for read, _ in READERS:
        with pytest.raises(RemoteProtocolError):
            read(garbage)
