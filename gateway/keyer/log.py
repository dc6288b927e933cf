"""Log lines that cannot hold up the keyer.

A journal that hangs, or a disk that does, blocks whoever writes to standard error; the keyer would
keep its transmitters as they are meanwhile. So a thread writes, from a queue of `LINES`; what has no
room is dropped, and the first line that has room again says how many were.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time

LINES = 200

_LOGGER = logging.getLogger(__name__)


class Outlet(logging.Handler):
    """Stands before ``slow``, the handler that writes."""

    def __init__(self, slow: logging.Handler) -> None:
        super().__init__()
        self._slow = slow
        self._records: queue.Queue[logging.LogRecord] = queue.Queue(LINES)
        self._dropped = 0
        threading.Thread(target=self._write, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._records.put_nowait(record)
        except queue.Full:
            self._dropped += 1

    def drain(self, within: float) -> bool:
        """Whether all has been written; waits for that at most so long."""
        until = time.monotonic() + within
        while self._records.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.005)
        return not self._records.unfinished_tasks

    def _write(self) -> None:
        while True:
            record = self._records.get()
            self._slow.handle(record)
            self._records.task_done()
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                with contextlib.suppress(queue.Full):
                    self._records.put_nowait(_said(f"{dropped} log lines were dropped"))


def _said(text: str) -> logging.LogRecord:
    return _LOGGER.makeRecord(_LOGGER.name, logging.WARNING, __file__, 0, text, (), None)


def put_before(root: logging.Logger) -> Outlet:
    """Make an outlet of the logger's one handler."""
    (slow,) = root.handlers
    outlet = Outlet(slow)
    root.handlers[:] = [outlet]
    return outlet
