"""Answers ``GET /metrics`` on a local port, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

_LOGGER = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds for a whole request; who says nothing is let go."""
MAX_REQUEST_BYTES = 8_192
MAX_CALLERS = 8
"""At once; a scraper is one."""


class MetricsServer:
    """``page()`` gives the content type and the body, on the loop."""

    def __init__(self, host: str, port: int, page: Callable[[], tuple[str, bytes]]) -> None:
        self._host = host
        self._port = port
        self._page = page
        self._callers = 0

    async def run(self) -> None:
        """Serve until cancelled. A port that cannot be had is logged: figures are no reason not to run."""
        try:
            server = await asyncio.start_server(
                self._serve, self._host, self._port, limit=MAX_REQUEST_BYTES
            )
        except OSError as error:
            _LOGGER.error("metrics: cannot listen on %s:%d: %s", self._host, self._port, error)
            return
        async with server:
            await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._callers += 1
        try:
            if self._callers <= MAX_CALLERS:
                async with asyncio.timeout(PATIENCE):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._answer(head))
                    await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self._callers -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _answer(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        target = rest.partition(b" ")[0].partition(b"?")[0]
        if target != b"/metrics":
            return _response("404 Not Found", "text/plain", b"see /metrics\n")
        if method not in (b"GET", b"HEAD"):
            return _response("405 Method Not Allowed", "text/plain", b"GET it\n")
        kind, body = self._page()
        answer = _response("200 OK", kind, body)
        return answer if method == b"GET" else answer[: answer.index(b"\r\n\r\n") + 4]


def _response(status: str, kind: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body
