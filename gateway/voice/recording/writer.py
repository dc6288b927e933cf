"""A thread for the disk: jobs one after the other, off the loop's path. Voice never waits for it."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

_LOGGER = logging.getLogger(__name__)

MAX_WAITING = 512
"""Jobs: with a page a second of each burst, 8 s of a disk that stands still at 60 bursts."""

Job = Callable[[], None]


class Writer:
    """Does jobs in their order. A daemon thread: a disk that never answers stops no exit."""

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def accepts(self) -> bool:
        """Whether it keeps up. What must be done is done all the same (`do`); it is of bounded number."""
        return self._jobs.qsize() < MAX_WAITING

    def do(self, job: Job) -> None:
        """Do this after what was asked before."""
        self._jobs.put(job)

    def close(self, within: float) -> bool:
        """Do what waits, and end; False where that takes longer than ``within`` seconds. Blocking."""
        self._jobs.put(None)
        if self._thread.is_alive():
            self._thread.join(within)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception:
                _LOGGER.exception("recordings: a job failed")
