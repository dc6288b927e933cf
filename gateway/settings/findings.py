"""What the checks between parts of a configuration work on, and what they find. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from gateway.errors import Problem
from gateway.settings import shape
from gateway.settings.document import Loc, Place, dotted
from gateway.settings.markers import Refers
from gateway.settings.model import Settings
from gateway.settings.validate import Validated, beginnings
from gateway.settings.written import Written


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


@dataclass(frozen=True)
class Subject:
    """A configuration to be checked: settings with absolute paths, possibly repaired, and its files.

    ``unknown`` are the references that lead nowhere; ``today`` is the date in the configured zone.
    """

    settings: Settings
    written: Written
    validated: Validated
    unknown: tuple[Reference, ...]
    today: date

    def names(self, section: str) -> Collection[str]:
        """Every name that a section declares, also those whose entries have problems."""
        return self.written.names(section)

    def sound(self, *loc: str | int) -> bool:
        """Whether a part is as written (nothing repaired) and every name in it is known."""
        return self.validated.sound(*loc) and loc not in self._unknown_below

    @cached_property
    def _unknown_below(self) -> frozenset[Loc]:
        return beginnings(one.loc for one in self.unknown if not one.mark.elsewhere)

    def place(self, loc: Loc) -> Place:
        """Where a key, or what is nearest to it, is written."""
        return self.written.place(loc)

    def problem(self, finding: Finding) -> Problem:
        place = self.place(finding.loc)
        key = dotted(finding.loc)
        return Problem(*place, key, finding.what, finding.hint, warning=finding.warning)

    def has(self, *loc: str | int) -> bool:
        """Whether a key is written in the file."""
        return self.written.has(*loc)


def unknown_references(written: Written, validated: Validated) -> tuple[Reference, ...]:
    """Every name that is written and its section does not have, unless that section is no section."""
    found = []
    for loc, value, mark in shape.found(shape.where_marked(Settings, Refers), written.value):
        if not isinstance(value, str) or value in written.names(mark.section):
            continue
        if (mark.section,) not in validated.damaged:
            found.append(Reference(loc, value, mark))
    return tuple(found)
