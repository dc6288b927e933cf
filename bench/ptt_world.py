"""Gateways that hold transmitters keyed, and what can befall them.

A gateway with a microphone talks without end on a talkgroup; others, each with a transmitter, hear
it through a broker (mosquitto) and so are keyed, and keyed again after each fault by late entry.
All of them are `baiying run`, whole, with their keyers, at ordinary priority.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bench.overs import free_ports
from bench.ptt_radios import Transmitter, Watcher
from gateway.cli.demo.hardware import free_port

ROOT = Path(__file__).parents[1]
STUCK = 3.0
"""Seconds after a fault at which a transmitter that is still keyed counts as stuck."""

_READY_WITHIN = 30.0
_SETTLED = 0.1


class Fault(StrEnum):
    """What befalls a gateway whose transmitter is keyed, or what it hears."""

    DAEMON_KILLED = "daemon killed"
    DAEMON_STOPPED = "daemon stopped"
    KEYER_KILLED = "keyer killed"
    KEYER_STOPPED = "keyer stopped"
    TERMINAL_GONE = "terminal unplugged"
    BROKER_KILLED = "broker killed"
    BROKER_STOPPED = "broker stopped"
    AUDIO_STALLED = "audio stalled"


OF_ALL = (Fault.BROKER_KILLED, Fault.BROKER_STOPPED, Fault.AUDIO_STALLED)
"""Faults that befall every gateway at once."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one transmitter did: seconds until it was released, None where it stuck."""

    fault: Fault
    released: float | None
    keyed_meanwhile: bool
    """Whether it was keyed again before the fault was mended."""


