"""What the gateway and the process with the SIP stack say to each other. Pure codec.

The gateway sends the `Settings` as one frame, then ``play`` frames. The child sends ``ready`` once
when the device is open, ``media`` (`Media`) when the audio of a call begins, changes or ends,
``captured`` frames, ``alive`` with its counters while the SIP stack answers, and ``failed`` (why)
before it ends. Audio is 16-bit mono of the machine's byte order at the rate of the newest `Media`,
whose serial goes before it, so that what was sent before a change is not taken for later audio.

A frame is one byte of kind, four of length (big endian) and the body.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from typing import Literal

from gateway.errors import RemoteProtocolError

HEAD = struct.Struct(">cI")
MAX_BODY_BYTES = 64 * 1024
"""A third of a second at 48 kHz and more than any settings."""

MAX_RATE_HZ = 192_000

SETTINGS = b"S"
PLAY = b"P"
READY = b"R"
MEDIA = b"M"
CAPTURED = b"C"
ALIVE = b"A"
FAILED = b"F"
_KINDS = frozenset({SETTINGS, PLAY, READY, MEDIA, CAPTURED, ALIVE, FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options of one SIP endpoint, with the password read."""

    call: str | None
    accept_from: tuple[str, ...]
    listen: str | None
    transport: Literal["udp", "tcp"]
    username: str
    registrar: str | None
    auth_username: str | None
    password: str
    register_every: int
    codecs: tuple[str, ...]
    answer_within: float
    silent: int

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, body: bytes) -> Settings:
        fields = json.loads(body)
        for key in ("accept_from", "codecs"):
            fields[key] = tuple(fields[key])
        return cls(**fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """The audio of a call; a rate is 0 while that direction has none. Without a call there is no peer."""

    serial: int
    """From 0 to 255, then from 0 again."""
    peer: str = ""
    capture_hz: int = 0
    playback_hz: int = 0

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, body: bytes) -> Media:
        """Parse.

        Raises:
            RemoteProtocolError: it is none.
        """
        try:
            fields = json.loads(body)
            numbers = [(fields["serial"], 255), (fields["capture_hz"], MAX_RATE_HZ)]
            numbers.append((fields["playback_hz"], MAX_RATE_HZ))
            if not all(type(number) is int and 0 <= number <= top for number, top in numbers):
                raise RemoteProtocolError(f"no media: {body[:200]!r}")
            return cls(**fields)
        except (ValueError, TypeError, KeyError) as error:
            raise RemoteProtocolError(f"no media: {error}") from None


def counters_from_bytes(body: bytes) -> dict[str, int]:
    """The counters of an ``alive`` frame.

    Raises:
        RemoteProtocolError: there are none.
    """
    try:
        found = json.loads(body)
    except ValueError as error:
        raise RemoteProtocolError(f"no counters: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(n, int) for n in found.values()):
        raise RemoteProtocolError(f"no counters: {body[:40]!r}")
    return found


def to_bytes(kind: bytes, body: bytes = b"") -> bytes:
    """One frame."""
    return HEAD.pack(kind, len(body)) + body


def audio_to_bytes(kind: bytes, serial: int, samples: bytes) -> bytes:
    """A ``play`` or ``captured`` frame."""
    return HEAD.pack(kind, 1 + len(samples)) + bytes((serial,)) + samples


def audio_from_bytes(body: bytes) -> tuple[int, bytes]:
    """Serial and samples.

    Raises:
        RemoteProtocolError: it is no whole number of samples.
    """
    if len(body) % 2 != 1:
        raise RemoteProtocolError(f"audio of {len(body)} bytes")
    return body[0], body[1:]


def parse_head(head: bytes) -> tuple[bytes, int]:
    """Kind and length of the body that follows.

    Raises:
        RemoteProtocolError: no frame begins so.
    """
    kind, length = HEAD.unpack(head)
    if kind not in _KINDS or length > MAX_BODY_BYTES:
        raise RemoteProtocolError(f"frame of kind {kind!r} and {length} bytes")
    return kind, length
