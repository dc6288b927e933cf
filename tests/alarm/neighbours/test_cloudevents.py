"""CloudEvents, read by the project's own SDK of that name."""

import itertools
import json
from dataclasses import replace

from cloudevents.v1.http import from_json

from gateway.alarm.neighbours.cloudevents import of_alarm, of_incident
from gateway.link.messages import AlarmEvent, Breach, IncidentState, decode, encode
from gateway.moment import parse_timestamp
from tests.alarm.neighbour_world import AT, ID, incident_state

NOW = parse_timestamp(AT) + 1.0
OPEN = incident_state()
EVENT = AlarmEvent(
    id=ID,
    gateway="zju1",
    site="zju1",
    endpoint="south-gate-button",
    signal="alarm",
    category="panic",
    code="E120",
    account="1234",
    zone="001",
    text='紧急 "求助"',
    time=AT,
    seq=1,
    boot=ID,
    drill=False,
    stored=True,
)


def kinds(before, after):
    return [json.loads(one)["type"].rpartition(".")[2] for one in of_incident(before, after, NOW)]


def test_signal_is_an_event_whose_data_is_the_alarm_event():
    event = from_json(of_alarm(EVENT))
    assert event["specversion"] == "1.0"
    assert event["type"] == "baiying.alarm.event"
    assert event["source"] == "urn:baiying:gateway:zju1"
    assert event["subject"] == "south-gate-button"
    assert event["id"] == ID
    assert decode(AlarmEvent, json.dumps(event.data).encode()) == EVENT


def test_incident_event_carries_the_state():
    (payload,) = of_incident(None, OPEN, NOW)
    event = from_json(payload)
    assert event["subject"] == OPEN.id
    assert event["time"] == AT
    assert decode(IncidentState, json.dumps(event.data).encode()) == OPEN


def test_each_step_of_an_incident_has_its_event():
    steps = [OPEN]
    for changes in (
        {"level": 2},
        {"breaches": (Breach(kind="ack", level=2, time=AT),)},
        {"state": "answered"},
        {"state": "open", "level": 3},
        {"state": "resolved"},
        {"state": "closed", "disposition": "handled"},
    ):
        steps.append(replace(steps[-1], seq=steps[-1].seq + 1, **changes))
    told = [kinds(before, after) for before, after in zip([None, *steps], steps, strict=False)]
    assert told == [
        ["opened"],
        ["escalated"],
        ["breached"],
        ["answered"],
        ["escalated", "reopened"],
        ["resolved"],
        ["closed"],
    ]


def test_step_that_nobody_outside_asks_about_has_none():
    assert kinds(OPEN, replace(OPEN, seq=2, latched=False)) == []


def test_event_said_again_has_the_same_id_and_another_one_another():
    (first,) = of_incident(None, OPEN, NOW)
    (again,) = of_incident(None, replace(OPEN, owner_term=2, seq=9), NOW + 60)
    assert json.loads(first)["id"] == json.loads(again)["id"]
    levels = [replace(OPEN, level=level, seq=level) for level in (1, 2, 3)]
    ids = {
        json.loads(one)["id"]
        for before, after in itertools.pairwise(levels)
        for one in of_incident(before, after, NOW)
    }
    assert len(ids) == 2


def test_data_is_the_payload_of_the_contract_byte_for_byte():
    assert encode(EVENT) in of_alarm(EVENT)
