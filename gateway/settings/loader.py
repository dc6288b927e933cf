"""A configuration file into settings, or every problem that it has."""

from __future__ import annotations

import dataclasses
import os
import time
from dataclasses import dataclass

from gateway.alarm.calendars import local
from gateway.errors import ConfigError, Problem
from gateway.settings import (
    broker,
    conditions,
    coverage,
    devices,
    levels,
    references,
    sources,
    supervised,
)
from gateway.settings.document import Mapping, Place
from gateway.settings.drivers import DriverCatalogue
from gateway.settings.facts import zone_of
from gateway.settings.findings import Subject, unknown_references
from gateway.settings.include import Source, read
from gateway.settings.model import Settings
from gateway.settings.paths import anchored
from gateway.settings.validate import place_of, validate

_CHECKS = (
    references.check,
    sources.check,
    devices.check,
    broker.check,
    levels.check,
    coverage.check,
    conditions.check,
    supervised.check,
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be used, what is odd about it, and the files it came from."""

    settings: Settings
    warnings: tuple[Problem, ...]
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found in a configuration; ``settings`` is None where there is an error."""

    settings: Settings | None
    problems: tuple[Problem, ...]
    files: tuple[str, ...]
    tree: Mapping

    def place(self, *loc: str | int) -> Place:
        """Where a key, or what is nearest to it, is written."""
        return place_of(self.tree, loc)


def load(path: str | os.PathLike[str], catalogue: DriverCatalogue) -> Loaded:
    """Read, validate and cross-check a configuration. Blocks; call it in a thread from the loop.

    Args:
        path: the main file.
        catalogue: the drivers that there are; the module `drivers.registry`.

    Raises:
        ConfigError: it cannot be used; carries every problem, warnings too, in file order.
    """
    examined = examine(path, catalogue)
    if examined.settings is None:
        raise ConfigError(examined.problems)
    return Loaded(examined.settings, examined.problems, examined.files)


def examine(path: str | os.PathLike[str], catalogue: DriverCatalogue) -> Examined:
    """`load`, with the problems as a value."""
    return examined(read(path), catalogue)


def examined(source: Source, catalogue: DriverCatalogue) -> Examined:
    """`examine`, of what was read already."""
    problems = list(source.problems)
    settings: Settings | None = None
    if source.complete or source.tree.entries:
        validated = validate(source.tree, catalogue)
        problems += validated.problems
        settings = validated.settings
        if source.complete and validated.settings is not None:
            settings = anchored(validated.settings, source.tree)
            unknown = unknown_references(source.tree, validated, catalogue)
            today = local(time.time(), zone_of(settings)).date()
            subject = Subject(settings, source.tree, validated, unknown, today)
            problems += [subject.problem(found) for check in _CHECKS for found in check(subject)]
    problems = _in_order(problems, source.files)
    failed = any(not problem.warning for problem in problems)
    return Examined(None if failed else settings, tuple(problems), tuple(source.files), source.tree)


def _in_order(problems: list[Problem], files: list[str]) -> list[Problem]:
    order = {name: number for number, name in enumerate(files)}
    return sorted(
        dict.fromkeys(map(_printable, problems)),
        key=lambda problem: (order.get(problem.file, -1), problem.line, problem.column),
    )


def _printable(problem: Problem) -> Problem:
    """One line for a terminal, whatever control characters a key or value holds."""
    key, what, hint = map(_escaped, (problem.key, problem.what, problem.hint))
    return dataclasses.replace(problem, key=key, what=what, hint=hint)


def _escaped(text: str) -> str:
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
