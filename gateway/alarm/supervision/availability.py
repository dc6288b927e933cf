"""One figure from button to person: for how much of the time a press would have reached somebody. Pure.

The journal says when each link of the chain went up and down (rows `Kind.LINK`), and which chains
there are; the figure follows from these rows alone.

Rules:

Rule 1. The key of a row is the link: ``gateway`` (this one's run), ``journal`` (the disk stores),
        ``broker`` (it is reached), ``input/<name>`` and ``endpoint/<name>`` (heard as supervised),
        ``group/<name>`` (a client of the group is there and on duty), and for information only
        ``gateway/<name>`` and ``responder/<client>``. Its body is ``{"up": bool}``, with ``since`` (POSIX
        seconds) where it was noticed late: a gateway notes at its start since when it was down.
Rule 2. A row with the key ``chains`` says what there is from then on: for each chain its ``input``,
        a supervised ``endpoint`` or null, the ``groups`` of its plan's first level, those of them that
        are ``local`` (served by this very gateway), and how many ``sources`` it is that of.
Rule 3. A source is available while the gateway, the journal, its input and its endpoint are up, and
        one of its groups is within reach: a local one, or one that is up while the broker is.
Rule 4. What no row speaks of is taken to be up. A group that no row speaks of is named as unmeasured.
Rule 5. The figure is the time for which sources were available, over the time for which there were
        such sources; None where there were none.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from gateway.alarm.journal.rows import Kind, Row, Stored

GATEWAY, JOURNAL, BROKER, CHAINS = "gateway", "journal", "broker", "chains"


@dataclass(frozen=True, slots=True)
class Chain:
    """What ``sources`` endpoints have in common (rule 2)."""

    input: str | None
    endpoint: str | None
    groups: tuple[str, ...]
    local: tuple[str, ...]
    sources: int

    def links(self) -> Iterator[str]:
        """Everything that it may depend on."""
        yield from (GATEWAY, JOURNAL, BROKER)
        if self.input is not None:
            yield f"input/{self.input}"
        if self.endpoint is not None:
            yield f"endpoint/{self.endpoint}"
        yield from (f"group/{name}" for name in self.groups)

    def is_available(self, down: Container[str]) -> bool:
        """Rule 3, while the links ``down`` are down."""
        if GATEWAY in down or JOURNAL in down:
            return False
        if f"input/{self.input}" in down or f"endpoint/{self.endpoint}" in down:
            return False
        if self.local:
            return True
        return BROKER not in down and any(f"group/{name}" not in down for name in self.groups)


@dataclass(frozen=True, slots=True)
class LinkTimes:
    """One link over a period; ``down`` and ``longest`` in seconds."""

    down: float = 0.0
    outages: int = 0
    longest: float = 0.0


@dataclass(frozen=True, slots=True)
class Availability:
    """A period's figure, between 0 and 1, and what there is to say about it.

    ``sources`` is how many there were at its end; ``links`` are those that were down in it.
    """

    figure: float | None
    sources: int
    links: Mapping[str, LinkTimes]
    unmeasured: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Link:
    up: bool
    since: float | None = None


@dataclass(frozen=True, slots=True)
class _Chains:
    chains: tuple[Chain, ...]


_LINK = msgspec.json.Decoder(_Link)
_CHAINS = msgspec.json.Decoder(_Chains)


def link_row(link: str, *, up: bool, since: float | None = None) -> Row:
    """A link has gone up or down; ``since`` in POSIX seconds where that was earlier than now."""
    body = {"up": up} if since is None else {"up": up, "since": since}
    return Row(Kind.LINK, link, msgspec.json.encode(body))


def chains_row(chains: Iterable[Chain]) -> Row:
    """The chains that there are from now on."""
    return Row(Kind.LINK, CHAINS, msgspec.json.encode(_Chains(tuple(sorted(chains, key=_order)))))


def is_up(row: Stored) -> bool | None:
    """What a link's row says; None where it is another's, or damaged."""
    if row.kind != Kind.LINK or row.key == CHAINS:
        return None
    try:
        return _LINK.decode(row.body).up
    except msgspec.MsgspecError:
        return None


class _Sweep:
    """What is known at one instant, and what was added up until then."""

    def __init__(self, at: float) -> None:
        self.at = at
        self.counted = 0.0
        self.available = 0.0
        self.chains: tuple[Chain, ...] = ()
        self.down: dict[str, float] = {}
        """Links that are down, and since when."""
        self.outages: dict[str, LinkTimes] = {}
        self._users: dict[str, list[int]] = {}
        """Chains by link, as indices into what follows."""
        self._available: list[bool] = []
        self._sources = 0
        self._reaching = 0
        self._changed: set[str] = set()

    def until(self, time: float) -> None:
        """Nothing changes until ``time``."""
        passed = time - self.at
        if passed > 0:
            self._settle()
            self.counted += passed * self._sources
            self.available += passed * self._reaching
            self.at = time

    def link(self, link: str, *, up: bool) -> None:
        if not up:
            self.down.setdefault(link, self.at)
        elif (since := self.down.pop(link, None)) is not None and self.at > since:
            self._note(link, self.at - since)
        self._changed.add(link)

    def take(self, chains: tuple[Chain, ...]) -> None:
        self.chains = chains
        self._users = {}
        for index, chain in enumerate(chains):
            for link in chain.links():
                self._users.setdefault(link, []).append(index)
        self._available = [False] * len(chains)
        self._sources, self._reaching = sum(chain.sources for chain in chains), 0
        self._changed = set(self._users)

    def end(self) -> None:
        for link, since in self.down.items():
            if self.at > since:
                self._note(link, self.at - since)

    def _settle(self) -> None:
        for index in {one for link in self._changed for one in self._users.get(link, ())}:
            chain = self.chains[index]
            before, self._available[index] = self._available[index], chain.is_available(self.down)
            self._reaching += (self._available[index] - before) * chain.sources
        self._changed.clear()

    def _note(self, link: str, lasted: float) -> None:
        before = self.outages.get(link, LinkTimes())
        self.outages[link] = LinkTimes(
            before.down + lasted, before.outages + 1, max(before.longest, lasted)
        )


def availability(rows: Iterable[Stored], since: float, until: float) -> Availability:
    """The figure of ``since`` <= time < ``until`` (POSIX seconds).

    ``rows`` are those of the kind `Kind.LINK` from the journal's beginning on; others are passed over.
    """
    sweep = _Sweep(since)
    spoken = set()
    for time, link, what in sorted(_events(rows), key=lambda event: event[0]):
        if time >= until:
            break
        sweep.until(time)
        if isinstance(what, bool):
            spoken.add(link)
            sweep.link(link, up=what)
        else:
            sweep.take(what)
    sweep.until(until)
    sweep.end()
    groups = {name for chain in sweep.chains for name in chain.groups if name not in chain.local}
    return Availability(
        figure=sweep.available / sweep.counted if sweep.counted else None,
        sources=sum(chain.sources for chain in sweep.chains),
        links=dict(sorted(sweep.outages.items())),
        unmeasured=tuple(sorted(name for name in groups if f"group/{name}" not in spoken)),
    )


def _events(rows: Iterable[Stored]) -> Iterator[tuple[float, str, bool | tuple[Chain, ...]]]:
    """When what changed; a damaged row changes nothing."""
    for row in rows:
        if row.kind != Kind.LINK:
            continue
        try:
            if row.key == CHAINS:
                yield row.wall, row.key, _CHAINS.decode(row.body).chains
            else:
                link = _LINK.decode(row.body)
                yield (row.wall if link.since is None else link.since), row.key, link.up
        except msgspec.MsgspecError:
            continue


def _order(chain: Chain) -> tuple[str, str, tuple[str, ...], tuple[str, ...]]:
    return chain.input or "", chain.endpoint or "", chain.groups, chain.local
