"""Keeps Python's cyclic collector from stopping the world in the middle of a word.

A full collection holds every thread up for as long as it takes to look at every object: measured,
27 ms while a configuration of 400 endpoints is read and 48 ms for 2,000, against the 100 ms that a
keyed transmitter survives without a keepalive. So what lives as long as the daemon is taken out of
its sight, and a reload, which makes objects by the hundred thousand and no cycle, goes without it.

A storm makes them by the hundred thousand too: measured, ten full collections while 30,000 signals
came in, of up to 180 ms each, which found nothing. So there is none by itself: each minute what few
objects have come since are looked at, and where they are many they are taken out of sight as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
from collections.abc import Iterator

EACH = 60.0
"""Seconds from one look to the next."""
FEW = 10
"""Collections of the middle generation since the last look, each of at most 7,000 new objects: what
these left is looked at in about 10 ms."""
_NEVER = 1_000_000_000


def settle() -> None:
    """Collect once, and look at nothing that is left ever again. Reference counts still free it.

    From then on there is no full collection but that of `look`.

    What a start took and needs no longer goes back to the system: glibc keeps the holes of large
    blocks (measured: 30 MB after a configuration of 30,000 endpoints).
    """
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _NEVER)
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl does not
    if trim is not None:
        trim(0)


async def tend() -> None:
    """Look at what has come, again and again, until cancelled."""
    while True:
        await asyncio.sleep(EACH)
        look()


def look() -> None:
    """Collect what few objects have come since the last look, or take many of them out of sight.

    What is out of sight and in a cycle is never freed: after a storm that is next to nothing.
    """
    if gc.get_count()[2] <= FEW:
        gc.collect()
    else:
        gc.collect(1)
        gc.freeze()


@contextlib.contextmanager
def off() -> Iterator[None]:
    """No collection during the block: measured, it triples the time to read a large configuration."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """No collection during the block, and none of what it made after it."""
    with off():
        try:
            yield
        finally:
            gc.freeze()
