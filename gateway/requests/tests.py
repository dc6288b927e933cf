"""What a person may ask about tests: walk tests, the last test of each endpoint, the overdue ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from gateway.alarm.desk import Desk
from gateway.alarm.journal.rows import Kind
from gateway.alarm.plans.plan import SourceFacts
from gateway.alarm.raised import Raised
from gateway.alarm.signals.contact import InputState
from gateway.alarm.signals.walk import LONGEST, Walk
from gateway.alarm.supervision.testing import read, standings
from gateway.control.server import Handler, RequestError, Session, WrongCall
from gateway.errors import StorageError
from gateway.moment import timestamp
from gateway.ops.clock import SystemClock
from gateway.requests.words import number_of

USUAL = 600.0
"""Seconds of a walk test that says nothing else."""


@dataclass(frozen=True, slots=True)
class Buttons:
    """What there is to be tested: all sites and endpoints of the gateway.

    ``due_within`` has the seconds within which each that raises is to be tested; None: never.
    """

    sites: Collection[str]
    sources: Mapping[str, SourceFacts]
    due_within: Mapping[str, float | None]


class ButtonTestRequests:
    """``test.*``; `raised` is told each signal as it is stored."""

    def __init__(
        self,
        desk: Desk,
        buttons: Callable[[], Buttons],
        clock: SystemClock,
        last_tests: Callable[[Kind], Any],
    ) -> None:
        self._desk = desk
        self._buttons = buttons
        self._clock = clock
        self._standing = last_tests
        self._seen: asyncio.Queue[Raised | None] | None = None

    def handlers(self) -> Mapping[str, Handler]:
        return {"test.walk": self._walk, "test.list": self._list}

    def raised(self, raised: Raised) -> None:
        """A signal, as it was stored."""
        walk, event = self._desk.intake.walk, raised.event
        if self._seen is None or walk is None or event is None or event.signal != "test":
            return
        if event.endpoint in walk.seen:
            self._seen.put_nowait(raised)

    async def _walk(self, request: dict[str, Any], session: Session) -> dict[str, Any]:
        if self._desk.intake.walk is not None:
            raise RequestError("a walk test is on already; one at a time")
        seconds = number_of(request, "seconds", USUAL)
        if not 1 <= seconds <= LONGEST:
            raise WrongCall(f"a walk test takes 1 to {LONGEST:.0f} s")
        wanted, left_out = self._chosen(request)
        if not wanted:
            why = "; ".join(f"{name}: {words}" for name, words in left_out.items())
            raise WrongCall(f"there is nothing to walk to: {why or 'no endpoint raises here'}")
        now = self._clock.now()
        walk = self._desk.intake.walk = Walk.begun(wanted, seconds, now)
        self._seen = asyncio.Queue()
        self._desk.arm()
        try:
            session.send_event(
                {
                    "event": "begun",
                    "endpoints": sorted(wanted),
                    "left_out": left_out,
                    "until": timestamp(now.wall + seconds),
                }
            )
            ended = await self._follow(walk, self._seen, session)
        finally:
            self._seen = None
            if self._desk.intake.walk is walk:
                self._desk.intake.walk = None
        return {
            "ended": ended,
            "seen": {name: timestamp(wall) for name, wall in walk.seen.items()},
            "missing": sorted(walk.missing),
        }

    async def _follow(
        self, walk: Walk, seen: asyncio.Queue[Raised | None], session: Session
    ) -> str:
        """Tell each press until none is missing, the time is over, or the client has gone."""
        told: set[str] = set()
        leaving = asyncio.ensure_future(_gone(session))
        leaving.add_done_callback(partial(_left, seen))
        try:
            async with asyncio.timeout(walk.ends - self._clock.now().elapsed):
                while told < walk.endpoints:
                    raised = await seen.get()
                    if raised is None:
                        return "stopped"
                    event = raised.event
                    if event is None or event.endpoint is None or event.endpoint in told:
                        continue
                    told.add(event.endpoint)
                    session.send_event(
                        {
                            "event": "seen",
                            "endpoint": event.endpoint,
                            "time": event.time,
                            "stored": raised.stored,
                            "missing": len(walk.endpoints) - len(told),
                        }
                    )
        except TimeoutError:
            return "time"
        finally:
            leaving.cancel()
        return "complete"

    def _chosen(self, request: dict[str, Any]) -> tuple[set[str], dict[str, str]]:
        """Whom the walk goes to, and whom of those that were named it does not, with why."""
        buttons = self._buttons()
        site, named = request.get("site"), request.get("endpoints") or []
        if site is not None and site not in buttons.sites:
            raise WrongCall(f"this gateway knows no site {site!r}")
        for name in named:
            if name not in buttons.sources:
                raise WrongCall(f"this gateway has no endpoint {name!r}")
            if buttons.sources[name].input is None:
                raise WrongCall(f"{name} has no input: there is nothing to press")
        chosen, left_out = set(), {}
        for name in named or buttons.sources:
            source = buttons.sources[name]
            if source.input is None or (site is not None and source.site != site):
                continue
            if self._desk.input_state(name) is InputState.ALARM:
                left_out[name] = "is in alarm, so that its next press is real"
            else:
                chosen.add(name)
        return chosen, left_out

    async def _list(self, request: dict[str, Any], _: Session) -> list[dict[str, Any]]:
        try:
            last = read(await self._standing(Kind.TESTED))
        except StorageError as error:
            raise RequestError(f"the journal cannot be read: {error}") from error
        now = self._clock.now().wall
        buttons = self._buttons()
        return [
            {
                "endpoint": one.endpoint,
                "site": buttons.sources[one.endpoint].site,
                "tested": None if one.last is None else timestamp(one.last.time),
                "walk": one.last is not None and one.last.walk,
                "by": None if one.last is None else one.last.by,
                "due": None if one.due is None else timestamp(one.due),
                "every_days": None if one.within is None else one.within / 86_400,
                "overdue": one.overdue,
            }
            for one in standings(buttons.due_within, last, now)
            if one.overdue or not request.get("overdue")
        ]


async def _gone(session: Session) -> None:
    """Returns once the client says no more."""
    while await session.receive() is not None:
        pass


def _left(seen: asyncio.Queue[Raised | None], leaving: asyncio.Future[None]) -> None:
    if not leaving.cancelled():
        leaving.exception()  # however it went
        seen.put_nowait(None)
