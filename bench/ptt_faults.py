"""Faults while a transmitter is keyed: how soon it is released, and whether one ever sticks.

Twice: on a machine that has nothing else to do, and with a busy process on each core.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figures import spread_ms
from bench.ptt_world import OF_ALL, Fault, Outcome, World, world

FAULTS = int(os.environ.get("BAIYING_PTT_FAULTS", "1040"))
TRANSMITTERS = 4

_SHARES = {
    Fault.DAEMON_KILLED: 30,
    Fault.DAEMON_STOPPED: 30,
    Fault.KEYER_KILLED: 13,
    Fault.KEYER_STOPPED: 4,
    Fault.TERMINAL_GONE: 8,
    Fault.BROKER_KILLED: 3,
    Fault.BROKER_STOPPED: 6,
    Fault.AUDIO_STALLED: 6,
}
"""Percent of all; a fault of every gateway counts once for each transmitter."""

_DEATHS = (Fault.DAEMON_KILLED, Fault.KEYER_KILLED)


def measure() -> Iterator[dict[str, Any]]:
    _ordinary()  # what runs here at an urgent priority is started at an ordinary one
    for hogs in (0, os.cpu_count() or 1):
        with (
            tempfile.TemporaryDirectory(
                prefix="baiying-bench-", ignore_cleanup_errors=True
            ) as folder,
            _busy(hogs),
        ):
            began = time.monotonic()
            with world(Path(folder), TRANSMITTERS) as here:
                outcomes = list(strike(here, FAULTS // 2, random.Random(hogs)))
            yield _result(outcomes, hogs, time.monotonic() - began)


def strike(here: World, number: int, chance: random.Random) -> Iterator[Outcome]:
    """So many faults of every kind in an order by chance, on one transmitter after the other."""
    plan = [
        fault
        for fault, share in _SHARES.items()
        for _ in range(max(1, number * share // 100 // (TRANSMITTERS if fault in OF_ALL else 1)))
    ]
    chance.shuffle(plan)
    for turn, fault in enumerate(plan):
        if fault in OF_ALL:
            here.all_keyed()
        victims = here.settled()  # the others are still being mended
        time.sleep(chance.uniform(0, 0.06))
        victim = victims[turn % len(victims)]
        if victim.keyed:
            yield from here.strike(fault, victim)


def _result(outcomes: list[Outcome], hogs: int, took: float) -> dict[str, Any]:
    died = [one.released for one in outcomes if one.fault in _DEATHS and one.released is not None]
    hung = _released(outcomes, Fault.DAEMON_STOPPED)
    return {
        "benchmark": "faults while keyed" + (f", {hogs} busy processes" if hogs else ""),
        "faults": len(outcomes),
        "stuck": sum(one.released is None for one in outcomes),
        "keyed_again_before_mended": sum(one.keyed_meanwhile for one in outcomes),
        "after_death": {**spread_ms(died), "target_p99_ms": 20},
        "after_hang": {**spread_ms(hung), "target_p99_ms": 150},
        "others": {
            fault.value: spread_ms(found)
            for fault in Fault
            if fault not in (*_DEATHS, Fault.DAEMON_STOPPED)
            and (found := _released(outcomes, fault))
        },
        "kinds": dict(Counter(one.fault.value for one in outcomes)),
        "took_s": round(took),
    }


def _released(outcomes: list[Outcome], fault: Fault) -> list[float]:
    return [one.released for one in outcomes if one.fault is fault and one.released is not None]


@contextlib.contextmanager
def _busy(hogs: int) -> Iterator[None]:
    """So many processes that only count, at ordinary priority."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(hogs)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def _ordinary() -> None:
    os.setpriority(os.PRIO_PROCESS, 0, 0)
