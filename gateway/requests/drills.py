"""``drill.*``: what a person may ask about drills."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.alarm.drilling import Drilling
from gateway.control.server import Handler, Session, WrongCall
from gateway.moment import timestamp
from gateway.requests.words import text_of


class DrillRequests:
    """``drill.list`` and ``drill.run``."""

    def __init__(self, drilling: Drilling) -> None:
        self._drilling = drilling

    def handlers(self) -> Mapping[str, Handler]:
        return {"drill.list": self._list, "drill.run": self._run}

    async def _list(self, _request: dict[str, Any], _: Session) -> dict[str, Any]:
        """Configured drills; the next time of those that are announced, and what was held."""
        announced = {drill.name: when for drill, when in self._drilling.announced()}
        return {
            "drills": [
                {
                    "drill": drill.name,
                    "endpoint": drill.endpoint,
                    "site": drill.site,
                    "unannounced": drill.schedule.by_lot,
                    "sealed": drill.sealed,
                    "next": timestamp(announced[drill.name]) if drill.name in announced else None,
                }
                for drill in self._drilling.drills
            ],
            "held": [
                {
                    "drill": proof.told.get("drill"),
                    "when": proof.told.get("when"),
                    "outcome": proof.outcome,
                    "incident": proof.incident,
                    "sealed": None if proof.sealed is None else timestamp(proof.sealed),
                    "wrong": proof.why_not,
                }
                for proof in await self._drilling.proofs(0.0)
                if proof.revealed is not None
            ],
        }

    async def _run(self, request: dict[str, Any], _: Session) -> dict[str, Any]:
        raised = await self._drilling.hold(text_of(request, "name"), text_of(request, "by"))
        if isinstance(raised, str):
            raise WrongCall(raised)
        return {
            "stored": raised.stored,
            "incident": raised.incidents[0].id if raised.incidents else None,
            "groups": sorted({name for state in raised.incidents for name in state.groups}),
        }
