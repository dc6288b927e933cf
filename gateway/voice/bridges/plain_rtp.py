"""RTP as anybody writes it (RFC 3550), without the header extensions of the contract. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from gateway.errors import RemoteProtocolError
from gateway.voice.rtp import MAX_PACKET_BYTES

_FIXED = struct.Struct(">BBHII")
_PAIR = struct.Struct(">HH")


@dataclass(frozen=True, slots=True)
class PlainPacket:
    """One packet; ``sequence`` is 16 bits, ``timestamp`` and ``ssrc`` are 32 bits, all modulo."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes

    def to_bytes(self) -> bytes:
        """Version 2, no padding, no extension, no contributing sources."""
        second = self.payload_type | (0x80 if self.marker else 0)
        head = _FIXED.pack(0x80, second, self.sequence, self.timestamp, self.ssrc)
        return head + self.payload

    @classmethod
    def from_bytes(cls, data: bytes) -> PlainPacket:
        """The packet in ``data``; contributing sources, extensions and padding are passed over.

        Raises:
            RemoteProtocolError: it is no RTP packet with a payload.
        """
        if len(data) > MAX_PACKET_BYTES:
            raise RemoteProtocolError(f"{len(data)} bytes are too long for a voice packet")
        if len(data) < _FIXED.size:
            raise RemoteProtocolError(f"{len(data)} bytes are too short for RTP")
        first, second, sequence, timestamp, ssrc = _FIXED.unpack_from(data)
        if first >> 6 != 2:
            raise RemoteProtocolError(f"RTP version {first >> 6}")
        at, end = _FIXED.size + 4 * (first & 0x0F), len(data)
        if first & 0x20:  # the last byte counts the padding, itself included (RFC 3550, 5.1)
            end -= data[-1]
            if not data[-1] or end < at:
                raise RemoteProtocolError(f"padding of {data[-1]} bytes")
        if first & 0x10:
            if end < at + _PAIR.size:
                raise RemoteProtocolError("the header extension breaks off")
            at += _PAIR.size + 4 * _PAIR.unpack_from(data, at)[1]
        if at >= end:
            raise RemoteProtocolError("no payload")
        return cls(second & 0x7F, second >= 0x80, sequence, timestamp, ssrc, data[at:end])
