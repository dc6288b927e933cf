"""A district as files: what all gateways share, one file for each gateway, and one with everything.

Each file is a configuration that an operator could have written; comments in it say what it is.
Nothing but the district decides what is in them: no path, time or name of this machine.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from gateway.cli.simulate.district import COMMAND, Device, District, Group, Position, Site
from gateway.cli.simulate.plans import plans

RECEIVERS = 64
"""Receivers of the one gateway that has every device."""
SINGLE = "single"
CAMERAS_PORT = 8480
"""Loopback port at which pictures of all cameras are asked for."""
_LISTEN_FROM, _SEND_FROM = 20_000, 24_000
"""First UDP ports of what speaks; a district has fewer than 4,000 of it."""
_PLAIN = re.compile(r"[^\W\d_][\w·-]*")


def write(district: District, folder: Path) -> list[Path]:
    """Write every file below ``folder``; their paths, relative to it.

    Raises:
        OSError: a file cannot be written.
    """
    written = []
    for name, text in contents(district):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(Path(name))
    return written


def contents(district: District) -> Iterator[tuple[str, str]]:
    """Every file's path below the folder, and what is in it."""
    yield "district.json", _identity(district)
    yield "broker.yaml", broker("mqtt://127.0.0.1:1883")
    yield "shared/sites.yaml", _sites(district.sites)
    yield "shared/groups.yaml", _groups(district)
    yield "shared/plans.yaml", plans()
    yield "people.csv", _people(district)
    yield f"{SINGLE}.yaml", _single(district)
    yield f"gateways/{COMMAND}.yaml", _command(district)
    devices: dict[str, list[Device]] = {name: [] for name in district.gateways}
    for device in district.devices:
        devices[device.site.gateway].append(device)
    served: dict[str, list[str]] = {name: [] for name in district.gateways}
    for group in district.groups:
        served.setdefault(group.gateway, []).append(group.name)
    for name in district.gateways:
        yield f"gateways/{name}.yaml", _gateway(name, devices[name], served[name])


def broker(address: str, password_file: Path | None = None) -> str:
    """The file that says where the broker of the whole district is."""
    facts = {"broker": json.dumps(address)}
    if password_file is not None:
        facts["password_file"] = json.dumps(str(password_file), ensure_ascii=False)
    return f"# Where the broker of the whole district is.\nmqtt: {_flow(facts)}\n"


def receivers(district: District) -> dict[str, str]:
    """Which receiver of the single gateway hears the panels of each grid cell."""
    grids = district.gateways
    number = min(RECEIVERS, len(grids))
    return {grid: f"receiver-{at * number // len(grids) + 1:02}" for at, grid in enumerate(grids)}


def line_of(receiver: str) -> str:
    """The serial line of a receiver, relative to the district's folder."""
    return f"lines/{receiver}"


def _identity(district: District) -> str:
    facts = {
        "seed": district.seed,
        "scale": district.scale,
        "streets": len(district.streets),
        "grids": len(district.gateways),
        "sites": len(district.sites),
        "devices": len(district.devices),
        "groups": len(district.groups),
        "people": district.people,
    }
    return json.dumps(facts, indent=2) + "\n"


def _sites(sites: Iterable[Site]) -> str:
    lines = ["# Every organisation of the district.", "sites:"]
    for site in sites:
        facts = {
            "name": _text(site.title),
            "class": site.class_,
            "street": site.street,
            "grid": site.grid,
            "position": _position(site.position),
        }
        lines.append(f"  {site.name}: {_flow(facts)}")
    return "\n".join(lines) + "\n"


def _groups(district: District) -> str:
    lines = ["# Who answers, and on which talkgroup.", "talkgroups:"]
    lines += [f"  {name}: {{name: {_text(title)}}}" for name, title in district.talkgroups.items()]
    lines += ["", "groups:"]
    lines += [f"  {group.name}: {_flow(_group(group))}" for group in district.groups]
    return "\n".join(lines) + "\n"


def _group(group: Group) -> dict[str, str]:
    facts = {
        "name": _text(group.title),
        "party": group.party,
        "talkgroup": group.talkgroup,
    }
    where = {"street": group.street, "grid": group.grid, "class": group.class_}
    facts |= {key: value for key, value in where.items() if value is not None}
    if group.position is not None:
        facts["position"] = _position(group.position)
    if group.drills:
        facts["drills"] = "true"
    return facts


