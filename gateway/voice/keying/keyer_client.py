"""The daemon's side of the keyer: starts it, supervises it, and gives each endpoint its line.

Rule 1. There is a keyer while an endpoint has a PTT or squelch line. One that ends, or is silent
        for `SILENCE_KEYED` while a line is keyed (`SILENCE` otherwise), is killed and started anew
        after a pause of `FIRST_PAUSE`, doubling up to `LONGEST_PAUSE`. A new one is given longer
        for its first word.
Rule 2. Without a keyer every line is released, its squelch closed, and that is its fault.
Rule 3. Nothing here waits for the keyer. A keepalive that cannot be sent at once is dropped and
        counted: it would be late. Everything else queues.
Rule 4. Stopping closes the socket: the keyer releases at once and ends by itself a second later,
        while nobody waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.errors import KeyerError, RemoteProtocolError
from gateway.keyer.line import Keepalive, Refused, Released
from gateway.keyer.options import pack
from gateway.keyer.protocol import (
    Close,
    Device,
    Keep,
    Note,
    Open,
    State,
    ToKeyer,
    Unkey,
    Up,
    from_bytes,
)
from gateway.keyer.readback import Disagrees
from gateway.ops.counters import Counters
from gateway.voice.keying.keyer_connection import KeyerConnection

SILENCE_KEYED = 1.0
"""Seconds without a sign of life (each 0.2 s) from a keyer that holds a transmitter keyed."""

SILENCE = 3.0
"""The same with every line released, when a busy machine may have its time."""

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
"""Seconds before a keyer that has ended is started again."""

UP_WITHIN = 4.0
"""Seconds after which a keyer that still waits for another one's lock is reported."""

_COUNTED: dict[type[Released | Refused | Disagrees], str] = {
    Released: "released",
    Refused: "refused",
    Disagrees: "readback",
}
"""What a `Note` counts as: ``keyer.released.silent``, ``keyer.readback.stuck`` and so on."""

_LOOK = 0.25
_STARTING = "the keyer is starting"

_LOGGER = logging.getLogger(__name__)


class Token(Protocol):
    """A floor grant's place in history (`gateway.voice.rtp.Token`)."""

    @property
    def term(self) -> int: ...

    @property
    def grant(self) -> int: ...


@dataclass(frozen=True, slots=True)
class LineChoice:
    """A line driver by name, and its options dataclass."""

    driver: str
    options: object


@dataclass(frozen=True, slots=True)
class KeyedEndpoint:
    """An endpoint with a PTT line, a squelch line, or both."""

    endpoint: str
    ptt: LineChoice | None
    squelch: LineChoice | None


class KeyerLine:
    """One endpoint's PTT and squelch lines. Call on the loop; callbacks come on it, on changes only."""

    def __init__(self, endpoint: str, keyer: Keyer) -> None:
        self.endpoint = endpoint
        self.keyed = False
        self.squelch_open = False
        self.fault: str | None = _STARTING
        self._keyer = keyer
        self._on_squelch: Callable[[bool, float], None] | None = None
        self._on_ptt: Callable[[bool], None] | None = None
        self._on_fault: Callable[[str | None], None] | None = None

    def keepalive(
        self, token: Token, tot: float, talkgroup: str, *, confirmed: bool = True
    ) -> None:
        """There is audio to send, by this grant on ``talkgroup``: key, or stay keyed.

        To be called every 20 ms while that is so. ``tot`` is the time-out in seconds from the first
        key-up under this token; ``confirmed`` says that a controller has spoken of it. Dropped
        where there is no keyer.
        """
        now = time.monotonic()
        self._keyer.keep(self, Keepalive(talkgroup, token.term, token.grant, tot, now, confirmed))

    def unkey(self) -> None:
        """Release now."""
        self._keyer.unkey(self)

    def on_squelch(self, callback: Callable[[bool, float], None]) -> None:
        """``callback(open, at)``; ``at`` in seconds of the loop's clock. Unknown counts as closed."""
        self._on_squelch = callback

    def on_ptt(self, callback: Callable[[bool], None]) -> None:
        """``callback(keyed)`` when the line has followed."""
        self._on_ptt = callback

    def on_fault(self, callback: Callable[[str | None], None]) -> None:
        """``callback(text)`` when the lines fail, ``callback(None)`` when they are well again."""
        self._on_fault = callback

    def update(self, *, keyed: bool, squelch_open: bool, at: float, fault: str | None) -> None:
        """Take over what the keyer says (for `Keyer`)."""
        if fault != self.fault:
            self.fault = fault
            if self._on_fault:
                self._on_fault(fault)
        if keyed != self.keyed:
            self.keyed = keyed
            if self._on_ptt:
                self._on_ptt(keyed)
        if squelch_open != self.squelch_open:
            self.squelch_open = squelch_open
            if self._on_squelch:
                self._on_squelch(squelch_open, at)


@dataclass(slots=True, eq=False)
class _Entry:
    """A configured line and the number that it has with the keyer of now."""

    line: KeyerLine
    config: KeyedEndpoint
    number: int = 0
    heard: bool = False


