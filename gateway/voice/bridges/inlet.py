"""Which of the RTP packets that come in are taken, and where in a burst each belongs. Pure.

One stream at a time: the SSRC of the first packet is kept to until the burst is over. What bears
an SSRC of our own has come back. A packet's place is by its timestamp, so that what was lost or
left out (DTX) is a gap in the sequence, as the contract has it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container
from dataclasses import dataclass

from gateway.errors import RemoteProtocolError
from gateway.voice.bridges.plain_rtp import PlainPacket
from gateway.voice.opus_toc import ticks_of
from gateway.voice.rtp import CLOCK_HZ

_FAR_TICKS = CLOCK_HZ
"""A timestamp further than a second from the newest is not of this burst."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A payload that plays ``ticks``; ``number`` is its place from the burst's first packet, below 0 too."""

    payload: bytes
    ticks: int
    number: int


class Inlet:
    """``counts`` has ``malformed``, ``payload_type``, ``looped``, ``other_ssrc``, ``jumped``."""

    def __init__(self, payload_type: int, ours: Container[int]) -> None:
        self.counts: Counter[str] = Counter()
        self._payload_type = payload_type
        self._ours = ours
        self._first: PlainPacket | None = None
        self._ticks = 0
        self._newest = 0

    def take(self, data: bytes) -> Taken | None:
        """What is in a datagram, or None where it is not taken."""
        try:
            packet = PlainPacket.from_bytes(data)
            if packet.payload_type != self._payload_type:
                self.counts["payload_type"] += 1
                return None
            ticks = ticks_of(packet.payload)
        except RemoteProtocolError:
            self.counts["malformed"] += 1
            return None
        if packet.ssrc in self._ours:
            self.counts["looped"] += 1
            return None
        if self._first is None:
            self._first, self._ticks, self._newest = packet, ticks, 0
        if packet.ssrc != self._first.ssrc:
            self.counts["other_ssrc"] += 1
            return None
        ahead = packet.timestamp - self._first.timestamp - self._newest
        at = self._newest + (ahead + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
        if abs(at - self._newest) > _FAR_TICKS or ticks != self._ticks:
            self.counts["jumped"] += 1
            return None
        self._newest = max(self._newest, at)
        return Taken(packet.payload, ticks, round(at / ticks))

    def holds(self, ssrc: int) -> bool:
        """Whether it is the stream that is kept to."""
        return self._first is not None and self._first.ssrc == ssrc

    def release(self) -> None:
        """The burst is over: the next packet may be of another stream."""
        self._first = None


class Numbering:
    """SSRC, sequence numbers and timestamps of the talkgroup's bursts; ``random_bits(n)`` gives n of them."""

    def __init__(self, random_bits: Callable[[int], int]) -> None:
        self._random_bits = random_bits
        self.begin()

    def begin(self) -> None:
        """A burst begins."""
        self.ssrc = self._random_bits(32)
        self._sequence = self._random_bits(16)
        self._timestamp = self._random_bits(32)

    def place(self, taken: Taken) -> tuple[int, int]:
        """Sequence number and timestamp of one packet of it."""
        timestamp = self._timestamp + taken.number * taken.ticks & 0xFFFF_FFFF
        return self._sequence + taken.number & 0xFFFF, timestamp
