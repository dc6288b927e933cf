"""What a field of the settings stands for, beyond its type: marks put into `typing.Annotated`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refers:
    """The value is the name of an entry of ``section``.

    ``elsewhere`` says that the entry may well be in another gateway's file, so that an unknown
    name is worth a warning only.
    """

    section: str
    elsewhere: bool = False
