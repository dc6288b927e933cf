"""One MQTT 5 connection, from CONNECT to the end of its socket. It never reconnects.

Rules:

1. Clean start and no session: nothing that a broker kept for us is delivered late, and nothing is
   delivered twice. What must not be lost is resent end to end (receipts, ``applied``), since
   a PUBACK is no receipt (measured: mosquitto loses 1000 of 1000 PUBACKed messages at kill -9).
2. At most `WINDOW` QoS 1 publications are in flight, fewer where CONNACK's Receive Maximum says
   so; further ones wait in order. A slot is freed by its PUBACK alone, also when nobody waits
   for it any more.
3. A PUBACK with a reason of 128 or more is a refusal and not a success.
4. An incoming QoS 1 message is acknowledged after its handler has returned.
5. Silence is death: a PINGREQ goes out twice per keep-alive, and without a byte from the broker
   for one keep-alive after it the connection is aborted. Below MQTT, TCP_USER_TIMEOUT and TCP
   keep-alive notice a dead path (`gateway.link.dial`).
6. Malformed or oversized bytes end the connection; nothing is made of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import cast

import mqtt5

from gateway.errors import LinkError

_LOGGER = logging.getLogger(__name__)

WINDOW = 64
"""QoS 1 publications in flight (faults.md, 2)."""

_REFUSED = 128
"""MQTT 5, 2.4: reason codes from here on are failures. mqtt5's enums compare with int() only."""

_ANY_PACKET = 268_435_460
"""Bytes; MQTT 5, 2.1.4."""

_FILTERS_PER_SUBSCRIBE = 100


@dataclass(frozen=True, slots=True)
class Publication:
    """One message on its way out: QoS 1 under a packet id, QoS 0 without one."""

    topic: str
    payload: bytes
    retain: bool = False
    expiry: int | None = None
    properties: tuple[tuple[str, str], ...] = ()
    content_type: str | None = None

    def packet(self, packet_id: int | None = None) -> bytes:
        return mqtt5.PublishPacket(
            self.topic,
            self.payload,
            qos=mqtt5.QoS.AT_MOST_ONCE if packet_id is None else mqtt5.QoS.AT_LEAST_ONCE,
            retain=self.retain,
            packet_id=packet_id,
            message_expiry_interval=self.expiry,
            user_properties=list(self.properties),
            content_type=self.content_type,
        ).write()


Acknowledged = asyncio.Future[None]


