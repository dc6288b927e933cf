"""What one gateway's view of a talkgroup wants done. Pure values."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.voice.floor.actions import Answer, Show, StoreTerm, Stray


@dataclass(frozen=True, slots=True)
class Publish:
    """Make this our retained FloorState; None clears it."""

    show: Show | None


@dataclass(frozen=True, slots=True)
class Tell:
    """An answer of the elected controller, ourselves or another, for a member of ours."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Seen:
    """The elected controller shows this; members of ours compare it with their grants."""

    show: Show


@dataclass(frozen=True, slots=True)
class Changed:
    """Another gateway controls from now on: members of ours ask it for what they want."""


Action = StoreTerm | Answer | Publish | Tell | Seen | Changed | Stray
"""What a `Control` wants done."""
