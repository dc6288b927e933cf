"""The ``sip`` audio driver: an intercom, door station or telephone that speaks SIP.

The SIP stack runs in a process of its own (`drivers.sip.sip_child`), one for each device. Rules:

1. The process is started when the device is opened and is gone when it is closed: asked to end, so
   that it can hang up, and killed after `FAREWELL`.
2. It speaks unasked at least every quarter of a second. After two `LOOK`s without a word it is
   hung, and killed. Two, because this process may itself have been stopped before the first.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NoReturn

from drivers.sip import child_protocol as protocol
from drivers.sip.child_protocol import Media, Settings
from drivers.sip.options import SipOptions
from drivers.sip.stream import SipStream
from gateway.errors import DriverIOError, DriverOpenError, DriverUnavailable, RemoteProtocolError

FAREWELL = 1.5
"""Seconds for the process to hang up, unregister and end."""
LOOK = 0.3
"""Seconds."""
START = 15.0
"""Seconds until its first word; it may have to resolve a name before."""


class SipAudio:
    """Opens the call, or the address to be called at, that the options name."""

    def __init__(self, name: str, options: SipOptions) -> None:
        self._name = name
        self._options = options

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[SipStream]:
        """Return when the call is answered, or when calls can come.

        Raises:
            DriverUnavailable: baresip-python is not installed.
            DriverOpenError: it cannot listen, is not registered, or nobody answers.
        """
        if importlib.util.find_spec("baresip") is None:
            raise DriverUnavailable(
                self._name,
                "needs baresip-python: install the extra `sip`",
                module="baresip",
                package="baresip",
            )
        settings = await asyncio.to_thread(_settings, self._name, self._options)
        with tempfile.TemporaryDirectory(prefix="baiying-sip-") as folder:
            async with self._process(settings, folder) as stream:
                yield stream

    @contextlib.asynccontextmanager
    async def _process(self, settings: Settings, folder: str) -> AsyncIterator[SipStream]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "drivers.sip.sip_child"),
            env={**os.environ, "TMPDIR": folder},  # what the stack writes goes with it
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # the stack's chatter; what matters comes as a frame
            limit=4 * protocol.MAX_BODY_BYTES,
        )
        assert process.stdin is not None
        stream = SipStream(self._name, self._options.rate_hz, process.stdin)
        ready = asyncio.Event()
        listening = asyncio.create_task(
            self._listen(process, stream, ready), name=f"audio[{self._name}].sip"
        )
        try:
            process.stdin.write(protocol.to_bytes(protocol.SETTINGS, settings.to_bytes()))
            listening.add_done_callback(lambda _: ready.set())
            await ready.wait()
            if listening.done():
                listening.result()  # raises why
            yield stream
        finally:
            listening.cancel()
            stream.fail(DriverIOError(self._name, "it has been closed"))
            await _end(process)
            await asyncio.gather(listening, return_exceptions=True)

    async def _listen(
        self, process: asyncio.subprocess.Process, stream: SipStream, ready: asyncio.Event
    ) -> NoReturn:
        """Take what the process says; raises what has failed, which the stream raises as well."""
        words = Words(process)
        watching = asyncio.create_task(words.watch(), name=f"audio[{self._name}].watch")
        try:
            while True:
                kind, body = await words.next()
                if kind == protocol.FAILED:
                    what = body.decode("utf-8", "replace")
                    break
                if kind == protocol.READY:
                    ready.set()
                elif kind == protocol.MEDIA:
                    stream.change(Media.from_bytes(body))
                elif kind == protocol.CAPTURED:
                    stream.captured(*protocol.audio_from_bytes(body))
                elif kind == protocol.ALIVE:
                    stream.count(protocol.counters_from_bytes(body))
        except asyncio.IncompleteReadError:
            what = "the SIP process hung" if words.hung else "the SIP process died"
        except RemoteProtocolError as error:
            what = f"the SIP process talks nonsense: {error}"
        finally:
            watching.cancel()
        stream.fail(DriverIOError(self._name, what))
        raise DriverOpenError(self._name, what)


class Words:
    """What the process says, and whether it says anything."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        self._process = process
        self._stdout = process.stdout
        self._heard = False
        self.hung = False

    async def next(self) -> tuple[bytes, bytes]:
        """The next frame: kind and body.

        Raises:
            IncompleteReadError: the process has ended.
            RemoteProtocolError: it is no frame.
        """
        kind, length = protocol.parse_head(await self._stdout.readexactly(protocol.HEAD.size))
        body = await self._stdout.readexactly(length)
        self._heard = True
        return kind, body

    async def watch(self) -> None:
        """Kill the process when it is hung."""
        silent, patience = 0, round(START / LOOK)
        while silent < patience:
            await asyncio.sleep(LOOK)
            if self._heard:
                silent, patience = 0, 2
            else:
                silent += 1
            self._heard = False
        self.hung = True
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()


def _settings(name: str, options: SipOptions) -> Settings:
    return Settings(
        call=options.call,
        accept_from=options.accept_from,
        listen=options.listen,
        transport=options.transport,
        username=options.username,
        registrar=options.registrar,
        auth_username=options.auth_username,
        password="" if options.password_file is None else _password(name, options.password_file),
        register_every=options.register_every_s,
        codecs=options.codecs,
        answer_within=options.answer_within_s,
        silent=options.silent_s,
    )


def _password(name: str, path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DriverOpenError(name, f"cannot read the password in {path}: {error}") from error
    password = lines[0] if lines else ""
    if '"' in password or "\\" in password or not password.isprintable():
        what = f"the password in {path} holds a quote, a backslash or a control character"
        raise DriverOpenError(name, f"{what}, which the SIP stack cannot send")
    return password


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    # No asyncio.timeout: in a task that is being cancelled it works from Python 3.11.3 on only.
    ended = asyncio.ensure_future(process.wait())
    try:
        await asyncio.wait({ended}, timeout=FAREWELL)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    await ended
