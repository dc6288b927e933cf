"""The words of a scenario: its verbs and the keys beside them, and what is read from it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.cli.scenario.expectation import Expect
from gateway.ports import SignalKind
from gateway.settings.document import Mapping as Tree
from gateway.settings.document import Place
from gateway.settings.model import Settings

SIGNALS = frozenset(kind.value for kind in SignalKind) - {"cancel"}
"""Verbs that are what an input sends; ``cancel`` is a person's, a panel's is ``signal: cancel``."""

GROUP_ACTIONS = ("ack", "unack", "decline", "en_route", "on_scene", "handled")
INCIDENT_ACTIONS = ("escalate", "cancel", "reset", "note", "close", "merge", "hand_over")
ACTIONS = frozenset((*GROUP_ACTIONS, *INCIDENT_ACTIONS))
WORLD = frozenset({"kill", "stop", "start", "cut", "mend", "reload"})
"""Verbs whose value is a gateway."""

_SIGNAL_KEYS = ("signal", "code", "zone", "drill", "by", "via", "times", "every", "stored")
_RAISE_KEYS = (
    "endpoint", "category", "code", "plan", "text", "drill", "covert", "by", "via", "refused",
)  # fmt: skip
_ACTION_KEYS = ("of", "by", "group", "note", "verdict", "refused", "via", "once")
_PRESENCE_KEYS = ("groups", "on_duty", "position", "interval", "fix_age")

KEYS: Mapping[str, Collection[str]] = {
    "press": _SIGNAL_KEYS,
    **dict.fromkeys(SIGNALS, _SIGNAL_KEYS),
    "raise": _RAISE_KEYS,
    **dict.fromkeys(ACTIONS, _ACTION_KEYS),
    **dict.fromkeys(WORLD, ()),
    "reload": ("with",),
    "broker": (),
    "clock": (),
    "disk": ("via",),
    "presence": _PRESENCE_KEYS,
    "gone": (),
    "deaf": (),
    "hearing": (),
    "request": ("with", "via", "refused", "name"),
    "hang_up": (),
    "expect": ("within",),
    "never": ("for",),
}
"""Verb -> the keys that may stand beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that is done or expected, ``at`` seconds from the start.

    ``subject`` is the verb's value: an endpoint, a group, a gateway ...; ``details`` the keys beside
    it; ``expect`` what an ``expect`` or a ``never`` looks for.
    """

    place: Place
    at: float
    verb: str
    subject: Any = None
    details: Mapping[str, Any] = field(default_factory=dict)
    expect: Expect | None = None

    def __str__(self) -> str:
        if self.expect is not None:
            return f"{self.verb} (line {self.place.line})"
        subject = "" if self.subject is None else f" {plain_text(self.subject)}"
        return f"{self.verb}{subject}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayPart:
    """One gateway of a scenario: what is configured, and the tree that says so."""

    name: str
    tree: Tree
    settings: Settings
    reloads: dict[int, tuple[Tree, Settings]] = field(default_factory=dict)
    """By the line of a ``reload`` what is configured from then on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One case. ``start`` is POSIX time; None: any time will do, also the real one."""

    name: str
    file: str
    start: float | None
    gateways: Mapping[str, GatewayPart]
    deaf: frozenset[str]
    steps: tuple[Step, ...]

    @property
    def virtual_only(self) -> str | None:
        """Why it cannot be run in real time; None where it can."""
        if self.start is not None:
            return "it says at what time it starts"
        verbs = {step.verb for step in self.steps}
        if "clock" in verbs:
            return "it sets the clock"
        return "it breaks a disk" if "disk" in verbs else None


def plain_text(value: Any) -> str:
    """A step's subject for people."""
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
