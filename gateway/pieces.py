"""From the settings to each service's own piece of them. No decisions, only translation."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.alarm import plan as plans
from gateway.settings.model import Endpoint, Settings
from gateway.settings.model import Level as LevelSettings


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
        )
        for name, plan in settings.plans.items()
    )


def _level(level: LevelSettings) -> plans.Level:
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


def serves_of(settings: Settings) -> frozenset[str]:
    """The groups whose pages this gateway receives, signs for and announces."""
    if settings.serves is not None:
        return frozenset(settings.serves)
    here = {endpoint.talkgroup for endpoint in settings.endpoints.values()}
    return frozenset(name for name, group in settings.groups.items() if group.talkgroup in here)


def pre_roll_of(endpoint: Endpoint) -> float:
    """Seconds of audio from before the squelch opened that are sent first.

    VOX needs speech to notice speech, so it looks further back than a line does.
    """
    if endpoint.pre_roll_s is not None:
        return endpoint.pre_roll_s
    return 0.2 if endpoint.squelch is not None and endpoint.squelch.driver == "vox" else 0.04


def group_endpoints(settings: Settings, groups: frozenset[str]) -> Mapping[str, frozenset[str]]:
    """For each of ``groups``, the endpoints of this gateway on its talkgroup."""
    return {
        group: frozenset(
            name
            for name, endpoint in settings.endpoints.items()
            if endpoint.audio is not None and endpoint.talkgroup == settings.groups[group].talkgroup
        )
        for group in groups
        if group in settings.groups
    }
