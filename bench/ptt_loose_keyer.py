"""A keyer without what makes it one: no hold, no release at its daemon's end. A control for tests."""

from __future__ import annotations

import sys
import time

from gateway.cli import keyer
from gateway.keyer import line, process


def _stay(self: process.KeyerProcess) -> None:  # noqa: ARG001
    time.sleep(5)


if __name__ == "__main__":
    line.HOLD = 3600.0
    process.KeyerProcess._linger = _stay  # type: ignore[method-assign]
    sys.exit(keyer.main(sys.argv[1:]))
