"""Messages as an outsider hears them, for what judges them."""

import dataclasses

from gateway.cli.scenario.seen import Seen
from gateway.link.messages import AlarmEvent, Breach, GroupState, IncidentState, Note, Page, encode

ID = "00000000-0000-7000-8000-{:012d}"
TIME = "2026-11-24T02:00:00.000Z"


def group(state, **more):
    stands = state in ("acked", "en_route", "on_scene")
    values = {
        "party": "police",
        "state": state,
        "level": 1,
        "paged": TIME,
        "received": TIME,
        "acked": TIME if stands else None,
        "arrived": None,
        "by": None,
    }
    return GroupState(**(values | more))


INCIDENT = IncidentState(
    id=ID.format(1),
    state="open",
    level=1,
    plan="panic",
    category="panic",
    severity=1,
    site="zju1",
    site_name="浙大一院",
    endpoint="gate",
    endpoints=("gate",),
    drill=False,
    raised=TIME,
    latched=True,
    input="alarm",
    talkgroup=None,
    groups={"police": group("paged"), "street": group("acked")},
    breaches=(Breach(kind="ack", level=1, time=TIME),),
    disposition=None,
    closed=None,
    owner="zju1",
    owner_term=1,
    seq=1,
    applied=(),
    refused=None,
    notes=(Note(by="王", text="看见烟", time=TIME),),
    shortfalls=("car-a is 4.2 km away (limit 3)",),
)

PAGE = Page(
    id=ID.format(50),
    incident=INCIDENT.id,
    group="police",
    level=1,
    title="浙大一院 gate",
    category="panic",
    severity=1,
    site="zju1",
    site_name="浙大一院",
    endpoint="gate",
    endpoints=("gate",),
    position=None,
    talkgroup=None,
    drill=False,
    raised=TIME,
    sent=TIME,
    ack_within_s=30.0,
)

EVENT = AlarmEvent(
    id=ID.format(70),
    gateway="zju1",
    site="zju1",
    endpoint="gate",
    signal="alarm",
    category="panic",
    code=None,
    account=None,
    zone=None,
    text="pressed",
    time=TIME,
    seq=1,
    boot=ID.format(99),
    drill=False,
    stored=True,
)


def but(message, **changes):
    return dataclasses.replace(message, **changes)


def topic_of(message):
    match message:
        case Page():
            return f"baiying/group/{message.group}/page/{'zju1'}"
        case AlarmEvent():
            return f"baiying/alarm/{message.gateway}"
        case IncidentState():
            return f"baiying/incident/{message.id}/state/{message.owner}"
    raise AssertionError(message)


def seen(*messages):
    """What was heard, one second apart."""
    found = Seen()
    for at, message in enumerate(messages):
        found.take(topic_of(message), encode(message), float(at))
    return found
