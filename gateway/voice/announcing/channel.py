"""The announcer on one talkgroup: a member that asks, speaks at the pace of real time, and stops.

When it may is `gateway.voice.announcing.turns`' to say. It is on the talkgroup only while it has
something to say there.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from gateway.ops.counters import Counters
from gateway.ports import BLOCK
from gateway.voice.announcing.sound import RATE_HZ
from gateway.voice.announcing.turns import (
    Action,
    Ask,
    Call,
    Dropped,
    GiveBack,
    Speak,
    Stop,
    TurnRules,
    Turns,
)
from gateway.voice.dsp import Samples
from gateway.voice.rtp import Packet, Token
from gateway.voice.uplink.sender import Sender

_LOGGER = logging.getLogger(__name__)

NAME = "announcer"
"""The member's name on every talkgroup; no endpoint may have it."""

_BLOCK = RATE_HZ // 50
_CLAIMS = 64
_STATE_WITHIN = 0.5
"""Seconds by which a floor's state has come that was taken when the announcement was told of."""
_BEFORE_TOT = 0.5
"""Seconds before the talk limit at which it ends by itself."""


class Floor(Protocol):
    """A talkgroup as the announcer uses it (`gateway.voice.talkgroup.Talkgroup`)."""

    @property
    def talker(self) -> str | None: ...
    def join(self, member: Channel, *, speaks: bool) -> None: ...
    def leave(self, name: str) -> None: ...
    def request(self, name: str, *, priority: int, emergency: bool = False) -> None: ...
    def release(self, name: str) -> None: ...
    def send(self, name: str, packet: Packet) -> None: ...


