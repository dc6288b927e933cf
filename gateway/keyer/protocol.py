"""What daemon and keyer say to each other: one message a datagram of a SOCK_SEQPACKET pair. Pure.

Daemon to keyer: `Open`, `Close`, `Keep`, `Unkey`. Keyer to daemon: `Up`, `State`, `Note`, `Alive`.
Both ends are the same version of this program on the same machine, so there is no version and
times are seconds of the machine's monotonic clock. `State` is the whole state of a line: one that
is lost is made good by the next.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from math import isfinite

from gateway.errors import RemoteProtocolError
from gateway.keyer.line import Keepalive, Refused, Released
from gateway.keyer.readback import Disagrees

MAX_MESSAGE_BYTES = 16_384
"""Longer messages are not sent and not read."""

MAX_TOT = 3_600.0
"""Longest time-out that is believed, in seconds (settings: ``tot_s``)."""


@dataclass(frozen=True, slots=True)
class Device:
    """A line driver and its options as plain JSON values."""

    driver: str
    options: dict[str, object]


@dataclass(frozen=True, slots=True)
class Open:
    """Take charge of an endpoint's devices; ``line`` is the number that stands for them from now on."""

    line: int
    endpoint: str
    ptt: Device | None
    squelch: Device | None


@dataclass(frozen=True, slots=True)
class Close:
    """Release and close them."""

    line: int


@dataclass(frozen=True, slots=True)
class Keep:
    """There is audio to send on this line."""

    line: int
    keepalive: Keepalive


@dataclass(frozen=True, slots=True)
class Unkey:
    """Release this line now."""

    line: int


@dataclass(frozen=True, slots=True)
class Up:
    """The keyer before this one has ended; devices are being opened from now on."""


@dataclass(frozen=True, slots=True)
class Alive:
    """Nothing new."""


@dataclass(frozen=True, slots=True)
class State:
    """What a line is now. ``squelch_open`` is None where nothing is known, ``at`` when it changed last.

    ``fault`` is for people; empty where the devices are well.
    """

    line: int
    keyed: bool
    squelch_open: bool | None
    at: float
    fault: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something to count: a release and its cause, a refused keepalive, a transmitter that disagrees."""

    line: int
    what: Released | Refused | Disagrees


ToKeyer = Open | Close | Keep | Unkey
FromKeyer = Up | Alive | State | Note

_OPEN, _CLOSE, _KEEP, _UNKEY, _UP, _ALIVE, _STATE, _RELEASED, _REFUSED, _DISAGREES = b"OCKUPASRXD"

_NOTES: dict[type[Released | Refused | Disagrees], int] = {
    Released: _RELEASED,
    Refused: _REFUSED,
    Disagrees: _DISAGREES,
}
_LINE = struct.Struct(">BI")
_KEEP_HEAD = struct.Struct(">BIIIdd?")
_STATE_HEAD = struct.Struct(">BIBbd")
_SQUELCH: dict[int, bool | None] = {-1: None, 0: False, 1: True}


def to_bytes(message: ToKeyer | FromKeyer) -> bytes:
    """One datagram."""
    match message:
        case Keep(line, keepalive):
            return (
                _KEEP_HEAD.pack(
                    _KEEP,
                    line,
                    keepalive.term,
                    keepalive.grant,
                    keepalive.tot,
                    keepalive.sent,
                    keepalive.confirmed,
                )
                + keepalive.talkgroup.encode()
            )
        case Unkey(line):
            return _LINE.pack(_UNKEY, line)
        case Close(line):
            return _LINE.pack(_CLOSE, line)
        case Open(line, endpoint, ptt, squelch):
            value = {"endpoint": endpoint, "ptt": _plain(ptt), "squelch": _plain(squelch)}
            return _LINE.pack(_OPEN, line) + json.dumps(value).encode()
        case State(line, keyed, squelch_open, at, fault):
            sensed = -1 if squelch_open is None else int(squelch_open)
            return _STATE_HEAD.pack(_STATE, line, keyed, sensed, at) + fault[:500].encode()
        case Note(line, what):
            return _LINE.pack(_NOTES[type(what)], line) + what.encode()
        case Up():
            return bytes([_UP])
        case Alive():
            return bytes([_ALIVE])


def from_bytes(data: bytes) -> ToKeyer | FromKeyer:
    """The message in one datagram.

    Raises:
        RemoteProtocolError: it is none.
    """
    try:
        return _read(data)
    except (struct.error, ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise RemoteProtocolError(f"no keyer message: {error!r}") from error


def _read(data: bytes) -> ToKeyer | FromKeyer:
    if len(data) > MAX_MESSAGE_BYTES:
        raise ValueError("too long")
    kind = data[0]
    if kind == _KEEP:
        _, line, term, grant, tot, sent, confirmed = _KEEP_HEAD.unpack_from(data)
        talkgroup = data[_KEEP_HEAD.size :].decode()
        if not (isfinite(sent) and 0 < tot <= MAX_TOT):  # a NaN time-out fails here too
            raise ValueError("time-out or time out of bounds")
        return Keep(line, Keepalive(talkgroup, term, grant, tot, sent, confirmed))
    if kind == _STATE:
        _, line, keyed, squelch, at = _STATE_HEAD.unpack_from(data)
        if keyed > 1 or not isfinite(at):
            raise ValueError("state out of bounds")
        return State(line, bool(keyed), _SQUELCH[squelch], at, data[_STATE_HEAD.size :].decode())
    if kind in (_UP, _ALIVE):
        if len(data) != 1:
            raise ValueError("too long")
        return Up() if kind == _UP else Alive()
    _, line = _LINE.unpack_from(data)
    rest = data[_LINE.size :]
    if kind == _OPEN:
        value = json.loads(rest)
        endpoint = value["endpoint"]
        if not isinstance(endpoint, str):
            raise TypeError("endpoint")
        return Open(line, endpoint, _device(value["ptt"]), _device(value["squelch"]))
    if kind == _RELEASED:
        return Note(line, Released(rest.decode()))
    if kind == _REFUSED:
        return Note(line, Refused(rest.decode()))
    if kind == _DISAGREES:
        return Note(line, Disagrees(rest.decode()))
    if kind not in (_CLOSE, _UNKEY) or rest:
        raise ValueError("unknown or too long")
    return Close(line) if kind == _CLOSE else Unkey(line)


def _plain(device: Device | None) -> dict[str, object] | None:
    return None if device is None else {"driver": device.driver, "options": device.options}


def _device(value: object) -> Device | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise TypeError("device")
    driver, options = value["driver"], value["options"]
    if not isinstance(driver, str) or not isinstance(options, dict):
        raise TypeError("device")
    return Device(driver, options)
