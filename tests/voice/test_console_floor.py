"""`baiying talk` on a talkgroup that is taken: it waits where there is a queue, and says so."""

import asyncio

from gateway.voice.console import ConsoleTalk
from tests.voice.floor.floor_rig import TG, Dispatcher, FloorWorld
from tests.voice.rig import in_virtual_time, tone


async def blocks(seconds):
    """A recording, block by block."""
    samples = tone(seconds)
    for start in range(0, len(samples) - 319, 320):
        yield samples[start : start + 320]


def caller(world, said, seconds=0.5):
    """A call of the command under way."""
    talk = ConsoleTalk("cli-1", 16_000, 24_000)
    floor = world.channel(TG)
    floor.join(talk, speaks=True)
    speaking = talk.speak(floor, blocks(seconds), priority=100, emergency=False, said=said.append)
    return asyncio.create_task(speaking)


@in_virtual_time
async def test_caller_waits_its_turn_longer_than_an_answer_takes_and_says_where_it_stands():
    async with FloorWorld(queue_length=2) as world:
        floor = world.channel(TG)
        for name in ("desk", "wall"):
            floor.join(Dispatcher(name), speaks=True)
        floor.request("desk", priority=100)
        await asyncio.sleep(0.1)
        floor.request("wall", priority=100)
        said = []
        call = caller(world, said)
        await asyncio.sleep(3.0)
        floor.request("desk", priority=100)
        await asyncio.sleep(0.5)
        assert said == [{"event": "queued", "position": 2}]
        floor.release("wall")
        await asyncio.sleep(0.1)
        assert said[1:] == [{"event": "queued", "position": 1}]
        floor.release("desk")
        spoken = await call
        assert (spoken.outcome, spoken.seconds) == ("spoken", 0.5)
        assert said[2:] == [{"event": "granted"}]


@in_virtual_time
async def test_caller_is_denied_where_there_is_no_queue():
    async with FloorWorld() as world:
        floor = world.channel(TG)
        floor.join(Dispatcher(), speaks=True)
        floor.request("desk", priority=100)
        await asyncio.sleep(0.1)
        said = []
        spoken = await caller(world, said)
        assert (spoken.outcome, said) == ("denied", [])
        assert spoken.text == "denied, cause 1: another client has permission"


@in_virtual_time
async def test_caller_is_warned_and_cut_off_at_the_talk_limit():
    async with FloorWorld(tot=2.0, pre_alert=0.5) as world:
        said = []
        spoken = await caller(world, said, seconds=4.0)
        assert said == [{"event": "granted"}, {"event": "warning", "left_s": 0.5}]
        assert spoken.outcome == "revoked"
        assert spoken.text == "revoked, cause 2: media burst too long"
        assert 1.9 < spoken.seconds < 2.1
