"""The floor's tones as samples, and which of them an endpoint plays when."""

import numpy as np
import pytest

from gateway.voice.tones.cues import Cues
from gateway.voice.tones.tones import Tone, length, samples

RATES = (8_000, 12_000, 16_000, 24_000, 44_100, 48_000)
NOTES = {
    Tone.GRANTED: [(1047, 0.08)],
    Tone.QUEUED: [(784, 0.1), (0, 0.08), (784, 0.1)],
    Tone.TURN: [(784, 0.09), (988, 0.09), (1319, 0.12)],
    Tone.WARNING: [(1400, 0.06), (0, 0.06), (1400, 0.06)],
    Tone.REVOKED: [(988, 0.09), (784, 0.09), (523, 0.15)],
    Tone.TIMED_OUT: [(988, 0.09), (450, 0.5)],
    Tone.DENIED: [(450, 0.35), (0, 0.35), (450, 0.35)],
}


def spectrum(block, rate):
    """Frequencies and their share of the energy, in dB below the whole."""
    power = np.abs(np.fft.rfft(block.astype(float), 1 << 16)) ** 2
    return np.fft.rfftfreq(1 << 16, 1 / rate), power / power.sum()


def test_every_tone_is_here():
    assert set(NOTES) == set(Tone)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("tone", Tone)
def test_tone_has_its_notes_at_any_rate(tone, rate):
    sound = samples(tone, rate)
    assert sound.dtype == np.int16
    assert len(sound) == sum(round(seconds * rate) for _, seconds in NOTES[tone])
    assert abs(length(tone) - len(sound) / rate) < 0.001
    at = 0
    for hz, seconds in NOTES[tone]:
        note = sound[at : at + round(seconds * rate)]
        at += len(note)
        if hz == 0:
            assert not note.any()
            continue
        frequencies, share = spectrum(note, rate)
        assert abs(frequencies[share.argmax()] - hz) < 3
        assert 0.24 < np.abs(note).max() / 32768 <= 0.252  # -12 dBFS


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("tone", Tone)
def test_notes_begin_and_end_without_a_click(tone, rate):
    sound = samples(tone, rate)
    at = 0
    for hz, seconds in NOTES[tone]:
        note = sound[at : at + round(seconds * rate)]
        at += len(note)
        if hz:
            assert note[0] == 0
            assert abs(int(note[-1])) <= 1
            frequencies, share = spectrum(note, rate)
            beside = share[np.abs(frequencies - hz) > 400].sum()
            assert 10 * np.log10(beside) < -50
            # The control: the same note without its ramps splatters.
            hard = np.sin(2 * np.pi * hz * (np.arange(len(note)) + 0.37) / rate) * 8_000
            frequencies, share = spectrum(hard, rate)
            assert 10 * np.log10(share[np.abs(frequencies - hz) > 400].sum()) > -40


def test_all_tones_differ():
    assert len({samples(tone, 16_000).tobytes() for tone in Tone}) == len(Tone)


def test_samples_are_shared_and_cannot_be_spoilt():
    sound = samples(Tone.GRANTED, 16_000)
    assert samples(Tone.GRANTED, 16_000) is sound
    with pytest.raises(ValueError, match="read-only"):
        sound[0] = 1


EVERYTHING = (
    lambda cues: cues.granted(waited=False),
    lambda cues: cues.granted(waited=True),
    lambda cues: cues.refused(),
    lambda cues: cues.queued(),
    lambda cues: cues.warned(),
    lambda cues: cues.revoked(4),
    lambda cues: cues.revoked(2),
)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "GRANTED TURN DENIED QUEUED WARNING REVOKED TIMED_OUT"),
        ({"hands_free": True}, "- TURN DENIED QUEUED WARNING REVOKED TIMED_OUT"),
        ({"radio": True}, "- - DENIED - - REVOKED TIMED_OUT"),
        ({"radio": True, "hands_free": True}, "- - DENIED - - REVOKED TIMED_OUT"),
        ({"tones": False}, "- - - - - - -"),
    ],
)
def test_what_an_endpoint_is_told(options, expected):
    cues = Cues(**({"tones": True, "radio": False, "hands_free": False} | options))
    told = [event(cues) for event in EVERYTHING]
    assert [tone.name if tone else "-" for tone in told] == expected.split()


def test_denied_and_queued_are_told_once_until_nobody_wants_to_talk():
    cues = Cues(tones=True, radio=False, hands_free=False)
    assert cues.refused() is Tone.DENIED
    assert cues.refused() is None
    assert cues.queued() is Tone.QUEUED
    assert cues.queued() is None
    cues.rest()
    assert cues.refused() is Tone.DENIED
    cues.granted(waited=False)
    assert cues.refused() is Tone.DENIED
