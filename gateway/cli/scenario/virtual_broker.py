"""A broker and its clients in memory: as much of MQTT 5 as a gateway rests on.

Retained messages, wills, expiry of retained messages, QoS 1 to whoever is connected, clean
sessions: what is published while a client is away is not kept for it, as the embedded broker would
keep nothing over a restart either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.cli.scenario.virtual_time import VirtualClock, VirtualLoop
from gateway.errors import LinkError
from gateway.link.presence import Presence

LATENCY = 0.001
"""Seconds that a message takes to the broker, and from it."""

Handler = Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class Message:
    """A message off the wire."""

    topic: str
    payload: bytes
    retain: bool = False
    properties: tuple[tuple[str, str], ...] = ()


class VirtualBroker:
    """One broker. `down` loses every connection, and with ``forget`` all that it kept."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._retained: dict[str, tuple[bytes, float | None]] = {}
        self._clients: list[VirtualLink] = []
        self.is_up = True

    def up(self) -> None:
        self.is_up = True
        for client in list(self._clients):
            client.connect()

    def down(self) -> None:
        """Gone, and what it had retained with it."""
        self.is_up = False
        self._retained.clear()
        for client in list(self._clients):
            client.lost()

    def join(self, client: VirtualLink) -> None:
        self._clients.append(client)

    def leave(self, client: VirtualLink) -> None:
        if client in self._clients:
            self._clients.remove(client)

    def take(self, topic: str, payload: bytes, *, retain: bool, expiry: float | None) -> None:
        """A publication; it reaches the subscribers `LATENCY` later."""
        if not self.is_up:
            return
        if retain and payload:
            until = None if expiry is None else self._loop.time() + expiry
            self._retained[topic] = payload, until
        elif retain:
            self._retained.pop(topic, None)
        for client in list(self._clients):
            client.deliver(Message(topic, payload))

    def retained(self, topic_filter: str) -> list[Message]:
        now = self._loop.time()
        return [
            Message(topic, payload, retain=True)
            for topic, (payload, until) in self._retained.items()
            if matches(topic_filter, topic) and (until is None or now < until)
        ]


class VirtualLink:
    """A client, with the surface of `gateway.link.session.ControlLink` and of the media connection."""

    def __init__(
        self,
        broker: VirtualBroker,
        loop: VirtualLoop,
        clock: VirtualClock,
        presence: Presence | None = None,
    ) -> None:
        self._broker = broker
        self._loop = loop
        self._clock = clock
        self._presence = presence
        self._handlers: dict[str, list[Handler]] = {}
        self._callbacks: list[Callable[[bool], None]] = []
        self._values: dict[str, tuple[bytes, int | None]] = {}
        self.connected = False
        broker.join(self)

    def connect(self) -> None:
        if self.connected or not self._broker.is_up:
            return
        self.connected = True
        if self._presence is not None:
            self._say("online")
        for topic_filter in list(self._handlers):
            self._catch_up(topic_filter)
        for topic, (payload, expiry) in list(self._values.items()):
            self._send(topic, payload, retain=True, expiry=expiry)
        for callback in list(self._callbacks):
            callback(True)

    def lost(self) -> None:
        """The connection is gone; the broker says the will, if it lives."""
        if not self.connected:
            return
        self.connected = False
        if self._presence is not None:
            self._will()
        for callback in list(self._callbacks):
            callback(False)

    def killed(self) -> None:
        """Its process is gone: nothing of it is heard any more but the will."""
        self._callbacks.clear()
        self._handlers.clear()
        was_connected, self.connected = self.connected, False
        self._broker.leave(self)
        if was_connected and self._presence is not None:
            self._will()

    def stopped(self) -> None:
        """It has left in good order."""
        if self.connected and self._presence is not None:
            self._say("offline")
        self._presence = None
        self.killed()

    # As `ControlLink`

    def announce_stopping(self) -> None:
        if self.connected and self._presence is not None:
            self._say("stopping")

    def on_connection(self, callback: Callable[[bool], None]) -> None:
        self._callbacks.append(callback)

    def subscribe(self, topic_filter: str, handler: Handler) -> None:
        self._handlers.setdefault(topic_filter, []).append(handler)
        if self.connected:
            self._catch_up(topic_filter)

    def unsubscribe(self, topic_filter: str, handler: Handler | None = None) -> None:
        handlers = self._handlers.get(topic_filter, [])
        if handler is None:
            handlers.clear()
        elif handler in handlers:
            handlers.remove(handler)
        if not handlers:
            self._handlers.pop(topic_filter, None)

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        expiry: int | None = None,
        properties: tuple[tuple[str, str], ...] = (),
        content_type: str | None = None,
    ) -> None:
        del properties, content_type
        await self._acknowledged(topic, payload, retain=retain, expiry=expiry)

    def post(
        self, topic: str, payload: bytes, *, expiry: int | None = None
    ) -> asyncio.Future[None]:
        return self._acknowledged(topic, payload, retain=False, expiry=expiry)

    def set_retained(
        self,
        topic: str,
        payload: bytes,
        *,
        expiry: int | None = None,
        each: bool = False,
        bulk: bool = False,
    ) -> None:
        del each, bulk
        if payload:
            self._values[topic] = payload, expiry
        else:
            self._values.pop(topic, None)
        if self.connected:
            self._send(topic, payload, retain=True, expiry=expiry)

    # The wire

    def deliver(self, message: Message) -> None:
        """A publication of somebody, or one's own."""
        if self.connected and any(matches(one, message.topic) for one in self._handlers):
            self._loop.call_later(LATENCY, self._arrived, message)

    def _arrived(self, message: Message) -> None:
        if not self.connected:
            return
        for topic_filter, handlers in list(self._handlers.items()):
            if matches(topic_filter, message.topic):
                for handler in list(handlers):
                    handler(message)

    def _catch_up(self, topic_filter: str) -> None:
        for message in self._broker.retained(topic_filter):
            self._loop.call_later(LATENCY, self._arrived, message)

    def _acknowledged(
        self, topic: str, payload: bytes, *, retain: bool, expiry: int | None
    ) -> asyncio.Future[None]:
        done: asyncio.Future[None] = self._loop.create_future()
        if not self.connected:
            done.set_exception(LinkError("not connected to the broker"))
            return done

        def acknowledge() -> None:
            if done.done():
                return
            if self.connected:
                done.set_result(None)
            else:
                done.set_exception(LinkError("lost before PUBACK"))

        self._send(topic, payload, retain=retain, expiry=expiry)
        self._loop.call_later(2 * LATENCY, acknowledge)
        return done

    def _send(self, topic: str, payload: bytes, *, retain: bool, expiry: int | None) -> None:
        def arrive() -> None:
            self._broker.take(topic, payload, retain=retain, expiry=expiry)

        self._loop.call_later(LATENCY, arrive)

    def _say(self, state: Any) -> None:
        assert self._presence is not None
        payload = self._presence.payload(state, self._clock.now().wall)
        self._broker.take(self._presence.topic, payload, retain=True, expiry=None)

    def _will(self) -> None:
        self._say("offline")


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a topic is within a filter (MQTT 5, section 4.7)."""
    wanted, given = topic_filter.split("/"), topic.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(given) or level not in ("+", given[index]):
            return False
    return len(wanted) == len(given)
