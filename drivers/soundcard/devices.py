"""Which sound device a configuration means. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Device:
    """A device as PortAudio lists it; ``channels`` in the direction that is wanted."""

    index: int
    name: str
    channels: int


def choose(devices: Sequence[Device], wanted: str) -> Device:
    """The device of exactly this name, else the only one with this in its name (any case).

    Raises:
        LookupError: there is none, or there are several; the text says which there are.
    """
    usable = [device for device in devices if device.channels > 0]
    for device in usable:
        if device.name == wanted:
            return device
    found = [device for device in usable if wanted.lower() in device.name.lower()]
    if len(found) == 1:
        return found[0]
    names = ", ".join(repr(device.name) for device in found or usable) or "none"
    if found:
        raise LookupError(f"{wanted!r} may mean any of {names}; write more of the name")
    raise LookupError(f"there is no device {wanted!r}; there are: {names}")
