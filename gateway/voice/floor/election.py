"""Which gateway controls a talkgroup's floor, as one gateway sees it. Pure.

Rules (contract "The floor"):

1. Where ``controllers`` are configured, the first of them that is online controls. Else, and where
   none of them is online, it is the lowest name among the online gateways whose EndpointState
   names the talkgroup.
2. Where no endpoint names it, it is the lowest name among those that have somebody on it who is no
   endpoint (a call of the command), as far as they show: we, and who publishes a FloorState.
3. Without a broker a gateway controls its own endpoints.
4. A gateway that starts, or that reaches the broker again, waits `SETTLE` for what is retained
   before it takes control. Whom it sees in that time may control at once; who controlled already,
   without the broker, goes on meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence

SETTLE = 0.5
"""How long what is retained is waited for (contract)."""


class Election:
    """Who controls one talkgroup. ``started`` is the gateway's start, in the seconds of ``now``."""

    def __init__(self, gateway: str, controllers: Sequence[str], started: float) -> None:
        self._gateway = gateway
        self._controllers = tuple(controllers)
        self._connected = False
        self._settled_at = started + SETTLE
        self._online: frozenset[str] = frozenset()
        self._named: frozenset[str] = frozenset()
        self._showing: frozenset[str] = frozenset()
        self._occupied = False
        self._controller: str | None = None

    @property
    def controller(self) -> str | None:
        """Who controls since the last `decide`; None where that cannot be said yet."""
        return self._controller

    @property
    def connected(self) -> bool:
        return self._connected

    def reconfigure(self, controllers: Sequence[str]) -> None:
        """Change the configured controllers."""
        self._controllers = tuple(controllers)

    def connection(self, connected: bool, now: float) -> None:
        """The broker was reached, or lost."""
        if connected and not self._connected:
            self._settled_at = now + SETTLE
        self._connected = connected

    def presence(self, online: frozenset[str], named: frozenset[str]) -> None:
        """Who is online, and which of those have an endpoint that names the talkgroup."""
        self._online, self._named = online, named & online

    def talk(self, occupied: bool, showing: frozenset[str]) -> None:
        """Whether we have anybody on the talkgroup, and who else shows a FloorState of it."""
        self._occupied, self._showing = occupied, showing

    def settled(self, now: float) -> bool:
        """Whether the broker has had the time to tell what is retained."""
        return self._connected and now >= self._settled_at

    def deadline(self, now: float) -> float | None:
        """When to `decide` again, if nothing happens before."""
        return self._settled_at if now < self._settled_at else None

    def decide(self, now: float) -> str | None:
        """Who controls now."""
        if not self._connected:
            waited = self._controller is not None or now >= self._settled_at
            self._controller = self._gateway if waited else None
        elif now >= self._settled_at:
            self._controller = self._choice()
        elif self._controller != self._gateway:
            choice = self._choice()
            self._controller = None if choice == self._gateway else choice
        return self._controller

    def _choice(self) -> str | None:
        for name in self._controllers:
            if name in self._online or name == self._gateway:
                return name
        if self._named:
            return min(self._named)
        showing = self._showing & self._online
        return min(showing | {self._gateway} if self._occupied else showing, default=None)
