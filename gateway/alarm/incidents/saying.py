"""What is to be stored and said about one incident after one event, all made at that instant.

Messages and journal rows are made when the machine decides, not when the disk has answered: by
then the next event may have changed the incident.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Generic, TypeVar

from gateway.alarm.incidents import snapshot, wire
from gateway.alarm.incidents.incident import Effects
from gateway.alarm.incidents.record import IncidentRecord, State
from gateway.alarm.journal.journal import Kind, Row
from gateway.errors import LocalProtocolError
from gateway.link.messages import Action, IncidentState, Page, encode_known
from gateway.moment import Moment

PAGE_ROW = "page"
"""Journal: the Page payload of the first sending of each page id; key: that id."""
REFUSED_ROW = "action-refused"
"""Journal: ``{"action": Action, "reason": text}``; key: the incident's id."""

M = TypeVar("M", IncidentState, Page)


@dataclass(frozen=True, slots=True)
class Encoded(Generic[M]):
    """A message with its payload; None where it cannot be one (too large): a defect to log."""

    message: M
    payload: bytes | None


@dataclass(frozen=True, slots=True)
class Saying:
    """``state`` is published where ``changed``; ``pages`` are sent."""

    changed: bool
    state: Encoded[IncidentState]
    pages: tuple[Encoded[Page], ...]
    rows: tuple[Row, ...]
    """The snapshot, and the pages that are new; to be stored before anything is said."""


def saying_of(record: IncidentRecord, effects: Effects, now: Moment, kernel_boot: str) -> Saying:
    """What ``effects`` ask for about ``record``."""
    state = state_of(record)
    pages = pages_of(record, effects, now)
    kind = Kind.CLOSED if record.state is State.CLOSED else Kind.INCIDENT
    new = {page.id for page in effects.pages if page.sends == 1}
    rows = [
        Row(PAGE_ROW, page.message.id, page.payload)
        for page in pages
        if page.payload is not None and page.message.id in new
    ]
    rows.append(Row(kind, record.case.id, snapshot.to_bytes(record, kernel_boot, state.payload)))
    return Saying(effects.changed, state, pages, tuple(rows))


def state_of(record: IncidentRecord) -> Encoded[IncidentState]:
    """What is published of an incident; where that is too large, without what can be left out."""
    whole = encoded(wire.state_of(record))
    return whole if whole.payload is not None else encoded(wire.brief(whole.message))


def pages_of(record: IncidentRecord, effects: Effects, now: Moment) -> tuple[Encoded[Page], ...]:
    """The sendings that ``effects`` ask for."""
    return tuple(encoded(page) for page in wire.pages_of(record, effects.pages, now.wall))


def action_row(action: Action, reason: str | None) -> Row:
    """The row of an action that was applied, or refused for ``reason``."""
    payload = encode_known(action)
    if reason is None:
        return Row(Kind.ACTION, action.incident, payload)
    told = json.dumps(reason, ensure_ascii=False).encode()
    return Row(REFUSED_ROW, action.incident, b'{"action":%b,"reason":%b}' % (payload, told))


def encoded(message: M) -> Encoded[M]:
    """A message with its payload, if it can be one."""
    try:
        return Encoded(message, encode_known(message))
    except LocalProtocolError:
        return Encoded(message, None)
