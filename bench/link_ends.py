"""The two ends of a bad link, each a process: ``python -m bench.link_ends WHO HOST SECONDS CONGESTION``.

``talker`` codes real speech and publishes a packet each 20 ms; ``listener`` receives, buffers and
plays it, all with the gateway's own parts, and prints a line for each frame that it has played:
when it began to sound, what it was, and how old it was then (seconds; -1 where it was made up).
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import numpy as np

from bench.link_world import PASSWORD, PORT
from bench.recordings import RATE_HZ, recording
from gateway.errors import RemoteProtocolError
from gateway.link.address import BrokerAddress
from gateway.link.voice_link import VoiceLink
from gateway.ops.counters import Counters
from gateway.ports import BLOCK
from gateway.voice.downlink.age import Ages
from gateway.voice.downlink.downlink import Downlink, Heard
from gateway.voice.downlink.jitter import Frame
from gateway.voice.downlink.playout import Playout
from gateway.voice.downlink.ticker import Ticker
from gateway.voice.rtp import Packet, Token
from gateway.voice.uplink.sender import Sender

TOPIC = "baiying/talkgroup/tg/voice/talker"


async def talk(link: VoiceLink, seconds: float) -> None:
    """One long burst, in step with the clock."""
    blocks = recording("en-1").reshape(-1, RATE_HZ // 50)
    sender = Sender(RATE_HZ, lambda bits: 1 << bits - 1)
    sender.begin(Token(1, 1), 24_000)
    began, count = time.monotonic(), round(seconds / BLOCK)
    wall = time.time() - time.monotonic()
    for n in range(count):
        captured = began + n * BLOCK
        await asyncio.sleep(max(captured + BLOCK - time.monotonic(), 0))
        block = blocks[n % len(blocks)]
        packet = sender.packet(block, captured + wall, pre_roll=False, last=n == count - 1)
        link.publish(TOPIC, packet.to_bytes(), expiry=2)
    await asyncio.sleep(1)


class _Loudspeaker:
    rate_hz = RATE_HZ
    playback_delay = 0.0
    counters: dict[str, int]

    def write(self, block: np.ndarray) -> None:
        pass


class _Watched(Downlink):
    """Keeps what was played and when."""

    def __init__(self) -> None:
        super().__init__(tx_delay=0.0, tail=0.0)
        self.wall = time.time() - time.monotonic()
        self.played: list[tuple[float, str, float]] = []

    def pull(self, now: float, ahead: float = 0.0, *where: Any) -> Frame | None:
        frame = super().pull(now, ahead, *where)
        if frame is not None:
            at = now + ahead + self.wall
            real = frame.kind.value in ("play", "merge")
            age = at - frame.packet.captured if real and frame.packet else -1.0
            kind = frame.kind.value if frame.speed.value == "even" else frame.speed.value
            self.played.append((at, kind, age))
        return frame


async def listen(link: VoiceLink, seconds: float) -> None:
    counters, downlink, ages = Counters(), _Watched(), Ages()
    downlink.tune([Heard("tg", 36_000.0, 0.0)], 0.0)
    playout = Playout(
        "bench", downlink, None, Ticker(counters), counters,
        active=lambda _on: None, broken=lambda error: print(error, file=sys.stderr),
    )  # fmt: skip
    playout.attach(_Loudspeaker())
    loop = asyncio.get_running_loop()

    def received(_topic: str, payload: bytes) -> None:
        now = loop.time()
        try:
            packet = Packet.from_bytes(payload)
        except RemoteProtocolError as error:
            print(error, file=sys.stderr)
            return
        if ages.age("talker", packet.captured, now) > 2.0:
            counters.add("stale")
            return
        playout.packet("tg", "talker/radio", packet, now, confirmed=True)

    link.subscribe("baiying/talkgroup/+/voice/+", received)
    await asyncio.sleep(seconds)
    for at, kind, age in downlink.played:
        print(f"{at:.5f} {kind} {age:.5f}")
    print(counters, dict(downlink.counts), file=sys.stderr)


async def main() -> None:
    who, host, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    address = BrokerAddress(host=host, port=PORT, username=who, password=PASSWORD)
    link = VoiceLink(who, address)
    connected = asyncio.Event()
    link.on_connection(lambda up: connected.set() if up else None)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(link.run())
        await connected.wait()
        await (talk if who == "talker" else listen)(link, seconds)
        running.cancel()


if __name__ == "__main__":
    asyncio.run(main())
