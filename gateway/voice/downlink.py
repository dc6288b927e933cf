"""What one endpoint plays, and what its transmitter is keyed for meanwhile. Pure; times are seconds.

Rule 1. Talkgroups have a rank: the one spoken on first, then the others heard, in their order.
        One burst is played at a time; nothing is mixed, and nothing else keys.
Rule 2. A burst of a better rank takes over at once. One of a worse rank is not listened to until
        no burst is left and the hang time of the talkgroup last played or spoken on has run out;
        then it is entered late, with the packet that comes next.
Rule 3. In one talkgroup the newer token wins. If the burst being played is whole (its last packet
        has come) the newer one waits for its end, else it takes over at once. An older token is
        refused; but a burst whose token no controller has confirmed ends no other: what it has
        interrupted goes on with its next packet.
Rule 4. A burst ends when its last packet was played, or when nothing is left to play and nothing
        has come for `FRESH` (`FRESH_IDLE` once the floor is known to be idle): then without a tail.
Rule 5. A burst that has ended so is gone on with if packets of it still come; one that was played
        to its last packet, was overtaken, or reached its time-out, is not.
Rule 6. The transmitter is keyed from the first packet taken (`gateway.voice.ptt` says the rest).
Rule 7. A local sound keys as well, under a grant of its own on `LOCAL`; where a burst is played it
        is that burst's grant that keys.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.voice.jitter import Frame, Jitter
from gateway.voice.lateness import Lateness
from gateway.voice.ptt import Keyed, Ptt
from gateway.voice.rtp import Packet, Token

FRESH = 0.4
"""Seconds without a packet after which there is no audio any more (contract, section 6)."""

FRESH_IDLE = 0.1
"""The same, when the floor is idle: what still comes has only been held up on its way."""

MAX_BURSTS = 4
"""Whole bursts waiting for each other; the oldest that waits is dropped beyond."""

LOCAL = "~local"
"""What local sounds are keyed for; no configured talkgroup can be called so."""

_SOUND_ROOM = 10.0
"""Seconds beyond its length until the transmitter is released whatever a local sound does: more than tx_delay and other sounds take."""

_MAX_CLIENTS = 64
_MAX_ENDED = 16


@dataclass(frozen=True, slots=True)
class Heard:
    """A talkgroup that is listened to; ``tot`` and ``hang_time`` in seconds."""

    talkgroup: str
    tot: float
    hang_time: float


class _Burst:
    __slots__ = ("closed", "confirmed", "heard", "jitter", "key", "patience", "token")

    def __init__(
        self, key: tuple[str, str, int], heard: Heard, token: Token, jitter: Jitter
    ) -> None:
        self.key = key
        self.heard = heard
        self.token = token
        self.jitter = jitter
        self.patience = FRESH
        self.confirmed = False
        self.closed = False


class Downlink:
    """The receiving side of one endpoint.

    ``counts`` has what was refused: ``untuned``, ``waiting`` (rule 2), ``stale`` (rule 3),
    ``ended`` (rule 5); and everything that `Jitter.counts` has, of bursts that have ended.
    """

    def __init__(self, *, tx_delay: float, tail: float) -> None:
        self.counts: Counter[str] = Counter()
        self._ptt = Ptt(tx_delay, tail)
        self._heard: dict[str, tuple[int, Heard]] = {}
        self._bursts: list[
            _Burst
        ] = []  # the first is played, the others wait; all of one talkgroup
        self._ended: OrderedDict[tuple[str, str, int], _Burst] = OrderedDict()
        self._clients: OrderedDict[str, Lateness] = OrderedDict()
        self._held: tuple[str, float] | None = None  # talkgroup of the conversation, and until when
        self._local: Keyed | None = None
        self._sounds = 0

    @property
    def keyed(self) -> Keyed | None:
        """What the transmitter is to be keyed for now; also where there is none, only a speaker."""
        return self._ptt.keyed

    @property
    def busy(self) -> bool:
        """There is something to play or to keep keyed; `tick` wants to be called."""
        return bool(self._bursts) or self._ptt.keyed is not None or self._local is not None

    @property
    def hearing(self) -> bool:
        """As `busy`, but not for a local sound alone."""
        keyed = self._ptt.keyed
        return bool(self._bursts) or (keyed is not None and keyed.talkgroup != LOCAL)

    @property
    def starts_at(self) -> float | None:
        """When the first frame of the burst to be played may be had."""
        return self._bursts[0].jitter.starts_at if self._bursts else None

    @property
    def talker(self) -> str | None:
        """Whose burst is played."""
        return self._bursts[0].key[1] if self._bursts else None

    def device(self, playback_delay: float) -> None:
        """Played from now on is what sounds ``playback_delay`` after it was written."""
        self._ptt.lag = playback_delay

    def tune(self, heard: Iterable[Heard], now: float) -> None:
        """Listen to these talkgroups, best rank first, and to no other."""
        self._heard = {item.talkgroup: (rank, item) for rank, item in enumerate(heard)}
        for burst in self._bursts:
            if burst.key[0] in self._heard:
                burst.heard = self._heard[burst.key[0]][1]
        if self._bursts and self._bursts[0].key[0] not in self._heard:
            self._drop(now)
            self._ptt.silence(now)

    def spoken(self, talkgroup: str, now: float) -> None:
        """The endpoint itself has spoken on ``talkgroup``: the conversation is there."""
        if talkgroup in self._heard:
            self._held = (talkgroup, now + self._heard[talkgroup][1].hang_time)

    def floor_idle(self, talkgroup: str) -> None:
        """Nobody has the floor of ``talkgroup`` any more."""
        for burst in self._bursts:
            if burst.key[0] == talkgroup:
                burst.patience = FRESH_IDLE

    def sound(self, seconds: float | None) -> None:
        """A local sound of this length is to be played from now on; None: it is over (rule 7)."""
        if seconds is None:
            self._local = None
        elif self._local is None:
            self._sounds += 1
            self._local = Keyed(LOCAL, Token(0, self._sounds), seconds + _SOUND_ROOM)

    def stop(self, now: float) -> None:
        """Play nothing more of what is here, and release at once."""
        self._drop(now)
        self._local = None
        self._ptt.stop()

    def packet(
        self,
        talkgroup: str,
        talker: str,
        packet: Packet,
        ticks: int,
        now: float,
        *,
        confirmed: bool = True,
    ) -> bool:
        """Take one packet that plays ``ticks`` of 48 kHz; False where a rule refuses it."""
        key = (talkgroup, talker, packet.ssrc)
        for burst in self._bursts:
            if burst.key == key:
                burst.patience = FRESH
                burst.confirmed |= confirmed
                return burst.jitter.put(packet, ticks, now)
        if talkgroup not in self._heard:
            self.counts["untuned"] += 1
            return False
        rank, heard = self._heard[talkgroup]
        refused = self._refusal(key, rank, packet.token, now, confirmed=confirmed)
        if refused:
            self.counts[refused] += 1
            return False
        found = self._ended.pop(key, None)
        if found is None:
            found = _Burst(key, heard, packet.token, Jitter(self._lateness(talker)))
        found.patience = FRESH
        found.confirmed |= confirmed
        if not found.jitter.put(packet, ticks, now):
            self._ended[key] = found
            return False
        self._make_room(found, now)
        self._bursts.append(found)
        return True

    def tick(self, now: float, *, holding: bool = False) -> bool:
        """Go on to the burst that is to be played now; True where a frame of it may be pulled.

        ``holding`` says that not all of the frame last pulled has been played yet.
        """
        vanished = False
        while self._bursts and not holding:
            burst = self._bursts[0]
            gone = burst.jitter.depth == 0 and now - burst.jitter.arrived >= burst.patience
            if not burst.jitter.finished and not gone:
                break
            vanished = not burst.jitter.finished
            burst.closed = burst.jitter.finished
            self._end(now)
        if self._bursts:
            burst = self._bursts[0]
            if self._ptt.audio(
                Keyed(burst.key[0], burst.token, burst.heard.tot, burst.confirmed), now
            ):
                return self._ptt.passes(now)
            self.counts["timed_out"] += 1
            burst.closed = True
            self._end(now)
        elif self._local is not None:
            if self._ptt.audio(self._local, now):
                return self._ptt.passes(now)
            self._local = None
        elif vanished:
            self._ptt.stop()  # it was silent for long enough; that was the tail
        else:
            self._ptt.silence(now)
        return False

    def pull(self, now: float, ahead: float = 0.0) -> Frame | None:
        """The next frame of the burst being played; None before its start and after its end.

        ``ahead`` is what is still to be played before it begins, in seconds.
        """
        return self._bursts[0].jitter.pull(now, ahead) if self._bursts else None

    def _refusal(
        self, key: tuple[str, str, int], rank: int, token: Token, now: float, *, confirmed: bool
    ) -> str:
        if key in self._ended and self._ended[key].closed:
            return "ended"
        if self._bursts:
            current = self._bursts[-1]
            playing = self._heard[current.key[0]][0]
            if rank > playing:
                return "waiting"
            older = token < current.token and (current.confirmed or not confirmed)
            return "stale" if rank == playing and older else ""
        if self._held is not None and self._held[0] in self._heard:
            talkgroup, until = self._held
            if rank > self._heard[talkgroup][0] and now < until:
                return "waiting"
        return ""

    def _make_room(self, burst: _Burst, now: float) -> None:
        """Rules 2 and 3 for what is played when ``burst`` comes."""
        if not self._bursts:
            return
        if self._bursts[-1].key[0] != burst.key[0]:
            self._drop(now)
        elif not self._bursts[-1].jitter.complete:
            for overtaken in self._bursts:
                overtaken.closed = burst.confirmed and overtaken.confirmed
            self._drop(now)
        elif len(self._bursts) == MAX_BURSTS:
            self.counts["overrun"] += 1
            self._remember(self._bursts.pop(1))

    def _drop(self, now: float) -> None:
        while self._bursts:
            self._end(now)

    def _end(self, now: float) -> None:
        burst = self._bursts.pop(0)
        self._held = (burst.key[0], now + burst.heard.hang_time)
        self._remember(burst)

    def _remember(self, burst: _Burst) -> None:
        self.counts.update(burst.jitter.counts)
        burst.jitter.counts.clear()
        self._ended[burst.key] = burst
        if len(self._ended) > _MAX_ENDED:
            self._ended.popitem(last=False)

    def _lateness(self, talker: str) -> Lateness:
        """What is known of the way from a talker's client, over bursts."""
        client = talker.partition("/")[0]
        found = self._clients.setdefault(client, Lateness())
        self._clients.move_to_end(client)
        if len(self._clients) > _MAX_CLIENTS:
            self._clients.popitem(last=False)
        return found
