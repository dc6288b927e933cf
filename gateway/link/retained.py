"""The retained topics of one client: what each says now, and what the broker has yet to hear. Pure.

Rules:

1. A topic has one value, the newest. A value that was replaced before it was sent is never sent.
2. On every connect all values are unsent again: a broker may have restarted empty.
3. Of one topic at most one value is in flight, so that an older one never lands after a newer one.
4. An empty payload clears the topic, and is forgotten once the broker has acknowledged it.
5. A value with an expiry keeps it from when it was set: a later connect sends only what is left
   of it, and nothing once it has run out.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Value:
    """What one retained topic says; ``until`` is when it expires, in the seconds of ``now``."""

    topic: str
    payload: bytes
    until: float | None = None

    def expiry(self, now: float) -> int | None:
        """Seconds left, rounded up; None where it does not expire."""
        return None if self.until is None else max(0, -int(-(self.until - now) // 1))


class Retained:
    """Newest value by topic. ``now`` is any clock in seconds that never goes back."""

    def __init__(self) -> None:
        self._values: dict[str, Value] = {}
        self._unsent: dict[str, None] = {}  # a set that keeps its order
        self._in_flight: dict[str, Value] = {}

    def __len__(self) -> int:
        return len(self._values)

    def put(self, topic: str, payload: bytes, expiry: int | None, now: float) -> None:
        """Set a topic's newest value; ``b""`` clears it. ``expiry`` in seconds."""
        until = None if expiry is None or not payload else now + expiry
        self._values[topic] = Value(topic, payload, until)
        self._unsent[topic] = None

    def connected(self) -> None:
        """A broker that may know nothing is there: everything is unsent (rule 2)."""
        self._in_flight.clear()
        self._unsent = dict.fromkeys(self._values)

    def take(self, now: float) -> Value | None:
        """The next value to send; it is in flight until `settled`."""
        while topic := next((one for one in self._unsent if one not in self._in_flight), None):
            del self._unsent[topic]
            value = self._values[topic]
            if value.until is None or value.until > now:
                self._in_flight[topic] = value
                return value
            del self._values[topic]
        return None

    def settled(self, value: Value, *, acknowledged: bool) -> None:
        """The broker has acknowledged ``value``, or refused it; a lost one is settled by `connected`."""
        topic = value.topic
        if self._in_flight.get(topic) is not value:
            return
        del self._in_flight[topic]
        if acknowledged and not value.payload and self._values.get(topic) is value:
            del self._values[topic]
