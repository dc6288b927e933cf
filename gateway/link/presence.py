"""What a gateway says of itself: its Status, and the will that says it when it no longer can. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.link.messages import Status, encode
from gateway.moment import timestamp

State = Literal["online", "stopping", "offline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """One run of one gateway. ``topic`` is its status topic, ``boot`` a UUID of this run."""

    topic: str
    boot: str
    version: str

    def payload(
        self, state: State, wall: float, *, stores: bool = True, records: bool = True
    ) -> bytes:
        """Status ``state`` since ``wall`` (POSIX seconds). A will bears the time of its connect.

        ``stores``: whether the journal does; ``records``: whether recordings can be kept.
        """
        return encode(
            Status(
                state=state,
                boot=self.boot,
                version=self.version,
                since=timestamp(wall),
                storage="ok" if stores else "fault",
                recording="ok" if records else "fault",
            )
        )
