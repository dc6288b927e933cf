"""Local sounds: when they begin, and that they are heard where they should be and nowhere else."""

import asyncio
from itertools import pairwise

import numpy as np
import pytest

from drivers.squelch.options import VoxOptions
from drivers.squelch.vox import Vox
from gateway.voice.rtp import Token
from gateway.voice.tones.sounds import Sounds
from tests.voice.rig import World, in_virtual_time, silence, speak, tone


def now():
    return asyncio.get_running_loop().time()


def sounds(*, radio=True):
    made = Sounds(radio=radio)
    made.device(8_000)
    return made


def length(seconds, value=1):
    return np.full(round(8_000 * seconds), value, np.int16)


def test_sounds_are_given_one_after_the_other_in_order():
    queue = sounds()
    queue.add(length(0.03, 1))
    queue.add(length(0.01, 2))
    assert queue.begins_at == float("-inf")
    assert queue.left == pytest.approx(0.04)
    assert list(np.unique(queue.take(160))) == [1]
    assert list(np.unique(queue.take(160), return_counts=True)[1]) == [80, 80]
    assert queue.begins_at is None
    assert len(queue.take(160)) == 0


def test_a_radio_waits_for_the_end_of_its_own_carrier_and_100_ms():
    queue = sounds()
    queue.carrier(True, 5.0)
    queue.add(length(0.02))
    assert queue.begins_at is None
    queue.carrier(False, 7.0)
    assert queue.begins_at == pytest.approx(7.1)
    queue.carrier(True, 7.05)
    assert queue.begins_at is None


def test_of_what_waits_for_the_carrier_the_newest_is_kept():
    queue = sounds()
    queue.carrier(True, 0.0)
    queue.add(length(0.02, 1))
    queue.add(length(0.02, 2))
    queue.carrier(False, 1.0)
    assert set(queue.take(160)) == {2}
    assert queue.begins_at is None


def test_a_sound_that_has_begun_goes_on_when_the_carrier_comes():
    queue = sounds()
    queue.add(length(0.06))
    queue.take(160)
    queue.carrier(True, 0.0)
    assert queue.begins_at == float("-inf")


def test_what_is_no_radio_does_not_wait():
    queue = sounds(radio=False)
    queue.carrier(True, 0.0)
    queue.add(length(0.02))
    assert queue.begins_at == float("-inf")


def test_three_seconds_wait_at_most_and_the_oldest_is_dropped():
    queue = sounds()
    for value in range(1, 6):
        queue.add(length(1.0, value))
    assert queue.dropped == 2
    assert set(queue.take(24_000)) == {3, 4, 5}


def test_a_single_long_sound_is_played_whole():
    queue = sounds()
    queue.add(length(5.0))
    assert len(queue.take(40_000)) == 40_000


@in_virtual_time
async def test_a_radio_is_keyed_for_a_sound_and_released_after_it():
    async with World() as world:
        endpoint, radio, line = await world.endpoint("radio", tx_delay=0.1, tail=0.04)
        endpoint._playout.sound(tone(0.3), now())
        began = now()
        await asyncio.sleep(1)
        (keyed, up), (released, down) = line.log
        assert (up, down) == ("T", "R")
        assert keyed - began <= 0.021
        assert radio.played[0][0] - keyed == pytest.approx(0.1, abs=0.001)
        assert np.array_equal(radio.sound, tone(0.3))
        assert 0.04 <= released - radio.played[-1][0] <= 0.081
        assert {talkgroup for _, _, talkgroup in line.keepalives} == {"~local"}
        assert world.channel("police").packets == []
        assert world.channel("police").log == []


@in_virtual_time
async def test_each_sound_keys_under_a_grant_of_its_own():
    async with World() as world:
        endpoint, _, line = await world.endpoint("radio")
        for _ in range(2):
            endpoint._playout.sound(tone(0.1), now())
            await asyncio.sleep(1)
        tokens = [token for _, token, _ in line.keepalives]
        assert set(tokens) == {Token(0, 1), Token(0, 2)}
        assert [what for _, what in line.log] == ["T", "R", "T", "R"]


@in_virtual_time
async def test_a_sound_for_somebody_who_sends_comes_once_the_carrier_has_gone():
    async with World() as world:
        endpoint, mic, line = await world.endpoint("radio")
        world.channel("police").holder = "elsewhere"
        line.open_squelch()
        await speak(mic, tone(0.1))
        endpoint._playout.sound(tone(0.2), now())
        await speak(mic, tone(0.5))
        assert line.log == []
        line.close_squelch()
        closed = now()
        await speak(mic, silence(0.5))
        assert line.log[0][0] - closed == pytest.approx(0.1, abs=0.021)
        assert np.array_equal(mic.sound, tone(0.2))


