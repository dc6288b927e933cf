"""An endpoint's squelch out of its settings: which lines the keyer holds for it, what listens. No decisions.

The keyer holds one PTT and one squelch line under the endpoint's name: the squelch line on the
transmitter's port where there is one, else the first. Further lines have names of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from gateway.settings.drivers import DriverChoice
from gateway.settings.model import Endpoint
from gateway.settings.squelch import SquelchCombination, leaves, listens
from gateway.voice.keying.keyer_client import KeyedEndpoint, LineChoice
from gateway.voice.uplink.squelch import Combination, Ear, Line, Part, Squelch


class Drivers(Protocol):
    """Where squelches that listen come from: the module ``drivers.registry``."""

    def driver(self, family: str, name: str) -> type: ...


def keyed(name: str, endpoint: Endpoint) -> Iterator[KeyedEndpoint]:
    """What the keyer holds for an endpoint."""
    lines = list(_lines(endpoint))
    if endpoint.ptt is None and not lines:
        return
    ptt = None if endpoint.ptt is None else _choice(endpoint.ptt)
    first = _with_ptt(endpoint, lines)
    yield KeyedEndpoint(name, ptt, None if first is None else _choice(lines[first]))
    for number, line in enumerate(lines):
        if number != first:
            yield KeyedEndpoint(_name(name, number), None, _choice(line))


def senses(name: str, endpoint: Endpoint) -> list[str]:
    """The names of the keyer's lines that `squelch` counts, in its order."""
    lines = list(_lines(endpoint))
    first = _with_ptt(endpoint, lines)
    return [name if number == first else _name(name, number) for number in range(len(lines))]


def squelch(name: str, endpoint: Endpoint, drivers: Drivers) -> Squelch:
    """The machine that joins lines and listeners.

    Raises:
        DriverUnavailable: a driver of one that listens cannot be loaded.
    """
    numbers = iter(range(len(list(_lines(endpoint)))))

    def ear(choice: DriverChoice) -> Ear:
        return Ear(drivers.driver("squelch", choice.driver)(name, choice.options))

    tree = endpoint.squelch
    return Squelch(None if tree is None else _part(tree, lambda: Line(next(numbers)), ear))


def listening(endpoint: Endpoint) -> bool:
    """Whether any part of its squelch listens to the audio."""
    return any(listens(choice) for choice in leaves(endpoint.squelch))


def _part(
    tree: DriverChoice | SquelchCombination,
    line: Callable[[], Line],
    ear: Callable[[DriverChoice], Ear],
) -> Part:
    if isinstance(tree, DriverChoice):
        return ear(tree) if listens(tree) else line()
    # In the order of `leaves`, by which lines are numbered.
    every = tuple(_part(part, line, ear) for part in tree.all)
    some = tuple(_part(part, line, ear) for part in tree.any)
    none = None if tree.none is None else _part(tree.none, line, ear)
    return Combination(every, some, none)


def _lines(endpoint: Endpoint) -> Iterator[DriverChoice]:
    return (choice for choice in leaves(endpoint.squelch) if not listens(choice))


def _with_ptt(endpoint: Endpoint, lines: list[DriverChoice]) -> int | None:
    occupied = set() if endpoint.ptt is None else _occupied(endpoint.ptt)
    shared = (n for n, line in enumerate(lines) if not occupied.isdisjoint(_occupied(line)))
    return next(shared, 0 if lines else None)


def _occupied(choice: DriverChoice) -> set[str]:
    occupies = getattr(choice.options, "occupies", None)
    return set() if occupies is None else set(occupies())


def _name(endpoint: str, number: int) -> str:
    return f"{endpoint}.squelch-{number + 1}"


def _choice(choice: DriverChoice) -> LineChoice:
    return LineChoice(choice.driver, choice.options)
