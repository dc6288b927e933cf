"""An event loop whose clock jumps to the next timer instead of waiting for it.

Nothing here reads the machine's clock: two runs of one scenario are the same run.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Protocol, TypeVar

from gateway.moment import Moment
from gateway.ops.clock import SystemClock

T = TypeVar("T")

START_WALL = 1_795_485_600.0
"""POSIX time at which a scenario begins that does not say: 2026-11-24T10:00:00+08:00, a Tuesday."""

MOST_TURNS = 200_000
"""Turns of the loop in one instant; a storm of thousands of presses takes some thousand."""

_UPTIME = 1_000.0
"""Seconds that the virtual machine has been up for at the start."""


class Network(Protocol):
    """What the loop connects to instead of the machine's own network."""

    def dial(self, port: int, protocol: asyncio.BaseProtocol) -> asyncio.Transport:
        """A connection to whoever listens there.

        Raises:
            OSError: nobody does.
        """

    def check(self, port: int) -> None:
        """Raise the OSError of `dial` where nobody listens."""


class _Jumping(selectors.SelectSelector):
    """Waits for nothing: where nothing is ready, time passes at once."""

    def __init__(self, pass_time: Callable[[float], None]) -> None:
        super().__init__()
        self._pass_time = pass_time
        self._turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("a scenario waits for something that no timer brings")
        if timeout > 0:
            self._turns = 0
            self._pass_time(timeout)
        else:
            self._turns += 1
            if self._turns > MOST_TURNS:
                raise RuntimeError("time stands still: something asks for another turn for ever")
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs at the speed of the machine; `time` is virtual, in seconds from 0.

    Connections lead into ``network``; what would be done in a thread is done at once.
    """

    network: Network | None = None

    def __init__(self) -> None:
        self._virtual = 0.0
        super().__init__(_Jumping(self._pass_time))

    def time(self) -> float:
        return self._virtual

    def _pass_time(self, seconds: float) -> None:
        # A little more than asked for, or the timer that it is for would not be due by a rounding.
        self._virtual += seconds + 1e-9

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """At once and on the loop: a thread would live in another time."""
        del executor
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  # as a thread would have handed it over
            future.set_exception(error)
        return future

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))]

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        del sock
        self._net().check(address[1])
        self._port = int(address[1])

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], *, sock: socket.socket, **_: Any
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """On a socket that `sock_connect` has connected just before."""
        sock.close()
        protocol = protocol_factory()
        return self._net().dial(self._port, protocol), protocol

    def _net(self) -> Network:
        assert self.network is not None, "a scenario has a network before it has connections"
        return self.network


class VirtualClock(SystemClock):
    """The clocks of a machine in virtual time."""

    def __init__(self, loop: VirtualLoop, wall: float = START_WALL) -> None:
        self._loop = loop
        self._wall = wall

    def now(self) -> Moment:
        return Moment(_UPTIME + self._loop.time(), self._wall + self._loop.time())

    def step(self, seconds: float) -> None:
        """Set the wall clock on, or back; timers do not notice."""
        self._wall += seconds


class VirtualIds:
    """UUIDs of version 7 that are the same in each run, and sort by time and order of making."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._made = 0

    def __call__(self) -> str:
        self._made += 1
        milliseconds = f"{int(self._clock.now().wall * 1000):012x}"
        number = f"{self._made:015x}"
        return f"{milliseconds[:8]}-{milliseconds[8:]}-7{number[:3]}-8{number[3:6]}-000{number[6:]}"
