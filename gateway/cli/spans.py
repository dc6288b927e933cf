"""Lengths of time as people write them: ``90``, ``90s``, ``30m``, ``2h``, ``1d``, ``1h30m``."""

from __future__ import annotations

import re

import typer

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_SPAN = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+")
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


def span(text: str) -> float:
    """The seconds of a span; a bare number is seconds.

    Raises:
        ValueError: it is none, or zero.
    """
    written = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", written):
        written += "s"
    if not _SPAN.fullmatch(written):
        raise ValueError(f"{text!r} is no length of time; write 90, 30m, 2h or 1d")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(written))
    if seconds <= 0:
        raise ValueError("a length of time is more than 0")
    return seconds


def span_option(text: str | float) -> float:
    """`span` as a parser of an option; it is given the default too."""
    try:
        return span(text) if isinstance(text, str) else text
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def in_words(seconds: float) -> str:
    """A length of time in its two largest units: ``2 h 5 min``."""
    whole = round(seconds)
    for size, unit, smaller, lesser in (
        (86_400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit}" + (f" {rest} {lesser}" if rest else "")
    return f"{whole} s"
