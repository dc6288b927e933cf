"""The endpoints of this gateway as others see them: facts from both sides, published on change."""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from gateway.link.messages import EndpointState, encode_known
from gateway.link.topics import Topics
from gateway.moment import timestamp
from gateway.ops.clock import SystemClock
from gateway.ops.pacing import Pace

DEGRADING = frozenset({"camera", "output"})
"""Faults that leave an endpoint able to do its main work."""

HANDFUL = 16
"""States of endpoints that do not speak that are published at a time."""

InputName = Literal["normal", "alarm", "tamper", "fault"]


class Link(Protocol):
    """What is needed of the control connection."""

    def set_retained(self, topic: str, payload: bytes, /, *, bulk: bool = False) -> None: ...


@dataclass(slots=True)
class _Facts:
    kind: str
    site: str
    talkgroup: str | None = None
    hears: tuple[str, ...] = ()
    ptt: bool = False
    squelch_open: bool = False
    input: InputName | None = None
    shelved_until: str | None = None
    faults: dict[str, str] = field(default_factory=dict)
    since: str = ""
    published: tuple[object, ...] = ()


class EndpointStates:
    """EndpointState of every endpoint. Changes of one turn of the loop are published as one.

    Those that do not speak may be thousands: they are published a few at a time.

    ``changed`` is told each new state, for the gateway's own roster.
    """

    def __init__(
        self,
        gateway: str,
        topics: Topics,
        link: Link,
        clock: SystemClock,
        changed: Callable[[str, EndpointState | None], None],
    ) -> None:
        self._gateway = gateway
        self._topics = topics
        self._link = link
        self._clock = clock
        self._changed = [changed]
        self._facts: dict[str, _Facts] = {}
        # Sets that keep their order.
        self._dirty: dict[str, None] = {}
        self._dirty_bulk: OrderedDict[str, None] = OrderedDict()  # thousands leave at its beginning
        self._bulk_asked = False
        self._pace = Pace(self._publish_bulk, HANDFUL)

    def __contains__(self, name: object) -> bool:
        return name in self._facts

    def give_way(self, busy: Callable[[], bool], storm: Callable[[], bool]) -> None:
        """What does not speak goes out slowly while ``busy()``, and hardly while ``storm()``."""
        self._pace.busy, self._pace.storm = busy, storm

    def add(self, name: str, kind: str, site: str) -> None:
        """An endpoint that there is from now on, or whose kind or site has changed."""
        facts = self._facts.setdefault(name, _Facts(kind, site))
        facts.kind, facts.site = kind, site
        self._touch(name)

    def remove(self, name: str) -> None:
        """An endpoint that is no more; its topic is cleared."""
        if self._facts.pop(name, None) is not None:
            self._link.set_retained(self._topics.endpoint(self._gateway, name), b"")
            self._tell(name, None)

    def tuned(self, name: str, talkgroup: str | None, hears: tuple[str, ...]) -> None:
        """Where it speaks and what else it plays."""
        if facts := self._facts.get(name):
            facts.talkgroup, facts.hears = talkgroup, hears
            self._touch(name)

    def lines(self, name: str, *, ptt: bool, squelch_open: bool) -> None:
        if facts := self._facts.get(name):
            facts.ptt, facts.squelch_open = ptt, squelch_open
            self._touch(name)

    def input(self, name: str, state: InputName | None) -> None:
        """Its alarm input; None where it has none."""
        facts = self._facts.get(name)
        if facts is not None and facts.input != state:
            facts.input = state
            self._touch(name)

    def shelved(self, name: str, until: float | None) -> None:
        """Until when its troubles raise no incident, POSIX seconds; None where they do."""
        facts = self._facts.get(name)
        said = None if until is None else timestamp(until)
        if facts is not None and facts.shelved_until != said:
            facts.shelved_until = said
            self._touch(name)

    def on_change(self, callback: Callable[[str, EndpointState | None], None]) -> None:
        """Tell each new state to one more; None for an endpoint that is no more."""
        self._changed.append(callback)

    def fault(self, name: str, part: str, what: str | None) -> None:
        """A fault of one part (``audio``, ``input``, ``keyer``, ``camera``, ``output``), or None when it is well."""
        facts = self._facts.get(name)
        if facts is None:
            return
        if what is None:
            facts.faults.pop(part, None)
        else:
            facts.faults[part] = what
        self._touch(name)

    def names(self) -> tuple[str, ...]:
        """Every endpoint of this gateway."""
        return tuple(self._facts)

    def state(self, name: str) -> EndpointState:
        """One endpoint as it is now."""
        facts = self._facts[name]
        faults = tuple(f"{part}: {what}" for part, what in sorted(facts.faults.items()))
        health: Literal["ok", "degraded", "fault"] = "ok"
        if facts.faults:
            health = "degraded" if DEGRADING.issuperset(facts.faults) else "fault"
        return EndpointState(
            endpoint=name,
            kind=facts.kind,
            site=facts.site,
            health=health,
            faults=faults,
            talkgroup=facts.talkgroup,
            hears=facts.hears,
            ptt=facts.ptt,
            squelch_open=facts.squelch_open,
            input="fault" if facts.input is not None and "input" in facts.faults else facts.input,
            since=facts.since,
            shelved_until=facts.shelved_until,
        )

    def _touch(self, name: str) -> None:
        # No floor controller waits for the state of what does not speak.
        facts = self._facts[name]
        speaks = facts.talkgroup is not None or bool(facts.hears)
        if not speaks and name not in self._dirty:
            self._dirty_bulk[name] = None
            if not self._bulk_asked:
                self._bulk_asked = True
                asyncio.get_running_loop().call_soon(self._ask_bulk)
            return
        self._dirty_bulk.pop(name, None)
        if not self._dirty:
            asyncio.get_running_loop().call_soon(self._publish)
        self._dirty[name] = None

    def _publish(self) -> None:
        dirty, self._dirty = self._dirty, {}
        for name in dirty:
            self._publish_one(name, bulk=False)

    def _ask_bulk(self) -> None:
        self._bulk_asked = False
        self._pace.go()

    def _publish_bulk(self, most: int) -> bool:
        for name in list(itertools.islice(self._dirty_bulk, most)):
            del self._dirty_bulk[name]
            self._publish_one(name, bulk=True)
        return bool(self._dirty_bulk)

    def _publish_one(self, name: str, *, bulk: bool) -> None:
        facts = self._facts.get(name)
        if facts is None:
            return
        now = (
            facts.kind, facts.site, facts.talkgroup, facts.hears, facts.ptt,
            facts.squelch_open, facts.input, facts.shelved_until, tuple(sorted(facts.faults.items())),
        )  # fmt: skip
        if now == facts.published:
            return
        facts.published = now
        facts.since = timestamp(self._clock.now().wall)
        state = self.state(name)
        topic = self._topics.endpoint(self._gateway, name)
        self._link.set_retained(topic, encode_known(state), bulk=bulk)
        self._tell(name, state)

    def _tell(self, name: str, state: EndpointState | None) -> None:
        for changed in self._changed:
            changed(name, state)
