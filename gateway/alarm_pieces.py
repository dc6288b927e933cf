"""From the settings to each alarm service's own piece of them. No decisions, only translation.

Here and not in `gateway.pieces`, so that a gateway without its voice loads no audio.
"""

from __future__ import annotations

from gateway.alarm.incidents.cases import Rules
from gateway.alarm.journal.keeper import Retention
from gateway.alarm.plans.levels import Groups
from gateway.alarm.supervision.lifesigns import Watching
from gateway.requests.tests import Buttons
from gateway.settings import facts, supervised
from gateway.settings.model import Settings


def retention_of(settings: Settings) -> Retention:
    """How long the journal keeps its rows, and where they go then."""
    kept = settings.journal
    return Retention(
        None if kept.keep_days is None else kept.keep_days * 86_400.0,
        kept.archive or settings.data_dir / "archive",
    )


def rules_of(settings: Settings) -> Rules:
    """The desk's piece of the settings."""
    return Rules(
        sources=facts.sources_of(settings),
        sites=facts.sites_of(settings),
        groups=Groups(facts.groups_of(settings)),
        plans=facts.plans_of(settings),
        dispositions=facts.dispositions_of(settings),
        flapping=facts.flapping_of(settings),
        zone=facts.zone_of(settings),
    )


def watching_of(settings: Settings) -> Watching:
    """The watch's piece of the settings."""
    return Watching(
        intervals=supervised.intervals_of(settings),
        speaking=frozenset(
            name
            for name in settings.supervision.endpoints
            if supervised.speaks_for_itself(settings, name)
        ),
        positions=any(
            level.nearest is not None for plan in settings.plans.values() for level in plan.levels
        ),
    )


def buttons_of(settings: Settings) -> Buttons:
    """What walk tests and the list of tests need of the settings."""
    return Buttons(
        settings.sites.keys(), facts.sources_of(settings), supervised.due_within(settings)
    )
