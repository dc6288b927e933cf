"""A district made from a seed: who is where, who answers, and what may be pressed. Pure.

The same seed and scale make the same district, to the byte. A scale of 1 has the district's
numbers exactly; a smaller one has that share of sites, people and devices, over fewer streets.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

from gateway.cli.simulate import tables
from gateway.cli.simulate.tables import SiteClass

Position = tuple[float, float]
"""Latitude and longitude, WGS 84 degrees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One organisation. ``account`` are its panel's digits; ``gateway`` is whose receiver hears it."""

    name: str
    title: str
    class_: str
    street: str
    grid: str
    position: Position
    account: str
    gateway: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One thing at a site. ``zone`` are its digits at the panel; None for what cannot be pressed.

    ``speaker`` counts what speaks from 0, for ports of its own; None for what does not.
    """

    name: str
    title: str
    kind: str
    site: Site
    place: str
    speaker: int | None
    zone: str | None
    category: str | None
    covert: bool = False
    hold: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """People who answer together."""

    name: str
    title: str
    party: str
    talkgroup: str
    people: int
    street: str | None = None
    grid: str | None = None
    class_: str | None = None
    position: Position | None = None
    drills: bool = True
    gateway: str
    """Which gateway signs for its pages."""


@dataclass(frozen=True, slots=True)
class Street:
    """A street, its talkgroups' stem, and its grid cells."""

    name: str
    title: str
    grids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class District:
    """Everything there is. ``gateways`` are those of the grids; beside them is `COMMAND`."""

    seed: int
    scale: float
    streets: tuple[Street, ...]
    sites: tuple[Site, ...]
    devices: tuple[Device, ...]
    groups: tuple[Group, ...]
    talkgroups: dict[str, str]

    @property
    def gateways(self) -> tuple[str, ...]:
        return tuple(grid for street in self.streets for grid in street.grids)

    @property
    def people(self) -> int:
        return sum(group.people for group in self.groups)


COMMAND = "command"
"""The gateway of the command centre, which answers for whoever has none of their own."""


def make(seed: int, scale: float = 1.0) -> District:
    """The district of a seed; ``scale`` is more than 0 and at most 1."""
    chance = random.Random(seed)
    streets = _streets(scale)
    sites = _sites(streets, scale, chance)
    devices = _devices(sites, scale, chance)
    groups = _groups(streets, sites, scale, chance)
    return District(seed, scale, streets, sites, devices, groups, _talkgroups(streets))


def apportion(total: int, weights: Sequence[float], least: int = 0) -> list[int]:
    """Whole shares of ``total`` by weight, each at least ``least``, by largest remainder.

    The sum is ``total``, or ``least`` for each where that is more.
    """
    spare = max(0, total - least * len(weights))
    whole = sum(weights)
    exact = [spare * weight / whole for weight in weights]
    shares = [int(share) for share in exact]
    order = sorted(range(len(weights)), key=lambda at: (shares[at] - exact[at], at))
    for at in order[: spare - sum(shares)]:
        shares[at] += 1
    return [least + share for share in shares]


def _share(number: int, scale: float) -> int:
    return max(1, round(number * scale))


def _streets(scale: float) -> tuple[Street, ...]:
    names = tables.STREETS[: _share(len(tables.STREETS), scale)]
    grids = apportion(_share(tables.GRIDS, scale), [1.0] * len(names), least=1)
    return tuple(
        Street(name, title, tuple(f"{name}-{number:02}" for number in range(1, cells + 1)))
        for (name, title), cells in zip(names, grids, strict=True)
    )


