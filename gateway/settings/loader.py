"""A configuration file into settings, or every problem that it has."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from gateway.alarm.plans.calendars import local
from gateway.errors import ConfigError, Problem
from gateway.ops import collector
from gateway.settings import (
    announced,
    bridged,
    broker,
    conditions,
    coverage,
    devices,
    levels,
    outputs,
    references,
    sources,
    supervised,
    written,
)
from gateway.settings.document import Place
from gateway.settings.drivers import DriverCatalogue
from gateway.settings.facts import zone_of
from gateway.settings.findings import Subject, unknown_references
from gateway.settings.include import Files, Source, read
from gateway.settings.model import Settings
from gateway.settings.paths import anchored
from gateway.settings.validate import Validated, settings_of, validate
from gateway.settings.written import Written

_CHECKS = (
    references.check,
    sources.check,
    devices.check,
    outputs.check,
    broker.check,
    levels.check,
    coverage.check,
    conditions.check,
    supervised.check,
    announced.check,
    bridged.check,
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
    written: Written

    @property
    def files(self) -> tuple[str, ...]:
        """The files that were read, the main one first."""
        return self.written.files

    def place(self, *loc: str | int) -> Place:
        """Where a key, or what is nearest to it, is written."""
        return self.written.place(loc)


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
    with collector.off():
        files = Files()
        plain = written.read(path, files)
        if plain is not None:
            with contextlib.suppress(ValidationError):
                settings = settings_of(plain.value, catalogue)
                return _checked(plain, Validated(settings, (), frozenset()), [])
        return examined(read(path, files), catalogue)


def examined(source: Source, catalogue: DriverCatalogue) -> Examined:
    """`examine`, of what was read with its places already."""
    problems = list(source.problems)
    if not source.complete and not source.tree.entries:
        return Examined(None, _in_order(problems, source.files), written.of_source(source))
    validated = validate(source.tree, catalogue)
    problems += validated.problems
    if not source.complete:
        return Examined(None, _in_order(problems, source.files), written.of_source(source))
    return _checked(written.of_source(source), validated, problems)


def _checked(files: Written, validated: Validated, problems: list[Problem]) -> Examined:
    """With what does not fit together, where there are settings to look at."""
    settings = validated.settings
    if settings is not None:
        settings = anchored(settings, files.file_of)
        today = local(time.time(), zone_of(settings)).date()
        unknown = unknown_references(files, validated)
        subject = Subject(settings, files, validated, unknown, today)
        problems += [subject.problem(found) for check in _CHECKS for found in check(subject)]
    failed = any(not problem.warning for problem in problems)
    return Examined(None if failed else settings, _in_order(problems, files.files), files)


def _in_order(problems: Iterable[Problem], files: Iterable[str]) -> tuple[Problem, ...]:
    order = {name: number for number, name in enumerate(files)}
    return tuple(
        sorted(
            dict.fromkeys(map(_printable, problems)),
            key=lambda problem: (order.get(problem.file, -1), problem.line, problem.column),
        )
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
