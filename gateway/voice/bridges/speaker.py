"""Carries out what `gateway.voice.bridges.inflow` decides: asks for the floor, sends, gives it back."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

from gateway.ops.counters import Counters
from gateway.voice.bridges.inflow import Ask, Inflow, Leave, Say, State
from gateway.voice.bridges.options import SpeakingOptions
from gateway.voice.console import TalkingTo
from gateway.voice.floor.causes import Revoke
from gateway.voice.rtp import Packet, Token
from gateway.voice.talkgroup_ports import Member

T = TypeVar("T")


class Floor(TalkingTo, Protocol):
    """What a bridge needs of its talkgroup (`gateway.voice.talkgroup.Talkgroup`)."""

    name: str

    def join(self, member: Member, *, speaks: bool) -> None: ...
    def leave(self, name: str) -> None: ...


class Bursts(Protocol[T]):
    """Makes packets of what has come in."""

    def packet(self, say: Say[T], token: Token, captured: float) -> Packet | None:
        """What to send for it, or None where nothing can be made of it; ``captured`` in POSIX seconds."""

    def last(self) -> Packet | None:
        """What marks the end of a burst that is over, if there is such a thing."""

    def released(self) -> None:
        """Nothing is there of a burst any more."""


class Speaker(Generic[T]):
    """The voice of one bridge on its talkgroup."""

    def __init__(
        self,
        name: str,
        floor: Floor,
        options: SpeakingOptions,
        bursts: Bursts[T],
        counters: Counters,
    ) -> None:
        self._name = name
        self._floor = floor
        self._options = options
        self._bursts = bursts
        self._counters = counters
        self._inflow = Inflow[T](pre_roll=options.pre_roll, guard=options.guard)
        self._token: Token | None = None
        self._timer: asyncio.TimerHandle | None = None

    def close(self) -> None:
        """Say nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def hear(self, what: T) -> None:
        """Something has come in."""
        self._do(self._inflow.hear(what, _now()))

    def over(self) -> None:
        """The other side says that its burst is over."""
        self._do(self._inflow.over())

    def sending_out(self) -> None:
        """Something of the talkgroup has been sent out."""
        self._inflow.sending_out(_now())

    # What the talkgroup tells (`gateway.voice.talkgroup.Member`)

    def on_granted(self, talkgroup: str, token: Token, tot: float) -> None:
        del talkgroup, tot
        self._token = token
        self._do(self._inflow.granted())

    def on_refused(self, talkgroup: str, cause: int, text: str, retry_after: float | None) -> None:
        del talkgroup, cause, text, retry_after
        self._inflow.refused()
        self._do(())

    def on_revoked(self, talkgroup: str, cause: int, text: str) -> None:
        del talkgroup, text
        self._inflow.revoked(too_long=cause == Revoke.MEDIA_BURST_TOO_LONG)
        self._do(())

    def on_idle(self, talkgroup: str) -> None:
        del talkgroup
        self._inflow.idle()
        self._do(())

    def _do(self, actions: Iterable[Ask | Say[T] | Leave]) -> None:
        for action in actions:
            match action:
                case Ask():
                    self._counters.add("bridge.bursts_in")
                    self._floor.request(self._name, priority=self._options.priority)
                case Say():
                    self._say(action)
                case Leave(over):
                    last = self._bursts.last() if over else None
                    if last is not None:
                        self._floor.send(self._name, last)
                    self._floor.release(self._name)
        drain(self._inflow.counts, self._counters)
        if self._inflow.state is State.IDLE:
            self._bursts.released()
        self._arm()

    def _say(self, say: Say[T]) -> None:
        assert self._token is not None, "granted comes first"
        captured = time.time() - (_now() - say.heard)
        packet = self._bursts.packet(say, self._token, captured)
        if packet is not None:
            self._floor.send(self._name, packet)

    def _arm(self) -> None:
        deadline = self._inflow.deadline
        if deadline is not None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(deadline, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        # Timers are exact to a millisecond, and may be early by it: then it is armed once more.
        self._do(self._inflow.tick(_now() + 0.001))


def drain(counts: Counter[str], counters: Counters) -> None:
    """Count for good what a machine has counted."""
    if counts:
        for what, number in counts.items():
            if number:
                counters.add(f"bridge.{what}", number)
        counts.clear()


def _now() -> float:
    return asyncio.get_running_loop().time()
