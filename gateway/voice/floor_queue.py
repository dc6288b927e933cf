"""The requests that wait for a floor: by priority, then by arrival. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.voice.floor_actions import Request, client_of


class FloorQueue:
    """An ordered queue with at most one request of each talker."""

    def __init__(self) -> None:
        self._requests: list[Request] = []

    def __iter__(self) -> Iterator[Request]:
        return iter(tuple(self._requests))

    def __len__(self) -> int:
        return len(self._requests)

    @property
    def first(self) -> Request | None:
        return self._requests[0] if self._requests else None

    def put(self, request: Request) -> None:
        """Add a request, or replace its talker's; at an unchanged priority it keeps its place."""
        for place, other in enumerate(self._requests):
            if other.talker == request.talker and other.priority == request.priority:
                self._requests[place] = request
                return
        self.remove(request.talker)
        self._requests.append(request)
        self._requests.sort(key=lambda other: -other.priority)  # stable: then by arrival

    def remove(self, talker: str) -> bool:
        """Take a talker's request away; False where there is none."""
        before = len(self._requests)
        self._requests = [request for request in self._requests if request.talker != talker]
        return len(self._requests) < before

    def remove_client(self, client: str) -> None:
        """Take away every request of a client."""
        self._requests = [one for one in self._requests if client_of(one.talker) != client]

    def pop(self) -> Request:
        """Take the first."""
        return self._requests.pop(0)

    def trim(self, room: int) -> list[Request]:
        """Take away the last ones beyond ``room``."""
        extra = self._requests[room:]
        del self._requests[room:]
        return extra

    def position(self, request: Request) -> int | None:
        """Its place from 1; None where it does not wait."""
        return self._requests.index(request) + 1 if request in self._requests else None

    def clear(self) -> list[Request]:
        """Take all away."""
        return self.trim(0)
