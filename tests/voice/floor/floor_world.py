"""Gateways, a broker and talkers on a virtual clock: the pure machines with a network between them."""

import heapq
import itertools

from gateway.voice.floor.actions import Answer, FloorOptions, StoreTerm, client_of
from gateway.voice.floor.control import Control
from gateway.voice.floor.control_actions import Changed, Publish, Seen, Tell
from gateway.voice.floor.participant import Participant
from gateway.voice.floor.participant_actions import Granted, Outcome, Refused, Revoked, Send
from gateway.voice.floor.requests import requested
from gateway.voice.floor.tokens import Verdict

DELAY = 0.005  # from anybody to the broker and on to anybody
DISK = 0.004
PACKET = 0.02


class World:
    """Virtual time, and the broker with what it retains."""

    def __init__(self, *names, **options):
        self.now = 0.0
        self.options = options
        self.gateways = {}
        self.retained = {}  # FloorState by client
        self.online = set()
        self.disk = {}
        self.broker_up = True
        self._events = []
        self._order = itertools.count()
        for name in names:
            self.start(name)

    def later(self, delay, call, *args):
        heapq.heappush(self._events, (self.now + delay, next(self._order), call, args))

    def run(self, seconds):
        end = self.now + seconds
        while True:
            ticks = [(g.control.deadline(self.now), g) for g in self.gateways.values()]
            ticks += [(p.deadline(), g) for g in self.gateways.values() for p in g.members.values()]
            due = min((at for at, _ in ticks if at is not None), default=end)
            event = self._events[0][0] if self._events else end
            at = min(due, event)
            if at >= end:
                self.now = end
                return
            self.now = max(self.now, at)
            if event <= due:
                _, _, call, args = heapq.heappop(self._events)
                call(*args)
            else:
                for gateway in self.gateways.values():
                    gateway.tick()

    # The broker

    def send(self, sender, method, *args, only=None):
        """A message of one gateway to the others that are connected when it arrives."""
        if self.broker_up and self.gateways.get(sender.name) is sender and sender.connected:
            self.later(DELAY, self._deliver, sender.name, method, args, only)

    def _deliver(self, sender, method, args, only):
        for gateway in tuple(self.gateways.values()):
            if gateway.connected and gateway.name != sender and only in (None, gateway.name):
                getattr(gateway, method)(sender, *args)

    def retain(self, sender, show):
        if not self.broker_up or not sender.connected:
            return
        self.later(DELAY, self._retained, sender.name, show)

    def _retained(self, name, show):
        if show is None:
            self.retained.pop(name, None)
        else:
            self.retained[name] = show
        for gateway in tuple(self.gateways.values()):
            if gateway.connected:
                gateway.on_state(name, show)

    def presence(self):
        for gateway in tuple(self.gateways.values()):
            if gateway.connected:
                gateway.on_presence(frozenset(self.online))

    # Faults

    def start(self, name):
        """Start a gateway, or start it again after `kill`."""
        gateway = self.gateways[name] = Gateway(self, name)
        self.later(0.05, gateway.connect)
        return gateway

    def kill(self, name):
        """kill -9: the broker publishes the will."""
        gateway = self.gateways.pop(name)
        gateway.connected = False
        self.later(DELAY, self._will, name)

    def cut(self, name):
        """Take the network from a gateway; the broker notices."""
        gateway = self.gateways[name]
        gateway.disconnect()
        self.later(DELAY, self._will, name)

    def heal(self, name):
        if not self.gateways[name].connected:
            self.later(0.0, self.gateways[name].connect)

    def restart_broker(self):
        """Everything that was retained is lost, and everybody connects again."""
        self.retained.clear()
        self.online.clear()
        for number, gateway in enumerate(self.gateways.values()):
            gateway.disconnect()
            self.later(0.3 + 0.1 * number, gateway.connect)

    def _will(self, name):
        gateway = self.gateways.get(name)
        if gateway is None or not gateway.connected:
            self.online.discard(name)
            self.presence()


