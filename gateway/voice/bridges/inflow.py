"""From what comes in to a talk burst under floor control. Pure; times are seconds.

Rule 1. The first thing heard asks for the floor. What comes meanwhile waits, the newest ``pre_roll``
        of it; once granted it is sent, what waited first.
Rule 2. The burst ends when the other side says so, or after `SILENCE` without anything.
Rule 3. Without the floor everything is dropped until then, and counted. Where it was refused and not
        taken away for its length, it asks again once the floor is idle.
Rule 4. Nothing is taken while the talkgroup is being sent out, nor for ``guard`` after: it would be
        an echo. What goes on beyond that is heard from there on.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from enum import Enum, auto
from typing import Generic, TypeVar

SILENCE = 0.3
"""Seconds without anything after which a burst is over."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ask:
    """Request the floor."""


@dataclass(frozen=True, slots=True)
class Say(Generic[T]):
    """Send it; ``heard`` is when it came, ``waited`` that this was before the grant."""

    what: T
    heard: float
    first: bool
    waited: bool


@dataclass(frozen=True, slots=True)
class Leave:
    """Give the floor back, or take back what was asked.

    ``over``: the other side has said that it is the end, so that it can be marked.
    """

    over: bool


class State(Enum):
    """What there is of a burst."""

    IDLE = auto()
    ASKING = auto()
    TALKING = auto()
    REFUSED = auto()
    CUT = auto()
    """Taken away for its length: not even an idle floor is asked for."""


class Inflow(Generic[T]):
    """``counts`` has what was dropped.

    ``refused``, ``overflowed`` (rule 1), ``unheard`` (over before it was granted), ``half_duplex`` (rule 4).
    """

    def __init__(self, *, pre_roll: float, guard: float | None) -> None:
        self.counts: Counter[str] = Counter()
        self.state = State.IDLE
        self._pre_roll = pre_roll
        self._guard = guard
        self._waiting: deque[tuple[T, float]] = deque()
        self._heard = 0.0
        self._said = 0
        self._sent_out = float("-inf")

    @property
    def deadline(self) -> float | None:
        """When `tick` is to be called, unless more comes."""
        return None if self.state is State.IDLE else self._heard + SILENCE

    def sending_out(self, now: float) -> None:
        """Something of the talkgroup has been sent out."""
        self._sent_out = now

    def hear(self, what: T, now: float) -> list[Ask | Say[T]]:
        """Something has come in."""
        guarded = self._guard is not None and now < self._sent_out + self._guard
        if guarded and self.state not in (State.ASKING, State.TALKING):
            self.counts["half_duplex"] += 1
            if self.state is not State.IDLE:
                self._heard = now
            return []
        self._heard = now
        match self.state:
            case State.IDLE:
                self.state = State.ASKING
                self._waiting.append((what, now))
                return [Ask()]
            case State.ASKING:
                self._waiting.append((what, now))
                while self._waiting[0][1] < now - self._pre_roll:
                    self._waiting.popleft()
                    self.counts["overflowed"] += 1
                return []
            case State.TALKING:
                return [self._say(what, now, waited=False)]
            case _:
                self.counts["refused"] += 1
                return []

    def granted(self) -> list[Say[T] | Leave]:
        """The floor is ours."""
        if self.state is State.TALKING:  # under another controller
            return []
        if self.state is not State.ASKING:
            return [Leave(over=False)]
        self.state = State.TALKING
        self._said = 0
        said: list[Say[T] | Leave] = [self._say(*one, waited=True) for one in self._waiting]
        self._waiting.clear()
        return said

    def refused(self) -> None:
        """It is not, for now."""
        self._drop(State.REFUSED)

    def revoked(self, *, too_long: bool) -> None:
        """It is not any more."""
        self._drop(State.CUT if too_long else State.REFUSED)

    def idle(self) -> None:
        """The floor has become idle: what still comes may ask for it."""
        if self.state is State.REFUSED:
            self.state = State.IDLE

    def over(self) -> list[Leave]:
        """The other side says that its burst is over."""
        return self._end(over=True)

    def tick(self, now: float) -> list[Leave]:
        """Look whether nothing comes any more."""
        if self.state is State.IDLE or now < self._heard + SILENCE:
            return []
        return self._end(over=False)

    def _say(self, what: T, heard: float, *, waited: bool) -> Say[T]:
        self._said += 1
        return Say(what, heard, self._said == 1, waited)

    def _end(self, *, over: bool) -> list[Leave]:
        before, self.state = self.state, State.IDLE
        self.counts["unheard"] += len(self._waiting)
        self._waiting.clear()
        if before is State.TALKING:
            return [Leave(over=over)]
        return [Leave(over=False)] if before is State.ASKING else []

    def _drop(self, state: State) -> None:
        if self.state in (State.ASKING, State.TALKING):
            self.counts["refused"] += len(self._waiting)
            self._waiting.clear()
            self.state = state
