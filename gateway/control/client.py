"""The command's end of the control socket. Blocking: a command does one thing at a time."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gateway.control.protocol import AUDIO, JSON, Frame, FrameReader
from gateway.errors import BaiyingError


class GatewayAway(BaiyingError):
    """No gateway answers at the socket."""


class GatewayRefused(BaiyingError):
    """The gateway says that the request cannot be done."""


class GatewayRefusedCall(GatewayRefused):
    """The request names something that there is not; exit status 2."""


class ControlClient:
    """One request to the gateway whose socket is ``path``; a context manager.

    Raises:
        GatewayAway: from entering, where nobody listens; from reading, where it went away.
        GatewayRefused: from `result`, with the gateway's words.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._frames = FrameReader()
        self._waiting: list[Frame] = []
        self.result: Any = None
        """The answer's ``done``, once `frames` has ended."""

    def __enter__(self) -> Self:
        try:
            self._connect()
        except OSError as error:
            self._socket.close()
            raise GatewayAway(
                f"no gateway is running at {self._path} ({error.strerror})"
            ) from error
        return self

    def _connect(self) -> None:
        text = str(self._path)
        if len(os.fsencode(text)) <= 107:
            self._socket.connect(text)
            return
        folder = os.open(self._path.parent, os.O_PATH | os.O_CLOEXEC)
        try:
            self._socket.connect(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def ask(self, op: str, **fields: Any) -> None:
        """Send the request."""
        self._send(JSON, json.dumps({"op": op, **fields}, ensure_ascii=False).encode())

    def send_audio(self, pcm: bytes) -> None:
        self._send(AUDIO, pcm)

    def end_audio(self) -> None:
        """Say that no more will be sent; answers can still be read."""
        self._socket.shutdown(socket.SHUT_WR)

    def frames(self) -> Iterator[dict[str, Any] | bytes]:
        """Events (dict) and audio (bytes) until the answer, which is kept in `result`."""
        while True:
            frame = self._next()
            if frame.kind == AUDIO:
                yield frame.body
                continue
            event = json.loads(frame.body)
            if "error" in event:
                wrong = event.get("wrong_call") is True
                raise (GatewayRefusedCall if wrong else GatewayRefused)(event["error"])
            if "done" in event:
                self.result = event["done"]
                return
            yield event

    def _send(self, kind: bytes, body: bytes) -> None:
        try:
            self._socket.sendall(Frame(kind, body).to_bytes())
        except OSError as error:
            # What the gateway said before it closed is still to be read.
            if not isinstance(error, BrokenPipeError | ConnectionResetError):
                raise GatewayAway(f"the gateway at {self._path} went away") from error

    def _next(self) -> Frame:
        while not self._waiting:
            try:
                data = self._socket.recv(65_536)
            except OSError as error:
                raise GatewayAway(f"the gateway at {self._path} went away") from error
            if not data:
                raise GatewayAway(f"the gateway at {self._path} went away")
            self._waiting += self._frames.feed(data)
        return self._waiting.pop(0)


def call(path: Path, op: str, **fields: Any) -> Any:
    """One request without audio; the result."""
    with ControlClient(path) as client:
        client.ask(op, **fields)
        for _ in client.frames():
            pass
        return client.result
