"""Work that goes before all ordinary work of the machine: very little of it, on which a transmitter waits."""

from __future__ import annotations

import contextlib
import os

_NICE = -10
"""Where it may be no more than that; it counts only within a session where the kernel groups by session."""


def raise_priority() -> None:
    """The calling thread goes first from now on (sched(7): round robin, the least real-time priority).

    Where that is not allowed it is niced, and where that is not allowed either nothing happens. What it
    starts is ordinary again.
    """
    real_time = os.SCHED_RR | os.SCHED_RESET_ON_FORK
    least = os.sched_param(os.sched_get_priority_min(os.SCHED_RR))
    try:
        os.sched_setscheduler(0, real_time, least)
    except OSError:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, _NICE)
