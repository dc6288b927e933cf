"""Children that do not outlive whoever started them."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
"""prctl(2)."""


def ends_with_parent(number: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """What a child is to call before its program starts (``preexec_fn``). Linux only.

    ``number`` is sent to it when the thread that started it ends, however that ends.
    """
    libc = ctypes.CDLL(None, use_errno=True)  # here and not in the child, where less is allowed
    parent = os.getpid()

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # it has ended meanwhile
            os.kill(os.getpid(), number)

    return ask
