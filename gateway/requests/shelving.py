"""What a person may ask about shelved troubles."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from gateway.alarm.desk import Desk
from gateway.alarm.journal.rows import Row
from gateway.alarm.plans.plan import SourceFacts
from gateway.alarm.signals.shelving import Shelf
from gateway.control.server import Handler, Session, WrongCall
from gateway.errors import StorageError
from gateway.moment import timestamp
from gateway.ops.clock import SystemClock
from gateway.requests.words import number_of, text_of


class ShelvingRequests:
    """``shelve.*``; ``changed`` is told the endpoint."""

    def __init__(
        self,
        desk: Desk,
        source_of: Callable[[str], SourceFacts | None],
        append: Callable[[Sequence[Row]], Awaitable[int]],
        clock: SystemClock,
        changed: Callable[[str], None],
    ) -> None:
        self._desk = desk
        self._source_of = source_of
        self._append = append
        self._clock = clock
        self._changed = changed

    def handlers(self) -> Mapping[str, Handler]:
        return {
            "shelve.add": self._add,
            "shelve.list": self._list,
            "shelve.remove": self._remove,
        }

    async def _add(self, request: dict[str, Any], _: Session) -> dict[str, Any]:
        source = self._source_of(text_of(request, "endpoint"))
        if source is None:
            raise WrongCall(f"this gateway has no endpoint {request['endpoint']!r}")
        now = self._clock.now()
        shelf = Shelf(
            endpoint=source.endpoint,
            until=now.wall + number_of(request, "seconds"),
            by=text_of(request, "by"),
            reason=str(request.get("reason") or ""),
        )
        shelving = self._desk.intake.shelving
        refused = shelving.shelve(shelf, source, now)
        if refused is not None:
            raise WrongCall(f"{source.endpoint}: not shelved: {refused}")
        self._desk.arm()
        self._changed(source.endpoint)
        return _told(shelf) | {"stored": await self._stored(shelving.take_rows())}

    async def _list(self, _request: dict[str, Any], _: Session) -> list[dict[str, Any]]:
        return [_told(shelf) for shelf in self._desk.intake.shelving.shelves]

    async def _remove(self, request: dict[str, Any], _: Session) -> dict[str, Any]:
        endpoint = text_of(request, "endpoint")
        shelving = self._desk.intake.shelving
        told = shelving.unshelve(endpoint, text_of(request, "by"))
        if told is None:
            raise WrongCall(f"{endpoint} is not shelved; see `baiying shelve list`")
        rows = shelving.take_rows()
        first, *standing = told
        self._desk.report(first, rows)
        for sighting in standing:
            self._desk.report(sighting)
        self._changed(endpoint)
        return {"endpoint": endpoint, "standing": [one.text for one in standing]}

    async def _stored(self, rows: Sequence[Row]) -> bool:
        try:
            await self._append(rows)
        except StorageError:
            return False
        return True


def _told(shelf: Shelf) -> dict[str, Any]:
    return {
        "endpoint": shelf.endpoint,
        "until": timestamp(shelf.until),
        "by": shelf.by,
        "reason": shelf.reason,
    }
