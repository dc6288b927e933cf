"""The control connection: presence, subscriptions, QoS 1 publications, retained topics.

Rules:

1. On every connect, in this order: Status ``online``, all subscriptions, then the callbacks of
   `ControlLink.on_connection`, then every retained topic again. A broker handles one client's
   packets in order, so what is published from a callback on can be answered.
2. A message that is not acknowledged when the connection is lost raises LinkError; the caller
   repeats it. Nothing is queued for a broker that is away: the journal is that queue.
3. Retained topics take at most `_RETAINED_IN_FLIGHT` places of the window, so that an alarm
   never waits behind a district of endpoint states. Those that are bulk wait for all others and
   go out a few at a time with a pause between (`gateway.ops.pacing`).
4. A handler that raises is logged and counted; it harms neither the link nor other handlers.
"""

from __future__ import annotations

import logging
import random
from asyncio import Future, get_running_loop
from collections.abc import Callable
from functools import partial

import mqtt5

from gateway.errors import LinkError
from gateway.link.address import BrokerAddress
from gateway.link.connection import Connection, Publication
from gateway.link.dial import Profile
from gateway.link.incoming import Incoming
from gateway.link.keeper import Keeper
from gateway.link.presence import Presence, State
from gateway.link.retained import Retained, Value
from gateway.link.subscriptions import Subscriptions
from gateway.ops.clock import SystemClock
from gateway.ops.counters import Counters
from gateway.ops.pacing import Pace

_LOGGER = logging.getLogger(__name__)

_RETAINED_IN_FLIGHT = 16
_BULK_IN_FLIGHT = 8


Handler = Callable[[Incoming], None]