class Keyer:
    """The keyer process of one gateway. ``lock`` is the file that keeps it the only one."""

    def __init__(self, lock: Path, counters: Counters, *, log_level: str = "INFO") -> None:
        self._lock = lock
        self._counters = counters
        self._log_level = log_level
        self._entries: dict[str, _Entry] = {}
        self._by_number: dict[int, _Entry] = {}
        self._last_number = 0
        self._configured = asyncio.Event()
        self._wanted = asyncio.Event()
        self._ready = asyncio.Event()
        self._connection: KeyerConnection | None = None
        self._up = False

    def configure(self, lines: Iterable[KeyedEndpoint]) -> None:
        """Have these lines and no others; a line whose devices stay the same is not touched."""
        wanted = {config.endpoint: config for config in lines}
        changed = [
            entry
            for endpoint, entry in self._entries.items()
            if wanted.get(endpoint) != entry.config
        ]
        # A device may move from one endpoint to another: all are closed before any is opened.
        for entry in changed:
            self._say(Close(entry.number))
            del self._by_number[entry.number]
            if entry.line.endpoint not in wanted:
                del self._entries[entry.line.endpoint]
                self._lose(entry, "not configured")
        for endpoint, config in wanted.items():
            known = self._entries.get(endpoint)
            if known is None:
                known = self._entries[endpoint] = _Entry(KeyerLine(endpoint, self), config)
            elif known in changed:
                known.config = config
                self._lose(known, _STARTING)
            else:
                continue
            self._open(known)
        self._look_whether_ready()
        self._configured.set()
        if self._entries:
            self._wanted.set()

    def line(self, endpoint: str) -> KeyerLine:
        """The lines of a configured endpoint. The same object for as long as it stays configured."""
        return self._entries[endpoint].line

    async def ready(self) -> None:
        """Wait until every line is open or known to be at fault."""
        await self._configured.wait()
        await self._ready.wait()

    async def run(self) -> None:
        """Keep a keyer running until cancelled."""
        pause = FIRST_PAUSE
        await self._wanted.wait()
        try:
            while True:
                began = time.monotonic()
                try:
                    await self._serve()
                except (KeyerError, OSError) as error:
                    _LOGGER.warning("%s", error)
                    self._counters.add("keyer.restarts")
                    self._fault_all(str(error))
                if time.monotonic() - began > LONGEST_PAUSE:
                    pause = FIRST_PAUSE
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
        finally:
            self._fault_all("the keyer is stopped")

    def keep(self, line: KeyerLine, keepalive: Keepalive) -> None:
        """Send a keepalive (for `KeyerLine`)."""
        entry = self._entries.get(line.endpoint)
        if entry is None or entry.line is not line or self._connection is None or not self._up:
            return
        if not self._connection.send_now(Keep(entry.number, keepalive)):
            self._counters.add("keyer.keepalives_dropped")

    def unkey(self, line: KeyerLine) -> None:
        """Send a release (for `KeyerLine`)."""
        entry = self._entries.get(line.endpoint)
        if entry is not None and entry.line is line:
            self._say(Unkey(entry.number))

    async def _serve(self) -> None:
        """Start a keyer and talk to it until it ends, which raises KeyerError."""
        connection = KeyerConnection.start(self._lock, self._log_level, self._hear)
        try:
            self._connection = connection
            for entry in list(self._entries.values()):
                self._open(entry)
            began = time.monotonic()
            while True:
                await connection.wait(_LOOK)
                if not self._up and time.monotonic() - began > UP_WITHIN:
                    self._fault_all(
                        f"another keyer holds {self._lock}; is there a second gateway?"
                        if connection.heard
                        else _STARTING
                    )
                keyed = any(entry.line.keyed for entry in self._entries.values())
                connection.look(SILENCE_KEYED if keyed else SILENCE)
        finally:
            self._connection = None
            self._up = False
            connection.close()

    def _open(self, entry: _Entry) -> None:
        """Give the entry a number of its own, so that no word about an earlier one reaches it."""
        self._by_number.pop(entry.number, None)
        self._last_number += 1
        entry.number = self._last_number
        entry.heard = False
        self._by_number[entry.number] = entry
        config = entry.config
        self._say(Open(entry.number, config.endpoint, _device(config.ptt), _device(config.squelch)))

    def _say(self, message: ToKeyer) -> None:
        if self._connection is not None:
            self._connection.send(message)

    def _hear(self, data: bytes) -> None:
        try:
            message = from_bytes(data)
        except RemoteProtocolError as error:
            _LOGGER.warning("the keyer sent what nobody understands: %s", error)
            return
        match message:
            case State(number, keyed, squelch_open, at, fault):
                if entry := self._by_number.get(number):
                    entry.heard = True
                    entry.line.update(
                        keyed=keyed, squelch_open=bool(squelch_open), at=at, fault=fault or None
                    )
                    self._look_whether_ready()
            case Note(_, what):
                self._counters.add(f"keyer.{_COUNTED[type(what)]}.{what}")
            case Up():
                self._up = True
                _LOGGER.info("the keyer is up")
            case _:
                pass

    def _fault_all(self, fault: str) -> None:
        for entry in self._entries.values():
            entry.heard = True
            self._lose(entry, fault)
        self._look_whether_ready()

    @staticmethod
    def _lose(entry: _Entry, fault: str) -> None:
        entry.line.update(keyed=False, squelch_open=False, at=time.monotonic(), fault=fault)

    def _look_whether_ready(self) -> None:
        if all(entry.heard for entry in self._entries.values()):
            self._ready.set()
        else:
            self._ready.clear()


def _device(choice: LineChoice | None) -> Device | None:
    return None if choice is None else Device(choice.driver, pack(choice.options))
