"""An endpoint on a real talkgroup: it waits its turn, and hears what has become of its wish to talk.

The talkgroup is a real one, without a broker; the device, its lines and the clock are doubles.
"""

import asyncio
import contextlib

import numpy as np
import pytest

from drivers.squelch.options import VoxOptions
from drivers.squelch.vox import Vox
from gateway.voice.tones.tones import Tone, samples
from tests.voice.floor.floor_rig import TG, Dispatcher, FloorWorld
from tests.voice.rig import in_virtual_time, silence, speak
from tests.voice.rig import tone as voice


@contextlib.asynccontextmanager
async def hearing(radio, sound):
    """A microphone that hears this over and over, whatever the squelch does."""

    async def go_on():
        while True:
            await speak(radio, sound)

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()


def speaking(radio):
    return hearing(radio, voice(0.1))


def heard(radio, tone, since=0.0):
    """How often the tone sounded on a device, with hardly anything else."""
    played = np.concatenate(
        [block for at, block in radio.played if at >= since] or [np.zeros(0, np.int16)]
    ).astype(int)
    wanted = samples(tone, radio.rate_hz).astype(int)
    if len(played) < len(wanted):
        return 0
    windows = np.lib.stride_tricks.sliding_window_view(played, len(wanted))
    likely = np.flatnonzero(np.abs(windows[:, 100] - wanted[100]) < 50)
    return sum(bool((np.abs(windows[at] - wanted) < 50).all()) for at in likely)


def now():
    return asyncio.get_running_loop().time()


@in_virtual_time
async def test_talker_hears_that_it_may_talk_and_once_that_another_does():
    async with FloorWorld() as world:
        _, one, key = await world.intercom("one")
        _, two, other = await world.intercom("two")
        async with hearing(one, silence(0.1)), speaking(two):
            key.open_squelch()
            await asyncio.sleep(0.5)
            assert (heard(one, Tone.GRANTED), heard(one, Tone.DENIED)) == (1, 0)
            for _ in range(2):  # asks again at each press
                since = now()
                other.open_squelch()
                await asyncio.sleep(1.5)
                assert (heard(two, Tone.DENIED, since), heard(two, Tone.GRANTED)) == (1, 0)
                other.close_squelch()
                await asyncio.sleep(0.1)
        assert world.observer.outcomes[0][:2] == (TG, "immediate")
        assert world.observer.outcomes[1:] == [(TG, "denied", 0.0)] * 2


@in_virtual_time
async def test_queued_endpoint_hears_that_it_waits_and_that_its_turn_has_come():
    async with FloorWorld(queue_length=2) as world:
        _, one, key = await world.intercom("one")
        _, two, other = await world.intercom("two")
        async with speaking(one), speaking(two):
            key.open_squelch()
            await asyncio.sleep(0.5)
            other.open_squelch()
            await asyncio.sleep(1.0)
            since = now()
            key.close_squelch()
            await asyncio.sleep(0.5)
            assert world.channel(TG).talker == "zju1/two"
            assert heard(two, Tone.TURN, since) == 1
            assert len(one.played) > 5
            other.close_squelch()
            await asyncio.sleep(0.2)
        assert world.channel(TG).talker is None
        assert [kind for _, kind, _ in world.observer.outcomes] == ["immediate", "queued"]
        assert world.counters["floor.outcome.queued"] == 1


@in_virtual_time
async def test_key_that_is_let_go_in_the_queue_is_not_granted_into_silence():
    async with FloorWorld(queue_length=2) as world:
        _, one, key = await world.intercom("one")
        _, _, other = await world.intercom("two")
        async with speaking(one):
            key.open_squelch()
            await asyncio.sleep(0.5)
            other.open_squelch()
            await asyncio.sleep(0.2)
            other.close_squelch()
            await asyncio.sleep(0.2)
        key.close_squelch()
        await asyncio.sleep(0.1)
        assert world.channel(TG).talker is None
        assert [kind for _, kind, _ in world.observer.outcomes] == ["immediate", "abandoned"]


@in_virtual_time
async def test_queued_radio_talks_once_it_has_stopped_transmitting_what_it_waited_for():
    async with FloorWorld(queue_length=2) as world:
        _, one, key = await world.intercom("one")
        _, radio, lines = await world.endpoint("radio", rx_mute=0.3)
        async with speaking(one), speaking(radio):
            key.open_squelch()
            lines.open_squelch()  # both at once: the first has the floor, the radio waits
            await asyncio.sleep(1.0)
            assert world.channel(TG).talker == "zju1/one"
            assert lines.keyed
            key.close_squelch()
            await asyncio.sleep(1.0)
            assert not lines.keyed
            assert world.channel(TG).talker == "zju1/radio"


