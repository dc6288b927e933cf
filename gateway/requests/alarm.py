"""What a person at the command line may ask of the running gateway (`gateway.control`)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from gateway.alarm.desk import Desk
from gateway.alarm.incidents.order import Order
from gateway.alarm.responder import Responder
from gateway.control.server import Handler, Session, WrongCall
from gateway.errors import LocalProtocolError
from gateway.link.messages import ActionName, IncidentState
from gateway.ports import SignalKind
from gateway.requests.words import text_of, text_or_none

_GROUP_ACTIONS = frozenset({"ack", "unack", "decline", "en_route", "on_scene", "handled"})
"""Actions that a group does; the others are done to the incident."""


_DETAILS = ("note", "disposition", "verdict", "level", "into", "to")
"""Fields of an Action that a request may carry."""


class AlarmRequests:
    """``press`` and ``incident.*``."""

    def __init__(self, desk: Desk, responder: Responder) -> None:
        self._desk = desk
        self._responder = responder

    def handlers(self) -> Mapping[str, Handler]:
        return {
            "press": self._press,
            "incident.raise": self._raise,
            "incident.list": self._list,
            "incident.show": self._show,
            "incident.act": self._act,
            "incident.hand-over": self._hand_over,
        }

    async def _press(self, request: dict[str, Any], _: Session) -> dict[str, Any]:
        endpoint = text_of(request, "endpoint")
        try:
            signal = SignalKind(text_of(request, "signal"))
        except ValueError:
            raise WrongCall(f"there is no signal {request['signal']!r}") from None
        began = time.monotonic()
        drill, by = bool(request.get("drill")), request.get("by")
        code, zone = request.get("code"), request.get("zone")
        raised = await self._desk.press(endpoint, signal, drill=drill, by=by, code=code, zone=zone)
        if raised is None:
            raise WrongCall(f"this gateway has no endpoint {endpoint!r}")
        took = time.monotonic() - began
        if signal is SignalKind.ALARM and not request.get("hold"):
            await self._desk.press(endpoint, SignalKind.RESTORE, drill=drill, by=by)
        return {
            "event": None if raised.event is None else raised.event.id,
            "category": None if raised.event is None else raised.event.category,
            "stored": raised.stored,
            "stored_ms": round(took * 1000, 2),
            "incidents": [_builtins(state) for state in raised.incidents],
        }

    async def _raise(self, request: dict[str, Any], _: Session) -> dict[str, Any]:
        order = Order(
            site=text_of(request, "site"),
            endpoint=text_or_none(request, "endpoint"),
            category=text_or_none(request, "category"),
            code=text_or_none(request, "code"),
            plan=text_or_none(request, "plan"),
            text=text_or_none(request, "text"),
            by=text_of(request, "by"),
            drill=bool(request.get("drill")),
            covert=bool(request.get("covert")),
        )
        problem = self._desk.problem_with(order)
        if problem is not None:
            raise WrongCall(problem)
        raised = await self._desk.raise_incident(order)
        return {
            "stored": raised.stored,
            "incidents": [_builtins(state) for state in raised.incidents],
        }

    async def _list(self, request: dict[str, Any], session: Session) -> int:
        """Sends each incident as an event, and returns how many: after a storm they are thousands."""
        everything = bool(request.get("all"))
        count = 0
        for state in self._responder.incidents():
            if everything or state.state != "closed":
                session.send_event({"incident": _builtins(state)})
                count += 1
                await session.drain()
                await asyncio.sleep(0)  # timers and voice have their turn between any two
        return count

    async def _show(self, request: dict[str, Any], _: Session) -> dict[str, Any]:
        return _builtins(self._find(text_of(request, "incident")))

    async def _act(self, request: dict[str, Any], _: Session) -> dict[str, Any]:
        state = self._find(text_of(request, "incident"))
        action = text_of(request, "action")
        if action not in get_args(ActionName) or action == "receipt":
            raise WrongCall(f"there is no action {action!r}")
        name: ActionName = action  # type: ignore[assignment]  # checked by get_args just above
        group = request.get("group")
        if group is None and action in _GROUP_ACTIONS:
            group = self._own_group(state, action)
        details = {key: request[key] for key in _DETAILS if request.get(key) is not None}
        if "into" in details:
            details["into"] = self._find(text_of(request, "into")).id
        return await self._done(state, name, text_of(request, "by"), group, details)

    async def _hand_over(self, request: dict[str, Any], _: Session) -> dict[str, Any]:
        """Every incident that is not closed, at a change of shift."""
        to, by = text_of(request, "to"), text_of(request, "by")
        note = text_or_none(request, "note")
        details = {"to": to} if note is None else {"to": to, "note": note}
        standing = [state for state in self._responder.incidents() if state.state != "closed"]
        # All at once: an owner that does not answer is waited for once, not once for each.
        done = await asyncio.gather(
            *(self._done(state, "hand_over", by, None, details) for state in standing)
        )
        return {
            "handed_over": [one["incident"] for one in done if one["outcome"] == "applied"],
            "missed": [one for one in done if one["outcome"] != "applied"],
        }

    async def _done(
        self,
        state: IncidentState,
        action: ActionName,
        by: str,
        group: str | None,
        details: Mapping[str, str | int],
    ) -> dict[str, Any]:
        try:
            outcome = await self._responder.act(
                state.id, action, by=by, group=group, details=details
            )
        except LocalProtocolError as error:
            raise WrongCall(str(error)) from error
        return {
            "incident": state.id,
            "outcome": outcome.kind.value,
            "reason": outcome.reason,
            "state": outcome.state.state if outcome.state is not None else state.state,
        }

    def _find(self, beginning: str) -> IncidentState:
        found = self._responder.find(beginning)
        if not found:
            raise WrongCall(
                f"no incident {beginning} is known here; see `baiying incident list --all`"
            )
        if len(found) > 1:
            raise WrongCall(f"{len(found)} incidents begin with {beginning}; write more of the id")
        return found[0]

    def _own_group(self, state: IncidentState, action: str) -> str:
        candidates = sorted(self._responder.serves & state.groups.keys())
        if len(candidates) == 1:
            return candidates[0]
        known = ", ".join(candidates or sorted(state.groups)) or "none"
        raise WrongCall(f"{action} by which group? name one with --group: {known}")


def _builtins(state: IncidentState) -> dict[str, Any]:
    members: dict[str, Any] = msgspec.to_builtins(state)
    return members
