"""Who is called, answered and refused, and when that has failed. A pure machine.

Rules:

1. With a registrar, registering comes first.
2. An endpoint that calls dials then, once. It is ready when it is answered; any end of the call,
   and no answer in time, is its failure. Whoever calls it is refused.
3. An endpoint that is called is ready when it listens, or has registered. A listed caller is
   answered while there is no call; anybody else is refused. A call that ends by a hang-up leaves it
   ready; one that was lost is a failure, so that it is seen.
4. A caller who calls again has restarted: the new call replaces the old one.
5. A registration that is lost, or refused when it is renewed, is a failure at once while there is no
   call. Speech is not cut for it: with a call, it is a failure when that ends, unless
   the registration was renewed meanwhile.
6. After a failure nothing happens any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from drivers.sip.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the options say of calls."""

    call: str | None
    accept_from: tuple[Address, ...]
    registers: bool
    answer_within: float


class State(Enum):
    """Of a session."""

    REGISTERING = "registering"
    WAITING = "waiting"
    CALLING = "calling"
    ANSWERING = "answering"
    TALKING = "talking"
    FAILED = "failed"


class End(Enum):
    """How a call has ended."""

    HUNG_UP = "hung up"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Register:
    """Register at the registrar."""


@dataclass(frozen=True, slots=True)
class Dial:
    """Call ``uri``."""

    uri: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer this call."""

    call: int


@dataclass(frozen=True, slots=True)
class Refuse:
    """Refuse this call."""

    call: int


@dataclass(frozen=True, slots=True)
class HangUp:
    """End this call; None is the one that was dialled."""

    call: int | None


@dataclass(frozen=True, slots=True)
class Ready:
    """The device is open."""


@dataclass(frozen=True, slots=True)
class Begin:
    """Exchange audio with this call; None is the one that was dialled."""

    call: int | None
    peer: str


@dataclass(frozen=True, slots=True)
class Cease:
    """There is no call any more."""


@dataclass(frozen=True, slots=True)
class Fail:
    """End with this reason."""

    what: str


Action = Register | Dial | Answer | Refuse | HangUp | Ready | Begin | Cease | Fail


class Session:
    """One SIP endpoint. Calls are named by numbers; the one that was dialled by None."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._state = State.WAITING
        self._call: int | None = None
        self._peer = ""
        self._deadline: float | None = None
        self._unregistered: str | None = None

    @property
    def state(self) -> State:
        return self._state

    def deadline(self) -> float | None:
        """When `tick` is due."""
        return self._deadline

    def start(self, now: float) -> list[Action]:
        if self._plan.registers:
            self._state = State.REGISTERING
            return [Register()]
        return self._open(now)

    def registered(self, now: float) -> list[Action]:
        self._unregistered = None
        return self._open(now) if self._state is State.REGISTERING else []

    def unregistered(self, what: str) -> list[Action]:
        """Registering, or renewing it, was refused or not answered."""
        text = f"not registered at the registrar: {what}"
        if self._state in (State.CALLING, State.ANSWERING, State.TALKING):
            self._unregistered = text
            return []
        return self._fail(text)

    def incoming(self, call: int, peer: str, now: float) -> list[Action]:
        if not self._listed(peer):
            return [Refuse(call)]
        if self._state is State.WAITING:
            return self._answer(call, peer, now)
        if self._state in (State.ANSWERING, State.TALKING) and _same(peer, self._peer):
            ceasing = [Cease()] if self._state is State.TALKING else []
            return [HangUp(self._call), *ceasing, *self._answer(call, peer, now)]
        return [Refuse(call)]

    def established(self, call: int | None) -> list[Action]:
        if self._state not in (State.CALLING, State.ANSWERING) or call != self._call:
            return []
        opening: list[Action] = [Ready()] if self._state is State.CALLING else []
        self._state = State.TALKING
        self._deadline = None
        return [*opening, Begin(call, self._peer)]

    def closed(self, call: int | None, end: End, what: str) -> list[Action]:
        if call != self._call:
            return []  # one that was refused or replaced
        if self._state is State.CALLING:
            return self._fail(f"{self._peer} did not take the call: {what}")
        if self._state not in (State.ANSWERING, State.TALKING):
            return []
        ceasing: list[Action] = [Cease()] if self._state is State.TALKING else []
        if self._plan.call is not None or end is End.LOST:
            return [*ceasing, *self._fail(f"the call with {self._peer} ended: {what}")]
        return [*ceasing, *self._wait()]

    def tick(self, now: float) -> list[Action]:
        if self._deadline is None or now < self._deadline:
            return []
        hanging_up = HangUp(self._call)
        if self._state is State.CALLING:
            what = f"{self._peer} did not answer within {self._plan.answer_within:g} s"
            return [hanging_up, *self._fail(what)]
        return [hanging_up, *self._wait()]

    def _open(self, now: float) -> list[Action]:
        if self._plan.call is None:
            self._state = State.WAITING
            return [Ready()]
        self._state = State.CALLING
        self._peer = self._plan.call
        self._deadline = now + self._plan.answer_within
        return [Dial(self._plan.call)]

    def _answer(self, call: int, peer: str, now: float) -> list[Action]:
        self._state = State.ANSWERING
        self._call, self._peer = call, peer
        self._deadline = now + self._plan.answer_within
        return [Answer(call)]

    def _wait(self) -> list[Action]:
        self._state = State.WAITING
        self._call = self._deadline = None
        return [] if self._unregistered is None else self._fail(self._unregistered)

    def _listed(self, peer: str) -> bool:
        try:
            caller = Address.from_text(peer)
        except ValueError:
            return False
        return any(entry.lists(caller) for entry in self._plan.accept_from)

    def _fail(self, what: str) -> list[Action]:
        if self._state is State.FAILED:
            return []
        self._state = State.FAILED
        self._deadline = None
        return [Fail(what)]


def _same(one: str, other: str) -> bool:
    """Whether both are one caller; after a restart its port may be another."""
    first, second = Address.from_text(one), Address.from_text(other)
    return (first.user, first.host) == (second.user, second.host)