def _people(district: District) -> str:
    """One line for each person: who it is, and which group they answer with."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(("person", "group", "party", "street"))
    for group in district.groups:
        for number in range(1, group.people + 1):
            rows.writerow(
                (f"{group.name}-{number:02}", group.name, group.party, group.street or "")
            )
    return out.getvalue()


# Gateways


def _single(district: District) -> str:
    """One gateway that hears every panel: what an alarm receiving centre has.

    What speaks stands at the sites, so that here an intercom or a radio is the button that it has.
    """
    heard_by = receivers(district)
    lines = [
        "# Every device of the district on one gateway, as an alarm receiving centre has them. What",
        "# speaks is at the sites: an intercom or a radio is known here by the button that it has.",
        f"gateway: {SINGLE}",
        f"data_dir: data/{SINGLE}",
        "include: [broker.yaml, shared/sites.yaml, shared/groups.yaml, shared/plans.yaml]",
        "serves: []  # the responders' own clients sign for their pages",
        "inputs:",
    ]
    lines += [
        f"  {name}: {{driver: panel, port: {line_of(name)}}}"
        for name in dict.fromkeys(heard_by.values())
    ]
    lines.append("endpoints:")
    for device in district.devices:
        kind = "camera" if device.kind == "camera" else "button"
        facts = _endpoint(device, kind, heard_by[device.site.gateway])
        lines.append(f"  {device.name}: {_flow(facts)}")
    return "\n".join(lines) + "\n"


def _command(district: District) -> str:
    served = ", ".join(group.name for group in district.groups if group.gateway == COMMAND)
    return (
        "# The command centre: it answers for the groups that have no gateway of their own.\n"
        f"gateway: {COMMAND}\n"
        f"data_dir: ../data/{COMMAND}\n"
        f"{_INCLUDE}"
        f"serves: [{served}]\n"
    )


_INCLUDE = (
    "include: [../broker.yaml, ../shared/sites.yaml, ../shared/groups.yaml, ../shared/plans.yaml]\n"
)


def _gateway(name: str, devices: list[Device], served: list[str]) -> str:
    lines = [
        f"# The gateway of grid cell {name}: its panels' receiver, cameras, intercoms and radios.",
        f"gateway: {name}",
        f"data_dir: ../data/{name}",
        f"{_INCLUDE}serves: [{', '.join(served)}]",
        f"inputs: {{receiver: {{driver: panel, port: ../{line_of(name)}}}}}",
        "endpoints:" if devices else "endpoints: {}",
    ]
    for device in devices:
        facts = _endpoint(device, device.kind, "receiver") | _voice(device)
        lines.append(f"  {device.name}: {_flow(facts)}")
    return "\n".join(lines) + "\n"


def _endpoint(device: Device, kind: str, receiver: str) -> dict[str, str]:
    facts = {
        "kind": kind,
        "site": device.site.name,
        "place": device.place,
        "name": _text(device.title),
    }
    if device.zone is not None:
        facts["input"] = receiver
        facts["account"] = f'"{device.site.account}"'
        facts["zone"] = f'"{device.zone}"'
    if device.category is not None:
        facts["category"] = device.category
    if device.covert:
        facts["covert"] = "true"
    if device.hold:
        facts["hold_s"] = f"{device.hold:g}"
    if kind == "camera":
        url = f"http://127.0.0.1:{CAMERAS_PORT}/{device.name}.jpg"
        facts["camera"] = f'{{driver: http, url: "{url}"}}'
    return facts


def _voice(device: Device) -> dict[str, str]:
    if device.speaker is None:
        return {}
    listen = f'"127.0.0.1:{_LISTEN_FROM + device.speaker}"'
    send = f'"127.0.0.1:{_SEND_FROM + device.speaker}"'
    facts = {"audio": f"{{driver: udp, listen: {listen}, send: {send}}}"}
    if device.kind == "intercom":
        facts["squelch"] = "{driver: vox, threshold_dbfs: -40, hang_s: 0.5}"
        facts["talkgroup"] = f"alliance-{device.site.street}"
    else:
        line = f"{{driver: pty, path: ../{line_of(device.name)}}}"
        facts["ptt"] = facts["squelch"] = line
        facts["talkgroup"] = f"police-{device.site.street}"
    return facts


def _flow(facts: dict[str, str]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in facts.items()) + "}"


def _position(position: Position) -> str:
    return f"[{position[0]}, {position[1]}]"


def _text(value: str) -> str:
    """As YAML: quoted only where it has to be."""
    return value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)
