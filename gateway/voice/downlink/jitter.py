"""One talk burst between arrival and playout: order, loss, lateness. Pure; times are seconds.

Rule 1. Media time follows the sequence number (the contract has no DTX). `gateway.voice.downlink.lateness`
        says which packets were late, and what delay (its ``target``) covers this link.
Rule 2. A burst starts the target after its first packet came, with the lowest number there, and
        then gives one frame whenever asked.
Rule 3. The next packet missing and a later one here: it is lost. The one after it recovers it by
        FEC, else it is concealed; either way time goes on, and coming after all it is too late.
        Several lost in a row are not even concealed as long as playback is late. A lost packet
        counts as late as the one that recovers it, so that the next loss finds that one here.
        What a later packet carries of it once more (``earlier``) is as good as itself.
Rule 4. Nothing here at all: concealed, and time stands still, for what comes over TCP comes late
        but whole. So the burst is played later from then on, and no word is lost. A hold-up is
        seen while packets still wait: these are played slower, so that less is concealed.
Rule 5. Played later than the target, silence is skipped at once, and in a mere pause every other
        frame is merged with the next. But the first `KEPT_PAUSE` of a pause after speech stays as
        it was said, or sentences would lose their rhythm; unless nothing is said after it, or
        playback is `HURRY` too late.
Rule 6. Speech itself is played quicker too, or slower where it is played earlier than the target:
        `gateway.voice.downlink.pace` says when, `gateway.voice.downlink.stretch` how. No sound is left out.
Rule 7. Packets held up together count as one that was late. Pre-roll, which comes before what it
        is late against, never counts as late.
Rule 8. A packet already here or already played changes nothing. A number far ahead of what is
        expected begins anew there. After `MAX_WAITING` packets the oldest is dropped.
Rule 9. The burst has ended when its last packet has been given; or before that, when all that is left
        is silence which follows on silence.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from enum import Enum

from gateway.voice.downlink.lateness import Lateness, Zero
from gateway.voice.downlink.pace import Pace, Speed
from gateway.voice.rtp import CLOCK_HZ, EARLIER, FRAME_TICKS, BurstFlags, Packet

MAX_WAITING = 150
"""Packets: three seconds, more than the longest pre-roll with the longest wait for a grant."""

MAX_JUMP = 150
"""A sequence number this far ahead is a new beginning and no loss."""

SILENT_DBOV = 65
"""At or below this loudness there is nothing to hear; the noise of a sound card is."""

KEPT_PAUSE = 0.5
"""Seconds; longer than people pause between the words of a phrase (measured in recordings: 0.46)."""

HURRY = 0.3
"""Seconds too late from which on conversation suffers more than rhythm does."""

_PAUSE_DBOV = 30  # a pause is softer than this ...
_PAUSE_BELOW = 20.0  # ... and this many dB softer than the speech around it
_FORGET_LOUD = 0.2  # dB a packet: what was loud two seconds ago is half forgotten
_SLACK = 0.005  # merging begins this much above a whole frame, or it would swing to and fro
_HELD_UP = 0.025  # the next packet this late: there is a hold-up ...
_LOW = 0.08  # ... and with less than this left to play, it is time to go slow
_EARLY = 0.0005  # timers fire up to half a millisecond early, and sums of 0.02 are not exact


class Kind(Enum):
    """What is to be done for one frame."""

    PLAY = "play"  # decode ``packet``
    MERGE = "merge"  # decode ``packet`` and ``second``, and play both in the time of one
    RECOVER = "recover"  # lost; ``packet`` follows it and may carry it as FEC
    CONCEAL = "conceal"  # lost or late, and nothing to recover it from


@dataclass(frozen=True, slots=True)
class Frame:
    """The next frame; ``ticks`` of 48 kHz is how long it plays at even speed."""

    kind: Kind
    ticks: int
    packet: Packet | None = None
    second: Packet | None = None
    speed: Speed = Speed.EVEN


class Jitter:
    """The buffer of one talk burst.

    ``starts_at`` is when the first frame may be had, None before the first packet. ``arrived`` is
    when a packet last was taken. ``counts`` has ``duplicate``, ``late``, ``lost``, ``jumped``,
    ``repeated``, ``beyond``, ``overflow`` (packets), ``concealed``, ``skipped``, ``merged``, ``quicker``,
    ``slower`` (frames).
    """

    def __init__(self, lateness: Lateness) -> None:
        self.lateness = lateness
        self.starts_at: float | None = None
        self.arrived = float("-inf")
        self.counts: Counter[str] = Counter()
        self._waiting: dict[int, Packet] = {}
        self._lost: set[int] = set()
        self._newest = 0  # sequence numbers here do not wrap
        self._oldest = 0
        self._next: int | None = None  # None until the burst has started
        self._last: int | None = None
        self._ticks = FRAME_TICKS
        self._frame = FRAME_TICKS / CLOCK_HZ
        self._zero = Zero()
        self._late = 0.0
        self._loudest = 127.0
        self._merged = False
        self._pace = Pace()
        self._paused = KEPT_PAUSE  # seconds of the present pause; silence before speech is none
        self._silent = False  # what was given last

    @property
    def finished(self) -> bool:
        """The last packet of the burst has been given."""
        return self._last is not None and self._next is not None and self._next > self._last

    @property
    def silent(self) -> bool:
        """What was given last was silence; but the coder may say the end of what was before in it."""
        return self._silent

    @property
    def spent(self) -> bool:
        """All of the burst is here, and nothing of what is left can be heard (rule 9)."""
        if self._last is None or self._next is None or not self._silent:
            return False
        whole = len(self._waiting) == self._last - self._next + 1
        return whole and all(one.level_dbov >= SILENT_DBOV for one in self._waiting.values())

    @property
    def complete(self) -> bool:
        """The last packet of the burst has come, whether or not it was given yet."""
        return self._last is not None

    @property
    def depth(self) -> int:
        """Packets waiting."""
        return len(self._waiting)

    def put(self, packet: Packet, ticks: int, now: float) -> bool:
        """Take a packet that plays ``ticks`` of 48 kHz; False where it comes too late or twice."""
        if self.starts_at is None:
            self.starts_at = now + self.lateness.target
            self._newest = self._oldest = packet.sequence
        number = self._newest + (packet.sequence - self._newest + 0x8000 & 0xFFFF) - 0x8000
        if not self._is_new(number):
            return False
        if number > self._newest + MAX_JUMP:
            self.counts["jumped"] += 1
            self._waiting.clear()
            self._oldest = number
            self._zero = Zero()
            if self._next is not None:
                self._next = number
        if ticks != self._ticks:
            self._ticks, self._frame, self._zero = ticks, ticks / CLOCK_HZ, Zero()
        late = self._zero.late(now - number * self._frame, now)
        if number - 1 > self._newest:  # the one before it is recovered from this one (rule 3)
            self.lateness.add(late + self._frame)
        # Packets that were held up together come together: one hold-up, not one for each.
        self.lateness.add(0.0 if late < self._late - self._frame / 2 else late)
        self._late = late
        if self._next is not None and number < self._next:
            self.counts["late"] += 1
            self._lost.discard(number)
            return False
        self.arrived = now
        self._newest = max(self._newest, number)
        self._waiting[number] = packet
        if packet.earlier:
            self._fill(number - EARLIER, packet, late)
        self._loudest = min(self._loudest + _FORGET_LOUD, packet.level_dbov)
        if packet.flags.last:
            self._last = number
        if len(self._waiting) > MAX_WAITING:
            self.counts["overflow"] += 1
            del self._waiting[min(self._waiting)]
            if self._next is not None:
                self._next = max(self._next, min(self._waiting))
        return True

    def _fill(self, number: int, packet: Packet, late: float) -> None:
        """Put what ``packet`` carries once more where it is missing (rule 3)."""
        played = self._next is not None and number < self._next
        here = number in self._waiting or (played and number not in self._lost)
        if here or number <= self._oldest:
            return
        self.lateness.add(late + EARLIER * self._frame)  # also where it would have had to be here
        if played:
            return
        self.counts["repeated"] += 1
        self._waiting[number] = replace(
            packet,
            sequence=number & 0xFFFF,
            timestamp=packet.timestamp - EARLIER * self._ticks & 0xFFFFFFFF,
            payload=packet.earlier,
            flags=BurstFlags(pre_roll=packet.flags.pre_roll),
            captured=packet.captured - EARLIER * self._frame,
            earlier=b"",
        )

    def _is_new(self, number: int) -> bool:
        """Whether this number was never here, and is not beyond the end; counts where not."""
        played = self._next is not None and number < self._next and number not in self._lost
        if number in self._waiting or played:
            self.counts["duplicate"] += 1
            return False
        if self._last is not None and number > self._last:
            self.counts["beyond"] += 1
            return False
        return True

    def pull(self, now: float, ahead: float = 0.0) -> Frame | None:
        """The frame to play ``ahead`` seconds from ``now``; None before the start and after the end."""
        if self._next is None:
            if self.starts_at is None or now < self.starts_at - _EARLY:
                return None
            self._next = min(self._waiting)
        if self.finished:
            return None
        excess = self._skip(now)
        head = self._waiting.get(self._next)
        if head is None:
            return self._without()
        pause = self._is_pause(head)
        if pause and not self._merged and excess >= self._frame + _SLACK:
            second = self._waiting.get(self._next + 1)
            # The frame before an onset stays whole: soft consonants begin there.
            calm = second is not None and self._is_pause(second)
            if calm and self._hurries(excess):
                self._paused += self._frame
                self._merged = True
                self.counts["merged"] += 1
                self._take()
                self._take()
                return Frame(Kind.MERGE, self._ticks, head, second)
        self._paused = self._paused + self._frame if pause else 0.0
        self._merged = False
        self._take()
        speed = Speed.SLOWER
        if self._is_held_up(now):
            self._pace.broken()
        else:
            more = bool(self._waiting)
            speed = self._pace.next(excess, now + ahead, ahead, self._frame, more=more)
        if speed is not Speed.EVEN:
            self.counts[speed.value] += 1
        return Frame(Kind.PLAY, self._ticks, head, speed=speed)

    def _is_held_up(self, now: float) -> bool:
        """Whether what waits will run out before more comes."""
        assert self._zero.at is not None
        if self.complete or len(self._waiting) * self._frame > _LOW:
            return False
        late = now - self._zero.at - (self._newest + 1) * self._frame
        return late >= _HELD_UP and self.lateness.is_lasting(late)

    def _skip(self, now: float) -> float:
        """Rules 3 and 5 where playback is late; how much later than the target it then is, in seconds."""
        assert self._next is not None
        assert self._zero.at is not None
        excess = now - self._zero.at - self._next * self._frame - self.lateness.target
        while excess >= self._frame - _EARLY and self._waiting:
            head = self._waiting.get(self._next)
            follows = self._next + 1 in self._waiting
            if head is None and not follows:
                self._lose()
            elif head and follows and self._hurries(excess) and _is_silent(head):
                self.counts["skipped"] += 1
                self._take()
            else:
                break
            excess -= self._frame
        return excess

    def _hurries(self, excess: float) -> bool:
        """Whether a pause may be cut short (rule 5)."""
        if self._paused >= KEPT_PAUSE - _EARLY or excess >= HURRY - _EARLY:
            return True
        return self.complete and all(
            packet.level_dbov >= SILENT_DBOV for packet in self._waiting.values()
        )

    def _without(self) -> Frame:
        """Rules 3 and 4: the next packet is not here."""
        assert self._next is not None
        self._merged = False
        self._pace.broken()
        if not self._waiting:
            self.counts["concealed"] += 1
            return Frame(Kind.CONCEAL, self._ticks)
        self._lose()
        following = self._waiting.get(self._next)
        if following is not None:
            return Frame(Kind.RECOVER, self._ticks, following)
        self.counts["concealed"] += 1
        return Frame(Kind.CONCEAL, self._ticks)

    def _lose(self) -> None:
        assert self._next is not None
        self.counts["lost"] += 1
        self._lost.add(self._next)
        self._next += 1

    def _is_pause(self, packet: Packet) -> bool:
        level = packet.level_dbov
        return level >= SILENT_DBOV or level >= max(_PAUSE_DBOV, self._loudest + _PAUSE_BELOW)

    def _take(self) -> None:
        assert self._next is not None
        taken = self._waiting.pop(self._next, None)
        self._silent = taken is not None and taken.level_dbov >= SILENT_DBOV
        self._next += 1


def _is_silent(packet: Packet) -> bool:
    return packet.level_dbov >= SILENT_DBOV and not packet.flags.last
