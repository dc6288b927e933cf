"""What happens to a signal between the driver and the incidents. Pure: it runs the machines in turn.

Rules:

Rule 1. Each signal comes out as itself, marked with what became of it, and is stored and told: what
        a guard holds back, a test of a walk, a fold, a shelved trouble. Nothing is swallowed.
Rule 2. In this order: a walk test takes it (`walk`), a guard holds it (`guard`), it is counted for
        flapping (`folding`) and for being stuck (`stuck`), a shelf covers it (`shelving`).
Rule 3. What counts later, by time or by another input, comes out as a signal of its own then.
Rule 4. A drill is wanted: none of this holds it back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from gateway.alarm.journal.rows import Row
from gateway.alarm.plans.plan import TEST
from gateway.alarm.signals.contact import Sighting
from gateway.alarm.signals.folding import FlappingRule, Folding
from gateway.alarm.signals.guard import Guarded, Guards
from gateway.alarm.signals.shelving import Shelving
from gateway.alarm.signals.stuck import Stuck
from gateway.alarm.signals.walk import Walk
from gateway.moment import Moment
from gateway.ports import SignalKind


@dataclass(frozen=True, slots=True)
class Taken:
    """What has come of an event, in order; ``sightings`` are to be decided on, stored and told.

    ``began`` are guards that began with a signal, ``ended`` the subjects of those that ended;
    ``rows`` are to be stored with them.
    """

    sightings: tuple[Sighting, ...] = ()
    began: tuple[Sighting, ...] = ()
    ended: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()


@dataclass(slots=True)
class Intake:
    """The way in of one gateway. ``walk`` is the walk test that is on, if one is."""

    flapping: FlappingRule = field(default_factory=FlappingRule)
    shelving: Shelving = field(default_factory=Shelving)
    walk: Walk | None = None
    _guards: Guards = field(default_factory=Guards)
    _stuck: Stuck = field(default_factory=Stuck)
    _folding: Folding = field(init=False)

    def __post_init__(self) -> None:
        self._folding = Folding(self.flapping)

    @property
    def flaps(self) -> int:
        """How many inputs flap now."""
        return len(self._folding)

    def signal(self, sighting: Sighting, now: Moment, *, drill: bool = False) -> Taken:
        """One signal; the first sighting that comes out is the one for this very signal."""
        if drill:
            return Taken((sighting,))
        if self.walk is not None and self.walk.takes(sighting, now):
            text = "; ".join(part for part in (sighting.text, "walk test") if part)
            return Taken(
                (replace(sighting, signal=SignalKind.TEST, category=TEST, text=text, walk=True),)
            )
        guarded = self._guards.see(sighting, now)
        assert guarded.now is not None
        self._stuck.see(sighting, now)
        folded = self._folding.see(sighting, now)
        own = replace(guarded.now, silent=True) if folded.silent else guarded.now
        return self._taken(guarded, (own, *guarded.raised, *folded.also), now)

    def deadline(self) -> float | None:
        """When `tick` is wanted, on `Moment.elapsed`."""
        candidates = (
            self._guards.deadline(),
            self._stuck.deadline(),
            self._folding.deadline(),
            self.shelving.deadline(),
            self.walk.ends if self.walk else None,
        )
        return min((due for due in candidates if due is not None), default=None)

    def tick(self, now: Moment) -> Taken:
        """Time has passed."""
        if self.walk is not None and not self.walk.is_on(now):
            self.walk = None
        unshelved = self.shelving.tick(now)
        guarded = self._guards.tick(now)
        found = (*guarded.raised, *self._stuck.tick(now), *self._folding.tick(now))
        return self._taken(guarded, (*unshelved, *found), now)

    def left_over(self, sightings: Iterable[Sighting], now: Moment) -> Taken:
        """Guards that were running when the gateway died: they are raised (guard, rule 6)."""
        guarded = self._guards.left_over(sightings)
        return self._taken(guarded, guarded.raised, now)

    def reload(self, changed: Iterable[str], flapping: FlappingRule, now: Moment) -> Taken:
        """``changed`` endpoints are gone, or configured otherwise; guards that run there are raised."""
        gone = tuple(changed)
        self.flapping = flapping
        self._folding.reload(flapping)
        self._stuck.forget(gone)
        guarded = self._guards.left_over(self._guards.take(gone))
        return self._taken(guarded, guarded.raised, now)

    def _taken(self, guarded: Guarded, sightings: tuple[Sighting, ...], now: Moment) -> Taken:
        seen = sightings
        if len(self.shelving):
            seen = tuple(self.shelving.see(one, now) for one in sightings)
        return Taken(seen, guarded.began, guarded.ended, self.shelving.take_rows())
