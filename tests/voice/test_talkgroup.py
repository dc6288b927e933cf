"""Talkgroups of real gateways' voice sides, first without a broker, then over a real mosquitto.

What crosses the wire is written and read here with json and struct alone.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import struct
import time

import pytest

from gateway.errors import LocalProtocolError, StorageError
from gateway.link.broker import BrokerOptions, EmbeddedBroker
from gateway.link.messages import EndpointState, Status, decode
from gateway.link.presence import Presence
from gateway.link.roster import Roster
from gateway.link.session import ControlLink
from gateway.link.topics import Topics
from gateway.link.voice_link import VoiceLink
from gateway.ops.counters import Counters
from gateway.voice.rtp import BurstFlags, Packet, Token
from gateway.voice.talkgroup_ports import TalkgroupOptions
from gateway.voice.talkgroups import Talkgroups

TG = "police"
TOPICS = Topics()
BOOT = "0190a5c0-0000-7000-8000-000000000000"
NOW = "2026-11-24T05:45:08.123Z"


async def until(condition, within=3.0):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(0.003)


class Person:
    """A member as a person has it: what was heard, and what was said about the floor."""

    def __init__(self, name):
        self.name = name
        self.token = None
        self.told = []
        self.heard = []
        self.idle = 0
        self.clumsy = False
        self._sequence = 0

    def on_granted(self, talkgroup, token, tot):
        self.token = token
        self.told.append(("granted", tot))

    def on_refused(self, talkgroup, cause, text, retry_after):
        self.told.append(("refused", cause, text))

    def on_revoked(self, talkgroup, cause, text):
        self.token = None
        self.told.append(("revoked", cause, text))

    def on_queued(self, talkgroup, position):
        self.told.append(("queued", position))

    def on_warning(self, talkgroup, left):
        self.told.append(("warning", left))

    def on_packet(self, talkgroup, talker, packet, arrival, *, confirmed):
        self.heard.append((talker, packet))
        if self.clumsy:
            raise RuntimeError("a defect in a member")

    def on_idle(self, talkgroup):
        self.idle += 1

    def word(self, token=None, captured=None):
        self._sequence += 1
        return packet(token or self.token, self._sequence, captured)


def packet(token, sequence=1, captured=None, ssrc=77):
    captured = time.time() if captured is None else captured
    flags = BurstFlags()
    return Packet(
        sequence, sequence * 960, ssrc, False, b"\x48abc", 30, True, token, flags, captured
    )


class Away:
    """Both connections, with a broker that is not there."""

    connected = False

    def __init__(self):
        self.retained = {}

    def subscribe(self, topic_filter, handler):
        pass

    unsubscribe = subscribe

    def set_retained(self, topic, payload, *, expiry=None):
        self.retained[topic] = payload

    def publish(self, *_, **__):
        raise AssertionError("nothing is published without a broker")

    def on_connection(self, callback):
        pass


class Disk:
    def __init__(self, fails=False):
        self.terms = {}
        self.fails = fails

    async def store_term(self, talkgroup, term):
        await asyncio.sleep(0)
        if self.fails:
            raise StorageError("the disk is full")
        self.terms[talkgroup] = term


@contextlib.asynccontextmanager
async def alone(disk=None, options=None, **kwargs):
    """The talkgroups of a gateway without a broker."""
    link = Away()
    counters = Counters()
    talkgroups = Talkgroups(
        "zju1", TOPICS, link, link, Roster(), disk or Disk(), {}, counters, **kwargs
    )
    talkgroups.configure({TG: options or TalkgroupOptions()})
    talkgroups.counters = counters
    talkgroups.link = link
    running = asyncio.create_task(talkgroups.run())
    yield talkgroups
    talkgroups.close()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_two_members_of_one_gateway_talk_to_each_other_without_a_broker():
    disk = Disk()
    async with alone(disk) as talkgroups:
        talkgroup = talkgroups.get(TG)
        guard, nurse = Person("guard"), Person("nurse")
        began = time.monotonic()
        talkgroup.join(guard, speaks=True)
        talkgroup.join(nurse, speaks=True)
        talkgroup.request("guard", priority=100)
        await until(lambda: guard.told)
        assert time.monotonic() - began >= 0.45  # a gateway that starts waits
        assert guard.told == [("granted", 30.0)]
        assert disk.terms == {TG: guard.token.term}
        assert (talkgroup.state, talkgroup.talker) == ("taken", "zju1/guard")
        talkgroup.send("guard", guard.word())
        assert [talker for talker, _ in nurse.heard] == ["zju1/guard"]
        assert guard.heard == []
        talkgroup.request("nurse", priority=100)
        assert nurse.told == [("refused", 1, "another client has permission")]
        talkgroup.release("guard")
        talkgroup.request("nurse", priority=100)
        assert nurse.told[1:] == [("granted", 30.0)]  # in hang time, at once
        assert talkgroups.link.retained.get(TOPICS.floor(TG, "zju1")) is not None


async def test_member_that_joins_in_the_middle_of_a_burst_hears_the_next_packet():
    async with alone() as talkgroups:
        talkgroup = talkgroups.get(TG)
        guard, late = Person("guard"), Person("late")
        talkgroup.join(guard, speaks=True)
        talkgroup.request("guard", priority=100)
        await until(lambda: guard.token)
        talkgroup.send("guard", guard.word())
        talkgroup.join(late, speaks=False)
        talkgroup.send("guard", guard.word())
        assert len(late.heard) == 1


async def test_who_may_only_listen_or_has_no_grant_is_not_heard():
    async with alone() as talkgroups:
        talkgroup = talkgroups.get(TG)
        guard, ear = Person("guard"), Person("ear")
        talkgroup.join(guard, speaks=True)
        talkgroup.join(ear, speaks=False)
        talkgroup.request("ear", priority=255)
        assert ear.told == [("refused", 5, "receive only")]
        talkgroup.send("guard", guard.word(Token(9, 9)))
        assert ear.heard == []
        assert talkgroups.counters["voice.sent_without_grant"] == 1
        with pytest.raises(LocalProtocolError):
            talkgroup.request("nobody", priority=100)


async def test_open_squelch_is_told_when_the_floor_becomes_idle():
    async with alone(options=TalkgroupOptions(hang_time=0.05)) as talkgroups:
        talkgroup = talkgroups.get(TG)
        guard, nurse = Person("guard"), Person("nurse")
        talkgroup.join(guard, speaks=True)
        talkgroup.join(nurse, speaks=True)
        talkgroup.request("guard", priority=100)
        await until(lambda: guard.token)
        assert nurse.idle == 0
        talkgroup.release("guard")
        assert talkgroup.state == "hang"
        assert nurse.idle == 0
        await until(lambda: nurse.idle == 1)
        assert talkgroup.state == "idle"


async def test_member_that_only_knows_the_answers_waits_in_the_queue_all_the_same():
    class Plain:
        """A member without a word for waiting."""

        name = "plain"

        def __init__(self):
            self.granted = 0

        def on_granted(self, talkgroup, token, tot):
            self.granted += 1

        def on_refused(self, *_):
            raise AssertionError("refused")

        on_revoked = on_packet = on_refused

        def on_idle(self, talkgroup):
            pass

    async with alone(options=TalkgroupOptions(queue_length=1)) as talkgroups:
        floor = talkgroups.get(TG)
        one, plain = Person("one"), Plain()
        floor.join(one, speaks=True)
        floor.join(plain, speaks=True)
        floor.request("one", priority=100)
        await until(lambda: one.token)
        floor.request("plain", priority=100)
        assert plain.granted == 0
        floor.release("one")
        assert plain.granted == 1


async def test_talker_that_leaves_gives_the_floor_back():
    async with alone() as talkgroups:
        talkgroup = talkgroups.get(TG)
        guard, nurse = Person("guard"), Person("nurse")
        talkgroup.join(guard, speaks=True)
        talkgroup.join(nurse, speaks=True)
        talkgroup.request("guard", priority=100)
        await until(lambda: guard.token)
        talkgroup.leave("guard")
        assert talkgroup.state == "hang"
        assert talkgroup.talker is None


async def test_member_with_a_defect_harms_no_other():
    async with alone() as talkgroups:
        talkgroup = talkgroups.get(TG)
        guard, nurse, clumsy = Person("guard"), Person("nurse"), Person("clumsy")
        clumsy.clumsy = True
        for one in (guard, clumsy, nurse):
            talkgroup.join(one, speaks=True)
        talkgroup.request("guard", priority=100)
        await until(lambda: guard.token)
        talkgroup.send("guard", guard.word())
        assert len(nurse.heard) == 1
        assert talkgroups.counters["voice.member_failed"] == 1


async def test_journal_that_cannot_store_a_term_does_not_silence_the_talkgroup():
    async with alone(Disk(fails=True)) as talkgroups:
        talkgroup = talkgroups.get(TG)
        guard = Person("guard")
        talkgroup.join(guard, speaks=True)
        talkgroup.request("guard", priority=100)
        await until(lambda: guard.token)
        assert talkgroups.counters["floor.term_not_stored"] == 1


async def test_incident_talkgroup_is_gone_with_its_last_member():
    async with alone() as talkgroups:
        incident = talkgroups.get("incident-0190a5c0")
        incident.join(Person("guard"), speaks=True)
        assert talkgroups.get("incident-0190a5c0") is incident
        incident.leave("guard")
        assert talkgroups.get("incident-0190a5c0") is not incident
        assert talkgroups.get(TG) is talkgroups.get(TG)


# Over a real broker


class Gateway:
    """A gateway's voice side on a broker: links, roster and talkgroups, with one endpoint."""

    def __init__(self, name, broker, *, terms=None, options=None, names_talkgroup=True):
        self.name = name
        self.counters = Counters()
        self.disk = Disk()
        presence = Presence(topic=TOPICS.status(name), boot=BOOT, version="0")
        address = broker.address(name)
        self.control = ControlLink(name, address, presence=presence, counters=self.counters)
        self.voice = VoiceLink(name, address, counters=self.counters)
        self.roster = Roster()
        self.control.subscribe(TOPICS.status("+"), self._on_status)
        self.control.subscribe(TOPICS.endpoint("+", "+"), self._on_endpoint)
        self.control.on_connection(self._on_connection)
        if names_talkgroup:
            self.control.set_retained(TOPICS.endpoint(name, "radio"), endpoint_state())
        self.talkgroups = Talkgroups(
            name,
            TOPICS,
            self.control,
            self.voice,
            self.roster,
            self.disk,
            terms or {},
            self.counters,
        )
        self.talkgroups.configure({TG: options or TalkgroupOptions()})
        self.talkgroup = self.talkgroups.get(TG)
        self.radio = Person("radio")
        self.talkgroup.join(self.radio, speaks=True)
        self._running = []

    async def __aenter__(self):
        for coroutine in (self.control.run(), self.voice.run(), self.talkgroups.run()):
            self._running.append(asyncio.create_task(coroutine))
        return self

    async def __aexit__(self, *_):
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _on_connection(self, connected):
        if not connected:
            self.roster.clear()
            self.talkgroups.roster_changed()

    def _on_status(self, incoming):
        name = TOPICS.levels(incoming.topic)[1]
        self.roster.status(name, decode(Status, incoming.payload) if incoming.payload else None)
        self.talkgroups.roster_changed()

    def _on_endpoint(self, incoming):
        _, name, _, endpoint = TOPICS.levels(incoming.topic)
        state = decode(EndpointState, incoming.payload) if incoming.payload else None
        self.roster.endpoint(name, endpoint, state)
        self.talkgroups.roster_changed()


