"""What the checks between parts of a configuration work on, and what they find. Pure."""

from __future__ import annotations

from collections.abc import Mapping as Mapping_
from dataclasses import dataclass
from datetime import date

from gateway.errors import Problem
from gateway.settings import shape
from gateway.settings.document import Entry, Loc, Mapping, Place, dotted, lookup
from gateway.settings.drivers import DriverCatalogue
from gateway.settings.markers import Refers
from gateway.settings.model import Settings
from gateway.settings.validate import Validated, place_of


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not fit together, at a location of the tree."""

    loc: Loc
    what: str
    hint: str = ""
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """A name that is written where the name of an entry of another section stands."""

    loc: Loc
    name: str
    mark: Refers


@dataclass(frozen=True, slots=True)
class Subject:
    """A configuration to be checked: settings with absolute paths, possibly repaired, and their tree.

    ``unknown`` are the references that lead nowhere; ``today`` is the date in the configured zone.
    """

    settings: Settings
    tree: Mapping
    validated: Validated
    unknown: tuple[Reference, ...]
    today: date

    def names(self, section: str) -> tuple[str, ...]:
        """Every name that a section declares, also those whose entries have problems."""
        return tuple(names_in(self.tree, section))

    def sound(self, *loc: str | int) -> bool:
        """Whether a part is as written (nothing repaired) and every name in it is known."""
        return self.validated.sound(*loc) and not any(
            reference.loc[: len(loc)] == loc and not reference.mark.elsewhere
            for reference in self.unknown
        )

    def place(self, loc: Loc) -> Place:
        return place_of(self.tree, loc)

    def problem(self, finding: Finding) -> Problem:
        place = self.place(finding.loc)
        key = dotted(finding.loc)
        return Problem(*place, key, finding.what, finding.hint, warning=finding.warning)

    def has(self, *loc: str | int) -> bool:
        """Whether a key is written in the file."""
        return lookup(self.tree, loc)[0] == loc


def names_in(tree: Mapping, section: str) -> Mapping_[str, Entry]:
    """The entries that a section declares, by name."""
    entry = tree.entries.get(section)
    return entry.node.entries if entry is not None and isinstance(entry.node, Mapping) else {}


def unknown_references(
    tree: Mapping, validated: Validated, catalogue: DriverCatalogue
) -> tuple[Reference, ...]:
    """Every name in the tree that its section does not have, unless that section is no section."""
    found = []
    for loc, node, marks in shape.leaves(Settings, tree, catalogue):
        mark = shape.marked(marks, Refers)
        if mark is None or not isinstance(node.value, str):
            continue
        if node.value in names_in(tree, mark.section) or (mark.section,) in validated.damaged:
            continue
        found.append(Reference(loc, node.value, mark))
    return tuple(found)
