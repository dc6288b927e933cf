"""A talker's sound card, the gateway's clock and a listener's sound card, each with a pace of its own.

What is between them is real: downlink, jitter buffer, playout, the sound card driver's playback
buffer. Only the codec is left out: a packet is its number, and decoding makes that part of a tone,
so that hours go by in seconds and a click can be told from what Opus does.
"""

import heapq
import random
from collections import Counter

import numpy as np

from drivers._audio import DEPTH_BLOCKS
from drivers.soundcard.buffers import PlaybackBuffer
from gateway.ops.counters import Counters
from gateway.voice.downlink import decoding
from gateway.voice.downlink.downlink import Downlink, Heard
from gateway.voice.downlink.playout import Playout
from gateway.voice.downlink.ticker import Ticker
from gateway.voice.rtp import BurstFlags, Packet, Token

RATE_HZ = 8_000
LENGTH = 160
TONE_HZ = 437.0  # no whole number of samples a period
AMPLITUDE = 8_000
WAVE = 2 * np.pi * TONE_HZ / RATE_HZ
_PLACES = np.arange(LENGTH)


class ToneDecoder:
    """Decodes the number in a payload; of a lost one it makes silence, which is a click."""

    newest = 0

    def __init__(self, rate_hz):
        self.rate_hz = rate_hz

    def begin(self):
        pass

    def decode(self, payload):
        number = int.from_bytes(payload[1:], "big")
        ToneDecoder.newest = number
        return np.rint(np.sin(WAVE * (number * LENGTH + _PLACES)) * AMPLITUDE).astype(np.int16)

    def recover(self, payload, ticks):
        return self.conceal(ticks)

    def conceal(self, ticks):
        return np.zeros(ticks // 6, np.int16)


class Card:
    """A playing sound card: takes 10 ms of its own time whenever its own 10 ms have passed."""

    rate_hz = RATE_HZ
    playback_delay = 0.02

    def __init__(self, clock, *, chunk=0.01):
        self.counters = Counter()
        self.chunk = chunk
        self.heard = []
        self._clock = clock
        self._buffer = PlaybackBuffer(DEPTH_BLOCKS, 2 * (LENGTH // 2), self.counters)

    @property
    def waiting(self):
        return self._buffer.queued(self._clock(), 2 * RATE_HZ)

    async def read(self):
        raise NotImplementedError

    def write(self, block):
        self._buffer.put(block.tobytes(), self._clock())

    def take(self):
        length = 2 * round(RATE_HZ * self.chunk)
        self.heard.append(np.frombuffer(self._buffer.take(length, self._clock()), np.int16))

    @property
    def sound(self):
        return np.concatenate(self.heard)


class ClockedCard(Card):
    """One that says what waits in it."""

    @property
    def queued(self):
        return self.waiting


class _Beat(Ticker):
    """The clocks below beat."""

    def start(self, callback, at):
        pass

    def stop(self, callback):
        pass


class _Line:
    def keepalive(self, token, tot, talkgroup, *, confirmed=True):
        pass

    def unkey(self):
        pass


def _fail(error):
    raise error


class Clocks:
    """One endless burst. ``talker`` and ``card`` are how much too quick their clocks are, as a share."""

    def __init__(self, monkeypatch, *, talker, card, clocked=True, way=None, seed=1):
        monkeypatch.setattr(decoding, "Decoder", ToneDecoder)
        self.now = 1000.0
        self.counters = Counters()
        self.card = (ClockedCard if clocked else Card)(lambda: self.now)
        self.delays = []  # (now, seconds from being said to being heard)
        self._way = way or (lambda random_, _now: 0.002 + random_.expovariate(1 / 0.0005))
        self._random = random.Random(seed)
        self.downlink = Downlink(tx_delay=0.0, tail=0.0)
        self.downlink.tune([Heard("police", 1e9, 2.0)], self.now)
        self.playout = Playout(
            "radio",
            self.downlink,
            _Line(),
            _Beat(self.counters),
            self.counters,
            active=lambda _on: None,
            broken=_fail,
        )
        self.playout.attach(self.card)
        self._begin = self.now
        self._block = 0.02 / (1 + talker)
        self._events = [
            (self.now + self._block, 0, self._say, 0),
            (self.now + 0.0131, 1, self._beat, 0),
            (self.now + 0.0047, 2, self._take, 0),
        ]
        self._chunk = self.card.chunk / (1 + card)
        self._serial = 3
        self._arrived = 0.0

    def run(self, seconds):
        end = self.now + seconds
        while self._events[0][0] < end:
            at, _, what, number = heapq.heappop(self._events)
            self.now = at
            what(at, number)

    def _at(self, at, what, number):
        self._serial += 1
        heapq.heappush(self._events, (at, self._serial, what, number))

    def _say(self, at, number):
        self._at(self._begin + (number + 2) * self._block, self._say, number + 1)
        # In order, as TCP brings them.
        self._arrived = max(self._arrived, at + self._way(self._random, at - self._begin))
        self._at(self._arrived, self._arrive, number)

    def _arrive(self, at, number):
        packet = Packet(
            sequence=number & 0xFFFF,
            timestamp=0,
            ssrc=1,
            marker=number == 0,
            payload=b"\x48" + number.to_bytes(4, "big"),
            level_dbov=15,
            voice_activity=True,
            token=Token(1, 1),
            flags=BurstFlags(),
            captured=0.0,
        )
        self.playout.packet("police", "far/talker", packet, at, confirmed=True)

    def _beat(self, at, number):
        self._at(self._begin + 0.0131 + (number + 1) * 0.02, self._beat, number + 1)
        before = ToneDecoder.newest
        self.playout._tick(at)
        if number % 25 == 0 and ToneDecoder.newest != before:
            said = self._begin + ToneDecoder.newest * self._block
            rest = sum(len(one.rest) for one in self.playout._decodings.values()) / RATE_HZ
            self.delays.append((at - self._begin, at + self.card.waiting - 0.02 - rest - said))

    def _take(self, _at, number):
        self._at(self._begin + 0.0047 + (number + 1) * self._chunk, self._take, number + 1)
        self.card.take()

    def delay(self, begin, end):
        """The mean over a span of seconds since the beginning."""
        return float(np.mean([delay for at, delay in self.delays if begin <= at < end]))


def roughness(sound):
    """The worst sample, as a share of the tone: how far it is off from what the two before it foretell."""
    wave = sound.astype(np.float32)
    # In a tone each sample is 2 cos(w) times the one before less the one before that.
    off = wave[2:] - np.float32(2 * np.cos(WAVE)) * wave[1:-1] + wave[:-2]
    return float(np.abs(off).max()) / AMPLITUDE
