"""One packet of voice: RTP with the four header extensions of the contract (section 3). Pure.

RFC 3550 header, RFC 7587 payload (Opus, clock 48,000 Hz), RFC 8285 extensions. We write one fixed
layout with one-byte extensions in the order of their ids; we read any valid RTP packet that
carries all four, also with contributing sources, padding, two-byte and foreign extensions.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import floor

from gateway.errors import LocalProtocolError, RemoteProtocolError

CLOCK_HZ = 48_000
"""RTP clock of Opus, whatever rate was captured (RFC 7587, section 4.1)."""

PAYLOAD_TYPE = 111
"""The dynamic payload type of the contract."""

FRAME_TICKS = 960
"""20 ms on `CLOCK_HZ`."""

MAX_PACKET_BYTES = 8_192
"""Longer is refused unread. 120 ms of Opus in 20 ms frames are at most 7,650 bytes (RFC 6716, 3.4)."""

SILENCE_DBOV = 127
"""The lowest level that RFC 6464 can say: -127 dBov."""

EARLIER = 5
"""Which packet before it one may carry once more (``Packet.earlier``): five lost in a row come back.

Measured at 10 % loss in bursts of two: 3, 4, 5 lose 0.60, 0.34 and 0.21 MOS against no loss."""

_LEVEL, _TOKEN, _FLAGS, _CAPTURED = 1, 2, 3, 4
_PARTS = range(
    5, 15
)  # what is carried once more: `EARLIER` in a byte, then the payload, 16 bytes each
_NAMES = {
    _LEVEL: "audio level",
    _TOKEN: "floor token",
    _FLAGS: "burst flags",
    _CAPTURED: "capture time",
}
_LENGTHS = {_LEVEL: (1,), _TOKEN: (8,), _FLAGS: (1,), _CAPTURED: (8, 16)}  # 16: with clock offset

_ONE_BYTE = 0xBEDE  # RFC 8285, 4.2
_TWO_BYTE = 0x1000  # RFC 8285, 4.3: the low four bits are the application's
_NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970
_NTP_ERA = 1 << 32

# The whole header as we write it: RTP, then 24 bytes of extension of which the last two are padding.
_HEADER = struct.Struct(">BBHIIHHBBBIIBBBQH")
_OUR_LAYOUT = (_ONE_BYTE, 6, 0x10, 0x27, 0x30, 0x47, 0)
_FIXED = struct.Struct(">BBHII")
_PAIR = struct.Struct(">HH")


@dataclass(frozen=True, slots=True, order=True)
class Token:
    """A floor grant's place in history; the later grant is the greater token."""

    term: int
    grant: int


@dataclass(frozen=True, slots=True)
class BurstFlags:
    """What a packet is within its talk burst. ``pre_roll``: captured before the grant."""

    last: bool = False
    pre_roll: bool = False
    emergency: bool = False


_ALL_FLAGS = tuple(BurstFlags(bool(n & 1), bool(n & 2), bool(n & 4)) for n in range(8))


