"""What a reload changes. Pure.

Settings are compared by value, so that a file that was only rewritten changes nothing. Names of a
section are told apart by what happened to them; what a service cannot take while it runs is named
in ``restart``, and the caller keeps the old value of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from gateway.settings.model import Settings

RESTART = ("gateway", "data_dir", "journal", "metrics", "mqtt")
"""Keys that are read once: the identity on the broker, the folder of the journal, the port of figures, the broker."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The names of one section that were added, removed or changed; False where there are none."""

    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        parts = (("+", self.added), ("-", self.removed), ("~", self.changed))
        return " ".join(f"{sign}{name}" for sign, names in parts for name in sorted(names))


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Everything that a reload changes; False where nothing is different.

    ``plan_order`` says that the same plans stand in another order, which is another precedence.
    ``restart`` are the keys that differ and take effect only at the next start.
    """

    sites: Changes = field(default_factory=Changes)
    inputs: Changes = field(default_factory=Changes)
    outputs: Changes = field(default_factory=Changes)
    endpoints: Changes = field(default_factory=Changes)
    talkgroups: Changes = field(default_factory=Changes)
    bridges: Changes = field(default_factory=Changes)
    groups: Changes = field(default_factory=Changes)
    plans: Changes = field(default_factory=Changes)
    plan_order: bool = False
    serves: bool = False
    dispositions: bool = False
    recordings: bool = False
    announcements: bool = False
    restart: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(bool(getattr(self, part.name)) for part in fields(self))

    def __str__(self) -> str:
        """One line for the log: ``endpoints +a -b ~c; plans ~d; needs a restart: mqtt``."""
        parts = []
        for part in fields(self):
            value = getattr(self, part.name)
            if isinstance(value, Changes) and value:
                parts.append(f"{part.name} {value}")
            elif value is True:
                parts.append("plans in another order" if part.name == "plan_order" else part.name)
        if self.restart:
            parts.append(f"needs a restart: {', '.join(self.restart)}")
        return "; ".join(parts) or "nothing has changed"


def difference(old: Settings, new: Settings) -> Difference:
    """What differs from ``old`` to ``new``."""
    kept = [name for name in old.plans if name in new.plans]
    return Difference(
        sites=changes(old.sites, new.sites),
        inputs=changes(old.inputs, new.inputs),
        outputs=changes(old.outputs, new.outputs),
        endpoints=changes(old.endpoints, new.endpoints),
        talkgroups=changes(old.talkgroups, new.talkgroups),
        bridges=changes(old.bridges, new.bridges),
        groups=changes(old.groups, new.groups),
        plans=changes(old.plans, new.plans),
        plan_order=kept != [name for name in new.plans if name in old.plans],
        serves=old.serves != new.serves,
        dispositions=old.dispositions != new.dispositions,
        recordings=old.recordings != new.recordings,
        announcements=old.announcements != new.announcements,
        restart=tuple(key for key in RESTART if getattr(old, key) != getattr(new, key)),
    )


def sharing(old: Settings, new: Settings) -> Settings:
    """``new``, with whatever is equal in ``old`` being that very object.

    So that a reload of 30,000 endpoints does not leave them twice in memory: services hold on to what
    did not change.
    """
    shared: dict[str, Any] = {}
    for key in Settings.model_fields:
        before, after = getattr(old, key), getattr(new, key)
        if before == after and _order(before) == _order(after):
            shared[key] = before
        elif isinstance(before, dict) and isinstance(after, dict):
            shared[key] = {
                name: before[name] if before.get(name) == entry else entry
                for name, entry in after.items()
            }
    return new.model_copy(update=shared)


def _order(value: object) -> tuple[str, ...]:
    """The names of a section: mappings in another order are equal, plans are not the same."""
    return tuple(value) if isinstance(value, dict) else ()


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Changes:
    """What differs between two sections."""
    return Changes(
        added=frozenset(new.keys() - old.keys()),
        removed=frozenset(old.keys() - new.keys()),
        changed=frozenset(name for name in old.keys() & new.keys() if old[name] != new[name]),
    )
