"""Calls to a device that may hang, for a caller that must not.

A USB chip that does not answer keeps its caller in the kernel for up to 5 s, and whoever opens or
closes another such device for as long. The keyer has other transmitters to release meanwhile.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Bounded:
    """One thread for one device; its calls run there in order. Used from one other thread."""

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], bool]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @staticmethod
    def hangs(name: str) -> bool:
        """Whether a thread of that name, left behind, has still not come back."""
        return any(thread.name == name for thread in threading.enumerate())

    def call(self, what: Callable[[], T], within: float) -> T:
        """The result of ``what()``, or what it raises.

        Raises:
            TimeoutError: it did not return in time; it will run to its end all the same.
        """
        done = threading.Event()
        results: list[T] = []
        errors: list[Exception] = []

        def job() -> bool:
            try:
                results.append(what())
            except Exception as error:  # noqa: BLE001 - raised where it is waited for
                errors.append(error)
            done.set()
            return True

        self._jobs.put(job)
        if not done.wait(within):
            raise TimeoutError("it does not answer")
        if errors:
            raise errors[0]
        return results[0]

    def end(self, last: Callable[[], object], within: float) -> None:
        """Run ``last`` after all else, then end the thread; wait for that at most so long."""

        def job() -> bool:
            last()
            return False

        self._jobs.put(job)
        self._thread.join(within)

    def _run(self) -> None:
        while self._jobs.get()():
            pass
