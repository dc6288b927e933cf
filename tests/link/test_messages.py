"""The payloads of the contract, section 2: bytes, round trip, and what is refused."""

import dataclasses
import json
import time
from importlib import util
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError, RemoteProtocolError
from gateway.link import messages
from gateway.link.messages import Action, FloorAnswer, Page, Status, decode, encode, strict_json
from gateway.link.presence import Presence


def _examples():
    # Tests are imported by path (importlib mode), so a neighbour is too.
    spec = util.spec_from_file_location("link_examples", Path(__file__).with_name("examples.py"))
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


EXAMPLES = _examples()
GOLDEN = EXAMPLES.GOLDEN
NAMES = [type(message).__name__ for message, _ in GOLDEN]


def fields_of(message):
    return json.loads(encode(message))


def refused(kind, fields):
    with pytest.raises(RemoteProtocolError):
        decode(kind, json.dumps(fields).encode())


@pytest.mark.parametrize(("message", "payload"), GOLDEN, ids=NAMES)
def test_message_is_exactly_these_bytes_and_back(message, payload):
    assert encode(message) == payload
    assert decode(type(message), payload) == message


def test_every_kind_has_an_example():
    assert {type(message) for message, _ in GOLDEN} == set(messages.KINDS)


@pytest.mark.parametrize(("message", "payload"), GOLDEN, ids=NAMES)
def test_every_truncated_prefix_is_refused(message, payload):
    for length in range(len(payload)):
        with pytest.raises(RemoteProtocolError):
            decode(type(message), payload[:length])


@pytest.mark.parametrize(("message", "payload"), GOLDEN, ids=NAMES)
def test_every_field_that_must_be_there_must_be_there(message, payload):
    optional = messages.WHERE_IT_APPLIES[type(message)]
    for name in json.loads(payload):
        fields = json.loads(payload)
        del fields[name]
        if name in optional:
            assert (
                getattr(decode(type(message), json.dumps(fields).encode()), name) is msgspec.UNSET
            )
        elif name in messages.HAVE_DEFAULTS[type(message)]:
            read = decode(type(message), json.dumps(fields).encode())
            assert getattr(read, name) == messages.HAVE_DEFAULTS[type(message)][name]
        else:
            refused(type(message), fields)


@pytest.mark.parametrize(("message", "payload"), GOLDEN, ids=NAMES)
def test_unknown_fields_are_ignored(message, payload):
    fields = json.loads(payload) | {"later": {"a": [1]}, "V": 2}
    assert decode(type(message), json.dumps(fields).encode()) == message


@pytest.mark.parametrize(("message", "payload"), GOLDEN, ids=NAMES)
def test_another_version_is_refused(message, payload):
    for version in (2, 0, "1", None, 1.5):
        refused(type(message), json.loads(payload) | {"v": version})


@pytest.mark.parametrize("name", messages.WHERE_IT_APPLIES[FloorAnswer])
def test_null_stands_for_a_field_that_does_not_apply(name):
    fields = fields_of(EXAMPLES.DENIED) | {name: None}
    assert getattr(decode(FloorAnswer, json.dumps(fields).encode()), name) is msgspec.UNSET


def test_operator_without_page_note_or_disposition_may_send_null():
    fields = fields_of(EXAMPLES.RECEIPT) | {"page": None, "note": None, "disposition": None}
    action = decode(Action, json.dumps(fields).encode())
    assert (action.page, action.note, action.disposition) == (msgspec.UNSET,) * 3
    assert b"null" not in encode(action)


@pytest.mark.parametrize(
    ("message", "change"),
    [
        ("PAGE", {"group": "Police"}),
        ("PAGE", {"group": "-a"}),
        ("PAGE", {"group": "a" * 65}),
        ("PAGE", {"group": "a/b"}),
        ("PAGE", {"group": "a\n"}),
        ("PAGE", {"id": "not-a-uuid"}),
        ("PAGE", {"id": ""}),
        ("PAGE", {"severity": 0}),
        ("PAGE", {"severity": 5}),
        ("PAGE", {"severity": "1"}),
        ("PAGE", {"position": [1.0]}),
        ("PAGE", {"position": [1.0, "2"]}),
        ("PAGE", {"raised": "2026-11-24T05:45:08.123"}),
        ("PAGE", {"raised": "2026-02-30T05:45:08.123Z"}),
        ("PAGE", {"raised": "2026-11-24T25:45:08Z"}),
        ("PAGE", {"raised": 1795499108}),
        ("PAGE", {"ack_within_s": -1}),
        ("PAGE", {"drill": 0}),
        ("PAGE", {"drill": "false"}),
        ("REQUEST", {"priority": 256}),
        ("REQUEST", {"priority": -1}),
        ("REQUEST", {"priority": True}),
        ("REQUEST", {"talker": "zju1"}),
        ("REQUEST", {"talker": "zju1/a/b"}),
        ("REQUEST", {"talker": "zju1/+"}),
        ("REQUEST", {"op": "grab"}),
        ("REQUEST", {"seq": 2**53}),
        ("GRANTED", {"term": 2**32}),
        ("GRANTED", {"grant": -1}),
        ("RECEIPT", {"action": "explode"}),
        ("ALARM", {"signal": "ALARM"}),
        ("STATUS", {"state": "up"}),
        ("INCIDENT", {"groups": {"Police": {}}}),
        ("INCIDENT", {"groups": []}),
        ("INCIDENT", {"applied": "x"}),
    ],
)
def test_value_outside_the_contract_is_refused(message, change):
    example = getattr(EXAMPLES, message)
    refused(type(example), fields_of(example) | change)


