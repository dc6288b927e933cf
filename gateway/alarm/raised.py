"""What comes of a decision, and who is told. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.link.messages import AlarmEvent, IncidentState, Page


@dataclass(frozen=True, slots=True)
class Identity:
    """Who raises: the gateway's name, this run of it (UUID), and this boot of the kernel."""

    gateway: str
    boot: str
    kernel_boot: str


@dataclass(frozen=True, slots=True)
class Raised:
    """What has come of a signal, or (``event`` None) of something else.

    ``incidents`` are the ones that it opened, joined, restored or changed. ``told`` is false where
    the event goes out only within the count of a later one.
    """

    event: AlarmEvent | None
    stored: bool
    incidents: tuple[IncidentState, ...]
    told: bool = True


Done = Callable[[Raised], None]


def _nobody(_: object) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """Who else is told, after the broker. A listener that raises is logged and counted.

    ``stored`` is told each new IncidentState before anybody else: a standby must not know less than
    who was told. ``event`` is told each signal as it is stored; ``page`` each sending of a page, also
    while the broker is away; ``incident`` each new IncidentState.
    """

    stored: Callable[[IncidentState], None] = _nobody
    event: Callable[[Raised], None] = _nobody
    page: Callable[[Page], None] = _nobody
    incident: Callable[[IncidentState], None] = _nobody
