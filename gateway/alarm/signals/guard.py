"""Guards against a chance touch: hold, several presses, a second input that confirms. Pure.

Rules:

Rule 1. An alarm of a guarded endpoint is a *touch* until its guard is satisfied: it is stored, and
        raises nothing. Whatever is quiet, and duress, passes by every guard.
Rule 2. Hold: it counts once it has been in alarm for ``hold`` seconds; a restore before ends it.
Rule 3. Presses: it counts with the last of ``presses`` alarms in less than ``presses_within`` seconds. A
        hold, where there is one too, begins with that last press.
Rule 4. Confirmation: what has passed the other guards is *unconfirmed* until an endpoint of
        ``confirm_by`` is in alarm too, less than ``confirm_within`` seconds before or after it. A
        touch of that one confirms nothing.
Rule 5. What counts is raised anew, as the endpoint's own alarm, at the instant at which it counts.
Rule 6. Every guard that began is told with its end, so that one that was running when the gateway
        died, or its endpoint was configured anew, can be found. It is raised then: nobody can say any
        more that it was a chance touch.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from gateway.alarm.plans.plan import DURESS, TOUCH, UNCONFIRMED
from gateway.alarm.signals.contact import Contact, Sighting
from gateway.moment import Moment
from gateway.ports import SignalKind


@dataclass(frozen=True, slots=True)
class Guarded:
    """What one event comes to.

    ``now`` is the signal itself as it is to be taken (None: the event was none), ``raised`` are
    alarms that count from this instant. ``began`` and ``ended`` are the guards that did (rule 6).
    """

    now: Sighting | None = None
    raised: tuple[Sighting, ...] = ()
    began: tuple[Sighting, ...] = ()
    ended: tuple[str, ...] = ()


@dataclass(slots=True)
class _Running:
    """An endpoint's guard that is not satisfied yet; ``sighting`` is its newest alarm."""

    sighting: Sighting
    presses: deque[float] = field(default_factory=deque)
    held_until: float | None = None
    unconfirmed_until: float | None = None
    ends: float | None = None
    """When the presses before are too old."""


