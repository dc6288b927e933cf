"""Word of the daemon's death, sooner than its socket closes.

The kernel closes a killed process's descriptors when the last of its threads has ended, and one that
waits for a disk ends late; but it tells a child as soon as the thread that made it has (prctl(2),
PR_SET_PDEATHSIG). That thread does nothing but wait for the keyer, so it is the first to end
(`gateway.voice.keying.keyer_connection`).
"""

from __future__ import annotations

import ctypes
import os
import signal

WORD = signal.SIGUSR1
_PR_SET_PDEATHSIG = 1


def death() -> int:
    """A descriptor that can be read once the parent's thread has ended; -1 where that cannot be had.

    To be called once, in the main thread.
    """
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(WORD, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    if ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(WORD), 0, 0, 0) != 0:
        return -1
    return reading