def _sites(streets: tuple[Street, ...], scale: float, chance: random.Random) -> tuple[Site, ...]:
    cells = [(street, at) for street in streets for at in range(len(street.grids))]
    order = [
        (kind, number)
        for kind in tables.CLASSES
        for number in range(1, _share(kind.sites, scale) + 1)
    ]
    chance.shuffle(order)
    sites = []
    # Every cell gets its share; which kinds stand in it is chance.
    for account, (kind, number) in enumerate(order, 1):
        street, at = cells[(account - 1) % len(cells)]
        sites.append(
            Site(
                name=f"{kind.latin}-{number:03}",
                title=f"{street.title}{kind.word}{number:03}",
                class_=kind.latin,
                street=street.name,
                grid=street.grids[at],
                position=_position(streets.index(street), at, len(street.grids), chance),
                account=f"{account:04}",
                gateway=street.grids[at],
            )
        )
    ranks = {kind.latin: rank for rank, kind in enumerate(tables.CLASSES)}
    return tuple(sorted(sites, key=lambda site: (ranks[site.class_], site.name)))


def _position(street: int, grid: int, grids: int, chance: random.Random) -> Position:
    """Somewhere in a grid cell; the cells of a street lie in a square of rows."""
    side = max(1, round(grids**0.5))
    row, column = divmod(grid, side)
    height, width = (size / side for size in tables.CELL)
    south = tables.CENTRE[0] + street // tables.STREETS_IN_A_ROW * tables.CELL[0] + row * height
    west = tables.CENTRE[1] + street % tables.STREETS_IN_A_ROW * tables.CELL[1] + column * width
    return (
        round(south + chance.random() * height, 6),
        round(west + chance.random() * width, 6),
    )


# Devices


def _devices(sites: tuple[Site, ...], scale: float, chance: random.Random) -> tuple[Device, ...]:
    kinds = {kind.latin: kind for kind in tables.CLASSES}
    weights = [kinds[site.class_].devices * chance.uniform(0.6, 1.4) for site in sites]
    shares = apportion(_share(tables.DEVICES, scale), weights, least=2)
    speakers = count()
    return tuple(
        device
        for site, share in zip(sites, shares, strict=True)
        for device in _of_site(site, share, speakers, chance)
    )


