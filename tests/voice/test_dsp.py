"""Samples between device and codec."""

import numpy as np
import pytest

from gateway.voice.dsp import as_block, level_dbov, merge
from gateway.voice.resample import Resampler, codec_rate


def square(dbov, length=320):
    return np.tile([1, -1], length // 2) * 32768 * 10 ** (-dbov / 20)


def sine(rate, frequency, seconds, amplitude=16_000):
    return (
        np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate) * amplitude
    ).astype(np.int16)


@pytest.mark.parametrize("dbov", [1, 3, 20, 40, 60, 70])
def test_level_is_counted_from_a_full_scale_square_wave(dbov):
    assert level_dbov(np.rint(square(dbov)).astype(np.int16)) == dbov


def test_a_full_scale_sine_has_3_dbov():
    assert level_dbov(sine(16_000, 1_000, 0.02, 32_767)) == 3


def test_level_ends_at_0_and_127():
    assert level_dbov(np.full(320, -32_768, np.int16)) == 0
    assert level_dbov(np.zeros(320, np.int16)) == 127
    assert level_dbov(np.zeros(0, np.int16)) == 127


def test_merge_fades_from_the_earlier_to_the_later_block():
    out = merge(np.full(320, 1000, np.int16), np.full(320, -1000, np.int16))
    assert (out[0], out[-1]) == (1000, -1000)
    assert np.all(np.diff(out) <= 0)
    assert out.dtype == np.int16


def test_merge_of_one_block_with_itself_is_that_block():
    block = sine(16_000, 300, 0.02, 32_767)
    assert np.array_equal(merge(block, block), block)


def test_as_block_fills_up_with_silence_and_cuts():
    assert list(as_block(np.ones(2, np.int16), 4)) == [1, 1, 0, 0]
    assert list(as_block(np.ones(6, np.int16), 4)) == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("device", "codec"),
    [(8_000, 8_000), (11_050, 12_000), (16_000, 16_000), (22_050, 24_000), (32_000, 48_000),
     (44_100, 48_000), (48_000, 48_000), (96_000, 48_000)],
)  # fmt: skip
def test_the_codec_runs_at_the_rate_of_the_device_or_the_next_that_loses_nothing(device, codec):
    assert codec_rate(device) == codec


@pytest.mark.parametrize(
    "rates", [(44_100, 48_000), (48_000, 44_100), (32_000, 48_000), (22_050, 24_000)]
)
def test_resampling_gives_one_block_for_each_and_keeps_the_tone(rates):
    source, target = rates
    resampler = Resampler(source, target)
    tone = sine(source, 1_000, 2.0)
    made = [resampler.block(tone[n : n + source // 50]) for n in range(0, len(tone), source // 50)]
    assert {len(block) for block in made} == {target // 50}
    out = np.concatenate(made)[target // 10 :].astype(float)
    assert np.sqrt(np.mean(out**2)) == pytest.approx(16_000 / np.sqrt(2), rel=0.02)
    spectrum = np.abs(np.fft.rfft(out * np.hanning(len(out))))
    peak = int(np.argmax(spectrum))
    assert peak * target / len(out) == pytest.approx(1_000, abs=2)
    near = spectrum[peak - 5 : peak + 6]
    assert np.sum(near**2) > 0.999 * np.sum(spectrum**2)


def test_resampling_goes_on_without_end():
    resampler = Resampler(44_100, 48_000)
    silence = np.zeros(882, np.int16)
    assert {len(resampler.block(silence)) for _ in range(5_000)} == {960}
