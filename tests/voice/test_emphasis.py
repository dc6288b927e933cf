"""Pre-emphasis: its slope, its corners, and that nothing gets too loud."""

import asyncio

import numpy as np
import pytest

from gateway.voice.processing.emphasis import PreEmphasis
from tests.voice.rig import World, in_virtual_time, tone


def gain_db(rate_hz, frequency):
    samples = tone(1.0, rate=rate_hz, frequency=frequency, amplitude=8_000)
    emphasis = PreEmphasis(rate_hz)
    made = np.concatenate([emphasis.block(one) for one in samples.reshape(50, -1)])
    half = rate_hz // 2
    return 20 * np.log10(np.std(made[half:]) / np.std(samples[half:]))


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 48_000])
def test_the_gain_is_one_at_1_khz_and_rises_by_6_db_an_octave(rate_hz):
    assert gain_db(rate_hz, 1_000) == pytest.approx(0, abs=0.1)
    assert gain_db(rate_hz, 1_000) - gain_db(rate_hz, 500) == pytest.approx(5.2, abs=0.8)
    assert gain_db(rate_hz, 2_000) - gain_db(rate_hz, 1_000) == pytest.approx(5.0, abs=0.9)


def test_below_300_hz_and_above_3400_hz_it_is_level():
    assert gain_db(48_000, 50) == pytest.approx(gain_db(48_000, 100), abs=0.6)
    assert gain_db(48_000, 16_000) == pytest.approx(gain_db(48_000, 12_000), abs=0.6)


def test_blocks_are_joined_without_a_seam():
    samples = tone(0.2, frequency=700)
    one, whole = PreEmphasis(16_000), PreEmphasis(16_000)
    parts = np.concatenate([one.block(part) for part in samples.reshape(-1, 320)])
    assert np.allclose(parts, whole.block(samples), atol=0.01)


@in_virtual_time
async def test_a_transmitter_with_it_is_given_bright_sound_that_is_limited():
    async with World() as world:
        flat, plain, _ = await world.endpoint("flat")
        endpoint, radio, _ = await world.endpoint("radio", pre_emphasis=True)
        now = asyncio.get_running_loop().time()
        for one in (flat, endpoint):
            one._playout.sound(tone(0.4, frequency=3_000, amplitude=20_000), now)
        await asyncio.sleep(1)
        assert np.abs(plain.sound).max() == pytest.approx(20_000, rel=0.01)
        bright = np.abs(radio.sound[1_600:])
        assert bright.max() <= 0.9 * 32_767
        assert bright.max() > 25_000


@in_virtual_time
async def test_soft_sound_is_only_made_brighter():
    async with World() as world:
        endpoint, radio, _ = await world.endpoint("radio", pre_emphasis=True)
        sound = tone(0.4, frequency=2_000, amplitude=2_000)
        endpoint._playout.sound(sound, asyncio.get_running_loop().time())
        await asyncio.sleep(1)
        assert np.abs(radio.sound[1_600:-320]).max() == pytest.approx(3_550, rel=0.06)
