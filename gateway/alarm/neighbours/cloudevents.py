"""Alarms and incidents as CloudEvents 1.0 in structured JSON mode (CNCF). Pure.

``data`` is the message of the contract, unchanged. The id of an event follows from what it tells of,
so that the same thing said twice is one event to its receivers (specification, "id").
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from gateway.link.messages import AlarmEvent, IncidentState, encode
from gateway.moment import timestamp

ALARM = "baiying.alarm.event"
OPENED = "baiying.incident.opened"
ANSWERED = "baiying.incident.answered"
REOPENED = "baiying.incident.reopened"
ESCALATED = "baiying.incident.escalated"
BREACHED = "baiying.incident.breached"
RESOLVED = "baiying.incident.resolved"
CLOSED = "baiying.incident.closed"


def of_alarm(event: AlarmEvent) -> bytes:
    """One signal."""
    subject = event.endpoint or event.account or event.gateway
    return _event(ALARM, event.id, event.gateway, subject, event.time, encode(event))


def of_incident(before: IncidentState | None, after: IncidentState, wall: float) -> Iterator[bytes]:
    """What has happened between two states (``before`` None: nothing is known); ``wall`` is now."""
    data: bytes | None = None
    for kind in _kinds(before, after):
        data = encode(after) if data is None else data
        # Opening and closing happen once; the rest is told apart by the state it shows in.
        once = kind in (OPENED, CLOSED)
        name = kind.rpartition(".")[2]
        key = f"{after.id}/{name}" if once else f"{after.id}/{after.owner_term}/{after.seq}/{name}"
        time = after.raised if kind == OPENED else timestamp(wall)
        yield _event(kind, key, after.owner, after.id, time, data)


def _kinds(before: IncidentState | None, after: IncidentState) -> Iterator[str]:
    if before is None:
        if after.state != "closed":
            yield OPENED
        return
    if after.level > before.level:
        yield ESCALATED
    if len(after.breaches) > len(before.breaches):
        yield BREACHED
    if after.state != before.state:
        yield {
            "open": REOPENED,
            "answered": ANSWERED,
            "resolved": RESOLVED,
            "closed": CLOSED,
        }[after.state]


def _event(kind: str, key: str, gateway: str, subject: str, time: str, data: bytes) -> bytes:
    head = {
        "specversion": "1.0",
        "id": key,
        "source": f"urn:baiying:gateway:{gateway}",
        "type": kind,
        "subject": subject,
        "time": time,
        "datacontenttype": "application/json",
    }
    # The payload goes in as it is, not through a second parser.
    return json.dumps(head, ensure_ascii=False)[:-1].encode() + b', "data": %b}' % data