def endpoint_state():
    state = {"v": 1, "endpoint": "radio", "kind": "radio", "site": None, "health": "ok"}
    state |= {"faults": [], "talkgroup": TG, "hears": [], "ptt": False, "squelch_open": False}
    return json.dumps(state | {"input": None, "since": NOW}).encode()


class Console:
    """A dispatcher's program that is no gateway: raw topics and payloads."""

    def __init__(self, broker, name="console"):
        self.name = name
        self.control = ControlLink(name, broker.address(name))
        self.voice = VoiceLink(name, broker.address(name))
        self.answers = []
        self.requests = []
        self.rtp = []
        self.floors = {}
        self.voice.subscribe(TOPICS.answer(TG, "+", "+"), self._on_answer)
        self.voice.subscribe(TOPICS.request(TG, "+"), self._on_request)
        self.voice.subscribe(TOPICS.voice(TG, "+"), lambda _, payload: self.rtp.append(payload))
        self.control.subscribe(TOPICS.floor(TG, "+"), self._on_floor)
        self._running = []

    async def __aenter__(self):
        self._running += [asyncio.create_task(one.run()) for one in (self.control, self.voice)]
        await until(lambda: self.control.connected and self.voice.connected)
        return self

    async def __aexit__(self, *_):
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def request(self, op="request", talker=None, priority=100, seq=1):
        message = {"v": 1, "op": op, "talker": talker or f"{self.name}/desk", "seq": seq}
        payload = json.dumps(message | {"priority": priority, "emergency": False}).encode()
        self.voice.publish(TOPICS.request(TG, self.name), payload, voice=False)

    def say(self, token, **fields):
        self.voice.publish(TOPICS.voice(TG, self.name), packet(token, **fields).to_bytes())

    async def show(self, token, talker, state="taken", name=None):
        message = {"v": 1, "state": state, "talker": talker, "priority": 100, "emergency": False}
        message |= {"term": token.term, "grant": token.grant, "since": NOW, "queue": []}
        topic = TOPICS.floor(TG, name or self.name)
        await self.control.publish(topic, json.dumps(message).encode(), retain=True)

    async def answer(self, op, within=1.0):
        await until(lambda: any(one["op"] == op for one in self.answers), within)
        return next(one for one in self.answers if one["op"] == op)

    def state(self, name):
        return self.floors.get(name, {}).get("state")

    def _on_answer(self, topic, payload):
        asker = TOPICS.levels(topic)[3]
        if asker == self.name:
            self.answers.append(json.loads(payload))

    def _on_request(self, topic, payload):
        self.requests.append(json.loads(payload))

    def _on_floor(self, incoming):
        name = TOPICS.levels(incoming.topic)[3]
        if incoming.payload:
            self.floors[name] = json.loads(incoming.payload)
        else:
            self.floors.pop(name, None)


