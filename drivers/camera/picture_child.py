"""The process that decodes video, so that a crash or hang of FFmpeg is not the gateway's.

Run as ``python -m drivers.camera.picture_child``; talks `drivers.camera.child_protocol` on standard
input and output, and ends with its input. Two threads: one takes packets from the stream, the main
one answers requests.

Nothing is decoded until a picture is asked for: the packets since the last key frame are kept. Only
where key frames are far apart are they decoded in batches as they come, so that an answer never
waits for more than one batch.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections import deque
from typing import Any

import av
import av.error

from drivers.camera import child_protocol as protocol
from drivers.camera.child_protocol import Source
from drivers.camera.encode import to_jpeg

BATCH_PACKETS = 32
"""Packets not yet decoded, at most; about a second of video."""
ALIVE_EVERY = 0.5
"""Seconds between two signs of life while packets arrive."""
NICENESS = 5
"""Voice and alarms come first."""


class Outlet:
    """Standard output, for both threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def send(self, kind: bytes, body: bytes = b"") -> None:
        with self._lock:
            sys.stdout.buffer.write(protocol.to_bytes(kind, body))
            sys.stdout.buffer.flush()


class Stream:
    """The newest picture of an RTSP stream. `follow` and `picture` run in different threads."""

    def __init__(self, source: Source, outlet: Outlet) -> None:
        self._source = source
        self._outlet = outlet
        self._lock = threading.Lock()
        self._pending: deque[Any] = deque()  # packets, in order, decodable after what was decoded
        self._newest: Any = None
        self._decoder: Any = None

    def follow(self) -> None:
        """Take packets until the stream fails, which it raises."""
        source = self._source
        with av.open(
            source.url,
            options={"rtsp_transport": source.transport, "allowed_media_types": "video"},
            timeout=(source.timeout, source.timeout),
        ) as container:
            video = container.streams.video[0]
            self._decoder = video.codec_context
            self._decoder.thread_type = "NONE"  # frame threads hold pictures back
            self._decoder.flags |= av.codec.context.Flags.low_delay
            ready = False
            alive = 0.0
            for packet in container.demux(video):
                if packet.size == 0:  # what demux gives at the end
                    break
                self.take(packet)
                if self.usable and not ready:
                    ready = True
                    self._outlet.send(protocol.READY)
                if time.monotonic() - alive > ALIVE_EVERY:
                    alive = time.monotonic()
                    self._outlet.send(protocol.ALIVE)
        raise EOFError("the stream ended")

    @property
    def usable(self) -> bool:
        """Whether a picture can be had."""
        return bool(self._pending) or self._newest is not None

    def take(self, packet: Any) -> None:
        """One packet of the stream, in order."""
        with self._lock:
            if packet.is_keyframe:
                self._pending.clear()  # nothing before it is needed any more
            elif not self.usable:
                return  # joined in the middle: not decodable before the next key frame
            self._pending.append(packet)
            if len(self._pending) >= BATCH_PACKETS:
                self._decode()

    def newest(self) -> Any:
        """The newest frame, None if there is none yet."""
        with self._lock:
            self._decode()
            return self._newest

    def picture(self) -> bytes:
        """A JPEG of the newest frame.

        Raises:
            LookupError: no whole picture has come yet.
        """
        newest = self.newest()
        if newest is None:
            raise LookupError("the stream has not sent a whole picture yet")
        return to_jpeg(newest, self._source.max_width_px)

    def _decode(self) -> None:
        while self._pending:
            packet = self._pending.popleft()
            try:
                for frame in self._decoder.decode(packet):
                    self._newest = frame
            except av.error.FFmpegError:
                # A damaged picture; the next key frame mends it.
                continue


class Film:
    """A picture, or a film that is played round from when the process started."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._started = time.monotonic()

    def picture(self) -> bytes:
        """A JPEG of the frame that is on now; the file is opened anew, so it may be replaced."""
        with av.open(self._source.url) as container:
            video = container.streams.video[0]
            length = (container.duration or 0) / av.time_base
            at = (time.monotonic() - self._started) % length if length > 0 else 0.0
            start = (container.start_time or 0) / av.time_base
            if at > 0:
                container.seek(int((start + at) * av.time_base))
            shown: Any = None
            for frame in container.decode(video):
                if shown is not None and (frame.time or 0.0) > start + at:
                    break
                shown = frame
        if shown is None:
            raise LookupError("no picture in it")
        return to_jpeg(shown, self._source.max_width_px)


def _follow(stream: Stream, outlet: Outlet) -> None:
    try:
        stream.follow()
    except Exception as error:  # noqa: BLE001 - whatever it is, the gateway is told and this process ends
        outlet.send(protocol.FAILED, f"{type(error).__name__}: {error}".encode()[:500])
        os._exit(1)


def main() -> None:
    """Serve pictures until standard input ends."""
    with contextlib.suppress(PermissionError):  # a hardened unit forbids it
        os.nice(NICENESS)
    outlet = Outlet()
    first = protocol.read(sys.stdin.buffer)
    if first is None or first[0] != protocol.SOURCE:
        return
    source = Source.from_bytes(first[1])
    shown: Stream | Film
    if source.film:
        shown = Film(source)
        outlet.send(protocol.READY)
    else:
        shown = Stream(source, outlet)
        threading.Thread(target=_follow, args=(shown, outlet), daemon=True).start()
    while (frame := protocol.read(sys.stdin.buffer)) is not None:
        if frame[0] != protocol.REQUEST:
            continue
        try:
            outlet.send(protocol.PICTURE, shown.picture())
        except (OSError, LookupError, ValueError, av.error.FFmpegError) as error:
            outlet.send(protocol.NONE, str(error).encode()[:500])
    os._exit(0)  # the other thread may be inside FFmpeg


if __name__ == "__main__":
    main()
