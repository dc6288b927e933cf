"""What a scenario is played in: gateways, a broker, and the time that passes there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from gateway.settings.document import Mapping as Tree
from gateway.settings.model import Settings


@dataclass(frozen=True, slots=True)
class Answered:
    """What a request brought: the ``result``, or the ``error`` in words; ``events`` came before it."""

    result: Any = None
    error: str | None = None
    events: list[dict[str, Any]] = field(default_factory=list)


Disk = Literal["well", "full", "stalled"]
"""How a gateway's disk is: it stores, refuses to, or does not answer."""


class Request(Protocol):
    """A request that is under way at one gateway."""

    async def answer(self) -> Answered:
        """Its end."""

    def hang_up(self) -> None:
        """Leave before its end, as Ctrl-C does."""


class World(Protocol):
    """Everything that a scenario does to the outside; all of it on the event loop."""

    def now(self) -> float:
        """Seconds since the scenario began."""

    def wall(self) -> float:
        """POSIX seconds there."""

    def new_id(self) -> str:
        """A fresh UUID."""

    def hear(self, listener: Callable[[str, bytes], None]) -> None:
        """Tell ``listener`` the topic and payload of everything that is published, once, live."""

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry: int | None = None
    ) -> None:
        """Say something on the broker; nothing happens while it is away."""

    def ask(self, gateway: str, op: str, fields: Mapping[str, Any]) -> Request:
        """Ask a gateway, as the command line would."""

    def lit(self) -> frozenset[str]:
        """The lines of ``virtual`` outputs that are on, each as ``OUTPUT/LINE``."""

    async def start(self, gateway: str) -> None: ...
    async def stop(self, gateway: str) -> None: ...
    async def kill(self, gateway: str) -> None: ...
    async def reload(self, gateway: str, tree: Tree, settings: Settings) -> None: ...
    async def cut(self, gateway: str) -> None:
        """Take a gateway's way to the broker away."""

    async def mend(self, gateway: str) -> None: ...
    async def broker(self, *, up: bool) -> None:
        """Kill the broker, which keeps nothing, or start it."""

    def disk(self, gateway: str, state: Disk) -> None:
        """What becomes of what a gateway stores from now on."""

    def set_clock(self, seconds: float) -> None:
        """Set every wall clock on, or back."""