class Guards:
    """The guards of one gateway's endpoints."""

    def __init__(self) -> None:
        self._running: dict[str, _Running] = {}
        self._in_alarm: dict[str, float] = {}
        """When each endpoint that may confirm another was last seen in alarm, and was no touch."""
        self._due: list[tuple[float, str]] = []

    def see(self, sighting: Sighting, now: Moment) -> Guarded:
        """One signal of a driver."""
        source = sighting.source
        if source is None:
            return Guarded(sighting)
        if sighting.signal is SignalKind.RESTORE:
            return replace(self._restored(source.endpoint, sighting.contact), now=sighting)
        if sighting.signal is not SignalKind.ALARM or sighting.quiet:
            return Guarded(sighting)
        if not source.guard.guards or sighting.category == DURESS:
            self._in_alarm[source.endpoint] = now.elapsed
            return replace(self._confirm_others(source.endpoint, now), now=sighting)
        own = self._guarded(sighting, now)
        if self._in_alarm.get(source.endpoint) != now.elapsed:
            return own
        confirmed = self._confirm_others(source.endpoint, now)
        return Guarded(
            own.now,
            (*own.raised, *confirmed.raised),
            own.began,
            (*own.ended, *confirmed.ended),
        )

    def deadline(self) -> float | None:
        """When `tick` is wanted, on `Moment.elapsed`."""
        while self._due:
            due, name = self._due[0]
            running = self._running.get(name)
            if running is not None and due in (
                running.held_until,
                running.unconfirmed_until,
                running.ends,
            ):
                return due
            heapq.heappop(self._due)
        return None

    def tick(self, now: Moment) -> Guarded:
        """Holds that have lasted, and guards that were not satisfied in time."""
        raised: list[Sighting] = []
        ended: list[str] = []
        while (due := self.deadline()) is not None and due <= now.elapsed:
            _, name = heapq.heappop(self._due)
            running = self._running[name]
            if running.held_until is not None and running.held_until <= now.elapsed:
                running.held_until = None
                held = running.sighting.source
                assert held is not None
                passed = self._passed(running, f"held for {held.guard.hold:g} s", now)
                confirmed = self._confirm_others(name, now)
                raised += (*passed.raised, *confirmed.raised)
                ended += (*passed.ended, *confirmed.ended)
            else:
                del self._running[name]
                ended.append(name)
        return Guarded(None, tuple(raised), (), tuple(ended))

    def left_over(self, sightings: Iterable[Sighting]) -> Guarded:
        """Guards that were running when the gateway died (rule 6)."""
        found = tuple(sightings)
        text = "its guard was running when the gateway stopped or was configured anew"
        return Guarded(
            None,
            tuple(_counting(one, text) for one in found),
            (),
            tuple(one.subject for one in found),
        )

    def take(self, endpoints: Iterable[str]) -> tuple[Sighting, ...]:
        """These are no longer configured, or configured otherwise: the newest alarms of their guards."""
        found = (self._running.pop(name, None) for name in endpoints)
        return tuple(running.sighting for running in found if running is not None)

    def _guarded(self, sighting: Sighting, now: Moment) -> Guarded:
        assert sighting.source is not None
        name, guard = sighting.source.endpoint, sighting.source.guard
        running = self._running.get(name)
        began = () if running is not None else (sighting,)
        if running is None:
            running = self._running[name] = _Running(sighting)
        running.sighting = sighting
        if running.held_until is not None or running.unconfirmed_until is not None:
            # It is being held, or waits for the other input: it said so once more.
            category = TOUCH if running.held_until is not None else UNCONFIRMED
            return Guarded(replace(sighting, category=category))
        running.presses.append(now.elapsed)
        while now.elapsed - running.presses[0] >= guard.presses_within:
            running.presses.popleft()
        touch = replace(sighting, category=TOUCH)
        if len(running.presses) < guard.presses:
            running.ends = running.presses[0] + guard.presses_within
            self._arm(running.ends, name)
            return Guarded(touch, (), began)
        running.ends = None
        if guard.hold > 0:
            running.held_until = now.elapsed + guard.hold
            self._arm(running.held_until, name)
            return Guarded(touch, (), began)
        words = f"pressed {guard.presses} times" if guard.presses > 1 else ""
        passed = self._passed(running, words, now)
        unconfirmed = not passed.raised
        if began and not unconfirmed:  # a guard that began and ended with this very signal
            began, passed = (), replace(passed, ended=())
        category = UNCONFIRMED if unconfirmed else TOUCH
        if passed.raised:
            # The signal itself is the one that counts; there is no need to say it twice.
            return Guarded(passed.raised[0], (), began, passed.ended)
        return Guarded(replace(sighting, category=category), (), began, passed.ended)

    def _passed(self, running: _Running, words: str, now: Moment) -> Guarded:
        """Hold and presses are satisfied: is it confirmed?"""
        sighting = running.sighting
        assert sighting.source is not None
        name, guard = sighting.source.endpoint, sighting.source.guard
        self._in_alarm[name] = now.elapsed
        if guard.confirm_by:
            other = next(
                (
                    one
                    for one in guard.confirm_by
                    if now.elapsed - self._in_alarm.get(one, float("-inf")) < guard.confirm_within
                ),
                None,
            )
            if other is None:
                running.unconfirmed_until = now.elapsed + guard.confirm_within
                self._arm(running.unconfirmed_until, name)
                return Guarded()
            words = ", ".join(part for part in (words, f"confirmed by {other}") if part)
        del self._running[name]
        return Guarded(None, (_counting(sighting, words),), (), (name,))

    def _confirm_others(self, endpoint: str, now: Moment) -> Guarded:
        raised: list[Sighting] = []
        ended: list[str] = []
        for name, running in list(self._running.items()):
            until, source = running.unconfirmed_until, running.sighting.source
            assert source is not None
            if until is None or until <= now.elapsed or endpoint not in source.guard.confirm_by:
                continue
            del self._running[name]
            raised.append(_counting(running.sighting, f"confirmed by {endpoint}"))
            ended.append(name)
        return Guarded(None, tuple(raised), (), tuple(ended))

    def _restored(self, endpoint: str, contact: Contact) -> Guarded:
        running = self._running.get(endpoint)
        if running is None or running.held_until is None:
            return Guarded()
        if not contact.restores(running.sighting.contact):  # a battery's, or another zone's
            return Guarded()
        # Let go too early. What was pressed before still counts for several presses.
        running.held_until = None
        assert running.sighting.source is not None
        if running.sighting.source.guard.presses > 1:
            guard = running.sighting.source.guard
            running.ends = running.presses[0] + guard.presses_within
            self._arm(running.ends, endpoint)
            return Guarded()
        del self._running[endpoint]
        return Guarded(ended=(endpoint,))

    def _arm(self, due: float, name: str) -> None:
        heapq.heappush(self._due, (due, name))


def _counting(sighting: Sighting, words: str) -> Sighting:
    """The alarm that counts, with why it does."""
    text = "; ".join(part for part in (sighting.text, words) if part)
    return replace(sighting, text=text)
