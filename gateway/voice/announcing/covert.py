"""Who must not hear of a covert incident. Pure.

Rule 1. Nothing at the place itself: the incident's own endpoints, whatever they are.
Rule 2. No loudspeaker at the site: whoever is watched at the counter stands near some intercom. A radio
        is in the hand of somebody who was called, and may be told.
Rule 3. A talkgroup that one of these hears is not spoken on at all: a receiver does not know what an
        announcement is about.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

RADIO = "radio"


@dataclass(frozen=True, slots=True)
class Ear:
    """An endpoint that hears the talkgroup, here or at another gateway."""

    endpoint: str
    site: str | None
    kind: str


def given_away_by(
    ears: Iterable[Ear], *, site: str | None, endpoints: Collection[str]
) -> str | None:
    """The endpoint at which it would be heard where it must not; None where there is none."""
    for ear in ears:
        if (
            ear.site is not None
            and ear.site == site
            and (ear.endpoint in endpoints or ear.kind != RADIO)
        ):
            return ear.endpoint
    return None
