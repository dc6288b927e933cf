"""What a person raises by hand. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.alarm.incidents.record import MAX_NAME, MAX_TEXT, cut
from gateway.alarm.plans.plan import SourceFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a person raises by hand, at a site or an endpoint of it (a camera too).

    ``plan`` names the plan to use; None takes the first that matches.
    """

    site: str
    endpoint: str | None = None
    category: str | None = None
    code: str | None = None
    plan: str | None = None
    text: str | None = None
    by: str | None = None
    drill: bool = False
    covert: bool = False

    def at(self, source: SourceFacts | None) -> Order:
        """What it comes to at its endpoint; ``source`` None: it names none."""
        own = self.category or (source.category if source else None)
        return replace(
            self,
            category=own,
            text=None if self.text is None else cut(self.text, MAX_TEXT),
            by=None if self.by is None else cut(self.by, MAX_NAME),
            covert=self.covert or (source is not None and source.guard.covert),
        )
