"""Whoever is expected to be heard, and is not: the watch over inputs, endpoints, gateways, responders. Pure.

Rules:

Rule 1. Who is watched is expected to be heard each ``interval``. Not heard for `ALLOWED` intervals it
        is silent, and that is told once. The first sign of it after that is told too, and ends it.
Rule 2. Who was never heard is as silent as who is heard no more; its time counts from the start.
Rule 3. What a device's own state vouches for is heard all the time while it is well (`vouch`).
Rule 4. Gateways and responders are heard over the broker. While that is away nothing is concluded
        about them, and their intervals begin anew once it is back.
Rule 5. Nobody is blamed for our own sleep: where the timer comes later than `LATE`, what it missed is
        added to everybody's time, and `LATE` more to read what they said meanwhile.
Rule 6. Who was silent before a restart stays so, untold, until it is heard. Who is no longer watched
        is silent no more.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from gateway.moment import Moment

ALLOWED = 2.25
"""Intervals. Silence is to be known to others within 2.5: a quarter is left for disk and broker."""

LATE = 0.25
"""Seconds; a timer that is later than this was held up by something that holds up reading too."""


class Part(StrEnum):
    """What can be watched."""

    INPUT = "input"
    ENDPOINT = "endpoint"
    GATEWAY = "gateway"
    RESPONDER = "responder"


OVER_BROKER = frozenset({Part.GATEWAY, Part.RESPONDER})


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """Whom a watch is over."""

    part: Part
    name: str

    @property
    def subject(self) -> str:
        """What signals about it are told under; no endpoint can be called so."""
        return f"{self.part}:{self.name}"

    @property
    def link(self) -> str:
        """The key of its rows in the journal (`gateway.alarm.supervision.availability`)."""
        return f"{self.part}/{self.name}"

    def __str__(self) -> str:
        return f"{self.part} {self.name}"


@dataclass(frozen=True, slots=True)
class Finding:
    """Somebody has fallen silent, or is heard again; ``text`` says it to people."""

    name: Name
    silent: bool
    text: str


@dataclass(slots=True)
class _Watched:
    interval: float
    heard: float
    """When last, on `Moment.elapsed`; of who was never heard, when the watch began."""
    ever: bool = False
    well: bool = False
    silent: bool = False
    due: float | None = None
    """When it is looked at next."""


class Supervision:
    """The watch of one gateway."""

    def __init__(self) -> None:
        self._watched: dict[Name, _Watched] = {}
        self._due: list[tuple[float, Name]] = []
        self._deaf = True

    def __contains__(self, name: object) -> bool:
        return name in self._watched

    @property
    def silent(self) -> frozenset[Name]:
        return frozenset(name for name, one in self._watched.items() if one.silent)

    def watch(
        self, intervals: dict[Name, float], now: Moment, silent: Iterable[Name] = ()
    ) -> list[Finding]:
        """Watch these, each expected within so many seconds, and no others.

        ``silent`` are those that were so before a restart.
        """
        findings = []
        before = frozenset(silent)
        for name in (self._watched.keys() | before) - intervals.keys():
            watched = self._watched.pop(name, None)
            if watched is None or watched.silent:
                findings.append(Finding(name, False, f"{name} is no longer supervised"))
        for name, interval in intervals.items():
            watched = self._watched.get(name)
            if watched is None:
                watched = self._watched[name] = _Watched(interval, now.elapsed)
                watched.silent = name in before
            elif watched.interval == interval:
                continue
            watched.interval = interval
            self._arm(name, watched)
        return findings

    def heard(self, name: Name, now: Moment) -> Finding | None:
        """A sign of life."""
        watched = self._watched.get(name)
        if watched is None:
            return None
        away = f", after {_seconds(now.elapsed - watched.heard)}" if watched.ever else ""
        watched.heard, watched.ever = now.elapsed, True
        if not watched.silent:
            return None
        watched.silent = False
        self._arm(name, watched)
        return Finding(name, False, f"{name} is heard again{away}")

    def vouch(self, name: Name, now: Moment, *, well: bool) -> Finding | None:
        """Its device is well and stays so until this is called again, or it is not (rule 3)."""
        watched = self._watched.get(name)
        if watched is None or (watched.well == well and not watched.silent):
            return None
        finding = self.heard(name, now) if watched.well or well else None
        watched.well = well
        if not well:
            self._arm(name, watched)
        return finding

    def deaf(self) -> None:
        """The broker was lost (rule 4)."""
        self._deaf = True

    def hearing(self, now: Moment) -> None:
        """The broker is there, or is back."""
        self._deaf = False
        for name, watched in self._watched.items():
            if name.part in OVER_BROKER and not watched.silent:
                watched.heard = now.elapsed
                self._arm(name, watched)

    def deadline(self) -> float | None:
        """When `tick` is wanted, on `Moment.elapsed`."""
        return self._due[0][0] if self._due else None

    def tick(self, now: Moment) -> list[Finding]:
        """Who was not heard for too long."""
        if self._due and now.elapsed - self._due[0][0] > LATE:
            self._forgive(now.elapsed - self._due[0][0], now)
        findings = []
        while self._due and self._due[0][0] <= now.elapsed:
            due, name = heapq.heappop(self._due)
            watched = self._watched.get(name)
            if watched is None or watched.due != due:
                continue
            watched.due = None
            if not self._is_judged(name, watched):
                continue
            if watched.heard + ALLOWED * watched.interval > now.elapsed:  # heard since
                self._arm(name, watched)
                continue
            watched.silent = True
            findings.append(Finding(name, True, _silence(name, watched, now)))
        return findings

    def _is_judged(self, name: Name, watched: _Watched) -> bool:
        if watched.well or watched.silent:
            return False
        return not (self._deaf and name.part in OVER_BROKER)

    def _forgive(self, missed: float, now: Moment) -> None:
        """Rule 5."""
        for watched in self._watched.values():
            watched.heard = min(watched.heard + missed + LATE, now.elapsed)

    def _arm(self, name: Name, watched: _Watched) -> None:
        due = watched.heard + ALLOWED * watched.interval
        if self._is_judged(name, watched) and (watched.due is None or due < watched.due):
            watched.due = due
            heapq.heappush(self._due, (due, name))


def _silence(name: Name, watched: _Watched, now: Moment) -> str:
    away = _seconds(now.elapsed - watched.heard)
    expected = f"expected every {watched.interval:g} s"
    if not watched.ever:
        return f"{name} is silent: never heard, in {away}; {expected}"
    return f"{name} is silent: not heard for {away}; {expected}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds:.0f} s"
