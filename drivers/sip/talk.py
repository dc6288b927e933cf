"""The audio of one call, as the SIP stack gives and takes it. Used in the SIP process only."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from typing import Any

import baresip

from drivers.sip import child_protocol as protocol
from drivers.sip.child_protocol import Media
from drivers.sip.playback import PlaybackQueue


class Talk:
    """The audio of one call, both ways; mono, as all codecs that are offered are."""

    def __init__(self, call: Any, peer: str, counters: Counter[str]) -> None:
        self.call = call
        self.peer = peer
        self.media = Media(serial=0)
        self._counters = counters
        self._playback: PlaybackQueue | None = None

    def probe(self, serial: int) -> bool:
        """Whether the audio is other than `media` says; that says it then, with ``serial``."""
        try:
            info = self.call.audio.info()
        except baresip.AudioNotActive:
            capture_hz = playback_hz = 0
        else:
            capture_hz = info.rx_sample_rate if info.rx_ready else 0
            playback_hz = info.tx_sample_rate if info.tx_ready else 0
        if (self.media.capture_hz, self.media.playback_hz) == (capture_hz, playback_hz):
            return False
        if self.media.playback_hz != playback_hz:
            self._playback = PlaybackQueue(playback_hz, self._counters) if playback_hz else None
        self.media = Media(
            serial=serial, peer=self.peer, capture_hz=capture_hz, playback_hz=playback_hz
        )
        return True

    def captured(self) -> bytes:
        """Mono samples that have come since the last look."""
        if not self.media.capture_hz:
            return b""
        try:
            return bytes(self.call.audio.read(protocol.MAX_BODY_BYTES // 2))
        except (baresip.AudioNotActive, baresip.AudioRestarted):
            return b""  # the next probe tells

    def put(self, serial: int, block: bytes) -> None:
        if self._playback is not None and serial == self.media.serial:
            self._playback.put(block)

    def feed(self) -> None:
        """Give the stack what it is to play next."""
        if self._playback is None:
            return
        with contextlib.suppress(baresip.AudioNotActive, baresip.AudioRestarted):
            waiting = self.call.audio.info().tx_buffered / (2 * self.media.playback_hz)
            samples = self._playback.take(waiting, time.monotonic())
            if samples:
                self.call.audio.write(samples)
