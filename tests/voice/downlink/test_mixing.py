"""Several talkgroups at once: what is heard, how loud, and whose grant keys."""

import asyncio

import numpy as np
import pytest

from gateway.voice.downlink.lane import Heard
from gateway.voice.processing.limiter import CEILING, Limiter
from gateway.voice.rtp import Token
from tests.voice.downlink.test_downlink import Radio, packet
from tests.voice.rig import World, in_virtual_time, silence, speak, tone


def level(samples, frequency, rate=16_000):
    """The amplitude of a tone in what was heard."""
    at = np.arange(len(samples)) / rate
    return 2 * abs(np.mean(samples * np.exp(-2j * np.pi * frequency * at)))


def mixing(*heard):
    radio = Radio(*heard)
    radio.downlink._mixes = True
    return radio


def test_told_to_mix_a_worse_rank_is_played_besides_the_better():
    radio = mixing()
    assert radio.hear(packet(0))
    assert radio.hear(packet(0, ssrc=2), "street")
    assert radio.downlink.playing == ["police", "street"]
    radio.downlink.tick(0.1)
    assert radio.downlink.pull(0.1, 0.0, "police").packet.ssrc == 1
    assert radio.downlink.pull(0.1, 0.0, "street").packet.ssrc == 2


def test_the_grant_that_keys_is_that_of_the_best_rank_and_the_others_keep_it_keyed():
    radio = mixing()
    radio.hear(packet(0, ssrc=2, token=(7, 7)), "street")
    radio.downlink.tick(0.0)
    assert radio.downlink.keyed.talkgroup == "street"
    radio.hear(packet(0, last=True))
    radio.downlink.tick(0.0)
    assert radio.downlink.keyed.talkgroup == "police"
    radio.downlink.pull(0.1)
    assert radio.downlink.tick(0.1)
    assert radio.downlink.keyed.talkgroup == "street"
    assert radio.downlink.keyed.token == Token(7, 7)


def test_one_talkgroup_that_ends_leaves_the_others_untouched():
    radio = mixing()
    radio.hear(packet(0))
    radio.now = 0.3
    radio.hear(packet(0, ssrc=2), "street")
    assert radio.downlink.tick(0.3)
    radio.downlink.pull(0.3, 0.0, "police")
    assert radio.downlink.tick(0.41)
    assert radio.downlink.playing == ["street"]


def test_in_one_talkgroup_still_one_talks_at_a_time():
    radio = mixing()
    radio.hear(packet(0, token=(1, 1)))
    assert radio.hear(packet(0, ssrc=2, token=(1, 2)))
    assert not radio.hear(packet(1, ssrc=3, token=(1, 0)))
    assert radio.downlink.playing == ["police"]


def test_of_more_than_four_the_best_ranks_are_played():
    names = ["a", "b", "c", "d", "e", "f"]
    heard = [Heard(name, 30.0, 2.0) for name in names]
    radio = mixing(*heard)
    for number, name in enumerate(reversed(names)):
        assert radio.hear(packet(0, ssrc=number), name)
    assert radio.downlink.playing == ["a", "b", "c", "d"]
    assert not radio.hear(packet(0, ssrc=9), "f")
    assert radio.downlink.counts["waiting"] == 1


async def both(world, **options):
    """An intercom hears its own talkgroup from 0.0 to 0.6 s and another one from 0.2 to 1.2 s."""
    _, near, near_key = await world.endpoint("near")
    _, far, far_key = await world.endpoint("far", speaks="street")
    _, gate, line = await world.endpoint("gate", hears=("street",), **options)

    async def one():
        near_key.open_squelch()
        await speak(near, tone(0.6, frequency=500, amplitude=4_000))
        near_key.close_squelch()
        await speak(near, silence(0.1))

    async def other():
        await asyncio.sleep(0.2)
        far_key.open_squelch()
        await speak(far, tone(1.0, frequency=1_250, amplitude=4_000))
        far_key.close_squelch()
        await speak(far, silence(0.3))

    began = asyncio.get_running_loop().time()
    await asyncio.gather(one(), other())
    sound = np.zeros(32_000)
    for at, block in gate.played:
        begin = round((at - began) * 16_000)
        sound[begin : begin + 320] = block
    return sound, line


