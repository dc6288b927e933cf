"""Sound made a little longer or shorter: how long, how clean, and without a seam."""

import numpy as np
import pytest

from gateway.voice.downlink.trim import DELAY_SAMPLES, Trim


def tone(rate_hz, frequency, seconds=4.0):
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    return (np.sin(2 * np.pi * frequency * at) * 16_000).astype(np.int16)


def trimmed(samples, rate_hz, more):
    length = rate_hz // 50
    trim = Trim(length)
    share = more if callable(more) else lambda _number: more
    return [
        trim.block(samples[start : start + length], share(start // length))
        for start in range(0, len(samples), length)
    ]


def snr_db(sound, rate_hz, frequency):
    """How far a tone of exactly this frequency stands above all the rest."""
    at = np.arange(len(sound)) / rate_hz
    basis = np.stack([np.sin(2 * np.pi * frequency * at), np.cos(2 * np.pi * frequency * at)], 1)
    fitted = basis @ np.linalg.lstsq(basis, sound, rcond=None)[0]
    return 10 * np.log10((sound**2).sum() / ((sound - fitted) ** 2).sum())


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("more", [100e-6, -100e-6, 500e-6, -500e-6])
def test_a_tone_comes_out_70_db_clean_and_as_much_lower_or_higher_as_it_is_longer(rate_hz, more):
    sound = np.concatenate(trimmed(tone(rate_hz, 1000.0), rate_hz, more)).astype(float)
    assert len(sound) == pytest.approx(4 * rate_hz * (1 + more), abs=1.5)
    middle = sound[rate_hz : 2 * rate_hz]
    assert snr_db(middle, rate_hz, 1000.0 / (1 + more)) >= 70
    assert snr_db(middle, rate_hz, 1000.0) < 40  # the measure can tell


@pytest.mark.parametrize("frequency", [300.0, 3_400.0, 6_000.0])
def test_all_of_the_voice_band_is_60_db_clean_at_100_ppm(frequency):
    sound = np.concatenate(trimmed(tone(16_000, frequency), 16_000, 1e-4)).astype(float)
    assert snr_db(sound[16_000:32_000], 16_000, frequency / 1.0001) >= 60


def test_without_a_correction_what_comes_out_is_what_went_in_only_later():
    samples = tone(16_000, 440.0, 0.2)
    sound = np.concatenate(trimmed(samples, 16_000, 0.0))
    assert np.array_equal(sound[DELAY_SAMPLES:], samples[:-DELAY_SAMPLES])


def test_nothing_jumps_when_a_correction_begins_changes_or_ends():
    shares = [0.0, 0.0, 3e-4, 3e-4, -5e-4, 5e-4, 0.0, 0.0, 1e-5, -1e-5]
    blocks = trimmed(tone(16_000, 440.0), 16_000, lambda number: shares[number % len(shares)])
    wave = np.concatenate(blocks)[100:].astype(float)
    foretold = 2 * np.cos(2 * np.pi * 440 / 16_000) * wave[1:-1] - wave[:-2]
    assert np.abs(wave[2:] - foretold).max() < 0.0005 * 16_000


def test_a_block_is_never_more_than_one_sample_longer_or_shorter():
    blocks = trimmed(tone(48_000, 440.0), 48_000, lambda number: 5e-4 * (-1) ** (number // 50))
    assert {len(block) for block in blocks} == {959, 960, 961}


def test_full_scale_is_not_wrapped_around():
    square = np.where(np.arange(3_200) // 40 % 2, 32_767, -32_768).astype(np.int16)
    sound = np.concatenate(trimmed(square, 16_000, 3e-4))[200:].astype(int)
    assert np.abs(np.diff(sound)).max() <= 2 * 32_768
    assert (sound[20:28] > 0).all() or (sound[20:28] < 0).all()


def test_begun_anew_nothing_is_heard_of_what_was_before():
    trim = Trim(320)
    trim.block(tone(16_000, 440.0, 0.02), 0.0)
    trim.begin()
    assert not trim.block(np.zeros(320, np.int16), 0.0).any()


@pytest.mark.parametrize("more", [3e-4, -3e-4])
def test_nothing_more_asked_for_it_slides_to_a_whole_sample_and_copies_from_there(more):
    samples = tone(16_000, 440.0)
    blocks = trimmed(samples, 16_000, lambda number: more if number < 55 else 0.0)
    sound = np.concatenate(blocks)
    shift = len(sound) - len(samples)
    assert shift == (6 if more > 0 else -6)  # 1.1 s of 4.8 samples a second, to the next whole one
    begin = 16_000 * 2
    copied = sound[begin + shift + DELAY_SAMPLES :]
    assert np.array_equal(copied, samples[begin : begin + len(copied)])
    wave = sound[100:].astype(float)
    foretold = 2 * np.cos(2 * np.pi * 440 / 16_000) * wave[1:-1] - wave[:-2]
    assert np.abs(wave[2:] - foretold).max() < 0.0005 * 16_000
