"""Gets events, pages and states to the broker, and keeps what could not be sent.

Rules:

1. An AlarmEvent is kept until the broker has acknowledged it, and only then is its journal row
   done. Events of alarms go out at once; quiet ones, and those of an earlier run or connection,
   a few at a time (`gateway.ops.pacing`): nothing waits behind them.
2. A page is repeated by the incident's own schedule, with a fresh ``sent``; one sending of a page
   is under way at most. A sending that failed is made up for as soon as the broker is back, if
   the page still runs.
3. Of an incident's states only newer ones go out, by (owner_term, seq); but each of these does,
   for a refusal is to be seen by whoever was refused.
4. Pages go by severity, drills last; among equals, and among events of alarms, round by site.
   Quiet events go in their order, those that were missed behind those that are new.
5. Each of these has its own places in the connection's window of 64 (with the retained topics'
   16 they fill it), so that none waits for another's acknowledgements.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from gateway.alarm.incidents.wire import CLOSED_EXPIRY, PAGE_EXPIRY
from gateway.alarm.signals.fair_queue import RankedQueue
from gateway.link.messages import AlarmEvent, IncidentState, Page
from gateway.link.topics import Topics
from gateway.ops.counters import Counters
from gateway.ops.pacing import Pace

_LOGGER = logging.getLogger(__name__)

PAGES_IN_FLIGHT = 24
URGENT_IN_FLIGHT = 8
EVENTS_IN_FLIGHT = 16

_PAUSE = 5.0
"""Seconds between tries of events that a connected broker refuses."""
_ENOUGH_PAGES = 8
"""Pages of one site in a row: about one level of one incident."""

_DRILLS = 4
"""Added to the severity (1 to 4) of a drill's page."""


