"""Folds the signals of an input that flaps into a few. Pure.

A contact that bounces for hours would bury everything else: its signals are all stored and all
decided, but only told in a count.

Rules:

Rule 1. A change is a contact that goes into alarm or is restored; what repeats its last state, a
        test and a cancel are none. What was not seen within the window is not known any more.
Rule 2. An input with more than `FlappingRule.changes` changes within `FlappingRule.within` flaps.
        That is a trouble of its own, at once, and the signal that showed it is told as usual.
Rule 3. While it flaps its signals are silent: stored and decided like any other (a panic opens,
        joins and pages), but not told. Tests and cancels are told as ever.
Rule 4. Each `FlappingRule.every` one trouble tells how many were silent since, if any were.
Rule 5. It is calm again once the window holds no more than half as many changes; then the trouble
        is restored, with the count of what was left.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from dataclasses import dataclass, field, replace

from gateway.alarm.plans.plan import TROUBLE
from gateway.alarm.signals.contact import Contact, Sighting
from gateway.moment import Moment
from gateway.ports import SignalKind

FLAPPING = Contact("flapping", TROUBLE)
"""What goes into alarm at an input that flaps; no signal of a driver restores it."""

_NO_CHANGE = frozenset({SignalKind.TEST, SignalKind.CANCEL})


@dataclass(frozen=True, slots=True, kw_only=True)
class FlappingRule:
    """From when on an input flaps; ``changes`` 0: never. ``within`` and ``every`` in seconds."""

    changes: int = 10
    within: float = 60.0
    every: float = 10.0


@dataclass(frozen=True, slots=True)
class Folded:
    """What one signal comes to: whether it is told, and what else is to be raised."""

    silent: bool = False
    also: tuple[Sighting, ...] = ()


_AS_USUAL = Folded()


@dataclass(slots=True)
class _Subject:
    times: deque[float]
    """When the newest changes were, on `Moment.elapsed`."""
    active: dict[Contact, bool] = field(default_factory=dict)
    newest: Sighting | None = None
    """While it flaps: the newest signal."""
    silent: int = 0


class Folding:
    """The signals of all inputs, by subject. Drills are not for it: each of theirs is wanted."""

    def __init__(self, rule: FlappingRule) -> None:
        self._rule = rule
        self._subjects: OrderedDict[str, _Subject] = OrderedDict()  # by their newest change
        self._flapping: dict[str, _Subject] = {}
        self._due: list[tuple[float, str]] = []

    def __len__(self) -> int:
        """How many inputs flap."""
        return len(self._flapping)

    def reload(self, rule: FlappingRule) -> None:
        """Another rule from now on; what flaps is measured by it at its next count."""
        self._rule = rule
        for subject in (*self._subjects.values(), *self._flapping.values()):
            subject.times = deque(subject.times, maxlen=rule.changes + 1)

    def see(self, sighting: Sighting, now: Moment) -> Folded:
        """One signal."""
        if sighting.signal in _NO_CHANGE or not self._rule.changes:
            return _AS_USUAL
        name = sighting.subject
        subject = self._flapping.get(name)
        if subject is not None:
            if _changes(subject, sighting):
                subject.times.append(now.elapsed)
            subject.newest = sighting
            subject.silent += 1
            return Folded(silent=True)
        self._forget(now.elapsed)
        subject = self._subjects.get(name)
        if subject is None:
            subject = _Subject(deque(maxlen=self._rule.changes + 1))
        if not _changes(subject, sighting):
            return _AS_USUAL
        subject.times.append(now.elapsed)
        self._subjects[name] = subject
        self._subjects.move_to_end(name)
        if self._count(subject, now.elapsed) <= self._rule.changes:
            return _AS_USUAL
        del self._subjects[name]
        self._flapping[name] = subject
        subject.newest = sighting
        heapq.heappush(self._due, (now.elapsed + self._rule.every, name))
        took = subject.times[-1] - subject.times[0]
        text = f"flapping: {len(subject.times)} changes within {took:.3g} s; told in counts from now on"
        return Folded(also=(_trouble(sighting, SignalKind.FAULT, text),))

    def deadline(self) -> float | None:
        """When `tick` is wanted, on `Moment.elapsed`."""
        return self._due[0][0] if self._due else None

    def tick(self, now: Moment) -> tuple[Sighting, ...]:
        """Rules 4 and 5."""
        told = []
        while self._due and self._due[0][0] <= now.elapsed:
            _, name = heapq.heappop(self._due)
            subject = self._flapping[name]
            assert subject.newest is not None
            count, subject.silent = subject.silent, 0
            further = f"{count} further signal{'s' if count != 1 else ''}"
            if self._count(subject, now.elapsed) <= self._rule.changes // 2:
                del self._flapping[name]
                text = f"calm again; {further}"
                told.append(_trouble(subject.newest, SignalKind.RESTORE, text, count))
                continue
            heapq.heappush(self._due, (now.elapsed + self._rule.every, name))
            if count:
                text = f"flapping: {further}, the last: {subject.newest.signal.value}"
                told.append(_trouble(subject.newest, SignalKind.FAULT, text, count))
        return tuple(told)

    def _count(self, subject: _Subject, now: float) -> int:
        """Changes within the window, as far as they are kept: up to one more than the limit."""
        if now - subject.times[0] <= self._rule.within:
            return len(subject.times)
        return sum(1 for time in subject.times if now - time <= self._rule.within)

    def _forget(self, now: float) -> None:
        while self._subjects:
            name, subject = next(iter(self._subjects.items()))
            if now - subject.times[-1] <= self._rule.within:
                return
            del self._subjects[name]


def _changes(subject: _Subject, sighting: Sighting) -> bool:
    """Whether this is a change (rule 1); the state is then the new one."""
    active, contact = subject.active, sighting.contact
    if sighting.signal is not SignalKind.RESTORE:
        if active.get(contact):
            return False
        active[contact] = True
        return True
    ended = [one for one, state in active.items() if state and contact.restores(one)]
    unknown = not any(contact.restores(one) for one in active)
    active.update(dict.fromkeys(ended, False))
    if unknown:
        active[contact] = False
    return bool(ended) or unknown


def _trouble(newest: Sighting, signal: SignalKind, text: str, count: int = 0) -> Sighting:
    return replace(
        newest,
        signal=signal,
        category=TROUBLE,
        contact=FLAPPING,
        code=None,
        zone=None,
        text=text,
        folded=count,
        silent=False,
    )
