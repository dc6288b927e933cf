"""Receives pages for the groups served here, signs for them, and acts on incidents.

The rules are in `gateway.alarm.inbox`; this is its runner. What comes off the wire is refused and
counted here where it is no message, or says another name than its topic does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import Protocol, TypeVar

import msgspec

from gateway.alarm.inbox import (
    KNOWN_FOR,
    Announce,
    Changed,
    Effect,
    Ignored,
    Inbox,
    KnownPage,
    Remember,
    Send,
    Settled,
)
from gateway.alarm.journal.rows import Kind, Row, Stored
from gateway.errors import LinkError, RemoteProtocolError, StorageError
from gateway.link.incoming import Incoming
from gateway.link.messages import Action, ActionName, IncidentState, Page, decode, encode
from gateway.link.topics import Topics
from gateway.moment import timestamp
from gateway.ops.clock import DeadlineTimer, SystemClock
from gateway.ops.counters import Counters

_LOGGER = logging.getLogger(__name__)

T = TypeVar("T")

STORE_PATIENCE = 0.5
"""Seconds that a receipt waits for the journal: a slow disk must not look like a dead receiver."""

ANSWER_PATIENCE = 10.0
"""Seconds that a person waits for the owner's answer; then it is said that there was none."""


NO_DETAILS: Mapping[str, str | int] = MappingProxyType({})


class Link(Protocol):
    """What is needed of the control connection (`gateway.link.session.ControlLink`)."""

    def subscribe(self, topic_filter: str, handler: Callable[[Incoming], None], /) -> None: ...
    def unsubscribe(
        self, topic_filter: str, handler: Callable[[Incoming], None] | None = None, /
    ) -> None: ...
    async def publish(self, topic: str, payload: bytes, /) -> None: ...


class Memory(Protocol):
    """What is needed of the journal (`gateway.alarm.journal.journal.Journal`)."""

    def append(self, rows: Sequence[Row], /) -> Awaitable[int]: ...
    async def known_pages(self, since: float, /) -> tuple[Stored, ...]: ...


class OutcomeKind(StrEnum):
    """How an action ended."""

    APPLIED = "applied"
    REFUSED = "refused"
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True)
class Outcome:
    """An action's end, with the incident's state where one is known; ``reason`` is for people."""

    kind: OutcomeKind
    reason: str = ""
    state: IncidentState | None = None


def _nobody(_: object) -> None:
    pass


