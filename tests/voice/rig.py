"""Doubles of what stands around an endpoint: a radio with microphone and speaker, and a talkgroup."""

import asyncio
import contextlib
import functools

import numpy as np

from gateway.errors import DriverIOError, DriverOpenError
from gateway.ops.counters import Counters
from gateway.voice.downlink.ticker import Ticker
from gateway.voice.endpoint import Endpoint
from gateway.voice.endpoint_ports import EndpointOptions, TalkgroupFacts
from gateway.voice.patches.patch import Tuning
from gateway.voice.rtp import Packet, Token
from gateway.voice.uplink.squelch import Ear, Line, Squelch


class Radio:
    """An audio device from its user's side: speak into it, hear what it plays, pull its plug."""

    def __init__(self, rate_hz=16_000):
        self.rate_hz = rate_hz
        self.counters = {}
        self.playback_delay = 0.0
        self.played = []  # (loop time, block)
        self.opened = 0
        self.absent = False
        self._captured = asyncio.Queue()
        self._unplugged = False
        self._defect = False

    # the driver's side

    @contextlib.asynccontextmanager
    async def open(self):
        if self.absent:
            raise DriverOpenError("radio", "there is no such device")
        self.opened += 1
        self._unplugged = False
        self._captured = asyncio.Queue()
        yield self

    async def read(self):
        block = await self._captured.get()
        if block is None:
            raise DriverIOError("radio", "the device is gone")
        if block is self:
            raise ZeroDivisionError
        return block

    def write(self, block):
        if self._defect:
            self._defect = False
            raise ZeroDivisionError
        if self._unplugged:
            raise DriverIOError("radio", "the device is gone")
        assert block.dtype == np.int16
        assert block.shape == (self.rate_hz // 50,)
        self.played.append((asyncio.get_running_loop().time(), block))

    # the user's side

    def hears(self, block):
        self._captured.put_nowait(block)

    def unplug(self):
        self._captured.put_nowait(None)

    def have_a_defect(self, side):
        """The driver raises what no driver should."""
        if side == "capture":
            self._captured.put_nowait(self)
        else:
            self._defect = True

    def unplug_speaker(self):
        self._unplugged = True

    @property
    def sound(self):
        return np.concatenate([block for _, block in self.played] or [np.zeros(0, np.int16)])


class Lines:
    """A keyer line from outside: open the squelch, see the transmitter."""

    def __init__(self):
        self.keyed = False
        self.squelch_open = False
        self.fault = None
        self.log = []  # (loop time, "T" or "R")
        self.keepalives = []  # (loop time, token, talkgroup)
        self._squelch = self._ptt = self._fault = lambda *_: None

    def keepalive(self, token, tot, talkgroup, *, confirmed):
        self.keepalives.append((_now(), token, talkgroup))
        self._set(True)

    def unkey(self):
        self._set(False)

    def on_squelch(self, callback):
        self._squelch = callback

    def on_ptt(self, callback):
        self._ptt = callback

    def on_fault(self, callback):
        self._fault = callback

    def open_squelch(self):
        self.squelch_open = True
        self._squelch(True, _now())

    def close_squelch(self):
        self.squelch_open = False
        self._squelch(False, _now())

    def fail(self, fault):
        self.fault = fault
        self._fault(fault)

    def _set(self, keyed):
        if keyed != self.keyed:
            self.keyed = keyed
            self.log.append((_now(), "T" if keyed else "R"))
            self._ptt(keyed)


class Channel:
    """A talkgroup with a floor as simple as can be; every packet goes over the wire format."""

    def __init__(self, name):
        self.name = name
        self.members = {}
        self.speaks = {}
        self.holder = None
        self.grants = 0
        self.packets = []  # (loop time, talker, packet)
        self.log = []
        self.delay = 0.0
        self.answers = True

    def join(self, member, *, speaks):
        assert member.name not in self.members
        self.members[member.name] = member
        self.speaks[member.name] = speaks

    def leave(self, name):
        del self.members[name]
        del self.speaks[name]
        if self.holder == name:
            self.release(name)

    def request(self, name, *, priority, emergency=False):
        assert self.speaks[name]
        self.log.append(("request", name, priority))
        if not self.answers:
            return
        if self.holder is not None:
            self.members[name].on_refused(self.name, 1, "somebody else talks", None)
            return
        self.grant(name)

    def grant(self, name):
        self.holder = name
        self.grants += 1
        self.members[name].on_granted(self.name, Token(1, self.grants), 30.0)

    def release(self, name):
        self.log.append(("release", name))
        if self.holder == name:
            self.holder = None
            for member in list(self.members.values()):
                member.on_idle(self.name)

    def revoke(self):
        name, self.holder = self.holder, None
        self.members[name].on_revoked(self.name, 4, "pre-empted")

    def send(self, name, packet):
        assert self.holder == name, "a packet without the floor"
        self.packets.append((_now(), name, packet))
        data = packet.to_bytes()
        for other in list(self.members):
            if other != name:
                self._deliver(other, name, data)

    def _deliver(self, other, name, data):
        def arrive():
            if other in self.members:
                packet = Packet.from_bytes(data)
                self.members[other].on_packet(
                    self.name, f"far/{name}", packet, _now(), confirmed=True
                )

        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, arrive)
        else:
            arrive()


