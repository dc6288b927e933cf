"""Every exception this project raises, split by phase and by whose fault it is.

A normal refusal (a denied floor, a refused action, a NAK to a panel) is a value and never an
exception. Data is in attributes, so that nobody has to parse a message.
"""

from __future__ import annotations

from dataclasses import dataclass


class BaiyingError(Exception):
    """Root of everything this project raises on purpose."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong with a configuration, at one place.

    ``line`` and ``column`` count from 1; both are 0 where a problem has no place in a file.
    ``key`` is the dotted path, such as ``endpoints.south-gate-button.zone``.
    """

    file: str
    line: int
    column: int
    key: str
    what: str
    hint: str = ""
    warning: bool = False

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}:{self.column}: {self.key}: {self.what}"
        if self.hint:
            text += f"; {self.hint}"
        return f"warning: {text}" if self.warning else text


class ConfigError(BaiyingError):
    """The configuration cannot be used. Carries every problem, errors and warnings, in file order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class DriverError(BaiyingError):
    """Something about one named driver; ``driver`` is the name used in the configuration."""

    def __init__(self, driver: str, what: str) -> None:
        super().__init__(f"{driver}: {what}")
        self.driver = driver
        self.what = what


class DriverUnavailable(DriverError):
    """The driver cannot be loaded here: no such name, or a package that it needs is missing."""

    def __init__(self, driver: str, what: str, *, module: str = "", package: str = "") -> None:
        super().__init__(driver, what)
        self.module = module
        self.package = package


class DriverOpenError(DriverError):
    """The device could not be opened (absent, busy, forbidden). Opening again later may work."""


class DriverIOError(DriverError):
    """An open device failed or vanished. ``transient`` says that opening it again is worth trying."""

    def __init__(self, driver: str, what: str, *, transient: bool = True) -> None:
        super().__init__(driver, what)
        self.transient = transient


class ProtocolError(BaiyingError):
    """Bytes or an order of events that a protocol does not allow."""


class LocalProtocolError(ProtocolError):
    """We were about to send what the protocol does not allow: a defect of ours."""


class RemoteProtocolError(ProtocolError):
    """The other side sent what the protocol does not allow; refuse and count it."""


class InsufficientData(ProtocolError):
    """The bytes so far are a valid beginning; more are needed. Not a fault of anybody."""


class LinkError(BaiyingError):
    """The broker could not be reached, or refused what was asked."""


class BrokerError(LinkError):
    """The embedded broker could not be started (port taken, no mosquitto installed ...)."""


class StorageError(BaiyingError):
    """The journal could not be written or read; what was to be stored is not stored."""


class JournalUnusable(StorageError):
    """Another process has the journal, or it is none that this version knows: trying again is no help."""


class KeyerError(BaiyingError):
    """The keyer process could not be started or does not answer."""
