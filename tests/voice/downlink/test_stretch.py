"""Speech a period shorter or longer: how much, how smooth, and what is left as it is."""

import numpy as np
import pytest

from gateway.voice.downlink.stretch import longer, shorter

RATES = [8_000, 16_000, 24_000, 48_000]


def voice(hz, rate_hz, seconds=0.02, phase=0.3):
    """A buzz with overtones, as a vowel has."""
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    wave = sum(np.sin(2 * np.pi * n * hz * at + phase * n) / n for n in range(1, 8))
    return (wave * 6_000).astype(np.int16)


def steepest(samples):
    return int(np.abs(np.diff(samples.astype(int))).max())


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("hz", [75, 110, 220, 390])
@pytest.mark.parametrize(("change", "sign"), [(shorter, -1), (longer, 1)])
def test_a_vowel_changes_by_whole_periods(rate_hz, hz, change, sign):
    frame = voice(hz, rate_hz)
    changed = (len(change(frame, rate_hz)) - len(frame)) * sign
    periods = changed / rate_hz * hz
    assert periods == pytest.approx(max(round(periods), 1), abs=0.06)
    assert 0.0025 <= changed / rate_hz <= 0.014


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("change", [shorter, longer])
def test_nothing_clicks_within_or_at_the_edges(rate_hz, change):
    whole = voice(130, rate_hz, 0.06)
    one = rate_hz // 50
    changed = change(whole[one : 2 * one], rate_hz)
    assert len(changed) != one
    played = np.concatenate((whole[:one], changed, whole[2 * one :]))
    assert steepest(played) <= steepest(whole) * 1.1


@pytest.mark.parametrize("change", [shorter, longer])
def test_a_consonant_and_an_onset_stay_as_they_are(change):
    noise = np.random.default_rng(5).normal(0, 3_000, 320).astype(np.int16)
    assert change(noise, 16_000) is noise
    onset = np.concatenate((np.zeros(120, np.int16), voice(130, 16_000)[:200]))
    assert change(onset, 16_000) is onset


@pytest.mark.parametrize("change", [shorter, longer])
def test_a_frame_too_short_to_tell_stays_as_it_is(change):
    frame = voice(130, 16_000)[:160]
    assert change(frame, 16_000) is frame


@pytest.mark.parametrize("change", [shorter, longer])
@pytest.mark.parametrize("level", [32_767, -32_768, 0])
def test_full_scale_and_silence_do_not_wrap(change, level):
    frame = np.full(320, level, np.int16)
    assert set(change(frame, 16_000).tolist()) == {level}
