"""Which bursts there are to be recorded, and what of them goes to the disk when. Pure.

Rules:
  1. A burst is one SSRC of one client on one talkgroup. It begins with the first packet that may be
     played; which those are the talkgroup has decided.
  2. Its packets go to the disk as pages of `PAGE` packets, in order; the last of those here is held
     back, so that there is one to end the file with.
  3. It ends with its last packet once all before it are there: what comes later is dropped. It ends
     also `SILENT` after the newest packet that came, or when nobody listens to the talkgroup any
     more: what comes later (a broker was away for a while) is a recording of its own.
  4. Where the disk takes no more (``accepts`` is false) voice does not wait: no burst begins, and
     of those that have begun what would be written is replaced by as much of nothing, and is lost.
  5. At most `MAX_BURSTS` at a time on a talkgroup: a client that changes its SSRC with each packet makes no
     thousand files.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, replace

from gateway.voice.downlink.age import Ages
from gateway.voice.opus_toc import fillers, is_filler, ticks_of
from gateway.voice.recording.facts import Recording, identifier
from gateway.voice.recording.incidents import Occasion, Occasions
from gateway.voice.recording.ordering import Ordering
from gateway.voice.rtp import CLOCK_HZ, Packet

PAGE = 50
"""Packets: a second, which is what RFC 7845 (section 6) recommends, and what a crash may cost."""

SILENT = 2.5
"""Seconds: what is older than a talkgroup's `max_age_s` of 2 does not come."""

MAX_BURSTS = 8

_OLDEST = 3.0
"""Seconds: a talker's clock may say what it will, older voice is not heard."""

_MAX_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Begin:
    """A burst has begun; its counts are still 0."""

    recording: Recording


@dataclass(frozen=True, slots=True)
class Write:
    """Packets of a burst that come next."""

    id: str
    payloads: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """A burst is over; the last packets of it, at least one, and all that is known of it."""

    recording: Recording
    payloads: tuple[bytes, ...]


Action = Begin | Write | Finish


class _Burst:
    __slots__ = (
        "dropped",
        "emptied",
        "heard",
        "occasion",
        "ordering",
        "pending",
        "recording",
        "zero",
    )

    def __init__(self, recording: Recording, now: float, occasion: Occasion | None) -> None:
        self.recording = recording
        self.ordering = Ordering()
        self.pending: list[bytes] = []
        self.heard = now
        self.occasion = occasion
        self.dropped = 0
        self.emptied = 0  # so many of the first that wait are of nothing already
        self.zero: tuple[float, int] | None = None
        """When it began, as the packet that came soonest for its time has it; that time."""


