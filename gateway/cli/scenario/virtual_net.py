"""A broker and the ways to it, in memory: MQTT 5 as far as a gateway rests on it.

The bytes are those of the wire: a gateway's own connection, session and windows run as they do on
TCP. Retained messages with their expiry, wills, QoS 0 and 1, no-local; sessions end with their
connection, and what is published while a client is away is not kept for it, as mosquitto without
persistence would not either.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass

import mqtt5

from gateway.link.subscriptions import matches

LATENCY = 0.0005
"""Seconds that bytes take one way; on loopback it is less, on a leased line more."""

Listener = Callable[[str, bytes], None]


class _End(asyncio.Transport):
    """One end of a connection: what is written here arrives at the other end's protocol."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.BaseProtocol) -> None:
        super().__init__()
        self._loop = loop
        self._protocol = protocol
        self.other: _End | None = None
        self._closing = False
        self._lost = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing and self.other is not None:
            self._loop.call_later(LATENCY, self.other.arrived, bytes(data))

    def arrived(self, data: bytes) -> None:
        if not self._lost and isinstance(self._protocol, asyncio.Protocol):
            self._protocol.data_received(data)

    def close(self) -> None:
        """After what was written has arrived, both ends are told."""
        if not self._closing:
            self._closing = True
            self._loop.call_later(LATENCY, self._both_lost)

    def abort(self) -> None:
        self._closing = True
        self._loop.call_soon(self._both_lost)

    def is_closing(self) -> bool:
        return self._closing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever buffered."""

    def die(self) -> None:
        """Whoever holds this end is gone: only the other end learns of it."""
        self._lost = True
        self.abort()

    def lost(self) -> None:
        """This end learns that the connection is gone."""
        if not self._lost:
            self._lost = self._closing = True
            self._protocol.connection_lost(None)

    def _both_lost(self) -> None:
        self.lost()
        if self.other is not None:
            self.other.lost()


class VirtualNetwork:
    """The ways to one broker: a port for each gateway, so that each can be cut off by itself."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.broker = VirtualBroker(loop)
        self._cut: set[int] = set()
        self._ends: dict[int, list[_End]] = {}

    def check(self, port: int) -> None:
        """Raise OSError where the broker cannot be reached by this way."""
        if port in self._cut or not self.broker.is_up:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))

    def dial(self, port: int, protocol: asyncio.BaseProtocol) -> asyncio.Transport:
        self.check(port)
        session = _Session(self.broker)
        here, there = _End(self._loop, protocol), _End(self._loop, session)
        here.other, there.other = there, here
        session.connection_made(there)
        self._ends.setdefault(port, []).append(here)
        protocol.connection_made(here)
        return here

    def hang_up(self, port: int) -> None:
        """Every connection by this way is gone, both ends learn of it."""
        for end in self._ends.pop(port, []):
            end.abort()

    def silence(self, port: int) -> None:
        """Whoever uses this way is dead: only the broker learns of it."""
        for end in self._ends.pop(port, []):
            end.die()

    def cut(self, port: int) -> None:
        self._cut.add(port)
        self.hang_up(port)

    def mend(self, port: int) -> None:
        self._cut.discard(port)

    def broker_down(self) -> None:
        """The broker is gone, and what it had retained with it."""
        self.broker.down()
        for port in list(self._ends):
            self.hang_up(port)

    def broker_up(self) -> None:
        self.broker.is_up = True


@dataclass(frozen=True, slots=True)
class _Kept:
    """One retained message; ``until`` on the loop's clock."""

    packet: mqtt5.PublishPacket
    until: float | None


