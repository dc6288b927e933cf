"""The description of a stream that players read (SDP, RFC 8866; Opus, RFC 7587). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from gateway.voice.bridges.options import UdpAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """What is told of a stream. ``session`` is a number of this run; ``origin`` where it is sent from."""

    name: str
    session: int
    origin: IPv4Address | IPv6Address
    to: UdpAddress
    ttl: int
    payload_type: int
    ssrc: int
    cname: str


def description(stream: Stream) -> str:
    """The file's text."""
    to, kind = stream.to.ip, stream.payload_type
    # Only IPv4 multicast has a TTL there (RFC 8866, 5.7).
    ttl = f"/{stream.ttl}" if to.is_multicast and isinstance(to, IPv4Address) else ""
    lines = (
        "v=0",
        f"o=- {stream.session} {stream.session} IN {_family(stream.origin)} {stream.origin}",
        f"s={stream.name}",
        f"c=IN {_family(to)} {to}{ttl}",
        "t=0 0",
        "a=tool:baiying",
        "a=sendonly",
        f"m=audio {stream.to.port} RTP/AVP {kind}",
        f"a=rtpmap:{kind} opus/48000/2",  # always so, also for mono (RFC 7587, section 7)
        f"a=fmtp:{kind} stereo=0;sprop-stereo=0;useinbandfec=1;usedtx=0",
        "a=ptime:20",
        f"a=ssrc:{stream.ssrc} cname:{stream.cname}",
    )
    return "".join(f"{line}\r\n" for line in lines)


def _family(ip: IPv4Address | IPv6Address) -> str:
    return "IP4" if isinstance(ip, IPv4Address) else "IP6"
