"""Which handlers a topic goes to. Pure.

Filters follow MQTT 5, 4.7: ``+`` is one level, ``#`` as the last level is everything from there
on (its parent included), and neither at the first level matches a topic that begins with ``$``.
A filter may have several handlers; the broker is asked for it once.
"""

from __future__ import annotations

from typing import Generic, TypeVar

H = TypeVar("H")

_CACHED_TOPICS = 4096
"""Topics whose handlers are remembered; past it the memory starts anew."""


class Subscriptions(Generic[H]):
    """Handlers by topic filter, in the order in which they came."""

    def __init__(self) -> None:
        self._handlers: dict[str, list[H]] = {}
        self._cache: dict[str, tuple[H, ...]] = {}

    def add(self, topic_filter: str, handler: H) -> None:
        """Add a handler.

        Raises:
            ValueError: it is no topic filter.
        """
        check_filter(topic_filter)
        self._handlers.setdefault(topic_filter, []).append(handler)
        self._cache.clear()

    def remove(self, topic_filter: str, handler: H | None = None) -> bool:
        """Take one handler away, or all; True where the filter has none left and had some."""
        handlers = self._handlers.get(topic_filter)
        if handlers is None:
            return False
        if handler is not None and handler in handlers:
            handlers.remove(handler)
        elif handler is None:
            handlers.clear()
        self._cache.clear()
        if handlers:
            return False
        del self._handlers[topic_filter]
        return True

    def filters(self) -> tuple[str, ...]:
        return tuple(self._handlers)

    def handlers(self, topic: str) -> tuple[H, ...]:
        """Every handler whose filter matches ``topic``."""
        found = self._cache.get(topic)
        if found is None:
            levels = topic.split("/")
            found = tuple(
                handler
                for topic_filter, handlers in self._handlers.items()
                if matches(topic_filter.split("/"), levels)
                for handler in handlers
            )
            if len(self._cache) >= _CACHED_TOPICS:
                self._cache.clear()
            self._cache[topic] = found
        return found


def check_filter(topic_filter: str) -> None:
    """Refuse what MQTT 5, 4.7.1 does not allow as a filter.

    Raises:
        ValueError: it is no topic filter.
    """
    levels = topic_filter.split("/")
    wild = any(level != "+" and "+" in level for level in levels) or any(
        level != "#" and "#" in level for level in levels
    )
    if not topic_filter or "\0" in topic_filter or wild or "#" in levels[:-1]:
        raise ValueError(f"{topic_filter!r} is no topic filter")


def matches(topic_filter: list[str], topic: list[str]) -> bool:
    """Whether a filter's levels match a topic's."""
    if topic[0].startswith("$") and topic_filter[0] in ("+", "#"):
        return False
    for index, level in enumerate(topic_filter):
        if level == "#":
            return True
        if index >= len(topic) or level not in ("+", topic[index]):
            return False
    return len(topic_filter) == len(topic)
