"""What is done to everything that an endpoint captures, in this order. Pure; blocks of 20 ms.

1. DC block: a sound card's offset would take its part of the limiter's room.
2. High pass: takes a CTCSS tone, and hum, away; first, or gain and limiter would follow them.
3. De-emphasis: a discriminator's output as flat as speech; before the gain, which measures it.
4. Automatic gain: sees nothing but speech.
5. Limiter: last, so that nothing behind it can be too loud.

Squelches listen before all of it: the tone is still there, and the gain does not move their floor.
Without a limiter what is too loud is cut off at full scale; nothing ever wraps around.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gateway.ports import BLOCK
from gateway.voice.dsp import Samples, as_block
from gateway.voice.processing.agc import Agc, AgcOptions
from gateway.voice.processing.designs import dc_block, de_emphasis, high_pass
from gateway.voice.processing.look_ahead import LookAhead
from gateway.voice.processing.recursion import BlockFilter

_FULL_SCALE = 32_767.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessingOptions:
    """Which steps there are; without any, blocks pass as they are."""

    dc_block: bool = False
    high_pass_hz: float | None = None
    de_emphasis: bool = False
    agc: AgcOptions | None = None
    limiter_dbfs: float | None = None


class Chain:
    """The steps of one open device. ``delay`` is how much later sound leaves it, in seconds."""

    def __init__(self, options: ProcessingOptions, rate_hz: int) -> None:
        sections = [dc_block(rate_hz)] if options.dc_block else []
        if options.high_pass_hz is not None:
            sections += high_pass(options.high_pass_hz, rate_hz)
        if options.de_emphasis:
            sections.append(de_emphasis(rate_hz))
        self._length = rate_hz // 50
        self._filter = BlockFilter(sections, self._length) if sections else None
        self._agc = None if options.agc is None else Agc(options.agc)
        limit = options.limiter_dbfs
        self._limiter = None if limit is None else LookAhead(limit, self._length)
        self.delay = 0.0 if self._limiter is None else self._limiter.delay * BLOCK

    def block(self, captured: Samples, *, is_open: bool) -> Samples:
        """A captured block, processed; ``is_open`` says that the squelch is."""
        samples = as_block(captured, self._length).astype(np.float64)
        if self._filter is not None:
            samples = self._filter.block(samples)
        if self._agc is not None:
            samples = self._agc.block(samples, is_open=is_open)
        if self._limiter is not None:
            samples = self._limiter.block(samples)
        np.rint(samples, out=samples)
        np.clip(samples, -_FULL_SCALE, _FULL_SCALE, out=samples)
        return samples.astype(np.int16)
