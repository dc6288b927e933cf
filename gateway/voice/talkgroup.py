"""One talkgroup on one gateway: its members here, the others through the broker.

Decides nothing: `gateway.voice.floor.control` says who may talk and what may be played,
`gateway.voice.floor.participant` what a member of ours asks for. Members of this gateway are switched
here, at once and also without a broker, and everything is published as well: voice from here, the
floor's messages by `gateway.voice.floor.signalling`. Used from the event loop only; nothing here waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from math import ceil

from gateway.errors import RemoteProtocolError
from gateway.voice.floor.actions import Answer, Show, State, StoreTerm, Stray, client_of
from gateway.voice.floor.causes import Deny
from gateway.voice.floor.control import Control
from gateway.voice.floor.control_actions import Action, Changed, Publish, Seen, Tell
from gateway.voice.floor.participant import Participant
from gateway.voice.floor.participant_actions import Action as MemberAction
from gateway.voice.floor.participant_actions import Outcome, Refused, Send
from gateway.voice.floor.requests import requested
from gateway.voice.floor.signalling import Signalling
from gateway.voice.floor.tokens import Verdict
from gateway.voice.members import Joined, Labels, Members
from gateway.voice.rtp import Packet
from gateway.voice.talkgroup_ports import (
    Member,
    Surroundings,
    TalkgroupNow,
    TalkgroupOptions,
)

__all__ = ["Member", "Talkgroup", "TalkgroupOptions"]

_LOGGER = logging.getLogger(__name__)

_SAID = 0.3
"""Seconds after its last packet for which a talker's loudness is told."""

_EARLY = 0.001
"""The loop's timers are exact to a millisecond, and may be early by it."""


