"""A message as the control connection hands it over. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message off the wire.

    ``retain`` is the publisher's own flag or the broker's echo of a stored message. ``properties``
    are its MQTT 5 user properties; an MQTT 3.1.1 client sends none.
    """

    topic: str
    payload: bytes
    retain: bool
    properties: tuple[tuple[str, str], ...] = ()
