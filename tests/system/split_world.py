"""Two gateways on a broker behind wires of their own, which can be pulled: real processes, real TCP.

The broker lives in a network namespace; each gateway reaches it by a veth pair. A wire that is pulled
says nothing to either end, as a dead switch does. Each gateway has a talker and a listener on every
talkgroup; the talkers speak a tone each, so that a listener's loudspeaker tells who was heard.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
from dataclasses import dataclass

import numpy as np

from tests.system.rig_voice import BLOCK, RATE_HZ, SHARED, Gateway, Radio

NAMES = ("a", "b")
TONES_HZ = {"a": 700.0, "b": 1700.0}
LOUD = 800.0
"""Amplitude from which a tone counts as heard; they are spoken at 8,000."""
HEALED = 5.0
"""Seconds within which one talker is left, everywhere."""


def available():
    """Whether namespaces can be made here."""
    return os.geteuid() == 0 and shutil.which("ip") is not None and shutil.which("mosquitto")


def _ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Network:
    """The broker's namespace and the wires to it."""

    def __init__(self, folder):
        self._folder = folder
        self._space = f"baiying-{os.getpid()}"
        self._wires = {name: f"by{os.getpid() % 100000}{name}" for name in NAMES}
        self._broker = None

    def address(self, name):
        return f"10.{77 + os.getpid() % 100}.{NAMES.index(name) + 1}.1"

    async def __aenter__(self):
        _ip("netns", "add", self._space)
        for name, wire in self._wires.items():
            _ip(
                "link",
                "add",
                wire,
                "type",
                "veth",
                "peer",
                "name",
                "far-" + name,
                "netns",
                self._space,
            )
            _ip("addr", "add", self.address(name)[:-1] + "2/24", "dev", wire)
            _ip("link", "set", wire, "up")
            _ip("-n", self._space, "addr", "add", self.address(name) + "/24", "dev", "far-" + name)
            _ip("-n", self._space, "link", "set", "far-" + name, "up")
        config = self._folder / "mosquitto.conf"
        config.write_text(
            "listener 1883 0.0.0.0\nallow_anonymous true\nset_tcp_nodelay true\n"
            "persistence false\nmax_inflight_messages 0\n"
        )
        self._broker = await asyncio.create_subprocess_exec(
            *("ip", "netns", "exec", self._space, "mosquitto", "-c", str(config)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        return self

    async def __aexit__(self, *_):
        if self._broker is not None:
            self._broker.terminate()
            await self._broker.wait()
        for wire in self._wires.values():
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip("link", "del", wire)
        _ip("netns", "del", self._space)

    def pull(self, name):
        """Nothing passes any more, and nobody is told."""
        _ip("-n", self._space, "link", "set", "far-" + name, "down")

    def plug(self, name):
        _ip("-n", self._space, "link", "set", "far-" + name, "up")


@dataclass(frozen=True)
class Heard:
    """What one listener heard from the healing on."""

    order: str
    """Whose blocks, in order, one letter each: a, b, and x where both were in one block."""
    after: int
    """Blocks of the first talker, or of both, heard after the first block of the second."""
    last: str
    """Who was heard in the last half second."""


def _blocks(radio, since):
    """Who is in each block that came out: a, b, x (both) or nothing."""
    times = np.arange(BLOCK) / RATE_HZ
    probes = {name: np.exp(-2j * np.pi * hz * times) for name, hz in TONES_HZ.items()}
    found = []
    for at, block in list(radio.heard):
        if at < since or len(block) != BLOCK:
            continue
        strong = [n for n, p in probes.items() if abs(np.dot(block, p)) * 2 / BLOCK > LOUD]
        found.append((at, "x" if len(strong) > 1 else "".join(strong)))
    return found


def heard_by(radio, since, until):
    """What a listener heard."""
    found = [(at, who) for at, who in _blocks(radio, since) if who and at < until]
    order = "".join(who for _, who in found)
    first = next((who for who in order if who != "x"), "")
    second = {"a": "b", "b": "a", "": ""}[first]
    begun = order.find(second) if second else -1
    after = order[begun:].count(first) if begun >= 0 else 0
    last = "".join(sorted({who for at, who in found if at >= until - 0.5}))
    return Heard(order, after + order.count("x"), last)


class SplitWorld:
    """The gateways, their radios and the network; ``talkgroups`` at once."""

    def __init__(self, folder, talkgroups):
        self._folder = folder
        self._talkgroups = [f"tg{number}" for number in range(talkgroups)]
        self._closing = contextlib.AsyncExitStack()
        self.network = Network(folder)
        self.gateways = {}
        self.talkers = {}
        self.listeners = {}

    async def __aenter__(self):
        try:
            await self._closing.enter_async_context(self.network)
            for name in NAMES:
                await self._start(name)
        except BaseException:
            await self.__aexit__()
            raise
        await asyncio.sleep(1.0)
        for radio in (*self.talkers.values(), *self.listeners.values()):
            radio.plug_in()
        return self

    async def __aexit__(self, *_):
        for gateway in self.gateways.values():
            with contextlib.suppress(TimeoutError):
                await gateway.stop()
        await self._closing.aclose()

    async def _start(self, name):
        endpoints = ""
        for talkgroup in self._talkgroups:
            for radios, word in ((self.talkers, "t"), (self.listeners, "l")):
                radio = Radio(f"{word}-{name}-{talkgroup}", self._folder)
                radios[name, talkgroup] = await self._closing.enter_async_context(radio)
                endpoints += radio.yaml(talkgroup)
        config = self._folder / f"{name}.yaml"
        config.write_text(
            f"gateway: {name}\ndata_dir: {name}\n"
            f'mqtt: {{broker: "mqtt://{self.network.address(name)}:1883"}}\n'
            + SHARED
            + "talkgroups: {"
            + ", ".join(f"{one}: {{hang_time_s: 0.2, tot_s: 60}}" for one in self._talkgroups)
            + f"}}\nendpoints:\n{endpoints}",
            "utf-8",
        )
        self.gateways[name] = Gateway(name, config)
        await self.gateways[name].start()

    async def split_and_heal(self, apart=4.0, talk=1.0):
        """One split while both talk, and its healing: talkgroup and listener -> `Heard`."""
        loop = asyncio.get_running_loop()
        self.network.pull("b")
        await asyncio.sleep(apart)
        for (name, _), radio in self.talkers.items():
            radio.speak_tone(TONES_HZ[name])
            radio.squelch(True)
        await asyncio.sleep(talk)
        alone = {
            key: _blocks(radio, loop.time() - talk / 2) for key, radio in self.listeners.items()
        }
        for (name, talkgroup), blocks in alone.items():
            heard = {who for _, who in blocks if who}
            assert heard == {name}, f"{talkgroup}: while split {name} hears {heard or 'nobody'}"
        healed = loop.time()
        self.network.plug("b")
        await asyncio.sleep(HEALED)
        until = loop.time()
        result = {
            key: heard_by(radio, healed, until) for key, radio in sorted(self.listeners.items())
        }
        for radio in self.talkers.values():
            radio.squelch(False)
            radio.speak_tone(None)
        await asyncio.sleep(1.0)
        for radio in (*self.talkers.values(), *self.listeners.values()):
            radio.heard.clear()
        return result
