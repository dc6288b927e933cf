"""Endpoints on a real talkgroup of a gateway without a broker, on a virtual clock."""

import asyncio

from gateway.link.roster import Roster
from gateway.link.topics import Topics
from gateway.voice.talkgroup_ports import TalkgroupOptions
from gateway.voice.talkgroups import Talkgroups
from tests.voice.rig import World

TG = "police"


class NoBroker:
    """Both connections, with a broker that is not there."""

    connected = False

    def subscribe(self, *_):
        pass

    def unsubscribe(self, *_):
        pass

    def set_retained(self, *_, **__):
        pass

    def on_connection(self, callback):
        pass


class Disk:
    async def store_term(self, talkgroup, term):
        await asyncio.sleep(0.001)


class Observer:
    """What became of requests."""

    def __init__(self):
        self.outcomes = []

    def outcome(self, talkgroup, kind, seconds):
        self.outcomes.append((talkgroup, kind, round(seconds, 2)))


class FloorWorld(World):
    """Endpoints on a talkgroup of a gateway that controls it."""

    def __init__(self, **options):
        super().__init__()
        self.observer = Observer()
        link = NoBroker()
        self.floors = Talkgroups(
            "zju1", Topics(), link, link, Roster(), Disk(), {}, self.counters,
            observer=self.observer,
        )  # fmt: skip
        self.floors.configure({TG: TalkgroupOptions(**options)})

    async def __aenter__(self):
        self._tasks.append(asyncio.create_task(self.floors.run()))
        self.floors.get(TG)
        await asyncio.sleep(0.6)  # a gateway that starts waits for what is retained
        return self

    def channel(self, name):
        return self.floors.get(name)

    async def intercom(self, name, **options):
        """With a push-to-talk key, and a loudspeaker that nothing keys."""
        return await self.endpoint(name, ptt=False, **({"tones": True} | options))


class Dispatcher:
    """A member without a device."""

    def __init__(self, name="desk"):
        self.name = name

    def on_granted(self, talkgroup, token, tot):
        pass

    def on_refused(self, talkgroup, cause, text, retry_after):
        pass

    def on_revoked(self, talkgroup, cause, text):
        pass

    def on_packet(self, talkgroup, talker, packet, arrival, *, confirmed):
        pass

    def on_idle(self, talkgroup):
        pass
