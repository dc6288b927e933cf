"""A microphone that an incident opens: the machine, and an endpoint with it on a floor."""

import asyncio
from itertools import pairwise

import pytest

from gateway.link.messages import GroupState, IncidentState
from gateway.voice.patches.patch import Tuning
from gateway.voice.uplink.hot_mic import LISTENS, PRIORITY, TALKS, Change, HotMic
from tests.voice.rig import World, in_virtual_time, silence, speak, tone

OWN = 100


def test_it_is_open_while_it_is_hot_and_asks_with_the_lowest_priority():
    mic = HotMic(presses=True)
    assert not mic.is_open
    assert mic.open(30.0, 0.0) == Change(is_open=True)
    assert mic.priority(OWN) == PRIORITY == 0
    assert mic.unattended
    assert mic.close() == Change(is_open=False)
    assert mic.priority(OWN) == OWN
    assert not mic.unattended


@pytest.mark.parametrize(("until", "hot"), [(10.0, False), (9.0, False), (10.001, True)])
def test_time_that_is_over_opens_nothing(until, hot):
    mic = HotMic(presses=True)
    mic.open(until, 10.0)
    assert mic.hot is hot


def test_key_pressed_meanwhile_asks_at_the_endpoints_own_priority_and_let_go_leaves_a_break():
    mic = HotMic(presses=True)
    mic.open(30.0, 0.0)
    assert mic.key(True, 1.0) == Change(is_open=True, asks=True)
    assert mic.priority(OWN) == OWN
    assert not mic.unattended
    assert mic.key(True, 1.1) == Change(is_open=True), "said once more"
    assert mic.key(False, 2.0) == Change(is_open=False)
    assert mic.priority(OWN) == PRIORITY
    assert mic.deadline() == 2.0 + LISTENS
    assert mic.tick(2.0 + LISTENS) == Change(is_open=True)


def test_key_that_is_held_when_its_time_is_over_goes_on():
    mic = HotMic(presses=True)
    mic.open(30.0, 0.0)
    mic.key(True, 29.0)
    assert mic.close() == Change(is_open=True)
    assert mic.key(False, 31.0) == Change(is_open=False)


def test_voice_beside_it_presses_nothing():
    mic = HotMic(presses=False)
    mic.open(30.0, 0.0)
    assert mic.key(True, 1.0) == Change(is_open=True)
    assert mic.priority(OWN) == PRIORITY
    assert mic.unattended
    assert mic.key(False, 2.0) == Change(is_open=True), "nor does it let anything go"


def test_it_falls_quiet_now_and_then_so_that_a_radio_that_transmits_it_can_hear_an_answer():
    mic = HotMic(presses=True)
    mic.open(60.0, 0.0)
    mic.granted(2.0)
    assert mic.deadline() == 2.0 + TALKS
    assert mic.tick(1.999 + TALKS) == Change(is_open=True)
    assert mic.tick(2.0 + TALKS) == Change(is_open=False)
    assert mic.key(True, 12.5) == Change(is_open=True, asks=True), "a key is a key"
    assert mic.key(False, 13.0) == Change(is_open=False)
    assert mic.deadline() == 13.0 + LISTENS
    assert mic.tick(13.0 + LISTENS) == Change(is_open=True)
    assert mic.tick(60.0) == Change(is_open=False)
    assert mic.deadline() is None


# An endpoint with it


def now():
    return asyncio.get_running_loop().time()


async def hot(world, seconds=10.0, **options):
    endpoint, radio, lines = await world.endpoint("gate", ptt=False, **options)
    await speak(radio, silence(0.2))
    endpoint.hot_mic(now() + seconds)
    return endpoint, radio, lines


def requests(channel):
    return [entry for entry in channel.log if entry[0] == "request"]


@in_virtual_time
async def test_it_speaks_without_a_key_for_its_time():
    async with World() as world:
        _, radio, _ = await hot(world, 2.0)
        await speak(radio, tone(3.0))
        channel = world.channel("police")
        assert requests(channel) == [("request", "gate", 0)]
        assert len(channel.packets) * 0.02 == pytest.approx(2.0, abs=0.3)
        assert channel.packets[-1][2].flags.last
        assert channel.holder is None


@in_virtual_time
async def test_pre_empted_it_asks_again_once_it_has_heard_whoever_spoke():
    async with World() as world:
        endpoint, radio, _ = await hot(world, 20.0)
        await speak(radio, tone(1.0))
        channel = world.channel("police")
        channel.revoke()
        channel.holder = "somebody"
        sent = len(channel.packets)
        await speak(radio, tone(1.0))
        assert len(channel.packets) == sent, "silent while somebody speaks"
        channel.release("somebody")
        await speak(radio, tone(1.0))
        assert len(channel.packets) > sent + 40
        assert {priority for _, _, priority in requests(channel)} == {0}
        endpoint.hot_mic(None)
        await speak(radio, tone(0.2))
        assert channel.holder is None


@in_virtual_time
async def test_key_pressed_on_it_raises_the_burst_to_its_own_priority():
    async with World() as world:
        _, radio, lines = await hot(world, 20.0, priority=120)
        await speak(radio, tone(0.5))
        channel = world.channel("police")
        channel.log.clear()
        channel.request = lambda name, *, priority, emergency=False: channel.log.append(priority)
        lines.open_squelch()
        await speak(radio, tone(0.5))
        assert channel.log == [120]
        assert channel.holder == "gate", "one burst all the time"
        lines.close_squelch()
        await speak(radio, tone(0.5))
        assert channel.holder is None, "whoever was called may answer"
        await speak(radio, tone(2.2))
        assert [entry for entry in channel.log if entry != ("release", "gate")] == [120, 0]