class VirtualBroker:
    """What is retained, and who is connected. ``listeners`` hear everything that is published."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._kept: dict[str, _Kept] = {}
        self.sessions: list[_Session] = []
        self.listeners: list[Listener] = []
        self.is_up = True

    def down(self) -> None:
        self.is_up = False
        self._kept.clear()
        self.sessions.clear()  # no wills: there is nobody to say them

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry: int | None = None
    ) -> bool:
        """What somebody says who needs no connection for it; False while the broker is away."""
        if self.is_up:
            packet = mqtt5.PublishPacket(
                topic,
                payload,
                qos=mqtt5.QoS.AT_LEAST_ONCE,
                retain=retain,
                packet_id=1,
                message_expiry_interval=expiry,
            )
            self.take(packet, None)
        return self.is_up

    def take(self, packet: mqtt5.PublishPacket, source: _Session | None) -> None:
        """A publication; to whoever has subscribed, and into memory where it is retained."""
        if packet.retain:
            if packet.payload:
                expiry = packet.message_expiry_interval
                until = None if expiry is None else self._loop.time() + expiry
                self._kept[packet.topic] = _Kept(packet, until)
            else:
                self._kept.pop(packet.topic, None)
        for session in list(self.sessions):
            session.offer(packet, source)
        for listener in self.listeners:
            listener(packet.topic, bytes(packet.payload))

    def kept(self, topic_filter: str) -> list[mqtt5.PublishPacket]:
        wanted, now = topic_filter.split("/"), self._loop.time()
        return [
            one.packet
            for topic, one in self._kept.items()
            if matches(wanted, topic.split("/")) and (one.until is None or now < one.until)
        ]


class _Session(asyncio.Protocol):
    """The broker's end of one connection."""

    def __init__(self, broker: VirtualBroker) -> None:
        self._broker = broker
        self._transport: _End | None = None
        self._buffer = bytearray()
        self.client = ""
        self._will: mqtt5.Will | None = None
        self._filters: dict[str, mqtt5.TopicFilter] = {}
        self._levels: dict[str, list[str]] = {}
        self._next_id = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, _End)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        used = 0
        with memoryview(self._buffer) as view:
            while used < len(view):
                try:
                    with view[used:] as rest:
                        packet, size = mqtt5.read(rest)
                except IndexError:
                    break
                used += size
                self._handle(packet)
        del self._buffer[:used]

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._leave()

    def offer(self, packet: mqtt5.PublishPacket, source: _Session | None) -> None:
        """Send it on if one of the filters takes it."""
        topic = packet.topic.split("/")
        for pattern, wanted in self._filters.items():
            if wanted.no_local and source is self:
                continue
            if matches(self._levels[pattern], topic):
                self._send(packet, retain=packet.retain and wanted.retain_as_published)
                return

    def _handle(self, packet: mqtt5.Packet) -> None:
        match packet:
            case mqtt5.ConnectPacket():
                self.client, self._will = packet.client_id, packet.will
                for other in [one for one in self._broker.sessions if one.client == self.client]:
                    other.taken_over()
                self._broker.sessions.append(self)
                self._write(mqtt5.ConnAckPacket().write())
            case mqtt5.SubscribePacket():
                codes = [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE] * len(
                    packet.topic_filters
                )
                self._write(mqtt5.SubAckPacket(packet.packet_id, codes).write())
                for wanted in packet.topic_filters:
                    self._filters[wanted.pattern] = wanted
                    self._levels[wanted.pattern] = wanted.pattern.split("/")
                    for kept in self._broker.kept(wanted.pattern):
                        self._send(kept, retain=True)
            case mqtt5.UnsubscribePacket():
                for pattern in packet.patterns:
                    self._filters.pop(pattern, None)
                codes_of = [mqtt5.UnsubAckReasonCode.SUCCESS] * len(packet.patterns)
                self._write(mqtt5.UnsubAckPacket(packet.packet_id, codes_of).write())
            case mqtt5.PublishPacket():
                if packet.packet_id is not None:
                    self._write(mqtt5.PubAckPacket(packet.packet_id).write())
                self._broker.take(packet, self)
            case mqtt5.PingReqPacket():
                self._write(mqtt5.PingRespPacket().write())
            case mqtt5.DisconnectPacket():
                self._will = None
                self._leave()

    def taken_over(self) -> None:
        """Another connection bears this client's name now."""
        self._leave()
        if self._transport is not None:
            self._transport.abort()

    def _leave(self) -> None:
        if self not in self._broker.sessions:
            return
        self._broker.sessions.remove(self)
        will, self._will = self._will, None
        if will is not None:
            self._broker.publish(will.topic, bytes(will.payload or b""), retain=will.retain)

    def _send(self, packet: mqtt5.PublishPacket, *, retain: bool) -> None:
        quiet = packet.qos == mqtt5.QoS.AT_MOST_ONCE
        self._next_id = self._next_id % 0xFFFF + 1
        self._write(
            mqtt5.PublishPacket(
                packet.topic,
                packet.payload,
                qos=packet.qos,
                retain=retain,
                packet_id=None if quiet else self._next_id,
                content_type=packet.content_type,
                user_properties=packet.user_properties,
            ).write()
        )

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)
