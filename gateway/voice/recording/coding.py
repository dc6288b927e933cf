"""Between packets and samples, for what is not live: sound of recordings, and recordings of sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gateway.errors import RemoteProtocolError
from gateway.voice.dsp import as_block
from gateway.voice.opus import Decoder, Encoder
from gateway.voice.opus_toc import is_filler, ticks_of
from gateway.voice.recording.facts import PRE_SKIP
from gateway.voice.resample import Resampler, codec_rate
from gateway.voice.rtp import CLOCK_HZ


def coded(samples: NDArray[np.int16], rate_hz: int, bitrate_bps: int) -> list[bytes]:
    """Mono int16 at ``rate_hz`` as packets of 20 ms, with one of silence for what the coder holds back."""
    size = rate_hz // 50
    rate = codec_rate(rate_hz)
    encoder = Encoder(rate, bitrate_bps)
    resampler = None if rate == rate_hz else Resampler(rate_hz, rate)
    packets = []
    for at in range(0, len(samples) + size, size):
        block = as_block(samples[at : at + size], size)
        if resampler is not None:
            block = as_block(resampler.block(block), rate // 50)
        packets.append(encoder.encode(block))
    return packets


def heard(payloads: Sequence[bytes], rate_hz: int) -> Iterator[NDArray[np.int16]]:
    """The sound of each packet; what is lost is recovered from the packet after it, or concealed.

    What the encoder held back at the beginning is still in it: see `sound`.
    """
    decoder = Decoder(rate_hz)
    for number, payload in enumerate(payloads):
        after = payloads[number + 1] if number + 1 < len(payloads) else b""
        ticks = ticks_of(payload)
        try:
            if not is_filler(payload):
                yield decoder.decode(payload)
            elif len(after) > 1 and ticks_of(after) == ticks:
                yield decoder.recover(after, ticks)
            else:
                yield decoder.conceal(ticks)
        except RemoteProtocolError:
            yield decoder.conceal(ticks)


def sound(payloads: Sequence[bytes], rate_hz: int) -> NDArray[np.int16]:
    """What a recording plays, at ``rate_hz``, mono, int16."""
    parts = list(heard(payloads, rate_hz))
    whole = np.concatenate(parts) if parts else np.zeros(0, np.int16)
    return whole[PRE_SKIP * rate_hz // CLOCK_HZ :]
