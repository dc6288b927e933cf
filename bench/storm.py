"""A storm of 30,000 signals on one gateway: what is stored, paged and published when, and who waits.

3,000 panics of as many buttons over 600 sites and 27,000 troubles come in by 64 receivers at the
speed of their acknowledgements. Meanwhile a button of another site is pressed each 150 ms, and the
timers of 30 incidents run out each second. The broker is the gateway's own, everything that was
published is written down by mosquitto_sub, and a client signs for each page.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.figures import spread_ms
from gateway.cli.demo.gateways import GatewayProcess
from gateway.cli.demo.hardware import Panel, free_port
from gateway.ops.parent import ends_with_parent

SITES = 600
STREETS = 20
PANELS = 64
PANICS = 5
"""Buttons of a site that are pressed."""
TROUBLES = 45
"""Devices of a site that report a trouble."""
TIMERS = 30
PATIENCE = 90.0

_TIMER_LEVELS = 40


@dataclass(frozen=True, slots=True)
class Seen:
    """One message as mosquitto_sub saw it; ``at`` is POSIX time."""

    at: float
    topic: str
    body: dict[str, Any]


def measure() -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="baiying-bench-") as folder:
        yield from asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> list[dict[str, Any]]:
    async with contextlib.AsyncExitStack() as stack:
        config = folder / "config"
        config.mkdir()
        words = {name: secrets.token_urlsafe(12) for name in ("watcher", "signer")}
        (config / "users").write_text("".join(f"{name}:{one}\n" for name, one in words.items()))
        panels = await stack.enter_async_context(side("panels"))
        ports = await ask(panels, json.dumps({"panels": _lines()}))
        other = await stack.enter_async_context(Panel())
        port = free_port()
        (config / "g.yaml").write_text(_config(port, ports, str(other.path)), "utf-8")
        gateway = GatewayProcess("g", config / "g.yaml", folder / "g.log")
        await stack.enter_async_context(gateway)
        await gateway.ready()
        log = await stack.enter_async_context(watcher(folder, port, words["watcher"]))
        signer = side("responder", str(port), "signer", words["signer"])
        await ask(await stack.enter_async_context(signer), None)
        await at_rest(gateway.pid)
        for number in range(TIMERS):
            await other.send(f"5011 189002E12001{number + 1:03}")
            await asyncio.sleep(0.03)
        await asyncio.sleep(1.5)
        before = _cpu(gateway.pid)
        pressing = asyncio.create_task(_press(other))
        result = json.loads(await _ask_raw(panels, "go"))
        stored_cpu = _cpu(gateway.pid) - before
        await _all_there(log)
        whole_cpu = _cpu(gateway.pid) - before
        pressing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await pressing
        peak = _peak_mb(gateway.pid)
        seen = list(read(log))
    stopped = _counts(folder / "g.log")
    floor = _bare_commits(folder, result)
    return _results(result, seen, stored_cpu, whole_cpu, peak, floor, stopped)


def _results(
    result: dict[str, Any],
    seen: list[Seen],
    stored_cpu: float,
    whole_cpu: float,
    peak: float,
    floor: float,
    stopped: str,
) -> list[dict[str, Any]]:
    began = result["began"]
    acknowledged = [pair for panel in result["done"] for pair in panel]
    stored = max(at for _, at in acknowledged) - began
    events = [one for one in seen if one.topic.startswith("baiying/alarm/") and one.at >= began]
    pages = [one for one in seen if "/page/" in one.topic]
    first = _first_arrivals(pages)
    storm = {key: at for key, at in first.items() if key[0].startswith("s")}
    calm = _calm(pages, events)
    return [
        {
            "benchmark": "storm: all stored",
            "signals": len(acknowledged),
            "seconds": round(stored, 2),
            "target_s": 5,
            "resent": result["resent"],
            "gateway_cpu_us_per_signal": round(stored_cpu / len(acknowledged) * 1e6),
            "gateway_peak_mb": peak,
            "receiver_waits": spread_ms([at - sent for sent, at in acknowledged]),
            "floor": "as many rows into bare SQLite, 64 to a commit, synchronous FULL",
            "floor_s": round(floor, 2),
            "ratio": round(stored / floor, 1),
        },
        {
            "benchmark": "storm: every panic's pages received",
            "incidents": len({key[:2] for key in storm}),
            "pages": len(storm),
            "seconds": round(max(storm.values()) - began, 2),
            "target_s": 10,
            "copies_sent_again": len(pages) - len(first),
        },
        {
            "benchmark": "storm: every event on the broker",
            "events": len(events),
            "seconds": round(max(one.at for one in events) - began, 2),
            "target_s": 20,
            "gateway_cpu_s": round(whole_cpu, 2),
        },
        {
            "benchmark": "storm: another site's press to its page",
            **spread_ms(calm),
            "target_p99_ms": 300,
        },
        {
            "benchmark": "storm: lateness of escalation timers",
            **spread_ms(_lateness(pages, began, began + stored)),
            "target_p99_ms": 100,
            "counted": stopped,
        },
    ]


def _lines() -> list[list[str]]:
    """For each receiver the lines of its sites: a tenth panics, spread over the whole storm."""
    work: list[list[str]] = [[] for _ in range(PANELS)]
    for turn in range(PANICS + TROUBLES):
        for site in range(SITES):
            account = 1000 + site
            share = (PANICS + TROUBLES) // PANICS
            panic = (turn + site) % share == 0
            zone = (turn + site) // share + 1 if panic else 100 + turn
            work[site % PANELS].append(
                f"5011 18{account}{'E120' if panic else 'E302'}01{_zone(zone, panic)}"
            )
    return work


def _zone(zone: int, panic: bool) -> str:
    return f"{(zone - 1) % (PANICS + 1) + 1:03}" if panic else f"{zone:03}"


def _config(port: int, ports: list[str], other: str) -> str:
    streets = "".join(
        f"  {party}-{n}: {{name: {party}{n}, party: {party}, street: st{n}, talkgroup: tg}}\n"
        for n in range(STREETS)
        for party in ("police", "street", "alliance")
    )
    sites = "".join(
        f"  s{n}: {{name: 单位{n}, class: shop, street: st{n % STREETS}}}\n" for n in range(SITES)
    )
    inputs = "".join(
        f"  r{n}: {{driver: panel, port: {path}}}\n" for n, path in enumerate([*ports, other])
    )
    endpoints = "".join(
        f'  s{n}-b{zone}: {{kind: button, site: s{n}, input: r{n % PANELS}, account: "{1000 + n}", zone: "{zone:03}", category: panic}}\n'
        for n in range(SITES)
        for zone in range(1, PANICS + 2)
    ) + "".join(
        f'  s{n}-d{turn}: {{kind: button, site: s{n}, input: r{n % PANELS}, account: "{1000 + n}", zone: "{100 + turn:03}", category: panic}}\n'
        for n in range(SITES)
        for turn in range(PANICS + TROUBLES)
    )
    calm = "".join(
        f'  {site}-{n}: {{kind: button, site: {site}, input: r{PANELS}, account: "{account}", zone: "{n:03}", category: panic}}\n'
        for site, account, count in (("calm", 9001, 400), ("timed", 9002, TIMERS))
        for n in range(1, count + 1)
    )
    levels = "".join(
        f"      - {{name: L{n}, page: [timed], ack_within_s: 1}}\n" for n in range(_TIMER_LEVELS)
    )
    return (
        f"gateway: g\ndata_dir: ../g\nserves: []\n"
        f'mqtt: {{broker: embedded, listen: "127.0.0.1:{port}", users_file: users}}\n'
        f"sites:\n{sites}  calm: {{name: 安静, class: shop, street: st0}}\n"
        f"  timed: {{name: 计时, class: shop, street: st0}}\n"
        f"inputs:\n{inputs}endpoints:\n{endpoints}{calm}"
        f"talkgroups: {{tg: {{}}}}\n"
        f"groups:\n{streets}  timed: {{name: 计时, party: police, street: none, talkgroup: tg}}\n"
        f"plans:\n  timed:\n    when: {{site: timed}}\n    levels:\n{levels}"
        f"  panic:\n    when: {{category: panic}}\n    levels:\n"
        f'      - {{name: 吹哨响应, page_where: {{street: "@site"}}, ack_within_s: 600}}\n'
        f"      - {{name: 一呼百应, page: [timed], ack_within_s: 600}}\n"
    )


async def _press(panel: Panel) -> None:
    """Another site's buttons, one each 150 ms."""
    for number in range(1, 401):
        await panel.send(f"5011 189001E12001{number:03}")
        await asyncio.sleep(0.15)


