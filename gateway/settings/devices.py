"""Checks of devices: what no two users can have, and parts that need one another. Pure but for links.

A driver's options may say what they occupy (``occupies() -> Iterable[str]``): a device path, an
address, a chip's line, a file that is written. One endpoint's ptt and squelch may share a port,
but not one line of a chip.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from gateway.settings.document import Loc, Mapping, Node, Scalar, Sequence, lookup
from gateway.settings.drivers import DriverChoice
from gateway.settings.findings import Finding, Subject
from gateway.settings.squelch import places

_DEVICES = ("audio", "ptt", "squelch", "camera")


def check(subject: Subject) -> Iterator[Finding]:
    """Devices used twice, and devices that are of no use alone."""
    yield from _used_twice(subject)
    for name, endpoint in subject.settings.endpoints.items():
        loc = ("endpoints", name)
        if endpoint.audio is None and subject.sound(*loc, "audio"):
            for key, device in (("ptt", endpoint.ptt), ("squelch", endpoint.squelch)):
                if device is not None:
                    what = f"{key} without audio has nothing to key or to open"
                    yield Finding((*loc, key), what, "add audio:")
            if endpoint.pre_alarm_s:
                what = "pre_alarm_s without audio has no microphone to keep anything of"
                yield Finding((*loc, "pre_alarm_s"), what, "add audio:")
            if endpoint.kind in ("intercom", "radio"):
                what = f"{endpoint.kind} without audio neither speaks nor hears"
                yield Finding(loc, what, "add audio:", warning=True)
        if endpoint.kind == "camera" and endpoint.camera is None and subject.sound(*loc):
            yield Finding(loc, "a camera without camera: gives no picture", warning=True)


def _devices(subject: Subject) -> Iterator[tuple[Loc, DriverChoice]]:
    for name, choice in subject.settings.inputs.items():
        yield ("inputs", name), choice
    for name, choice in subject.settings.outputs.items():
        yield ("outputs", name), choice
    for name, endpoint in subject.settings.endpoints.items():
        for key in _DEVICES:
            for below, choice in places(getattr(endpoint, key)):
                yield ("endpoints", name, key, *below), choice


def _used_twice(subject: Subject) -> Iterator[Finding]:
    users: dict[str, list[Loc]] = {}
    told: set[tuple[Loc, Loc]] = set()
    for loc, choice in _devices(subject):
        occupies = getattr(choice.options, "occupies", None)
        for written in tuple(occupies()) if occupies is not None else ():
            resource = _real(written)
            others = users.setdefault(resource, [])
            user = next((other for other in others if not _one_port(other, loc, resource)), None)
            others.append(loc)
            if user is None or (user, loc[:2]) in told:
                continue
            told.add((user, loc[:2]))  # one mistake, also where a radio's ptt and squelch share it
            where = _where(subject, loc, written)
            if user == loc:
                yield Finding(where, f"{written} is used twice here")
            else:
                what = f"{written} is used by {'.'.join(map(str, user))} already"
                yield Finding(where, what, f"see {subject.place(user)}")


def _one_port(one: Loc, other: Loc, resource: str) -> bool:
    """Whether they may share it: what keys and what senses on a port of one endpoint."""
    pair = one[:2] == other[:2] and one[2:3] != other[2:3]
    return pair and " line " not in resource


def _real(resource: str) -> str:
    """The same text for the same thing: symbolic links to devices followed, ``localhost`` spelt out."""
    if resource.startswith("/"):
        path, separator, rest = resource.partition(" ")
        return os.path.realpath(path) + separator + rest
    return resource.replace("localhost:", "127.0.0.1:")


def _where(subject: Subject, loc: Loc, resource: str) -> Loc:
    """The option that names the resource, else the device."""
    _, entry = lookup(subject.written.tree, loc)
    for place, text in reversed(list(_scalars(entry.node, loc))):
        if place[-1] != "driver" and text and resource.endswith(text.removeprefix("./")):
            return place
    return loc


def _scalars(node: Node, loc: Loc) -> Iterator[tuple[Loc, str]]:
    if isinstance(node, Scalar):
        yield loc, node.text
    elif isinstance(node, Sequence):
        for index, item in enumerate(node.items):
            yield from _scalars(item, (*loc, index))
    elif isinstance(node, Mapping):
        for key, entry in node.entries.items():
            yield from _scalars(entry.node, (*loc, key))
