"""What one endpoint hears, in the figures of TS 22.179, 6.15. Pure; seconds.

Rules:

1. A burst whose first packet came here gives, as its sound begins, the end-to-end access time (KPI 2):
   from when that word was spoken, so with squelch, access, network and buffer in it. Silence before
   the word, which the jitter buffer may leave out, is no word.
2. One later packet in `EACH` gives mouth to ear (KPI 3); pre-roll does not, it waited for the grant.
3. A burst whose first packet never came here is a late entry (KPI 4a) if the endpoint came to
   the talkgroup, or had to leave it aside, less than `ENTRY` before: from then to its sound. Else its
   start was clipped.
4. Both ends' clocks are in KPI 2 and 3: they are true where the machines keep one time (NTP). What is
   impossible (earlier than spoken, or above `APART`) is counted as such and in no figure.
"""

from __future__ import annotations

from collections import Counter

from gateway.ops.measures import Measures
from gateway.voice.downlink.jitter import Frame, Kind
from gateway.voice.rtp import Packet

EACH = 25
"""Packets: half a second of speech."""
ENTRY = 2.0
APART = 10.0

ACCESS = "voice.end_to_end_access"
MOUTH_TO_EAR = "voice.mouth_to_ear"
LATE_ENTRY = "voice.late_entry"


class Hearing:
    """One endpoint's ear. ``counts`` has, by talkgroup and kind, what was played of speech (frames).

    Kinds: ``played``, ``recovered`` (FEC), ``concealed``, ``clipped_starts`` (bursts),
    ``clocks_apart`` (packets whose age is impossible).
    """

    def __init__(self, measures: Measures, counts: Counter[tuple[str, str]]) -> None:
        self._measures = measures
        self._counts = counts
        self._bursts: dict[str, int] = {}  # SSRC by talkgroup
        self._packets = 0
        self._came: dict[str, float] = {}  # when late entry began
        self._begun: dict[str, int] = {}  # SSRC of the burst whose first packet came, by talkgroup

    def came(self, talkgroup: str, now: float) -> None:
        """The endpoint is tuned to it from now on, or has just left a packet of it aside."""
        self._came[talkgroup] = now

    def taken(self, talkgroup: str, packet: Packet) -> None:
        """A packet came and is to be played."""
        if packet.marker:
            self._begun[talkgroup] = packet.ssrc

    def heard(self, talkgroup: str, frame: Frame, now: float, wall: float) -> None:
        """``frame`` begins to sound at ``now``, which is ``wall`` in POSIX seconds."""
        packet = frame.packet
        if packet is None:
            self._counts[talkgroup, "concealed"] += 1
            return
        self._counts[talkgroup, "recovered" if frame.kind is Kind.RECOVER else "played"] += 1
        if self._bursts.get(talkgroup) != packet.ssrc:
            self._bursts[talkgroup] = packet.ssrc
            self._packets = 0
            if self._begun.get(talkgroup) == packet.ssrc:
                self._age(ACCESS, talkgroup, wall - packet.captured)
            else:
                self._entered(talkgroup, now)
            self._came.pop(talkgroup, None)
        elif not packet.flags.pre_roll:
            self._packets += 1
            if self._packets % EACH == 0:
                self._age(MOUTH_TO_EAR, talkgroup, wall - packet.captured)

    def _entered(self, talkgroup: str, now: float) -> None:
        came = self._came.get(talkgroup)
        if came is not None and now - came < ENTRY:
            self._measures.observe(LATE_ENTRY, talkgroup, now - came)
        else:
            self._counts[talkgroup, "clipped_starts"] += 1

    def _age(self, name: str, talkgroup: str, seconds: float) -> None:
        if 0 <= seconds < APART:
            self._measures.observe(name, talkgroup, seconds)
        else:
            self._counts[talkgroup, "clocks_apart"] += 1
