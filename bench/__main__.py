"""``python -m bench [NAME ...]``: run all benchmarks, or those named.

SIGTERM and SIGHUP end one as Ctrl-C does: what it started is stopped, its folder is removed. What it
started ends with it too where it is killed.
"""

from __future__ import annotations

import json
import signal
import sys
from importlib import import_module

NAMES = (
    "press",
    "storm",
    "speech",
    "first_words",
    "squelch",
    "streams",
    "voice_cpu",
    "memory",
    "recorder",
    "loading",
    "links",
    "quality",
    "svxlink",
    "ptt_faults",
    "split",
)


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    for name in sys.argv[1:] or NAMES:
        for result in import_module(f"bench.{name}").measure():
            print(json.dumps(result, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
