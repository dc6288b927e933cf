"""60 uplinks in one process and 200 downlinks in another, through one mosquitto, for a minute.

Uplinks: squelch machine, level, Opus, RTP, the voice connection. Downlinks: each packet read once,
its age, then jitter buffer and Opus of every listener. A third process only reads what comes, for
the delay, once without the downlinks, which share two cores with everything else here; the same
packets, made beforehand and sent at the same instants by the same connection, are the bare broker. Devices are stood in for: blocks of speech, spread over 20 ms as real ones are.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvloop

from bench.figures import percentile
from bench.voice_cpu import BITRATE_BPS, RATE_HZ, _Device, speech
from gateway.cli.demo.hardware import free_port
from gateway.link.address import BrokerAddress
from gateway.link.voice_link import VoiceLink
from gateway.ops.counters import Counters
from gateway.ports import BLOCK
from gateway.voice.downlink.age import Ages
from gateway.voice.downlink.downlink import Downlink, Heard
from gateway.voice.downlink.playout import Playout
from gateway.voice.downlink.ticker import Ticker
from gateway.voice.rtp import Packet, Token
from gateway.voice.uplink.actions import Begin, Send
from gateway.voice.uplink.backlog import Block
from gateway.voice.uplink.sender import Sender
from gateway.voice.uplink.uplink import Uplink

UPLINKS, DOWNLINKS = 60, 200
SECONDS = float(os.environ.get("BAIYING_SECONDS", "60"))
DELAY_SECONDS = 15.0
_BEFORE, _AFTER = 2.0, 2.0  # all are connected; the last packets have come
_CONFIGURATION = """\
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
max_queued_messages 1000
persistence false
"""


def measure() -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="baiying-bench-") as folder:
        port = free_port()
        configuration = Path(folder) / "mosquitto.conf"
        configuration.write_text(_CONFIGURATION.format(port=port))
        broker = subprocess.Popen(
            ["mosquitto", "-c", str(configuration)], stderr=subprocess.DEVNULL
        )
        try:
            _wait_for(port)
            bare = _run(port, DELAY_SECONDS, ["watch", "bare"])["watch"]
            up = _run(port, DELAY_SECONDS, ["watch", "talk"])["watch"]
            found = _run(port, SECONDS, ["watch", "hear", "talk"])
        finally:
            broker.kill()
            broker.wait()
    watched, heard, spoken = found["watch"], found["hear"], found["talk"]
    sent = spoken["sent"]
    wanted = sent * DOWNLINKS // UPLINKS
    yield {
        "benchmark": f"{UPLINKS} uplinks to {DOWNLINKS} downlinks",
        "seconds": SECONDS,
        "packets_sent": sent,
        "lost": sent - watched["received"],
        "lost_of_downlinks": wanted - heard["taken"],
        "late_percent": round(heard["late"] / wanted * 100, 3),
        "concealed_percent": round(heard["concealed"] / wanted * 100, 3),
        "target_lost": 0,
        "target_late_percent": 0.1,
        "added_p50_ms": round(up["p50_ms"] - bare["p50_ms"], 2),
        "added_p99_ms": round(up["p99_ms"] - bare["p99_ms"], 2),
        "added_p99_beside_the_downlinks_ms": round(watched["p99_ms"] - bare["p99_ms"], 2),
        "target_added_p99_ms": 2.0,
        "floor": "the same packets, made beforehand",
        "floor_p50_ms": bare["p50_ms"],
        "floor_p99_ms": bare["p99_ms"],
        "cores_up": spoken["cores"],
        "cores_down": heard["cores"],
    }


def _run(port: int, seconds: float, roles: list[str]) -> dict[str, dict[str, Any]]:
    """Every role in a process of its own; what each has found."""
    start = time.time() + _BEFORE
    processes = {
        role: subprocess.Popen(
            [sys.executable, "-m", "bench.streams", role, str(port), str(seconds), str(start)],
            stdout=subprocess.PIPE,
        )
        for role in roles
    }
    found = {}
    try:
        for role, process in processes.items():
            said, _ = process.communicate(timeout=_BEFORE + seconds + _AFTER + 30)
            found[role] = json.loads(said)
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    return found


def _wait_for(port: int) -> None:
    """Until the broker takes connections."""
    until = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


async def _role(role: str, port: int, seconds: float, start: float) -> dict[str, Any]:
    link = VoiceLink(role, BrokerAddress(host="127.0.0.1", port=port))
    connected = asyncio.Event()
    link.on_connection(lambda up: connected.set() if up else None)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(link.run())
        roles = {"talk": _talk, "bare": _bare, "hear": _hear, "watch": _watch}
        found = await roles[role](link, connected, seconds, start)
        running.cancel()
    return found


async def _paced(
    connected: asyncio.Event, seconds: float, start: float, send: Callable[[int, float, bool], None]
) -> dict[str, Any]:
    """``send(stream, captured, last)`` for each stream each 20 ms, spread over them."""
    await connected.wait()
    busy = time.process_time()
    await asyncio.sleep(start - time.time())
    count = round(seconds / BLOCK) * UPLINKS
    for number in range(count):
        due = start + number * BLOCK / UPLINKS
        await asyncio.sleep(
            max(due - time.time(), 0.0)
        )  # behind, the loop has its turn all the same
        send(number % UPLINKS, due - BLOCK, number >= count - UPLINKS)
    used = time.process_time() - busy
    await asyncio.sleep(_AFTER / 2)
    return {"sent": count, "cores": round(used / seconds, 2)}


async def _talk(
    link: VoiceLink, connected: asyncio.Event, seconds: float, start: float
) -> dict[str, Any]:
    blocks = speech()
    machines = [Uplink(pre_roll=0.1, rx_mute=0.3) for _ in range(UPLINKS)]
    senders = [Sender(RATE_HZ, lambda bits: 1 << bits - 1) for _ in range(UPLINKS)]
    turns = [7 * n for n in range(UPLINKS)]
    for machine, sender in zip(machines, senders, strict=True):
        machine.squelch(True, start)
        for action in machine.granted(Token(1, 1), start):
            if isinstance(action, Begin):
                sender.begin(action.token, BITRATE_BPS)

    def send(stream: int, captured: float, last: bool) -> None:
        turns[stream] += 1
        block = Block(blocks[turns[stream] % len(blocks)], captured)
        for action in machines[stream].block(block, captured + BLOCK):
            if isinstance(action, Send) and action.block is not None:
                packet = senders[stream].packet(
                    action.block.samples, action.block.captured, pre_roll=False, last=last
                )
                link.publish(_topic(stream), packet.to_bytes(), expiry=2)

    return await _paced(connected, seconds, start, send)


async def _bare(
    link: VoiceLink, connected: asyncio.Event, seconds: float, start: float
) -> dict[str, Any]:
    sender = Sender(RATE_HZ, lambda bits: 1 << bits - 1)
    sender.begin(Token(1, 1), BITRATE_BPS)
    made = [
        sender.packet(block, start + n * BLOCK, pre_roll=False, last=False).to_bytes()
        for n, block in enumerate(speech())
    ]
    numbers = [0] * UPLINKS

    def send(stream: int, captured: float, last: bool) -> None:
        del captured, last
        numbers[stream] += 1
        link.publish(_topic(stream), made[numbers[stream] % len(made)], expiry=2)

    return await _paced(connected, seconds, start, send)


async def _watch(
    link: VoiceLink, connected: asyncio.Event, seconds: float, start: float
) -> dict[str, Any]:
    """When each packet of a stream came, against when it was due; they come in order."""
    numbers = dict.fromkeys(range(UPLINKS), 0)
    delays: list[float] = []
    streams = {_topic(stream): stream for stream in range(UPLINKS)}

    def received(topic: str, payload: bytes) -> None:
        now = time.time()
        Packet.from_bytes(payload)
        stream = streams[topic]
        due = start + (numbers[stream] * UPLINKS + stream) * BLOCK / UPLINKS
        numbers[stream] += 1
        delays.append(now - due)

    link.subscribe("baiying/talkgroup/+/voice/+", received)
    await connected.wait()
    await asyncio.sleep(start + seconds + _AFTER / 2 - time.time())
    return {
        "received": len(delays),
        "p50_ms": round(percentile(delays, 0.5) * 1000, 2),
        "p99_ms": round(percentile(delays, 0.99) * 1000, 2),
    }


async def _hear(
    link: VoiceLink, connected: asyncio.Event, seconds: float, start: float
) -> dict[str, Any]:
    counters, ages, loop = Counters(), Ages(), asyncio.get_running_loop()
    ticker = Ticker(counters)
    listeners: dict[str, list[Playout]] = {}
    downlinks = []
    for number in range(DOWNLINKS):
        topic = _topic(number % UPLINKS)
        downlink = Downlink(tx_delay=0.0, tail=0.0)
        downlink.tune([Heard(topic, 36_000.0, 2.0)], loop.time())
        playout = Playout(
            f"radio-{number}",
            downlink,
            None,
            ticker,
            counters,
            active=lambda _on: None,
            broken=lambda error: print(error, file=sys.stderr),
        )
        playout.attach(_Device())
        downlinks.append(downlink)
        listeners.setdefault(topic, []).append(playout)
    taken = 0

    def received(topic: str, payload: bytes) -> None:
        nonlocal taken
        now = loop.time()
        packet = Packet.from_bytes(payload)
        if ages.age(topic, packet.captured, now) > 2.0:
            return
        for playout in listeners[topic]:
            taken += playout.packet(topic, topic, packet, now, confirmed=True)

    link.subscribe("baiying/talkgroup/+/voice/+", received)
    await connected.wait()
    busy = time.process_time()
    await asyncio.sleep(start + seconds + _AFTER / 2 - time.time())
    counts: dict[str, int] = {}
    for downlink in downlinks:
        for what, count in downlink.counts.items():
            counts[what] = counts.get(what, 0) + count
    used = time.process_time() - busy
    return {
        "taken": taken,
        "late": counts.get("late", 0),
        "concealed": counts.get("concealed", 0),
        "cores": round(used / seconds, 2),
    }


def _topic(stream: int) -> str:
    return f"baiying/talkgroup/tg{stream}/voice/talk"


if __name__ == "__main__":
    print(
        json.dumps(
            uvloop.run(_role(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))
        )
    )
