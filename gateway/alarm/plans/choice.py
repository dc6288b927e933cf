"""Groups that can only be chosen when a level starts: who is on duty, who is nearest. Pure.

What `page` and `page_where` name is known when an incident opens and is frozen in its steps. A rota
and a `nearest` depend on the hour and on where people are at that moment; the incident asks a
`Chooser` for them at each start of a level, and keeps what it was told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from gateway.moment import Moment

if TYPE_CHECKING:
    from gateway.alarm.incidents.record import Case


@dataclass(frozen=True, slots=True)
class Choice:
    """Groups to call, with the party of each, and in words whom the level wanted and did not get.

    Each shortfall begins with the level's name and a colon.
    """

    groups: Mapping[str, str] = field(default_factory=dict)
    shortfalls: tuple[str, ...] = ()


class Chooser(Protocol):
    """Decides who is called by a level's rotas and its ``nearest``; a pure function of what it knows."""

    def choose(self, case: Case, index: int, called: frozenset[str], now: Moment) -> Choice:
        """For the start of level ``index`` (from 0); ``called`` are the groups called already."""

    def instead(
        self, case: Case, index: int, declined: str, called: frozenset[str], now: Moment
    ) -> Choice:
        """The next one after ``declined`` cannot come, where a rota or ``nearest`` had chosen it."""


@dataclass(frozen=True, slots=True)
class Fix:
    """Where one client of a group was, ``age`` seconds ago. ``position`` in WGS 84 degrees."""

    client: str
    position: tuple[float, float]
    age: float
    on_duty: bool


class Whereabouts(Protocol):
    """What is known of where the clients of groups are."""

    def fixes(self, group: str, now: Moment) -> Iterable[Fix]:
        """The newest fix of each client that answers for ``group``; none where nothing is known."""

    def near(self, position: tuple[float, float], metres: float) -> Iterable[str]:
        """The groups of which a fix, however old, is within ``metres``; more groups do no harm."""


class Nobody:
    """A chooser that adds nobody: for plans without rota and nearest."""

    def choose(self, _case: Case, _index: int, _called: frozenset[str], _now: Moment) -> Choice:
        return Choice()

    def instead(
        self, _case: Case, _index: int, _declined: str, _called: frozenset[str], _now: Moment
    ) -> Choice:
        return Choice()
