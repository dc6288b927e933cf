"""Incidents as messages of the Common Alerting Protocol 1.2 (OASIS, 2010). Pure.

Rules (section numbers are those of CAP 1.2):

1. The first state of an incident is an ``Alert``; a new level, an answer, a reopening, a breach or a
   talkgroup is an ``Update``; a group's ack is an ``Ack``; ``cancel`` and ``close`` are a ``Cancel``.
2. Each message's identifier is made of the incident's id and the state that it tells of, so that the
   same thing said twice (after a restart) is one message to its receivers (3.2.1).
3. Every later message references the Alert, whose identifier and time follow from the incident alone:
   no memory is needed to build the chain, and none can be lost (3.2.1 ``references``).
4. A drill has status ``Exercise``; what the category says is a test has ``Test`` (3.2.1 ``status``).
5. Scope is ``Private``: the groups called are the addresses, and no other is meant (3.2.1).
6. Times have whole seconds and the zone ``-00:00`` for UTC (3.3.2).
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway.link.messages import IncidentState
from gateway.moment import parse_timestamp

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"

RADIUS_KM = 0.2
"""Radius of the circle around a site's position: the premises, not a point (3.2.4 ``circle``)."""

EXPIRES = 86_400.0
"""Seconds after which an alert that nobody updated is to be taken as over (3.2.2 ``expires``)."""

_STANDING = frozenset({"acked", "en_route", "on_scene", "handled"})

_CATEGORIES = {
    "fire": "Fire",
    "medical": "Health",
    "panic": "Security",
    "duress": "Security",
    "burglary": "Security",
    "trouble": "Infra",
    "supervision": "Infra",
}
"""CAP category (3.2.2) by ours; others are ``Safety``."""

_SEVERITIES = {1: "Extreme", 2: "Severe", 3: "Moderate", 4: "Minor"}
"""CAP severity (3.2.2) by ours."""