def _calm(pages: list[Seen], events: list[Seen]) -> list[float]:
    """Seconds from the press (the event's own time) to its first page, during the storm."""
    first: dict[str, float] = {}
    for one in pages:
        if one.body["site"] == "calm":
            first.setdefault(one.body["endpoint"], one.at)
    pressed = {
        one.body["endpoint"]: one.body["time"] for one in events if one.body["site"] == "calm"
    }
    return [first[name] - _posix(pressed[name]) for name in pressed if name in first]


def _lateness(pages: list[Seen], began: float, ended: float) -> list[float]:
    """How much later than a second after the level before each level's page was made and arrived."""
    levels: dict[tuple[str, int], float] = {}
    for one in pages:
        if one.body["site"] == "timed":
            levels.setdefault((one.body["incident"], one.body["level"]), one.at)
    return [
        at - levels[incident, level - 1] - 1
        for (incident, level), at in levels.items()
        if (incident, level - 1) in levels and began <= at <= ended
    ]


def _first_arrivals(pages: list[Seen]) -> dict[tuple[str, str, str], float]:
    first: dict[tuple[str, str, str], float] = {}
    for one in pages:
        body = one.body
        if body["level"] == 1:
            first.setdefault((body["site"], body["endpoint"], body["group"]), one.at)
    return first


