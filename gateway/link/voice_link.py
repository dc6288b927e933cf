"""The voice connection: RTP and floor messages at QoS 0, never waiting, never behind an alarm."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

import mqtt5

from gateway.link.address import BrokerAddress
from gateway.link.connection import Connection, Publication
from gateway.link.dial import Profile
from gateway.link.keeper import Keeper
from gateway.link.outbox import Outbox
from gateway.link.subscriptions import Subscriptions
from gateway.ops.counters import Counters

_LOGGER = logging.getLogger(__name__)

Handler = Callable[[str, bytes], None]
"""Called with topic and payload."""

VOICE_PROFILE = Profile(max_packet_bytes=16 * 1024, send_buffer_bytes=1024, congestion="bbr")
"""1 KiB unsent in the kernel is 0.15 s of one talker: what lies there cannot be dropped any more.

BBR does not take loss for a full link: measured at 5 % on both hops, its worst 1 % of packets come
0.16 s late, cubic's 0.31 s (docs/voice.md, "On bad links").
"""

VOICE_BUFFER_BYTES = 1024
"""The same for the transport's own buffer, in which nothing can be dropped either."""


class VoiceLink:
    """The MQTT client ``<name>.voice``. Used from the loop only.

    No message of its own comes back (no-local). While the socket is full, packets wait in an
    `Outbox`; counters ``voice_link.dropped_voice`` and ``voice_link.dropped_floor`` say what it
    dropped, ``voice_link.unsent`` what was published while the broker was away.
    """

    def __init__(
        self,
        name: str,
        address: BrokerAddress,
        *,
        counters: Counters | None = None,
        profile: Profile = VOICE_PROFILE,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._counters = counters or Counters()
        self._connection: Connection | None = None
        self._subscriptions: Subscriptions[Handler] = Subscriptions()
        self._outbox = Outbox()
        self._callbacks: list[Callable[[bool], None]] = []
        self._blocked = False
        self._keeper = Keeper(
            f"{name}.voice",
            address,
            profile,
            received=self._received,
            up=self._up,
            down=self._down,
            writable=self._writable,
            jitter=jitter,
        )

    @property
    def connected(self) -> bool:
        return self._connection is not None

    async def run(self) -> None:
        """Stay connected until cancelled."""
        await self._keeper.run()

    def subscribe(self, topic_filter: str, handler: Handler) -> None:
        """Hand over what matches, on this connection and every later one. Retained echoes are not."""
        self._subscriptions.add(topic_filter, handler)
        if self._connection is not None:
            self._connection.subscribe([topic_filter], mqtt5.QoS.AT_MOST_ONCE, no_local=True)

    def unsubscribe(self, topic_filter: str, handler: Handler | None = None) -> None:
        """Take ``handler`` off the filter, or all of its handlers."""
        gone = self._subscriptions.remove(topic_filter, handler)
        if gone and self._connection is not None:
            self._connection.unsubscribe([topic_filter])

    def on_connection(self, callback: Callable[[bool], None]) -> None:
        """Call back with True after each connect, subscriptions sent, with False after each loss."""
        self._callbacks.append(callback)

    def publish(
        self, topic: str, payload: bytes, *, expiry: int | None = None, voice: bool = True
    ) -> bool:
        """Send at QoS 0; never blocks. False where there is no broker, and nothing was sent.

        ``voice=False`` marks a floor message: it is dropped only when no voice is left to drop.
        """
        if self._connection is None:
            self._counters.add("voice_link.unsent")
            return False
        packet = Publication(topic, payload, expiry=expiry).packet()
        if self._blocked:
            self._outbox.put(packet, voice=voice, now=asyncio.get_running_loop().time())
            self._count_drops()
        else:
            self._connection.publish_now(packet)
        return True

    def _up(self, connection: Connection) -> None:
        self._blocked = False
        connection.limit_buffer(VOICE_BUFFER_BYTES)
        connection.subscribe(self._subscriptions.filters(), mqtt5.QoS.AT_MOST_ONCE, no_local=True)
        self._connection = connection
        self._tell(connected=True)

    def _down(self) -> None:
        self._connection = None
        self._outbox.clear()
        self._count_drops()
        self._tell(connected=False)

    def _tell(self, *, connected: bool) -> None:
        for callback in self._callbacks:
            try:
                callback(connected)
            except Exception:
                self._counters.add("voice_link.handler_failed")
                _LOGGER.exception("a connection callback failed")

    def _writable(self, writable: bool) -> None:
        self._blocked = not writable
        now = asyncio.get_running_loop().time()
        while not self._blocked and self._connection is not None:
            packet = self._outbox.take(now)
            if packet is None:
                break
            self._connection.publish_now(packet)  # may block us again, by pause_writing
        self._count_drops()

    def _received(self, packet: mqtt5.PublishPacket) -> None:
        if packet.retain:
            # Voice, requests and answers are events; a retained one is an echo (contract, 1).
            self._counters.add("voice_link.retained_ignored")
            return
        for handler in self._subscriptions.handlers(packet.topic):
            try:
                handler(packet.topic, packet.payload)
            except Exception:
                self._counters.add("voice_link.handler_failed")
                _LOGGER.exception("the handler of %s failed", packet.topic)

    def _count_drops(self) -> None:
        outbox = self._outbox
        if outbox.dropped_voice:
            self._counters.add("voice_link.dropped_voice", outbox.dropped_voice)
            outbox.dropped_voice = 0
        if outbox.dropped_floor:
            self._counters.add("voice_link.dropped_floor", outbox.dropped_floor)
            outbox.dropped_floor = 0
