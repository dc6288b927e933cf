"""CTCSS beside voices, hiss and the neighbours' tones. Tones, times and levels are spelled out."""

import numpy as np
import pytest

from drivers.squelch.ctcss import Ctcss
from drivers.squelch.options import TONES_HZ, CtcssOptions
from gateway.cli.demo import sound
from gateway.ports import AudioSquelch

RATE = 16_000


def voice(seconds, low=300.0):
    """Speech as a radio sends it, nothing below 300 Hz; RMS 1500."""
    said = sound.recorded("Front_Center", "Side_Left", "Rear_Right", "Front_Left").astype(float)
    count = round(seconds * RATE)
    samples = np.tile(said, 1 + count // len(said))[:count]
    spectrum = np.fft.rfft(samples)
    spectrum[np.fft.rfftfreq(count, 1 / RATE) < low] = 0
    filtered = np.fft.irfft(spectrum, count)
    return filtered / filtered.std() * 1500


def tone(hertz, seconds, rms=300.0, rate=RATE, phase=0.0):
    """300 is a fifth of the voice: half of what radios send."""
    at = np.arange(round(seconds * rate)) / rate
    return rms * 2**0.5 * np.sin(2 * np.pi * hertz * at + phase)


def heard(tone_hz, samples, rate=RATE):
    squelch: AudioSquelch = Ctcss("r", CtcssOptions(tone_hz=tone_hz))
    size = rate // 50
    blocks = samples[: len(samples) // size * size].reshape(-1, size)
    limited = np.clip(blocks, -32768, 32767).astype(np.int16)
    return np.array([squelch.feed(block, 0.02 * n) for n, block in enumerate(limited)])


def test_there_are_fifty_tones_no_two_closer_than_two_hertz():
    assert len(TONES_HZ) == 50
    assert min(np.diff(TONES_HZ)) > 2.0
    assert {67.0, 88.5, 100.0, 123.0, 162.2, 254.1} <= set(TONES_HZ)


@pytest.mark.parametrize("hertz", TONES_HZ)
def test_its_tone_opens_within_a_quarter_second_under_a_voice_and_the_neighbours_never(hertz):
    speech = voice(2.0)
    opened = heard(hertz, speech + tone(hertz, 2.0, phase=hertz))
    first = int(np.flatnonzero(opened)[0])
    assert (first + 1) * 0.02 <= 0.26
    assert opened[first:].mean() >= 0.97
    place = TONES_HZ.index(hertz)
    for other in TONES_HZ[max(place - 1, 0) : place + 2]:
        if other != hertz:
            assert not heard(hertz, speech + tone(other, 2.0)).any()


@pytest.mark.parametrize("hertz", [67.0, 123.0, 254.1])
@pytest.mark.parametrize("share", [-0.005, 0.005])
def test_a_coder_that_is_half_a_percent_off_still_opens_it(hertz, share):
    assert heard(hertz, voice(1.0) + tone(hertz * (1 + share), 1.0)).any()


@pytest.mark.parametrize("hertz", [67.0, 118.8, 186.2, 254.1])
def test_voice_without_a_tone_and_the_hiss_of_an_open_receiver_never_open_it(hertz):
    assert not heard(hertz, voice(20)).any()
    assert not heard(hertz, np.random.default_rng(1).normal(0, 3000, 30 * RATE)).any()
    assert not heard(hertz, np.zeros(RATE)).any()


def test_it_closes_within_a_third_of_a_second_of_the_tones_end():
    speech = voice(3.0)
    speech[: 2 * RATE] += tone(100.0, 2.0)
    last = int(np.flatnonzero(heard(100.0, speech))[-1])
    assert 2.0 <= (last + 1) * 0.02 <= 2.35


def test_after_a_transmission_the_tone_has_to_be_heard_anew():
    squelch = Ctcss("r", CtcssOptions(tone_hz=100.0))
    blocks = tone(100.0, 1.0).astype(np.int16).reshape(-1, 320)
    for number, block in enumerate(blocks):
        opened = squelch.feed(block, number * 0.02)
    assert opened
    assert not squelch.feed(blocks[0], 5.0)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_other_rates_of_the_device_are_the_same_to_it(rate):
    opened = heard(162.2, tone(162.2, 1.0, rate=rate), rate=rate)
    assert np.flatnonzero(opened)[0] <= 12
    assert not heard(159.8, tone(162.2, 1.0, rate=rate), rate=rate).any()


@pytest.mark.parametrize(
    ("hertz", "hint"), [(123.1, "did you mean 123.0?"), (50.0, "67.0"), (300.0, "254.1")]
)
def test_what_is_no_tone_is_refused(hertz, hint):
    with pytest.raises(ValueError, match="no CTCSS tone") as raised:
        CtcssOptions(tone_hz=hertz)
    assert hint in str(raised.value)
