"""From settings to what `gateway.alarm.plan` and `gateway.alarm.contact` decide by. Pure.

Here and not in `gateway.pieces`, so that checking and explaining a configuration loads no audio.
"""

from __future__ import annotations

from gateway.alarm import plan as plans
from gateway.alarm.cap import CapOptions
from gateway.alarm.home_assistant import EndpointFacts
from gateway.alarm.neighbour_options import NeighbourOptions
from gateway.settings.model import Level, Settings


def sites_of(settings: Settings) -> dict[str, plans.SiteFacts]:
    """Every site that the configuration knows, by name."""
    return {
        name: plans.SiteFacts(
            name=name,
            title=site.name,
            class_=site.class_,
            street=site.street,
            grid=site.grid,
            tags=site.tags,
            position=site.position,
        )
        for name, site in settings.sites.items()
    }


def sources_of(settings: Settings) -> dict[str, plans.SourceFacts]:
    """Every endpoint of the gateway as alarms see it, by name."""
    return {
        name: plans.SourceFacts(
            endpoint=name,
            title=endpoint.name or name,
            site=endpoint.site,
            place=endpoint.place,
            input=endpoint.input,
            line=endpoint.line,
            account=endpoint.account,
            zone=endpoint.zone,
            category=endpoint.category,
            latch=endpoint.latch,
        )
        for name, endpoint in settings.endpoints.items()
    }


def groups_of(settings: Settings) -> dict[str, plans.GroupFacts]:
    """Every group, by name."""
    return {
        name: plans.GroupFacts(
            name=name,
            title=group.name,
            party=group.party,
            talkgroup=group.talkgroup,
            street=group.street,
            grid=group.grid,
            class_=group.class_,
            tags=group.tags,
        )
        for name, group in settings.groups.items()
    }


def plans_of(settings: Settings) -> tuple[plans.Plan, ...]:
    """Every plan, in order of precedence."""
    return tuple(
        plans.Plan(
            name=name,
            title=plan.name or name,
            when=plans.When(
                endpoint=plan.when.endpoint,
                site=plan.when.site,
                class_=plan.when.class_,
                street=plan.when.street,
                grid=plan.when.grid,
                tag=plan.when.tag,
                category=plan.when.category,
                code=plan.when.code,
            ),
            levels=tuple(_level(level) for level in plan.levels),
            severity=plan.severity,
            ack_expires=plan.ack_expires_s,
        )
        for name, plan in settings.plans.items()
    )


def _level(level: Level) -> plans.Level:
    where = level.page_where
    return plans.Level(
        name=level.name,
        page=level.page,
        page_where=None
        if where is None
        else plans.Where(
            street=where.street,
            grid=where.grid,
            class_=where.class_,
            party=where.party,
            tag=where.tag,
        ),
        patch=level.patch,
        answered_by=level.answered_by,
        ack_within=level.ack_within_s,
    )


def neighbours_of(settings: Settings) -> NeighbourOptions:
    """Which other systems are told of alarms and incidents."""
    wanted = settings.neighbours
    return NeighbourOptions(
        cap=None
        if wanted.cap is None
        else CapOptions(
            sender=wanted.cap.sender or settings.gateway,
            sender_name=wanted.cap.sender_name or settings.gateway,
            language=wanted.cap.language,
        ),
        cloudevents=wanted.cloudevents is not None,
        discovery=None if wanted.home_assistant is None else wanted.home_assistant.prefix,
    )


def discovered_of(settings: Settings) -> tuple[EndpointFacts, ...]:
    """What Home Assistant is shown of each endpoint."""
    return tuple(
        EndpointFacts(
            name=name,
            title=endpoint.name or name,
            kind=endpoint.kind,
            site_title=settings.sites[endpoint.site].name,
            raises=endpoint.input is not None,
        )
        for name, endpoint in settings.endpoints.items()
    )


def serves_of(settings: Settings) -> frozenset[str]:
    """The groups whose pages this gateway receives, signs for and announces."""
    if settings.serves is not None:
        return frozenset(settings.serves)
    here = {endpoint.talkgroup for endpoint in settings.endpoints.values()}
    return frozenset(name for name, group in settings.groups.items() if group.talkgroup in here)
