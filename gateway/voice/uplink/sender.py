"""Blocks of one endpoint into packets of a talk burst: rate, loudness, Opus, RTP."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from gateway.ports import BLOCK
from gateway.voice.dsp import Samples, as_block, level_dbov
from gateway.voice.opus import Encoder
from gateway.voice.resample import Resampler, codec_rate
from gateway.voice.rtp import EARLIER, FRAME_TICKS, BurstFlags, Packet, Token

_SPEECH_DBOV = 50
"""Louder than this counts as voice activity (RFC 6464's V bit)."""


class Sender:
    """The coder of one open device; the loop's. ``random_bits(n)`` gives n random bits."""

    def __init__(self, rate_hz: int, random_bits: Callable[[int], int]) -> None:
        """Make a coder for blocks of shape ``(rate_hz // 50,)``.

        Raises:
            DriverUnavailable: libopus is not installed.
        """
        coded = codec_rate(rate_hz)
        self._random_bits = random_bits
        self._length = rate_hz // 50
        self._rates = (rate_hz, coded)
        self._resampler = None if coded == rate_hz else Resampler(rate_hz, coded)
        self._encoder = Encoder(coded)
        self._silence = np.zeros(self._length, np.int16)
        self._token = Token(0, 0)
        self._ssrc = self._sequence = self._timestamp = 0
        self._captured = 0.0
        self._marker = True
        self._emergency = False
        self._redundant = False
        self._earlier: deque[bytes] = deque(maxlen=EARLIER)

    def begin(
        self, token: Token, bitrate_bps: int, *, emergency: bool = False, redundant: bool = False
    ) -> None:
        """A new talk burst: SSRC, first sequence number and timestamp are random (RFC 3550, 5.1).

        ``redundant`` sends each packet's payload once more, with the one `EARLIER` after it.
        """
        self._redundant = redundant
        self._earlier.clear()
        self._token = token
        self._emergency = emergency
        self._ssrc = self._random_bits(32)
        self._sequence = self._random_bits(16)
        self._timestamp = self._random_bits(32)
        self._marker = True
        self._encoder.begin(bitrate_bps)
        if self._resampler is not None:
            self._resampler = Resampler(*self._rates)

    def packet(
        self, samples: Samples | None, captured: float, *, pre_roll: bool, last: bool
    ) -> Packet:
        """The next packet of the burst.

        ``captured`` is when the first sample was, in POSIX seconds. None is a block of silence
        that follows the one before.
        """
        if samples is None:
            samples = self._silence
            captured = self._captured + BLOCK
        block = as_block(samples, self._length)
        level = level_dbov(block)
        if self._resampler is not None:
            block = self._resampler.block(block)
        payload = self._encoder.encode(block)
        earlier = b""
        if self._redundant:
            if len(self._earlier) == EARLIER:
                earlier = self._earlier[0]
            self._earlier.append(payload)
        packet = Packet(
            self._sequence,
            self._timestamp,
            self._ssrc,
            self._marker,
            payload,
            level,
            level < _SPEECH_DBOV,
            self._token,
            BurstFlags(last=last, pre_roll=pre_roll, emergency=self._emergency),
            captured,
            earlier,
        )
        self._marker = False
        self._captured = captured
        self._sequence = self._sequence + 1 & 0xFFFF
        self._timestamp = self._timestamp + FRAME_TICKS & 0xFFFFFFFF
        return packet
