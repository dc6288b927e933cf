"""What a bridge is told. Pure; times in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import NamedTuple

Network = IPv4Network | IPv6Network


class UdpAddress(NamedTuple):
    """An IP address and a port."""

    ip: IPv4Address | IPv6Address
    port: int

    @property
    def pair(self) -> tuple[str, int]:
        return str(self.ip), self.port

    def plus(self, ports: int) -> UdpAddress:
        return UdpAddress(self.ip, self.port + ports)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakingOptions:
    """How what comes in asks for the floor.

    ``pre_roll`` is how much waits for it at most. ``guard`` is for how long after something was sent
    out nothing is taken in, so that an echo is no new burst; None takes it in at any time.
    """

    priority: int = 100
    pre_roll: float = 1.0
    guard: float | None = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class RtpOptions:
    """RTP out (``send``), in (``listen``), or both; ``interface`` is a name, for multicast."""

    send: UdpAddress | None = None
    listen: UdpAddress | None = None
    sources: tuple[Network, ...] = ()
    payload_type: int = 111
    ttl: int = 1
    interface: str | None = None
    sdp: Path | None = None
    rtcp: bool = True
    speaking: SpeakingOptions = SpeakingOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class UsrpOptions:
    """A USRP peer: where it listens (``send``), and where we do."""

    send: UdpAddress
    listen: UdpAddress
    sources: tuple[Network, ...] = ()
    number: int = 0
    speaking: SpeakingOptions = SpeakingOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeOptions:
    """One bridge: its talkgroup, and the way to the other system."""

    talkgroup: str
    way: RtpOptions | UsrpOptions