class World:
    """Runs them; used from one thread."""

    def __init__(self, folder: Path, watcher: Watcher, loose: bool) -> None:
        self.watcher = watcher
        self._folder = folder
        self._loose = loose
        self._stack = contextlib.ExitStack()
        self._broker_port = free_port()
        self._broker: subprocess.Popen[bytes] | None = None
        self._starter: subprocess.Popen[str] | None = None
        self._microphone: subprocess.Popen[bytes] | None = None
        self._daemons: dict[Transmitter, int] = {}
        self._talker = 0
        self._squelch = -1

    def start(self) -> None:
        folder = self._folder
        (folder / "mosquitto.conf").write_text(
            f"listener {self._broker_port} 127.0.0.1\nallow_anonymous true\n"
            "set_tcp_nodelay true\npersistence false\n"
        )
        self._start_broker()
        self._stack.callback(lambda: _end(self._broker))
        words = [sys.executable, "-m", "bench.ptt_starter", *(["loose"] if self._loose else [])]
        self._starter = subprocess.Popen(
            words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._stack.callback(lambda: _end(self._starter))
        assert self._say_starter() == "imported"
        (port,) = free_ports(1)
        self._configure("talker", f'audio: {{driver: udp, listen: "127.0.0.1:{port}"}}', "squelch")
        for number, _ in enumerate(self.watcher.transmitters):
            (spare,) = free_ports(1)
            audio = f'audio: {{driver: udp, send: "127.0.0.1:{spare}"}}'
            self._configure(f"radio-{number}", audio, "ptt")
        self._talker = self._start_gateway("talker")
        for number, transmitter in enumerate(self.watcher.transmitters):
            self._daemons[transmitter] = self._start_gateway(f"radio-{number}")
        self._microphone = subprocess.Popen(
            [sys.executable, "-m", "bench.microphone", str(port)], cwd=ROOT
        )
        self._stack.callback(lambda: _end(self._microphone))
        self._wait((folder / "talker.line").exists, "the talker does not come up")
        self._squelch = os.open(folder / "talker.line", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._stack.callback(os.close, self._squelch)
        time.sleep(0.5)
        os.write(self._squelch, b"O")

    def stop(self) -> None:
        for pid in (*self._daemons.values(), self._talker):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGKILL)
        self._stack.close()

    def all_keyed(self, within: float = _READY_WITHIN) -> None:
        """Wait until every transmitter is keyed, and has been for a moment."""
        ready = self.watcher.wait(
            lambda: all(one.keyed for one in self.watcher.transmitters), within
        )
        assert ready, "a transmitter is not keyed"
        time.sleep(_SETTLED)

    def settled(self) -> list[Transmitter]:
        """Those that have been keyed for a moment; waits until there is one."""
        until = time.monotonic() + _READY_WITHIN
        while True:
            before = time.monotonic() - _SETTLED
            found = [one for one in self.watcher.transmitters if one.keyed and one.at < before]
            if found:
                return found
            assert time.monotonic() < until, "no transmitter is keyed any more"
            time.sleep(0.01)

    def strike(self, fault: Fault, transmitter: Transmitter) -> list[Outcome]:
        """Do it, see who is released, mend it."""
        struck = self.watcher.transmitters if fault in OF_ALL else [transmitter]
        struck = [one for one in struck if one.keyed]
        before = {one.link: len(one.history) for one in struck}
        at = time.monotonic()
        self._do(fault, transmitter)
        self.watcher.wait(lambda: not any(one.keyed and one.at < at for one in struck), STUCK)
        outcomes = []
        time.sleep(0.15 if fault in (Fault.DAEMON_STOPPED, *OF_ALL) else 0.02)
        for one in struck:
            changes = one.history[before[one.link] :]
            released = next((when - at for when, keyed in changes if not keyed), None)
            outcomes.append(Outcome(fault, released, any(keyed for _, keyed in changes)))
        self._mend(fault, transmitter)
        return outcomes

    def _do(self, fault: Fault, transmitter: Transmitter) -> None:
        match fault:
            case Fault.DAEMON_KILLED:
                os.kill(self._daemons[transmitter], signal.SIGKILL)
            case Fault.DAEMON_STOPPED:
                os.kill(self._daemons[transmitter], signal.SIGSTOP)
            case Fault.KEYER_KILLED:
                os.kill(self._keyer_of(transmitter), signal.SIGKILL)
            case Fault.KEYER_STOPPED:
                os.kill(self._keyer_of(transmitter), signal.SIGSTOP)
            case Fault.TERMINAL_GONE:
                transmitter.link.unlink()
            case Fault.BROKER_KILLED:
                assert self._broker is not None
                self._broker.kill()
            case Fault.BROKER_STOPPED:
                assert self._broker is not None
                self._broker.send_signal(signal.SIGSTOP)
            case Fault.AUDIO_STALLED:
                assert self._microphone is not None
                self._microphone.send_signal(signal.SIGSTOP)

    def _mend(self, fault: Fault, transmitter: Transmitter) -> None:
        match fault:
            case Fault.DAEMON_KILLED:
                dead = Path(f"/proc/{self._daemons[transmitter]}")
                self._wait(lambda: not dead.exists(), "it does not die", 90.0)
                self._daemons[transmitter] = self._start_gateway(transmitter.link.stem)
            case Fault.DAEMON_STOPPED:
                os.kill(self._daemons[transmitter], signal.SIGCONT)
            case Fault.BROKER_KILLED:
                assert self._broker is not None
                self._broker.wait()
                self._start_broker()
            case Fault.BROKER_STOPPED:
                assert self._broker is not None
                self._broker.send_signal(signal.SIGCONT)
            case Fault.AUDIO_STALLED:
                assert self._microphone is not None
                self._microphone.send_signal(signal.SIGCONT)
            case Fault.KEYER_KILLED | Fault.KEYER_STOPPED | Fault.TERMINAL_GONE:
                pass  # the gateway and its keyer mend these themselves

    def _keyer_of(self, transmitter: Transmitter) -> int:
        return int((self._folder / transmitter.link.stem / "keyer.lock").read_text().split()[0])

    def _configure(self, name: str, audio: str, line: str) -> None:
        (self._folder / f"{name}.yaml").write_text(
            f"gateway: {name}\ndata_dir: ./{name}\n"
            f'mqtt: {{broker: "mqtt://127.0.0.1:{self._broker_port}"}}\n'
            "sites: {s: {name: 台, class: radio}}\n"
            "talkgroups: {tg: {tot_s: 3600, hang_time_s: 0, controllers: [talker]}}\n"
            f"endpoints:\n  {name}-radio: {{kind: radio, site: s, talkgroup: tg, {audio}, "
            f"{line}: {{driver: pty, path: ./{name}.line}}}}\n",
            "utf-8",
        )

    def _start_broker(self) -> None:
        self._broker = subprocess.Popen(
            [_mosquitto(), "-c", str(self._folder / "mosquitto.conf")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _start_gateway(self, name: str) -> int:
        assert self._starter is not None
        assert self._starter.stdin is not None
        self._starter.stdin.write(f"{self._folder / name}.yaml {self._folder / name}.log\n")
        return int(self._say_starter())

    def _say_starter(self) -> str:
        assert self._starter is not None
        assert self._starter.stdout is not None
        return self._starter.stdout.readline().strip()

    @staticmethod
    def _wait(condition: Callable[[], bool], what: str, within: float = _READY_WITHIN) -> None:
        until = time.monotonic() + within
        while not condition():
            assert time.monotonic() < until, what
            time.sleep(0.01)


@contextlib.contextmanager
def world(folder: Path, transmitters: int, *, loose: bool = False) -> Iterator[World]:
    """A broker, a talker, and so many gateways that are keyed by it."""
    links = [folder / f"radio-{number}.line" for number in range(transmitters)]
    with Watcher(links) as watcher:
        here = World(folder, watcher, loose)
        try:
            here.start()
            here.all_keyed()
            yield here
        finally:
            here.stop()


def _end(process: subprocess.Popen[bytes] | subprocess.Popen[str] | None) -> None:
    if process is None:
        return
    process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def _mosquitto() -> str:
    return shutil.which("mosquitto") or "/usr/sbin/mosquitto"