@dataclass(frozen=True, slots=True)
class Packet:
    """20 ms of speech (normally) and what every receiver needs to know about it.

    ``sequence`` is 16 bits, ``timestamp`` and ``ssrc`` are 32 bits, all modulo. ``level_dbov`` is
    the loudness below overload, 0 (loudest) to `SILENCE_DBOV`; ``captured`` is POSIX seconds on the
    sender's clock. ``earlier`` is empty, or the payload of the packet `EARLIER` before it once more;
    it is not written where it is longer than 159 bytes.
    """

    sequence: int
    timestamp: int
    ssrc: int
    marker: bool
    payload: bytes
    level_dbov: int
    voice_activity: bool
    token: Token
    flags: BurstFlags
    captured: float
    earlier: bytes = b""

    def to_bytes(self) -> bytes:
        """The packet for the wire.

        Raises:
            LocalProtocolError: a field does not fit into its place, or there is no payload.
        """
        flags = self.flags
        if not self.payload or not 0 <= self.level_dbov <= SILENCE_DBOV:
            raise LocalProtocolError("a packet needs a payload and a level of 0 to 127")
        more = _parts(self.earlier) if self.earlier else b""
        try:
            whole = floor(self.captured)
            ntp = ((whole + _NTP_EPOCH) % _NTP_ERA << 32) | int((self.captured - whole) * _NTP_ERA)
            header = _HEADER.pack(
                0x90,  # version 2, no padding, extension, no contributing sources
                PAYLOAD_TYPE | (0x80 if self.marker else 0),
                self.sequence,
                self.timestamp,
                self.ssrc,
                _ONE_BYTE,
                6 + len(more) // 4,
                _LEVEL << 4,
                self.level_dbov | (0x80 if self.voice_activity else 0),
                _TOKEN << 4 | 7,
                self.token.term,
                self.token.grant,
                _FLAGS << 4,
                flags.last | flags.pre_roll << 1 | flags.emergency << 2,
                _CAPTURED << 4 | 7,
                ntp,
                0,
            )
        except (struct.error, ValueError, OverflowError) as error:  # the latter two: nan, inf
            raise LocalProtocolError(f"a field does not fit: {error}") from error
        return header + more + self.payload

    @classmethod
    def from_bytes(cls, data: bytes) -> Packet:
        """The packet in ``data``.

        Raises:
            RemoteProtocolError: it is no RTP packet as the contract wants it.
        """
        if len(data) > _HEADER.size and data[0] == 0x90:
            # Our own layout, by far the commonest, in a quarter of the time of the general way.
            (_, second, sequence, timestamp, ssrc, profile, words, head_1, level, head_2, term,
             grant, head_3, bits, head_4, ntp, rest) = _HEADER.unpack_from(data)  # fmt: skip
            if (profile, words, head_1, head_2, head_3, head_4, rest) == _OUR_LAYOUT:
                if second & 0x7F != PAYLOAD_TYPE or len(data) > MAX_PACKET_BYTES:
                    return cls._read(data)  # says what is wrong
                return cls(
                    sequence,
                    timestamp,
                    ssrc,
                    second >= 0x80,
                    data[_HEADER.size :],
                    level & 0x7F,
                    level >= 0x80,
                    Token(term, grant),
                    _ALL_FLAGS[bits & 7],
                    _posix(ntp),
                )
        return cls._read(data)

    @classmethod
    def _read(cls, data: bytes) -> Packet:
        """The general way, for any valid RTP packet."""
        if len(data) > MAX_PACKET_BYTES:
            raise RemoteProtocolError(f"{len(data)} bytes are too long for a voice packet")
        if len(data) < _FIXED.size:
            raise RemoteProtocolError(f"{len(data)} bytes are too short for RTP")
        first, second, sequence, timestamp, ssrc = _FIXED.unpack_from(data)
        if first >> 6 != 2:
            raise RemoteProtocolError(f"RTP version {first >> 6}")
        if second & 0x7F != PAYLOAD_TYPE:
            raise RemoteProtocolError(f"payload type {second & 0x7F}, not {PAYLOAD_TYPE}")
        at = _FIXED.size + 4 * (first & 0x0F)  # contributing sources say nothing to us
        end = len(data)
        if first & 0x20:  # the last byte counts the padding, itself included (RFC 3550, 5.1)
            end -= data[-1]
            if not data[-1] or end < at:
                raise RemoteProtocolError(f"padding of {data[-1]} bytes")
        if not first & 0x10 or end < at + _PAIR.size:
            raise RemoteProtocolError("no header extension")
        profile, words = _PAIR.unpack_from(data, at)
        at += _PAIR.size
        if end < at + 4 * words:
            raise RemoteProtocolError("the header extension is longer than the packet")
        found = _elements(profile, data[at : at + 4 * words])
        payload = data[at + 4 * words : end]
        if not payload:
            raise RemoteProtocolError("no payload")
        level, bits = found[_LEVEL][0], found[_FLAGS][0]
        return cls(
            sequence=sequence,
            timestamp=timestamp,
            ssrc=ssrc,
            marker=second >= 0x80,
            payload=payload,
            level_dbov=level & 0x7F,
            voice_activity=level >= 0x80,
            token=Token(*struct.unpack(">II", found[_TOKEN])),
            flags=_ALL_FLAGS[bits & 7],  # further bits are for later versions
            captured=_posix(int.from_bytes(found[_CAPTURED][:8], "big")),
            earlier=_earlier(found),
        )


def _parts(earlier: bytes) -> bytes:
    """``earlier`` as elements, in whole words; nothing where there is too much of it."""
    whole = bytes((EARLIER,)) + earlier
    parts = [whole[at : at + 16] for at in range(0, len(whole), 16)]
    if len(parts) > len(_PARTS):
        return b""
    made = b"".join(
        bytes((number << 4 | len(part) - 1,)) + part
        for number, part in zip(_PARTS, parts, strict=False)
    )
    return made + bytes(-len(made) % 4)


def _earlier(found: dict[int, bytes]) -> bytes:
    """What `_parts` has written; elements of these ids that others mean differently are none of it."""
    parts = b""
    for number in _PARTS:
        part = found.get(number, b"")
        parts += part
        if len(part) < 16:
            break
    return parts[1:] if parts[:1] == bytes((EARLIER,)) else b""


def _elements(profile: int, block: bytes) -> dict[int, bytes]:
    """Our extension elements out of an extension block of either form (RFC 8285)."""
    two_byte = profile & 0xFFF0 == _TWO_BYTE
    if not two_byte and profile != _ONE_BYTE:
        raise RemoteProtocolError(f"header extension profile {profile:#06x}")
    found: dict[int, bytes] = {}
    at = 0
    while at < len(block):
        number = block[at] if two_byte else block[at] >> 4
        if not number and (two_byte or not block[at]):  # a padding byte
            at += 1
            continue
        if two_byte:
            if at + 1 >= len(block):
                raise RemoteProtocolError("the header extension breaks off")
            length, start = block[at + 1], at + 2
        else:
            if number in (0, 15):  # "processing of the entire extension MUST terminate" (4.2)
                break
            length, start = (block[at] & 0x0F) + 1, at + 1
        at = start + length
        if at > len(block):
            raise RemoteProtocolError("the header extension breaks off")
        if number in _NAMES:
            if number in found or length not in _LENGTHS[number]:
                raise RemoteProtocolError(f"{_NAMES[number]}: twice, or {length} bytes long")
            found[number] = block[start:at]
        elif number in _PARTS:
            found[number] = block[start:at]
    for number, name in _NAMES.items():
        if number not in found:
            raise RemoteProtocolError(f"no {name}")
    return found


def _posix(ntp: int) -> float:
    """NTP Q32.32 as POSIX seconds.

    An NTP time with its first bit clear is of the era that begins in 2036 (RFC 4330, section 3).
    """
    seconds = ntp >> 32
    if seconds < 0x8000_0000:
        seconds += _NTP_ERA
    return seconds - _NTP_EPOCH + (ntp & 0xFFFF_FFFF) / _NTP_ERA
