"""Which links of the chain from button to person are up, as the journal's rows have it. Pure.

What the rows mean is said in `gateway.alarm.supervision.availability`. A row is made where something changes, and
nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.alarm.journal.rows import Row, Stored
from gateway.alarm.supervision.availability import CHAINS, Chain, chains_row, is_up, link_row
from gateway.alarm.supervision.supervision import Name, Part


class LinkLog:
    """The state of every link that a row has spoken of."""

    def __init__(self) -> None:
        self._up: dict[str, bool] = {}
        self._chains: bytes | None = None

    def load(self, rows: Iterable[Stored]) -> None:
        """The newest row of each link, from earlier runs."""
        for row in rows:
            up = is_up(row)
            if row.key == CHAINS:
                self._chains = row.body
            elif up is not None:
                self._up[row.key] = up

    def is_up(self, link: str) -> bool | None:
        """None where nothing was said of it yet."""
        return self._up.get(link)

    def up(self, prefix: str) -> tuple[str, ...]:
        """Every link below ``prefix`` that is up."""
        return tuple(link for link, up in self._up.items() if up and link.startswith(prefix))

    def silent(self) -> tuple[Name, ...]:
        """Who was silent when the last row about it was written."""
        found = []
        for link, up in self._up.items():
            part, _, name = link.partition("/")
            if not up and name and part in set(Part):
                found.append(Name(Part(part), name))
        return tuple(found)

    def change(self, link: str, *, up: bool, since: float | None = None) -> tuple[Row, ...]:
        """The row to be stored, if this is a change; ``since`` in POSIX seconds, if not now."""
        if self._up.get(link) == up:
            return ()
        self._up[link] = up
        return (link_row(link, up=up, since=since),)

    def take(self, chains: Iterable[Chain]) -> tuple[Row, ...]:
        """The row to be stored, if these are other chains than before."""
        row = chains_row(chains)
        if row.body == self._chains:
            return ()
        self._chains = row.body
        return (row,)
