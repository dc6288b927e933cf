"""From the records of the machines to the messages of the contract. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from gateway.alarm.incidents.actions import PUBLISHED_ACTIONS
from gateway.alarm.incidents.record import IncidentRecord, PageRecord
from gateway.alarm.plans.plan import QUIET_CATEGORIES, TROUBLE
from gateway.alarm.signals.contact import Contact, Sighting
from gateway.link.messages import AlarmEvent, Breach, GroupState, IncidentState, Note, Page, Refusal
from gateway.moment import timestamp
from gateway.ports import SignalKind

PAGE_EXPIRY = 60
"""Seconds for which the broker keeps a page for a receiver that is away (contract, section 1)."""
CLOSED_EXPIRY = 86_400
"""Seconds for which a closed incident stays on the broker (contract, section 1)."""


DRILL = "演练 "
"""Begins the title of a drill's page, for whoever shows titles and does not know of drills."""


def state_of(record: IncidentRecord) -> IncidentState:
    """The retained publication of an incident."""
    case = record.case
    return IncidentState(
        id=case.id,
        state=record.state.value,
        level=record.level,
        plan=case.plan,
        category=case.category,
        severity=record.severity,
        site=case.site,
        site_name=case.site_title,
        endpoint=case.endpoint,
        endpoints=tuple(dict.fromkeys((*case.endpoints, *record.endpoints))),
        drill=case.drill,
        raised=timestamp(case.raised),
        latched=record.latched,
        input="alarm" if record.active else "restored",
        talkgroup=record.talkgroup,
        groups={
            name: GroupState(
                party=group.party,
                state=group.state.value,
                level=group.level,
                paged=timestamp(group.paged),
                received=_time(group.received),
                acked=_time(group.acked),
                arrived=_time(group.arrived),
                by=group.by,
            )
            for name, group in record.groups.items()
        },
        breaches=tuple(
            Breach(kind=breach.kind, level=breach.level, time=timestamp(breach.time))
            for breach in record.breaches
        ),
        disposition=record.disposition,
        closed=_time(record.closed),
        owner=record.owner,
        owner_term=record.owner_term,
        seq=record.seq,
        applied=record.applied[-PUBLISHED_ACTIONS:],
        refused=None
        if record.refused is None
        else Refusal(id=record.refused.id, reason=record.refused.reason),
        covert=case.covert,
        text=case.text,
        home=case.home,
        handler=record.handler,
        notes=tuple(
            Note(by=note.by, text=note.text, time=timestamp(note.time)) for note in record.notes
        ),
        verdict=record.verdict,  # type: ignore[arg-type]  # `actions` takes no other
        merged=record.merged,
        merged_into=record.merged_into,
        shortfalls=record.shortfalls,
        hot_mic_until=_time(record.hot_mic_until),
    )


def brief(state: IncidentState) -> IncidentState:
    """A state without what the journal has as well: for one that is too large with it."""
    return replace(state, notes=state.notes[-1:], shortfalls=(), breaches=state.breaches[:1])


def pages_of(record: IncidentRecord, pages: Iterable[PageRecord], sent: float) -> Iterator[Page]:
    """One sending of each of an incident's pages at ``sent`` (POSIX seconds)."""
    case = record.case
    where = " ".join(part for part in (case.site_title, case.endpoint_title) if part)
    endpoints = tuple(dict.fromkeys((*case.endpoints, *record.endpoints)))
    raised_at, sent_at = timestamp(case.raised), timestamp(sent)
    for page in pages:
        step = case.steps[page.level - 1]
        yield Page(
            id=page.id,
            incident=case.id,
            group=page.group,
            level=page.level,
            title=(DRILL if case.drill else "")
            + ": ".join(part for part in (step.name, where or case.subject) if part),
            category=case.category,
            severity=record.severity,
            site=case.site,
            site_name=case.site_title,
            endpoint=case.endpoint,
            endpoints=endpoints,
            position=case.position,
            talkgroup=record.talkgroup,
            drill=case.drill,
            raised=raised_at,
            sent=sent_at,
            ack_within_s=step.ack_within,
            covert=case.covert,
            text=case.text,
            level_name=step.name,
            place=case.place,
            announce=step.announce,
        )


def event_of(
    sighting: Sighting,
    *,
    event_id: str,
    gateway: str,
    time: float,
    seq: int,
    boot: str,
    drill: bool,
    stored: bool,
) -> AlarmEvent:
    """One signal, as the gateway that sensed it tells it; ``time`` in POSIX seconds."""
    source = sighting.source
    return AlarmEvent(
        id=event_id,
        gateway=gateway,
        site=source.site if source else None,
        endpoint=source.endpoint if source else None,
        signal=sighting.signal.value,
        category=sighting.category,
        code=sighting.code,
        account=sighting.account,
        zone=sighting.zone,
        text=sighting.text,
        time=timestamp(time),
        seq=seq,
        boot=boot,
        drill=drill,
        stored=stored,
        covert=sighting.covert,
        shelved=sighting.shelved,
        folded=sighting.folded,
        by=sighting.by,
    )


def _time(wall: float | None) -> str | None:
    return None if wall is None else timestamp(wall)


def sighting_from(event: AlarmEvent) -> Sighting:
    """A signal that another gateway told of, as far as its event says; it has no source here."""
    quiet = event.category in QUIET_CATEGORIES
    return Sighting(
        source=None,
        subject=event.endpoint or f"{event.gateway}:{event.account or ''}",
        signal=SignalKind(event.signal),
        category=event.category,
        contact=Contact(event.zone or "", TROUBLE if quiet else None),
        code=event.code,
        account=event.account,
        zone=event.zone,
        text=event.text,
        covert=event.covert,
        shelved=event.shelved,
        by=event.by,
    )
