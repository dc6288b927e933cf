"""VOX that follows the noise of its place, with fans, engines and people. Limits are spelled out."""

import numpy as np
import pytest

from drivers.squelch.options import VoxOptions
from drivers.squelch.vox import Vox
from gateway.cli.demo import sound

RATE = 16_000
BLOCK = 320


def noise(seconds, rms=300.0, slope=1.0, seed=1):
    """Noise that falls by ``slope`` * 3 dB an octave: 0 is white, 1 pink."""
    count = round(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(0, 1, count))
    hertz = np.fft.rfftfreq(count, 1 / RATE)
    spectrum /= np.maximum(hertz, 20) ** (slope / 2)
    made = np.fft.irfft(spectrum, count)
    return made / made.std() * rms


def engine(seconds, rms=300.0):
    at = np.arange(round(seconds * RATE)) / RATE
    made = sum(np.sin(2 * np.pi * 28 * n * at + n) / n**0.7 for n in range(1, 30))
    return made / made.std() * rms + noise(seconds, rms / 2)


def word():
    said = sound.recorded("Front_Center").astype(float)
    return said / np.sqrt(np.mean(said**2)) * 1500


def heard(samples, rate=RATE, **options):
    """Whether it is open after each block of 20 ms."""
    squelch = Vox("gate", VoxOptions(**({"margin_db": 6.0} | options)))
    size = rate // 50
    blocks = samples[: len(samples) // size * size].reshape(-1, size)
    limited = np.clip(blocks, -32768, 32767).astype(np.int16)
    return np.array([squelch.feed(block, 0.02 * n) for n, block in enumerate(limited)])


@pytest.mark.parametrize("made", [noise(60, slope=0), noise(60), engine(60)])
@pytest.mark.parametrize("rms", [100.0, 3000.0])
def test_a_minute_of_steady_noise_never_opens_it(made, rms):
    assert not heard(made * rms / 300).any()


def test_the_control_without_a_margin_is_opened_by_a_loud_fan():
    assert heard(noise(5, 3000), margin_db=None).all() is np.False_
    assert heard(noise(5, 3000), margin_db=None)[2:].all()


@pytest.mark.parametrize("snr", [20, 10, 5])
@pytest.mark.parametrize("make", [noise, engine])
def test_a_word_opens_it_within_its_pre_roll_and_keeps_it_open(snr, make):
    said = word()
    samples = make(3 + len(said) / RATE + 1, 1500 / 10 ** (snr / 20))
    samples[3 * RATE : 3 * RATE + len(said)] += said
    opened = heard(samples, hang_s=1.0)  # between its two words is a pause of 0.6 s
    assert not opened[:150].any()
    first = np.flatnonzero(opened)[0]
    assert (first + 1 - 150) * 0.02 <= 0.2  # the default pre-roll
    end = 150 + len(said) // BLOCK
    assert opened[first : end - 5].all()


@pytest.mark.parametrize("snr", [20, 10])
def test_a_vowel_opens_it_within_60_ms(snr):
    at = np.arange(RATE) / RATE
    vowel = sum(np.sin(2 * np.pi * 140 * n * at) / n for n in range(1, 25))
    vowel *= 1500 / vowel.std()
    for shift in (0, 100, 200, 300):
        samples = noise(5, 1500 / 10 ** (snr / 20))
        onset = 3 * RATE + shift
        samples[onset : onset + RATE] += vowel
        first = np.flatnonzero(heard(samples))[0]
        assert (first + 1) * 0.02 - onset / RATE <= 0.06


def test_it_closes_again_after_the_word():
    said = word()
    samples = noise(8, 300)
    samples[3 * RATE : 3 * RATE + len(said)] += said
    opened = heard(samples, hang_s=0.5)
    over = (3 * RATE + len(said)) / RATE
    assert not opened[round((over + 0.7) * 50) :].any()


def test_an_engine_that_starts_and_is_20_db_louder_is_noise_after_three_seconds():
    samples = engine(20)
    samples[10 * RATE :] *= 10
    opened = np.flatnonzero(heard(samples))
    assert opened[0] * 0.02 >= 9.9
    assert opened[-1] * 0.02 <= 10 + 1.8 + 0.2 + 0.5


def test_a_fan_that_grows_louder_by_a_decibel_a_second_never_opens_it():
    at = np.arange(40 * RATE) / RATE
    assert not heard(noise(40, 100) * 10 ** (np.clip(at - 10, 0, 20) / 20)).any()


def test_half_a_minute_of_speech_without_a_pause_stays_speech():
    said = word()
    speech = np.tile(said, 1 + 30 * RATE // len(said))
    samples = np.concatenate([np.zeros(3 * RATE), speech])
    samples += noise(len(samples) / RATE, 150)
    opened = heard(samples, hang_s=1.0)[150:]
    assert opened.mean() >= 0.97


def test_silence_and_what_is_softer_than_the_threshold_never_open_it():
    samples = noise(10, 1.0)
    samples[5 * RATE : 6 * RATE] *= 10  # 20 dB out of nothing: -70 dBFS
    assert not heard(samples).any()
    assert not heard(np.zeros(5 * RATE)).any()


@pytest.mark.parametrize("rate", [8_000, 48_000, 44_100])
def test_other_rates_of_the_device_are_the_same_to_it(rate):
    import soxr

    said = word()
    samples = noise(6, 150)
    samples[3 * RATE : 3 * RATE + len(said)] += said
    opened = heard(soxr.resample(samples, RATE, rate), rate=rate)
    first = np.flatnonzero(opened)[0]
    assert 149 <= first <= 160
