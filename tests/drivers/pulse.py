"""A sound server of the tests' own, with sound cards that are nothing but a wire from out to in."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

_ALSA = """\
</usr/share/alsa/alsa.conf>
pcm.wire_{number}_out {{ type pulse server "unix:{socket}" device "wire{number}" }}
pcm.wire_{number}_in {{ type pulse server "unix:{socket}" device "wire{number}.monitor" }}
"""


class Pulse:
    """PulseAudio with null sinks ``wire1`` ..., known to PortAudio as wire_1_out, wire_1_in.

    ``norewinds``: without it PulseAudio 16 stops delivering from a null sink's monitor after a few
    blocks, in every second stream or so.
    """

    def __init__(self, folder: Path, *, wires: int = 1, rate_hz: int = 48_000) -> None:
        self._folder = folder
        self._socket = folder / "native"
        self._wires = wires
        self._rate_hz = rate_hz
        self._server: subprocess.Popen[bytes] | None = None
        configuration = folder / "asound.conf"
        configuration.write_text(
            "".join(_ALSA.format(number=n, socket=self._socket) for n in range(1, wires + 1))
        )
        self.environment = {
            "ALSA_CONFIG_PATH": str(configuration),
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_RUNTIME_PATH": str(folder),
            "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent",
        }

    def start(self) -> None:
        modules = [f"module-native-protocol-unix socket={self._socket} auth-anonymous=1"]
        modules += [
            f"module-null-sink sink_name=wire{n} rate={self._rate_hz} channels=1 norewinds=1"
            for n in range(1, self._wires + 1)
        ]
        options = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
        options += ["--disable-shm=yes", "--log-target=file:" + str(self._folder / "log")]
        self._server = subprocess.Popen(
            ["pulseaudio", *options, *(part for module in modules for part in ("-L", module))],
            env={**os.environ, **self.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 10
        while not self._socket.exists():
            assert self._server.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < until
            time.sleep(0.02)

    def hang(self) -> None:
        """The server, or a driver below it, does not answer any more."""
        assert self._server is not None
        self._server.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._server is not None
        self._server.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """All sound cards at once are pulled out."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None
            self._socket.unlink(missing_ok=True)
