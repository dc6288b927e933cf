"""RTCP: what a sender of RTP says of itself, and the little that is read of others. Pure.

RFC 3550, section 6: a sender report (or, where nothing was sent, an empty receiver report), the
canonical name, and BYE at the end, in one compound packet.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from gateway.errors import RemoteProtocolError

INTERVAL = 5.0
"""Seconds between reports: the least of RFC 3550, 6.2."""

_SR, _RR, _SDES, _BYE = 200, 201, 202, 203
_CNAME = 1
_MAX_CNAME = 255
_NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970
_HEAD = struct.Struct(">BBH")


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent so far; ``timestamp`` is the RTP clock at the moment of the report."""

    packets: int
    octets: int
    timestamp: int


def report(ssrc: int, cname: str, sent: Sent | None, wall: float) -> bytes:
    """A report at ``wall`` (POSIX seconds); ``sent`` is None where nothing was since the last one."""
    if sent is None:
        first = _packet(_RR, 0, struct.pack(">I", ssrc))
    else:
        ntp = int((wall + _NTP_EPOCH) * 2**32) & 0xFFFF_FFFF_FFFF_FFFF
        counts = (sent.packets & 0xFFFF_FFFF, sent.octets & 0xFFFF_FFFF)
        first = _packet(_SR, 0, struct.pack(">IQIII", ssrc, ntp, sent.timestamp, *counts))
    return first + _sdes(ssrc, cname)


def bye(ssrc: int, cname: str) -> bytes:
    """Nothing more will come of ``ssrc`` (6.6); in a compound packet, as all are."""
    head = _packet(_RR, 0, struct.pack(">I", ssrc))
    return head + _sdes(ssrc, cname) + _packet(_BYE, 1, struct.pack(">I", ssrc))


def leaving(data: bytes) -> frozenset[int]:
    """The SSRCs that a compound packet says goodbye for.

    Raises:
        RemoteProtocolError: it is no compound RTCP packet (RFC 3550, A.2).
    """
    found: set[int] = set()
    at = 0
    while at < len(data):
        if len(data) < at + _HEAD.size:
            raise RemoteProtocolError("RTCP breaks off")
        first, kind, words = _HEAD.unpack_from(data, at)
        end = at + _HEAD.size + 4 * words
        if first >> 6 != 2 or end > len(data):
            raise RemoteProtocolError("no RTCP, or it breaks off")
        if at == 0 and kind not in (_SR, _RR):
            raise RemoteProtocolError(f"RTCP begins with a packet of type {kind}")
        if kind == _BYE:
            count = first & 0x1F
            if count > words:
                raise RemoteProtocolError("a BYE for more sources than it has")
            found |= set(struct.unpack_from(f">{count}I", data, at + _HEAD.size))
        at = end
    if not data:
        raise RemoteProtocolError("empty RTCP")
    return frozenset(found)


def _sdes(ssrc: int, cname: str) -> bytes:
    name = cname.encode()[:_MAX_CNAME]
    chunk = struct.pack(">IBB", ssrc, _CNAME, len(name)) + name
    return _packet(_SDES, 1, chunk + bytes(4 - len(chunk) % 4))  # ends with one zero at least


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return _HEAD.pack(0x80 | count, kind, len(body) // 4) + body
