"""The requests that wait for a floor: by priority, then by arrival; and who knows its place. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.voice.floor.actions import Request, client_of


class FloorQueue:
    """An ordered queue with at most one request of each talker."""

    def __init__(self) -> None:
        self._requests: list[Request] = []
        self._told: dict[str, int] = {}  # by talker, the place that it knows of

    def __iter__(self) -> Iterator[Request]:
        return iter(tuple(self._requests))

    def __len__(self) -> int:
        return len(self._requests)

    @property
    def first(self) -> Request | None:
        return self._requests[0] if self._requests else None

    def put(self, request: Request) -> None:
        """Add a request, or replace its talker's; at an unchanged priority it keeps its place.

        Either way its talker is to be told where it stands.
        """
        self._told.pop(request.talker, None)
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

    def ask(self, talker: str) -> bool:
        """``talker`` wants to know where it stands; False where it does not wait."""
        waits = any(request.talker == talker for request in self._requests)
        if waits:
            self._told.pop(talker, None)
        return waits

    def news(self) -> list[tuple[Request, int]]:
        """Requests with their places from 1, of talkers who know no place or another one."""
        places = {request.talker: place for place, request in enumerate(self._requests, 1)}
        news = [
            (request, places[request.talker])
            for request in self._requests
            if self._told.get(request.talker) != places[request.talker]
        ]
        self._told = places
        return news

    def clear(self) -> list[Request]:
        """Take all away."""
        return self.trim(0)
