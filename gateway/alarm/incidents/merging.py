"""One incident goes on for another one too: duplicates, made one by a person. Pure.

Rules (`gateway.alarm.incidents.incident`, rule 16):

Rule 1. What was in alarm there, its latch, its endpoints, its remarks and whoever's signals joined it
        belong to the one that goes on; so do the times that its clocks reached.
Rule 2. An ack that stands there stands here, and its group is not paged. Who had handled that one is on
        scene here, and has yet to say that this one is handled too.
Rule 3. Whoever was called there and has not answered is called here with a page of its own; all whom
        it called stay called, at every later level too.
Rule 4. It is as severe as the worse of the two, and patched if either was.
Rule 5. A drill and a real alarm are never merged, nor an alarm and a trouble; nor what is covert into
        what is not: that would show it. What is open is not lost in what is resolved; and what is only
        held for another gateway stays apart, for that takes it back.
"""

from __future__ import annotations

import dataclasses
import math

from msgspec.structs import replace

from gateway.alarm.incidents import delivery
from gateway.alarm.incidents.incident import MAX_NOTES, Incident
from gateway.alarm.incidents.record import (
    CALLED,
    STANDING,
    WORKING,
    GroupRecord,
    IncidentRecord,
    NoteRecord,
    Progress,
    Stage,
    State,
)
from gateway.moment import Moment


def why_not(other: IncidentRecord, into: IncidentRecord) -> str | None:
    """Why ``other``, which is not closed, cannot go on in ``into`` (rule 5); None where it can."""
    name = f"incident {into.case.id}"
    if into.case.id == other.case.id:
        return "an incident cannot be merged into itself"
    if into.state is State.CLOSED:
        return f"{name} is closed"
    if into.state is State.RESOLVED and other.state is not State.RESOLVED:
        return f"{name} is resolved and this one is not; merge it the other way"
    if into.case.drill != other.case.drill:
        return "a drill and a real alarm never share an incident"
    if into.case.quiet != other.case.quiet:
        return "an alarm and a trouble never share an incident"
    if into.case.home != other.case.home:
        return f"{name} is of gateway {into.case.home} and this one of {other.case.home}"
    if other.case.covert and not into.case.covert:
        return f"{name} is not covert and this one is; merge it the other way"
    return None


def absorb(incident: Incident, other: IncidentRecord, now: Moment) -> None:
    """``incident`` goes on for ``other`` too (rules 1 to 4)."""
    one = incident.record
    subject = other.case.subject
    brought = {
        name: group.party
        for name, group in other.groups.items()
        if group.state is not Progress.STOOD_DOWN
    }
    incident.update(
        active=(
            *one.active,
            *(dataclasses.replace(contact, of=contact.of or subject) for contact in other.active),
        ),
        latched=one.latched or other.latched,
        subjects=(*one.subjects, subject, *other.subjects),
        endpoints=(*one.endpoints, *other.case.endpoints, *other.endpoints),
        merged=(*one.merged, other.case.id, *other.merged),
        notes=_notes(one, other),
        brought={**one.brought, **other.brought, **brought},
        worst=min(one.severity, other.severity),
    )
    if other.talkgroup is not None:
        incident.patch()
    for name, there in other.groups.items():
        here = one.groups.get(name)
        joined = _joined(here, there)
        if joined is here:
            continue
        incident.update(
            groups={**incident.record.groups, name: joined},
            pages=delivery.stop(incident.record.pages, (name,)),
        )
        if joined.state in CALLED and one.state in (State.OPEN, State.ANSWERED):
            incident.page(name, now)
    incident.reach(
        {
            stage: min(max(at, one.case.raised), one.reached.get(stage, math.inf))
            for stage, at in other.reached.items()
            if stage != Stage.HANDLED
        }
    )
    incident.settle(now)


def _joined(here: GroupRecord | None, there: GroupRecord) -> GroupRecord:
    """What a group is in the incident that goes on (rules 2 and 3)."""
    if here is None or here.state is Progress.STOOD_DOWN:
        return _not_done(there)
    if here.state in WORKING or there.state not in STANDING:
        return here
    if here.state is Progress.HANDLED and there.state is Progress.HANDLED:
        return here
    return _not_done(there)


def _not_done(there: GroupRecord) -> GroupRecord:
    return replace(there, state=Progress.ON_SCENE) if there.state is Progress.HANDLED else there


def _notes(one: IncidentRecord, other: IncidentRecord) -> tuple[NoteRecord, ...]:
    """The remarks of both in their order; what ``other`` was raised with is one."""
    said = other.case.text
    by = other.case.by or other.owner
    first = (NoteRecord(by=by, text=said, time=other.case.raised),) if said else ()
    notes = sorted((*one.notes, *first, *other.notes), key=lambda note: note.time)
    return tuple(notes[-MAX_NOTES:])
