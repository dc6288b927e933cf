"""Pages spoken on talkgroups: whole packets on a floor as simple as can be, in virtual time."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from gateway.link.messages import Announced, GroupState, IncidentState, Page, decode, encode
from gateway.link.topics import Topics
from gateway.ops.counters import Counters
from gateway.voice.announcing.announcer import Addressee, Announcer, AnnouncerOptions
from gateway.voice.announcing.covert import Ear
from gateway.voice.announcing.sound import RATE_HZ, tones
from gateway.voice.announcing.turns import TurnRules
from gateway.voice.opus import Decoder
from tests.voice.rig import Channel, in_virtual_time

INCIDENT = "0190a5c0-0000-7000-8000-000000000002"
OTHER = "0190a5c0-0000-7000-8000-000000000003"
AT = "2026-11-24T05:45:08.123Z"
GROUPS = {
    "police": Addressee("police-tg", "zh"),
    "street": Addressee("street-tg", "en", drills=True),
    "fire": Addressee("police-tg", "zh"),
}
RULES = TurnRules(times=2, pause=3.0, within=30.0)


def page(number=1, group="police", incident=INCIDENT, **more):
    fields = {
        "id": f"0190a5c0-0000-7000-8000-0000000001{number:02d}",
        "incident": incident,
        "group": group,
        "level": 1,
        "title": "t",
        "category": "panic",
        "severity": 1,
        "site": "zju1",
        "site_name": "浙大一院",
        "endpoint": "button",
        "endpoints": ("button",),
        "position": None,
        "talkgroup": None,
        "drill": False,
        "raised": AT,
        "sent": AT,
        "ack_within_s": 30.0,
        "level_name": "吹哨响应",
        "place": "南大门",
    }
    return Page(**(fields | more))


def state(progress="acked", group="police", incident=INCIDENT, whole="open", **more):
    fields = {
        "id": incident, "state": whole, "level": 1, "plan": None, "category": "panic", "severity": 1,
        "site": "zju1", "site_name": "x", "endpoint": None, "endpoints": (), "drill": False,
        "raised": AT, "latched": False, "input": "alarm", "talkgroup": None,
        "groups": {group: GroupState(party="p", state=progress, level=1, paged=AT, received=None,
                                     acked=None, arrived=None, by=None)},
        "breaches": (), "disposition": None, "closed": None, "owner": "a", "owner_term": 1, "seq": 1,
        "applied": (), "refused": None,
    }  # fmt: skip
    return IncidentState(**(fields | more))


class Control:
    def __init__(self):
        self.connected = True
        self.handlers = {}
        self.posted = []

    def subscribe(self, topic, handler):
        self.handlers[topic] = handler

    def unsubscribe(self, topic, handler=None):
        del self.handlers[topic]

    def post(self, topic, payload, *, expiry=None):
        self.posted.append((topic, decode(Announced, payload)))
        future = asyncio.get_running_loop().create_future()
        future.set_result(None)
        return future


class Message:
    retain = False

    def __init__(self, topic, payload):
        self.topic, self.payload = topic, payload


class Stock:
    """Phrases of half a second each, at once or late."""

    def __init__(self):
        self.asked = []
        self.missing = set()
        self.takes = 0.0

    async def run(self):
        await asyncio.get_running_loop().create_future()

    def configure(self, options, wanted):
        self.wanted = wanted

    async def have(self, phrases, within):
        self.asked.append(tuple(phrase.text for phrase in phrases))
        await asyncio.sleep(min(self.takes, within))
        tone = (np.sin(np.arange(RATE_HZ // 2) * 0.3) * 5_000).astype(np.int16)
        return [None if phrase.text in self.missing else tone for phrase in phrases]


class World:
    def __init__(self):
        self.channels = {}
        self.counters = Counters()
        self.control = Control()
        self.stock = Stock()
        self.joined = {}  # group to the talkgroup it speaks on
        self.heard_by = []
        self.announcer = Announcer(
            "b", Topics(), self.control, self, self.stock, self.counters
        )  # fmt: skip
        self.announcer.configure(AnnouncerOptions(rules=RULES, groups=GROUPS))

    async def __aenter__(self):
        self._task = asyncio.create_task(self.announcer.run())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_):
        self.announcer.close()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    # what the announcer asks

    def floor(self, talkgroup):
        return self.channels.setdefault(talkgroup, Floor(talkgroup))

    def bitrate_bps(self, talkgroup):
        return 24_000

    def listens_on(self, group, talkgroup):
        return self.joined.get(group) == talkgroup

    def ears(self, talkgroup):
        return self.heard_by

    # what an outsider sees

    def bursts(self, talkgroup="police-tg"):
        """Each burst as (when it began, seconds, whether it was ended)."""
        found = {}
        for at, _, packet in self.floor(talkgroup).packets:
            found.setdefault(packet.ssrc, []).append((at, packet))
        return [
            (round(one[0][0], 2), len(one) * 0.02, one[-1][1].flags.last) for one in found.values()
        ]

    def sound(self, talkgroup="police-tg"):
        decoder = Decoder(RATE_HZ)
        return np.concatenate(
            [decoder.decode(packet.payload) for _, _, packet in self.floor(talkgroup).packets]
        )


class Floor(Channel):
    """Takes what `Channel` does, and a member that leaves while it does not have it."""

    def request(self, name, *, priority, emergency=False):
        super().request(name, priority=priority, emergency=emergency)

    @property
    def talker(self):
        return self.holder

    @property
    def asked(self):
        return [entry for entry in self.log if entry[0] == "request"]


def now():
    return asyncio.get_running_loop().time()


LENGTH = 0.3 + 0.65 + 4 * 0.66 + 0.02  # lead, chime, four phrases with a breath, the last packet


@in_virtual_time
async def test_page_is_spoken_twice_on_the_groups_talkgroup_in_its_language():
    async with World() as world:
        began = now()
        world.announcer.page(page())
        await asyncio.sleep(30)
        assert world.stock.asked == [("浙大一院", "南大门", "紧急报警", "吹哨响应")]
        (first, seconds, ended), (second, *_) = world.bursts()
        assert first == round(began, 2)
        assert seconds == pytest.approx(LENGTH, abs=0.03)
        assert ended
        assert second - first == pytest.approx(LENGTH + 3.0, abs=0.1)
        assert world.floor("police-tg").asked == [("request", "announcer", 50)] * 2
        assert world.floor("police-tg").members == {}, "it leaves when all is said"
        heard = world.sound()
        chime = tones(-20.0).astype(float)
        match = np.correlate(heard[: 2 * RATE_HZ].astype(float), chime)
        assert match.max() / np.dot(chime, chime) > 0.9


@in_virtual_time
async def test_each_group_is_spoken_to_on_its_own_talkgroup_at_the_same_time():
    async with World() as world:
        world.announcer.page(page(1))
        world.announcer.page(page(2, "street", category="fire"))
        await asyncio.sleep(1)
        assert len(world.bursts("police-tg")) == len(world.bursts("street-tg")) == 1
        assert world.stock.asked[1][2] == "fire alarm"


@in_virtual_time
async def test_people_who_talk_are_waited_for():
    async with World() as world:
        floor = world.floor("police-tg")
        floor.holder = "somebody"
        world.announcer.page(page())
        await asyncio.sleep(4.1)
        assert world.bursts() == []
        floor.release("somebody")
        await asyncio.sleep(0.1)
        assert len(world.bursts()) == 1


@in_virtual_time
async def test_nobody_ever_silent_it_is_dropped_and_counted_after_its_time():
    async with World() as world:
        world.floor("police-tg").holder = "somebody"
        world.announcer.page(page())
        await asyncio.sleep(40)
        world.floor("police-tg").release("somebody")
        await asyncio.sleep(5)
        assert world.bursts() == []
        assert world.counters["announce.no_floor"] == 1


@in_virtual_time
async def test_page_that_pre_empts_asks_with_a_priority_of_its_own():
    async with World() as world:
        world.announcer.page(page(announce="pre-empt"))
        await asyncio.sleep(0.1)
        assert world.floor("police-tg").asked == [("request", "announcer", 150)]


@in_virtual_time
async def test_page_that_is_not_to_be_announced_is_not():
    async with World() as world:
        world.announcer.page(page(announce="off"))
        world.announcer.page(page(2, group="nobody-here"))
        await asyncio.sleep(5)
        assert world.bursts() == []
        assert world.counters["announce.off"] == world.counters["announce.not_served"] == 1


@in_virtual_time
async def test_drill_is_spoken_only_to_groups_that_are_marked_for_drills():
    async with World() as world:
        world.announcer.page(page(drill=True))
        world.announcer.page(page(2, group="street", drill=True))
        await asyncio.sleep(5)
        assert world.bursts("police-tg") == []
        assert len(world.bursts("street-tg")) == 1
        assert world.counters["announce.not_for_drills"] == 1
        assert world.stock.asked[0][0] == world.stock.asked[0][-1] == "This is a drill"


@in_virtual_time
async def test_ack_ends_it_in_the_middle_of_a_word_with_an_end_that_is_heard():
    async with World() as world:
        world.announcer.page(page())
        await asyncio.sleep(1.0)
        world.announcer.incident(state("acked", group="street"))
        world.announcer.incident(state("received"))
        await asyncio.sleep(0.5)
        world.announcer.incident(state("acked"))
        await asyncio.sleep(20)
        ((_, seconds, ended),) = world.bursts()
        assert seconds == pytest.approx(1.52, abs=0.06)
        assert ended
        assert world.floor("police-tg").holder is None


@pytest.mark.parametrize("whole", ["resolved", "closed"])
@in_virtual_time
async def test_end_of_the_incident_ends_it(whole):
    async with World() as world:
        world.announcer.page(page())
        await asyncio.sleep(1.0)
        world.announcer.incident(state("received", whole=whole))
        await asyncio.sleep(20)
        ((_, seconds, _),) = world.bursts()
        assert seconds == pytest.approx(1.02, abs=0.06)


@in_virtual_time
async def test_ack_that_comes_while_phrases_are_rendered_leaves_nothing_to_say():
    async with World() as world:
        world.stock.takes = 1.0
        world.announcer.page(page())
        await asyncio.sleep(0.5)
        world.announcer.incident(state("acked"))
        await asyncio.sleep(5)
        assert world.bursts() == []
        assert world.counters["announce.over"] == 1


@in_virtual_time
async def test_revoked_it_is_silent_and_begins_anew_when_the_floor_is_idle():
    async with World() as world:
        floor = world.floor("police-tg")
        world.announcer.page(page())
        await asyncio.sleep(1.0)
        floor.revoke()
        floor.holder = "somebody"
        await asyncio.sleep(1.0)
        (first,) = world.bursts()
        assert first[1] == pytest.approx(1.0, abs=0.06)
        floor.release("somebody")
        await asyncio.sleep(5)
        assert world.bursts()[1][1] == pytest.approx(LENGTH, abs=0.03)
        assert world.counters["announce.interrupted"] == 1


@in_virtual_time
async def test_missing_phrases_are_left_out_and_counted():
    async with World() as world:
        world.stock.missing = {"南大门", "浙大一院"}
        world.announcer.page(page())
        await asyncio.sleep(5)
        assert world.bursts()[0][1] == pytest.approx(LENGTH - 2 * 0.66, abs=0.03)
        assert world.counters["announce.fragment_missing"] == 2


@in_virtual_time
async def test_without_any_voice_the_chime_calls():
    async with World() as world:
        world.stock.missing = {"浙大一院", "南大门", "紧急报警", "吹哨响应"}
        world.announcer.page(page())
        await asyncio.sleep(5)
        assert world.bursts()[0][1] == pytest.approx(LENGTH - 4 * 0.66, abs=0.03)


@in_virtual_time
async def test_two_groups_of_one_talkgroup_hear_one_announcement():
    async with World() as world:
        world.announcer.page(page(1, "police"))
        world.announcer.page(page(2, "fire"))
        await asyncio.sleep(30)
        assert len(world.bursts()) == 2


@in_virtual_time
async def test_other_gateways_are_told_and_leave_it_to_this_one():
    async with World() as world:
        world.announcer.page(page())
        await asyncio.sleep(0.1)
        ((topic, said),) = world.control.posted
        assert topic == "baiying/talkgroup/police-tg/announced/b"
        assert (said.page, said.incident, said.level, said.by) == (page().id, INCIDENT, 1, "b")


def announced(world, by="a", incident=INCIDENT, level=1, talkgroup="police-tg"):
    said = Announced(
        page=page().id, incident=incident, group="police", level=level, talkgroup=talkgroup, by=by, time=AT
    )  # fmt: skip
    topic = f"baiying/talkgroup/{talkgroup}/announced/{by}"
    world.control.handlers[f"baiying/talkgroup/{talkgroup}/announced/+"](
        Message(topic, encode(said))
    )


@in_virtual_time
async def test_what_another_gateway_says_is_left_to_it():
    async with World() as world:
        world.floor("police-tg").holder = "a/announcer"
        world.announcer.page(page(1))
        world.announcer.page(page(2, incident=OTHER))
        await asyncio.sleep(0.1)
        announced(world)
        world.floor("police-tg").release("a/announcer")
        await asyncio.sleep(10)
        assert [said.incident for _, said in world.control.posted] == [OTHER, OTHER]


@in_virtual_time
async def test_who_says_so_without_having_the_floor_silences_nobody():
    async with World() as world:
        world.floor("police-tg").holder = "somebody"
        world.announcer.page(page())
        await asyncio.sleep(0.1)
        announced(world)
        await asyncio.sleep(1.0)
        world.floor("police-tg").release("somebody")
        await asyncio.sleep(1.0)
        assert len(world.bursts()) == 1


@in_virtual_time
async def test_floors_state_that_comes_after_the_word_is_waited_for():
    async with World() as world:
        world.floor("police-tg").holder = "somebody"
        world.announcer.page(page())
        await asyncio.sleep(0.1)
        announced(world)
        await asyncio.sleep(0.2)
        world.floor("police-tg").holder = "a/announcer"
        await asyncio.sleep(0.5)
        assert world.counters["announce.said_by_another"] == 1


@in_virtual_time
async def test_page_that_comes_while_another_gateway_says_it_is_left_to_it():
    async with World() as world:
        announced(world)
        world.floor("police-tg").holder = "a/announcer"
        world.announcer.page(page())
        await asyncio.sleep(0.5)
        assert world.counters["announce.said_by_another"] == 1
        world.floor("police-tg").release("a/announcer")
        await asyncio.sleep(10)
        assert world.bursts() == []


@in_virtual_time
async def test_malformed_word_of_another_gateway_is_counted_and_changes_nothing():
    async with World() as world:
        topic = "baiying/talkgroup/police-tg/announced/"
        world.control.handlers[topic + "+"](Message(topic + "a", b"{"))
        announced(world, by="b")  # our own words come back
        world.announcer.page(page())
        await asyncio.sleep(1)
        assert len(world.bursts()) == 1
        assert world.counters["announce.malformed"] == 1


@in_virtual_time
async def test_without_a_broker_it_speaks_all_the_same():
    async with World() as world:
        world.control.connected = False
        world.announcer.page(page())
        await asyncio.sleep(1)
        assert len(world.bursts()) == 1
        assert world.control.posted == []


@in_virtual_time
async def test_group_that_has_joined_the_incidents_talkgroup_is_spoken_to_there():
    async with World() as world:
        tg = f"incident-{INCIDENT}"
        asyncio.get_running_loop().call_later(0.1, world.joined.update, {"police": tg})
        world.announcer.page(page(talkgroup=tg))
        await asyncio.sleep(2)
        assert len(world.bursts(tg)) == 1
        assert world.bursts("police-tg") == []
        world.announcer.incident(state("received", whole="closed", talkgroup=tg))
        assert f"baiying/talkgroup/{tg}/announced/+" not in world.control.handlers


@in_virtual_time
async def test_on_the_incidents_talkgroup_it_is_said_to_the_end_or_until_the_last_group_has_acked():
    async with World() as world:
        tg = f"incident-{INCIDENT}"
        world.joined["police"] = tg
        world.announcer.page(page(talkgroup=tg))
        await asyncio.sleep(1.0)
        (one,) = state("acked").groups.values()
        both = {"police": one, "street": replace(one, state="received")}
        world.announcer.incident(state(groups=both, talkgroup=tg))
        await asyncio.sleep(0.5)
        assert not world.bursts(tg)[0][2], "the street has yet to hear it"
        world.announcer.incident(state(groups=both | {"street": one}, talkgroup=tg))
        await asyncio.sleep(1.0)
        assert world.bursts(tg)[0][1] == pytest.approx(1.52, abs=0.06)


@pytest.mark.parametrize(
    ("ears", "heard"),
    [
        ([], True),
        ([Ear("guard-radio", "zju1", "radio")], True),
        ([Ear("gate-intercom", "elsewhere", "intercom")], True),
        ([Ear("hall-intercom", "zju1", "intercom")], False),
        ([Ear("button", "zju1", "radio")], False),
        ([Ear("button", "elsewhere", "radio")], True),
    ],
)
@in_virtual_time
async def test_covert_incident_is_never_announced_where_the_place_would_hear_it(ears, heard):
    async with World() as world:
        world.heard_by = ears
        world.announcer.page(page(covert=True))
        await asyncio.sleep(2)
        assert (len(world.bursts()) == 1) is heard
        assert world.counters["announce.withheld"] == (not heard)
        world.announcer.page(page(2, incident=OTHER))
        await asyncio.sleep(20)
        assert {said.incident for _, said in world.control.posted} >= {OTHER}


@in_virtual_time
async def test_announcement_longer_than_the_talk_limit_is_cut():
    async with World() as world:
        world.announcer.page(page(level_name="楼" * 40 + "a " * 200))
        world.floor("police-tg").grant = lambda name: None
        await asyncio.sleep(0.1)
        from gateway.voice.rtp import Token

        world.floor("police-tg").holder = "announcer"
        world.floor("police-tg").members["announcer"].on_granted("police-tg", Token(1, 1), 2.0)
        await asyncio.sleep(5)
        assert world.bursts()[0][1] == pytest.approx(1.52, abs=0.03)
        assert world.counters["announce.cut"] == 1


@in_virtual_time
async def test_reload_takes_other_options_and_switches_it_off():
    async with World() as world:
        world.announcer.configure(
            AnnouncerOptions(rules=replace(RULES, times=0), groups=GROUPS, vocabulary=("x",))
        )
        world.announcer.page(page())
        await asyncio.sleep(5)
        assert world.bursts() == []
        assert world.stock.wanted == (), "nothing is rendered ahead for it"
        world.announcer.configure(AnnouncerOptions(rules=replace(RULES, times=1), groups=GROUPS))
        world.announcer.page(page(2))
        await asyncio.sleep(20)
        assert len(world.bursts()) == 1