@pytest.fixture
async def broker(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = BrokerOptions(
        host="127.0.0.1",
        port=port,
        folder=tmp_path / "broker",
        clients=("alpha", "beta", "console"),
    )
    async with EmbeddedBroker(options).running() as running:
        yield running


@contextlib.asynccontextmanager
async def scene(broker, *names, **options):
    """A console, and gateways of which the first controls."""
    async with contextlib.AsyncExitStack() as stack:
        console = await stack.enter_async_context(Console(broker))
        gateways = []
        for name in names:
            gateway = Gateway(name, broker, options=TalkgroupOptions(**options))
            gateways.append(await stack.enter_async_context(gateway))
        await until(lambda: console.state(names[0]) == "idle")
        yield console, *gateways


@pytest.mark.system
async def test_console_asks_talks_and_is_heard_while_others_are_denied(broker):
    async with scene(broker, "alpha", "beta") as (console, alpha, beta):
        console.request(seq=7)
        granted = await console.answer("granted")
        assert (granted["talker"], granted["seq"], granted["tot_s"]) == ("console/desk", 7, 30.0)
        token = Token(granted["term"], granted["grant"])
        assert alpha.disk.terms == {TG: token.term}
        await until(lambda: console.state("alpha") == "taken")
        shown = console.floors["alpha"]
        assert (shown["term"], shown["grant"]) == (token.term, token.grant)
        assert (shown["talker"], shown["queue"], shown["v"]) == ("console/desk", [], 1)
        console.say(token)
        await until(lambda: alpha.radio.heard and beta.radio.heard)
        assert alpha.radio.heard[0][0] == "console/desk"

        for gateway in (beta, alpha):  # another gateway's member, and one of the controller's own
            asked = time.monotonic()
            gateway.talkgroup.request("radio", priority=100)
            await until(lambda g=gateway: g.radio.told)
            assert time.monotonic() - asked < 0.05
            assert gateway.radio.told == [("refused", 1, "another client has permission")]

        console.request("release")
        await until(lambda: console.state("alpha") == "hang")
        beta.talkgroup.request("radio", priority=100)
        await until(lambda: beta.radio.token)
        assert set(console.floors) == {"alpha"}


@pytest.mark.system
async def test_member_s_packets_cross_the_wire_as_the_contract_says(broker):
    async with scene(broker, "alpha", "beta") as (console, alpha, beta):
        beta.talkgroup.request("radio", priority=100)
        await until(lambda: beta.radio.token)
        beta.talkgroup.send("radio", beta.radio.word())
        await until(lambda: console.rtp and alpha.radio.heard)
        term, grant = struct.unpack(">II", console.rtp[0][19:27])
        assert (term, grant) == (beta.radio.token.term, beta.radio.token.grant)
        assert alpha.radio.heard[0][0] in ("beta/radio", "beta")


@pytest.mark.system
async def test_retained_request_is_ignored_and_counted(broker):
    async with scene(broker, "alpha") as (console, alpha):
        message = {"v": 1, "op": "request", "talker": "console/desk", "seq": 1}
        payload = json.dumps(message | {"priority": 100, "emergency": False}).encode()
        await console.control.publish(TOPICS.request(TG, "console"), payload, retain=True)
        await until(lambda: alpha.counters["voice_link.retained_ignored"])
        assert console.answers == []
        assert alpha.talkgroup.state == "idle"


@pytest.mark.system
async def test_request_for_somebody_else_s_talker_is_refused_and_counted(broker):
    async with scene(broker, "alpha") as (console, alpha):
        console.request(talker="beta/radio")
        await until(lambda: alpha.counters["floor.malformed.request"] == 1)
        assert alpha.talkgroup.state == "idle"


@pytest.mark.system
async def test_priority_preempts_by_the_cap_of_the_configuration(broker):
    async with scene(broker, "alpha", priority_cap=150) as (console, alpha):
        alpha.talkgroup.request("radio", priority=150)
        await until(lambda: alpha.radio.token)
        console.request(priority=255)
        assert (await console.answer("denied"))["cause"] == 1
        alpha.talkgroup.release("radio")
        alpha.talkgroup.request("radio", priority=149)
        console.request(priority=255, seq=2)
        granted = await console.answer("granted")
        assert granted["seq"] == 2
        assert ("revoked", 4, "pre-empted") in alpha.radio.told


@pytest.mark.system
async def test_queue_spans_gateways_and_everybody_is_told_its_place_and_its_turn(broker):
    async with scene(broker, "alpha", "beta", queue_length=3) as (console, alpha, beta):
        alpha.talkgroup.request("radio", priority=100)
        await until(lambda: alpha.radio.token)
        console.request(seq=1)
        assert (await console.answer("queued"))["position"] == 1
        beta.talkgroup.request("radio", priority=100)
        await until(lambda: ("queued", 2) in beta.radio.told)
        console.answers.clear()
        console.request("queue_position", seq=1)
        assert (await console.answer("queued"))["position"] == 1
        await until(lambda: console.floors["alpha"]["queue"] == ["console/desk", "beta/radio"])
        console.request("cancel", seq=2)
        await until(lambda: ("queued", 1) in beta.radio.told)
        alpha.talkgroup.release("radio")
        await until(lambda: beta.radio.token)
        assert (beta.radio.told[-1][0], alpha.radio.token.grant + 1) == (
            "granted",
            beta.radio.token.grant,
        )
        # acknowledged at once: nothing is repeated
        await until(lambda: any(one["op"] == "ack" for one in console.requests))
        assert beta.counters["floor.outcome.queued"] == 1
        assert alpha.counters["floor.outcome.immediate"] == 1


@pytest.mark.system
async def test_turn_of_a_program_without_ears_is_repeated_and_passes_to_the_next(broker):
    async with scene(broker, "alpha", queue_length=3) as (console, alpha):
        alpha.talkgroup.request("radio", priority=100)
        await until(lambda: alpha.radio.token)
        console.request(seq=1)
        await console.answer("queued")
        alpha.talkgroup.release("radio")
        first = await console.answer("granted")
        console.answers.clear()
        again = await console.answer("granted", within=3.0)  # TS 24.380 T20: 1 s
        assert again == first
        console.request("ack", seq=1)
        console.answers.clear()
        alpha.talkgroup.request("radio", priority=100)
        await until(lambda: alpha.radio.told[-1][0] == "queued")
        await until(lambda: alpha.radio.told[-1][0] == "granted", within=8.0)  # T1: 4 s
        assert console.answers == []


@pytest.mark.system
async def test_media_without_a_grant_is_not_heard_and_its_sender_is_told(broker):
    async with scene(broker, "alpha") as (console, alpha):
        alpha.talkgroup.request("radio", priority=100)
        await until(lambda: alpha.radio.token)
        ear = Person("ear")
        alpha.talkgroup.join(ear, speaks=False)
        console.say(alpha.radio.token)
        revoked = await console.answer("revoked")
        assert (revoked["cause"], revoked["cause_text"]) == (3, "no permission to send")
        assert ear.heard == []


@pytest.mark.system
async def test_unknown_newer_token_plays_for_1_s_and_an_older_one_not_at_all(broker):
    async with scene(broker, "alpha") as (console, alpha):
        alpha.talkgroup.request("radio", priority=100)
        await until(lambda: alpha.radio.token)
        token = alpha.radio.token
        alpha.talkgroup.release("radio")
        began = time.monotonic()
        for number in range(70):
            await asyncio.sleep(max(0.0, began + number * 0.02 - time.monotonic()))
            console.say(Token(token.term + 1, 1), sequence=number)
            console.say(Token(token.term, 0), sequence=number)
        await asyncio.sleep(0.1)
        assert {packet.token.term for _, packet in alpha.radio.heard} == {token.term + 1}
        assert 47 <= len(alpha.radio.heard) <= 51


@pytest.mark.system
async def test_voice_older_than_its_limit_is_dropped_and_counted(broker):
    async with scene(broker, "alpha") as (console, alpha):
        console.request()
        granted = await console.answer("granted")
        token = Token(granted["term"], granted["grant"])
        offset = 3600.0  # the console's clock is an hour wrong; age is relative
        console.say(token, sequence=1, captured=time.time() - offset)
        console.say(token, sequence=2, captured=time.time() - offset - 2.5)
        console.say(token, sequence=3, captured=time.time() - offset - 1.5)
        await until(lambda: len(alpha.radio.heard) == 2)
        assert [packet.sequence for _, packet in alpha.radio.heard] == [1, 3]
        assert alpha.counters["voice.too_old"] == 1


@pytest.mark.system
async def test_controller_that_stops_clears_its_floor_state_and_the_next_takes_over(broker):
    async with scene(broker, "alpha", "beta") as (console, alpha, beta):
        before = console.floors["alpha"]["term"]
        alpha.talkgroups.close()
        alpha.control.announce_stopping()
        await until(lambda: set(console.floors) == {"beta"})
        assert console.floors["beta"]["term"] > before
        beta.talkgroup.request("radio", priority=100)
        await until(lambda: beta.radio.token)


@pytest.mark.system
async def test_gateway_with_the_broker_gone_goes_on_and_joins_the_others_afterwards(broker):
    async with scene(broker, "alpha", "beta") as (console, alpha, beta):
        nurse = Person("nurse")
        beta.talkgroup.join(nurse, speaks=True)
        starts = broker.starts
        os.kill(broker.pid, signal.SIGKILL)
        await until(lambda: not beta.control.connected)
        beta.talkgroup.request("radio", priority=100)
        await until(lambda: beta.radio.token, within=0.5)
        beta.talkgroup.send("radio", beta.radio.word())
        assert len(nurse.heard) == 1
        beta.talkgroup.release("radio")
        await until(lambda: broker.starts > starts and beta.control.connected, within=10.0)
        await until(lambda: beta.talkgroup.controller == "alpha", within=5.0)
        await until(lambda: set(console.floors) == {"alpha"}, within=5.0)
        alpha.talkgroup.request("radio", priority=100)
        await until(lambda: alpha.radio.token)
        nurse.heard.clear()
        for _ in range(50):  # beta may have to tell first under which term it has granted alone
            alpha.talkgroup.send("radio", alpha.radio.word())
            await asyncio.sleep(0.02)
        assert len(nurse.heard) > 40
        await until(lambda: set(console.floors) == {"alpha"})
