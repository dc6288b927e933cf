"""Shelving: an endpoint's troubles raise no incident until a given time (ISA 18.2). Pure.

Rules:

Rule 1. Only troubles can be shelved: tamper, fault, battery, lost, stuck, flapping. An alarm never is,
        nor what is left of one that a guard holds back, nor silence, nor a test.
Rule 2. Every shelving has an end, at most `LONGEST` away. Until then what the endpoint says of troubles
        is stored and told, marked as shelved; only no incident comes of it. Restores are as ever.
Rule 3. Its end, also before its time, is told as an event of its own (a restore of category log), and
        then each trouble that it has hidden and that still stands, as if it had come just then.
Rule 4. A shelf is kept over restarts with the troubles that it hides. Its end is a time of the wall
        clock; while the gateway runs it is waited for by the clock that nobody sets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from gateway.alarm.journal.rows import Kind, Row, Stored
from gateway.alarm.plans.plan import TROUBLE, SourceFacts
from gateway.alarm.signals.contact import Contact, Sighting
from gateway.moment import Moment, timestamp
from gateway.ports import SignalKind

LONGEST = 30 * 86_400.0
"""Seconds; what is broken for longer is to be mended or taken out."""

LOG = "log"
"""Category of the event that tells the end: it pages nobody, and no plan takes it by chance."""

_NO_TROUBLE = frozenset({SignalKind.RESTORE, SignalKind.TEST, SignalKind.CANCEL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """One endpoint's shelving; ``until`` in POSIX seconds."""

    endpoint: str
    until: float
    by: str
    reason: str


@dataclass(slots=True)
class _Place:
    """A shelf in use; ``ends`` on `Moment.elapsed`, ``hidden`` the troubles that stand."""

    shelf: Shelf
    source: SourceFacts
    ends: float
    hidden: dict[tuple[Contact, SignalKind], Sighting] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hidden:
    signal: SignalKind
    where: str
    kind: str | None
    code: str | None
    account: str | None
    zone: str | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Body:
    until: float
    by: str
    reason: str
    hidden: tuple[_Hidden, ...] = ()


_DECODER = msgspec.json.Decoder(_Body)