@in_virtual_time
async def test_key_pressed_while_it_is_refused_asks_anew():
    async with World() as world:
        _, radio, lines = await hot(world, 20.0, priority=200)
        channel = world.channel("police")
        await speak(radio, tone(0.5))
        channel.revoke()
        channel.holder = "somebody"
        await speak(radio, tone(0.2))
        before = len(requests(channel))
        lines.open_squelch()
        await speak(radio, tone(0.1))
        assert requests(channel)[before:] == [("request", "gate", 200)]


@in_virtual_time
async def test_time_out_of_inputs_does_not_count_for_it():
    async with World() as world:
        endpoint, radio, lines = await hot(world, 8.0, input_timeout=3.0)
        await speak(radio, tone(6.0))
        assert world.channel("police").holder == "gate"
        lines.open_squelch()
        await speak(radio, tone(4.0))  # its time runs out; the key is held since 2 s before
        assert world.channel("police").holder == "gate"
        await speak(radio, tone(2.0))
        assert world.channel("police").holder is None, "a stuck key is taken out as ever"
        assert any("not listened to" in fault for fault in endpoint.facts.faults)


@in_virtual_time
async def test_its_breaks_give_the_floor_back_and_last_no_longer_than_they_must():
    async with World() as world:
        _, radio, _ = await hot(world, 30.0)
        await speak(radio, tone(25.0))
        at = [when for when, _, _ in world.channel("police").packets]
        breaks = [later - earlier for earlier, later in pairwise(at)]
        breaks = [length for length in breaks if length > 0.5]
        assert breaks == pytest.approx([LISTENS, LISTENS], abs=0.3)
        assert len(requests(world.channel("police"))) == 3


@in_virtual_time
async def test_it_does_not_follow_the_endpoint_to_another_talkgroup():
    async with World() as world:
        endpoint, radio, _ = await hot(world, 20.0)
        await speak(radio, tone(0.5))
        endpoint.tune(Tuning("fire", ("police",)))
        await speak(radio, tone(0.5))
        assert requests(world.channel("fire")) == []
        assert world.channel("police").holder is None


@in_virtual_time
async def test_device_that_comes_back_is_hot_again_for_the_rest_of_its_time():
    async with World() as world:
        _, radio, _ = await hot(world, 20.0)
        await speak(radio, tone(0.5))
        radio.unplug()
        await asyncio.sleep(1.0)
        assert world.channel("police").holder is None
        await speak(radio, tone(0.5))
        assert world.channel("police").holder == "gate"


# Whose microphones an incident opens

AT = "2026-11-24T05:45:08.123Z"
TREE = """\
gateway: a
sites: {s1: {name: S, class: hospital}}
talkgroups: {sec: {}}
standbys: {a: {by: [c]}}
endpoints:
  button: {kind: button, site: s1, place: gate}
  gate: {kind: intercom, site: s1, place: gate, drills: true, talkgroup: sec, audio: {driver: udp, listen: "127.0.0.1:1", send: "127.0.0.1:2", rate_hz: 16000}}
  shy: {kind: intercom, site: s1, place: gate, hot_mic: false, talkgroup: sec, audio: {driver: udp, listen: "127.0.0.1:3", send: "127.0.0.1:4", rate_hz: 16000}}
  undrilled: {kind: intercom, site: s1, place: gate, talkgroup: sec, audio: {driver: udp, listen: "127.0.0.1:5", send: "127.0.0.1:6", rate_hz: 16000}}
  radio: {kind: radio, site: s1, place: gate, talkgroup: sec, audio: {driver: udp, listen: "127.0.0.1:7", send: "127.0.0.1:8", rate_hz: 16000}}
  hall: {kind: intercom, site: s1, place: hall, talkgroup: sec, audio: {driver: udp, listen: "127.0.0.1:9", send: "127.0.0.1:10", rate_hz: 16000}}
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    import drivers.registry
    from gateway.settings.loader import load

    path = tmp_path_factory.mktemp("hot") / "a.yaml"
    path.write_text(TREE)
    return load(path, drivers.registry).settings


def state(**changes):
    fields = {
        "id": "0190a5c0-0000-7000-8000-000000000002", "state": "open", "level": 1, "plan": None,
        "category": "panic", "severity": 1, "site": "s1", "site_name": "S", "endpoint": "button",
        "endpoints": ("button", "gate", "shy", "undrilled", "radio"), "drill": False, "raised": AT,
        "latched": True, "input": "alarm", "talkgroup": "incident-x",
        "groups": {"police": GroupState(party="p", state="paged", level=1, paged=AT, received=None,
                                        acked=None, arrived=None, by=None)},
        "breaches": (), "disposition": None, "closed": None, "owner": "a", "owner_term": 1, "seq": 1,
        "applied": (), "refused": None, "home": "a", "hot_mic_until": AT,
    }  # fmt: skip
    return IncidentState(**(fields | changes))


@pytest.mark.parametrize(
    ("changes", "opened"),
    [
        ({}, {"gate", "undrilled"}),
        ({"state": "answered"}, {"gate", "undrilled"}),
        ({"state": "resolved"}, set()),
        ({"state": "closed"}, set()),
        ({"hot_mic_until": None}, set()),
        ({"covert": True}, set()),
        ({"drill": True}, {"gate"}),
        ({"home": "b", "owner": "b"}, set()),
        ({"home": None}, {"gate", "undrilled"}),
        ({"owner": "c"}, {"gate", "undrilled"}),  # stands by for us
        ({"owner": "b"}, set()),  # anybody may say that it is ours
    ],
)
def test_only_the_places_intercoms_of_an_incident_of_ours_are_opened(settings, changes, opened):
    from gateway.pieces import hot_microphones

    assert hot_microphones(settings, state(**changes)) == opened
