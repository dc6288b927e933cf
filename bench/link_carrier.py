"""A process between network namespaces: carries their packets with a delay and a chance of loss.

``python -m bench.link_carrier JOB``, where JOB is JSON: ``delay`` seconds one way, ``seed``, and
``links``, each with two ends ``[namespace, device, address/length]``. Prints ``ready``; each line
on its standard input is then a new chance of loss (each way, each packet by itself), and it ends
with its input. TCP across it is the kernel's own; the host's kernel needs no netem for it.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import json
import os
import random
import select
import struct
import subprocess
import sys
import time
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 1, 0x1000


def _tun(namespace: str, device: str, address: str) -> int:
    """A tun device, up, in ``namespace``; the descriptor stays ours."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(f"/run/netns/{namespace}").open("rb") as there:
        if libc.setns(there.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", device.encode(), _IFF_TUN | _IFF_NO_PI))
    for words in (["addr", "add", address, "dev", device], ["link", "set", device, "up"]):
        subprocess.run(["ip", *words], check=True)
    return fd


def main() -> None:
    job = json.loads(sys.argv[1])
    rng = random.Random(job["seed"])
    delay, loss = job["delay"], 0.0
    across: dict[int, int] = {}
    for one, other in job["links"]:
        ends = _tun(*one), _tun(*other)
        across[ends[0]], across[ends[1]] = ends[1], ends[0]
    print("ready", flush=True)
    poll = [0, *across]
    waiting: list[tuple[float, int, int, bytes]] = []
    number = 0
    while True:
        patience = max(waiting[0][0] - time.monotonic(), 0) if waiting else None
        ready, _, _ = select.select(poll, [], [], patience)
        now = time.monotonic()
        for fd in ready:
            if fd == 0:
                line = os.read(0, 100)
                if not line:
                    return
                loss = float(line.split()[-1])
                continue
            while True:
                try:
                    packet = os.read(fd, 65_536)
                except BlockingIOError:
                    break
                if rng.random() >= loss:
                    number += 1
                    heapq.heappush(waiting, (now + delay, number, across[fd], packet))
        while waiting and waiting[0][0] <= now:
            _, _, to, packet = heapq.heappop(waiting)
            os.write(to, packet)


if __name__ == "__main__":
    main()
