"""Plays a scenario in a world, and says what was not as it should be.

Rules:

1. A step is done at its time, or as soon after it as the steps before it allow.
2. An ``expect`` passes as soon as all of it is seen, and fails where that is not so ``within`` its
   time. What may be too much (an exact count, a group that is not to be paged) is looked at at the
   end of that time. Pages, events and messages count from the last thing that was done.
3. A ``never`` is watched beside the steps that follow, for its ``for`` or until the end.
4. The scenario is over with its last step, once every ``never`` is and every action is answered.
5. `gateway.cli.scenario.laws` hold throughout.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway.cli.scenario import judge, laws
from gateway.cli.scenario.people import Deed, People
from gateway.cli.scenario.reader import clock
from gateway.cli.scenario.seen import Seen
from gateway.cli.scenario.vocabulary import GROUP_ACTIONS, INCIDENT_ACTIONS, Scenario, Step
from gateway.cli.scenario.world import Answered, Request, World
from gateway.link.messages import IncidentState
from gateway.link.topics import Topics
from gateway.settings import facts
from gateway.settings.document import Place

PATIENCE = 5.0
"""Seconds after the last step within which what was done must have been answered."""

_SETTLE = 0.05
"""Seconds after the start and after the last step for what is under way in messages."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a scenario ended; ``failures`` in words, each with the place of its step."""

    scenario: Scenario
    failures: tuple[str, ...]
    timeline: tuple[str, ...]
    lasted: float
    """Seconds of the scenario's own time."""

    @property
    def passed(self) -> bool:
        return not self.failures


@dataclass(frozen=True, slots=True)
class _Never:
    step: Step
    since: int
    until: float | None


async def play(scenario: Scenario, world: World) -> Outcome:
    """Play all of it. The gateways are started first; whoever made the world ends them."""
    player = _Player(scenario, world)
    try:
        await player.run()
    finally:
        await player.people.close()
    return Outcome(
        scenario, tuple(player.failures), tuple(player.seen.timeline), world.now() - player.began
    )


