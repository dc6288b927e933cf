"""Which open incident a burst belongs to. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """An open incident: its talkgroup if it has one, and its place's endpoints as ``<gateway>/<endpoint>``.

    ``severity`` counts from 1, the highest; ``raised`` is POSIX seconds.
    """

    incident: str
    talkgroup: str | None
    talkers: frozenset[str]
    severity: int
    raised: float
    drill: bool


class Occasions:
    """The incidents that are open now.

    A burst belongs to an incident if it is on its talkgroup, or by an endpoint of its place. Of two
    incidents the more severe, then the newer, has it.
    """

    def __init__(self) -> None:
        self._open: dict[str, Occasion] = {}

    def begin(self, occasion: Occasion) -> bool:
        """An incident is open; whether it was not known yet."""
        known = occasion.incident in self._open
        self._open[occasion.incident] = occasion
        return not known

    def end(self, incident: str) -> Occasion | None:
        """An incident is closed; what it was, if it was known."""
        return self._open.pop(incident, None)

    def talkgroups(self) -> frozenset[str]:
        """The talkgroups that incidents have of their own."""
        return frozenset(one.talkgroup for one in self._open.values() if one.talkgroup is not None)

    def of(self, talkgroup: str, talker: str) -> Occasion | None:
        """The incident of a burst."""
        found = [
            one
            for one in self._open.values()
            if one.talkgroup == talkgroup or talker in one.talkers
        ]
        return min(found, key=lambda one: (one.severity, -one.raised, one.incident), default=None)
