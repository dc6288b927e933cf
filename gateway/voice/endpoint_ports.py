"""What an endpoint is told, what it tells, and what it needs of keyer and talkgroups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.voice.downlink.playout import DUCKING_DB, PttLine
from gateway.voice.processing.chain import ProcessingOptions
from gateway.voice.rtp import Packet
from gateway.voice.talkgroup_ports import Member


@dataclass(frozen=True, slots=True)
class TalkgroupFacts:
    """What an endpoint has to know of a talkgroup; ``tot`` and ``hang_time`` in seconds."""

    tot: float = 30.0
    hang_time: float = 2.0
    bitrate_bps: int = 24_000
    redundancy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointOptions:
    """One endpoint's piece of the settings; durations in seconds.

    ``has_ptt`` says that its line of the keyer can key; one that only senses is not asked to.
    """

    name: str
    priority: int = 100
    tx_delay: float = 0.0
    tail: float = 0.0
    rx_mute: float = 0.3
    pre_roll: float = 0.04
    processing: ProcessingOptions | None = None
    tail_cut: float = 0.0
    input_timeout: float | None = None
    """None: twice the talk limit of the talkgroup it speaks on."""
    has_ptt: bool = False
    tones: bool = True
    mixes: bool = False
    """Several talkgroups are heard at once, the less important ones softer by ``ducking_db``."""
    ducking_db: float = DUCKING_DB
    pre_emphasis: bool = False


@dataclass(frozen=True, slots=True)
class EndpointFacts:
    """How the endpoint is now, for its EndpointState. ``faults`` are for people."""

    talkgroup: str | None
    hears: tuple[str, ...]
    ptt: bool
    squelch_open: bool
    faults: tuple[str, ...]


class KeyerLine(PttLine, Protocol):
    """The keyer's line of this endpoint (`gateway.voice.keying.keyer_client.KeyerLine`)."""

    @property
    def keyed(self) -> bool: ...
    @property
    def squelch_open(self) -> bool: ...
    @property
    def fault(self) -> str | None: ...
    def on_squelch(self, callback: Callable[[bool, float], None]) -> None: ...
    def on_ptt(self, callback: Callable[[bool], None]) -> None: ...
    def on_fault(self, callback: Callable[[str | None], None]) -> None: ...


class Floor(Protocol):
    """A talkgroup as an endpoint uses it (`gateway.voice.talkgroup.Talkgroup`)."""

    def join(self, member: Member, *, speaks: bool) -> None: ...
    def leave(self, name: str) -> None: ...
    def request(self, name: str, *, priority: int, emergency: bool = False) -> None: ...
    def release(self, name: str) -> None: ...
    def send(self, name: str, packet: Packet) -> None: ...
