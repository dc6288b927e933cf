"""What is decided within one turn of the loop: one atomic unit of the journal, and what is said of it then.

Rules (rule 2 of `clerk`):

1. An incident that changed several times is stored and said once, as it is at the end.
2. But each refusal is said, and no action leaves the state's window of applied ones unsaid.
3. A page that was acked or ended within the turn is not sent, and not recorded as sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.alarm.incidents.actions import PUBLISHED_ACTIONS
from gateway.alarm.incidents.docket import Change
from gateway.alarm.incidents.incident import Effects, Incident
from gateway.alarm.incidents.saying import Saying, saying_of
from gateway.alarm.journal.rows import Row
from gateway.alarm.raised import Done, Raised
from gateway.alarm.signals.sensing import Sensed
from gateway.moment import Moment


@dataclass(frozen=True, slots=True)
class Deed:
    """One decision of a unit; ``done`` is told its outcome."""

    sensed: Sensed | None
    incidents: tuple[str, ...]
    done: Done | None


@dataclass(slots=True)
class Unit:
    """Decisions are added until `close`; what is said is complete only then."""

    now: Moment
    kernel_boot: str
    patience_ends: float
    """When to wait for the journal no more, on the loop's clock."""
    deeds: list[Deed] = field(default_factory=list)
    sayings: list[Saying] = field(default_factory=list)
    _rows: list[Row] = field(default_factory=list)
    _touched: dict[str, tuple[Incident, Effects, int]] = field(default_factory=dict)
    """By incident, what has come of it and how many times since it was last said."""

    def add(
        self,
        rows: Sequence[Row],
        changes: Sequence[Change],
        sensed: Sensed | None,
        done: Done | None,
    ) -> None:
        """One decision, with its rows and what it changed."""
        self._rows += rows
        for incident, effects in changes:
            _, before, times = self._touched.pop(incident.id, (incident, Effects(), 0))
            both = Effects(before.changed or effects.changed, before.pages + effects.pages)
            if incident.record.refused is None and times + 1 < PUBLISHED_ACTIONS:
                self._touched[incident.id] = incident, both, times + 1
            else:  # the next change takes a refusal, or an applied action, away
                self._say(incident, both)
        self.deeds.append(Deed(sensed, tuple(incident.id for incident, _ in changes), done))

    def close(self, wanted: Callable[[str, str], bool]) -> list[Row]:
        """The rows that are to be stored; ``wanted`` says of (incident, page) whether it is to be sent."""
        for incident, effects, _ in self._touched.values():
            pages = tuple(one for one in effects.pages if wanted(incident.id, one.id))
            self._say(incident, Effects(effects.changed, pages))
        return [*self._rows, *(row for saying in self.sayings for row in saying.rows)]

    def give_up(self) -> None:
        """Whoever waits hears that nothing is known to be stored."""
        for deed in self.deeds:
            if deed.done is not None:
                deed.done(Raised(None, False, ()))

    def _say(self, incident: Incident, effects: Effects) -> None:
        self.sayings.append(saying_of(incident.record, effects, self.now, self.kernel_boot))
