"""Signs of life over the broker: hears gateways and responders, asks gateways, and answers them.

1. A gateway is asked each interval (Ping), and answers on a topic that all who ask listen to (Alive).
   Its Status is a sign of life too; a Status ``offline`` is none, and ends nothing: who is back within
   its intervals was never silent.
2. A responder's client is heard by its Presence, its receipts and what its people do.
3. Statuses and Presences are kept by the broker. One that comes within `KEPT_WITHIN` of a connect may
   be such a copy; whoever is told says whether it counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gateway.alarm.supervision.presence import Attendance, Presences
from gateway.alarm.supervision.supervision import Name, Part
from gateway.errors import RemoteProtocolError
from gateway.link.incoming import Incoming
from gateway.link.messages import Alive, Message, Ping, Presence, Status, decode, encode
from gateway.link.topics import Topics
from gateway.moment import Moment, timestamp
from gateway.ops.clock import SystemClock
from gateway.ops.counters import Counters

_LOGGER = logging.getLogger(__name__)

ANSWER_PAUSE = 0.3
"""Seconds: however many ask, one answer in this time is heard by all."""

KEPT_WITHIN = 2.0
"""Seconds after a connect or a subscription in which the broker sends what it keeps."""


class Link(Protocol):
    """What is needed of the control connection (`gateway.link.session.ControlLink`)."""

    @property
    def connected(self) -> bool: ...
    def subscribe(self, topic_filter: str, handler: Callable[[Incoming], None], /) -> None: ...
    def unsubscribe(
        self, topic_filter: str, handler: Callable[[Incoming], None] | None = None, /
    ) -> None: ...
    def post(
        self, topic: str, payload: bytes, /, *, expiry: int | None = None
    ) -> asyncio.Future[None]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """What the configuration asks for.

    ``speaking`` are the endpoints that are heard by their own signals; ``positions`` says whether
    some plan wants to know where people are.
    """

    intervals: Mapping[Name, float] = field(default_factory=dict)
    speaking: frozenset[str] = frozenset()
    positions: bool = False


class Ear(Protocol):
    """Who is told."""

    def heard(self, name: Name, /, *, kept: bool) -> None:
        """A sign of life; ``kept``: it may be an old one that the broker has kept."""

    def attended(self, changes: Iterable[Attendance], /) -> None:
        """Groups whose first client came, or whose last one went."""


class LifeSigns:
    """What one gateway hears of the others, and they of it. Everything is called on the event loop."""

    def __init__(
        self,
        gateway: str,
        boot: str,
        topics: Topics,
        link: Link,
        clock: SystemClock,
        counters: Counters,
        presences: Presences,
        ear: Ear,
    ) -> None:
        self._gateway = gateway
        self._boot = boot
        self._topics = topics
        self._link = link
        self._clock = clock
        self._counters = counters
        self._presences = presences
        self._ear = ear
        self._watching = Watching()
        self._filters: dict[str, Callable[[Incoming], None]] = {}
        self._asks: dict[str, float] = {}
        """When each gateway is asked next, on `Moment.elapsed`."""
        self._answered = float("-inf")
        self._kept_until = float("-inf")

    def deadline(self) -> float | None:
        """When `ask` is wanted, on `Moment.elapsed`."""
        return min(self._asks.values(), default=None)

    def ask(self, now: Moment) -> None:
        """Ask whoever is to be asked by now."""
        for name, due in self._asks.items():
            if due <= now.elapsed:
                interval = self._watching.intervals[Name(Part.GATEWAY, name)]
                self._asks[name] = now.elapsed + interval
                ping = Ping(interval_s=interval, time=timestamp(now.wall))
                topic = self._topics.ping(self._gateway, name)
                self._post(topic, ping, expiry=max(round(interval), 1))

    def connected(self, now: Moment) -> None:
        """The broker is there, or back: it sends what it keeps, and everybody is asked at once."""
        self._kept_until = now.elapsed + KEPT_WITHIN
        self._asks = dict.fromkeys(self._asks, now.elapsed)

    def leave(self) -> None:
        """Listen no more."""
        for topic_filter, handler in self._filters.items():
            self._link.unsubscribe(topic_filter, handler)
        self._filters = {}

    def listen(self, watching: Watching, now: Moment) -> None:
        """Listen to these from now on, and to no others."""
        self._watching = watching
        wanted: dict[str, Callable[[Incoming], None]] = {
            self._topics.ping("+", self._gateway): self._asked
        }
        gateways = self._names(Part.GATEWAY)
        if gateways:
            wanted[self._topics.status("+")] = self._status_arrived
            wanted |= {self._topics.alive(name): self._alive_arrived for name in gateways}
        responders = self._names(Part.RESPONDER)
        if responders:
            wanted[self._topics.action("+", "+")] = self._action_arrived
        if self._watching.positions:
            wanted[self._topics.presence("+")] = self._presence_arrived
        else:
            wanted |= {self._topics.presence(name): self._presence_arrived for name in responders}
        for topic_filter in self._filters.keys() - wanted.keys():
            self._link.unsubscribe(topic_filter, self._filters[topic_filter])
        for topic_filter in wanted.keys() - self._filters.keys():
            self._link.subscribe(topic_filter, wanted[topic_filter])
            if self._link.connected:
                self._kept_until = now.elapsed + KEPT_WITHIN
        self._filters = wanted
        self._asks = {name: self._asks.get(name, now.elapsed) for name in gateways}

    def _names(self, part: Part) -> tuple[str, ...]:
        return tuple(one.name for one in self._watching.intervals if one.part is part)

    def _status_arrived(self, incoming: Incoming) -> None:
        levels = self._topics.levels(incoming.topic)
        name = Name(Part.GATEWAY, levels[1] if levels else "")
        if name not in self._watching.intervals or not incoming.payload:
            return
        with self._counted(incoming):
            if decode(Status, incoming.payload).state == "online":
                self._ear.heard(name, kept=self._may_be_kept())

    def _alive_arrived(self, incoming: Incoming) -> None:
        levels = self._topics.levels(incoming.topic)
        if levels is None or incoming.retain:
            return
        with self._counted(incoming):
            decode(Alive, incoming.payload)
            self._ear.heard(Name(Part.GATEWAY, levels[1]), kept=False)

    def _asked(self, incoming: Incoming) -> None:
        now = self._clock.now()
        if incoming.retain or now.elapsed - self._answered < ANSWER_PAUSE:
            return
        with self._counted(incoming):
            decode(Ping, incoming.payload)
            self._answered = now.elapsed
            answer = Alive(boot=self._boot, time=timestamp(now.wall))
            self._post(self._topics.alive(self._gateway), answer, expiry=1)

    def _presence_arrived(self, incoming: Incoming) -> None:
        levels = self._topics.levels(incoming.topic)
        if levels is None:
            return
        if not incoming.payload:
            self._ear.attended(self._presences.gone(levels[1]))
            return
        with self._counted(incoming):
            presence = decode(Presence, incoming.payload)
            if presence.client != levels[1]:
                raise RemoteProtocolError(f"presence of {presence.client} on another's topic")
            heard = self._presences.heard(presence, self._clock.now())
            self._ear.attended(heard.changes)
            if heard.news:
                self._ear.heard(Name(Part.RESPONDER, presence.client), kept=self._may_be_kept())

    def _action_arrived(self, incoming: Incoming) -> None:
        levels = self._topics.levels(incoming.topic)
        if levels is not None and not incoming.retain:
            self._ear.heard(Name(Part.RESPONDER, levels[3]), kept=False)

    def _may_be_kept(self) -> bool:
        return self._clock.now().elapsed < self._kept_until

    @contextlib.contextmanager
    def _counted(self, incoming: Incoming) -> Iterator[None]:
        try:
            yield
        except RemoteProtocolError as error:
            self._counters.add("lifesigns.malformed")
            _LOGGER.debug("refused: %s: %s", incoming.topic, error)

    def _post(self, topic: str, message: Message, *, expiry: int) -> None:
        if self._link.connected:
            sent = self._link.post(topic, encode(message), expiry=expiry)
            sent.add_done_callback(_whatever)


def _whatever(sent: asyncio.Future[None]) -> None:
    """A sign of life that is lost is followed by the next."""
    if not sent.cancelled():
        sent.exception()
