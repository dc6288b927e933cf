"""How the people of a simulated district answer a page. Pure; chance is an argument.

Rules:

Rule 1. A machine signs for each page at once.
Rule 2. The first page of an incident to a group is taken by most, declined by a few, and noticed
        late by the others; what pages it further changes nothing.
Rule 3. Whoever takes an incident goes there and handles it, step by step.
Rule 4. Delays are lognormal around their medians, divided by ``haste``: people who are ten times as
        fast make the same day in a tenth of the time, while the gateway's own timers stay as they are.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from math import log

from gateway.link.messages import ActionName

TAKES, DECLINES = 0.88, 0.04
"""Shares of groups that answer so, and soon (rule 2)."""
RECEIPT = 0.15
NOTICES = 15.0
LATE = 150.0
LEAVES = 20.0
TRAVELS = 90.0
HANDLES = 40.0
WRITES = 10.0
"""Medians in seconds: a first answer within 20 s, somebody there within 3 minutes."""
SPREAD = 0.4
"""Sigma of the logarithm: nine of ten are within half and twice the median."""
FALSE_ALARMS = 0.15
"""Share of incidents that are closed as such."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody does, ``after`` seconds."""

    after: float
    action: ActionName


class People:
    """Everybody; ``haste`` is more than 0."""

    def __init__(self, chance: random.Random, haste: float = 1.0) -> None:
        self._chance = chance
        self._haste = haste
        self._answered: set[tuple[str, str]] = set()

    def receipt(self) -> float:
        """Seconds until a machine has signed for a page."""
        return self._chance.lognormvariate(log(RECEIPT), SPREAD)

    def paged(self, incident: str, group: str) -> tuple[Deed, ...]:
        """What a group does about a page (rules 2 and 3)."""
        if (incident, group) in self._answered:
            return ()
        answer = self._chance.random()
        self._answered.add((incident, group))
        if TAKES <= answer < TAKES + DECLINES:
            return (Deed(self._delay(NOTICES), "decline"),)
        at = self._delay(NOTICES if answer < TAKES else LATE)
        deeds = [Deed(at, "ack")]
        steps: tuple[tuple[ActionName, float], ...] = (
            ("en_route", LEAVES),
            ("on_scene", TRAVELS),
            ("handled", HANDLES),
        )
        for action, median in steps:
            at += self._delay(median)
            deeds.append(Deed(at, action))
        return tuple(deeds)

    def writes(self) -> float:
        """Seconds until whoever handled it has written down that it is over."""
        return self._delay(WRITES)

    def disposition(self) -> str:
        """How an incident is closed."""
        return "false-alarm" if self._chance.random() < FALSE_ALARMS else "handled"

    def member(self, people: int) -> int:
        """Which of a group's people acts, from 1."""
        return self._chance.randint(1, people)

    def _delay(self, median: float) -> float:
        return self._chance.lognormvariate(log(median), SPREAD) / self._haste
