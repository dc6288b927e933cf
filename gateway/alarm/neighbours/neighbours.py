"""Tells other systems of alarms and incidents: CAP messages, CloudEvents, Home Assistant discovery.

Rules:

1. A neighbour never holds an alarm up: what it is told waits in a queue of its own, behind a
   connection that serves pages first. Past the bound the oldest goes, counted.
2. What was told twice has the same id twice; a restart tells of open incidents again.
3. Nothing is published for a neighbour that is not configured.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from gateway.alarm.neighbours import cap, cloudevents, home_assistant
from gateway.alarm.neighbours.home_assistant import EndpointFacts
from gateway.alarm.neighbours.options import NeighbourOptions
from gateway.errors import LinkError
from gateway.link.messages import AlarmEvent, IncidentState
from gateway.link.topics import Topics
from gateway.ops.counters import Counters

_LOGGER = logging.getLogger(__name__)

MAX_WAITING = 1_000
"""Messages that wait for the broker; a district's hour. The journal has what they tell of."""

RETRY = 1.0
"""Seconds after which a message that the broker did not take is tried again."""

MAX_KNOWN = 10_000
"""Incidents whose last state is remembered, to tell what is new; the oldest closed ones go."""

CAP_TYPE = "application/cap+xml"
CLOUDEVENTS_TYPE = "application/cloudevents+json; charset=utf-8"
"""CloudEvents' MQTT binding 1.0.2, section 3.2: the content type marks structured mode."""


class Link(Protocol):
    """What is needed of the control connection (`gateway.link.session.ControlLink`)."""

    @property
    def connected(self) -> bool: ...
    async def publish(
        self, topic: str, payload: bytes, /, *, content_type: str | None = None
    ) -> None: ...
    def set_retained(self, topic: str, payload: bytes, /) -> None: ...


class Neighbours:
    """The neighbours of one gateway. Everything is called on the event loop.

    ``position`` gives a site's, in WGS 84 degrees.
    """

    def __init__(
        self,
        gateway: str,
        topics: Topics,
        link: Link,
        counters: Counters,
        position: Callable[[str | None], tuple[float, float] | None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._gateway = gateway
        self._topics = topics
        self._link = link
        self._counters = counters
        self._position = position
        self._wall = wall
        self._options = NeighbourOptions()
        self._known: dict[str, IncidentState] = {}
        self._waiting: deque[tuple[str, bytes, str]] = deque()
        self._filled = asyncio.Event()
        self._shown: frozenset[str] = frozenset()

    def configure(self, options: NeighbourOptions, endpoints: Iterable[EndpointFacts]) -> None:
        """What is configured from now on; discovery of what is gone is cleared."""
        self._options = options
        prefix = options.discovery
        wanted = (
            {}
            if prefix is None
            else home_assistant.configurations(self._gateway, self._topics, prefix, endpoints)
        )
        for topic in self._shown - wanted.keys():
            self._link.set_retained(topic, b"")
        for topic, payload in wanted.items():
            self._link.set_retained(topic, payload)
        self._shown = frozenset(wanted)

    def event(self, event: AlarmEvent) -> None:
        """A signal has gone out."""
        if self._options.cloudevents:
            topic = self._topics.cloudevents(self._gateway)
            self._put(topic, cloudevents.of_alarm(event), CLOUDEVENTS_TYPE)

    def incident(self, state: IncidentState) -> None:
        """An incident of this gateway has a new state."""
        before = self._known.get(state.id)
        if before is not None and (before.owner_term, before.seq) >= (state.owner_term, state.seq):
            return
        self._known[state.id] = state
        if len(self._known) > MAX_KNOWN:
            over = next((one.id for one in self._known.values() if one.state == "closed"), state.id)
            del self._known[over]
        if self._options.cap is not None:
            position = self._position(state.site)
            for message in cap.messages_of(before, state, position, self._options.cap):
                self._put(self._topics.cap(self._gateway), message.document, CAP_TYPE)
        if self._options.cloudevents:
            topic = self._topics.cloudevents(self._gateway)
            for payload in cloudevents.of_incident(before, state, self._wall()):
                self._put(topic, payload, CLOUDEVENTS_TYPE)

    async def run(self) -> None:
        """Publish what waits, in order, until cancelled."""
        while True:
            await self._filled.wait()
            topic, payload, content_type = self._waiting[0]
            try:
                await self._link.publish(topic, payload, content_type=content_type)
            except LinkError as error:
                self._counters.add("neighbours.not_sent")
                _LOGGER.debug("%s: %s", topic, error)
                await asyncio.sleep(RETRY)
                continue
            # It may have been dropped for newer ones meanwhile.
            if self._waiting and self._waiting[0][1] is payload:
                self._waiting.popleft()
            if not self._waiting:
                self._filled.clear()

    def _put(self, topic: str, payload: bytes, content_type: str) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self._counters.add("neighbours.dropped")
        self._waiting.append((topic, payload, content_type))
        self._filled.set()