class Gateway:
    """One gateway with two members, ``one`` and ``two``."""

    def __init__(self, world, name):
        self.world = world
        self.name = name
        self.connected = False
        self.control = Control(
            name,
            FloorOptions(**world.options),
            (),
            term=world.disk.get(name, 0),
            started=world.now,
        )
        self.members = {"one": Participant(), "two": Participant()}
        self.told = []  # (when, member, what)
        self.outcomes = []  # (member, kind)
        self.heard = []  # (when, talker's client), of others
        self.published = None
        self._cleared = False  # a cleared topic is cleared again on connect, as ControlLink does
        self._sending = set()
        self._queue = []
        self._busy = False
        self.do(self.control.occupied(True, world.now))

    def connect(self):
        if self.connected or self.world.gateways.get(self.name) is not self:
            return
        self.connected = True
        self.world.online.add(self.name)
        self.do(self.control.connection(True, self.world.now))
        for client, show in self.world.retained.items():
            self.world.later(DELAY, self.on_state, client, show)
        self.world.later(DELAY, self.world.presence)
        if self.published is not None or self._cleared:
            self.world.retain(self, self.published)

    def disconnect(self):
        self.connected = False
        self.do(self.control.connection(False, self.world.now))

    def ask(self, member, priority=100):
        self.do_member(member, self.members[member].ask(priority, False, self.world.now))

    def release(self, member):
        self.do_member(member, self.members[member].release(self.world.now))

    def tick(self):
        now = self.world.now
        for member, participant in self.members.items():
            self.do_member(member, participant.tick(now))
        self.do(self.control.tick(now))

    # What comes from the broker

    def on_state(self, client, show):
        if self.connected:
            self.do(self.control.shown(client, show, self.world.now))

    def on_presence(self, online):
        self.do(self.control.presence(online, online, self.world.now))

    def on_request(self, client, talker, send):
        del client
        self.do(requested(self.control, talker, send, self.world.now))

    def on_answer(self, client, answer):
        self.do(self.control.answered(client, answer, self.world.now))

    def on_packet(self, client, token):
        verdict, actions = self.control.packet(client, token, self.world.now)
        if verdict is Verdict.PLAY:
            self.heard.append((self.world.now, client))
        self.do(actions)

    # Carrying out

    def do(self, actions):
        self._queue += [(None, action) for action in actions]
        self._work()

    def do_member(self, member, actions):
        self._queue += [(member, action) for action in actions]
        self._work()

    def _work(self):
        if self._busy:
            return
        self._busy = True
        while self._queue:
            member, action = self._queue.pop(0)
            if member is None:
                self._do(action)
            else:
                self._do_member(member, action)
        self._busy = False

    def _do(self, action):
        world = self.world
        match action:
            case StoreTerm(term):
                world.later(DISK, self._stored, term)
            case Publish(show):
                self.published = show
                self._cleared = show is None
                world.retain(self, show)
            case Answer() if client_of(action.talker) == self.name:
                self._tell(action)
            case Answer():
                world.send(self, "on_answer", action, only=client_of(action.talker))
            case Tell(answer):
                self._tell(answer)
            case Seen(show):
                for name, participant in self.members.items():
                    mine = show.talker == f"{self.name}/{name}"
                    self.do_member(name, participant.shown(show.state, mine, show.token))
            case Changed():
                for name, participant in self.members.items():
                    self.do_member(name, participant.controller_changed(world.now))

    def _stored(self, term):
        self.world.disk[self.name] = max(term, self.world.disk.get(self.name, 0))
        if self.world.gateways.get(self.name) is self:
            self.do(self.control.stored(term, self.world.now))

    def _tell(self, answer):
        name = answer.talker.partition("/")[2]
        for one, participant in self.members.items():
            if name == one or (name == "unknown" and participant.token == answer.token):
                self.do_member(one, participant.answer(answer, self.world.now))

    def _do_member(self, member, action):
        match action:
            case Send():
                talker = f"{self.name}/{member}"
                self.world.send(self, "on_request", talker, action)
                self.do(requested(self.control, talker, action, self.world.now))
            case Granted():
                self.told.append((self.world.now, member, action))
                if member not in self._sending:
                    self._sending.add(member)
                    self._send(member)
            case Refused() | Revoked():
                self.told.append((self.world.now, member, action))
            case Outcome(kind):
                self.outcomes.append((member, kind))

    def _send(self, member):
        participant = self.members[member]
        token = participant.token
        if token is None or self.world.gateways.get(self.name) is not self:
            self._sending.discard(member)
            return
        now = self.world.now
        participant.sent(now)
        verdict, actions = self.control.packet(self.name, token, now)
        if verdict is Verdict.PLAY:
            self.heard.append((now, self.name))
        self.do(actions)
        self.world.send(self, "on_packet", token)
        self.world.later(PACKET, self._send, member)
