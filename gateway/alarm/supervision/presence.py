"""The responders' clients: whom each answers for, where it is, and whether it is still heard. Pure.

Rules:

Rule 1. A client is as its newest Presence says. An empty one (its goodbye, or its will) ends it.
Rule 2. A client that was not heard for `ALLOWED` of its own intervals is away. Its position is kept,
        and ages; who wants a fresh one looks at the age.
Rule 3. A position's age is what passed on the client's own clock until it said so, and on ours since:
        the two need not agree. Only of the first Presence of a client, which may be the broker's
        copy, is the difference of both clocks counted too, up to the life of such a copy.
Rule 4. A group is *there* while one of its clients is, and is on duty.
Rule 5. While there is no broker nobody is heard, which says nothing about anybody: no client goes
        away then. It has its intervals anew once the broker is back.
Rule 6. A client that was away for `FORGOTTEN` is forgotten. Past `MAX_CLIENTS` no new one is taken.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from gateway.alarm.plans.choice import Fix
from gateway.alarm.plans.places import Places, Position
from gateway.alarm.supervision.supervision import ALLOWED
from gateway.link.messages import Presence
from gateway.moment import Moment, parse_timestamp

COPY_LIVES = 3.0
"""Intervals for which the broker keeps a Presence (`gateway.link.topics`)."""

SHORTEST = 1.0
"""Seconds; an interval below it is taken as this."""

FORGOTTEN = 86_400.0
"""Seconds; a shift, and the one after it."""

MAX_CLIENTS = 50_000
"""Three times a district's responders; the bound of what a flood of made-up names can take."""


@dataclass(frozen=True, slots=True)
class Attendance:
    """A group whose first client came, or whose last one went."""

    group: str
    there: bool


@dataclass(frozen=True, slots=True)
class Heard:
    """What one Presence comes to; ``news`` is False for a copy of what was known already."""

    news: bool
    changes: tuple[Attendance, ...] = ()


@dataclass(slots=True)
class _Client:
    presence: Presence
    heard: float
    """When, on `Moment.elapsed`."""
    aged: float
    """How old its position was then, in seconds."""
    away: bool = False


class Presences:
    """All clients of responders (a `gateway.alarm.plans.choice.Whereabouts`)."""

    def __init__(self) -> None:
        self._clients: dict[str, _Client] = {}
        self._places = Places()
        self._members: dict[str, dict[str, None]] = {}
        """Clients that answer for a group, away or not."""
        self._there: dict[str, set[str]] = {}
        self._due: list[tuple[float, str]] = []
        self._armed: dict[str, float] = {}
        self._deaf = False

    def __len__(self) -> int:
        return len(self._clients)

    def heard(self, presence: Presence, now: Moment) -> Heard:
        """A Presence has arrived, retained or not."""
        known = self._clients.get(presence.client)
        if known is not None and known.presence == presence:
            return Heard(news=False)
        if known is None and len(self._clients) >= MAX_CLIENTS:
            return Heard(news=False)
        client = _Client(presence, now.elapsed, _age(presence, now, first=known is None))
        self._clients[presence.client] = client
        if presence.position is None:
            self._places.remove(presence.client)
        else:
            self._places.put(presence.client, presence.position)
        self._join(presence, known)
        self._arm(presence.client, client)
        return Heard(news=True, changes=self._settle(client, known))

    def gone(self, client: str) -> tuple[Attendance, ...]:
        """Its topic was cleared (rule 1)."""
        known = self._clients.pop(client, None)
        self._places.remove(client)
        self._armed.pop(client, None)
        if known is None:
            return ()
        for group in known.presence.groups:
            self._leave(group, client)
        known.away = True
        return self._settle(known, None)

    def fixes(self, group: str, now: Moment) -> Iterator[Fix]:
        """The newest position of each client that answers for ``group``."""
        for name in self._members.get(group, ()):
            client = self._clients[name]
            position = client.presence.position
            if position is not None:
                age = client.aged + now.elapsed - client.heard
                yield Fix(name, position, age, client.presence.on_duty)

    def near(self, position: Position, metres: float) -> Iterator[str]:
        """The groups of whoever is within ``metres``, and some that are not."""
        found = self._places.near(position, metres)
        yield from dict.fromkeys(
            group for name in found for group in self._clients[name].presence.groups
        )

    def is_there(self, group: str) -> bool:
        """Rule 4."""
        return bool(self._there.get(group))

    def deaf(self) -> None:
        """The broker was lost (rule 5)."""
        self._deaf = True

    def hearing(self, now: Moment) -> None:
        """The broker is back."""
        self._deaf = False
        for client in self._clients.values():
            if not client.away:
                client.aged += now.elapsed - client.heard
                client.heard = now.elapsed

    def deadline(self) -> float | None:
        """When `tick` is wanted, on `Moment.elapsed`."""
        return self._due[0][0] if self._due and not self._deaf else None

    def tick(self, now: Moment) -> tuple[Attendance, ...]:
        """Who was not heard any more."""
        changes: list[Attendance] = []
        while self._due and self._due[0][0] <= now.elapsed and not self._deaf:
            due, name = heapq.heappop(self._due)
            client = self._clients.get(name)
            if client is None or self._armed.get(name) != due:
                continue
            del self._armed[name]
            if _next(client) <= now.elapsed:
                if client.away:
                    self.gone(name)
                    continue
                client.away = True
                changes += self._settle(client, client)
            self._arm(name, client)
        return tuple(changes)

    def _arm(self, name: str, client: _Client) -> None:
        """One entry of each client; what it is heard after that is found when the entry is due."""
        due = _next(client)
        if due < self._armed.get(name, inf):
            self._armed[name] = due
            heapq.heappush(self._due, (due, name))

    def _join(self, presence: Presence, known: _Client | None) -> None:
        for group in presence.groups:
            self._members.setdefault(group, {})[presence.client] = None
        for group in known.presence.groups if known else ():
            if group not in presence.groups:
                self._leave(group, presence.client)

    def _leave(self, group: str, client: str) -> None:
        members = self._members[group]
        members.pop(client, None)
        if not members:
            del self._members[group]

    def _settle(self, client: _Client, before: _Client | None) -> tuple[Attendance, ...]:
        """Whom this client makes be there, or no longer."""
        name = client.presence.client
        serves = client.presence.groups if client.presence.on_duty and not client.away else ()
        groups = dict.fromkeys(
            (*(before.presence.groups if before else ()), *client.presence.groups)
        )
        changes = []
        for group in groups:
            there = self._there.setdefault(group, set())
            was = bool(there)
            (there.add if group in serves else there.discard)(name)
            if bool(there) != was:
                changes.append(Attendance(group, bool(there)))
            if not there:
                del self._there[group]
        return tuple(changes)


def _next(client: _Client) -> float:
    """When it goes away, or is forgotten."""
    if client.away:
        return client.heard + FORGOTTEN
    return client.heard + ALLOWED * max(client.presence.interval_s, SHORTEST)


def _age(presence: Presence, now: Moment, *, first: bool) -> float:
    """How old a position is as its Presence arrives (rule 3), in seconds."""
    said = parse_timestamp(presence.time)
    age = 0.0 if presence.fixed is None else max(said - parse_timestamp(presence.fixed), 0.0)
    if first:
        age += min(max(now.wall - said, 0.0), COPY_LIVES * presence.interval_s)
    return age
