"""The bursts of a talkgroup as one RTP stream. Pure; times are seconds.

One SSRC for all of it. Within a burst sequence numbers and timestamps keep their distances, so that
a receiver sees what is lost and takes it from the FEC. From burst to burst the sequence goes on by
one, and the timestamp with the clock, or from the end of the burst before where that is later.

A burst whose token no controller has confirmed ends none that one has: a forged token silences nobody.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

from gateway.voice.bridges.plain_rtp import PlainPacket
from gateway.voice.bridges.rtcp import Sent
from gateway.voice.rtp import CLOCK_HZ, Packet

_PAST = 8
"""Bursts that are remembered, so that what comes late of them begins no new one."""

_FRESH = 0.4
"""Seconds without a packet after which a burst is no more in anybody's way."""

_FAR = 1_000
"""Packets between neighbours of one burst at most; 20 s."""


class Outflow:
    """``counts`` has ``late`` (of a burst that is over), ``jumped`` (`_FAR`) and ``unconfirmed``."""

    def __init__(self, payload_type: int, random_bits: Callable[[int], int], now: float) -> None:
        self.counts: Counter[str] = Counter()
        self.ssrc = random_bits(32)
        self._payload_type = payload_type
        self._sequence = random_bits(16)  # of the next packet
        self._origin = random_bits(32)
        self._began = now
        self._end = 0  # ticks since ``now`` at which what was sent ends
        self._burst: tuple[str, int] | None = None
        self._past: deque[tuple[str, int]] = deque(maxlen=_PAST)
        self._confirmed = self._whole = False
        self._heard = now
        self._first: tuple[int, int, int] = (0, 0, 0)
        self._newest = 0
        self._packets = self._octets = self._reported = 0

    def packet(
        self, talker: str, packet: Packet, ticks: int, now: float, *, confirmed: bool
    ) -> PlainPacket | None:
        """What is sent for ``packet``, which plays ``ticks``; None where it comes out of turn."""
        burst = talker, packet.ssrc
        begins = burst != self._burst
        if begins:
            if self._confirmed and burst in self._past:
                self.counts["late"] += 1
                return None
            going_on = not self._whole and now - self._heard < _FRESH
            if self._confirmed and going_on and not confirmed:
                self.counts["unconfirmed"] += 1
                return None
            if self._burst is not None:
                self._past.append(self._burst)
            self._burst = burst
            self._confirmed = self._whole = False
            self._end = max(self._end, round((now - self._began) * CLOCK_HZ))
            self._first = packet.sequence, self._sequence, self._end
            self._newest = 0
        self._confirmed |= confirmed
        self._whole |= packet.flags.last
        self._heard = now
        first, sequence, timestamp = self._first
        # Which packet of its burst it is: negative for one that was overtaken by the first.
        number = self._newest + (packet.sequence - first - self._newest + 0x8000 & 0xFFFF) - 0x8000
        if abs(number - self._newest) > _FAR or number < 0:
            self.counts["jumped" if number >= 0 else "late"] += 1
            return None
        self._newest = max(self._newest, number)
        at = timestamp + number * ticks
        self._end = max(self._end, at + ticks)
        self._sequence = sequence + self._newest + 1 & 0xFFFF
        self._packets += 1
        self._octets += len(packet.payload)
        return PlainPacket(
            self._payload_type,
            begins,
            sequence + number & 0xFFFF,
            self._origin + at & 0xFFFF_FFFF,
            self.ssrc,
            packet.payload,
        )

    def sent(self, now: float) -> Sent | None:
        """For the next report: all there was, or None where nothing was since the last."""
        if self._packets == self._reported:
            return None
        self._reported = self._packets
        timestamp = self._origin + round((now - self._began) * CLOCK_HZ) & 0xFFFF_FFFF
        return Sent(self._packets, self._octets, timestamp)
