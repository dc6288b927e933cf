"""Sound of recordings, and recordings of sound."""

import numpy as np
import pytest

from gateway.cli.demo import sound as demo_sound
from gateway.voice.opus_toc import fillers, ticks_of
from gateway.voice.recording import coding
from gateway.voice.recording.coding import coded, sound
from tests.voice.recording.rec_world import likeness, speech

PAYLOADS = [payload for payload, _ in speech(200)]


def error(one, other):
    """How far two sounds are apart, as a share of the second's strength."""
    difference = one.astype(float) - other
    return np.sqrt((difference**2).mean() / (other.astype(float) ** 2).mean())


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 48_000])
def test_a_recording_sounds_as_long_as_it_is(rate_hz):
    assert len(sound(PAYLOADS, rate_hz)) == 200 * rate_hz // 50 - 312 * rate_hz // 48_000
    assert len(sound([], rate_hz)) == 0


def test_what_is_lost_is_recovered_from_the_packet_after_it(monkeypatch):
    whole = sound(PAYLOADS, 16_000)
    lossy = [
        payload if n % 10 != 5 else fillers(PAYLOADS[n - 1], 960)[0]
        for n, payload in enumerate(PAYLOADS)
    ]
    recovered = sound(lossy, 16_000)
    monkeypatch.setattr(coding.Decoder, "recover", lambda it, _, ticks: it.conceal(ticks))
    concealed = sound(lossy, 16_000)
    assert len(recovered) == len(concealed) == len(whole)
    assert error(recovered, whole) < 0.6 * error(concealed, whole)


def test_what_cannot_be_decoded_is_concealed_and_keeps_its_length():
    damaged = PAYLOADS.copy()
    damaged[50] = bytes((damaged[50][0] | 3, 0x81, 0xFF, 0xFF))  # one frame, padding without end
    assert ticks_of(damaged[50]) == 960
    assert len(sound(damaged, 16_000)) == len(sound(PAYLOADS, 16_000))


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
def test_samples_become_packets_of_20_ms_and_sound_the_same(rate_hz):
    import soxr

    said = demo_sound.recorded("Front_Center")
    at_rate = soxr.resample(said, 16_000, rate_hz) if rate_hz != 16_000 else said
    packets = coded(at_rate, rate_hz, 24_000)
    assert {ticks_of(packet) for packet in packets} == {960}
    size = rate_hz // 50
    assert len(packets) == -(-len(at_rate) // size) + 1
    heard = sound(packets, 16_000)
    best = max(likeness(heard[shift : shift + len(said)], said) for shift in range(0, 400, 4))
    assert best > 0.85


def test_of_nothing_there_is_one_packet_of_silence():
    (packet,) = coded(np.zeros(0, np.int16), 16_000, 24_000)
    assert np.abs(sound([packet], 16_000)).max() < 10