@in_virtual_time
async def test_queued_radio_whose_user_has_gone_lets_the_next_have_the_floor():
    async with FloorWorld(queue_length=2) as world:
        _, one, key = await world.intercom("one")
        _, _, lines = await world.endpoint("radio", rx_mute=0.3)
        async with speaking(one):
            key.open_squelch()
            lines.open_squelch()
            await asyncio.sleep(1.0)
            lines.close_squelch()
        key.close_squelch()
        await asyncio.sleep(0.1)
        assert world.channel(TG).talker == "zju1/radio"  # it still transmits the end: nobody knows
        await asyncio.sleep(0.9)
        assert world.channel(TG).talker is None


@in_virtual_time
async def test_talker_is_warned_before_its_limit_and_hears_that_it_is_over():
    async with FloorWorld(tot=3.0, pre_alert=1.0) as world:
        _, one, key = await world.intercom("one")
        async with speaking(one):
            key.open_squelch()
            began = now()
            await asyncio.sleep(1.9)
            assert heard(one, Tone.WARNING) == 0
            await asyncio.sleep(0.4)
            assert heard(one, Tone.WARNING) == 1
            await asyncio.sleep(1.6)
            assert heard(one, Tone.TIMED_OUT, began + 2.9) == 1
        assert heard(one, Tone.REVOKED) == 0


@in_virtual_time
async def test_radio_hears_that_it_was_revoked_when_its_user_has_stopped_sending():
    async with FloorWorld() as world:
        _, radio, lines = await world.endpoint("radio", tones=True)
        floor = world.channel(TG)
        floor.join(Dispatcher(), speaks=True)
        async with speaking(radio):
            lines.open_squelch()
            await asyncio.sleep(0.5)
            floor.request("desk", priority=200)
            await asyncio.sleep(0.5)
            assert world.counters["voice.revoked"] == 1
            assert radio.played == []
            lines.close_squelch()
            await asyncio.sleep(1.5)
        assert heard(radio, Tone.REVOKED) == 1
        assert [what for _, what in lines.log] == ["T", "R"]
        assert lines.log[1][0] - lines.log[0][0] < 0.6


@in_virtual_time
async def test_waiting_endpoint_hears_once_that_it_waits_however_its_place_changes():
    async with FloorWorld(queue_length=3) as world:
        _, two, other = await world.intercom("two")
        floor = world.channel(TG)
        for name in ("desk", "wall"):
            floor.join(Dispatcher(name), speaks=True)
        floor.request("desk", priority=100)
        await asyncio.sleep(0.1)
        floor.request("wall", priority=100)
        other.open_squelch()
        await asyncio.sleep(0.5)
        assert heard(two, Tone.QUEUED) == 1
        floor.release("wall")
        await asyncio.sleep(0.5)
        assert heard(two, Tone.QUEUED) == 1
        assert len(two.played) * 0.02 == pytest.approx(0.28, abs=0.02)


@contextlib.asynccontextmanager
async def hands_free(radio, said):
    """A microphone beside its own loudspeaker, without an echo canceller; ``said()`` is the voice."""

    async def listen():
        heard_until = 0
        while True:
            await asyncio.sleep(0.02)
            new = [block for _, block in radio.played[heard_until:]]
            heard_until = len(radio.played)
            echo = new[-1] // 2 if new else 0
            radio.hears((said() + echo).astype(np.int16))

    task = asyncio.create_task(listen())
    try:
        yield
    finally:
        task.cancel()


@pytest.mark.parametrize("answers", [True, False])
@in_virtual_time
async def test_hands_free_intercom_keeps_its_place_in_a_pause_and_is_not_opened_by_its_own_tones(
    answers,
):
    voiced = voice(0.02)
    async with FloorWorld(queue_length=2, hang_time=0.0) as world:
        vox = Vox("gate", VoxOptions(threshold_dbfs=-40, hang_s=0.2))
        _, gate, _ = await world.endpoint("gate", ptt=False, vox=vox, tones=True)
        floor = world.channel(TG)
        floor.join(Dispatcher(), speaks=True)
        floor.request("desk", priority=100)
        await asyncio.sleep(0.1)
        speaks = True
        async with hands_free(gate, lambda: voiced if speaks else voiced * 0):
            await asyncio.sleep(0.3)
            speaks = False
            await asyncio.sleep(1.0)
            assert heard(gate, Tone.QUEUED) == 1
            assert [kind for _, kind, _ in world.observer.outcomes] == ["immediate"]
            since = now()
            floor.release("desk")
            await asyncio.sleep(0.9)
            assert heard(gate, Tone.TURN, since) == 1
            assert world.observer.outcomes[1][1] == "queued"
            assert floor.talker == "zju1/gate"
            speaks = answers
            await asyncio.sleep(1.05)  # 1.95 s after the grant
            assert floor.talker == "zju1/gate"
            await asyncio.sleep(0.3)
            assert floor.talker == ("zju1/gate" if answers else None)
        assert len(world.observer.outcomes) == 2  # no tone made it ask


@in_virtual_time
async def test_nothing_sounds_without_tones():
    async with FloorWorld(tot=1.0, pre_alert=0.5) as world:
        _, one, key = await world.intercom("one", tones=False)
        async with speaking(one):
            key.open_squelch()
            await asyncio.sleep(2.0)
        assert one.played == []
