"""What is made of records and signals is what a reader takes, whatever a panel or a person said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alarm.incidents import wire
from gateway.alarm.incidents.docket import Docket
from gateway.alarm.incidents.order import Order
from gateway.alarm.incidents.saying import saying_of
from gateway.alarm.signals.contact import Directory, understand
from gateway.errors import LocalProtocolError
from gateway.link.messages import (
    MAX_PAYLOAD_BYTES,
    AlarmEvent,
    IncidentState,
    Page,
    decode,
    encode,
    encode_known,
)
from gateway.ports import AlarmSignal, SignalKind
from tests.alarm.alarm_world import RULES, SOURCES, START, counted_ids

BOOT = "00000000-0000-7000-8000-000000000001"
SAID = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
DIRECTORY = Directory(SOURCES.values())


@given(
    st.builds(
        AlarmSignal,
        signal=st.sampled_from(SignalKind),
        account=st.sampled_from([None, "1234"]) | SAID,
        zone=st.sampled_from([None, "001"]) | SAID,
        line=st.sampled_from([None, "north-gate"]) | SAID,
        code=SAID,
        category=SAID,
        text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    ),
    st.sampled_from(["receiver-1", "gate-gpio"]),
    st.floats(0, 4e9),
)
def test_every_signal_makes_an_event_that_a_reader_takes(signal, input_name, wall):
    event = wire.event_of(
        understand(DIRECTORY, input_name, signal),
        event_id=BOOT,
        gateway="zju1",
        time=wall,
        seq=1,
        boot=BOOT,
        drill=False,
        stored=True,
    )
    payload = encode_known(event)
    assert payload == encode(event)
    assert decode(AlarmEvent, payload) == event


@given(SAID, SAID, SAID, SAID, st.booleans(), st.booleans())
def test_every_incident_raised_by_hand_makes_pages_and_a_state_that_a_reader_takes(
    category, code, text, by, drill, covert
):
    docket = Docket("zju1", RULES, counted_ids())
    order = Order(
        site="zju1",
        category=category,
        code=code,
        plan="hospital-panic",
        text=text,
        by=by,
        drill=drill,
        covert=covert,
    )
    for incident, effects in docket.raise_by_hand(order, START):
        saying = saying_of(incident.record, effects, START, "kernel")
        assert saying.state.payload == encode(saying.state.message)
        assert decode(IncidentState, saying.state.payload) == saying.state.message
        for page in saying.pages:
            assert page.payload == encode(page.message)
            assert decode(Page, page.payload) == page.message


def test_text_that_is_no_utf_8_or_too_long_makes_no_message():
    sighting = understand(
        DIRECTORY, "receiver-1", AlarmSignal(signal=SignalKind.ALARM, account="1234", text="x")
    )

    def event(text: str) -> AlarmEvent:
        made = wire.event_of(
            sighting, event_id=BOOT, gateway="zju1", time=0, seq=1, boot=BOOT,
            drill=False, stored=True,
        )  # fmt: skip
        return AlarmEvent(
            **{**{name: getattr(made, name) for name in made.__slots__}, "text": text}
        )

    assert encode_known(event("门")) == encode(event("门"))
    for text in ("\ud800", "x" * MAX_PAYLOAD_BYTES):
        with pytest.raises(LocalProtocolError):
            encode_known(event(text))
