"""The retained topics of one client: what each says now, and what the broker has yet to hear. Pure.

Rules:

1. A topic has one value, the newest. A value that was replaced before it was sent is never sent,
   unless it was put as one of which ``each`` matters (an incident's states): these are sent one
   after the other, the newest `MAX_STEPS` of them, while the broker is there.
2. On every connect the newest value of each topic is unsent again: a broker may have restarted empty.
3. Of one topic at most one value is in flight, so that an older one never lands after a newer one.
4. An empty payload clears the topic, and is forgotten once the broker has acknowledged it.
5. Bulk values (a state for each of thousands of endpoints) are taken apart from the others.
6. A value with an expiry keeps it from when it was set: a later connect sends only what is left
   of it, and nothing once it has run out.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass

MAX_STEPS = 64
"""Bound of the values of one topic that wait to be sent; past it the oldest go."""


@dataclass(frozen=True, slots=True)
class Value:
    """What one retained topic says; ``until`` is when it expires, in the seconds of ``now``."""

    topic: str
    payload: bytes
    until: float | None = None
    bulk: bool = False

    def expiry(self, now: float) -> int | None:
        """Seconds left, rounded up; None where it does not expire."""
        return None if self.until is None else max(0, -int(-(self.until - now) // 1))


class Retained:
    """Newest value by topic. ``now`` is any clock in seconds that never goes back."""

    def __init__(self) -> None:
        self._values: dict[str, Value] = {}
        # Sets that keep their order; the second is of the bulk values. In a plain dict the places of
        # what was taken off its beginning are walked over again and again.
        self._unsent: tuple[OrderedDict[str, None], OrderedDict[str, None]] = (
            OrderedDict(),
            OrderedDict(),
        )
        self._in_flight: dict[str, Value] = {}
        self._steps: dict[str, deque[Value]] = {}

    def __len__(self) -> int:
        return len(self._values)

    @property
    def waits(self) -> bool:
        """Whether a value that is not bulk is unsent."""
        return bool(self._unsent[False])

    @property
    def bulk_waits(self) -> bool:
        """Whether a bulk value is unsent."""
        return bool(self._unsent[True])

    def put(
        self,
        topic: str,
        payload: bytes,
        expiry: int | None,
        now: float,
        *,
        each: bool = False,
        bulk: bool = False,
    ) -> None:
        """Set a topic's newest value; ``b""`` clears it. ``expiry`` in seconds."""
        until = None if expiry is None or not payload else now + expiry
        value = self._values[topic] = Value(topic, payload, until, bulk)
        self._unsent[not bulk].pop(topic, None)
        self._unsent[bulk][topic] = None
        if each:
            self._steps.setdefault(topic, deque(maxlen=MAX_STEPS)).append(value)
        else:
            self._steps.pop(topic, None)

    def connected(self) -> None:
        """A broker that may know nothing is there: everything is unsent (rule 2)."""
        self._in_flight.clear()
        self._steps.clear()
        for topic, value in self._values.items():
            self._unsent[not value.bulk].pop(topic, None)
            self._unsent[value.bulk][topic] = None

    def take(self, now: float, *, bulk: bool = False) -> Value | None:
        """The next value to send, of the bulk or of the others; it is in flight until `settled`."""
        unsent = self._unsent[bulk]
        while topic := next((one for one in unsent if one not in self._in_flight), None):
            value = self._next(topic, unsent)
            if value.until is None or value.until > now:
                self._in_flight[topic] = value
                return value
            if value is self._values[topic]:
                del self._values[topic]
        return None

    def _next(self, topic: str, unsent: OrderedDict[str, None]) -> Value:
        """The topic's next value; it stays unsent while there are more."""
        steps = self._steps.get(topic)
        value = steps.popleft() if steps else self._values[topic]
        if not steps:
            self._steps.pop(topic, None)
            del unsent[topic]
        return value

    def settled(self, value: Value, *, acknowledged: bool) -> None:
        """The broker has acknowledged ``value``, or refused it; a lost one is settled by `connected`."""
        topic = value.topic
        if self._in_flight.get(topic) is not value:
            return
        del self._in_flight[topic]
        if acknowledged and not value.payload and self._values.get(topic) is value:
            del self._values[topic]