def _now():
    return asyncio.get_running_loop().time()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer instead of waiting for it."""

    def __init__(self):
        super().__init__()
        self._ahead = 1000.0
        select = self._selector.select

        def jump(timeout):
            events = select(0)
            if not events and timeout:
                self._ahead += timeout
            return events

        self._selector.select = jump

    def time(self):
        return self._ahead


def in_virtual_time(test):
    """Run an async test on a `VirtualLoop`: minutes of speech take moments and are exact."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


class World:
    """Endpoints with their radios and lines on shared talkgroups, running."""

    def __init__(self):
        self.counters = Counters()
        self.ticker = Ticker(self.counters)
        self.channels = {}
        self.changes = []
        self._tasks = []

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def channel(self, name):
        return self.channels.setdefault(name, Channel(name))

    async def endpoint(
        self,
        name,
        *,
        radio=None,
        ptt=True,
        vox=None,
        squelch=None,
        speaks="police",
        hears=(),
        **options,
    ):
        """A running endpoint as (endpoint, radio, lines); its microphone hears silence at first.

        Without tones, unless they are asked for.
        """
        options.setdefault("tones", False)
        radio = radio or Radio()
        lines = Lines()
        facts = {"police": TalkgroupFacts(tot=30.0, hang_time=2.0)}
        endpoint = Endpoint(
            EndpointOptions(name=name, has_ptt=ptt, **options),
            radio,
            line=lines if ptt or vox is None else None,
            squelch=squelch or Squelch(Line(0) if vox is None else Ear(vox)),
            senses=(lines,) if vox is None else (),
            floor=self.channel,
            talkgroup_facts=lambda talkgroup: facts.get(talkgroup, TalkgroupFacts()),
            ticker=self.ticker,
            counters=self.counters,
            changed=lambda: self.changes.append(endpoint.facts),
        )
        endpoint.tune(Tuning(speaks, hears))
        self._tasks.append(asyncio.create_task(endpoint.run()))
        await endpoint.ready.wait()
        return endpoint, radio, lines


def tone(seconds, rate=16_000, frequency=440, amplitude=8_000):
    at = np.arange(round(seconds * rate)) / rate
    return (np.sin(2 * np.pi * frequency * at) * amplitude).astype(np.int16)


def silence(seconds, rate=16_000):
    return np.zeros(round(seconds * rate), np.int16)


async def speak(radio, *parts):
    """The microphone hears these samples, a block each 20 ms; returns as the last one was captured."""
    samples = np.concatenate(parts)
    size = radio.rate_hz // 50
    for start in range(0, len(samples) - size + 1, size):
        await asyncio.sleep(0.02)
        radio.hears(samples[start : start + size])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