_URGENCIES = {1: "Immediate", 2: "Immediate", 3: "Expected", 4: "Future"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CapOptions:
    """Who speaks. ``sender`` identifies the originator (3.2.1); no space, comma, ``<`` or ``&``."""

    sender: str
    sender_name: str
    language: str = "zh-CN"


@dataclass(frozen=True, slots=True)
class CapMessage:
    """One message: its identifier, and the document as UTF-8."""

    identifier: str
    document: bytes


def messages_of(
    before: IncidentState | None,
    after: IncidentState,
    position: tuple[float, float] | None,
    options: CapOptions,
) -> Iterator[CapMessage]:
    """What the step from ``before`` (None: nothing is known) to ``after`` says, in order."""
    for name in _newly_acked(before, after):
        identifier = f"{after.id}.ack.{name}.{after.owner_term}.{after.seq}"
        note = f"{name} has it" + (f" ({after.groups[name].by})" if after.groups[name].by else "")
        sent = after.groups[name].acked or after.raised
        yield _message(after, "Ack", identifier, sent, note, None, options)
    if before is None and after.state != "closed":
        yield _message(after, "Alert", _alert(after), after.raised, None, (position,), options)
        return
    if _is_over(after):
        if before is not None and not _is_over(before):
            identifier, note = _step(after), f"over: {after.disposition or 'cancelled'}"
            sent = after.closed or _newest_time(after)
            yield _message(after, "Cancel", identifier, sent, note, (position,), options)
        return
    if before is not None and _told(before) != _told(after):
        sent = _newest_time(after)
        yield _message(after, "Update", _step(after), sent, _summary(after), (position,), options)


def _told(state: IncidentState) -> tuple[object, ...]:
    """What an Update is for (rule 1)."""
    return state.state, state.level, len(state.breaches), state.talkgroup, state.merged


def _is_over(state: IncidentState) -> bool:
    """Closed, or stood down by ``cancel``: resolved, and nobody has handled it."""
    handled = any(group.state == "handled" for group in state.groups.values())
    return state.state == "closed" or (state.state == "resolved" and not handled)


def _newly_acked(before: IncidentState | None, after: IncidentState) -> Iterator[str]:
    if before is None:
        return
    for name, group in after.groups.items():
        known = before.groups.get(name)
        if group.state in _STANDING and (known is None or known.state not in _STANDING):
            yield name


def _alert(state: IncidentState) -> str:
    return f"{state.id}.alert"


def _step(state: IncidentState) -> str:
    return f"{state.id}.{state.owner_term}.{state.seq}"


def _summary(state: IncidentState) -> str:
    acked = sorted(name for name, group in state.groups.items() if group.state in _STANDING)
    return f"{state.state}, level {state.level}; acked by {', '.join(acked) or 'nobody'}"


def _newest_time(state: IncidentState) -> str:
    """The latest time that a state names; states carry no time of their own."""
    times = [state.raised, *(breach.time for breach in state.breaches)]
    for group in state.groups.values():
        times += [time for time in (group.paged, group.acked, group.arrived) if time is not None]
    return max(times, key=parse_timestamp)


def _message(
    state: IncidentState,
    kind: str,
    identifier: str,
    sent: str,
    note: str | None,
    place: tuple[tuple[float, float] | None] | None,
    options: CapOptions,
) -> CapMessage:
    """``place`` None leaves out the info segment, as an Ack may (3.2.1 ``msgType``)."""
    alert = ET.Element("alert", xmlns=NAMESPACE)
    _add(alert, "identifier", identifier)
    _add(alert, "sender", options.sender)
    _add(alert, "sent", _time(sent))
    _add(alert, "status", _status(state))
    _add(alert, "msgType", kind)
    _add(alert, "source", state.owner)
    _add(alert, "scope", "Private")
    _add(alert, "addresses", " ".join(sorted(state.groups)) or state.owner)
    if note is not None:
        _add(alert, "note", note)
    if kind != "Alert":
        _add(alert, "references", f"{options.sender},{_alert(state)},{_time(state.raised)}")
    if place is not None:
        _info(alert, state, place[0], options)
    document = ET.tostring(alert, encoding="utf-8", xml_declaration=True)
    return CapMessage(identifier, document)


def _status(state: IncidentState) -> str:
    if state.drill:
        return "Exercise"
    return "Test" if state.category == "test" else "Actual"


def _info(
    alert: ET.Element,
    state: IncidentState,
    position: tuple[float, float] | None,
    options: CapOptions,
) -> None:
    info = ET.SubElement(alert, "info")
    _add(info, "language", options.language)
    _add(info, "category", _CATEGORIES.get(state.category or "", "Safety"))
    _add(info, "event", state.category or "alarm")
    _add(info, "responseType", "AllClear" if _is_over(state) else "Execute")
    _add(info, "urgency", "Past" if _is_over(state) else _URGENCIES[state.severity])
    _add(info, "severity", _SEVERITIES[state.severity])
    _add(info, "certainty", "Observed")
    _add(info, "effective", _time(state.raised))
    _add(info, "expires", _time(state.raised, EXPIRES))
    _add(info, "senderName", options.sender_name)
    where = state.site_name or state.site or "unknown site"
    _add(
        info, "headline", ("演练 " if state.drill else "") + f"{where}: {state.category or 'alarm'}"
    )
    if state.text:
        _add(info, "description", state.text)
    for name, value in (
        ("incident", state.id),
        ("plan", state.plan),
        ("level", str(state.level)),
        ("endpoint", state.endpoint),
        ("talkgroup", state.talkgroup),
        ("disposition", state.disposition),
        ("verdict", state.verdict),
    ):
        if value is not None:
            parameter = ET.SubElement(info, "parameter")
            _add(parameter, "valueName", name)
            _add(parameter, "value", value)
    area = ET.SubElement(info, "area")
    _add(area, "areaDesc", where)
    if position is not None:
        _add(area, "circle", f"{position[0]:.6f},{position[1]:.6f} {RADIUS_KM}")


def _add(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = _printable(text)


def _printable(text: str) -> str:
    """Without what XML 1.0 cannot hold (section 2.2 of that standard): a note may hold anything."""
    return "".join(
        character
        for character in text
        if character in "\t\n\r"
        or "\u0020" <= character <= "\ud7ff"
        or "\ue000" <= character <= "\ufffd"
        or character >= "\U00010000"
    )


def _time(text: str, later: float = 0.0) -> str:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(parse_timestamp(text) + later))
    return at.strftime("%Y-%m-%dT%H:%M:%S") + "-00:00"
