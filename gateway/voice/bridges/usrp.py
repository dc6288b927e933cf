"""USRP: PCM with keying over UDP, as AllStarLink's chan_usrp and its bridges speak it. Pure.

A header of 32 bytes, all numbers big endian: ``USRP``, sequence, memory, keyup, talkgroup, type,
mpxid, reserved. A voice packet is 160 samples s16 little endian at 8 kHz (20 ms); one without samples
and with keyup 0 ends a burst. Other types (DTMF, text, ping, TLV) carry something else.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from gateway.errors import LocalProtocolError, RemoteProtocolError

RATE_HZ = 8_000
SAMPLES = 160
VOICE_BYTES = 2 * SAMPLES

_EYE = b"USRP"
_HEADER = struct.Struct(">4s7I")
_MAX_BYTES = 2_048


class Kind(IntEnum):
    """What a packet carries, as far as it is known here."""

    VOICE = 0
    DTMF = 1
    TEXT = 2
    PING = 3
    TLV = 4
    ADPCM = 5
    ULAW = 6


@dataclass(frozen=True, slots=True)
class UsrpPacket:
    """One packet; ``body`` of `Kind.VOICE` is samples (s16le), or nothing."""

    sequence: int
    keyup: bool
    talkgroup: int = 0
    kind: int = Kind.VOICE
    body: bytes = b""
    memory: int = 0
    mpxid: int = 0

    def to_bytes(self) -> bytes:
        """The packet for the wire.

        Raises:
            LocalProtocolError: a number does not fit into 32 bits.
        """
        try:
            head = _HEADER.pack(
                _EYE, self.sequence, self.memory, self.keyup, self.talkgroup, self.kind, self.mpxid, 0
            )  # fmt: skip
        except struct.error as error:
            raise LocalProtocolError(f"a field does not fit: {error}") from error
        return head + self.body

    @classmethod
    def from_bytes(cls, data: bytes) -> UsrpPacket:
        """The packet in ``data``.

        Raises:
            RemoteProtocolError: it is none, or voice of another length than 20 ms.
        """
        if not _HEADER.size <= len(data) <= _MAX_BYTES:
            raise RemoteProtocolError(f"{len(data)} bytes are no USRP packet")
        eye, sequence, memory, keyup, talkgroup, kind, mpxid, _ = _HEADER.unpack_from(data)
        if eye != _EYE:
            raise RemoteProtocolError("it does not begin with USRP")
        body = data[_HEADER.size :]
        if kind == Kind.VOICE and len(body) not in (0, VOICE_BYTES):
            raise RemoteProtocolError(f"voice of {len(body)} bytes, not {VOICE_BYTES}")
        return cls(sequence, keyup != 0, talkgroup, kind, body, memory, mpxid)
