"""The common beat, in virtual time."""

import asyncio
import time

import pytest

from gateway.ops.counters import Counters
from gateway.voice.downlink.ticker import Ticker
from tests.voice.rig import in_virtual_time


def now():
    return asyncio.get_running_loop().time()


@in_virtual_time
async def test_beats_come_every_20_ms_from_the_first_wanted():
    ticker, beats = Ticker(Counters()), []
    begin = now()
    ticker.start(beats.append, begin + 0.008)
    await asyncio.sleep(0.1)
    assert beats == pytest.approx([begin + 0.008 + n * 0.02 for n in range(5)])


@in_virtual_time
async def test_what_comes_later_falls_in_with_the_beat_and_not_before_it_wanted():
    ticker, first, second = Ticker(Counters()), [], []
    begin = now()
    ticker.start(first.append, begin)
    await asyncio.sleep(0.05)
    ticker.start(second.append, begin + 0.065)
    await asyncio.sleep(0.06)
    assert second == pytest.approx([begin + 0.08, begin + 0.1])
    assert set(second) < set(first)


@in_virtual_time
async def test_with_nobody_left_it_sleeps_and_the_next_one_sets_a_new_phase():
    ticker, beats = Ticker(Counters()), []
    begin = now()
    ticker.start(beats.append, begin)
    await asyncio.sleep(0.03)
    ticker.stop(beats.append)
    ticker.start(beats.append, begin + 0.031)
    await asyncio.sleep(0.025)
    assert beats == pytest.approx([begin, begin + 0.02, begin + 0.031, begin + 0.051])


@in_virtual_time
async def test_one_that_stops_and_starts_within_a_beat_gets_one_beat_at_a_time():
    ticker, beats = Ticker(Counters()), []

    def restless(beat):
        beats.append(beat)
        ticker.stop(restless)
        ticker.start(restless, beat)

    begin = now()
    ticker.start(restless, begin)
    await asyncio.sleep(0.09)
    assert beats == pytest.approx([begin + n * 0.02 for n in range(5)], abs=1e-6)


@in_virtual_time
async def test_one_that_fails_is_stopped_and_the_others_go_on():
    ticker, beats = Ticker(Counters()), []

    def broken(_):
        raise RuntimeError("a defect")

    ticker.start(broken, now())
    ticker.start(beats.append, now())
    await asyncio.sleep(0.09)
    assert len(beats) == 5


async def test_beats_missed_by_a_blocked_loop_are_made_up_for_ten_at_most():
    counters, beats = Counters(), []
    ticker = Ticker(counters)
    ticker.start(beats.append, now())
    await asyncio.sleep(0.005)
    begin = len(beats)
    time.sleep(0.1)  # noqa: ASYNC251 - the loop stands still, which is what is tried
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert 4 <= len(beats) - begin <= 6
    assert counters["voice.ticks_skipped"] == 0
    begin = len(beats)
    time.sleep(0.5)  # noqa: ASYNC251
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert 10 <= len(beats) - begin <= 12
    assert counters["voice.ticks_skipped"] >= 13
    ticker.stop(beats.append)
