"""What a load did and what came back, counted. Pure; times are seconds of one clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from gateway.link.messages import AlarmEvent, IncidentState, Page
from gateway.moment import parse_timestamp


@dataclass(slots=True)
class Outcome:
    """Filled as things happen; `figures` says it all."""

    sent: Counter[str] = field(default_factory=Counter)
    """Signals by what they are."""
    unacknowledged: int = 0
    acknowledged: list[float] = field(default_factory=list)
    """Seconds from a line to its ACK, its resends included."""
    events: Counter[str] = field(default_factory=Counter)
    """AlarmEvents by signal."""
    pages: int = 0
    resent: int = 0
    paged: list[float] = field(default_factory=list)
    """Seconds from an alarm's line to the first page about its endpoint."""
    states: dict[str, IncidentState] = field(default_factory=dict)
    actions: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    _pressed: dict[str, float] = field(default_factory=dict)
    _known: set[str] = field(default_factory=set)

    def pressed(self, endpoint: str, at: float) -> None:
        """An alarm's line is about to be sent."""
        self._pressed[endpoint] = at

    def event(self, event: AlarmEvent) -> None:
        """An AlarmEvent has arrived."""
        self.events[event.signal] += 1 + event.folded

    def page(self, page: Page, at: float) -> bool:
        """A Page has arrived; False where its id is known, so that it is a resend."""
        if page.id in self._known:
            self.resent += 1
            return False
        self._known.add(page.id)
        self.pages += 1
        if page.level == 1 and page.endpoint is not None:
            pressed = self._pressed.pop(page.endpoint, None)
            if pressed is not None:
                self.paged.append(at - pressed)
        return True

    def state(self, state: IncidentState) -> bool:
        """An IncidentState has arrived; False where a newer one is known."""
        known = self.states.get(state.id)
        if known is not None and (known.owner_term, known.seq) >= (state.owner_term, state.seq):
            return False
        self.states[state.id] = state
        return True

    @property
    def open(self) -> int:
        """Incidents that are not closed."""
        return sum(state.state != "closed" for state in self.states.values())

    def figures(self) -> dict[str, Any]:
        """Everything, for `--json`."""
        states = self.states.values()
        closed = [state for state in states if state.state == "closed"]
        acks = [took for state in states if (took := _first_ack(state)) is not None]
        return {
            "signals": dict(self.sent) | {"all": self.sent.total()},
            "acknowledged": len(self.acknowledged),
            "not_acknowledged": self.unacknowledged,
            "line_to_ack_s": spread(self.acknowledged),
            "events": dict(self.events) | {"all": self.events.total()},
            "pages": self.pages,
            "pages_resent": self.resent,
            "line_to_first_page_s": spread(self.paged),
            "actions": dict(self.actions),
            "actions_refused": dict(self.refused),
            "incidents": len(states),
            "closed": len(closed),
            "closed_share": round(len(closed) / len(states), 4) if states else None,
            "by_level": dict(sorted(Counter(str(state.level) for state in states).items())),
            "breaches": dict(Counter(one.kind for state in states for one in state.breaches)),
            "raised_to_first_ack_s": spread(acks),
        }


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """Median, p99 and worst, in seconds; None of none."""
    if not values:
        return None
    ordered = sorted(values)
    return {
        "median": round(median(ordered), 4),
        "p99": round(ordered[-(-len(ordered) * 99 // 100) - 1], 4),
        "worst": round(ordered[-1], 4),
    }


def _first_ack(state: IncidentState) -> float | None:
    acks = [parse_timestamp(group.acked) for group in state.groups.values() if group.acked]
    return min(acks) - parse_timestamp(state.raised) if acks else None
