"""Who goes on with an incident when its gateway is gone, and who when it is back. Pure.

Rules:

Rule 1. The *home* of an incident is the gateway that raised it; its configured standbys follow it in
        order. Whoever owns an incident hands its newest snapshot to all of them.
Rule 2. Of several copies of an incident the highest (owner_term, seq), then name, holds. Whoever owns
        one and hears of a higher one yields: it says nothing more about it.
Rule 3. While the owner is offline the first of home and standbys that is online adopts: home at once,
        a standby after `Standby.adopt_after` seconds. It owns it under a higher term; groups keep
        what they are, timers go on by the wall clock, pages without a receipt keep their ids.
Rule 4. A home that has been online for `Standby.give_back_after` seconds takes its incident back from a
        standby that owns it. If it never does, the standby keeps it.
Rule 5. Whoever has no broker knows nothing of the others, and adopts nothing. After each connect
        everybody counts as offline since then until it is heard.
Rule 6. What was handed is kept until its incident is closed or owned here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.alarm.incidents.record import IncidentRecord, State

ADOPT_AFTER = 10.0
"""Seconds; above the 5 s in which a gateway that lost the broker tries again."""
GIVE_BACK_AFTER = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standby:
    """The gateways that stand by for one, in order; durations in seconds."""

    by: tuple[str, ...]
    adopt_after: float = ADOPT_AFTER
    give_back_after: float = GIVE_BACK_AFTER


@dataclass(frozen=True, slots=True)
class Adopt:
    """Own this incident from now on, under a term above ``above``."""

    record: IncidentRecord
    above: int


Version = tuple[int, int, str]


def version(record: IncidentRecord) -> Version:
    """What copies are compared by (rule 2)."""
    return record.owner_term, record.seq, record.owner


class Standins:
    """What one gateway knows of incidents that others own. ``now`` is `Moment.elapsed`."""

    def __init__(self, gateway: str, standbys: Mapping[str, Standby]) -> None:
        self._gateway = gateway
        self._standbys = standbys
        self._handed: dict[str, IncidentRecord] = {}
        self._terms: dict[str, int] = {}
        """The highest term that was heard of each incident."""
        self._online: frozenset[str] = frozenset()
        self._since: dict[str, float] = {}
        """Since when each gateway is as it is, online or not."""
        self._connected: float | None = None

    @property
    def watched(self) -> frozenset[str]:
        """The gateways whose snapshots matter here."""
        of_ours = self._standbys.get(self._gateway)
        found = set(of_ours.by) if of_ours else set()
        for home, standby in self._standbys.items():
            if self._gateway in standby.by:
                found |= {home, *standby.by}
        return frozenset(found - {self._gateway})

    @property
    def hands(self) -> bool:
        """Whether anybody stands by for this gateway, or it for another."""
        return bool(self.watched)

    def elsewhere(self) -> Iterable[IncidentRecord]:
        """Incidents of this gateway that another, which is online, owns."""
        return [
            record
            for record in self._handed.values()
            if _home(record) == self._gateway and record.owner in self._online
        ]

    def connected(self, now: float | None) -> None:
        """The broker was reached at ``now``, or was lost (None)."""
        self._connected = now
        self._online = frozenset()
        self._since.clear()

    def online(self, gateways: frozenset[str], now: float) -> None:
        """These are online now."""
        for name in gateways ^ self._online:
            self._since[name] = now
        self._online = gateways

    def handed(self, record: IncidentRecord) -> bool:
        """A snapshot of an incident that another owns; True if it is the newest, and ours to keep."""
        if record.owner == self._gateway or self._gateway not in self._order(record):
            return False
        self.heard(record.case.id, record.owner_term)
        known = self._handed.get(record.case.id)
        if known is not None and version(known) >= version(record):
            return False
        if record.state is State.CLOSED:
            self._handed.pop(record.case.id, None)
            return known is not None
        self._handed[record.case.id] = record
        return True

    def heard(self, incident: str, term: int) -> None:
        """Somebody published this incident under ``term``."""
        self._terms[incident] = max(term, self._terms.get(incident, 0))

    def closed(self, incident: str) -> bool:
        """It is closed, or owned here; True if it was kept."""
        self._terms.pop(incident, None)
        return self._handed.pop(incident, None) is not None

    def deadline(self) -> float | None:
        """When `tick` is wanted."""
        due = (self._due(record) for record in self._handed.values())
        return min((at for at in due if at is not None), default=None)

    def tick(self, now: float) -> tuple[Adopt, ...]:
        """What is to be adopted now (rules 3 and 4)."""
        due = [
            record
            for record in self._handed.values()
            if (at := self._due(record)) is not None and at <= now
        ]
        for record in due:
            del self._handed[record.case.id]
        return tuple(Adopt(one, self._terms.get(one.case.id, 0)) for one in due)

    def _due(self, record: IncidentRecord) -> float | None:
        if self._connected is None:
            return None
        home = _home(record)
        standby = self._standbys[home]
        if record.owner in self._online:
            at_home = home == self._gateway
            return self._connected + standby.give_back_after if at_home else None
        for name in self._order(record):
            if name == self._gateway:
                since = self._since.get(record.owner, self._connected)
                return since + (0.0 if home == name else standby.adopt_after)
            if name in self._online:
                return None
        return None

    def _order(self, record: IncidentRecord) -> tuple[str, ...]:
        home = _home(record)
        standby = self._standbys.get(home)
        return () if standby is None else (home, *standby.by)


def _home(record: IncidentRecord) -> str:
    return record.case.home or record.owner