class Shelving:
    """What is shelved now, by endpoint."""

    def __init__(self) -> None:
        self._places: dict[str, _Place] = {}
        self._rows: list[Row] = []

    def __len__(self) -> int:
        return len(self._places)

    @property
    def shelves(self) -> tuple[Shelf, ...]:
        """What is shelved, the next to end first."""
        found = (place.shelf for place in self._places.values())
        return tuple(sorted(found, key=lambda one: (one.until, one.endpoint)))

    def until(self, endpoint: str) -> float | None:
        """Until when an endpoint is shelved, POSIX seconds."""
        place = self._places.get(endpoint)
        return None if place is None else place.shelf.until

    def take_rows(self) -> tuple[Row, ...]:
        """What is to be stored of what has changed since the last call."""
        rows, self._rows = tuple(self._rows), []
        return rows

    def load(self, rows: Iterable[Stored], sources: Mapping[str, SourceFacts], now: Moment) -> None:
        """The shelves of an earlier run; one whose time is over ends at the next `tick`."""
        for row in rows:
            source = sources.get(row.key)
            try:
                body = _DECODER.decode(row.body)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                source = None
            if source is None:  # taken out of the configuration, or damaged
                self._rows.append(Row(Kind.UNSHELVED, row.key, b""))
                continue
            shelf = Shelf(endpoint=row.key, until=body.until, by=body.by, reason=body.reason)
            left = min(body.until - now.wall, LONGEST)  # the clock may have been set back
            place = _Place(shelf, source, now.elapsed + left)
            for one in body.hidden:
                sighting = _rebuilt(one, source)
                place.hidden[sighting.contact, sighting.signal] = sighting
            self._places[row.key] = place

    def reload(self, sources: Mapping[str, SourceFacts]) -> None:
        """Other sources; what is no longer configured is no longer shelved."""
        for name, place in list(self._places.items()):
            if name in sources:
                place.source = sources[name]
            else:
                del self._places[name]
                self._rows.append(Row(Kind.UNSHELVED, name, b""))

    def shelve(self, shelf: Shelf, source: SourceFacts, now: Moment) -> str | None:
        """Shelve, or shelve until another time; why not, where that cannot be."""
        left = shelf.until - now.wall
        if left <= 0:
            return "its end is past"
        if left > LONGEST:
            return f"at most {LONGEST / 86_400:.0f} days"
        before = self._places.get(shelf.endpoint)
        place = _Place(shelf, source, now.elapsed + left, before.hidden if before else {})
        self._places[shelf.endpoint] = place
        self._rows.append(_row_of(place))
        return None

    def unshelve(self, endpoint: str, by: str) -> tuple[Sighting, ...] | None:
        """End it before its time; what is to be told. None where it is not shelved."""
        if endpoint not in self._places:
            return None
        return self._end(endpoint, f"no longer shelved, by {by}")

    def see(self, sighting: Sighting, now: Moment) -> Sighting:
        """One signal on its way in, marked where a shelf hides it."""
        source = sighting.source
        place = None if source is None else self._places.get(source.endpoint)
        if place is None or now.elapsed >= place.ends:
            return sighting
        if sighting.signal is SignalKind.RESTORE:
            mended = [one for one in place.hidden if sighting.contact.restores(one[0])]
            for trouble in mended:
                del place.hidden[trouble]
            if mended:
                self._rows.append(_row_of(place))
            return sighting
        if sighting.category != TROUBLE or sighting.signal in _NO_TROUBLE:
            return sighting
        trouble = sighting.contact, sighting.signal
        if trouble not in place.hidden:
            place.hidden[trouble] = sighting
            self._rows.append(_row_of(place))
        return replace(sighting, shelved=True)

    def deadline(self) -> float | None:
        """When `tick` is wanted, on `Moment.elapsed`."""
        return min((place.ends for place in self._places.values()), default=None)

    def tick(self, now: Moment) -> tuple[Sighting, ...]:
        """What is to be told of the shelves whose time is over."""
        ended = [name for name, place in self._places.items() if place.ends <= now.elapsed]
        return tuple(
            sighting for name in ended for sighting in self._end(name, "no longer shelved")
        )

    def _end(self, endpoint: str, text: str) -> tuple[Sighting, ...]:
        place = self._places.pop(endpoint)
        shelf = place.shelf
        self._rows.append(Row(Kind.UNSHELVED, endpoint, b""))
        words = f"{text}; {shelf.by} had shelved it until {timestamp(shelf.until)}"
        words += f": {shelf.reason}" if shelf.reason else ""
        told = Sighting(
            source=place.source,
            subject=endpoint,
            signal=SignalKind.RESTORE,
            category=LOG,
            contact=Contact("shelf", LOG),
            code=None,
            account=None,
            zone=None,
            text=words,
        )
        standing = (
            replace(one, source=place.source, text=f"was hidden by a shelf: {one.text}")
            for one in place.hidden.values()
        )
        return (told, *standing)


def _row_of(place: _Place) -> Row:
    shelf = place.shelf
    hidden = tuple(
        _Hidden(
            signal=one.signal,
            where=one.contact.where,
            kind=one.contact.kind,
            code=one.code,
            account=one.account,
            zone=one.zone,
            text=one.text,
        )
        for one in place.hidden.values()
    )
    body = _Body(until=shelf.until, by=shelf.by, reason=shelf.reason, hidden=hidden)
    return Row(Kind.SHELVED, shelf.endpoint, msgspec.json.encode(body))


def _rebuilt(hidden: _Hidden, source: SourceFacts) -> Sighting:
    return Sighting(
        source=source,
        subject=source.endpoint,
        signal=hidden.signal,
        category=TROUBLE,
        contact=Contact(hidden.where, hidden.kind),
        code=hidden.code,
        account=hidden.account,
        zone=hidden.zone,
        text=hidden.text,
    )
