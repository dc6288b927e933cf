"""The process with the SIP stack, so that a crash or hang of it is not the gateway's.

Run as ``python -m drivers.sip.sip_child``; talks `drivers.sip.child_protocol` on standard input and
output. It ends with its input, which is how a gateway that died is noticed, and hangs up before it
ends. Its own loop decides by `drivers.sip.session`; the stack has threads of its own and calls back
on this loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import baresip

from drivers._address import host_and_port
from drivers.sip import child_protocol as protocol
from drivers.sip import session as machine
from drivers.sip.address import Address
from drivers.sip.child_protocol import Media, Settings
from drivers.sip.talk import Talk

PERIOD = 0.01
"""Seconds between looks at the stack's audio buffers, while there is a call."""
ALIVE_EVERY = 0.25
"""Seconds between two signs of life."""
STACK_WITHIN = 1.0
"""Seconds in which the stack's thread must answer."""
FAREWELL = 0.3
"""Seconds for the stack to send a BYE again that the network lost, and to unregister."""
OUTLET_BYTES = 64 * 1024
"""Of captured audio that the gateway has not taken; past it, what is captured is dropped."""
_REGISTER_WITHIN = 10.0
_CODECS = {
    "opus": "opus/48000/1",
    "g722": "g722/16000/1",
    "pcma": "pcma/8000/1",
    "pcmu": "pcmu/8000/1",
}
_STACK = (
    "opus_stereo no\nopus_sprop_stereo no\n"  # its Opus has one channel then, and is named so above
    # Measured round trip by an echoing peer: 65 ms; 145 ms with the stack's own 100 ms at the least.
    "audio_jitter_buffer_type adaptive\naudio_jitter_buffer_ms 20-160\n"
)
_HUNG_UP = "Connection reset by peer"
"""What the stack says of a call that the other side ended by a BYE."""


