"""Checks of alarm inputs and of the endpoints that raise through them. Pure.

An input's options may say how it tells endpoints apart: ``addressed_by`` is ``account`` (a panel),
``line`` (GPIO) or ``endpoint`` (virtual), and ``line_names()`` the lines that it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.settings.drivers import DriverChoice
from gateway.settings.findings import Finding, Subject
from gateway.settings.model import Endpoint
from gateway.settings.wording import suggestion_or_list


def check(subject: Subject) -> Iterator[Finding]:
    """Endpoints that their input cannot tell apart or never reaches, and inputs that reach nobody."""
    first: dict[tuple[str | None, ...], tuple[str, str]] = {}
    for name, endpoint in subject.settings.endpoints.items():
        loc = ("endpoints", name)
        if endpoint.input is None:
            yield from _without_input(subject, name, endpoint)
            continue
        if (
            endpoint.zone is not None
            and endpoint.account is None
            and subject.sound(*loc, "account")
        ):
            yield Finding((*loc, "zone"), "a zone without an account names nothing", "add account:")
        choice = subject.settings.inputs.get(endpoint.input)
        if choice is not None:
            yield from _addressing(subject, name, endpoint, choice)
        for key, address in _addresses(endpoint):
            other, other_key = first.setdefault(address, (name, key))
            if other != name:
                place = subject.place(("endpoints", other, other_key))
                what = f"endpoint {other} has the same {_SAME[key]} on input {endpoint.input}"
                yield Finding((*loc, key), what, f"see {place}")
    yield from _idle(subject)


_SAME = {"line": "line", "zone": "account and zone", "account": "account and no zone either"}


def _addresses(endpoint: Endpoint) -> Iterator[tuple[str, tuple[str | None, ...]]]:
    if endpoint.account is not None:
        key = "account" if endpoint.zone is None else "zone"
        zone = None if endpoint.zone is None else _digits(endpoint.zone)
        yield key, ("account", endpoint.input, _digits(endpoint.account), zone)
    if endpoint.line is not None:
        yield "line", ("line", endpoint.input, endpoint.line)


def _digits(text: str) -> str:
    """What the desk compares: a panel pads with zeros (`gateway.alarm.signals.contact`, rule 1)."""
    return text.strip().lstrip("0").upper()


def _without_input(subject: Subject, name: str, endpoint: Endpoint) -> Iterator[Finding]:
    loc = ("endpoints", name)
    if not subject.sound(*loc, "input"):
        return
    for key in ("account", "zone", "line"):
        if getattr(endpoint, key) is not None:
            yield Finding((*loc, key), f"{key} without an input names nothing", "add input:")
            return
    if endpoint.kind == "button":
        yield Finding(
            loc, "a button without an input cannot be pressed", "add input:", warning=True
        )


def _addressing(
    subject: Subject, name: str, endpoint: Endpoint, choice: DriverChoice
) -> Iterator[Finding]:
    loc = ("endpoints", name)
    addressed_by = getattr(choice.options, "addressed_by", "endpoint")
    assert endpoint.input is not None
    subject_input = ("inputs", endpoint.input)
    of_input = f"input {endpoint.input} ({choice.driver})"
    if addressed_by == "account":
        if endpoint.account is None and endpoint.zone is None and subject.sound(*loc, "account"):
            yield Finding(loc, f"{of_input} tells endpoints by account", "add account:")
        if endpoint.line is not None:
            yield Finding((*loc, "line"), f"{of_input} has no lines", "remove it")
        return
    if endpoint.account is not None:
        what = f"{of_input} knows no accounts"
        yield Finding((*loc, "account"), what, "remove it", warning=addressed_by == "endpoint")
    lines = _lines(choice)
    if endpoint.line is None:
        if addressed_by == "line" and subject.sound(*loc, "line"):
            hint = "add line:"
            if lines:
                hint += f" {' or '.join(sorted(lines))}"
            yield Finding(loc, f"{of_input} tells endpoints by line", hint)
    elif lines is not None and endpoint.line not in lines and subject.sound(*subject_input):
        what = f"{of_input} has no line {endpoint.line!r}"
        hint = suggestion_or_list(endpoint.line, sorted(lines))
        yield Finding((*loc, "line"), what, hint)


def _lines(choice: DriverChoice) -> frozenset[str] | None:
    line_names = getattr(choice.options, "line_names", None)
    names: Iterable[str] | None = line_names() if line_names is not None else None
    return None if names is None else frozenset(names)


def _idle(subject: Subject) -> Iterator[Finding]:
    """Inputs, and lines of them, that no endpoint uses."""
    if not subject.validated.sound("endpoints"):
        return
    lines_used: dict[str, set[str | None]] = {}
    for endpoint in subject.settings.endpoints.values():
        if endpoint.input is not None:
            lines_used.setdefault(endpoint.input, set()).add(endpoint.line)
    for name, choice in subject.settings.inputs.items():
        used = lines_used.get(name)
        loc = ("inputs", name)
        if used is None:
            what = "no endpoint uses this input; whatever it reports is a trouble"
            yield Finding(loc, what, "add endpoints with this input", warning=True)
        elif getattr(choice.options, "addressed_by", "endpoint") == "line":
            for line in sorted((_lines(choice) or frozenset()) - used):
                yield Finding((*loc, "lines", line), "no endpoint uses this line", warning=True)
