"""Gets events, pages and states to the broker, and keeps what could not be sent.

Rules:

1. An AlarmEvent is kept until the broker has acknowledged it, and only then is its journal row
   done. Events that waited go out a few at a time, so that a fresh one never waits behind them.
2. A page is repeated by the incident's own schedule, with a fresh ``sent``; one sending of a page
   is under way at most. A sending that failed is made up for as soon as the broker is back, if
   the page still runs.
3. Of an incident's states only newer ones go out, by (owner_term, seq); but each of these does,
   for a refusal is to be seen by whoever was refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Protocol

from gateway.alarm.wire import CLOSED_EXPIRY, PAGE_EXPIRY
from gateway.errors import LinkError
from gateway.link.messages import IncidentState, Page
from gateway.link.topics import Topics
from gateway.ops.counters import Counters

_LOGGER = logging.getLogger(__name__)

_BACKLOG_IN_FLIGHT = 16
_PAUSE = 5.0
"""Seconds between tries of events that a connected broker refuses."""


class Link(Protocol):
    """What sending needs of the control connection (`gateway.link.session.ControlLink`)."""

    @property
    def connected(self) -> bool: ...
    async def publish(
        self, topic: str, payload: bytes, /, *, expiry: int | None = None
    ) -> None: ...
    def set_retained(
        self, topic: str, payload: bytes, /, *, expiry: int | None = None, each: bool = False
    ) -> None: ...


class Dispatch:
    """The sending side of the desk of ``gateway``. Used from the event loop only.

    ``spawn`` starts a task; ``published`` is told each event's id that the broker has; ``wanted``
    says of (incident, page) whether that page is still to be sent.
    """

    def __init__(
        self,
        gateway: str,
        topics: Topics,
        link: Link,
        counters: Counters,
        *,
        spawn: Callable[[Coroutine[None, None, None], str], None],
        published: Callable[[str], None],
        wanted: Callable[[str, str], bool],
    ) -> None:
        self._gateway = gateway
        self._topics = topics
        self._link = link
        self._counters = counters
        self._spawn = spawn
        self._published = published
        self._wanted = wanted
        self._events: dict[str, bytes] = {}
        self._draining = False
        self._back = asyncio.Event()
        self._under_way: set[str] = set()
        self._missed: dict[str, tuple[Page, bytes]] = {}
        self._newest: dict[str, tuple[int, int]] = {}

    @property
    def waiting_events(self) -> int:
        """Events that the broker does not have yet."""
        return len(self._events)

    def event(self, event_id: str, payload: bytes) -> None:
        """Publish an AlarmEvent, now or when the broker is back."""
        self._events[event_id] = payload
        if self._link.connected:
            self._spawn(self._publish_fresh(event_id), f"alarm.event[{event_id}]")

    def event_again(self, event_id: str, payload: bytes) -> None:
        """Publish an AlarmEvent of an earlier run, after `reconnected`."""
        self._events[event_id] = payload

    def page(self, page: Page, payload: bytes) -> None:
        """Send a page once."""
        if page.id in self._under_way:
            return
        if not self._link.connected:
            self._missed[page.id] = page, payload
            return
        self._missed.pop(page.id, None)
        self._under_way.add(page.id)
        self._spawn(self._publish_page(page, payload), f"alarm.page[{page.id}]")

    def state(self, state: IncidentState, payload: bytes, *, expiry: int = CLOSED_EXPIRY) -> bool:
        """Publish a state, retained; False if a newer one is out. ``expiry`` is a closed one's."""
        version = state.owner_term, state.seq
        if self._newest.get(state.id, (0, 0)) > version:
            return False
        closed = state.state == "closed"
        self._newest[state.id] = version
        self._link.set_retained(
            self._topics.incident(state.id, self._gateway),
            payload,
            expiry=expiry if closed else None,
            each=True,
        )
        return True

    def forget(self, incident_id: str) -> None:
        """The incident is a day closed; nothing of it is published any more."""
        self._newest.pop(incident_id, None)

    def reconnected(self) -> None:
        """The broker is there (again): make up for what was missed."""
        missed, self._missed = self._missed, {}
        for page, payload in missed.values():
            if self._wanted(page.incident, page.id):
                self.page(page, payload)
        self._back.set()
        self._make_up()

    def _make_up(self) -> None:
        if self._events and not self._draining:
            self._draining = True
            self._spawn(self._drain(), "alarm.backlog")

    async def _drain(self) -> None:
        """Send what waits, oldest first, until nothing does or the broker is gone."""
        try:
            while self._events and self._link.connected:
                self._back.clear()
                before = len(self._events)
                waiting = list(self._events)
                for start in range(0, len(waiting), _BACKLOG_IN_FLIGHT):
                    some = waiting[start : start + _BACKLOG_IN_FLIGHT]
                    await asyncio.gather(*(self._publish_event(one) for one in some))
                if len(self._events) >= before:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_PAUSE):
                            await self._back.wait()
        finally:
            self._draining = False

    async def _publish_event(self, event_id: str) -> None:
        payload = self._events.get(event_id)
        if payload is None or event_id in self._under_way:
            return
        self._under_way.add(event_id)
        try:
            await self._link.publish(self._topics.alarm(self._gateway), payload)
        except LinkError as error:
            self._counters.add("alarm.event_not_sent")
            _LOGGER.debug("event %s: %s", event_id, error)
        else:
            del self._events[event_id]
            self._published(event_id)
        finally:
            self._under_way.discard(event_id)

    async def _publish_fresh(self, event_id: str) -> None:
        await self._publish_event(event_id)
        if self._link.connected:
            self._make_up()

    async def _publish_page(self, page: Page, payload: bytes) -> None:
        try:
            await self._link.publish(
                self._topics.page(page.group, self._gateway), payload, expiry=PAGE_EXPIRY
            )
        except LinkError as error:
            self._counters.add("alarm.page_not_sent")
            _LOGGER.debug("page %s: %s", page.id, error)
            self._missed[page.id] = page, payload
        finally:
            self._under_way.discard(page.id)
