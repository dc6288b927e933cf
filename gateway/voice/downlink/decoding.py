"""From the frames of one talkgroup's bursts to sound, a block at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np

from gateway.errors import RemoteProtocolError
from gateway.ops.counters import Counters
from gateway.voice.downlink.jitter import Frame, Kind
from gateway.voice.downlink.pace import Speed
from gateway.voice.downlink.stretch import longer, shorter
from gateway.voice.dsp import Samples, as_block, merge
from gateway.voice.opus import Decoder

_LOGGER = logging.getLogger(__name__)

_WHOLE = 2  # concealed frames in a row at full loudness ...
_FADED = 5  # ... and until silence; beyond 100 ms a guess is a drone, not speech
_NOTHING: Samples = np.zeros(0, np.int16)


class Decoding:
    """One decoder with what it has made and nobody has heard yet. Begins anew with each SSRC."""

    def __init__(self, name: str, rate_hz: int, counters: Counters) -> None:
        self.gain: float | None = None
        """How loud it was mixed last; None before its first block."""
        self._name = name
        self._counters = counters
        self._decoder = Decoder(rate_hz)
        self._rate_hz = rate_hz
        self._length = rate_hz // 50
        self.rest = _NOTHING
        """What is left of the frame last pulled."""
        self._ssrc: int | None = None
        self._concealed = 0

    def begin(self) -> None:
        """Forget everything."""
        self.gain = None
        self.rest = _NOTHING
        self._ssrc = None

    def block(self, pull: Callable[[float], Frame | None]) -> Samples | None:
        """The next 20 ms, None where there is nothing to play yet or any more.

        ``pull(ahead)`` gives the frame to be played ``ahead`` seconds after this block's beginning.
        """
        rest, length = self.rest, self._length
        have = len(rest)
        while have < length:
            frame = pull(have / self._rate_hz)
            if frame is None:
                if not have:
                    return None
                break
            made = self._samples(frame)
            if not have and len(made) == length:  # as nearly always
                return made
            rest = np.concatenate((rest, made)) if have else made
            have = len(rest)
        self.rest = rest[length:]
        return as_block(rest[:length], length)

    def _samples(self, frame: Frame) -> Samples:
        packet, decoder = frame.packet, self._decoder
        if packet is not None and packet.ssrc != self._ssrc:
            self._ssrc = packet.ssrc
            self._concealed = 0
            decoder.begin()
        try:
            if packet is not None and frame.kind is Kind.RECOVER:
                self._concealed = 0
                return decoder.recover(packet.payload, frame.ticks)
            if packet is not None:
                made = decoder.decode(packet.payload)
                if frame.second is not None:
                    second = decoder.decode(frame.second.payload)
                    made = merge(made, as_block(second, len(made)))
                if frame.speed is not Speed.EVEN:
                    change = shorter if frame.speed is Speed.QUICKER else longer
                    made = change(made, decoder.rate_hz)
                self._concealed = 0
                return made
        except RemoteProtocolError as error:
            self._counters.add("voice.malformed_opus")
            _LOGGER.debug("%s: %s", self._name, error)
        return self._concealment(frame.ticks)

    def _concealment(self, ticks: int) -> Samples:
        self._concealed += 1
        made = self._decoder.conceal(ticks)
        gain = min(max((_FADED - self._concealed) / (_FADED - _WHOLE), 0.0), 1.0)
        return made if gain == 1.0 else (made * np.float32(gain)).astype(np.int16)