class Child:
    """Carries out what the session decides."""

    def __init__(self, settings: Settings, outlet: asyncio.WriteTransport) -> None:
        self._settings = settings
        self._outlet = outlet
        self._loop = asyncio.get_running_loop()
        self._session = machine.Session(
            machine.Plan(
                call=settings.call,
                accept_from=tuple(Address.from_text(text) for text in settings.accept_from),
                registers=settings.registrar is not None,
                answer_within=settings.answer_within,
            )
        )
        self._runtime = baresip.Runtime(command_timeout=STACK_WITHIN)
        self._agent: Any = None
        self._calls: dict[int, Any] = {}  # by the stack's handle
        self._dialling = False
        self._dialled = 0  # handle, 0 for none
        self._early: list[
            baresip.StackEvent
        ] = []  # of the dialled call, before its handle is known
        self._talk: Talk | None = None
        self._serial = 0
        self._counters: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: asyncio.Future[str] = self._loop.create_future()

    async def run(self, inlet: asyncio.StreamReader) -> None:
        """Until the input ends or the session has failed."""
        tasks = [
            asyncio.create_task(work, name=f"sip.{name}")
            for name, work in (
                ("listen", self._listen(inlet)),
                ("serve", self._serve()),
                ("failure", _result(self._failure)),
            )
        ]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            error = task.exception()
            if error is not None:
                self._say(protocol.FAILED, f"{type(error).__name__}: {error}".encode()[:500])
        for task in (*tasks, *self._tasks):
            task.cancel()
        await asyncio.gather(*tasks, *self._tasks, return_exceptions=True)
        await self._farewell()

    async def _serve(self) -> None:
        settings = self._settings
        host, listen = await asyncio.to_thread(_addresses, settings)
        await self._runtime.start(
            baresip.Config(
                net_interface=host,
                max_concurrent_calls=3,  # the one that is on, its caller's new one, one to refuse
                rtp_timeout=settings.silent,
                extra_config_text=f"sip_listen {listen}\n{_STACK}",
            )
        )
        self._runtime.subscribe(self._on_event)
        self._agent = await baresip.UserAgent.create(self._runtime, _account(settings, host))
        self._agent.on_incoming(self._on_incoming)
        self._do(self._session.start(self._loop.time()))
        while True:
            await self._runtime.set_sip_trace(False)  # any command: its thread answers
            self._say(protocol.ALIVE, json.dumps(self._counters).encode())
            await asyncio.sleep(ALIVE_EVERY)

    async def _listen(self, inlet: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                kind, length = protocol.parse_head(await inlet.readexactly(protocol.HEAD.size))
                body = await inlet.readexactly(length)
                if kind == protocol.PLAY and self._talk is not None:
                    self._talk.put(*protocol.audio_from_bytes(body))
                    self._talk.feed()

    async def _attend(self, talk: Talk) -> None:
        """Carry the audio of a call until there is another or none."""
        while talk is self._talk:
            if talk.probe((self._serial + 1) % 256):
                self._serial = talk.media.serial
                self._say(protocol.MEDIA, talk.media.to_bytes())
            samples = talk.captured()
            if samples and self._outlet.get_write_buffer_size() < OUTLET_BYTES:
                self._outlet.write(
                    protocol.audio_to_bytes(protocol.CAPTURED, talk.media.serial, samples)
                )
            elif samples:
                self._counters["capture_dropped"] += 1
            talk.feed()
            await asyncio.sleep(PERIOD)

    # What the stack says.

    def _on_incoming(self, call: Any) -> None:
        self._calls[call.handle] = call
        self._do(self._session.incoming(call.handle, call.peer or "", self._loop.time()))

    def _on_event(self, event: baresip.StackEvent) -> None:
        kind = baresip.Event
        if self._dialling and event.call and event.call not in self._calls:
            if event.event is not kind.CALL_INCOMING:
                self._early.append(event)
            return
        call = None if event.call == self._dialled else event.call
        if event.event is kind.REGISTER_OK:
            self._do(self._session.registered(self._loop.time()))
        elif event.event is kind.REGISTER_FAIL:
            self._do(self._session.unregistered(event.text or "no answer"))
        elif event.event is kind.CALL_ESTABLISHED:
            self._do(self._session.established(call))
        elif event.event is kind.CALL_CLOSED:
            self._calls.pop(event.call, None)
            self._do(self._session.closed(call, *_end(event.text or "", self._settings.silent)))

    # What the session decides.

    def _do(self, actions: list[machine.Action]) -> None:
        for action in actions:
            match action:
                case machine.Register():
                    self._start(self._register())
                case machine.Dial(uri):
                    self._start(self._dial(uri))
                case machine.Answer(call):
                    self._start(self._with_call(self._calls[call].answer()))
                case machine.Refuse(call):
                    self._counters["calls_refused"] += 1
                    self._start(self._with_call(self._calls[call].reject()))
                case machine.HangUp(call):
                    if (handle := self._handle(call)) in self._calls:
                        self._start(self._with_call(self._calls[handle].hangup()))
                case machine.Ready():
                    self._say(protocol.READY)
                case machine.Begin(call, peer):
                    self._counters["calls"] += 1
                    self._talk = Talk(self._calls[self._handle(call)], peer, self._counters)
                    self._start(self._attend(self._talk))
                case machine.Cease():
                    self._talk = None
                    self._serial = (self._serial + 1) % 256
                    self._say(protocol.MEDIA, Media(serial=self._serial).to_bytes())
                case machine.Fail(what):
                    self._say(protocol.FAILED, what.encode()[:500])
                    if not self._failure.done():
                        self._failure.set_result(what)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._session.deadline()
        if due is not None:
            self._timer = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._do(self._session.tick(self._loop.time()))

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work, name="sip.command")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _register(self) -> None:
        try:
            await self._agent.register(timeout=_REGISTER_WITHIN)
        except baresip.BaresipError as error:
            self._do(self._session.unregistered(str(error)))

    async def _dial(self, uri: str) -> None:
        if not uri.startswith(("sip:", "sips:")):
            uri = f"sip:{uri}"
        self._dialling = True
        try:
            call = await self._agent.dial(uri)
        except baresip.BaresipError as error:
            self._do(self._session.closed(None, machine.End.LOST, str(error)))
            return
        self._dialling = False
        self._dialled = call.handle
        self._calls[call.handle] = call
        for event in self._early:
            self._on_event(event)

    def _handle(self, call: int | None) -> int:
        return self._dialled if call is None else call

    async def _with_call(self, work: Any) -> None:
        with contextlib.suppress(baresip.BaresipError):  # it has ended meanwhile, and says so
            await work

    async def _farewell(self) -> None:
        """Hang up and unregister, as far as the stack still answers."""
        if self._agent is None:
            return
        with contextlib.suppress(baresip.BaresipError, TimeoutError):
            async with asyncio.timeout(2 * FAREWELL):
                ending = list(self._calls.values())
                for call in ending:
                    await self._with_call(call.hangup())
                if self._settings.registrar is not None:
                    await self._agent.unregister(timeout=FAREWELL)
                elif ending:
                    await asyncio.sleep(FAREWELL)
                await self._runtime.close()

    def _say(self, kind: bytes, body: bytes = b"") -> None:
        self._outlet.write(protocol.to_bytes(kind, body))


