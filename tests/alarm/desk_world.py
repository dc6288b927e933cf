"""A desk with a real journal, and a broker connection that does what a test says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gateway.alarm.desk import Desk, Memory
from gateway.alarm.incidents.cases import Rules
from gateway.alarm.journal.journal import Journal
from gateway.alarm.raised import Identity, Listeners, Raised
from gateway.errors import LinkError
from gateway.link.messages import Action, AlarmEvent, IncidentState, Page, decode, encode
from gateway.link.topics import Topics
from gateway.ops.clock import SystemClock
from gateway.ops.counters import Counters
from gateway.ops.ids import new_id
from gateway.ports import AlarmSignal, SignalKind
from tests.alarm.alarm_world import RULES, action

BOOT = "00000000-0000-7000-8000-000000000001"
TOPICS = Topics()
M = TypeVar("M")


@dataclass(frozen=True)
class Message:
    """One message, off or onto the wire."""

    topic: str
    payload: bytes
    retain: bool = False
    expiry: int | None = None


class WireEnd:
    """The broker's side of a control connection."""

    def __init__(self, *, connected: bool = True) -> None:
        self.connected = connected
        self.published: list[Message] = []
        self.retained: dict[str, Message] = {}
        self.states: list[IncidentState] = []
        self.answers = asyncio.Event()
        self.answers.set()
        self.refuse: Callable[[str], bool] = lambda _topic: False
        self.attempts = 0
        self._handlers: dict[str, Callable[[Any], None]] = {}
        self._callbacks: list[Callable[[bool], None]] = []

    def subscribe(self, topic_filter: str, handler: Callable[[Any], None]) -> None:
        self._handlers[topic_filter] = handler

    def unsubscribe(self, topic_filter: str, handler: object = None) -> None:
        del self._handlers[topic_filter]

    def on_connection(self, callback: Callable[[bool], None]) -> None:
        self._callbacks.append(callback)

    async def publish(self, topic: str, payload: bytes, *, expiry: int | None = None) -> None:
        await self.post(topic, payload, expiry=expiry)

    def post(
        self, topic: str, payload: bytes, *, expiry: int | None = None
    ) -> asyncio.Future[None]:
        self.attempts += 1
        return asyncio.ensure_future(self._deliver(Message(topic, payload, expiry=expiry)))

    async def _deliver(self, message: Message) -> None:
        if not self.connected:
            raise LinkError("not connected")
        await self.answers.wait()
        if not self.connected or self.refuse(message.topic):
            raise LinkError("lost, or refused")
        self.published.append(message)

    def set_retained(
        self, topic: str, payload: bytes, *, expiry: int | None = None, each: bool = False
    ) -> None:
        self.retained[topic] = Message(topic, payload, True, expiry)
        self.states.append(decode(IncidentState, payload))

    def connect(self, connected: bool = True) -> None:
        self.connected = connected
        for callback in self._callbacks:
            callback(connected)

    def send(self, action: Action, *, topic: str | None = None, retain: bool = False) -> None:
        """Somebody's client publishes an action."""
        self.receive(topic or TOPICS.action(action.incident, "police"), encode(action), retain)

    def receive(self, topic: str, payload: bytes, retain: bool = False) -> None:
        self._handlers[TOPICS.action("+", "+")](Message(topic, payload, retain))

    def _of(self, kind: type[M], branch: str) -> list[M]:
        return [
            decode(kind, message.payload)
            for message in self.published
            if (TOPICS.levels(message.topic) or ("",))[0] == branch
        ]

    @property
    def events(self) -> list[AlarmEvent]:
        return self._of(AlarmEvent, "alarm")

    @property
    def pages(self) -> list[Page]:
        return self._of(Page, "group")


class GatedJournal(Journal):
    """A journal whose disk answers only while ``gate`` is open."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.gate = asyncio.Event()
        self.gate.set()

    def append(self, rows: Any) -> Any:
        stored = super().append(rows)

        async def wait() -> int:
            await self.gate.wait()
            return await stored

        return wait()


class Bench:
    """A running desk; ``told`` is what its listeners heard, in order."""

    def __init__(self, journal: Memory, wire: WireEnd, rules: Rules = RULES) -> None:
        self.wire = wire
        self.journal = journal
        self.counters = Counters()
        self.told: list[Raised | Page | IncidentState] = []
        self.clock = SystemClock()
        self.desk = Desk(
            Identity("zju1", BOOT, "kernel-boot-1"),
            rules,
            TOPICS,
            wire,
            journal,
            self.clock,
            new_id,
            self.counters,
            Listeners(event=self.told.append, page=self.told.append, incident=self.told.append),
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Bench]:
        task = asyncio.create_task(self.desk.run())
        try:
            ready = asyncio.create_task(self.desk.ready())
            await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()
            if task.done():
                task.result()
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def press(self, kind: SignalKind = SignalKind.ALARM, **more: Any) -> bool:
        """The panel reports the south gate's button."""
        signal = {"account": "1234", "zone": "001", "code": "E120", "category": "panic", **more}
        return await self.hand_over(AlarmSignal(signal=kind, **signal))

    def hand_over(self, signal: AlarmSignal) -> asyncio.Future[bool]:
        """The panel hands a signal over; whether it is stored."""
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.desk.take("receiver-1", signal, lambda told: stored.done() or stored.set_result(told))
        return stored

    @property
    def incident(self) -> str:
        return self.desk.incidents()[-1].id

    @property
    def state(self) -> IncidentState:
        return self.desk.incidents()[-1]


async def until(condition: Callable[[], object], within: float = 3.0) -> None:
    """Wait for ``condition()``, no longer than needed."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)


async def settled() -> None:
    """Let everything that can run without waiting run."""
    for _ in range(20):
        await asyncio.sleep(0)


async def close(bench: Bench) -> None:
    """A person closes the newest incident, which is still latched."""
    for what in ("reset", "close"):
        made = action(bench.incident, what, disposition="handled")
        answer = await bench.desk.act(made)
        assert answer is not None
        assert answer.outcome == "applied"


async def until_published(journal: Journal) -> tuple[object, ...]:
    """The signals that the broker does not have, after a second at most in which it could get them."""
    for _ in range(100):
        left = await journal.unpublished_signals()
        if not left:
            return left
        await asyncio.sleep(0.01)
    return left
