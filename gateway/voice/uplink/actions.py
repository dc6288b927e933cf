"""What an endpoint's uplink wants done. Pure values."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.voice.rtp import Token
from gateway.voice.uplink.backlog import Block


@dataclass(frozen=True, slots=True)
class Ask:
    """Request the floor. Always the last action of a list: its answer may come meanwhile."""


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Release the floor, or take the request back."""


@dataclass(frozen=True, slots=True)
class Begin:
    """A new talk burst under ``token``."""

    token: Token


@dataclass(frozen=True, slots=True)
class Send:
    """Send one block of the burst; None is a block of silence."""

    block: Block | None
    pre_roll: bool = False
    last: bool = False


Action = Ask | GiveBack | Begin | Send