class Responder:
    """The responding side of one gateway. Everything is called on the event loop.

    ``on_page`` is called once for each page that people are to hear of, ``on_state`` with each
    newest IncidentState. ``deliver`` is offered every action first: True when the incident is
    owned by this very gateway, which answers by `observe` and needs no broker for it.
    """

    def __init__(
        self,
        gateway: str,
        topics: Topics,
        link: Link,
        journal: Memory,
        clock: SystemClock,
        new_id: Callable[[], str],
        counters: Counters,
        *,
        serves: frozenset[str] = frozenset(),
        on_page: Callable[[Page], None] = _nobody,
        on_state: Callable[[IncidentState], None] = _nobody,
        deliver: Callable[[Action], bool] | None = None,
    ) -> None:
        self._gateway = gateway
        self._topics = topics
        self._link = link
        self._journal = journal
        self._clock = clock
        self._new_id = new_id
        self._counters = counters
        self._on_page = on_page
        self._on_state = on_state
        self._deliver = deliver
        self._serves = serves
        self._inbox = Inbox(gateway, serves, new_id)
        self._timer = DeadlineTimer(clock, lambda now: self._perform(self._inbox.tick(now)))
        self._waiting: dict[str, asyncio.Future[Outcome]] = {}
        self._sending: set[str] = set()
        self._group: asyncio.TaskGroup | None = None
        self._early: list[tuple[Callable[[], Coroutine[None, None, None]], str]] = []

    async def run(self) -> None:
        """Receive and send until cancelled."""
        await self._load()
        async with asyncio.TaskGroup() as group:
            self._group = group
            for work, name in self._early:
                self._spawn(work, name)
            self._early.clear()
            self._link.subscribe(self._topics.incident("+", "+"), self._state_arrived)
            for served in self._serves:
                self._link.subscribe(self._topics.page(served, "+"), self._page_arrived)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self._leave()

    @property
    def serves(self) -> frozenset[str]:
        """The groups whose pages are received here."""
        return self._serves

    def serve(self, groups: frozenset[str]) -> None:
        """Take the pages of these groups, and of no others, from now on."""
        gone, come = self._serves - groups, groups - self._serves
        self._serves = groups
        self._inbox.serve(groups)
        if self._group is None:
            return
        for group in gone:
            self._link.unsubscribe(self._topics.page(group, "+"), self._page_arrived)
        for group in come:
            self._link.subscribe(self._topics.page(group, "+"), self._page_arrived)

    def receive(self, page: Page) -> None:
        """A page, however it came; of one that was received before only the receipt is sent."""
        self._perform(self._inbox.page(page, self._clock.now()))

    def observe(self, state: IncidentState) -> None:
        """An IncidentState, however it came."""
        self._perform(self._inbox.state(state, self._clock.now()))

    def incidents(self) -> list[IncidentState]:
        """The newest state of each incident known here, the newest incident first."""
        return sorted(self._inbox.states, key=lambda state: (state.raised, state.id), reverse=True)

    def find(self, beginning: str) -> list[IncidentState]:
        """The incidents whose id begins so; one is found by its whole id."""
        whole = self._inbox.find(beginning)
        if whole is not None:
            return [whole]
        return [state for state in self.incidents() if state.id.startswith(beginning)]

    def send_again(self, action: Action) -> None:
        """An action of an earlier time, until its incident's owner has answered it."""
        self._perform(self._inbox.act(action, self._clock.now()))

    async def act(
        self,
        incident: str,
        action: ActionName,
        *,
        by: str,
        group: str | None = None,
        details: Mapping[str, str | int] = NO_DETAILS,
        patience: float = ANSWER_PATIENCE,
    ) -> Outcome:
        """Act on an incident as a person; sent each second until its owner has answered.

        ``details`` are the fields of an Action that apply (``note``, ``disposition`` ...). After
        ``patience`` seconds without an answer it is sent no more.

        Raises:
            LocalProtocolError: what was given makes no message of the contract.
        """
        now = self._clock.now()
        made = Action(
            id=self._new_id(),
            incident=incident,
            group=group,
            by=by,
            action=action,
            time=timestamp(now.wall),
            **details,  # type: ignore[arg-type]  # `encode` checks them
        )
        encode(made)  # the caller's mistake is the caller's error, before anything is sent
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[made.id] = future
        try:
            self._perform(self._inbox.act(made, now))
            async with asyncio.timeout(patience):
                return await future
        except TimeoutError:
            return Outcome(
                OutcomeKind.UNANSWERED,
                "the gateway that owns the incident does not answer",
                self._inbox.find(incident),
            )
        finally:
            self._inbox.withdraw(made.id)
            del self._waiting[made.id]

    async def _load(self) -> None:
        now = self._clock.now()
        try:
            rows = await self._journal.known_pages(now.wall - KNOWN_FOR)
        except StorageError as error:
            _LOGGER.warning("pages received earlier are not known: %s", error)
            return
        self._inbox.load(((row.wall, _known_page(row)) for row in rows), now)

    def _leave(self) -> None:
        self._link.unsubscribe(self._topics.incident("+", "+"), self._state_arrived)
        for group in self._serves:
            self._link.unsubscribe(self._topics.page(group, "+"), self._page_arrived)
        self._timer.cancel()
        self._group = None

    # Off the wire

    def _page_arrived(self, incoming: Incoming) -> None:
        if incoming.retain:
            self._counters.add("responder.page_retained")
            return
        try:
            page = _page_of(self._topics.levels(incoming.topic), incoming.payload)
        except RemoteProtocolError as error:
            self._refused(incoming, error)
        else:
            self.receive(page)

    def _state_arrived(self, incoming: Incoming) -> None:
        levels = self._topics.levels(incoming.topic)
        try:
            if levels is not None and not incoming.payload:
                self._inbox.cleared(levels[1], levels[3])
                return
            if levels is not None and levels[3] == self._gateway:
                held = self._inbox.find(levels[1])
                if held is not None and held.owner == self._gateway:
                    return  # our own words come back; `observe` was told before
            state = _state_of(levels, incoming.payload)
        except RemoteProtocolError as error:
            self._refused(incoming, error)
        else:
            self.observe(state)

    def _refused(self, incoming: Incoming, error: RemoteProtocolError) -> None:
        self._counters.add("responder.refused")
        _LOGGER.debug("refused: %s: %s", incoming.topic, error)

    # What the machine wants done

    def _perform(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Announce(page):
                    _LOGGER.info(
                        "page %s: group %s, incident %s", page.id, page.group, page.incident
                    )
                    self._counters.add("responder.pages")
                    self._tell(self._on_page, page)
                case Remember(known):
                    self._spawn(partial(self._remember, known), f"responder.remember[{known.page}]")
                case Send(action):
                    self._send(action)
                case Settled(action, refused, state):
                    self._settle(action, refused, state)
                case Changed(state):
                    self._tell(self._on_state, state)
                case Ignored(why):
                    self._counters.add(f"responder.{why}")
        self._timer.arm(self._inbox.deadline())

    def _settle(self, action: str, refused: str | None, state: IncidentState) -> None:
        future = self._waiting.get(action)
        if future is not None and not future.done():
            kind = OutcomeKind.APPLIED if refused is None else OutcomeKind.REFUSED
            future.set_result(Outcome(kind, refused or "", state))
        elif refused is not None:
            _LOGGER.warning("receipt %s was refused: %s", action, refused)

    def _send(self, action: Action) -> None:
        if self._deliver is not None and self._deliver(action):
            return
        # One at a time: while the broker holds back a PUBACK, copies would only fill the window.
        if action.id not in self._sending:
            self._sending.add(action.id)
            self._spawn(partial(self._publish, action), f"responder.send[{action.id}]")

    async def _publish(self, action: Action) -> None:
        try:
            await self._link.publish(
                self._topics.action(action.incident, self._gateway), encode(action)
            )
        except LinkError as error:
            _LOGGER.debug("action %s: %s", action.id, error)
        finally:
            self._sending.discard(action.id)

    async def _remember(self, known: KnownPage) -> None:
        body = msgspec.json.encode(
            {"incident": known.incident, "group": known.group, "receipt": known.receipt}
        )
        try:
            async with asyncio.timeout(STORE_PATIENCE):
                await self._journal.append([Row(Kind.PAGE_SEEN, known.page, body)])
        except (StorageError, TimeoutError):
            # The people were told; that must not be kept from the sender.
            self._counters.add("responder.page_not_stored")
        self._perform(self._inbox.remembered(known.page, self._clock.now()))

    def _spawn(self, work: Callable[[], Coroutine[None, None, None]], name: str) -> None:
        """Do it in a task of `run`'s group; what comes before `run` waits for it."""
        if self._group is None:
            self._early.append((work, name))
        else:
            self._group.create_task(work(), name=name)

    def _tell(self, callback: Callable[[T], None], what: T) -> None:
        try:
            callback(what)
        except Exception:  # a defect in what follows must not keep the receipt back
            self._counters.add("responder.callback_failed")
            _LOGGER.exception("a callback failed")


def _page_of(levels: tuple[str, ...] | None, payload: bytes) -> Page:
    page = decode(Page, payload)
    if levels is None or levels[:3] != ("group", page.group, "page"):
        raise RemoteProtocolError(f"a page of group {page.group} on another's topic")
    return page


def _state_of(levels: tuple[str, ...] | None, payload: bytes) -> IncidentState:
    state = decode(IncidentState, payload)
    # The last level is what the broker's ACL vouches for.
    if levels != ("incident", state.id, "state", state.owner):
        raise RemoteProtocolError(f"a state of {state.id} by {state.owner} on another's topic")
    return state


def _known_page(row: Stored) -> KnownPage:
    body = msgspec.json.decode(row.body)
    return KnownPage(row.key, body["incident"], body["group"], body["receipt"])
