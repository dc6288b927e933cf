"""From settings to what `gateway.alarm.plans.plan` and `gateway.alarm.signals.contact` decide by. Pure.

Here and not in `gateway.pieces`, so that checking and explaining a configuration loads no audio.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from zoneinfo import ZoneInfo

from gateway.alarm import drills
from gateway.alarm.incidents.actions import VERDICTS
from gateway.alarm.indications import Indication, Signs
from gateway.alarm.neighbours.cap import CapOptions
from gateway.alarm.neighbours.home_assistant import EndpointFacts
from gateway.alarm.neighbours.options import NeighbourOptions
from gateway.alarm.plans import plan as plans
from gateway.alarm.plans.calendars import (
    ALWAYS,
    WEEKDAYS,
    Calendar,
    Hours,
    Rota,
    Shift,
    parse_day_time,
    parse_days,
)
from gateway.alarm.signals.folding import FlappingRule
from gateway.alarm.standby import Standby
from gateway.settings import model
from gateway.settings.model import Endpoint, Level, Settings


def sites_of(settings: Settings) -> dict[str, plans.SiteFacts]:
    """Every site that the configuration knows, by name."""
    return {name: site_of(name, site) for name, site in settings.sites.items()}


def site_of(name: str, site: model.Site) -> plans.SiteFacts:
    """A site as plans and pages see it."""
    return plans.SiteFacts(
        name=name,
        title=site.name,
        class_=site.class_,
        street=site.street,
        grid=site.grid,
        tags=site.tags,
        position=site.position,
        places=site.places,
    )


def sources_of(settings: Settings) -> dict[str, plans.SourceFacts]:
    """Every endpoint of the gateway as alarms see it, by name."""
    return {name: source_of(name, endpoint) for name, endpoint in settings.endpoints.items()}


def source_of(name: str, endpoint: Endpoint) -> plans.SourceFacts:
    """An endpoint as alarms see it."""
    return plans.SourceFacts(
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
        guard=_guard(endpoint),
    )


STUCK_AFTER = 60.0
"""Seconds in alarm after which an input with lines is stuck, where its endpoint does not say."""


def _guard(endpoint: Endpoint) -> plans.Guard:
    has_lines = endpoint.input is not None and endpoint.account is None
    stuck_after = endpoint.stuck_after_s or (STUCK_AFTER if has_lines else None)
    guard = plans.Guard(
        hold=endpoint.hold_s,
        presses=endpoint.presses,
        presses_within=endpoint.presses_within_s,
        confirm_by=endpoint.confirm_by,
        confirm_within=endpoint.confirm_within_s,
        stuck_after=stuck_after,
        covert=endpoint.covert,
        duress_codes=endpoint.duress_codes,
        duress_zones=endpoint.duress_zones,
    )
    return _GUARDS.setdefault(guard, guard)


_GUARDS: dict[plans.Guard, plans.Guard] = {plans.NO_GUARD: plans.NO_GUARD}
"""One value for all endpoints that are guarded alike: a district has 30,000 of them."""


def signs_of(settings: Settings) -> dict[str, Signs]:
    """What each endpoint that has lines to show with shows on them."""
    found = {}
    for name, endpoint in settings.endpoints.items():
        if endpoint.indications is model.NO_INDICATIONS:
            continue
        lines = {
            indication: tuple(map(_output_line, written))
            for indication in Indication
            if (written := getattr(endpoint.indications, indication.value))
        }
        if lines and not endpoint.covert:
            found[name] = Signs(lines, endpoint.indications.unheard_after_s)
    return found


def _output_line(text: str) -> tuple[str, str]:
    output, _, line = text.partition("/")
    return output, line


def drilled_of(settings: Settings) -> frozenset[str]:
    """The outputs that a drill may switch; a driver whose options do not say so never is one."""
    return frozenset(
        name
        for name, choice in settings.outputs.items()
        if getattr(choice.options, "drills", False)
    )


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
            position=group.position,
            drills=group.drills,
        )
        for name, group in settings.groups.items()
    }


def flapping_of(settings: Settings) -> FlappingRule:
    """From when on an input flaps."""
    rule = settings.flapping
    return FlappingRule(changes=rule.changes, within=rule.within_s, every=rule.tell_each_s)


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
                hours=_hours(settings, plan.when),
            ),
            levels=tuple(_level(level, plan.announce) for level in plan.levels),
            severity=plan.severity,
            ack_expires=plan.ack_expires_s,
            targets=plans.Targets(
                ack=plan.targets.ack_s,
                en_route=plan.targets.en_route_s,
                on_scene=plan.targets.on_scene_s,
                handled=plan.targets.handled_s,
            ),
        )
        for name, plan in settings.plans.items()
    )


def _level(level: Level, announce: plans.Announce) -> plans.Level:
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
        page_rota=level.page_rota,
        nearest=None
        if level.nearest is None
        else plans.Nearest(
            count=level.nearest.count,
            party=level.nearest.party,
            max_distance=level.nearest.max_distance_m,
            max_age=level.nearest.max_age_s,
        ),
        patch=level.patch,
        hot_mic=level.hot_mic_s if level.patch else 0.0,
        announce=level.announce or announce,
        answered_by=_quorum(level.answered_by),
        ack_within=level.ack_within_s,
    )


def _quorum(answered_by: tuple[str, ...] | str | int | None) -> plans.Quorum | None:
    match answered_by:
        case None:
            return None
        case "all":
            return plans.Quorum(everyone=True)
        case int():
            return plans.Quorum(count=answered_by)
        case tuple():
            return plans.Quorum(parties=answered_by)
    return plans.ANY


def _hours(settings: Settings, of: model.When | model.Shift) -> Hours:
    if not (of.time or of.weekdays or of.calendar):
        return ALWAYS
    known = calendars_of(settings)
    return Hours(
        times=tuple(parse_day_time(time) for time in of.time),
        weekdays=_weekdays(of.weekdays),
        calendars=tuple(known[name] for name in of.calendar if name in known),
    )


def _weekdays(names: tuple[str, ...]) -> frozenset[int]:
    return frozenset(WEEKDAYS.index(day) for day in names)


def calendars_of(settings: Settings) -> dict[str, Calendar]:
    """Every calendar, by name."""
    return {
        name: Calendar(
            name=name,
            weekdays=_weekdays(calendar.weekdays),
            first=_date(calendar.first),
            last=_date(calendar.last),
            exceptions=tuple(parse_days(days) for days in calendar.exceptions),
            additional=tuple(parse_days(days) for days in calendar.additional),
        )
        for name, calendar in settings.calendars.items()
    }


def _date(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def rotas_of(settings: Settings) -> dict[str, Rota]:
    """Every rota, by name."""
    return {
        name: Rota(
            name=name,
            shifts=tuple(
                Shift(group=shift.group, hours=_hours(settings, shift)) for shift in rota.shifts
            ),
            otherwise=rota.otherwise,
        )
        for name, rota in settings.rotas.items()
    }


def zone_of(settings: Settings) -> ZoneInfo | None:
    """The zone of all hours; None is the machine's own."""
    return None if settings.timezone is None else ZoneInfo(settings.timezone)


