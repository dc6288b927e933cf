"""Keeps one connection to the broker: connect, hand it over, wait for its end, pause, again."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

import mqtt5

from gateway.errors import LinkError
from gateway.link.address import BrokerAddress
from gateway.link.backoff import Backoff
from gateway.link.connection import Connection
from gateway.link.dial import Profile, connect

_LOGGER = logging.getLogger(__name__)

FAREWELL_TIMEOUT = 0.5
"""Seconds that a stop waits for the last messages to be sent."""


class Keeper:
    """Runs one MQTT client.

    ``up`` is called with each new connection before anything arrives on it, ``down`` at its end;
    both on the loop, in pairs. ``farewell`` may send last words when `run` is cancelled.
    """

    def __init__(
        self,
        client_id: str,
        address: BrokerAddress,
        profile: Profile,
        *,
        received: Callable[[mqtt5.PublishPacket], None],
        up: Callable[[Connection], None],
        down: Callable[[], None],
        writable: Callable[[bool], None] | None = None,
        will: Callable[[], mqtt5.Will] | None = None,
        farewell: Callable[[Connection], Awaitable[object]] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.client_id = client_id
        self._address = address
        self._profile = profile
        self._received = received
        self._up = up
        self._down = down
        self._writable = writable
        self._will = will
        self._farewell = farewell
        self._jitter = jitter
        self._faulty = False

    async def run(self) -> None:
        """Stay connected until cancelled."""
        loop = asyncio.get_running_loop()
        backoff = Backoff(self._jitter)
        while True:
            started = loop.time()
            try:
                connection = await connect(
                    self._address, self._profile, self._hello(), self._received, self._writable
                )
            except LinkError as error:
                self._report(str(error))
            else:
                _LOGGER.info("%s: connected to %s", self.client_id, self._address)
                self._faulty = False
                reason = await self._hold(connection)
                self._report(f"{self._address}: {reason}")
                backoff.lasted(loop.time() - started)
            await asyncio.sleep(backoff.pause())

    async def _hold(self, connection: Connection) -> LinkError:
        """Hand the connection over until it is lost; its reason."""
        self._up(connection)
        try:
            return await asyncio.shield(connection.lost)
        except asyncio.CancelledError:
            await self._leave(connection)
            raise
        finally:
            self._down()

    async def _leave(self, connection: Connection) -> None:
        if self._farewell is not None:
            # No asyncio.timeout: in a task that is being cancelled it works from Python 3.11.3 on only.
            said = asyncio.ensure_future(self._farewell(connection))
            await asyncio.wait({said}, timeout=FAREWELL_TIMEOUT)
            said.cancel()
            try:
                await said
            except (LinkError, asyncio.CancelledError) as error:
                _LOGGER.debug("%s: no farewell: %s", self.client_id, error)
        await connection.close(FAREWELL_TIMEOUT)

    def _hello(self) -> mqtt5.ConnectPacket:
        password = self._address.password
        return mqtt5.ConnectPacket(
            self.client_id,
            username=self._address.username,
            password=None if password is None else password.encode(),
            clean_start=True,
            will=None if self._will is None else self._will(),
            keep_alive=self._profile.keep_alive,
            session_expiry_interval=0,
            max_packet_size=self._profile.max_packet_bytes,
        )

    def _report(self, reason: str) -> None:
        """The first failure in a row is a warning, the others are not."""
        level = logging.DEBUG if self._faulty else logging.WARNING
        _LOGGER.log(level, "%s: no broker: %s", self.client_id, reason)
        self._faulty = True
