"""Positions, and who may be near to one without looking at everybody. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from math import asin, cos, floor, pi, radians, sin, sqrt

EARTH_RADIUS = 6_371_008.8
"""Metres; the mean radius of the WGS 84 ellipsoid (IUGG)."""

FARTHEST = pi * EARTH_RADIUS
"""Metres; nothing is farther away than half way round."""

CELL = 0.01
"""Degrees: 1.1 km from south to north, about the size of a grid cell of a district."""

_ROUND = round(360 / CELL)
_MARGIN = 1.000_001
_LEAST_MARGIN = 1e-9
"""What rounding may take away: a part of the way, and never less than so many degrees (0.1 mm)."""

Position = tuple[float, float]
"""Latitude and longitude, WGS 84 degrees."""

_Cell = tuple[int, int]


def distance(one: Position, other: Position) -> float:
    """Metres between two positions on the sphere (haversine; within 0.6 % of the ellipsoid)."""
    north, east = radians(other[0] - one[0]), radians(other[1] - one[1])
    half = sin(north / 2) ** 2 + cos(radians(one[0])) * cos(radians(other[0])) * sin(east / 2) ** 2
    return 2 * EARTH_RADIUS * asin(sqrt(min(half, 1.0)))


class Places:
    """Where things are, by name."""

    def __init__(self) -> None:
        self._cells: dict[_Cell, dict[str, None]] = {}
        self._of: dict[str, _Cell] = {}

    def __len__(self) -> int:
        return len(self._of)

    def put(self, name: str, position: Position) -> None:
        """It is there now, wherever it was."""
        cell = floor(position[0] / CELL), floor(position[1] / CELL) % _ROUND
        if self._of.get(name) != cell:
            self.remove(name)
            self._of[name] = cell
            self._cells.setdefault(cell, {})[name] = None

    def remove(self, name: str) -> None:
        """It is nowhere."""
        cell = self._of.pop(name, None)
        if cell is not None:
            del self._cells[cell][name]
            if not self._cells[cell]:
                del self._cells[cell]

    def near(self, position: Position, metres: float) -> Iterator[str]:
        """Whatever is within ``metres``, and some that is not."""
        cells = self._cells_around(position, metres)
        if cells is None:
            yield from self._of
            return
        for cell in cells:
            yield from self._cells.get(cell, ())

    def _cells_around(self, position: Position, metres: float) -> Iterator[_Cell] | None:
        """None where that is more than there are."""
        latitude, longitude = position
        north = metres / FARTHEST * 180 * _MARGIN + _LEAST_MARGIN
        widest = abs(latitude) + north
        if widest >= 90:
            return None  # a pole is near: every longitude is
        east = north / cos(radians(widest))
        rows = range(floor((latitude - north) / CELL), floor((latitude + north) / CELL) + 1)
        columns = range(floor((longitude - east) / CELL), floor((longitude + east) / CELL) + 1)
        if len(rows) * len(columns) > len(self._cells):
            return None
        return ((row, column % _ROUND) for row in rows for column in columns)