class ControlLink:
    """The MQTT client ``<name>``. Used from the loop only.

    ``presence`` makes the client a gateway with a Status and a will; None leaves both out.
    """

    def __init__(
        self,
        name: str,
        address: BrokerAddress,
        *,
        presence: Presence | None = None,
        counters: Counters | None = None,
        profile: Profile | None = None,
        clock: SystemClock | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock or SystemClock()
        self._presence = presence
        self._state: State = "online"
        self._stores = True
        self._records = True
        self._counters = counters or Counters()
        self._connection: Connection | None = None
        self._subscriptions: Subscriptions[Handler] = Subscriptions()
        self._callbacks: list[Callable[[bool], None]] = []
        self._retained = Retained()
        self._retained_in_flight = 0
        self._bulk = Pace(self._flush_bulk, _BULK_IN_FLIGHT)
        self._keeper = Keeper(
            name,
            address,
            profile or Profile(),
            received=self._received,
            up=self._up,
            down=self._down,
            will=None if presence is None else partial(self._will, presence),
            farewell=self._farewell,
            jitter=jitter,
        )

    @property
    def connected(self) -> bool:
        return self._connection is not None

    async def run(self) -> None:
        """Stay connected until cancelled; then say ``offline`` and leave."""
        await self._keeper.run()

    def subscribe(self, topic_filter: str, handler: Handler) -> None:
        """Hand over what matches ``topic_filter``, on this connection and every later one.

        The retained messages that match come again, to every handler of the filter.
        """
        self._subscriptions.add(topic_filter, handler)
        if self._connection is not None:
            self._connection.subscribe([topic_filter], mqtt5.QoS.AT_LEAST_ONCE)

    def unsubscribe(self, topic_filter: str, handler: Handler | None = None) -> None:
        """Take ``handler`` off the filter, or all of its handlers."""
        gone = self._subscriptions.remove(topic_filter, handler)
        if gone and self._connection is not None:
            self._connection.unsubscribe([topic_filter])

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
        """Publish with QoS 1; returns at PUBACK. ``expiry`` in seconds, ``content_type`` a MIME type.

        Raises:
            LinkError: not connected, lost before PUBACK, or refused; the caller repeats.
        """
        await self._post(
            Publication(
                topic,
                payload,
                retain=retain,
                expiry=expiry,
                properties=properties,
                content_type=content_type,
            )
        )

    def post(self, topic: str, payload: bytes, *, expiry: int | None = None) -> Future[None]:
        """As `publish`, for who has no task to spare for each message: the future is its outcome."""
        return self._post(Publication(topic, payload, expiry=expiry))

    def set_retained(
        self,
        topic: str,
        payload: bytes,
        *,
        expiry: int | None = None,
        each: bool = False,
        bulk: bool = False,
    ) -> None:
        """Keep ``payload`` as the topic's retained value, now and on every connect.

        ``b""`` clears the topic, and is forgotten once sent. A value with ``expiry`` (seconds) is
        kept no longer than that. Where ``each`` matters, a newer value does not replace this one
        before it was sent, as long as the broker is there. What is one of thousands is ``bulk``:
        it waits for everything else (rule 3).
        """
        self._retained.put(topic, payload, expiry, self._clock.now().elapsed, each=each, bulk=bulk)
        self._flush()

    def on_connection(self, callback: Callable[[bool], None]) -> None:
        """Call back with True after each connect, with False after each loss."""
        self._callbacks.append(callback)

    def announce_storage(self, *, stores: bool) -> None:
        """Whether the journal stores, as Status says it from now on."""
        self._stores = stores
        if self._presence is not None and self._connection is not None:
            self._say(self._connection, self._presence, self._state)

    def announce_recording(self, *, records: bool) -> None:
        """Whether what is to be recorded can be kept, as Status says it from now on."""
        self._records = records
        if self._presence is not None and self._connection is not None:
            self._say(self._connection, self._presence, self._state)

    def announce_stopping(self) -> None:
        """Status ``stopping``: others take over what this gateway did, before it is gone."""
        self._state = "stopping"
        if self._presence is not None and self._connection is not None:
            self._say(self._connection, self._presence, self._state)

    def _post(self, publication: Publication) -> Future[None]:
        if self._connection is None:
            lost: Future[None] = get_running_loop().create_future()
            lost.set_exception(LinkError("not connected to the broker"))
            return lost
        return self._connection.publish(publication)

    # The connection's life

    def _up(self, connection: Connection) -> None:
        if self._presence is not None:
            self._say(connection, self._presence, self._state)
        connection.subscribe(self._subscriptions.filters(), mqtt5.QoS.AT_LEAST_ONCE)
        self._connection = connection
        self._retained.connected()
        self._retained_in_flight = 0
        self._tell(connected=True)
        self._flush()

    def _down(self) -> None:
        self._connection = None
        self._tell(connected=False)

    async def _farewell(self, connection: Connection) -> None:
        if self._presence is not None:
            await self._say(connection, self._presence, "offline")

    def _will(self, presence: Presence) -> mqtt5.Will:
        return mqtt5.Will(
            presence.topic,
            payload=presence.payload("offline", self._clock.now().wall),
            qos=mqtt5.QoS.AT_LEAST_ONCE,
            retain=True,
        )

    def _say(self, connection: Connection, presence: Presence, state: State) -> Future[None]:
        payload = presence.payload(
            state, self._clock.now().wall, stores=self._stores, records=self._records
        )
        told = connection.publish(Publication(presence.topic, payload, retain=True))
        told.add_done_callback(partial(self._settled, presence.topic))
        return told

    def _tell(self, *, connected: bool) -> None:
        for callback in self._callbacks:
            try:
                callback(connected)
            except Exception:
                self._counters.add("link.handler_failed")
                _LOGGER.exception("%s: a connection callback failed", self._keeper.client_id)

    # Messages in, retained topics out

    def _received(self, packet: mqtt5.PublishPacket) -> None:
        incoming = Incoming(
            packet.topic, packet.payload, packet.retain, tuple(packet.user_properties)
        )
        for handler in self._subscriptions.handlers(packet.topic):
            try:
                handler(incoming)
            except Exception:
                self._counters.add("link.handler_failed")
                _LOGGER.exception(
                    "%s: the handler of %s failed", self._keeper.client_id, packet.topic
                )

    def _flush(self) -> None:
        """Send unsent retained topics as far as rule 3 allows."""
        connection = self._connection
        while (
            connection is not None
            and self._retained.waits
            and self._retained_in_flight < _RETAINED_IN_FLIGHT
        ):
            now = self._clock.now().elapsed
            value = self._retained.take(now)
            if value is None:
                break
            self._send_retained(connection, value, now)
        if self._retained.bulk_waits:
            self._bulk.go()

    def _flush_bulk(self, most: int) -> bool:
        connection = self._connection
        room = _BULK_IN_FLIGHT - self._retained_in_flight
        for _ in range(min(most, room)):
            now = self._clock.now().elapsed
            value = self._retained.take(now, bulk=True)
            if connection is None or value is None:
                return False
            self._send_retained(connection, value, now)
        return most < room  # else the next acknowledgement asks again

    def _send_retained(self, connection: Connection, value: Value, now: float) -> None:
        self._retained_in_flight += 1
        sent = connection.publish(
            Publication(value.topic, value.payload, retain=True, expiry=value.expiry(now))
        )
        sent.add_done_callback(partial(self._retained_sent, connection, value))

    def _retained_sent(self, connection: Connection, value: Value, sent: Future[None]) -> None:
        acknowledged = self._settled(value.topic, sent)
        if connection is self._connection:
            self._retained_in_flight -= 1
            self._retained.settled(value, acknowledged=acknowledged)
            self._flush()

    def _settled(self, topic: str, sent: Future[None]) -> bool:
        """Whether the broker took a publication that nobody awaits; a refusal is logged."""
        failure = None if sent.cancelled() else sent.exception()
        if failure is not None and self.connected:
            self._counters.add("link.refused")
            _LOGGER.warning("%s: %s: %s", self._keeper.client_id, topic, failure)
        return failure is None and not sent.cancelled()