def _of_site(
    site: Site, share: int, speakers: Iterator[int], chance: random.Random
) -> Iterator[Device]:
    zones = count(1)
    for index in range(share):
        spot = tables.SPOTS[index // 3 % len(tables.SPOTS)]
        floor = index // 3 // len(tables.SPOTS)
        kind = tables.KINDS[index % len(tables.KINDS)]
        presses = kind != "camera"
        place = f"{spot.latin}-{floor + 1}"
        device = Device(
            name=f"{site.name}-{kind}-{index + 1:02}",
            title=f"{site.title}·{spot.word}{floor + 1}·{tables.KIND_WORDS[kind]}",
            kind=kind,
            site=site,
            place=place,
            speaker=next(speakers) if kind in ("intercom", "radio") else None,
            zone=f"{next(zones):03}" if presses else None,
            category=_category(site.class_, kind, index, chance) if presses else None,
        )
        yield _guarded(device)


def _category(class_: str, kind: str, index: int, chance: random.Random) -> str:
    """The first of a site, and whatever speaks, is a panic button; the others are what is needed there."""
    if index == 0 or kind != "button":
        return "panic"
    others = {"hospital": "medical", "bank": "assist", "shop": "assist", "market": "dispute"}
    return chance.choices(
        ("panic", "fire", others.get(class_, "medical"), "dispute-professional"),
        weights=(70, 12, 14, 4),
    )[0]


def _guarded(device: Device) -> Device:
    """Under a bank's counter nothing shows; in a school corridor a touch is not yet an alarm."""
    if device.site.class_ == "bank" and device.place.startswith("desk") and device.zone:
        return replace(device, covert=True)
    if device.site.class_ == "school" and device.place.startswith("corridor") and device.zone:
        return replace(device, hold=1.0)
    return device


# Groups


def _groups(
    streets: tuple[Street, ...], sites: tuple[Site, ...], scale: float, chance: random.Random
) -> tuple[Group, ...]:
    fixed = [*_of_district(streets, scale, chance)]
    for number, street in enumerate(streets):
        fixed += _of_street(number, street, chance)
    kinds: dict[str, SiteClass] = {kind.latin: kind for kind in tables.CLASSES}
    weights = [kinds[site.class_].people * chance.uniform(0.7, 1.3) for site in sites]
    left = _share(tables.PEOPLE, scale) - sum(group.people for group in fixed)
    shares = apportion(left, weights, least=tables.SMALLEST_UNIT)
    units = [
        Group(
            name=f"unit-{site.name}",
            title=f"{site.title}应急单元",
            party="security",
            talkgroup=f"alliance-{site.street}",
            people=people,
            street=site.street,
            grid=site.grid,
            class_=site.class_,
            position=site.position,
            gateway=site.gateway,
        )
        for site, people in zip(sites, shares, strict=True)
    ]
    return (*fixed, *units)


def _of_district(
    streets: tuple[Street, ...], scale: float, chance: random.Random
) -> Iterator[Group]:
    for number in range(1, _share(tables.FIRE_STATIONS, scale) + 1):
        yield Group(
            name=f"fire-{number}",
            title=f"第{number}消防站",
            party="fire",
            talkgroup="fire",
            people=tables.FIRE_PEOPLE,
            position=_position(chance.randrange(len(streets)), 0, 1, chance),
            drills=False,  # an engine that is out on a drill is not at a fire
            gateway=COMMAND,
        )
    for name, title, party, talkgroup, people in (
        ("mediation-centre", "区矛盾调解中心", "mediation", "command", 15),
        ("counselling", "心理咨询站", "counselling", "command", 10),
        ("antifraud", "反诈中心", "antifraud", "command", 12),
        ("duty-day", "日班指挥长", "command", "command", 5),
        ("duty-night", "夜班指挥长", "command", "command", 5),
        ("maintenance", "设备维护组", "maintenance", "maintenance", 9),
    ):
        yield Group(
            name=name,
            title=title,
            party=party,
            talkgroup=talkgroup,
            people=people,
            gateway=COMMAND,
        )


def _of_street(number: int, street: Street, chance: random.Random) -> Iterator[Group]:
    for stem, word, party, people in (
        ("police", "派出所", "police", tables.POLICE_PEOPLE),
        ("street", "街道办事处", "street", tables.STREET_PEOPLE),
        ("mediators", "人民调解委员会", "mediation", tables.MEDIATION_PEOPLE),
    ):
        yield Group(
            name=f"{stem}-{street.name}",
            title=f"{street.title}{word}",
            party=party,
            talkgroup=f"{'police' if stem == 'police' else 'street'}-{street.name}",
            people=people,
            street=street.name,
            position=_position(number, 0, 1, chance),
            gateway=COMMAND,
        )
    for car in range(1, tables.PATROLS + 1):
        yield Group(
            name=f"patrol-{street.name}-{car}",
            title=f"{street.title}{car}号巡逻车",
            party="patrol",
            talkgroup=f"police-{street.name}",
            people=tables.PATROL_PEOPLE,
            street=street.name,
            position=_position(number, 0, 1, chance),
            gateway=COMMAND,
        )
    for at, grid in enumerate(street.grids):
        yield Group(
            name=f"grid-{grid}",
            title=f"{street.title}第{at + 1}网格",
            party="grid",
            talkgroup=f"street-{street.name}",
            people=tables.GRID_PEOPLE,
            street=street.name,
            grid=grid,
            position=_position(number, at, len(street.grids), chance),
            gateway=grid,
        )


def _talkgroups(streets: tuple[Street, ...]) -> dict[str, str]:
    """Every talkgroup with its name for people."""
    found = {"command": "区指挥中心", "fire": "消防", "maintenance": "设备维护"}
    for street in streets:
        found[f"police-{street.name}"] = f"{street.title}公安"
        found[f"street-{street.name}"] = f"{street.title}街道"
        found[f"alliance-{street.name}"] = f"{street.title}安保联盟"
    return found