class Talkgroup:
    """Made and opened by `gateway.voice.talkgroups.Talkgroups`."""

    def __init__(
        self,
        name: str,
        options: TalkgroupOptions,
        around: Surroundings,
        *,
        term: int,
        seq: int,
        left: Callable[[str], None],
    ) -> None:
        """``seq`` is where the numbers of requests start; ``left`` is told when somebody has left."""
        self.name = name
        self._left = left
        self._options = options
        self._around = around
        self._seq = seq
        self._control = Control(
            around.gateway, options.floor, options.controllers, term=term, started=around.started
        )
        self._members = Members(name, around.counters)
        self._signalling = Signalling(
            name,
            around,
            requested=self._on_request,
            answered=self._on_answer,
            shown=self._on_state,
        )
        self._todo: deque[Callable[[], None]] = deque()
        self._busy = False
        self._state = State.IDLE
        self._labels = Labels()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    # What it is

    @property
    def state(self) -> State:
        """The floor: idle, taken, revoking or hang."""
        return self._control.state

    @property
    def talker(self) -> str | None:
        """Who has the floor, as ``<client>/<endpoint>``."""
        return self._control.talker

    @property
    def controller(self) -> str | None:
        """The gateway that controls the floor; None where that cannot be said yet."""
        return self._control.controller

    def now(self) -> TalkgroupNow:
        """How it is at this moment."""
        level = self._members.loudness
        return TalkgroupNow(
            name=self.name,
            state=self.state.value,
            talker=self.talker,
            controller=self.controller,
            queue=self._control.queue,
            members=self._members.names(),
            level_dbov=level[0] if level is not None and _now() - level[1] < _SAID else None,
        )

    @property
    def empty(self) -> bool:
        """Whether nobody of this gateway is on it."""
        return len(self._members) == 0

    # Members

    def join(self, member: Member, *, speaks: bool) -> None:
        """Put a member on the talkgroup; it gets the next packet of a burst in progress."""
        if member.name in self._members:
            self.leave(member.name)
        participant = Participant(self._seq, pre_alert=self._options.pre_alert)
        self._members.add(Joined(member, speaks, participant))
        self._run(self._control.occupied(True, _now()))

    def leave(self, name: str) -> None:
        """Take a member off it, and give back what it has of the floor."""
        joined = self._members.remove(name)
        if joined is not None:
            self._run_member(name, joined.participant.release(_now()))
            self._seq = max(self._seq, joined.participant.seq)
            self._run(self._control.occupied(len(self._members) > 0, _now()))
        self._left(self.name)

    def request(self, name: str, *, priority: int, emergency: bool = False) -> None:
        """Ask for the floor; the answer, which may come before this returns, goes to the member.

        Raises:
            LocalProtocolError: no such member.
        """
        joined = self._members.need(name)
        if not joined.speaks:
            self._run_member(name, [Outcome("denied", 0.0), Refused(Deny.RECEIVE_ONLY)])
            return
        self._run_member(name, joined.participant.ask(priority, emergency, _now()))

    def release(self, name: str) -> None:
        """Give the floor back, or take back what was asked. Without either nothing happens."""
        joined = self._members.get(name)
        if joined is not None:
            self._run_member(name, joined.participant.release(_now()))

    def send(self, name: str, packet: Packet) -> None:
        """Send a packet under the member's grant; without a grant it is dropped and counted.

        Raises:
            LocalProtocolError: no such member, or no valid packet.
        """
        participant = self._members.need(name).participant
        if participant.token is None:
            self._around.counters.add("voice.sent_without_grant")
            return
        if packet.token != participant.token:  # coded just before the grant was renewed
            packet = replace(packet, token=participant.token)
        now = _now()
        participant.sent(now)
        gateway = self._around.gateway
        verdict, actions = self._control.packet(gateway, packet.token, now)
        if verdict is Verdict.PLAY:
            confirmed = self._control.is_confirmed(packet.token)
            self._members.hear(f"{gateway}/{name}", packet, now, confirmed=confirmed, besides=name)
        else:
            self._around.counters.add(f"voice.refused.{verdict.name.lower()}")
        if self._control.connected:
            self._around.voice.publish(
                self._around.topics.voice(self.name, gateway),
                packet.to_bytes(),
                expiry=ceil(self._options.max_age),
            )
        self._run_few(actions)

    # What the owner of all talkgroups tells

    def open(self) -> None:
        """Listen to the broker."""
        around = self._around
        around.voice.subscribe(around.topics.voice(self.name, "+"), self._on_voice)
        self._signalling.open()
        self._arm()

    def close(self) -> None:
        """Give back and clear what is ours, and listen no more."""
        for name in self._members.names():
            self.leave(name)
        around = self._around
        around.voice.unsubscribe(around.topics.voice(self.name, "+"), self._on_voice)
        self._signalling.close()
        self._run(self._control.close())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def configure(self, options: TalkgroupOptions) -> None:
        """Live by other options from now on; a burst in progress goes on."""
        if options != self._options:
            self._options = options
            for _, one in self._members.participants():
                one.warn_before(options.pre_alert)
            self._run(self._control.reconfigure(options.floor, options.controllers, _now()))

    def connection(self, connected: bool) -> None:
        """The broker is within reach of both connections, or not."""
        self._run(self._control.connection(connected, _now()))

    def presence(self, online: frozenset[str], named: frozenset[str]) -> None:
        """Who is online, and which of those have an endpoint that names the talkgroup."""
        self._run(self._control.presence(online, named, _now()))

    def term_stored(self, term: int) -> None:
        """A term is on disk."""
        self._run(self._control.stored(term, _now()))

    # What comes from the broker

    def _on_voice(self, topic: str, payload: bytes) -> None:
        client = topic.rpartition("/")[2]
        around = self._around
        if client == around.gateway:
            return
        now = _now()
        try:
            packet = Packet.from_bytes(payload)
        except RemoteProtocolError as error:
            around.counters.add("floor.malformed.voice")
            _LOGGER.debug("%s: voice of %s refused: %s", self.name, client, error)
            return
        if around.ages.age(client, packet.captured, now) > self._options.max_age:
            around.counters.add("voice.too_old")
            return
        verdict, actions = self._control.packet(client, packet.token, now)
        if verdict is Verdict.PLAY:
            confirmed = self._control.is_confirmed(packet.token)
            known = self._control.talker_of(client, packet.token)
            label = self._labels.label(client, packet.ssrc, known)
            self._members.hear(label, packet, now, confirmed=confirmed)
        else:
            around.counters.add(f"voice.refused.{verdict.name.lower()}")
        self._run_few(actions)

    def _on_request(self, talker: str, send: Send) -> None:
        self._run(requested(self._control, talker, send, _now()))

    def _on_answer(self, client: str, answer: Answer) -> None:
        if answer.tot is None:
            answer = replace(answer, tot=self._options.tot)
        self._run(self._control.answered(client, answer, _now()))

    def _on_state(self, client: str, show: Show | None) -> None:
        self._run(self._control.shown(client, show, _now()))

    # Carrying out

    def _run(self, actions: Iterable[Action]) -> None:
        self._todo.extend(partial(self._do, action) for action in actions)
        self._work()

    def _run_few(self, actions: list[Action]) -> None:
        """The same for a packet, which most often leads to nothing."""
        if actions:
            self._run(actions)
        else:
            self._arm()

    def _run_member(self, name: str, actions: Iterable[MemberAction]) -> None:
        self._todo.extend(partial(self._do_member, name, action) for action in actions)
        self._work()

    def _work(self) -> None:
        """Carry out what is to do, in order; what that leads to comes after it."""
        if self._busy:
            return
        self._busy = True
        try:
            self._look()
            while self._todo:
                self._todo.popleft()()
                if not self._todo:
                    self._look()
        finally:
            self._busy = False
        self._arm()

    def _do(self, action: Action) -> None:
        around, now = self._around, _now()
        match action:
            case Publish(show):
                self._signalling.show(show)
            case Answer():
                if self._control.connected:
                    self._signalling.answer(action)
                if client_of(action.talker) == around.gateway:
                    self._tell(action, now)
            case Tell(answer):
                self._tell(answer, now)
            case Seen(show):
                for name, one in self._members.participants():
                    mine = show.talker == f"{around.gateway}/{name}"
                    self._run_member(name, one.shown(show.state, mine, show.token))
            case Changed():
                _LOGGER.info(
                    "%s: the floor is controlled by %s", self.name, self.controller or "nobody"
                )
                for name, one in self._members.participants():
                    self._run_member(name, one.controller_changed(now))
            case StoreTerm(term):
                around.store_term(self.name, term)
            case Stray(what):
                around.counters.add(f"floor.stray.{what.replace(' ', '_')}")

    def _tell(self, answer: Answer, now: float) -> None:
        names = self._members.meant(answer, self._around.gateway)
        for name in names:
            self._run_member(name, self._members.need(name).participant.answer(answer, now))
        if not names:
            self._around.counters.add("floor.stray.answer_for_nobody")

    def _do_member(self, name: str, action: MemberAction) -> None:
        around = self._around
        match action:
            case Send():
                talker = f"{around.gateway}/{name}"
                if self._control.connected:
                    self._signalling.request(talker, action)
                self._run(requested(self._control, talker, action, _now()))
            case Outcome(kind, seconds):
                around.counters.add(f"floor.outcome.{kind}")
                if around.observer is not None:
                    around.observer.outcome(self.name, kind, seconds)
            case Stray(what):
                around.counters.add(f"floor.stray.{what.replace(' ', '_')}")
            case _:
                self._members.tell(name, action)

    def _look(self) -> None:
        """Notice that the floor has become idle."""
        before, self._state = self._state, self._control.state
        if self._state is State.IDLE and before is not State.IDLE:
            self._members.idle()

    # Time

    def _arm(self) -> None:
        """Be called at the earliest deadline. A timer that is too early only looks again."""
        now = _now()
        times = [self._control.deadline(now)]
        times += [one.deadline() for _, one in self._members.participants()]
        deadline = min((at for at in times if at is not None), default=None)
        if deadline is None:
            return
        if self._timer is not None:
            if self._timer_at <= deadline:
                return
            self._timer.cancel()
        self._timer_at = max(deadline, now + _EARLY)
        self._timer = asyncio.get_running_loop().call_at(self._timer_at, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        now = _now()
        for name, one in self._members.participants():
            self._run_member(name, one.tick(now))
        self._run(self._control.tick(now))


def _now() -> float:
    return asyncio.get_running_loop().time()
