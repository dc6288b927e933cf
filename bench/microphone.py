"""``python -m bench.microphone PORT``: a tone of 1 kHz to a gateway's UDP sound, 20 ms a datagram, 16 kHz."""

from __future__ import annotations

import socket
import sys
import time

import numpy as np


def main(port: int) -> None:
    at = np.arange(320)
    block = (8_000 * np.sin(2 * np.pi * at * 1_000 / 16_000)).astype("<i2").tobytes()
    due = time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        while True:
            out.sendto(block, ("127.0.0.1", port))
            due = max(due + 0.02, time.monotonic() - 0.1)
            time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main(int(sys.argv[1]))
