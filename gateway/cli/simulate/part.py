"""Which part of a district a load is about: its devices, gateways and the people who answer. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.cli.simulate.district import COMMAND, Device, District, Group
from gateway.cli.simulate.files import SINGLE, receivers
from gateway.settings.wording import suggestion


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """``receiver_of``: by the site's grid cell, the name of the line that its panels are heard on."""

    devices: tuple[Device, ...]
    gateways: tuple[str, ...]
    groups: tuple[Group, ...]
    receiver_of: dict[str, str]


def choose(
    district: District,
    *,
    streets: Sequence[str] = (),
    grids: Sequence[str] = (),
    sites: Sequence[str] = (),
    single: bool = False,
) -> Part:
    """What is at any of the streets, grid cells and sites named; everything where none is.

    ``single``: heard by the one gateway that has every device, instead of by those of the cells. Who
    answers is everybody of the streets that are touched, and of the district.

    Raises:
        ValueError: there is no such street, cell or site; the text says so.
    """
    for kind, asked, known in (
        ("street", streets, [street.name for street in district.streets]),
        ("grid", grids, district.gateways),
        ("site", sites, [site.name for site in district.sites]),
    ):
        for name in asked:
            if name not in known:
                hint = suggestion(name, known)
                raise ValueError(f"there is no {kind} {name!r}" + (f"; {hint}" if hint else ""))
    everything = not (streets or grids or sites)
    chosen = {
        site.name
        for site in district.sites
        if everything or site.street in streets or site.grid in grids or site.name in sites
    }
    devices = tuple(
        device
        for device in district.devices
        if device.zone is not None and device.site.name in chosen
    )
    touched = {device.site.street for device in devices}
    cells = dict.fromkeys(device.site.gateway for device in devices)
    lines = receivers(district) if single else {cell: cell for cell in cells}
    return Part(
        devices=devices,
        gateways=(SINGLE,) if single else (COMMAND, *cells),
        groups=tuple(
            group for group in district.groups if group.street is None or group.street in touched
        ),
        receiver_of={cell: lines[cell] for cell in cells},
    )
