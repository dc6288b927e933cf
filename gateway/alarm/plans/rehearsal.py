"""What would come of a signal if nobody answered, by the very machines that the gateway runs. Pure.

An incident is opened in a docket of its own and its clock is moved from one level to the next, so
that what is said beforehand is what will happen: levels that find nobody are passed over, rotas and
``nearest`` are asked at the moment at which their level starts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.alarm.incidents.cases import Rules
from gateway.alarm.incidents.docket import Change, Docket
from gateway.alarm.incidents.record import Case, IncidentRecord
from gateway.alarm.plans.choice import Choice
from gateway.alarm.plans.choosing import Choosing
from gateway.alarm.plans.nearest import Survey
from gateway.errors import BaiyingError
from gateway.moment import Moment


class WrongQuestion(BaiyingError):
    """It asks about what there is not."""


MAX_SURVEYED = 12
"""Groups told of those that ``nearest`` looked at; the rest are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A signal of ``endpoint``, or what a person raises at ``site`` (and an endpoint of it).

    ``at`` in POSIX seconds.
    """

    endpoint: str | None = None
    site: str | None = None
    category: str | None = None
    signal: str = "alarm"
    code: str | None = None
    plan: str | None = None
    drill: bool = False
    at: float

    @property
    def by_hand(self) -> bool:
        return self.site is not None or self.category is not None or self.plan is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """Who is on duty by a rota when its level starts; ``groups`` empty: nobody, but ``otherwise``."""

    rota: str
    groups: tuple[str, ...]
    otherwise: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One level as it comes; ``after`` in seconds from the raising.

    ``called`` are all that are called by then, ``survey`` whom its ``nearest`` looked at. One that is
    ``passed_over`` left nobody called.
    """

    level: int
    after: float
    called: tuple[str, ...]
    added: frozenset[str]
    shortfalls: tuple[str, ...]
    duties: tuple[Duty, ...]
    survey: Survey
    patched: bool
    passed_over: bool


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The incident as it opens, and its levels; both empty where none opens."""

    opened: IncidentRecord | None
    rungs: tuple[Rung, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    shortfalls: tuple[str, ...] = ()
    duties: tuple[Duty, ...] = ()
    survey: Survey = field(default_factory=Survey)


class _Noting:
    """A `gateway.alarm.plans.choice.Chooser` that keeps what it was asked and what it said."""

    def __init__(self, choosing: Choosing) -> None:
        self._choosing = choosing
        self.chosen: dict[int, _Chosen] = {}

    def choose(self, case: Case, index: int, called: frozenset[str], now: Moment) -> Choice:
        step = case.steps[index]
        choice = self._choosing.choose(case, index, called, now)
        self.chosen[index] = _Chosen(
            shortfalls=tuple(words.removeprefix(f"{step.name}: ") for words in choice.shortfalls),
            duties=tuple(
                Duty(
                    rota=rota,
                    groups=self._choosing.on_duty(rota, now),
                    otherwise=self._choosing.otherwise(rota),
                )
                for rota in step.rotas
            ),
            survey=self._choosing.survey(case, index, MAX_SURVEYED, now),
        )
        return choice

    def instead(
        self, case: Case, index: int, declined: str, called: frozenset[str], now: Moment
    ) -> Choice:
        return self._choosing.instead(case, index, declined, called, now)


def rehearse(
    gateway: str,
    rules: Rules,
    choosing: Choosing,
    raised: Callable[[Docket], list[Change]],
    start: Moment,
) -> Rehearsal:
    """What comes of the event that ``raised`` tells a docket at ``start``.

    ``rules`` need no other sources than those that share a place with the one in question.
    """
    noting = _Noting(choosing)
    ids = iter(range(1_000_000))
    docket = Docket(gateway, rules, lambda: f"rehearsal-{next(ids)}", noting)
    changes = raised(docket)
    if not changes:
        return Rehearsal(None, ())
    incident, _ = changes[0]
    opened = incident.record
    rungs: list[Rung] = []
    now = start
    while True:
        record = incident.record
        rungs += _rungs(record, rungs, noting, now.elapsed - start.elapsed)
        if len(rungs) >= len(record.case.steps) or record.level_due is None:
            return Rehearsal(opened, tuple(rungs))
        passed = record.level_due - start.elapsed
        now = Moment(elapsed=start.elapsed + passed, wall=start.wall + passed)
        incident.tick(now)


def _rungs(record: IncidentRecord, before: list[Rung], noting: _Noting, after: float) -> list[Rung]:
    """The levels that have just started: the present one, and those passed over on the way."""
    if not record.case.steps:
        return []
    called = tuple(record.groups)
    known = frozenset(before[-1].called if before else ())
    rungs = []
    for index in range(len(before), record.level):
        chosen = noting.chosen.get(index, _Chosen())
        passed_over = index + 1 < record.level
        rungs.append(
            Rung(
                level=index + 1,
                after=after,
                called=() if passed_over else called,
                added=frozenset() if passed_over else frozenset(called) - known,
                shortfalls=chosen.shortfalls,
                duties=chosen.duties,
                survey=chosen.survey,
                patched=record.talkgroup is not None
                and any(step.patch for step in record.case.steps[: index + 1]),
                passed_over=passed_over,
            )
        )
    return rungs