def _posix(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


# Processes and files


@contextlib.asynccontextmanager
async def side(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.storm_sides", *words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=64 * 1024 * 1024,
        preexec_fn=ends_with_parent(),
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _ask_raw(process: asyncio.subprocess.Process, line: str | None) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    if line is not None:
        process.stdin.write(line.encode() + b"\n")
    async with asyncio.timeout(PATIENCE):
        return await process.stdout.readline()


async def ask(process: asyncio.subprocess.Process, line: str | None) -> Any:
    said = await _ask_raw(process, line)
    return None if line is None else json.loads(said)


@contextlib.asynccontextmanager
async def watcher(folder: Path, port: int, password: str) -> AsyncIterator[Path]:
    log = folder / "seen"
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *("mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), "-V", "5", "-q", "1"),
            *("-i", "watcher", "-u", "watcher", "-P", password, "-F", "%U %t %p"),
            *("-t", "baiying/alarm/+", "-t", "baiying/group/+/page/+"),
            # By itself it takes 20 at a time, and of a burst the broker drops what is over its queue.
            *("-D", "connect", "receive-maximum", "65535"),
            stdout=file,
            preexec_fn=ends_with_parent(),
        )
    await asyncio.sleep(0.5)
    try:
        yield log
    finally:
        process.kill()
        await process.wait()


async def at_rest(pid: int) -> None:
    """Until the gateway has told the broker all of its endpoints: this is no storm at a start."""
    busy = 1.0
    while busy > 0.1:
        before = _cpu(pid)
        await asyncio.sleep(1)
        busy = _cpu(pid) - before


async def _all_there(log: Path) -> None:
    """Until no event has come for two seconds."""
    size = -1
    for _ in range(int(PATIENCE / 2)):
        await asyncio.sleep(2)
        events = (await asyncio.to_thread(log.read_bytes)).count(b" baiying/alarm/")
        if events >= SITES * (PANICS + TROUBLES) and events - size < 60:
            return
        size = events


def read(log: Path) -> Iterator[Seen]:
    for line in log.read_text("utf-8").splitlines():
        at, topic, body = line.split(" ", 2)
        yield Seen(float(at), topic, json.loads(body))


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = {line.split(":")[0]: line.split()[1] for line in status if line.startswith("VmHWM")}
    return round(int(found["VmHWM"]) / 1024, 1) if found else 0.0


def _counts(log: Path) -> str:
    """What the gateway has counted, but for its inputs."""
    said = log.read_text("utf-8", errors="replace").rpartition("counted: ")[2].splitlines()
    return ", ".join(one for one in said[0].split(", ") if not one.startswith("input."))


def _bare_commits(folder: Path, result: dict[str, Any]) -> float:
    """Seconds for as many rows as the storm has signals, in commits of one of each receiver."""
    database = sqlite3.connect(folder / "bare.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE row (body BLOB)")
    rows = sum(len(panel) for panel in result["done"])
    began = time.perf_counter()
    for _ in range(rows // PANELS):
        database.execute("BEGIN")
        database.executemany("INSERT INTO row VALUES (?)", [(b"x" * 450,)] * PANELS)
        database.execute("COMMIT")
    took = time.perf_counter() - began
    database.close()
    return took