class Channel:
    """A `gateway.voice.talkgroup.Member`.

    ``priorities``: of one that waits, and of one that pre-empts. ``speaks(call)`` is told when a call
    begins to be spoken.
    """

    def __init__(
        self,
        talkgroup: str,
        floor: Callable[[str], Floor],
        rules: TurnRules,
        counters: Counters,
        *,
        priorities: tuple[int, int],
        bitrate_bps: int,
        speaks: Callable[[Call], None],
    ) -> None:
        self.name = NAME
        self.talkgroup = talkgroup
        self.turns = Turns(rules)
        self.priorities = priorities
        self.bitrate_bps = bitrate_bps
        self._floor_of = floor
        self._counters = counters
        self._speaks = speaks
        self._floor: Floor | None = None
        self._sounds: dict[str, Samples] = {}
        self._claims: dict[tuple[str, int], str] = {}
        self._sender: Sender | None = None
        self._token: Token | None = None
        self._tot = 0.0
        self._sending: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def silent(self) -> bool:
        """It has nothing to say."""
        return self.turns.empty

    def say(self, call: Call, sound: Samples) -> None:
        """Announce a page, when it is its turn; ``sound`` is at `RATE_HZ`."""
        self._sounds[call.page] = sound
        if self._floor is None:
            self._floor = self._floor_of(self.talkgroup)
            self._floor.join(self, speaks=True)
        self._heed(call.incident, call.level)
        self._do(self.turns.add(call, _now()))

    def over(self, incident: str, groups: Collection[str] | None = None) -> None:
        """Say no more of an incident, or of these groups of it."""
        self._do(self.turns.over(incident, _now(), groups))

    def elsewhere(self, incident: str, level: int, gateway: str) -> None:
        """Another gateway says that it speaks; believed while the floor is its announcer's."""
        self._claims[incident, level] = gateway
        if len(self._claims) > _CLAIMS:
            del self._claims[next(iter(self._claims))]
        if not self._heed(incident, level):
            # The floor's state may come a moment later.
            asyncio.get_running_loop().call_later(_STATE_WITHIN, self._heed, incident, level)

    def _heed(self, incident: str, level: int) -> bool:
        """Leave it to whoever has claimed it and has the floor."""
        gateway = self._claims.get((incident, level))
        if self._floor is None or gateway is None:
            return False
        if self._floor.talker != f"{gateway}/{NAME}":
            return False
        self._do(self.turns.elsewhere(incident, level, _now()))
        return True

    def close(self) -> None:
        """Say nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        self._stop()
        self._leave()

    # What the talkgroup says

    def on_granted(self, talkgroup: str, token: Token, tot: float) -> None:
        del talkgroup
        self._token, self._tot = token, tot
        self._do(self.turns.granted(_now()))

    def on_refused(self, talkgroup: str, cause: int, text: str, retry_after: float | None) -> None:
        del talkgroup, cause, text
        self._do(self.turns.refused(retry_after, _now()))
        for incident, level in tuple(self._claims):
            self._heed(incident, level)

    def on_revoked(self, talkgroup: str, cause: int, text: str) -> None:
        _LOGGER.info("announcement on %s is interrupted (%d, %s)", talkgroup, cause, text)
        self._counters.add("announce.interrupted")
        self._token = None
        self._do(self.turns.revoked(_now()))

    def on_packet(
        self, talkgroup: str, talker: str, packet: Packet, arrival: float, *, confirmed: bool
    ) -> None:
        """It does not listen."""

    def on_idle(self, talkgroup: str) -> None:
        del talkgroup
        self._do(self.turns.idle(_now()))

    # Carrying out

    def _do(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Ask(pre_empt):
                    if self._floor is not None:
                        self._floor.request(self.name, priority=self.priorities[pre_empt])
                case GiveBack():
                    if self._floor is not None:
                        self._floor.release(self.name)
                    self._token = None
                case Speak(call):
                    self._begin(call)
                case Stop():
                    self._stop()
                case Dropped(call, why):
                    self._counters.add(f"announce.{why}")
                    _LOGGER.info("page %s is not announced (any more): %s", call.page, why)
                    self._sounds.pop(call.page, None)
        if self.turns.empty:
            self._leave()
        self._arm()

    def _leave(self) -> None:
        floor, self._floor = self._floor, None
        self._sounds.clear()
        if floor is not None:
            floor.leave(self.name)

    def _begin(self, call: Call) -> None:
        sound = self._sounds.get(call.page)
        if sound is None or self._token is None:
            return
        most = int(max(self._tot - _BEFORE_TOT, 1.0) * RATE_HZ)
        if len(sound) > most:
            self._counters.add("announce.cut")
            sound = sound[:most]
        if self._sender is None:
            self._sender = Sender(RATE_HZ, secrets.randbits)
        self._sender.begin(self._token, self.bitrate_bps)
        self._counters.add("announce.begun")
        self._speaks(call)
        self._send(sound, 0, _now())

    def _send(self, sound: Samples, at: int, due: float) -> None:
        """Send the block at ``at``, and come back for the next; the last is one of silence."""
        self._sending = None
        block = sound[at : at + _BLOCK]
        last = not len(block)
        if self._floor is None or self._sender is None:
            return
        packet = self._sender.packet(
            None if last else block, time.time() - BLOCK, pre_roll=False, last=last
        )
        self._floor.send(self.name, packet)
        if last:
            self._counters.add("announce.said")
            self._do(self.turns.said(_now()))
            return
        loop = asyncio.get_running_loop()
        self._sending = loop.call_at(due + BLOCK, self._send, sound, at + _BLOCK, due + BLOCK)

    def _stop(self) -> None:
        """Say no more; where the floor is still ours, with an end that receivers can hear."""
        if self._sending is None:
            return
        self._sending.cancel()
        self._sending = None
        if self._token is not None and self._floor is not None and self._sender is not None:
            end = self._sender.packet(None, 0.0, pre_roll=False, last=True)
            self._floor.send(self.name, end)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.turns.deadline()
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._do(self.turns.tick(_now()))


def _now() -> float:
    return asyncio.get_running_loop().time()
