"""The gateway's side of the process that decodes video: starts it, watches it, asks it.

Rules:

1. The process is started by `run` and is dead when `run` returns, however that comes.
2. It is hung, and killed, if an answer takes longer than its source's time-out and `GRACE`, whether
   or not somebody still waits for it; a stream's, which speaks unasked, also if it is silent so long.
3. Answers come in the order of requests. A caller that gave up leaves its place in the queue.
4. When the process ends, every caller that waits gets DriverIOError at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import sys
from collections import deque
from collections.abc import Callable
from typing import NoReturn

from drivers.camera import child_protocol as protocol
from drivers.camera.child_protocol import Source
from drivers.camera.jpeg import checked
from gateway.errors import DriverIOError, DriverOpenError, DriverUnavailable, RemoteProtocolError

GRACE = 3.0
"""Seconds beyond the source's own time-out; FFmpeg ends by itself before that, if it can."""
MAX_ASKED = 16
"""Requests waiting at once; one more is refused."""


class PictureProcess:
    """One picture process for the camera ``name``."""

    def __init__(self, name: str, source: Source) -> None:
        self._name = name
        self._source = source
        self._patience = source.timeout + GRACE
        self._process: asyncio.subprocess.Process | None = None
        self._asked: deque[asyncio.Future[bytes]] = deque()

    async def run(self, ready: Callable[[], None]) -> NoReturn:
        """Keep the process until cancelled; ``ready`` is called when pictures can be had.

        Raises:
            DriverUnavailable: PyAV is not installed.
            DriverOpenError: the source cannot be opened.
            DriverIOError: it failed later.
        """
        if importlib.util.find_spec("av") is None:
            raise DriverUnavailable(
                self._name, "needs PyAV: install the extra `video`", module="av", package="av"
            )
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "drivers.camera.picture_child"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # FFmpeg's complaints; what matters comes as a frame
            limit=2 * protocol.MAX_BODY_BYTES,
        )
        self._process = process
        try:
            self._send(protocol.SOURCE, self._source.to_bytes())
            await self._listen(process, ready)
        finally:
            self._process = None
            self._give_up("the picture process ended")
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def picture(self) -> bytes:
        """One JPEG of now.

        Raises:
            DriverIOError: there is none.
        """
        if self._process is None:
            raise DriverIOError(self._name, "no picture: the stream is not open")
        if len(self._asked) >= MAX_ASKED:
            raise DriverIOError(self._name, "no picture: too many are being waited for")
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._asked.append(answer)
        self._send(protocol.REQUEST)
        asyncio.get_running_loop().call_later(self._patience, self._overdue, answer, self._process)
        return await answer

    def _overdue(self, answer: asyncio.Future[bytes], asked: asyncio.subprocess.Process) -> None:
        if asked is self._process and any(waiting is answer for waiting in self._asked):
            asked.kill()

    async def _listen(
        self, process: asyncio.subprocess.Process, ready: Callable[[], None]
    ) -> NoReturn:
        assert process.stdout is not None
        opened = False
        while True:
            kind, body = await self._next(process.stdout, opened=opened)
            if kind == protocol.READY:
                opened = True
                ready()
            elif kind == protocol.PICTURE:
                self._answer(body)
            elif kind == protocol.NONE:
                self._answer(DriverIOError(self._name, f"no picture: {_text(body)}"))
            elif kind == protocol.FAILED:
                raise self._error(_text(body), opened=opened)

    async def _next(self, stdout: asyncio.StreamReader, *, opened: bool) -> tuple[bytes, bytes]:
        unasked = opened and self._source.film
        try:
            async with asyncio.timeout(None if unasked else self._patience):
                head = await stdout.readexactly(protocol.HEAD.size)
                kind, length = protocol.parse_head(head)
                return kind, await stdout.readexactly(length)
        except TimeoutError:
            raise self._error(f"nothing came for {self._patience:g} s", opened=opened) from None
        except asyncio.IncompleteReadError:
            raise self._error("the picture process died", opened=opened) from None
        except RemoteProtocolError as error:
            raise self._error(
                f"the picture process talks nonsense: {error}", opened=opened
            ) from None

    def _error(self, what: str, *, opened: bool) -> DriverOpenError | DriverIOError:
        return (DriverIOError if opened else DriverOpenError)(self._name, what)

    def _send(self, kind: bytes, body: bytes = b"") -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(ConnectionError):  # its end is noticed by _listen
            self._process.stdin.write(protocol.to_bytes(kind, body))

    def _answer(self, result: bytes | DriverIOError) -> None:
        if not self._asked:
            return
        answer = self._asked.popleft()
        if answer.done():  # the caller gave up
            return
        if isinstance(result, DriverIOError):
            answer.set_exception(result)
            return
        try:
            answer.set_result(checked(result))
        except RemoteProtocolError as error:
            answer.set_exception(DriverIOError(self._name, str(error)))

    def _give_up(self, why: str) -> None:
        while self._asked:
            self._answer(DriverIOError(self._name, f"no picture: {why}"))


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")
