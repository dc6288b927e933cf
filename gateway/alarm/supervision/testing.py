"""When each endpoint was last tested, and which tests are overdue. Pure.

A test is a signal ``test`` of the endpoint that was stored: what a panel sends by itself, or a
press of a walk test. It is kept as a row of its own (`Kind.TESTED`), so that it outlives the
signals; its body is ``{"event": id of the AlarmEvent, "walk": bool, "by": name or null}``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from gateway.alarm.journal.rows import Kind, Row, Stored


@dataclass(frozen=True, slots=True)
class LastTest:
    """One test; ``time`` in POSIX seconds, ``by`` who made it by hand."""

    time: float
    walk: bool = False
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How an endpoint stands; ``within`` are the seconds in which it is to be tested, None: never."""

    endpoint: str
    last: LastTest | None
    within: float | None
    overdue: bool

    @property
    def due(self) -> float | None:
        """When its next test is due, POSIX seconds; None where it never is, or was due always."""
        return None if self.last is None or self.within is None else self.last.time + self.within


@dataclass(frozen=True, slots=True)
class _Body:
    event: str
    walk: bool = False
    by: str | None = None


_DECODER = msgspec.json.Decoder(_Body)


def row_of(endpoint: str, event: str, *, walk: bool, by: str | None = None) -> Row:
    """What the journal keeps of a test, in one unit with its signal."""
    return Row(Kind.TESTED, endpoint, msgspec.json.encode(_Body(event, walk, by)))


def read(rows: Iterable[Stored]) -> dict[str, LastTest]:
    """The last test of each endpoint, from rows in order; a damaged one tells nothing."""
    found = {}
    for row in rows:
        try:
            body = _DECODER.decode(row.body)
        except msgspec.MsgspecError:
            continue
        found[row.key] = LastTest(row.wall, body.walk, body.by)
    return found


def standings(
    within: Mapping[str, float | None], last: Mapping[str, LastTest], wall: float
) -> tuple[Standing, ...]:
    """Every endpoint of ``within`` as it stands at ``wall`` (POSIX seconds); the longest untested first."""
    found = [
        Standing(name, last.get(name), limit, _is_overdue(last.get(name), limit, wall))
        for name, limit in within.items()
    ]
    found.sort(key=lambda one: (one.last is not None, one.last.time if one.last else 0.0))
    return tuple(found)


def _is_overdue(last: LastTest | None, within: float | None, wall: float) -> bool:
    if within is None:
        return False
    return last is None or wall - last.time > within
