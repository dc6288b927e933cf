"""``python -m bench [NAME ...]``: run all benchmarks, or those named."""

from __future__ import annotations

import json
import sys
from importlib import import_module

NAMES = (
    "press",
    "storm",
    "speech",
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
    for name in sys.argv[1:] or NAMES:
        for result in import_module(f"bench.{name}").measure():
            print(json.dumps(result, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