class Connection(asyncio.Protocol):
    """An `asyncio.Protocol` that speaks MQTT 5. Made by `connect`; used from the loop only.

    ``established`` resolves at an accepting CONNACK; ``lost`` resolves, with the reason, at the end.
    """

    def __init__(
        self,
        hello: mqtt5.ConnectPacket,
        received: Callable[[mqtt5.PublishPacket], None],
        writable: Callable[[bool], None] | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.established: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[LinkError] = loop.create_future()
        self._loop = loop
        self._hello = hello
        self._received = received
        self._writable = writable
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._outgoing: list[bytes] = []
        self._window = WINDOW
        self._largest = _ANY_PACKET
        self._next_id = 0
        self._in_flight: dict[int, Acknowledged] = {}
        self._waiting: deque[tuple[Publication, Acknowledged]] = deque()
        self._subscribing: dict[int, tuple[str, ...]] = {}
        self._heard = loop.time()
        self._ping: asyncio.TimerHandle | None = None

    # What the owner asks for

    def publish(self, publication: Publication) -> Acknowledged:
        """Send one QoS 1 message now or when the window has room.

        The future resolves at PUBACK, or raises LinkError when the broker refuses or is lost.
        """
        acknowledged: Acknowledged = self._loop.create_future()
        if self.lost.done():
            acknowledged.set_exception(self.lost.result())
        elif len(self._in_flight) < self._window:
            self._send(publication, acknowledged)
        else:
            self._waiting.append((publication, acknowledged))
        return acknowledged

    def publish_now(self, packet: bytes) -> None:
        """Write one ready-made QoS 0 PUBLISH packet."""
        self._write(packet)

    def subscribe(self, filters: Sequence[str], qos: mqtt5.QoS, *, no_local: bool = False) -> None:
        """Ask for ``filters``; one that the broker refuses is logged.

        Retain-as-published, so that a retained message is known as such also while it is live.
        """
        wanted = [mqtt5.TopicFilter(one, max_qos=qos, no_local=no_local) for one in filters]
        for start in range(0, len(wanted), _FILTERS_PER_SUBSCRIBE):
            part = wanted[start : start + _FILTERS_PER_SUBSCRIBE]
            packet_id = self._free_id()
            self._subscribing[packet_id] = tuple(one.pattern for one in part)
            self._write(mqtt5.SubscribePacket(packet_id, part).write())

    def unsubscribe(self, filters: Sequence[str]) -> None:
        self._write(mqtt5.UnsubscribePacket(self._free_id(), list(filters)).write())

    def limit_buffer(self, high_bytes: int) -> None:
        """Call ``writable(False)`` while more than ``high_bytes`` wait in the transport."""
        if self._transport is not None:
            self._transport.set_write_buffer_limits(high=high_bytes)

    async def close(self, patience: float) -> None:
        """Say goodbye (the will is not published) and wait ``patience`` seconds for it to be sent."""
        if self._transport is None or self.lost.done():
            return
        self._write(mqtt5.DisconnectPacket().write())
        self._write_out()
        self._transport.close()
        try:
            await asyncio.wait([self.lost], timeout=patience)
        finally:
            self.abort("closed")

    def abort(self, reason: str) -> None:
        """End at once; the broker publishes the will."""
        if self._transport is not None:
            self._transport.abort()
        self._end(reason)

    # What the transport says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._write(self._hello.write())

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        self._buffer += data
        try:
            used = self._read_packets()
        except _Malformed as error:
            self.abort(f"the broker sent malformed bytes: {error}")
            return
        del self._buffer[:used]
        if len(self._buffer) > (self._hello.max_packet_size or _ANY_PACKET):
            self.abort("the broker sends a packet larger than we take")

    def connection_lost(self, exc: Exception | None) -> None:
        self._end("the broker closed the connection" if exc is None else str(exc))

    def pause_writing(self) -> None:
        if self._writable is not None:
            self._writable(False)

    def resume_writing(self) -> None:
        if self._writable is not None:
            self._writable(True)

    # Inside

    def _read_packets(self) -> int:
        used = 0
        with memoryview(self._buffer) as view:
            while used < len(view) and not self.lost.done():
                with view[used:] as rest:
                    read = _read(rest)
                if read is None:
                    break
                packet, size = read
                used += size
                self._handle(packet)
        return used

    def _handle(self, packet: mqtt5.Packet) -> None:
        match packet:
            case mqtt5.PublishPacket():
                self._received(packet)
                if packet.qos == mqtt5.QoS.AT_LEAST_ONCE and packet.packet_id is not None:
                    self._write(mqtt5.PubAckPacket(packet.packet_id).write())
            case mqtt5.PubAckPacket():
                self._acknowledged(packet)
            case mqtt5.SubAckPacket():
                self._subscribed(packet)
            case mqtt5.ConnAckPacket() if not self.established.done():
                self._greeted(packet)
            case mqtt5.DisconnectPacket():
                reason = _words(packet.reason_code)
                self.abort(f"the broker hung up: {reason}")
            case mqtt5.PingRespPacket() | mqtt5.UnsubAckPacket():
                pass
            case _:
                raise _Malformed(f"unexpected {type(packet).__name__}")

    def _greeted(self, packet: mqtt5.ConnAckPacket) -> None:
        if packet.reason_code != mqtt5.ConnAckReasonCode.SUCCESS:
            reason = _words(packet.reason_code)
            self.abort(f"the broker refused us: {reason}")
            return
        self._window = min(WINDOW, packet.receive_max)
        self._largest = packet.max_packet_size or _ANY_PACKET
        keep_alive = self._hello.keep_alive
        if packet.server_keep_alive is not None:
            keep_alive = packet.server_keep_alive
        self.established.set_result(None)
        if keep_alive:
            self._ping = self._loop.call_later(keep_alive / 2, self._look, keep_alive)

    def _look(self, keep_alive: int) -> None:
        """Ping, or give up (rule 5). Whatever was heard counts: the answer may queue behind it."""
        silence = self._loop.time() - self._heard
        if silence > 1.5 * keep_alive:
            self.abort(f"nothing from the broker for {silence:.1f} s")
            return
        self._write(mqtt5.PingReqPacket().write())
        self._ping = self._loop.call_later(keep_alive / 2, self._look, keep_alive)

    def _send(self, publication: Publication, acknowledged: Acknowledged) -> None:
        packet_id = self._free_id()
        packet = publication.packet(packet_id)
        if len(packet) > self._largest:  # the broker would hang up, again at each repetition
            acknowledged.set_exception(
                LinkError(f"{len(packet)} bytes; the broker takes at most {self._largest}")
            )
            return
        self._in_flight[packet_id] = acknowledged
        self._write(packet)

    def _acknowledged(self, packet: mqtt5.PubAckPacket) -> None:
        acknowledged = self._in_flight.pop(packet.packet_id, None)
        if acknowledged is not None and not acknowledged.done():
            if int(packet.reason_code) >= _REFUSED:
                reason = _words(packet.reason_code)
                acknowledged.set_exception(LinkError(f"the broker refused the message: {reason}"))
            else:
                acknowledged.set_result(None)
        while self._waiting and len(self._in_flight) < self._window:
            publication, waiting = self._waiting.popleft()
            if not waiting.done():
                self._send(publication, waiting)

    def _subscribed(self, packet: mqtt5.SubAckPacket) -> None:
        filters = self._subscribing.pop(packet.packet_id, ())
        for topic_filter, code in zip(filters, packet.reason_codes, strict=False):
            if int(code) >= _REFUSED:
                _LOGGER.warning(
                    "%s: the broker refused the subscription to %s: %s",
                    self._hello.client_id,
                    topic_filter,
                    _words(code),
                )

    def _free_id(self) -> int:
        while True:
            self._next_id = self._next_id % 0xFFFF + 1
            if self._next_id not in self._in_flight:
                return self._next_id

    def _write(self, packet: bytes) -> None:
        """Send it with what else this turn of the loop has to say: the price is the call's."""
        if not self._outgoing:
            self._loop.call_soon(self._write_out)
        self._outgoing.append(packet)

    def _write_out(self) -> None:
        packets, self._outgoing = self._outgoing, []
        if packets and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(packets))

    def _end(self, reason: str) -> None:
        if self.lost.done():
            return
        error = LinkError(reason)
        self.lost.set_result(error)
        if not self.established.done():
            self.established.set_exception(error)
            self.established.exception()  # `connect` may be gone already
        if self._ping is not None:
            self._ping.cancel()
        unfinished = [*self._in_flight.values(), *(waiting for _, waiting in self._waiting)]
        self._in_flight.clear()
        self._waiting.clear()
        for acknowledged in unfinished:
            if not acknowledged.done():
                acknowledged.set_exception(LinkError(f"lost before PUBACK: {reason}"))


def _words(code: IntEnum) -> str:
    """A reason code for people: ``not authorized``."""
    return code.name.lower().replace("_", " ")


class _Malformed(Exception):
    """Bytes that MQTT 5 does not allow."""


def _read(view: memoryview) -> tuple[mqtt5.Packet, int] | None:
    """The first packet and its size, or None where more bytes are needed."""
    try:
        return mqtt5.read(view)
    except IndexError:
        return None
    except ValueError as error:
        raise _Malformed(str(error)) from error
    except BaseException as error:
        # mqtt5 0.8 panics on a topic that is not UTF-8; pyo3's PanicException is no Exception.
        if type(error).__name__ != "PanicException":
            raise
        raise _Malformed("a string is not UTF-8") from None