def dispositions_of(settings: Settings) -> Mapping[str, str] | None:
    """The dispositions that may close an incident, with the verdict of each; None: any."""
    match settings.dispositions:
        case None:
            return None
        case tuple() as words:
            return {word: VERDICTS.get(word, "unknown") for word in words}
        case verdicts:
            return dict(verdicts)


def standbys_of(settings: Settings) -> dict[str, Standby]:
    """Who stands by for which gateway."""
    return {
        name: Standby(
            by=one.by, adopt_after=one.adopt_after_s, give_back_after=one.give_back_after_s
        )
        for name, one in settings.standbys.items()
    }


def drills_of(settings: Settings) -> tuple[drills.Drill, ...]:
    """Every drill that is held by itself."""
    calendars = calendars_of(settings)
    return tuple(
        drills.Drill(
            name=name,
            endpoint=drill.endpoint,
            site=drill.site,
            category=drill.category,
            plan=drill.plan,
            text=drill.text,
            sealed=drill.sealed,
            schedule=drills.Schedule(
                dates=tuple(parse_days(days) for days in drill.schedule.dates),
                weekdays=frozenset(WEEKDAYS.index(day) for day in drill.schedule.weekdays),
                week=drill.schedule.week,
                calendars=tuple(
                    calendars[one] for one in drill.schedule.calendar if one in calendars
                ),
                hours=parse_day_time(
                    drill.schedule.between or f"{drill.schedule.at}-{drill.schedule.at}"
                ),
                by_lot=drill.schedule.between is not None,
            ),
        )
        for name, drill in settings.drills.items()
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