def test_impossible_time_inside_an_incident_is_refused():
    fields = fields_of(EXAMPLES.INCIDENT)
    fields["groups"]["police-xiaoying"]["acked"] = "2026-13-01T00:00:00Z"
    refused(type(EXAMPLES.INCIDENT), fields)


@pytest.mark.parametrize("given_", ["2026-11-24T05:45:08Z", "2026-11-24t05:45:08.123456789z"])
def test_any_rfc_3339_time_is_taken(given_):
    decode(Page, json.dumps(fields_of(EXAMPLES.PAGE) | {"raised": given_}).encode())


def test_any_uuid_is_taken_and_kept_as_it_was_sent():
    given_ = "6BA7B810-9DAD-11D1-80B4-00C04FD430C8"  # version 1, upper case
    fields = fields_of(EXAMPLES.RECEIPT) | {"id": given_}
    assert decode(Action, json.dumps(fields).encode()).id == given_


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"1",
        b'"x"',
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"{} {}",
        b'{"a":1,"a":1}',
        b'{"x":{"a":1,"b":2,"a":3}}',
        b"NaN",
        b'{"a":NaN}',
        b"Infinity",
        b"-Infinity",
        b"1e999",
        b"-1e999",
        b'"\\ud800"',
        b'{"\\udfff":1}',
        b"1" * 5000,
        b"[" * 17 + b"]" * 17,
        b'{"a":' * 17 + b"1" + b"}" * 17,
        b"[" * 65_000,
        b" " * (64 * 1024 + 1),
        b"'a'",
        b'{"a":1,}',
        b"{1:2}",
    ],
)
def test_hostile_json_is_refused_as_a_message(payload):
    with pytest.raises(RemoteProtocolError):
        decode(Status, payload)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999"])
def test_number_that_is_none_is_refused_where_a_float_stands(number):
    payload = encode(EXAMPLES.PAGE).replace(b"30.2573", number)
    with pytest.raises(RemoteProtocolError):
        decode(Page, payload)


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (b"[" * 16 + b"]" * 16, [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]),
        (b'["[[[[[[[[[[[[[[[[[[[[[[[["]', ["[" * 24]),
        (b'["\\"[[[[[[[[[[[[[[[[[[[[[[[[\\\\"]', ['"' + "[" * 24 + "\\"]),
        (b'"\\ud83d\\ude00"', "😀"),
        (b"[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]", [[]] * 18),
        (b" " * (64 * 1024 - 1) + b"1", 1),
    ],
)
def test_json_at_the_very_bounds_is_taken(payload, value):
    assert strict_json(payload) == value


@pytest.mark.parametrize(
    "payload",
    [
        b'{"a":"' + b'\\"' * 32_000,
        b'"' * 65_000,
        b'["' + b"[" * 20 + b"\\" * 65_000,
        b"{" + b",".join(b'"%d":1' % number for number in range(6_000)) + b',"3":2}',
        b"[[[[[[[[[[[[[[[[[" + b'"a' * 30_000,
    ],
)
def test_refusal_takes_no_longer_than_its_size(payload):
    started = time.perf_counter()
    with pytest.raises(RemoteProtocolError):
        strict_json(payload)
    assert time.perf_counter() - started < 0.2


@given(st.binary(max_size=200), st.sampled_from(messages.KINDS))
def test_garbage_gives_only_a_protocol_error(payload, kind):
    with pytest.raises(RemoteProtocolError):
        decode(kind, payload)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.sampled_from(range(len(GOLDEN))), st.data())
def test_any_value_in_any_field_gives_a_message_or_a_protocol_error(index, data):
    message, payload = GOLDEN[index]
    fields = json.loads(payload)
    fields[data.draw(st.sampled_from(sorted(fields)))] = data.draw(JSON)
    try:
        read = decode(type(message), json.dumps(fields).encode())
    except RemoteProtocolError:
        return
    assert decode(type(message), encode(read)) == read


@pytest.mark.parametrize(
    ("message", "change"),
    [
        ("PAGE", {"ack_within_s": float("nan")}),
        ("PAGE", {"group": "Police"}),
        ("PAGE", {"position": (float("inf"), 0.0)}),
        ("REQUEST", {"priority": 300}),
        ("STATUS", {"since": "yesterday"}),
    ],
)
def test_we_do_not_send_what_we_would_refuse(message, change):
    with pytest.raises(LocalProtocolError):
        encode(dataclasses.replace(getattr(EXAMPLES, message), **change))


def test_presence_says_who_runs_and_since_when():
    presence = Presence(
        topic="baiying/gateway/zju1/status", boot=EXAMPLES.ID + "1", version="0.1.0"
    )
    status = decode(Status, presence.payload("offline", 1795499108.123))
    assert status == dataclasses.replace(EXAMPLES.STATUS, state="offline")
