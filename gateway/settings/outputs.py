"""Checks of alarm outputs and of the indications that switch them. Pure.

An output's options may name its lines: ``line_names()``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.alarm.indications import Indication
from gateway.settings.document import Loc
from gateway.settings.drivers import DriverChoice
from gateway.settings.findings import Finding, Subject
from gateway.settings.model import NO_INDICATIONS, Endpoint
from gateway.settings.wording import suggestion_or_list


def check(subject: Subject) -> Iterator[Finding]:
    """Indications that lead nowhere or must not show, and lines that nothing switches."""
    used: set[tuple[str, str]] = set()
    for name, endpoint in subject.settings.endpoints.items():
        if endpoint.indications is not NO_INDICATIONS:
            yield from _indications(subject, name, endpoint, used)
    if subject.validated.sound("endpoints"):
        yield from _idle(subject, used)


def _indications(
    subject: Subject, name: str, endpoint: Endpoint, used: set[tuple[str, str]]
) -> Iterator[Finding]:
    loc: Loc = ("endpoints", name, "indications")
    if endpoint.covert:
        yield Finding(loc, "a covert endpoint shows nothing at its place", "remove it, or covert")
    for indication in Indication:
        written: tuple[str, ...] = getattr(endpoint.indications, indication.value)
        for index, text in enumerate(written):
            output, _, line = text.partition("/")
            used.add((output, line))
            where: Loc = (*loc, indication.value)
            if subject.has(*where, index):
                where = (*where, index)
            known = subject.names("outputs")
            choice = subject.settings.outputs.get(output)
            if output not in known:
                hint = suggestion_or_list(output, known)
                yield Finding(where, f"there is no output {output!r}", hint)
            elif choice is not None and subject.sound("outputs", output):
                lines = _lines(choice)
                if lines is not None and line not in lines:
                    what = f"output {output} ({choice.driver}) has no line {line!r}"
                    yield Finding(where, what, suggestion_or_list(line, sorted(lines)))


def _lines(choice: DriverChoice) -> frozenset[str] | None:
    line_names = getattr(choice.options, "line_names", None)
    names: Iterable[str] | None = line_names() if line_names is not None else None
    return None if names is None else frozenset(names)


def _idle(subject: Subject, used: set[tuple[str, str]]) -> Iterator[Finding]:
    for name, choice in subject.settings.outputs.items():
        for line in sorted(
            (_lines(choice) or frozenset()) - {one for of, one in used if of == name}
        ):
            what = f"nothing switches line {line!r}"
            yield Finding(("outputs", name), what, "name it in some indications", warning=True)
