"""How one gateway stands at this moment: what `baiying status` and Prometheus are told. No decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from gateway.control.server import Handler, Session
from gateway.endpoint_states import EndpointStates
from gateway.link.messages import AlarmFigures, EndpointState, IncidentState
from gateway.moment import timestamp
from gateway.ops.clock import SystemClock
from gateway.ops.counters import Counters
from gateway.ops.measures import Measures
from gateway.voice.floor.participant_actions import OutcomeKind
from gateway.voice.talkgroups import TalkgroupNow

OUTCOMES: tuple[str, ...] = get_args(OutcomeKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Where each figure comes from; all of them are asked on the event loop."""

    gateway: str
    version: str
    connected: Callable[[], Mapping[str, bool]]
    """Which connection to the broker stands: control, voice, media."""
    talkgroups: Callable[[], tuple[TalkgroupNow, ...]]
    incidents: Callable[[], tuple[IncidentState, ...]]
    figures: Callable[[], AlarmFigures]
    states: EndpointStates
    counters: Counters
    measures: Measures
    frames: Counter[tuple[str, str]]
    clock: SystemClock
    started: float = field(default=0.0)
    """POSIX seconds."""


class Standing:
    """One gateway as it is now; ``page()`` is for Prometheus, ``status`` for the command."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def handlers(self) -> Mapping[str, Handler]:
        return {"status": self._status}

    def endpoints(self) -> tuple[EndpointState, ...]:
        states = self.facts.states
        return tuple(states.state(name) for name in states.names())

    def page(self) -> tuple[str, bytes]:
        """Content type and text in Prometheus' exposition format."""
        from gateway.exposition import page  # only where it is asked for

        return page(self)

    async def _status(self, _request: dict[str, Any], _: Session) -> dict[str, Any]:
        facts = self.facts
        figures = facts.figures()
        return {
            "gateway": facts.gateway,
            "version": facts.version,
            "time": timestamp(facts.clock.now().wall),
            "since": timestamp(facts.started),
            "broker": dict(facts.connected()),
            "talkgroups": [_talkgroup(one) for one in facts.talkgroups()],
            "endpoints": [
                {
                    "endpoint": one.endpoint,
                    "kind": one.kind,
                    "site": one.site,
                    "health": one.health,
                    "faults": list(one.faults),
                    "talkgroup": one.talkgroup,
                    "hears": list(one.hears),
                    "ptt": one.ptt,
                    "squelch_open": one.squelch_open,
                    "input": one.input,
                }
                for one in self.endpoints()
            ],
            "incidents": [
                {
                    "id": one.id,
                    "state": one.state,
                    "level": one.level,
                    "category": one.category,
                    "site": one.site,
                    "endpoint": one.endpoint,
                    "drill": one.drill,
                    "raised": one.raised,
                }
                for one in facts.incidents()
                if one.state != "closed"
            ],
            "alarms": {
                "signals": figures.signals,
                "alarms_10min": figures.alarms_10min,
                "flood": figures.flood,
                "standing": figures.standing,
                "waiting": figures.waiting,
            },
            "floor": {
                kind: facts.counters[f"floor.outcome.{kind}"]
                for kind in OUTCOMES
                if facts.counters[f"floor.outcome.{kind}"]
            },
            "kpis": {
                name: {
                    label: {
                        "number": histogram.number,
                        "mean_s": round(histogram.total / histogram.number, 4),
                        "within_0_3_s": round(histogram.within(0.3) or 0.0, 4),
                    }
                    for label, histogram in sorted(facts.measures.of(name).items())
                }
                for name in facts.measures.names()
            },
            "counts": facts.counters.snapshot(),
        }


def _talkgroup(now: TalkgroupNow) -> dict[str, Any]:
    return {
        "talkgroup": now.name,
        "state": now.state,
        "talker": now.talker,
        "controller": now.controller,
        "queue": list(now.queue),
        "members": list(now.members),
        "level_dbov": now.level_dbov,
    }