class Bursts:
    """All bursts of one gateway that are being recorded.

    ``counts``: ``bursts``, ``lost``, ``late``, ``duplicates``, ``dropped`` (packets, rule 4),
    ``refused`` (bursts, rules 4 and 5).
    """

    def __init__(self, gateway: str, occasions: Occasions) -> None:
        self.counts: Counter[str] = Counter()
        self._gateway = gateway
        self._occasions = occasions
        self._bursts: dict[tuple[str, str, int], _Burst] = {}
        self._ended: OrderedDict[tuple[str, str, int], None] = OrderedDict()
        self._refused: OrderedDict[tuple[str, str, int], None] = OrderedDict()
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._ages = Ages()

    def __len__(self) -> int:
        return len(self._bursts)

    def now(self) -> list[Recording]:
        """What is being recorded."""
        return [burst.recording for burst in self._bursts.values()]

    def packet(
        self,
        talkgroup: str,
        talker: str,
        packet: Packet,
        ticks: int,
        now: float,
        wall: float,
        *,
        accepts: bool = True,
    ) -> list[Action]:
        """A packet that may be played has come, at ``now`` (any clock) and ``wall`` (POSIX seconds)."""
        key = talkgroup, talker.partition("/")[0], packet.ssrc
        out: list[Action] = []
        burst = self._bursts.get(key)
        if burst is None:
            if key in self._ended:
                self.counts["late"] += 1
                return out
            if not accepts or sum(one[0] == talkgroup for one in self._bursts) >= MAX_BURSTS:
                self.counts["refused"] += key not in self._refused
                _remember(self._refused, key)
                return out
            burst = self._begin(key, talker, now, wall)
            out.append(Begin(burst.recording))
        elif "/" in talker and "/" not in burst.recording.talker:
            burst.recording = replace(burst.recording, talker=talker)
        burst.heard = max(burst.heard, now)
        self._see(burst, key[1], packet, wall)
        burst.ordering.put(packet, ticks)
        burst.pending += burst.ordering.take()
        if burst.ordering.complete:
            out.append(self._end(key))
        elif len(burst.pending) - burst.emptied > PAGE:
            out += self._page(burst, accepts=accepts)
        return out

    def leave(self, talkgroup: str) -> list[Action]:
        """Nobody listens to ``talkgroup`` any more."""
        return [self._end(key) for key in tuple(self._bursts) if key[0] == talkgroup]

    def close(self) -> list[Action]:
        """End all of them."""
        return [self._end(key) for key in tuple(self._bursts)]

    def deadline(self) -> float | None:
        """When to `tick`, if nothing comes before."""
        return min((burst.heard + SILENT for burst in self._bursts.values()), default=None)

    def tick(self, now: float) -> list[Action]:
        """Time has passed."""
        return [
            self._end(key)
            for key, burst in tuple(self._bursts.items())
            if now >= burst.heard + SILENT
        ]

    def _begin(self, key: tuple[str, str, int], talker: str, now: float, wall: float) -> _Burst:
        talkgroup, _, ssrc = key
        occasion = self._occasions.of(talkgroup, talker)
        recording = Recording(
            id=self._new_id(wall, ssrc),
            kind="burst",
            talkgroup=talkgroup,
            talker=talker,
            gateway=self._gateway,
            started=wall,
            incident=None if occasion is None else occasion.incident,
            drill=occasion is not None and occasion.drill,
        )
        burst = self._bursts[key] = _Burst(recording, now, occasion)
        self.counts["bursts"] += 1
        return burst

    def _new_id(self, wall: float, ssrc: int) -> str:
        """An SSRC is random, but whoever wants to can send under another one's."""
        while (name := identifier(wall, ssrc)) in self._ids:
            ssrc = ssrc + 1 & 0xFFFF_FFFF
        self._ids[name] = None
        if len(self._ids) > _MAX_REMEMBERED:
            self._ids.popitem(last=False)
        return name

    def _see(self, burst: _Burst, client: str, packet: Packet, wall: float) -> None:
        """The packet that came soonest for its time says when the burst began.

        What waited for the floor comes late as a whole: the time of its capture says by how much.
        """
        came = wall - min(self._ages.age(client, packet.captured, wall), _OLDEST)
        if burst.zero is None:
            burst.zero = came, packet.timestamp
            return
        began, first = burst.zero
        burst.zero = min(began, came - _seconds(packet.timestamp, first)), first

    def _page(self, burst: _Burst, *, accepts: bool) -> list[Action]:
        payloads = burst.pending[:-1]
        if accepts:
            burst.pending = burst.pending[-1:]
            burst.emptied = 0
            return [Write(burst.recording.id, tuple(payloads))]
        fresh = payloads[burst.emptied :]  # rule 4
        dropped = sum(not is_filler(payload) for payload in fresh)
        burst.dropped += dropped
        self.counts["dropped"] += dropped
        empty = [one for payload in fresh for one in fillers(payload, ticks_of(payload))]
        burst.pending[burst.emptied : -1] = empty
        burst.emptied = len(burst.pending) - 1
        return []

    def _end(self, key: tuple[str, str, int]) -> Finish:
        burst = self._bursts.pop(key)
        ordering = burst.ordering
        if ordering.complete:
            _remember(self._ended, key)
        burst.pending += ordering.take(over=True)
        for what in ("lost", "late", "duplicates"):
            self.counts[what] += getattr(ordering, what)
        recording = burst.recording
        occasion = burst.occasion or self._occasions.of(key[0], recording.talker)
        started = recording.started
        if burst.zero is not None and ordering.first_timestamp is not None:
            began, first = burst.zero
            started = began + _seconds(ordering.first_timestamp, first)
        return Finish(
            replace(
                recording,
                started=started,
                packets=ordering.packets - burst.dropped,
                lost=ordering.lost + burst.dropped,
                whole=ordering.whole,
                incident=None if occasion is None else occasion.incident,
                drill=occasion is not None and occasion.drill,
            ),
            tuple(burst.pending),
        )


def _remember(keys: OrderedDict[tuple[str, str, int], None], key: tuple[str, str, int]) -> None:
    keys[key] = None
    if len(keys) > _MAX_REMEMBERED:
        keys.popitem(last=False)


def _seconds(timestamp: int, since: int) -> float:
    """From one RTP timestamp to another; they are modulo 32 bits."""
    return (((timestamp - since + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000) / CLOCK_HZ