async def _result(future: asyncio.Future[str]) -> None:
    await future


def _end(text: str, silent: int) -> tuple[machine.End, str]:
    """What the stack's words for a call's end mean."""
    if text.startswith(_HUNG_UP):
        return machine.End.HUNG_UP, "it was hung up"
    if "rtp stream error" in text:
        return machine.End.LOST, f"no audio came for {silent} s"
    return machine.End.LOST, text or "no reason given"


def _addresses(settings: Settings) -> tuple[str | None, str]:
    """Our own address, None where it does not matter, and what to listen on."""
    other = settings.registrar or settings.call
    host = None if other is None else _own_host(Address.from_text(other))
    if settings.listen is None:
        shown = "0.0.0.0" if host is None else f"[{host}]" if ":" in host else host  # noqa: S104 - every address, as documented
        return host, f"{shown}:0"
    listening = host_and_port(settings.listen)[0]
    return (host if listening in ("0.0.0.0", "::") else listening), settings.listen  # noqa: S104 - the operator's choice


def _own_host(other: Address) -> str | None:
    """The address of ours from which ``other`` is reached; None where there is no way, which dialling tells."""
    with contextlib.suppress(OSError):
        found = socket.getaddrinfo(
            other.host.strip("[]"), other.port or 5060, type=socket.SOCK_DGRAM
        )
        family, _, _, _, address = found[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(address)
            return str(probe.getsockname()[0])
    return None


def _account(settings: Settings, host: str | None) -> baresip.Account:
    own = "127.0.0.1" if host is None else f"[{host}]" if ":" in host else host
    return baresip.Account(
        user=settings.username,
        domain=settings.registrar or own,
        password=settings.password,
        reg_interval=settings.register_every if settings.registrar is not None else 0,
        transport=settings.transport,
        audio_codecs=tuple(_CODECS[name] for name in settings.codecs),
        auth_user=settings.auth_username,
        # An intercom may call whatever name it was told: it has come to this address.
        extra_params=("catchall=yes",),
    )


async def _main(inlet_fd: int, outlet_fd: int) -> None:
    loop = asyncio.get_running_loop()
    inlet = asyncio.StreamReader(limit=4 * protocol.MAX_BODY_BYTES)
    await loop.connect_read_pipe(
        partial(asyncio.StreamReaderProtocol, inlet), os.fdopen(inlet_fd, "rb")
    )
    outlet, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(outlet_fd, "wb"))
    kind, length = protocol.parse_head(await inlet.readexactly(protocol.HEAD.size))
    settings = Settings.from_bytes(await inlet.readexactly(length))
    assert kind == protocol.SETTINGS
    await Child(settings, outlet).run(inlet)
    await asyncio.sleep(0)  # the last frames into the pipe


def main() -> None:
    """Serve one SIP endpoint until standard input ends."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_IGN)  # the gateway, stopped by the same, ends our input
    outlet_fd = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever the C library prints is no frame
    with contextlib.suppress(asyncio.IncompleteReadError):
        asyncio.run(_main(os.dup(sys.stdin.fileno()), outlet_fd))
    with contextlib.suppress(OSError):
        Path(tempfile.gettempdir()).rmdir()  # ours alone; who made it may have been killed
    os._exit(0)  # the stack's threads may hang


if __name__ == "__main__":
    main()