class Link(Protocol):
    """What sending needs of the control connection (`gateway.link.session.ControlLink`)."""

    @property
    def connected(self) -> bool: ...
    def post(
        self, topic: str, payload: bytes, /, *, expiry: int | None = None
    ) -> asyncio.Future[None]: ...
    def set_retained(
        self, topic: str, payload: bytes, /, *, expiry: int | None = None, each: bool = False
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class _Event:
    payload: bytes
    source: str


_NEVER_AGAIN = (2**63, 0)
"""A version above every other, until the incident is forgotten, or adopted again."""


class Dispatch:
    """The sending side of the desk of ``gateway``. Used from the event loop only.

    ``published`` is told each event's id that the broker has; ``wanted`` says of (incident, page)
    whether that page is still to be sent; ``busy`` whether quiet events had better wait, and
    ``crowded`` whether they must.
    """

    def __init__(
        self,
        gateway: str,
        topics: Topics,
        link: Link,
        counters: Counters,
        *,
        published: Callable[[str], None],
        wanted: Callable[[str, str], bool],
        busy: Callable[[], bool],
        crowded: Callable[[], bool],
    ) -> None:
        self._gateway = gateway
        self._topics = topics
        self._link = link
        self._counters = counters
        self._published = published
        self._wanted = wanted
        self._newest: dict[str, tuple[int, int]] = {}
        # Every page whose sending is under way, with its newest copy; those of `_missed` are not.
        self._pages: dict[str, tuple[Page, bytes]] = {}
        self._missed: dict[str, tuple[Page, bytes]] = {}
        self._page_queue: RankedQueue[str] = RankedQueue(_ENOUGH_PAGES)
        self._pages_in_flight = 0
        # Every event that the broker does not have; those in no queue are in flight, or missed.
        self._events: dict[str, _Event] = {}
        self._urgent: RankedQueue[str] = RankedQueue()
        self._urgent_in_flight = 0
        self._quiet: deque[str] = deque()
        self._late: deque[str] = deque()
        self._quiet_in_flight = 0
        self._quiet_pace = Pace(self._send_quiet, EVENTS_IN_FLIGHT, busy, crowded)
        self._missed_events: dict[str, None] = {}
        self._pausing: asyncio.TimerHandle | None = None

    @property
    def waiting_events(self) -> int:
        """Events that the broker does not have yet."""
        return len(self._events)

    def holds(self, event_id: str) -> bool:
        """Whether the broker does not have this event yet."""
        return event_id in self._events

    def close(self) -> None:
        """Start nothing more."""
        self._quiet_pace.stop()
        if self._pausing is not None:
            self._pausing.cancel()

    def event(self, event: AlarmEvent, payload: bytes, *, urgent: bool) -> None:
        """Publish an AlarmEvent, now or when the broker is back."""
        self._events[event.id] = _Event(payload, event.site or event.account or "")
        if not self._link.connected:
            self._missed_events[event.id] = None
        elif urgent:
            self._urgent.put(0, self._events[event.id].source, event.id)
            self._send_urgent()
        else:
            self._quiet.append(event.id)
            self._quiet_pace.go()

    def event_again(self, event_id: str, payload: bytes) -> None:
        """Publish an AlarmEvent of an earlier run, after `reconnected`."""
        self._events[event_id] = _Event(payload, "")
        self._missed_events[event_id] = None

    def page(self, page: Page, payload: bytes) -> None:
        """Send a page once."""
        if not self._link.connected and page.id not in self._pages:
            self._missed[page.id] = page, payload
            return
        self._missed.pop(page.id, None)
        under_way = page.id in self._pages
        self._pages[page.id] = page, payload
        if not under_way:
            rank = page.severity + (_DRILLS if page.drill else 0)
            self._page_queue.put(rank, page.site or page.incident, page.id)
            self._send_pages()

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

    def withdraw(self, incident_id: str) -> None:
        """Another gateway says what there is to say; nothing older of ours may come after this."""
        self._newest[incident_id] = _NEVER_AGAIN
        self._link.set_retained(self._topics.incident(incident_id, self._gateway), b"")

    def forget(self, incident_id: str) -> None:
        """The incident is a day closed; nothing of it is published any more."""
        self._newest.pop(incident_id, None)

    def reconnected(self) -> None:
        """The broker is there (again): make up for what was missed."""
        missed, self._missed = self._missed, {}
        for page, payload in missed.values():
            if self._wanted(page.incident, page.id):
                self.page(page, payload)
        self._send_pages()
        self._send_urgent()
        self._make_up()

    # Pages

    def _send_pages(self) -> None:
        while self._link.connected and self._pages_in_flight < PAGES_IN_FLIGHT:
            page_id = self._page_queue.take()
            if page_id is None:
                return
            page, payload = self._pages[page_id]
            if not self._wanted(page.incident, page.id):
                del self._pages[page_id]
                continue
            self._pages_in_flight += 1
            topic = self._topics.page(page.group, self._gateway)
            sent = self._link.post(topic, payload, expiry=PAGE_EXPIRY)
            sent.add_done_callback(partial(self._page_sent, page_id))

    def _page_sent(self, page_id: str, sent: asyncio.Future[None]) -> None:
        self._pages_in_flight -= 1
        page, payload = self._pages.pop(page_id)
        failure = _failure(sent)
        if failure is not None:
            self._counters.add("alarm.page_not_sent")
            _LOGGER.debug("page %s: %s", page_id, failure)
            self._missed[page_id] = page, payload
        self._send_pages()

    # Events

    def _send_urgent(self) -> None:
        while self._link.connected and self._urgent_in_flight < URGENT_IN_FLIGHT:
            event_id = self._urgent.take()
            if event_id is None:
                return
            self._urgent_in_flight += 1
            self._post_event(event_id).add_done_callback(partial(self._urgent_sent, event_id))

    def _urgent_sent(self, event_id: str, sent: asyncio.Future[None]) -> None:
        self._urgent_in_flight -= 1
        self._event_sent(event_id, sent)
        self._send_urgent()

    def _send_quiet(self, most: int) -> bool:
        """Fill the window with at most so many (rule 1); whether more would go."""
        room = EVENTS_IN_FLIGHT - self._quiet_in_flight
        for _ in range(min(most, room)):
            if not self._link.connected or not (self._quiet or self._late):
                return False
            event_id = (self._quiet or self._late).popleft()
            self._quiet_in_flight += 1
            self._post_event(event_id).add_done_callback(partial(self._quiet_sent, event_id))
        return most < room  # else the next acknowledgement asks again

    def _quiet_sent(self, event_id: str, sent: asyncio.Future[None]) -> None:
        self._quiet_in_flight -= 1
        self._event_sent(event_id, sent)
        self._quiet_pace.go()

    def _post_event(self, event_id: str) -> asyncio.Future[None]:
        return self._link.post(self._topics.alarm(self._gateway), self._events[event_id].payload)

    def _event_sent(self, event_id: str, sent: asyncio.Future[None]) -> None:
        failure = _failure(sent)
        if failure is None:
            del self._events[event_id]
            self._published(event_id)
            return
        self._counters.add("alarm.event_not_sent")
        _LOGGER.debug("event %s: %s", event_id, failure)
        self._missed_events[event_id] = None
        if self._link.connected and self._pausing is None:  # it refuses: try again without haste
            self._pausing = self._later(_PAUSE, self._make_up)

    def _make_up(self) -> None:
        """Send the events that were missed, oldest first, behind those that are new."""
        if self._pausing is not None:
            self._pausing.cancel()
            self._pausing = None
        if self._link.connected:
            missed, self._missed_events = self._missed_events, {}
            self._late.extend(missed)
            self._quiet_pace.go()

    def _later(self, seconds: float, work: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, work)


def _failure(sent: asyncio.Future[None]) -> BaseException | None:
    return asyncio.CancelledError() if sent.cancelled() else sent.exception()
