"""What other clients show as the FloorState of one talkgroup. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.voice.floor.actions import LIVE, Heir, Show
from gateway.voice.rtp import Token

MAX_STATES = 64
"""FloorStates that are remembered; there is one controller, and some that were."""


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """A grant in force, ordered as the contract orders grants: by token, then controller."""

    token: Token
    controller: str
    heir: Heir


class Others:
    """The newest FloorState of each client but ourselves."""

    def __init__(self) -> None:
        self._states: dict[str, Show] = {}

    def put(self, client: str, show: Show | None) -> bool:
        """Take a client's FloorState, None where it was cleared; False where there is no room."""
        if show is None:
            self._states.pop(client, None)
        elif client in self._states or len(self._states) < MAX_STATES:
            self._states[client] = show
        else:
            return False
        return True

    def clear(self) -> None:
        """Forget all."""
        self._states.clear()

    def get(self, client: str | None) -> Show | None:
        """What ``client`` shows."""
        return None if client is None else self._states.get(client)

    def names(self) -> frozenset[str]:
        """Who shows anything."""
        return frozenset(self._states)

    def in_force(self, believed: Callable[[str], bool]) -> list[Grant]:
        """The grants in force that believed clients show."""
        return [
            Grant(show.token, client, Heir(show.talker, show.priority))
            for client, show in self._states.items()
            if show.state in LIVE and show.talker is not None and believed(client)
        ]
