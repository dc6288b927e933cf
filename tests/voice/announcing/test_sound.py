"""How announcements sound."""

import numpy as np
import pytest

from gateway.voice.announcing.sound import RATE_HZ, announcement, fragment, tones


def voice(seconds=1.0, rate=22_050, amplitude=3_000, before=0.4, after=0.6):
    at = np.arange(round(seconds * rate)) / rate
    word = np.sin(2 * np.pi * 300 * at) * amplitude
    parts = (np.zeros(round(before * rate)), word, np.zeros(round(after * rate)))
    return np.concatenate(parts).astype(np.int16)


def rms_dbfs(samples):
    return 10 * np.log10(np.mean((samples.astype(float) / 32_768) ** 2))


@pytest.mark.parametrize("amplitude", [300, 3_000, 30_000])
@pytest.mark.parametrize("level", [-20.0, -26.0])
def test_fragment_is_as_loud_as_asked_whatever_the_voice(amplitude, level):
    made = fragment(voice(amplitude=amplitude), 22_050, level)
    assert made.dtype == np.int16
    assert rms_dbfs(made) == pytest.approx(level, abs=0.7)


def test_fragment_has_the_codecs_rate_and_no_silence_around_it():
    made = fragment(voice(seconds=1.0), 22_050, -20.0)
    assert len(made) / RATE_HZ == pytest.approx(1.0, abs=0.02)
    spectrum = np.abs(np.fft.rfft(made))
    assert np.argmax(spectrum) * RATE_HZ / len(made) == pytest.approx(300, abs=2)


def test_loud_level_never_clips():
    spiky = voice()
    spiky[20_000] = 32_000
    made = fragment(spiky, 22_050, -10.0)
    assert np.abs(made.astype(int)).max() <= 0.71 * 32_768


@pytest.mark.parametrize("samples", [np.zeros(0, np.int16), np.zeros(22_050, np.int16)])
def test_voice_that_says_nothing_makes_an_empty_fragment(samples):
    assert len(fragment(samples, 22_050, -20.0)) == 0


def test_announcement_is_a_chime_and_the_fragments_with_a_breath_between():
    word = fragment(voice(), 22_050, -20.0)
    made = announcement([word, word], chime=True, level_dbfs=-20.0)
    silent = announcement([word, word], chime=False, level_dbfs=-20.0)
    assert len(made) - len(silent) == len(tones(-20.0)) + round(0.25 * RATE_HZ)
    assert np.array_equal(
        made[-len(silent) + round(0.3 * RATE_HZ) :], silent[round(0.3 * RATE_HZ) :]
    )
    assert not silent[: round(0.3 * RATE_HZ)].any(), "a squelch may open meanwhile"


def test_without_a_voice_the_chime_is_heard():
    made = announcement([], chime=True, level_dbfs=-20.0)
    assert rms_dbfs(tones(-20.0)) == pytest.approx(-20.0, abs=1.0)
    assert np.array_equal(made[-len(tones(-20.0)) - 4_000 : -4_000], tones(-20.0))
