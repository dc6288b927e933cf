"""A mosquitto that can be killed, and ways to it that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
from pathlib import Path
from typing import Self

from gateway.errors import BrokerError

_LISTENS_WITHIN = 5.0
_LOOK = 0.02
_CHUNK = 65_536


def free_port() -> int:
    """A port on loopback that nobody holds at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RealBroker:
    """A mosquitto without persistence: killed, it has forgotten everything. A context manager."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._log = folder / "mosquitto.log"
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def start(self) -> None:
        """Returns once it listens.

        Raises:
            BrokerError: there is no mosquitto, or it does not listen.
        """
        path = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        if path is None:
            raise BrokerError("mosquitto is not installed; apt install mosquitto")
        lines = (f"listener {self.port} 127.0.0.1", "allow_anonymous true", "persistence false")
        self._config.write_text("\n".join(lines) + "\n", "ascii")
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                path, "-c", str(self._config), stdout=log, stderr=log
            )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LISTENS_WITHIN):
                while self._process.returncode is None:
                    with contextlib.suppress(OSError):
                        _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                        writer.close()
                        return
                    await asyncio.sleep(_LOOK)
        raise BrokerError(f"mosquitto does not listen:\n{self._log.read_text('utf-8', 'replace')}")

    async def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()


class Way:
    """A port that leads to the broker, unless it is cut."""

    def __init__(self, broker_port: int) -> None:
        self.port = 0
        self._broker_port = broker_port
        self._server: asyncio.Server | None = None
        self._cut = False
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Listen; once is enough."""
        if self._server is None:
            self._server = await asyncio.start_server(self._lead, "127.0.0.1", 0)
            self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        self._cut = True
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        self._cut = False

    async def close(self) -> None:
        self.cut()
        if self._server is not None:
            self._server.close()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there: asyncio.StreamWriter | None = None
        try:
            if self._cut:
                return
            answers, there = await asyncio.open_connection("127.0.0.1", self._broker_port)
            self._writers |= {writer, there}
            both = [
                asyncio.ensure_future(_carry(reader, there)),
                asyncio.ensure_future(_carry(answers, writer)),
            ]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for one in both:
                one.cancel()
        except OSError:
            pass  # the broker is away: so is this way
        finally:
            for end in (writer, there):
                if end is not None:
                    self._writers.discard(end)
                    end.transport.abort()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
