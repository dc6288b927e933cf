"""COS to PTT and speech one way between two gateways on a loopback broker, over UDP audio and ptys.

Two `baiying run` processes and a mosquitto of their own. One over is: squelch opens, at once 500 ms
of a 1 kHz tone, 1 s of silence, 200 ms of tone (by then the delay is steady), squelch closes. The
same over on SvxLink 19.09: COS to PTT 80.7 ms, one way 77.9 ms, close to PTT off 49.4 ms (medians).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

RATE_HZ = 16_000
LOUD = 800
OVERS = 15

CONFIG = """
gateway: gw-{side}
data_dir: {folder}/data-{side}
mqtt: {{broker: "mqtt://127.0.0.1:{broker}"}}
sites: {{place: {{name: Place, class: hospital}}}}
talkgroups: {{police: {{}}}}
endpoints:
  radio-{side}:
    kind: radio
    site: place
    audio: {{driver: udp, listen: "127.0.0.1:{listen}", send: "127.0.0.1:{send}", rate_hz: 16000}}
    ptt: {{driver: pty, path: {folder}/ptt-{side}}}
    squelch: {{driver: pty, path: {folder}/squelch-{side}}}
    talkgroup: police
"""


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], log: Path) -> Iterator[None]:
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


@contextlib.contextmanager
def two_gateways(folder: Path) -> Iterator[tuple[int, int]]:
    """Yields the ports: speak to the first, hear at the second."""
    broker = free_port(socket.SOCK_STREAM)
    ports = [free_port(socket.SOCK_DGRAM) for _ in range(4)]
    conf = folder / "mosquitto.conf"
    conf.write_text(f"listener {broker} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n")
    with contextlib.ExitStack() as stack:
        stack.enter_context(running(["mosquitto", "-c", str(conf)], folder / "mosquitto.log"))
        for side, listen, send in (("a", *ports[:2]), ("b", *ports[2:])):
            config = folder / f"{side}.yaml"
            config.write_text(
                CONFIG.format(side=side, folder=folder, broker=broker, listen=listen, send=send)
            )
            command = [sys.executable, "-m", "gateway", "run", str(config)]
            stack.enter_context(running(command, folder / f"{side}.log"))
        deadline = time.monotonic() + 30
        while not all(" ready" in (folder / f"{side}.log").read_text() for side in "ab"):
            if time.monotonic() > deadline:
                raise TimeoutError("the gateways do not become ready")
            time.sleep(0.1)
        time.sleep(1.5)  # the gateways find each other
        yield ports[0], ports[3]


class FarEnd:
    """What the far radio plays and when it is keyed, with times of arrival."""

    def __init__(self, port: int, ptt: Path) -> None:
        self.sound: list[tuple[float, np.ndarray]] = []
        self.keyed: list[tuple[float, str]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))
        self._ptt = os.open(ptt, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            ready, _, _ = select.select([self._socket, self._ptt], [], [])
            now = time.monotonic()
            if self._socket in ready:
                self.sound.append((now, np.frombuffer(self._socket.recv(65_536), "<i2")))
            if self._ptt in ready:
                self.keyed += [(now, letter) for letter in os.read(self._ptt, 16).decode()]

    def onsets(self) -> list[float]:
        """When a tone began, after at least half a second without."""
        found: list[float] = []
        last = float("-inf")
        for at, block in self.sound:
            loud = np.flatnonzero(np.abs(block.astype(int)) > LOUD)
            if len(loud):
                if at - last > 0.5:
                    found.append(at + loud[0] / RATE_HZ)
                last = at
        return found

    def loud(self) -> float:
        """Seconds of tone."""
        blocks = [np.abs(block.astype(int)).reshape(-1, 80).max(axis=1) for _, block in self.sound]
        return float(np.count_nonzero(np.concatenate(blocks) > LOUD)) * 80 / RATE_HZ


def speak(port: int, *parts: np.ndarray) -> None:
    """Send blocks at the pace of real time: the first leaves 20 ms from now, as from a microphone."""
    samples = np.concatenate(parts).astype("<i2")
    due = time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for block in samples.reshape(-1, RATE_HZ // 50):
            due += 0.02
            time.sleep(max(0.0, due - time.monotonic()))
            sender.sendto(block.tobytes(), ("127.0.0.1", port))


def tone(seconds: float) -> np.ndarray:
    return np.sin(2 * np.pi * 1000 * np.arange(round(seconds * RATE_HZ)) / RATE_HZ) * 8000


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE_HZ))


def over(port: int, squelch: int, far: FarEnd) -> dict[str, float]:
    """One over; milliseconds, and seconds of tone heard of the 0.7 spoken."""
    speak(port, silence(0.5))
    time.sleep(random.random() * 0.02)
    far.sound.clear()
    far.keyed.clear()
    opened = time.monotonic()
    os.write(squelch, b"O")
    spoken = time.monotonic()
    speak(port, tone(0.5), silence(1.0), tone(0.2), silence(0.5))
    closed = time.monotonic()
    os.write(squelch, b"Z")
    speak(port, silence(0.8))
    first, steady = far.onsets()
    return {
        "cos_to_ptt": (far.keyed[0][0] - opened) * 1e3,
        "speech_first_word": (first - spoken) * 1e3,
        "speech_one_way": (steady - spoken - 1.5) * 1e3,
        "close_to_ptt_off": (far.keyed[-1][0] - closed) * 1e3,
        "tone_heard_of_0.7_s": far.loud(),
    }


def main() -> None:
    """Print one JSON line for each figure."""
    targets = {"cos_to_ptt": 25, "speech_one_way": 60}
    with tempfile.TemporaryDirectory() as name, two_gateways(Path(name)) as (speaks, hears):
        far = FarEnd(hears, Path(name) / "ptt-b")
        squelch = os.open(Path(name) / "squelch-a", os.O_RDWR | os.O_NOCTTY)
        overs = [over(speaks, squelch, far) for _ in range(OVERS)]
    for figure in overs[0]:
        values = sorted(one[figure] for one in overs)
        line: dict[str, object] = {
            "bench": figure,
            "median": round(statistics.median(values), 2),
            "min": round(values[0], 2),
            "max": round(values[-1], 2),
            "overs": len(values),
        }
        if figure in targets:
            line["target_median_ms"] = targets[figure]
        print(json.dumps(line))


if __name__ == "__main__":
    main()