@in_virtual_time
async def test_a_sound_is_mixed_over_the_burst_that_plays_and_the_bursts_grant_keys():
    async with World() as world:
        _, mic, squelch = await world.endpoint("talker")
        endpoint, radio, line = await world.endpoint("listener")
        squelch.open_squelch()
        await speak(mic, silence(0.2))
        endpoint._playout.sound(tone(0.1, frequency=1000), now())
        await speak(mic, silence(0.2))
        squelch.close_squelch()
        await speak(mic, silence(0.2))
        assert np.abs(radio.sound).max() > 7_500
        assert {talkgroup for _, _, talkgroup in line.keepalives} == {"police"}


@in_virtual_time
async def test_a_burst_that_comes_while_a_sound_plays_is_heard_whole():
    async with World() as world:
        _, mic, squelch = await world.endpoint("talker")
        endpoint, radio, line = await world.endpoint("listener")
        endpoint._playout.sound(tone(0.5, amplitude=100), now())
        await speak(mic, silence(0.1))
        squelch.open_squelch()
        await speak(mic, tone(0.5))
        squelch.close_squelch()
        await speak(mic, silence(0.3))
        loud = np.abs(radio.sound).reshape(-1, 320).max(axis=1) > 1_000
        assert 0.48 <= np.count_nonzero(loud) * 0.02 <= 0.56
        assert [what for _, what in line.log] == ["T", "R"]
        assert [talkgroup for _, _, talkgroup in line.keepalives][-1] == "police"


@in_virtual_time
async def test_a_burst_that_comes_while_a_sound_waits_for_the_turn_round_is_not_late():
    async with World() as world:
        endpoint, _, line = await world.endpoint("listener")
        _, mic, squelch = await world.endpoint("talker")
        world.channel("police").holder = "elsewhere"
        line.open_squelch()
        endpoint._playout.sound(tone(0.1), now())
        line.close_squelch()
        world.channel("police").release("elsewhere")
        squelch.open_squelch()
        opened = now()
        await speak(mic, tone(0.1))
        assert line.log[0][0] - opened <= 0.021
        times = [at for at, _, _ in line.keepalives]
        assert max(b - a for a, b in pairwise(times)) <= 0.0201


@in_virtual_time
async def test_whoever_begins_to_talk_hears_no_sound_that_waited():
    async with World() as world:
        endpoint, mic, line = await world.endpoint("radio")
        channel = world.channel("police")
        channel.holder = "elsewhere"
        line.open_squelch()
        await speak(mic, tone(0.1))
        endpoint._playout.sound(tone(0.2), now())
        channel.release("elsewhere")
        await speak(mic, tone(0.2))
        assert channel.holder == "radio"
        line.close_squelch()
        await speak(mic, silence(0.5))
        assert mic.played == []
        assert line.log == []


@in_virtual_time
async def test_an_intercom_plays_a_sound_at_once_and_its_vox_does_not_hear_it():
    async with World() as world:
        vox = Vox("gate", VoxOptions(threshold_dbfs=-40, hang_s=0.2))
        endpoint, gate, _ = await world.endpoint("gate", ptt=False, vox=vox)
        await speak(gate, silence(0.1))
        endpoint._playout.sound(tone(0.2), now())
        await speak(gate, tone(0.2))  # its microphone hears its loudspeaker
        await speak(gate, silence(0.3))
        assert np.array_equal(gate.sound, tone(0.2))
        assert world.channel("police").log == []


@in_virtual_time
async def test_an_intercom_that_talks_goes_on_talking_while_a_sound_plays():
    async with World() as world:
        vox = Vox("gate", VoxOptions(threshold_dbfs=-40, hang_s=0.2))
        endpoint, gate, _ = await world.endpoint("gate", ptt=False, vox=vox)
        await speak(gate, tone(0.2))
        endpoint._playout.sound(tone(0.1), now())
        await speak(gate, tone(0.3))
        channel = world.channel("police")
        assert channel.holder == "gate"
        assert len([entry for entry in channel.log if entry[0] == "request"]) == 1


@in_virtual_time
async def test_without_a_device_a_sound_is_nothing():
    async with World() as world:
        endpoint, radio, line = await world.endpoint("radio")
        radio.unplug()
        await asyncio.sleep(0.01)
        endpoint._playout.sound(tone(0.2), now())
        await asyncio.sleep(0.05)
        assert line.log == []
