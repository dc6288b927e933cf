"""Endpoints with devices and lines on talkgroups, in virtual time: what is heard, and what is keyed."""

import asyncio
from itertools import pairwise

import numpy as np
import pytest

from drivers.squelch.options import VoxOptions
from drivers.squelch.vox import Vox
from gateway.voice.patches.patch import Tuning
from tests.voice.rig import (
    Channel,
    Endpoint,
    Radio,
    World,
    in_virtual_time,
    silence,
    speak,
    tone,
)


def now():
    return asyncio.get_running_loop().time()


def loud(samples, rate=16_000):
    """Seconds of sound: how long the loudness over 5 ms is above -40 dBFS."""
    size = rate // 200
    blocks = samples[: len(samples) // size * size].reshape(-1, size).astype(float)
    return np.count_nonzero(np.sqrt((blocks**2).mean(axis=1)) > 327) / 200


def whole(heard, spoken, *, quicker=False):
    """Nothing clipped; Opus rings a few milliseconds around an onset and an end.

    ``quicker``: to make up for a delay it may have been played quicker, an eighth in all.
    """
    least = spoken * 7 / 8 if quicker else spoken
    return least - 0.005 <= heard <= spoken + 0.025


async def two(world, **options):
    """A talker and a listener of one talkgroup."""
    talker = await world.endpoint("talker")
    listener = await world.endpoint("listener", **options)
    return talker, listener


@in_virtual_time
async def test_a_word_is_heard_whole_and_the_far_transmitter_is_keyed_around_it():
    async with World() as world:
        (_, mic, squelch), (_, radio, line) = await two(world)
        await speak(mic, silence(0.5))
        await asyncio.sleep(0.007)
        opened = now()
        squelch.open_squelch()
        await speak(mic, silence(0.01), tone(0.5), silence(0.01))
        squelch.close_squelch()
        closed = now()
        await speak(mic, silence(0.3))
        assert whole(loud(radio.sound), 0.5)
        (keyed, _), (released, _) = line.log
        assert keyed == opened  # pre-roll was there to be sent
        # At most: the block being captured, the delay of an unknown link, the block before, the coder's.
        assert 0.02 <= released - closed <= 0.02 + 0.03 + 0.02 + 0.0065 + 0.001
        assert 0 <= released - radio.played[-1][0] <= 0.0065 + 1e-9
        left = round((released - radio.played[-1][0]) * 16_000)
        assert np.abs(radio.played[-1][1][left:]).max() <= 330  # nothing is heard after it


@in_virtual_time
async def test_steady_speech_is_one_way_late_by_a_block_the_coder_and_a_short_buffer():
    async with World() as world:
        (_, mic, squelch), (_, radio, _) = await two(world)
        world.channel("police").delay = 0.001
        await speak(mic, silence(0.2))
        squelch.open_squelch()
        await speak(mic, silence(1.0))
        began = now()
        await speak(mic, tone(0.4), silence(0.2))
        first = next(
            at + np.argmax(np.abs(block) > 1000) / 16_000
            for at, block in radio.played
            if np.abs(block).max() > 1000
        )
        assert first - began <= 0.02 + 0.0065 + 0.001 + 0.03 + 0.02


@in_virtual_time
async def test_every_packet_of_a_burst_is_as_the_contract_says():
    async with World() as world:
        (_, mic, squelch), _ = await two(world)
        await speak(mic, silence(0.2))
        squelch.open_squelch()
        await speak(mic, tone(0.2))
        squelch.close_squelch()
        await speak(mic, silence(0.1))
        packets = [packet for _, _, packet in world.channel("police").packets]
        assert len(packets) == 2 + 10 + 1 + 1
        assert [packet.marker for packet in packets] == [True] + [False] * 13
        assert [packet.flags.last for packet in packets] == [False] * 13 + [True]
        assert [packet.flags.pre_roll for packet in packets] == [True] * 2 + [False] * 12
        assert len({packet.ssrc for packet in packets}) == 1
        for a, b in pairwise(packets):
            assert b.sequence == (a.sequence + 1) % 65536
            assert b.timestamp == (a.timestamp + 960) % 2**32
        assert [packet.level_dbov for packet in packets][3:12] == [15] * 9
        assert packets[4].voice_activity
        assert not packets[0].voice_activity


@in_virtual_time
async def test_each_burst_has_an_ssrc_of_its_own():
    async with World() as world:
        (_, mic, squelch), _ = await two(world)
        for _ in range(2):
            squelch.open_squelch()
            await speak(mic, tone(0.1))
            squelch.close_squelch()
            await speak(mic, silence(0.2))
        packets = [packet for _, _, packet in world.channel("police").packets]
        assert len({packet.ssrc for packet in packets}) == 2
        assert sum(packet.marker for packet in packets) == 2


@in_virtual_time
async def test_the_transmitter_is_kept_keyed_each_20_ms_and_never_without_audio():
    async with World() as world:
        (_, mic, squelch), (_, radio, line) = await two(world)
        squelch.open_squelch()
        await speak(mic, tone(1.0))
        squelch.close_squelch()
        await speak(mic, silence(0.2))
        times = [at for at, _, _ in line.keepalives]
        assert max(b - a for a, b in pairwise(times)) <= 0.0201
        assert line.keepalives[0][1:] == (world.channel("police").packets[0][2].token, "police")
        assert times[-1] <= radio.played[-1][0] + 0.0001


@in_virtual_time
async def test_transmit_delay_and_tail_are_kept_and_no_word_is_lost():
    async with World() as world:
        (_, mic, squelch), (_, radio, line) = await two(world, tx_delay=0.3, tail=0.2)
        squelch.open_squelch()
        await speak(mic, tone(0.5))
        squelch.close_squelch()
        await speak(mic, silence(1.0))
        (keyed, _), (released, _) = line.log
        assert radio.played[0][0] - keyed == pytest.approx(0.3, abs=0.021)
        # Up to 14 ms of the last word may still have been due when the last packet was decoded.
        assert 0.2 <= released - radio.played[-1][0] <= 0.2205
        assert whole(loud(radio.sound), 0.5, quicker=True)


@in_virtual_time
async def test_through_a_sound_card_it_stays_keyed_until_the_last_word_has_sounded():
    async with World() as world:
        card = Radio()
        card.playback_delay = 0.05
        (_, mic, squelch), (_, radio, line) = await two(world, radio=card)
        squelch.open_squelch()
        await speak(mic, tone(0.2))
        squelch.close_squelch()
        await speak(mic, silence(0.3))
        # The last packet brings what the coder held back, 6.5 ms.
        assert 0.05 <= line.log[-1][0] - radio.played[-1][0] <= 0.0705


@in_virtual_time
async def test_a_talker_that_vanishes_leaves_the_far_transmitter_keyed_for_400_ms_at_most():
    async with World() as world:
        (_, mic, squelch), (_, _, line) = await two(world, tail=0.5)
        squelch.open_squelch()
        await speak(mic, tone(0.5))
        world.channel("police").leave("listener")  # nothing more comes, and nobody says why
        gone = now()
        await asyncio.sleep(1.0)
        assert line.log[-1][1] == "R"
        assert 0.3 <= line.log[-1][0] - gone <= 0.42


@in_virtual_time
async def test_a_second_talker_with_a_key_is_refused_hears_on_and_asks_again_when_the_floor_is_idle():
    async with World() as world:
        _, first, one = await world.endpoint("one")
        _, second, key = await world.endpoint("two", ptt=False, priority=7)
        channel = world.channel("police")
        one.open_squelch()
        await speak(first, tone(0.1))
        key.open_squelch()
        assert channel.log[-1] == ("request", "two", 7)
        heard = len(second.played)
        await asyncio.gather(speak(first, tone(0.2)), speak(second, tone(0.2)))
        assert channel.holder == "one"
        assert len(second.played) >= heard + 9
        one.close_squelch()
        await asyncio.gather(speak(first, silence(0.1)), speak(second, tone(0.1)))
        assert channel.holder == "two"


@in_virtual_time
async def test_an_endpoint_that_pre_empts_plays_nothing_any_more():
    async with World() as world:
        _, first, one = await world.endpoint("one")
        _, second, key = await world.endpoint("two", ptt=False)
        channel = world.channel("police")
        one.open_squelch()
        await speak(first, tone(0.1))
        channel.revoke()
        key.open_squelch()
        assert channel.holder == "two"
        heard = len(second.played)
        await asyncio.sleep(0.3)
        assert len(second.played) == heard


@in_virtual_time
async def test_refused_while_nothing_is_played_it_asks_with_the_next_block_after_idle():
    async with World() as world:
        _, mic, squelch = await world.endpoint("two")
        channel = world.channel("police")
        channel.holder = "elsewhere"
        squelch.open_squelch()
        await speak(mic, tone(0.1))
        assert channel.log == [("request", "two", 100)]
        channel.release("elsewhere")
        assert channel.log.count(("request", "two", 100)) == 1
        await speak(mic, tone(0.02))
        assert channel.holder == "two"
        assert len(channel.packets) == 3  # two blocks of pre-roll and this one


@in_virtual_time
async def test_the_squelch_is_not_listened_to_while_transmitting_nor_300_ms_after():
    async with World() as world:
        (_, mic, squelch), (endpoint, radio, line) = await two(world)
        channel = world.channel("police")
        squelch.open_squelch()
        await speak(mic, tone(0.1))
        line.open_squelch()  # the receiver hears its own transmitter
        assert not endpoint.facts.squelch_open
        await speak(radio, tone(0.1))
        squelch.close_squelch()
        await speak(mic, silence(0.2))
        released = line.log[-1][0]
        await asyncio.sleep(released + 0.29 - now())
        assert channel.log.count(("request", "listener", 100)) == 0
        await asyncio.sleep(0.02)
        assert channel.log.count(("request", "listener", 100)) == 1


@in_virtual_time
async def test_while_it_talks_nothing_is_played_and_nothing_is_keyed():
    async with World() as world:
        _, mic, squelch = await world.endpoint("guard", hears=("street",))
        _, other, others = await world.endpoint("other", speaks="street")
        guard_line, guard_radio = squelch, mic
        squelch.open_squelch()
        await speak(mic, tone(0.1))
        others.open_squelch()
        await speak(other, tone(0.2))
        assert guard_line.log == []
        assert guard_radio.played == []
        assert world.counters["voice.while_talking"] > 0


@in_virtual_time
async def test_revoked_it_stops_sending_at_once():
    async with World() as world:
        _, mic, squelch = await world.endpoint("one")
        channel = world.channel("police")
        squelch.open_squelch()
        await speak(mic, tone(0.1))
        sent = len(channel.packets)
        channel.revoke()
        await speak(mic, tone(0.1))
        assert len(channel.packets) == sent


@in_virtual_time
async def test_a_word_over_before_the_answer_is_heard_whole():
    async with World() as world:
        (_, mic, squelch), (_, radio, _) = await two(world)
        channel = world.channel("police")
        channel.answers = False
        await speak(mic, silence(0.1))
        squelch.open_squelch()
        await speak(mic, tone(0.3))
        squelch.close_squelch()
        await speak(mic, silence(0.1))
        assert channel.packets == []
        channel.grant("talker")
        await asyncio.sleep(0.6)
        assert whole(loud(radio.sound), 0.3, quicker=True)
        assert channel.holder is None


@in_virtual_time
async def test_vox_finds_the_word_and_its_beginning_is_heard():
    async with World() as world:
        vox = Vox("gate", VoxOptions(threshold_dbfs=-40, hang_s=0.2))
        _, mic, _ = await world.endpoint("gate", ptt=False, vox=vox, pre_roll=0.2)
        _, radio, line = await world.endpoint("radio")
        await speak(mic, silence(0.5), tone(0.5), silence(0.5))
        assert whole(loud(radio.sound), 0.5)
        assert [what for _, what in line.log] == ["T", "R"]


@in_virtual_time
async def test_vox_does_not_answer_what_the_endpoint_plays_itself():
    async with World() as world:
        vox = Vox("gate", VoxOptions(threshold_dbfs=-40, hang_s=0.2))
        _, mic, squelch = await world.endpoint("radio")
        _, gate, _ = await world.endpoint("gate", ptt=False, vox=vox, pre_roll=0.2)
        squelch.open_squelch()
        for _ in range(10):  # the gate's microphone hears its own speaker, and the room after it
            await speak(mic, tone(0.02))
            gate.hears(tone(0.02))
        squelch.close_squelch()
        await speak(mic, silence(0.06))
        await speak(gate, tone(0.2))
        assert [entry[1] for entry in world.channel("police").log] == ["radio", "radio"]


@in_virtual_time
async def test_a_device_without_a_rate_of_the_coder_is_resampled_both_ways():
    async with World() as world:
        _, mic, squelch = await world.endpoint("talker", radio=Radio(44_100))
        _, radio, _ = await world.endpoint("listener", radio=Radio(44_100))
        squelch.open_squelch()
        await speak(mic, tone(0.4, rate=44_100))
        squelch.close_squelch()
        await speak(mic, silence(0.2, rate=44_100))
        sound = radio.sound
        assert whole(loud(sound, 44_100), 0.4)
        middle = sound[len(sound) // 4 : len(sound) // 4 + 8820].astype(float)
        peak = np.argmax(np.abs(np.fft.rfft(middle * np.hanning(8820)))) * 44_100 / 8820
        assert peak == pytest.approx(440, abs=5)


# Talkgroups


@in_virtual_time
async def test_patched_it_speaks_on_the_incident_only_and_hears_its_own_talkgroup_as_well():
    async with World() as world:
        endpoint, mic, squelch = await world.endpoint("guard")
        _, other, others = await world.endpoint("officer")
        endpoint.tune(Tuning("incident-1", ("police",)))
        assert world.channel("incident-1").speaks == {"guard": True}
        assert world.channel("police").speaks == {"guard": False, "officer": True}
        squelch.open_squelch()
        await speak(mic, tone(0.1))
        squelch.close_squelch()
        await speak(mic, silence(0.1))
        assert len(world.channel("incident-1").packets) > 5
        assert world.channel("police").packets == []
        await asyncio.sleep(2.5)  # hang time of the incident
        others.open_squelch()
        await speak(other, tone(0.1))
        assert squelch.log[-1][1] == "T"
        assert endpoint.facts.talkgroup == "incident-1"
        assert endpoint.facts.hears == ("police",)


@in_virtual_time
async def test_tuned_elsewhere_while_talking_it_ends_the_burst_and_goes_on_there():
    async with World() as world:
        endpoint, mic, squelch = await world.endpoint("guard")
        squelch.open_squelch()
        await speak(mic, tone(0.1))
        endpoint.tune(Tuning("incident-1", ("police",)))
        police, incident = world.channel("police"), world.channel("incident-1")
        assert police.holder is None
        assert police.packets[-1][2].flags.last
        await speak(mic, tone(0.1))
        assert incident.holder == "guard"
        assert incident.packets[0][2].marker


@in_virtual_time
async def test_tuned_to_hear_more_the_burst_goes_on_untouched():
    async with World() as world:
        (_, mic, squelch), (endpoint, radio, line) = await two(world)
        squelch.open_squelch()
        await speak(mic, tone(0.2))
        endpoint.tune(Tuning("police", ("street",)))
        endpoint.refresh()
        await speak(mic, tone(0.2))
        squelch.close_squelch()
        await speak(mic, silence(0.2))
        assert [what for _, what in line.log] == ["T", "R"]
        assert whole(loud(radio.sound), 0.4)


# Faults


@pytest.mark.parametrize("side", ["capture", "playback"])
@in_virtual_time
async def test_a_device_that_vanishes_is_released_at_once_reported_and_opened_again(side):
    async with World() as world:
        (_, mic, squelch), (endpoint, radio, line) = await two(world)
        squelch.open_squelch()
        await speak(mic, tone(0.2))
        assert line.keyed
        failed = now()
        radio.unplug() if side == "capture" else radio.unplug_speaker()
        await speak(mic, tone(0.1))
        assert not line.keyed
        assert line.log[-1][0] - failed <= 0.03
        assert endpoint.facts.faults == ("the device is gone",)
        await speak(mic, tone(0.3))
        assert radio.opened == 2
        assert endpoint.facts.faults == ()
        assert line.keyed  # and the burst is entered late


@pytest.mark.parametrize("side", ["capture", "playback"])
@in_virtual_time
async def test_a_drivers_defect_is_a_fault_of_its_device_and_the_device_is_opened_again(side):
    async with World() as world:
        (_, mic, squelch), (endpoint, radio, line) = await two(world)
        squelch.open_squelch()
        await speak(mic, tone(0.2))
        radio.have_a_defect(side)
        await speak(mic, tone(0.1))
        assert not line.keyed
        assert len(endpoint.facts.faults) == 1
        assert "ZeroDivisionError" in endpoint.facts.faults[0]
        await speak(mic, tone(0.4))
        assert radio.opened == 2
        assert endpoint.facts.faults == ()
        assert line.keyed


@in_virtual_time
async def test_a_talkers_device_that_vanishes_gives_the_floor_back():
    async with World() as world:
        (_, mic, squelch), _ = await two(world)
        squelch.open_squelch()
        await speak(mic, tone(0.2))
        mic.unplug()
        await asyncio.sleep(0.01)
        channel = world.channel("police")
        assert channel.holder is None
        assert channel.packets[-1][2].flags.last
        await asyncio.sleep(1.0)
        assert (
            channel.log.count(("request", "talker", 100)) == 2
        )  # reopened, the squelch still open


@in_virtual_time
async def test_a_device_that_is_not_there_is_reported_and_tried_again_ever_more_slowly():
    async with World() as world:
        radio = Radio()
        radio.absent = True
        endpoint, _, _ = await world.endpoint("radio", radio=radio)
        assert endpoint.facts.faults == ("there is no such device",)
        await asyncio.sleep(30)
        radio.absent = False
        await asyncio.sleep(5.1)
        assert radio.opened == 1
        assert endpoint.facts.faults == ()


@in_virtual_time
async def test_without_its_device_nothing_is_keyed():
    async with World() as world:
        _, mic, squelch = await world.endpoint("talker")
        radio = Radio()
        radio.absent = True
        _, _, line = await world.endpoint("listener", radio=radio)
        squelch.open_squelch()
        await speak(mic, tone(0.2))
        assert line.keepalives == []
        assert world.counters["voice.no_device"] > 0


@in_virtual_time
async def test_a_fault_of_the_keyer_and_every_change_are_told():
    async with World() as world:
        endpoint, mic, squelch = await world.endpoint("radio")
        squelch.fail("the port is gone")
        assert world.changes[-1].faults == ("the port is gone",)
        squelch.fail(None)
        squelch.open_squelch()
        assert world.changes[-1].squelch_open
        await speak(mic, tone(0.04))
        squelch.close_squelch()
        assert not world.changes[-1].squelch_open
        assert all(a != b for a, b in pairwise(world.changes))
        assert endpoint.facts == world.changes[-1]


@in_virtual_time
async def test_stopped_it_releases_everything():
    async with World() as world:
        (_, mic, squelch), (_, _, line) = await two(world)
        squelch.open_squelch()
        await speak(mic, tone(0.1))
        channel = world.channel("police")
    assert channel.members == {}
    assert channel.holder is None
    assert not line.keyed


@in_virtual_time
async def test_garbage_for_opus_is_counted_and_keys_nothing():
    async with World() as world:
        (_, mic, squelch), (endpoint, _, line) = await two(world)
        squelch.open_squelch()
        await speak(mic, tone(0.02))
        packet = world.channel("police").packets[0][2]
        line.log.clear()
        for payload in (b"\x4b", b"\x4b\x00", b"\x83\xff"):
            fields = {name: getattr(packet, name) for name in type(packet).__slots__}
            garbage = type(packet)(**fields | {"payload": payload})
            endpoint.on_packet("police", "x/y", garbage, now(), confirmed=True)
        assert world.counters["voice.malformed_opus"] == 3


def test_an_endpoint_is_a_member_and_the_double_a_floor():
    methods = {"on_granted", "on_refused", "on_revoked", "on_packet", "on_idle", "name"}
    assert methods <= set(dir(Endpoint)) | {"name"}
    assert {"join", "leave", "request", "release", "send"} <= set(dir(Channel))


@in_virtual_time
async def test_when_all_that_is_left_is_silence_it_is_released_before_its_end():
    async with World() as world:
        (_, mic, squelch), (_, radio, line) = await two(world)
        squelch.open_squelch()
        await speak(mic, tone(2.2), silence(0.4))
        squelch.close_squelch()
        closed = now()
        await speak(mic, silence(0.3))
        # The block being captured, and one beat.
        assert line.log[-1][0] - closed <= 0.02 + 0.02 + 0.001
        assert whole(loud(radio.sound), 2.2)


@pytest.mark.parametrize("phase", [0.0, 0.004, 0.009, 0.014, 0.019])
@in_virtual_time
async def test_the_last_syllable_is_heard_whole_before_the_release(phase):
    """Whatever the squelch's closing and the blocks have to do with each other."""
    async with World() as world:
        (_, mic, squelch), (_, radio, line) = await two(world)
        squelch.open_squelch()
        await speak(mic, silence(2.2), tone(0.3))
        last = asyncio.create_task(speak(mic, np.append(tone(phase), silence(0.4 - phase))))
        await asyncio.sleep(phase)
        squelch.close_squelch()
        closed = now()
        await last
        released = line.log[-1][0]
        assert released - closed <= 0.02 + 0.03 + 0.02 + 0.0065 + 0.001
        begun = [(at, block) for at, block in radio.played if at <= released]
        sent = np.concatenate([block for _, block in begun])
        left = round((released - begun[-1][0]) * 16_000)
        assert whole(loud(sent[: len(sent) - 320 + left]), 0.3 + phase)