@in_virtual_time
async def test_the_less_important_is_15_db_softer_while_the_more_important_is_heard():
    async with World() as world:
        sound, _ = await both(world, ptt=False, mixes=True)
        during, after = sound[5_600:8_000], sound[16_000:18_400]
        assert level(during, 500) == pytest.approx(4_000, rel=0.15)
        ratio = 20 * np.log10(level(during, 1_250) / level(after, 1_250))
        assert ratio == pytest.approx(-15, abs=1.5)
        assert level(after, 1_250) == pytest.approx(4_000, rel=0.15)


@in_virtual_time
async def test_how_much_softer_is_an_option():
    async with World() as world:
        sound, _ = await both(world, ptt=False, mixes=True, ducking_db=6.0)
        during, after = sound[5_600:8_000], sound[16_000:18_400]
        ratio = 20 * np.log10(level(during, 1_250) / level(after, 1_250))
        assert ratio == pytest.approx(-6, abs=1.5)


@in_virtual_time
async def test_the_control_one_at_a_time_hears_nothing_of_the_other_until_the_hang_time_is_over():
    async with World() as world:
        sound, line = await both(world)
        assert level(sound[5_600:8_000], 1_250) < 100
        assert level(sound[5_600:8_000], 500) == pytest.approx(4_000, rel=0.15)
        assert {talkgroup for _, _, talkgroup in line.keepalives} == {"police"}


@in_virtual_time
async def test_a_transmitter_that_mixes_stays_keyed_from_one_to_the_other():
    async with World() as world:
        _, line = await both(world, mixes=True)
        assert [what for _, what in line.log] == ["T", "R"]
        assert line.keepalives[0][2] == "police"
        assert line.keepalives[-1][2] == "street"


@in_virtual_time
async def test_whoever_comes_late_hears_the_burst_within_150_ms():
    """TS 22.179, KPI 4a."""
    async with World() as world:
        _, mic, squelch = await world.endpoint("talker")
        squelch.open_squelch()
        await speak(mic, tone(0.5))
        _, radio, line = await world.endpoint("listener")
        joined = asyncio.get_running_loop().time()
        await speak(mic, tone(0.3))
        heard = next(at for at, block in radio.played if np.abs(block).max() > 1_000)
        assert heard - joined <= 0.15
        assert line.log[0][0] - joined <= 0.021


# The limiter


def test_what_is_soft_enough_passes_untouched():
    samples = tone(0.02)
    assert np.array_equal(Limiter().block(samples), samples)


def test_what_is_too_loud_is_made_softer_and_not_cut_off():
    loud = tone(1.0, amplitude=30_000).astype(np.float32) * 2
    limiter = Limiter()
    made = np.concatenate([limiter.block(block) for block in loud.reshape(-1, 320)])
    assert np.abs(made).max() <= CEILING * 32_767
    steady = made[8_000:]
    assert level(steady, 440) == pytest.approx(CEILING * 32_767, rel=0.05)
    distortion = steady - np.real(
        2
        * np.mean(steady * np.exp(-2j * np.pi * 440 * np.arange(8_000) / 16_000))
        * np.exp(2j * np.pi * 440 * np.arange(8_000) / 16_000)
    )
    assert np.sqrt(np.mean(distortion**2)) < 0.02 * np.abs(steady).max()


def test_after_something_loud_it_becomes_loud_again_slowly():
    limiter = Limiter()
    limiter.block(np.full(320, 60_000, np.float32))
    softer = limiter.block(tone(0.02, amplitude=8_000))
    assert np.abs(softer).max() < 5_000
    for _ in range(50):
        last = limiter.block(tone(0.02, amplitude=8_000))
    assert np.abs(last).max() > 7_900
