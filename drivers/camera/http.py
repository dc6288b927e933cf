"""The ``http`` camera: one JPEG at an HTTP address, fetched when it is asked for."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from drivers.camera import http_auth
from drivers.camera.http_message import Address, Head, chunk_length, request_bytes
from drivers.camera.jpeg import checked, is_jpeg
from drivers.camera.options import HttpOptions
from gateway.errors import DriverIOError, DriverOpenError, RemoteProtocolError
from gateway.ports import MAX_PICTURE_BYTES

_MAX_BODY_BYTES = MAX_PICTURE_BYTES + 4096
"""A picture, and what cameras append to it."""
_OK, _UNAUTHORIZED = 200, 401


class HttpCamera:
    """A camera that gives one JPEG at an HTTP address (`gateway.ports.Camera`).

    What the camera calls its answer does not matter; what it is does.
    """

    def __init__(self, name: str, options: HttpOptions) -> None:
        self._name = name
        self._options = options
        self._address = Address.from_url(options.url)
        self._tls: ssl.SSLContext | None = None
        self._credentials: http_auth.Credentials | None = None
        self._challenge: http_auth.Challenge | None = None  # answered unasked while it is accepted
        self._uses = 0

    async def run(self, ready: Callable[[], None]) -> None:
        """Read what files name, then nothing is kept: a picture is fetched when it is asked for."""
        options = self._options
        has_files = options.password_file is not None or self._address.secure
        try:
            if has_files:
                await asyncio.to_thread(self._load)
            else:  # a district has thousands of these
                self._load()
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise DriverOpenError(self._name, str(error)) from error
        ready()

    async def picture(self) -> bytes:
        """Fetch one picture."""
        options = self._options
        try:
            async with asyncio.timeout(options.timeout_s):
                return checked(await self._fetch())
        except TimeoutError:
            raise DriverIOError(self._name, f"no picture within {options.timeout_s:g} s") from None
        except (OSError, RemoteProtocolError) as error:
            raise DriverIOError(self._name, f"no picture: {error}") from error

    def _load(self) -> None:
        options, address = self._options, self._address
        password = options.password if options.password is not None else address.password
        if options.password_file is not None:
            lines = options.password_file.read_text(encoding="utf-8").splitlines()
            password = lines[0] if lines else ""
        username = options.username if options.username is not None else address.username
        if username is not None:
            self._credentials = http_auth.Credentials(username, password or "")
        if address.secure:
            self._tls = ssl.create_default_context(cafile=options.ca_file)

    async def _fetch(self) -> bytes:
        challenge = self._challenge
        head, body = await self._get(challenge)
        if head.status == _UNAUTHORIZED and self._credentials is not None:
            challenge = http_auth.choose(http_auth.challenges(head.all("www-authenticate")))
            if challenge is None:
                raise RemoteProtocolError("the camera asks for an authentication that nobody knows")
            self._uses = 0
            head, body = await self._get(challenge)
        self._challenge = challenge if head.status == _OK else None
        if head.status == _UNAUTHORIZED:
            raise RemoteProtocolError("the camera refuses user name or password")
        if head.status != _OK:
            raise RemoteProtocolError(f"the camera answered with status {head.status}")
        return body

    async def _get(self, challenge: http_auth.Challenge | None) -> tuple[Head, bytes]:
        authorization = None
        if challenge is not None and self._credentials is not None:
            self._uses += 1
            authorization = self._credentials.answer(
                challenge,
                "GET",
                self._address.target,
                cnonce=secrets.token_hex(8),
                count=self._uses,
            )
        async with self._connection() as (reader, writer):
            writer.write(request_bytes(self._address, authorization))
            try:
                head = Head.from_bytes(await reader.readuntil(b"\r\n\r\n"))
                body = await _body(reader, head) if head.status == _OK else b""
            except asyncio.IncompleteReadError as error:
                raise RemoteProtocolError(
                    f"the camera hung up after {len(error.partial)} bytes"
                ) from error
            except asyncio.LimitOverrunError as error:
                raise RemoteProtocolError("HTTP headers without end") from error
        return head, body

    @asynccontextmanager
    async def _connection(
        self,
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection(
            self._address.host, self._address.port, ssl=self._tls
        )
        try:
            yield reader, writer
        finally:
            writer.transport.abort()  # a camera that does not hang up must not hold us


async def _body(reader: asyncio.StreamReader, head: Head) -> bytes:
    """The answer's body, refused as soon as it is too large or begins like anything but a JPEG."""
    body = b""
    async for piece in _pieces(reader, head):
        body += piece
        if len(body) >= 3 and not is_jpeg(body):
            raise RemoteProtocolError(f"what came is no JPEG: it begins with {body[:16]!r}")
        if len(body) > _MAX_BODY_BYTES:
            raise RemoteProtocolError(f"what came is larger than {MAX_PICTURE_BYTES} bytes")
    return body


async def _pieces(reader: asyncio.StreamReader, head: Head) -> AsyncIterator[bytes]:
    if head.chunked():
        while length := chunk_length(await reader.readuntil(b"\r\n")):
            if length > _MAX_BODY_BYTES:
                raise RemoteProtocolError(f"a chunk of {length} bytes")
            yield await reader.readexactly(length)
            await reader.readuntil(b"\r\n")
        return
    left = head.length()
    while left is None or left > 0:
        piece = await reader.read(65_536 if left is None else min(left, 65_536))
        if not piece:
            if left is not None:
                raise RemoteProtocolError(f"the camera hung up {left} bytes before the end")
            return
        if left is not None:
            left -= len(piece)
        yield piece
