"""How one gateway sees a talkgroup's floor, and its part in controlling it. Pure.

It joins the election, the floor machine, the gate of the newest grant, our own FloorState topic and
what other controllers show. Rules beyond theirs:

1. The floor is what the elected controller shows, and idle where it shows nothing. Only what the
   elected controller shows or answers moves the gate; any FloorState raises the term of which the
   next must be newer (a FloorState of an offline controller counts as idle, but its term is seen).
2. When control comes to us, the talker of the newest grant that we know is our heir, unless its
   client has gone. If another online gateway of the talkgroup shows a grant newer than ours, ours
   ends and that talker is our heir: both halves of a split network hear the newer one.
3. Requests of others are answered once the broker has settled and only by the controller. While
   that is not us they are kept for `KEEP_REQUESTS`: who asks in the moment in which control changes
   hands need not ask twice. Our own members ask again by themselves.
4. What is known of others holds for one connection to the broker.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.voice.floor.actions import (
    LIVE,
    Answer,
    FloorOptions,
    Heir,
    Op,
    Request,
    Show,
    State,
    Stray,
    client_of,
)
from gateway.voice.floor.actions import Action as FloorAction
from gateway.voice.floor.control_actions import Action, Changed, Publish, Seen, Tell
from gateway.voice.floor.controller import Floor
from gateway.voice.floor.election import Election
from gateway.voice.floor.leaf import Leaf
from gateway.voice.floor.others import Grant, Others
from gateway.voice.floor.terms import CREDIBLE_TERM
from gateway.voice.floor.tokens import Gate, Verdict
from gateway.voice.rtp import Token

KEEP_REQUESTS = 1.0
"""How long a request is kept for the case that we become the controller: twice the settling."""
MAX_REQUESTS = 32
"""Requests kept so; further ones ask again by themselves."""
MAX_CLIENTS = 256
"""Clients whose talker is remembered, for the case that they send without a grant."""


_Step = Action | Show


class Control:
    """One talkgroup on one gateway. ``term`` is the highest stored, ``started`` the gateway's start."""

    def __init__(
        self,
        gateway: str,
        options: FloorOptions,
        controllers: Sequence[str],
        *,
        term: int = 0,
        started: float = 0.0,
    ) -> None:
        self._gateway = gateway
        self._election = Election(gateway, controllers, started)
        self._controllers = frozenset(controllers)
        self._floor = Floor(options, term)
        self._gate = Gate()
        self._leaf = Leaf()
        self._public = False  # we control, and everybody knows
        self._online: frozenset[str] = frozenset()
        self._named: frozenset[str] = frozenset()
        self._met: set[str] = set()  # everybody who was ever online
        self._others = Others()
        self._occupied = False
        self._yielded: tuple[Token, str] | None = None
        self._requests: dict[str, tuple[float, Request]] = {}
        self._talkers: dict[str, str] = {}  # by client, the one that asked last
        self._published: Show | None = None
        self._unknown_leaf = False  # something of an earlier life is retained there

    # What it is

    @property
    def controller(self) -> str | None:
        """Who controls; None where that cannot be said yet."""
        return self._election.controller

    @property
    def connected(self) -> bool:
        return self._election.connected

    @property
    def state(self) -> State:
        """The floor."""
        if self._floor.leads:
            return self._floor.state
        show = self._others.get(self.controller)
        return State.IDLE if show is None else show.state

    @property
    def talker(self) -> str | None:
        """Who has the floor."""
        if self._floor.leads:
            return self._floor.talker
        show = self._others.get(self.controller)
        return None if show is None else show.talker

    @property
    def queue(self) -> tuple[str, ...]:
        """Who waits for the floor, in order."""
        if self._floor.leads:
            return self._floor.queue
        show = self._others.get(self.controller)
        return () if show is None else show.queue

    def talker_of(self, client: str, token: Token) -> str | None:
        """The full name of the talker whose packet this is, where it is known."""
        newest = self._gate.newest
        if newest is None or newest.talker is None or newest.token != token:
            return None
        return newest.talker if client_of(newest.talker) == client else None

    def is_confirmed(self, token: Token) -> bool:
        """Whether a controller has spoken of this token, or of a newer one."""
        newest = self._gate.newest
        return newest is not None and token <= newest.token

    # What happens around us

    def connection(self, connected: bool, now: float) -> list[Action]:
        """The broker was reached, or lost."""
        if connected == self._election.connected:
            return []
        self._election.connection(connected, now)
        out: list[_Step] = []
        if not connected:
            self._online = self._named = frozenset()
            self._election.presence(self._online, self._named)
            out = self._elect(now)
            talker = self._floor.talker
            for client in self._met if talker is None else self._met | {client_of(talker)}:
                out += self._leave(client, now)
            self._others.clear()
            self._requests.clear()
            self._election.talk(self._occupied, frozenset())
        return self._done(out + self._elect(now), now)

    def presence(self, online: frozenset[str], named: frozenset[str], now: float) -> list[Action]:
        """Who is online, and which of those have an endpoint that names the talkgroup."""
        gone = self._online - online
        self._online, self._named = online, named
        self._met |= online
        self._election.presence(online, named)
        out: list[_Step] = []
        for client in sorted(gone):
            out += self._leave(client, now)
        return self._done(out + self._elect(now), now)

    def occupied(self, occupied: bool, now: float) -> list[Action]:
        """Whether we have anybody on the talkgroup."""
        self._occupied = occupied
        self._election.talk(occupied, self._others.names())
        return self._done(self._elect(now), now)

    def reconfigure(
        self, options: FloorOptions, controllers: Sequence[str], now: float
    ) -> list[Action]:
        """Live by other options from now on."""
        self._floor.reconfigure(options)
        self._controllers = frozenset(controllers)
        self._election.reconfigure(controllers)
        return self._done(self._elect(now), now)

    def stored(self, term: int, now: float) -> list[Action]:
        """A term is on disk."""
        return self._done(self._floor.stored(term, now), now)

    def close(self) -> list[Action]:
        """Leave the talkgroup: our FloorState is cleared."""
        self._floor.cede()
        self._leaf.clear()
        return self._done([], 0.0)

    # What others say

    def shown(self, client: str, show: Show | None, now: float) -> list[Action]:
        """A client's FloorState, None where its topic was cleared."""
        if client == self._gateway:
            return self._done(self._found(show), now)
        out: list[_Step] = []
        if show is not None and show.token.term > CREDIBLE_TERM:
            return [Stray("term")]
        if not self._others.put(client, show):
            return [Stray("state")]
        if show is not None:
            # A newer grant in force wins over ours (rule 2); of any other newer token ours has to be.
            renew = self._public and self._may_control(client) and show.state not in LIVE
            out += self._floor.seen(show.token.term, renew=renew)
        if client == self.controller:
            out += self._believe(now)
        elif self._public:
            out += self._yield(now)
        self._election.talk(self._occupied, self._others.names())
        return self._done(out + self._elect(now), now)

    def answered(self, client: str, answer: Answer, now: float) -> list[Action]:
        """A FloorAnswer from ``client`` to one of our members."""
        if client != self.controller or client == self._gateway:
            return [Stray("answer of no controller")]
        if answer.token.term > CREDIBLE_TERM:
            return [Stray("term")]
        seen = self._floor.seen(answer.token.term)
        if answer.op is Op.GRANTED:
            self._gate.confirm(answer.token, client, answer.talker, now, live=True)
        return [*self._done(seen, now), Tell(answer)]

    def asked(self, request: Request, now: float) -> list[Action]:
        """Somebody asks for the floor, one of our own members or another's."""
        client = client_of(request.talker)
        if len(self._talkers) < MAX_CLIENTS or client in self._talkers:
            self._talkers[client] = request.talker
        if self._answers(client):
            return self._done(self._floor.request(request, now), now)
        if client != self._gateway:
            recent = {t: r for t, r in self._requests.items() if now - r[0] < KEEP_REQUESTS}
            if len(recent) < MAX_REQUESTS:
                recent[request.talker] = (now, request)
            self._requests = recent
        return []

    def gave_back(self, talker: str, now: float) -> list[Action]:
        """Somebody releases the floor, or cancels a request."""
        kept = self._requests.pop(talker, None) is not None
        if kept or not self._floor.leads:
            return []
        return self._done(self._floor.release(talker, now), now)

    def position_asked(self, talker: str, seq: int, now: float) -> list[Action]:
        """Somebody asks where its request ``seq`` stands."""
        if not self._answers(client_of(talker)):
            return []
        return self._done(self._floor.position(talker, seq, now), now)

    def acknowledged(self, talker: str, now: float) -> list[Action]:
        """Somebody knows of its grant out of the queue."""
        if not self._answers(client_of(talker)):
            return []
        return self._done(self._floor.acknowledged(talker), now)

    def packet(self, client: str, token: Token, now: float) -> tuple[Verdict, list[Action]]:
        """Whether a packet that is young enough is played, and what else follows from it."""
        verdict = self._gate.admit(client, token, now)
        if (
            not self._floor.leads
            or self._floor.media(client, token, now)
            or verdict is Verdict.PLAY
            or client == self._gateway
        ):
            return verdict, []
        talker = self.talker_of(client, token) or self._talkers.get(client, f"{client}/unknown")
        return verdict, self._done(self._floor.stray_media(client, talker, token, now), now)

    # Time

    def deadline(self, now: float) -> float | None:
        """When `tick` is to be called, if nothing happens before."""
        times = (self._floor.deadline(), self._election.deadline(now), self._leaf.deadline())
        return min((time for time in times if time is not None), default=None)

    def tick(self, now: float) -> list[Action]:
        """Time has passed."""
        self._leaf.tick(now)
        out: list[_Step] = list(self._floor.tick(now))
        return self._done(out + self._elect(now), now)

    # Parts

    def _answers(self, client: str) -> bool:
        """Whether it is for us to answer ``client``'s requests."""
        return self._floor.leads and (self._public or client == self._gateway)

    def _has_gone(self, client: str) -> bool:
        return client in self._met and client not in self._online and client != self._gateway

    def _may_control(self, client: str) -> bool:
        """Whether receivers elsewhere may take ``client`` for the controller."""
        return client in self._online and (client in self._named or client in self._controllers)

    def _leave(self, client: str, now: float) -> list[FloorAction]:
        if client == self._gateway:
            return []
        for talker in [one for one in self._requests if client_of(one) == client]:
            del self._requests[talker]
        return self._floor.offline(client, now)

    def _elect(self, now: float) -> list[_Step]:
        before = self.controller
        after = self._election.decide(now)
        ours = after == self._gateway
        public = ours and self._election.settled(now)
        out: list[_Step] = []
        if ours and not self._floor.leads:
            out += self._floor.lead(now, self._find_heir(), eager=public)
        elif not ours and self._floor.leads:
            out += self._floor.cede()
            self._leaf.cede(now)
        elif public and not self._public:
            out += self._floor.lead(now, eager=True)
        became_public, self._public = public and not self._public, public
        if after != before:
            newest = self._gate.newest
            if newest is not None and newest.controller != after:
                self._gate.retire(now)
            out += self._believe(now)
            out.append(Changed())
        if became_public:
            out += self._yield(now)
            kept, self._requests = self._requests, {}
            for at, request in kept.values():
                if now - at < KEEP_REQUESTS:
                    out += self._floor.request(request, now)
        return out

    def _find_heir(self) -> Heir | None:
        """Who talks by the newest grant that we know."""
        # A controller that has gone cannot tell of an end; what the gate knows of it counts.
        found = self._others.in_force(lambda client: not self._has_gone(client))
        newest = self._gate.newest
        if newest is not None and newest.ended is None and newest.talker is not None:
            show = self._others.get(newest.controller)
            heir = Heir(newest.talker) if show is None else Heir(newest.talker, show.priority)
            found.append(Grant(newest.token, newest.controller, heir))
        if not found:
            return None
        heir = max(found).heir
        client = client_of(heir.talker)
        reached = client == self._gateway or (self.connected and not self._has_gone(client))
        return heir if reached else None

    def _believe(self, now: float) -> list[_Step]:
        """Take what the elected controller shows."""
        controller = self.controller
        if controller is None or controller == self._gateway:
            return []
        show = self._others.get(controller)
        newest = self._gate.newest
        if show is None:
            if newest is not None and newest.controller == controller:
                self._gate.retire(now)
            return []
        live = show.state in LIVE
        self._leaf.superseded(show.token)
        if self._gate.confirm(show.token, controller, show.talker, now, live=live):
            return [Seen(show)]
        if newest is not None and newest.controller != controller:
            self._leaf.lend(newest.token, now)
        return []

    def _yield(self, now: float) -> list[FloorAction]:
        """We control, and perhaps another gateway shows a newer grant in force (rule 2)."""
        ours = (self._floor.token, self._gateway)
        found = [
            grant
            for grant in self._others.in_force(self._may_control)
            if (grant.token, grant.controller) > ours
            and not self._has_gone(client_of(grant.heir.talker))
        ]
        newest = max(found, default=None)
        if newest is None or (newest.token, newest.controller) == self._yielded:
            return []
        self._yielded = (newest.token, newest.controller)
        return self._floor.overtaken(newest.heir, now)

    def _found(self, show: Show | None) -> list[FloorAction]:
        """Our own topic, as the broker has it: an echo, or from an earlier life of ours."""
        if show is None or self._floor.leads or self._published is not None:
            self._unknown_leaf = False
            return []
        self._unknown_leaf = True
        return self._floor.seen(show.token.term)

    def _done(self, out: Sequence[_Step], now: float) -> list[Action]:
        """What follows from the machines' actions; our own word moves the gate first of all."""
        done: list[Action] = []
        for action in out:
            if isinstance(action, Show):
                live = action.state in LIVE
                self._gate.confirm(action.token, self._gateway, action.talker, now, live=live)
                self._leaf.show(action)
                done.append(Seen(action))
            else:
                done.append(action)
        wanted = self._leaf.wanted(public=self._public)
        ours_to_clear = self._unknown_leaf and self.controller not in (None, self._gateway)
        if wanted != self._published or (wanted is None and ours_to_clear):
            self._published = wanted
            self._unknown_leaf = False
            done.insert(0, Publish(wanted))
        return done
