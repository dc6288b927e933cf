"""The gateway's end of the control socket: ``<data_dir>/control.sock``, mode 0600."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from gateway.control.protocol import AUDIO, JSON, Frame, FrameReader
from gateway.errors import BaiyingError, RemoteProtocolError

_LOGGER = logging.getLogger(__name__)


_RETRY_PAUSE = 5.0
"""Seconds until a socket that could not be made is tried again."""


class RequestError(BaiyingError):
    """The request cannot be done; the text goes to the person who asked."""


class WrongCall(RequestError):
    """The request names what the configuration does not have: asking again does not help."""


class Session:
    """One request's connection, as its handler sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = FrameReader()
        self._waiting: list[Frame] = []
        self.pid = _peer_pid(writer)
        """Process id of the client."""

    async def receive(self) -> Frame | None:
        """The client's next frame; None once it has closed its side."""
        while not self._waiting:
            data = await self._reader.read(65_536)
            if not data:
                return None
            self._waiting += self._frames.feed(data)
        return self._waiting.pop(0)

    def send_event(self, event: Mapping[str, Any]) -> None:
        self._send(JSON, json.dumps(event, ensure_ascii=False).encode())

    def send_audio(self, pcm: bytes) -> None:
        self._send(AUDIO, pcm)

    @property
    def backlog_bytes(self) -> int:
        """What the client has not taken yet."""
        return self._writer.transport.get_write_buffer_size()

    async def drain(self) -> None:
        await self._writer.drain()

    def _send(self, kind: bytes, body: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(Frame(kind, body).to_bytes())


Handler = Callable[[dict[str, Any], Session], Awaitable[Any]]
"""Does one request; the value returned is the ``done`` of the answer. Raises `RequestError`."""


class ControlServer:
    """Listens on ``path`` and hands each request to the handler of its ``op``."""

    def __init__(self, path: Path, handlers: Mapping[str, Handler]) -> None:
        self._path = path
        self._handlers = handlers

    async def run(self) -> None:
        """Serve until cancelled; the socket is gone afterwards.

        Where it cannot be made (the disk is full, or fails), the gateway does its work without,
        and it is tried again.
        """
        while True:
            try:
                listener = self._listener()
                break
            except OSError as error:
                _LOGGER.error("control: no commands will be heard: %s", error)
                await asyncio.sleep(_RETRY_PAUSE)
        server = await asyncio.start_unix_server(self._serve, sock=listener)
        try:
            async with server:
                await server.serve_forever()
        finally:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _listener(self) -> socket.socket:
        self._path.unlink(missing_ok=True)  # a leftover of a killed gateway
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        mask = os.umask(0o177)  # mode 0600 from the first moment on
        try:
            listener.bind(_short(self._path))
        except OSError:
            listener.close()
            raise
        finally:
            os.umask(mask)
        return listener

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(reader, writer)
        try:
            session.send_event(await self._answer(session))
            await session.drain()
        except (ConnectionError, RemoteProtocolError) as error:
            _LOGGER.debug("control: client %s left: %s", session.pid, error)
        finally:
            writer.close()

    async def _answer(self, session: Session) -> dict[str, Any]:
        first = await session.receive()
        if first is None:
            raise ConnectionError("closed before a request")
        try:
            request = json.loads(first.body)
            handler = self._handlers[request["op"]]
        except (ValueError, KeyError, TypeError):
            return {"error": "this gateway does not know that request"}
        try:
            return {"done": await handler(request, session)}
        except BaiyingError as error:
            return {"error": str(error), "wrong_call": isinstance(error, WrongCall)}
        except Exception:  # one client's request must not take the gateway down
            _LOGGER.exception("control: %s failed", request["op"])
            return {"error": "the gateway failed at this; its log says how"}


def _peer_pid(writer: asyncio.StreamWriter) -> int:
    peer = writer.get_extra_info("socket")
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(credentials[:4], "little")


def _short(path: Path) -> str:
    """A path that fits into sockaddr_un (107 bytes), through the folder's descriptor if need be."""
    text = str(path)
    if len(os.fsencode(text)) <= 107:
        return text
    folder = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
    return f"/proc/self/fd/{folder}/{path.name}"  # the descriptor stays open with the process
