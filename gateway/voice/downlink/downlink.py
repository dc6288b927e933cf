"""What one endpoint plays, and what its transmitter is keyed for meanwhile. Pure; times are seconds.

Rule 1. Talkgroups have a rank: the one spoken on first, then the others heard, in their order.
        Unless told to mix, one burst is played at a time, and nothing else keys.
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
Rule 6. The transmitter is keyed from the first packet taken (`gateway.voice.keying.ptt` says the rest).
Rule 7. A local sound keys as well, under a grant of its own on `LOCAL`; where a burst is played it
        is that burst's grant that keys.
Rule 8. Told to mix, rule 2 does not hold: one burst of each talkgroup is played, `MAX_MIXED` at
        once, and of more the best ranks. The best rank is heard as it is, the others softer while it
        is; the transmitter is keyed by the grant of the best.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable

from gateway.ports import BLOCK
from gateway.voice.downlink.jitter import Frame, Jitter
from gateway.voice.downlink.lane import (
    FRESH,
    FRESH_IDLE,
    LOOKAHEAD,
    MAX_BURSTS,
    Burst,
    Heard,
    Key,
    Lane,
)
from gateway.voice.downlink.lateness import Lateness
from gateway.voice.keying.ptt import Keyed, Ptt
from gateway.voice.rtp import Packet, Token

__all__ = ["FRESH", "FRESH_IDLE", "LOCAL", "MAX_BURSTS", "Downlink", "Heard"]

MAX_MIXED = 4
"""Talkgroups played at once; nobody follows more, and each costs a decoder."""

LOCAL = "~local"
"""What local sounds are keyed for; no configured talkgroup can be called so."""

_SOUND_ROOM = 10.0
"""Seconds beyond its length until the transmitter is released whatever a local sound does: more than tx_delay and other sounds take."""

_MAX_CLIENTS = 64
_MAX_ENDED = 16


class Downlink:
    """The receiving side of one endpoint; ``mixes`` says that it plays several talkgroups at once.

    ``counts`` has what was refused: ``untuned``, ``waiting`` (rules 2 and 8), ``stale`` (rule 3),
    ``ended`` (rule 5); and everything that `Jitter.counts` has, of bursts that have ended.
    """

    def __init__(self, *, tx_delay: float, tail: float, mixes: bool = False) -> None:
        self.counts: Counter[str] = Counter()
        self._ptt = Ptt(tx_delay, tail)
        self._mixes = mixes
        self._lanes: list[Lane] = []  # best rank first
        self._ended: OrderedDict[Key, Burst] = OrderedDict()
        self._clients: OrderedDict[str, Lateness] = OrderedDict()
        self._held: tuple[str, float] | None = None  # talkgroup of the conversation, and until when
        self._now = 0.0
        self._local: Keyed | None = None
        self._sounds = 0

    @property
    def keyed(self) -> Keyed | None:
        """What the transmitter is to be keyed for now; also where there is none, only a speaker."""
        return self._ptt.keyed

    @property
    def busy(self) -> bool:
        """There is something to play or to keep keyed; `tick` wants to be called."""
        return self._first is not None or self._ptt.keyed is not None or self._local is not None

    @property
    def hearing(self) -> bool:
        """As `busy`, but not for a local sound alone."""
        keyed = self._ptt.keyed
        return self._first is not None or (keyed is not None and keyed.talkgroup != LOCAL)

    @property
    def starts_at(self) -> float | None:
        """When the first frame of the burst to be played may be had."""
        first = self._first
        return None if first is None else first.bursts[0].jitter.starts_at

    @property
    def talker(self) -> str | None:
        """Whose burst is played; of several, the one of the best rank."""
        first = self._first
        return None if first is None else first.bursts[0].key[1]

    @property
    def playing(self) -> list[str]:
        """Talkgroups of which a burst is played, best rank first."""
        return [lane.heard.talkgroup for lane in self._lanes if lane.bursts]

    def device(self, playback_delay: float) -> None:
        """Played from now on is what sounds ``playback_delay`` after it was written."""
        self._ptt.lag = playback_delay

    def tune(self, heard: Iterable[Heard], now: float) -> None:
        """Listen to these talkgroups, best rank first, and to no other."""
        self._now = now
        was = self._first is not None
        before = {lane.heard.talkgroup: lane for lane in self._lanes}
        lanes = []
        for item in heard:
            lane = before.pop(item.talkgroup, None) or Lane(item, self._over, self.counts)
            if lane.heard != item:
                lane.heard = item
                for burst in lane.bursts:
                    burst.keyed = None
            lanes.append(lane)
        for lane in before.values():
            lane.drop()
        self._lanes = lanes
        if was and self._first is None:
            self._ptt.silence(now)

    def spoken(self, talkgroup: str, now: float) -> None:
        """The endpoint itself has spoken on ``talkgroup``: the conversation is there."""
        lane = self._lane(talkgroup)
        if lane is not None:
            self._held = (talkgroup, now + lane.heard.hang_time)

    def floor_idle(self, talkgroup: str) -> None:
        """Nobody has the floor of ``talkgroup`` any more."""
        lane = self._lane(talkgroup)
        for burst in () if lane is None else lane.bursts:
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
        self._now = now
        self._drop_all()
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
        self._now = now
        lane = self._lane(talkgroup)
        if lane is None:
            self.counts["untuned"] += 1
            return False
        key = (talkgroup, talker, packet.ssrc)
        burst = lane.find(key)
        if burst is not None:
            burst.patience = FRESH
            burst.confirmed |= confirmed
            return burst.jitter.put(packet, ticks, now)
        refused = self._refusal(key, lane, packet.token, now, confirmed=confirmed)
        if refused:
            self.counts[refused] += 1
            return False
        burst = self._ended.pop(key, None)
        if burst is None:
            burst = Burst(key, packet.token, Jitter(self._lateness(talker)))
        burst.patience = FRESH
        burst.confirmed |= confirmed
        if not burst.jitter.put(packet, ticks, now):
            self._ended[key] = burst
            return False
        self._give_way(lane)
        lane.add(burst)
        return True

    def tick(self, now: float, *, holding: Collection[str] = ()) -> bool:
        """Go on to what is to be played now; True where frames of it may be pulled.

        Of the talkgroups in ``holding`` not all of the frame last pulled has been played yet.
        """
        self._now = now
        vanished = False
        first: Lane | None = None
        for lane in self._lanes:
            if lane.bursts:
                vanished |= lane.advance(
                    now, held=bool(holding) and lane.heard.talkgroup in holding
                )
                if first is None and lane.bursts:
                    first = lane
        if first is not None:
            burst = first.bursts[0]
            if self._ptt.audio(first.keyed, now):
                return self._ptt.passes(now)
            self.counts["timed_out"] += 1
            burst.closed = True
            first.end()
        elif self._local is not None:
            if self._ptt.audio(self._local, now):
                return self._ptt.passes(now)
            self._local = None
        elif vanished:
            self._ptt.stop()  # it was silent for long enough; that was the tail
        else:
            self._ptt.silence(now)
        return False

    def pull(self, now: float, ahead: float = 0.0, talkgroup: str | None = None) -> Frame | None:
        """The next frame of ``talkgroup`` (None: of the best rank that is played), to be played ``ahead`` seconds from ``now``.

        None before a burst's start and after its end.
        """
        lane = self._first if talkgroup is None else self._lane(talkgroup)
        return None if lane is None else lane.pull(now, ahead)

    def over_at(self, now: float, ending: float | None) -> float | None:
        """When nothing can be heard any more, or, before the next 20 ms are over, the tail is.

        ``ending`` is when the last packet of a burst begins to sound. `tick` wants to be called then
        as well; a transmitter is released with the last sound in it.
        """
        first = self._first
        if first is None:
            until = self._ptt.deadline
            return until if until is not None and until < now + BLOCK else None
        if ending is None or self._local is not None or len(self.playing) > 1:
            return None
        return ending + LOOKAHEAD if first.is_over else None

    @property
    def _first(self) -> Lane | None:
        """The best rank of which there is a burst."""
        for lane in self._lanes:
            if lane.bursts:
                return lane
        return None

    def _lane(self, talkgroup: str) -> Lane | None:
        for lane in self._lanes:
            if lane.heard.talkgroup == talkgroup:
                return lane
        return None

    def _refusal(self, key: Key, lane: Lane, token: Token, now: float, *, confirmed: bool) -> str:
        if key in self._ended and self._ended[key].closed:
            return "ended"
        if lane.refuses(token, confirmed=confirmed):
            return "stale"
        better = self._lanes[: self._lanes.index(lane)]
        if self._mixes:
            full = sum(1 for other in better if other.bursts) >= MAX_MIXED
            return "waiting" if full else ""
        if any(other.bursts for other in better):
            return "waiting"
        if self._first is None and self._held is not None:
            talkgroup, until = self._held
            if now < until and any(other.heard.talkgroup == talkgroup for other in better):
                return "waiting"
        return ""

    def _give_way(self, lane: Lane) -> None:
        """Rules 2 and 8 for what is played when a burst of ``lane`` comes."""
        others = [other for other in self._lanes if other.bursts and other is not lane]
        for other in others[MAX_MIXED - 1 if self._mixes else 0 :]:
            other.drop()

    def _drop_all(self) -> None:
        for lane in self._lanes:
            lane.drop()

    def _over(self, burst: Burst) -> None:
        """A burst is not played any more."""
        lane = self._lane(burst.key[0])
        if lane is not None:
            self._held = (burst.key[0], self._now + lane.heard.hang_time)
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
