"""The packets of one burst in order, with something in place of what is lost. Pure.

Rules:
  1. Packets are given in the order of their numbers, each once.
  2. One that is missing is waited for until `HELD` of those after it are there, or the burst is
     over; then it is lost. If it comes after that, it is late: dropped and counted. The first packet
     of a burst, which says so, is waited for in the same way.
  3. What is lost is filled up to the time of the next packet with packets of one byte, so that what
     follows is where it was. A time that goes on without a number missing (a sender that is silent
     now and then) is filled as well, and is no loss.
  4. A time further off than `MAX_GAP`, or before what was given, is not believed: then a number is
     as long as the packet before.
  5. A number further off than `MAX_JUMP` is a sender that began to count anew: nothing is filled.
"""

from __future__ import annotations

from gateway.voice.opus_toc import fillers
from gateway.voice.rtp import CLOCK_HZ, Packet

HELD = 50
"""Packets: a second. Over TCP none overtakes another; a burst that changes its way may have some."""

MAX_GAP = 10 * CLOCK_HZ
"""Ticks: a burst with longer gaps has ended long ago for everybody who hears it."""

MAX_JUMP = 500
"""Packets of 20 ms: the same."""


class Ordering:
    """One burst. Counts: ``packets`` given, ``lost``, ``late``, ``duplicates``."""

    def __init__(self) -> None:
        self.packets = 0
        self.lost = 0
        self.late = 0
        self.duplicates = 0
        self.began = False
        """Its first packet is here."""
        self.first_timestamp: int | None = None
        """Of what was given first."""
        self._next: int | None = None  # numbers are counted on past 16 bits
        self._timestamp = 0  # expected next
        self._before: tuple[bytes, int] | None = None  # what was given last, and its ticks
        self._waiting: dict[int, tuple[Packet, int]] = {}
        self._last: int | None = None

    @property
    def complete(self) -> bool:
        """Everything up to its last packet was given."""
        return self._last is not None and self._next is not None and self._next > self._last

    @property
    def whole(self) -> bool:
        """It is complete from its first packet on."""
        return self.began and self.complete

    def put(self, packet: Packet, ticks: int) -> None:
        """A packet has come that plays ``ticks``."""
        if self._next is None:
            self._next = packet.sequence
        number = self._next + ((packet.sequence - self._next + 0x8000) & 0xFFFF) - 0x8000
        if abs(number - self._next) > MAX_JUMP:
            self._begin_anew(number)
        elif number < self._next:
            if self._before is not None or self._next - number > HELD:
                self.late += 1
                return
            self._next = number  # the first to come was not the first
        if number in self._waiting:
            self.duplicates += 1
            return
        self._waiting[number] = (packet, ticks)
        self.began |= packet.marker
        if packet.flags.last:
            self._last = number

    def take(self, *, over: bool = False) -> list[bytes]:
        """What can be given now; all that is here, where the burst is ``over``."""
        given: list[bytes] = []
        if self._before is None and not self.began and not over and len(self._waiting) < HELD:
            return given
        while self._waiting:
            assert self._next is not None
            if self._next not in self._waiting:
                if not over and max(self._waiting) - self._next < HELD:
                    break
                found = min(self._waiting)
                self.lost += found - self._next
                given += self._gap(found - self._next, self._waiting[found][0].timestamp)
                self._next = found
            packet, ticks = self._waiting.pop(self._next)
            given += self._gap(0, packet.timestamp)
            given.append(packet.payload)
            self.packets += 1
            if self.first_timestamp is None:
                self.first_timestamp = packet.timestamp
            self._before = packet.payload, ticks
            self._timestamp = packet.timestamp + ticks & 0xFFFF_FFFF
            self._next += 1
        return given

    def _gap(self, missing: int, timestamp: int) -> list[bytes]:
        """Rules 3 and 4."""
        if self._before is None:
            return []
        payload, length = self._before
        gap = timestamp - self._timestamp & 0xFFFF_FFFF
        if gap > MAX_GAP or (missing and not gap):
            gap = missing * length
        self._timestamp = timestamp
        return fillers(payload, gap) if gap else []

    def _begin_anew(self, number: int) -> None:
        """Rule 5; what still waits for what is missing goes with it."""
        self._waiting.clear()
        self._next = number
        self._before = None
        self._last = None
