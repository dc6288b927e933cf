"""The way up of endpoints with devices and lines, in virtual time: squelches, processing, stuck inputs."""

import asyncio
import time

import numpy as np
import uvloop

from drivers.squelch.ctcss import Ctcss
from drivers.squelch.options import CtcssOptions, VoxOptions
from drivers.squelch.vox import Vox
from gateway.voice.processing.chain import ProcessingOptions
from gateway.voice.uplink.squelch import Combination, Ear, Line, Squelch
from tests.voice.rig import Channel, World, in_virtual_time, silence, speak, tone


def requests(world):
    return [entry for entry in world.channel("police").log if entry[0] == "request"]


@in_virtual_time
async def test_a_carrier_alone_is_silent_and_a_carrier_with_the_tone_is_heard_from_its_beginning():
    squelch = Squelch(Combination(all=(Line(0), Ear(Ctcss("talker", CtcssOptions(tone_hz=100.0))))))
    async with World() as world:
        _, mic, lines = await world.endpoint("talker", squelch=squelch, pre_roll=0.4)
        lines.open_squelch()
        await speak(mic, tone(1.0, frequency=1000))
        assert requests(world) == []
        await speak(mic, tone(1.0, frequency=1000) + tone(1.0, frequency=100, amplitude=1000))
        assert len(requests(world)) == 1
        packets = [packet for _, _, packet in world.channel("police").packets]
        assert len(packets) >= 50  # from the tone's first block on
        lines.close_squelch()
        await speak(mic, silence(0.1))
        assert world.channel("police").packets[-1][2].flags.last


@in_virtual_time
async def test_processing_is_done_before_it_is_sent_and_the_squelch_hears_what_came():
    async with World() as world:
        _, mic, squelch = await world.endpoint(
            "talker", processing=ProcessingOptions(high_pass_hz=300.0, limiter_dbfs=-6.0)
        )
        squelch.open_squelch()
        await speak(mic, silence(0.1), tone(0.4, frequency=100))
        low = [packet.level_dbov for _, _, packet in world.channel("police").packets][15:]
        await speak(mic, tone(0.4, frequency=1000))
        packets = [packet for _, _, packet in world.channel("police").packets]
        assert min(low) >= 50  # 100 Hz is 60 dB softer than it came
        assert packets[-1].level_dbov == 15
        # What is sent was captured the limiter's 5 ms before the block that it is sent with.
        assert packets[-1].captured <= time.time() - 0.0249


@in_virtual_time
async def test_a_stuck_carrier_is_taken_out_shown_counted_and_lets_others_speak():
    async with World() as world:
        stuck, mic, squelch = await world.endpoint("stuck", input_timeout=5.0)
        _, other, key = await world.endpoint("other")
        squelch.open_squelch()
        await speak(mic, silence(6.0))
        assert stuck.facts.faults == (
            "the squelch was open for 5 s: not listened to until it has closed",
        )
        assert not stuck.facts.squelch_open
        assert world.counters.snapshot()["voice.input_timeout"] == 1
        assert world.channel("police").holder is None
        key.open_squelch()
        await speak(other, tone(0.2))
        assert world.channel("police").holder == "other"
        key.close_squelch()
        await speak(other, silence(0.2))
        await speak(mic, silence(1.0))
        assert requests(world)[-1][1] == "other"  # it does not ask again
        squelch.close_squelch()
        await speak(mic, silence(1.1))
        assert stuck.facts.faults == ()
        squelch.open_squelch()
        assert world.channel("police").holder == "stuck"


@in_virtual_time
async def test_without_a_time_of_its_own_an_input_has_twice_the_talk_limit():
    async with World() as world:
        stuck, mic, squelch = await world.endpoint("stuck", rx_mute=0.0)
        squelch.open_squelch()
        await speak(mic, silence(59.9))
        assert stuck.facts.faults == ()
        await speak(mic, silence(0.2))
        assert stuck.facts.faults != ()


@in_virtual_time
async def test_vox_that_hears_a_fan_for_ever_is_taken_out_and_stays_out_while_others_play():
    async with World() as world:
        stuck, mic, _ = await world.endpoint(
            "stuck", ptt=False, vox=Vox("stuck", VoxOptions()), input_timeout=2.0, rx_mute=0.3
        )
        _, other, key = await world.endpoint("other")
        await speak(mic, tone(2.5))
        assert stuck.facts.faults != ()
        key.open_squelch()
        fan = asyncio.create_task(speak(mic, tone(3.0)))
        await speak(other, tone(0.5))
        key.close_squelch()
        await speak(other, silence(0.1))
        await fan
        assert stuck.facts.faults != ()
        assert [name for _, name, _ in requests(world)] == ["stuck", "other"]


@in_virtual_time
async def test_the_squelch_tail_is_not_heard():
    async with World() as world:
        _, mic, squelch = await world.endpoint("talker", tail_cut=0.1)
        _, radio, _ = await world.endpoint("listener")
        squelch.open_squelch()
        hiss = (np.random.default_rng(1).normal(0, 6000, 1600)).astype(np.int16)
        await speak(mic, silence(0.2), tone(0.5, amplitude=3000), hiss)
        squelch.close_squelch()
        await speak(mic, silence(0.5))
        packets = [packet for _, _, packet in world.channel("police").packets]
        assert max(packet.level_dbov for packet in packets[-6:-1]) >= 22
        assert min(packet.level_dbov for packet in packets) >= 22  # the tone; the hiss has 15
        assert np.abs(radio.sound.astype(int)).max() < 8000


def test_what_is_due_by_the_time_it_is_armed_is_done_under_uvloop_too():
    """uvloop makes no timer of what is due within half a millisecond, and that handle has no time."""

    class Slow(Channel):
        def send(self, name, packet):
            time.sleep(0.003)  # a busy machine: ten packets take longer than until the next are due
            super().send(name, packet)

    async def run():
        async with World() as world:
            world.channels["police"] = Slow("police")
            endpoint, mic, squelch = await world.endpoint("talker", pre_roll=0.6)
            for _ in range(40):
                mic.hears(silence(0.02))
            await asyncio.sleep(0.05)
            squelch.open_squelch()
            for _ in range(20):
                mic.hears(silence(0.02))
                await asyncio.sleep(0.02)
            assert endpoint.facts.faults == ()
            assert len(world.channel("police").packets) == 50

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
