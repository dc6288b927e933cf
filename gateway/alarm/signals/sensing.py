"""From a sighting and what it changed to what is stored and told of it. Pure.

Rules:

1. Each sighting is one event with the next ``seq``, and one row.
2. A silent one (`folding`) that pages is told all the same. The others are told as a count by the
   next event of their subject that stands for them; each of their rows stands until then, so that a
   restart in between tells them one by one.
3. A test of an endpoint is on record for `testing` too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gateway.alarm.figures import Figures
from gateway.alarm.incidents import wire
from gateway.alarm.incidents.docket import Change
from gateway.alarm.journal.rows import Kind, Row
from gateway.alarm.signals.contact import Sighting
from gateway.alarm.supervision import testing
from gateway.link.messages import AlarmEvent, encode_known
from gateway.moment import Moment
from gateway.ports import SignalKind

_ENDING = frozenset({SignalKind.RESTORE, SignalKind.CANCEL})
"""Signals that are no alarm, also where they change an incident."""


@dataclass(frozen=True, slots=True)
class Sensed:
    """A signal as it is stored: its event, that event's payload, and how it is told.

    ``urgent``: it may have paged somebody; ``told``: it is published by itself.
    """

    event: AlarmEvent
    payload: bytes
    urgent: bool
    told: bool = True


class Sensing:
    """The events of one run (``boot``) of ``gateway``."""

    def __init__(self, gateway: str, boot: str, new_id: Callable[[], str]) -> None:
        self._gateway = gateway
        self._boot = boot
        self._new_id = new_id
        self._seq = 0
        self._silent: dict[str, list[str]] = {}  # by subject: ids of events that were not told
        self.folded = 0
        """How many were told in a count."""
        self.figures = Figures()

    def sense(
        self,
        sighting: Sighting,
        changes: Sequence[Change],
        now: Moment,
        *,
        drill: bool,
        site: str | None = None,
        event_id: str | None = None,
        at: Moment | None = None,
    ) -> tuple[Sensed, list[Row]]:
        """The event of a sighting and its rows; ``site`` where it has no endpoint that says so.

        ``event_id`` and ``at`` are those of its acceptance, where it was accepted before.
        """
        counted: list[str] = []
        if sighting.folded:
            counted = self._silent.pop(sighting.subject, [])
            self.folded += len(counted)
            sighting = replace(sighting, folded=len(counted))
        alarm = bool(changes) and sighting.signal not in _ENDING
        self.figures.signal(sighting.subject, now, alarm=alarm)
        self._seq += 1
        event = wire.event_of(
            sighting,
            event_id=event_id or self._new_id(),
            gateway=self._gateway,
            time=(at or now).wall,
            seq=self._seq,
            boot=self._boot,
            drill=drill,
            stored=True,
        )
        if site is not None:
            event = replace(event, site=site)
        told = not sighting.silent or any(effects.pages for _, effects in changes)
        if not told:
            self._silent.setdefault(sighting.subject, []).append(event.id)
        sensed = Sensed(event, encode_known(event), urgent=not sighting.quiet, told=told)
        rows = [Row(Kind.SIGNAL, event.id, sensed.payload)]
        if sighting.signal is SignalKind.TEST and sighting.source is not None and not drill:
            name = sighting.source.endpoint
            rows.append(testing.row_of(name, event.id, walk=sighting.walk, by=sighting.by))
        rows += [Row(Kind.PUBLISHED, one, b"") for one in counted]
        return sensed, rows