class _Player:
    def __init__(self, scenario: Scenario, world: World) -> None:
        self.failures: list[str] = []
        self.began = 0.0
        self._scenario = scenario
        self._world = world
        settings = [part.settings for part in scenario.gateways.values()]
        self.seen = Seen(Topics(settings[0].mqtt.root))
        self._unacked: set[tuple[str, str]] = set()
        self._known = laws.Known(
            drilled={n for one in settings for n, group in one.groups.items() if group.drills},
            expiring={n for one in settings for n, plan in one.plans.items() if plan.ack_expires_s},
            unacked=self._unacked,
        )
        self.people = People(
            world,
            self.seen,
            served={name for one in settings for name in facts.serves_of(one)},
            deaf=scenario.deaf,
        )
        self._news = asyncio.Event()
        self._mark = 0
        self._deeds: list[tuple[Step, Deed]] = []
        self._nevers: list[_Never] = []
        self._requests: dict[str, Request] = {}
        self._background: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        self._world.hear(self._heard)
        for name in self._scenario.gateways:
            await self._world.start(name)
        await asyncio.sleep(_SETTLE)
        self.began = self._world.now()
        for step in self._scenario.steps:
            await self._until(step.at)
            if step.verb == "expect":
                await self._expect(step)
            elif step.verb == "never":
                self._never(step)
            else:
                self._mark = len(self.seen.arrivals)
                self.seen.note(self._now(), f">>> {step}")
                try:
                    await self._do(step)
                except _Failed as failed:
                    self._fail(step, str(failed))
        await self._end()

    def _now(self) -> float:
        return self._world.now() - self.began

    async def _until(self, at: float) -> None:
        left = at - self._now()
        if left > 0:
            await asyncio.sleep(left)

    def _heard(self, topic: str, payload: bytes) -> None:
        arrival = self.seen.take(topic, payload, self._now())
        if arrival is not None:
            self.people.hear(arrival.message)
        self._news.set()

    def _fail(self, step: Step, words: str) -> None:
        self.failures.append(f"{step.place}: {clock(step.at)} {step}: {words}")
        self.seen.note(self._now(), f"!!! {words}")

    # Looking

    async def _expect(self, step: Step) -> None:
        assert step.expect is not None
        until = max(step.at, self._now()) + step.details["within"]
        expect = step.expect
        if expect.since is not None:
            expect = replace(expect, since=expect.since)
        while True:
            left = until - self._now()
            self.seen.lit = self._world.lit()
            misses = list(judge.misses(expect, self.seen, self._mark))
            if left <= 0 or not (misses or expect.waits):
                break
            self._news.clear()
            try:
                async with asyncio.timeout(left):
                    await (self._news.wait() if not expect.waits else asyncio.sleep(left))
            except TimeoutError:
                continue
        for words in misses:
            self._fail(step, words)

    def _never(self, step: Step) -> None:
        lasts = step.details.get("for")
        until = None if lasts is None else step.at + lasts
        self._nevers.append(_Never(step, len(self.seen.arrivals), until))

    async def _end(self) -> None:
        await self._until(max((one.until or 0.0 for one in self._nevers), default=0.0))
        await asyncio.sleep(_SETTLE)
        patience = self._now() + PATIENCE
        while self._now() < patience and not self._answered():
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience - self._now()):
                    await self._news.wait()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        for step, deed in self._deeds:
            miss = deed.miss()
            if miss is not None and not (deed.once and not deed.refused):
                self._fail(step, miss)
        for never in self._nevers:
            expect = never.step.expect
            assert expect is not None
            end = len(self.seen.arrivals)
            until = end if never.until is None else self.seen.index_at(never.until)
            for words in judge.breaks(expect, self.seen, never.since, until):
                self._fail(never.step, words)
        for words in laws.broken(self.seen, self._known):
            self.failures.append(f"{Place(self._scenario.file, 1, 1)}: law: {words}")

    def _answered(self) -> bool:
        return all(deed.applied or deed.refused or deed.once for _, deed in self._deeds)

    # Doing

    async def _do(self, step: Step) -> None:
        verb, details = step.verb, step.details
        if verb in GROUP_ACTIONS or verb in INCIDENT_ACTIONS:
            self._act(step)
            return
        match verb:
            case "raise":
                await self._raise(step)
            case "kill":
                await self._world.kill(step.subject)
            case "stop":
                await self._world.stop(step.subject)
            case "start":
                await self._world.start(step.subject)
            case "cut":
                await self._world.cut(step.subject)
            case "mend":
                await self._world.mend(step.subject)
            case "reload":
                part = self._scenario.gateways[step.subject]
                await self._world.reload(step.subject, *part.reloads[step.place.line])
            case "broker":
                await self._world.broker(up=step.subject == "up")
            case "disk":
                via = details.get("via")
                for name in self._scenario.gateways if via is None else (via,):
                    self._world.disk(name, step.subject)
            case "clock":
                self._world.set_clock(step.subject)
            case "presence":
                self.people.present(
                    step.subject,
                    groups=details.get("groups", ()),
                    on_duty=details.get("on_duty", True),
                    position=details.get("position"),
                    interval=details.get("interval", 10.0),
                    fix_age=details.get("fix_age", 0.0),
                )
            case "gone":
                self.people.gone(step.subject)
            case "deaf":
                self.people.deafen(step.subject)
            case "hearing":
                self.people.undeafen(step.subject)
            case "request":
                await self._request(step)
            case "hang_up":
                await self._hang_up(step)
            case _:
                await self._signal(step)

    async def _signal(self, step: Step) -> None:
        """A press lets go at once; any other signal is that signal alone."""
        details = step.details
        pressed = step.verb == "press"
        fields: dict[str, Any] = {
            "signal": details.get("signal", "alarm" if pressed else step.verb),
            "hold": not pressed,
            "drill": details.get("drill", False),
        }
        fields |= {key: details[key] for key in ("by", "code", "zone") if key in details}
        for turn in range(details.get("times", 1)):
            if turn and "every" in details:
                await asyncio.sleep(details["every"])
            for endpoint in step.subject:
                answered = await self._ask(
                    self._gateway_of(endpoint, details), "press", {"endpoint": endpoint, **fields}
                )
                if answered.error is not None:
                    raise _Failed(answered.error)
                stored = bool(answered.result["stored"])
                if stored != details.get("stored", True):
                    raise _Failed(f"stored: {str(stored).lower()}")

    async def _raise(self, step: Step) -> None:
        details = step.details
        fields = {
            key: value for key, value in details.items() if key not in ("via", "refused", "by")
        }
        gateway = details.get("via") or self._first(
            lambda settings: step.subject in settings.sites, f"site {step.subject}"
        )
        answered = await self._ask(
            gateway,
            "incident.raise",
            {"site": step.subject, "by": details.get("by", "operator"), **fields},
        )
        self._check(answered, details.get("refused"))

    def _act(self, step: Step) -> None:
        incident = self._incident(step.details.get("of"))
        groups = step.subject if step.verb in GROUP_ACTIONS else (step.details.get("group"),)
        for group in groups:
            self._act_once(step, incident, group)

    def _act_once(self, step: Step, incident: IncidentState, group: str | None) -> None:
        details: dict[str, Any] = {
            key: step.details[key] for key in ("note", "verdict") if key in step.details
        }
        subject = step.subject
        match step.verb:
            case "escalate" if subject is not None:
                details["level"] = subject
            case "note":
                details["note"] = subject
            case "close":
                details["disposition"] = subject
            case "merge":
                details["into"] = self._incident(subject).id
            case "hand_over":
                details["to"] = subject
        by = step.details.get("by", group or "operator")
        words = f"{step.verb}{f' by {group}' if group else ''}"
        deed = Deed(
            words, self._now(), step.details.get("refused"), once=step.details.get("once", False)
        )
        self._deeds.append((step, deed))
        if step.verb == "unack" and group is not None:
            self._unacked.add((incident.id, group))
        via = step.details.get("via")
        if via is None:
            self.people.act(deed, incident.id, step.verb, by=by, group=group, details=details)
            return
        fields = {"incident": incident.id, "action": step.verb, "by": by, **details}
        if group is not None:
            fields["group"] = group
        request = self._world.ask(via, "incident.act", fields)
        self._background.append(asyncio.create_task(_follow(request, deed)))

    async def _request(self, step: Step) -> None:
        """A request that does not end at once goes on beside the steps that follow."""
        gateway = step.details.get("via") or next(iter(self._scenario.gateways))
        request = self._world.ask(gateway, step.subject, step.details.get("with") or {})
        name = step.details.get("name")
        if name is not None:
            self._requests[name] = request
            return
        answered = await request.answer()
        self._check(answered, step.details.get("refused"))

    async def _hang_up(self, step: Step) -> None:
        request = self._requests.pop(step.subject, None)
        if request is None:
            raise _Failed(f"no request has the name {step.subject}")
        request.hang_up()
        self._check(await request.answer(), None)

    def _check(self, answered: Answered, refused: str | None) -> None:
        self.seen.answer = answered.result
        if refused is not None:
            if answered.error is None or refused not in answered.error:
                how = answered.error or judge.shown(answered.result)
                raise _Failed(f"expected a refusal with {refused!r}: {how}")
        elif answered.error is not None:
            raise _Failed(answered.error)

    async def _ask(self, gateway: str, op: str, fields: Mapping[str, Any]) -> Answered:
        return await self._world.ask(gateway, op, fields).answer()

    def _gateway_of(self, endpoint: str, details: Mapping[str, Any]) -> str:
        via = details.get("via")
        if via is not None:
            return str(via)
        return self._first(lambda settings: endpoint in settings.endpoints, f"endpoint {endpoint}")

    def _first(self, has: Any, what: str) -> str:
        for name, part in self._scenario.gateways.items():
            if has(part.settings):
                return name
        raise _Failed(f"no gateway has {what}")

    def _incident(self, reference: str | None) -> IncidentState:
        state = self.seen.find(reference)
        if state is None:
            raise _Failed(f"there is no incident {reference or ''}".rstrip())
        return state


class _Failed(Exception):
    """A step could not be done."""


async def _follow(request: Request, deed: Deed) -> None:
    """What becomes of an action at a gateway's own command line."""
    answered = await request.answer()
    if answered.error is not None:
        deed.refused = answered.error
    elif answered.result["outcome"] == "applied":
        deed.applied = True
    elif answered.result["outcome"] == "refused":
        deed.refused = answered.result["reason"]
    else:
        deed.unanswered = answered.result["reason"]
