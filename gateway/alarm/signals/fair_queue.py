"""Queues in which one source that says much delays itself and not the others. Pure.

Rules:

Rule 1. Sources take turns, each of a few items. Of one source items leave in the order they came.
Rule 2. A source that was silent goes before those that wait for another turn (as RFC 8290, 4.1 and
        4.2, does with new and old flows), so a single press overtakes a storm of other sites. It is
        forgotten only after the others had their turn: saying little often gains nothing.
Rule 3. With ranks, nothing of a higher number leaves while something of a lower one waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Flow(Generic[T]):
    """What one source has waiting, and how much of its turn is left."""

    left: int
    items: deque[T] = field(default_factory=deque)


class FairQueue(Generic[T]):
    """Goes round by source, ``turn`` items at a time (rules 1 and 2). It has no bound of its own."""

    def __init__(self, turn: int = 1) -> None:
        self._turn = turn
        self._flows: dict[str, _Flow[T]] = {}
        self._new: deque[str] = deque()
        self._old: deque[str] = deque()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def waiting(self, source: str) -> int:
        """How many items of one source wait."""
        flow = self._flows.get(source)
        return len(flow.items) if flow is not None else 0

    def put(self, source: str, item: T) -> None:
        flow = self._flows.get(source)
        if flow is None:
            flow = self._flows[source] = _Flow(self._turn)
            self._new.append(source)
        flow.items.append(item)
        self._length += 1

    @property
    def is_fresh(self) -> bool:
        """Whether the next item is of a source that was silent (rule 2)."""
        while self._new and not self._flows[self._new[0]].items:
            self._old.append(self._new.popleft())
        return bool(self._new)

    def take(self) -> T | None:
        """The next item; None where nothing waits."""
        while ring := self._new or self._old:
            source = ring[0]
            flow = self._flows[source]
            if not flow.items:
                ring.popleft()
                if ring is self._new:
                    self._old.append(source)
                else:
                    del self._flows[source]
                continue
            flow.left -= 1
            if not flow.left:
                flow.left = self._turn
                ring.popleft()
                self._old.append(source)
            self._length -= 1
            return flow.items.popleft()
        return None

    def withdraw(self, source: str, wanted: Callable[[T], bool]) -> list[T]:
        """Take out what of ``source`` is wanted, in order."""
        flow = self._flows.get(source)
        if flow is None:
            return []
        taken = [item for item in flow.items if wanted(item)]
        flow.items = deque(item for item in flow.items if not wanted(item))
        self._length -= len(taken)
        return taken


class RankedQueue(Generic[T]):
    """A fair queue for each rank (rule 3)."""

    def __init__(self, turn: int = 1) -> None:
        self._turn = turn
        self._ranks: dict[int, FairQueue[T]] = {}

    def __len__(self) -> int:
        return sum(len(queue) for queue in self._ranks.values())

    def put(self, rank: int, source: str, item: T) -> None:
        if rank not in self._ranks:
            self._ranks[rank] = FairQueue(self._turn)
            self._ranks = dict(sorted(self._ranks.items()))
        self._ranks[rank].put(source, item)

    def take(self) -> T | None:
        """The next item; None where nothing waits."""
        for queue in self._ranks.values():
            if queue:
                return queue.take()
        return None
