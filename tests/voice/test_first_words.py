"""A hundred overs that begin with their word: the first 500 ms must be whole, whatever opens the squelch.

In virtual time, through two endpoints, coder and jitter buffer. The word is 25 tones, of which each
must be found in its place. The squelch of a receiver opens 60 ms after the carrier and the floor is
granted 50 ms after it was asked for. The control without pre-roll loses the beginning.
"""

import asyncio

import numpy as np
import pytest

from bench.first_words import missing
from bench.overs import WORD
from drivers.squelch.options import VoxOptions
from drivers.squelch.vox import Vox
from gateway.voice.rtp import Token
from tests.voice.rig import Channel, World, in_virtual_time, silence, speak

RATE = 16_000
PIECE = RATE // 50
COS_LATE = 0.06
ACCESS = 0.05


class SlowChannel(Channel):
    """A talkgroup whose controller is a network away."""

    def grant(self, name):
        self.holder = name
        self.grants += 1
        token = Token(1, self.grants)

        def arrive():
            if self.holder == name:
                self.members[name].on_granted(self.name, token, 30.0)

        asyncio.get_running_loop().call_later(ACCESS, arrive)


async def overs(world, count, *, vox=None, **options):
    """How many overs of ``count`` came whole."""
    world.channels["police"] = SlowChannel("police")
    _, mic, lines = await world.endpoint("talker", ptt=vox is None, vox=vox, **options)
    _, radio, _ = await world.endpoint("listener")
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 8, 2 * RATE).astype(np.int16)
    loop = asyncio.get_running_loop()
    whole = 0
    for number in range(count):
        before = noise[: round((0.6 + 0.0037 * (number % 20)) * RATE) // PIECE * PIECE]
        await speak(mic, before)
        await asyncio.sleep(0.0007 * (number % 29))
        played = len(radio.played)
        if vox is None:
            loop.call_later(0.02 + COS_LATE, lines.open_squelch)
        await speak(mic, WORD)
        if vox is None:
            lines.close_squelch()
        await speak(mic, noise[: round(1.2 * RATE)])
        heard = np.concatenate([block for _, block in radio.played[played:]] or [noise[:PIECE]])
        whole += not missing(heard)
    return whole


@in_virtual_time
async def test_of_100_overs_with_cos_none_is_clipped():
    async with World() as world:
        assert await overs(world, 100, pre_roll=0.1) == 100


@in_virtual_time
async def test_of_100_overs_with_vox_none_is_clipped():
    async with World() as world:
        assert await overs(world, 100, vox=Vox("talker", VoxOptions()), pre_roll=0.2) == 100


@in_virtual_time
async def test_of_overs_with_vox_that_follows_the_noise_none_is_clipped():
    async with World() as world:
        vox = Vox("talker", VoxOptions(margin_db=6.0))
        assert await overs(world, 30, vox=vox, pre_roll=0.2) == 30


@in_virtual_time
async def test_the_control_with_cos_and_without_pre_roll_clips_every_over():
    async with World() as world:
        assert await overs(world, 10, pre_roll=0.0) == 0


@in_virtual_time
async def test_the_control_with_vox_and_without_pre_roll_clips_every_over():
    async with World() as world:
        assert await overs(world, 10, vox=Vox("talker", VoxOptions()), pre_roll=0.0) == 0


@pytest.mark.parametrize("pre_roll", [0.1, 0.5, 1.0])
@in_virtual_time
async def test_what_pre_roll_adds_to_the_delay_is_gone_after_the_next_pause(pre_roll):
    """Speech at once, then a phrase of two seconds, a pause of one, and another phrase."""
    async with World() as world:
        world.channels["police"] = SlowChannel("police")
        _, mic, lines = await world.endpoint("talker", pre_roll=pre_roll)
        _, radio, _ = await world.endpoint("listener")
        await speak(mic, silence(1.5))
        asyncio.get_running_loop().call_later(0.02 + COS_LATE, lines.open_squelch)
        loop = asyncio.get_running_loop()
        phrase = np.tile(WORD, 4)
        delays = []
        for _ in range(2):
            began = loop.time() + 0.02
            await speak(mic, phrase, silence(1.0))
            first = next(
                at for at, block in radio.played if at >= began and np.abs(block).max() > 3000
            )
            delays.append(first - began)
        assert delays[1] <= 0.1
        assert delays[1] <= delays[0]
