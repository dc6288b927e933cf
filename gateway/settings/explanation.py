"""Who would be called for a signal, by whom, when, at which level and on which talkgroup. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from gateway.alarm.incidents.cases import Rules
from gateway.alarm.incidents.docket import Change, Docket
from gateway.alarm.incidents.order import Order
from gateway.alarm.plans import plan as plans
from gateway.alarm.plans.calendars import WEEKDAYS, local
from gateway.alarm.plans.choosing import Choosing
from gateway.alarm.plans.levels import Groups, quorum
from gateway.alarm.plans.nearest import Unheard
from gateway.alarm.plans.rehearsal import Question, Rehearsal, Rung, WrongQuestion, rehearse
from gateway.alarm.signals.contact import Sighting, sighting_of
from gateway.moment import Moment, timestamp
from gateway.ports import AlarmSignal, SignalKind
from gateway.settings import facts
from gateway.settings.model import Settings
from gateway.settings.wording import suggestion_or_list


def explain_unheard(settings: Settings, question: Question) -> dict[str, Any]:
    """`explain` where nobody says where they are: by the configuration alone."""
    groups = Groups(facts.groups_of(settings))
    zone = facts.zone_of(settings)
    rules = Rules(groups=groups, plans=facts.plans_of(settings), zone=zone)
    choosing = Choosing(groups, facts.rotas_of(settings), Unheard(), zone)
    return explain(settings, rules, choosing, question)


def explain(
    settings: Settings, rules: Rules, choosing: Choosing, question: Question
) -> dict[str, Any]:
    """The answer, as ``baiying explain --json`` prints it.

    ``rules`` are those of ``settings``; its sources and sites are not asked.

    Raises:
        WrongQuestion: there is no such endpoint, site, signal, code or plan.
    """
    return _Explainer(settings, rules, choosing, question).answer()


class _Explainer:
    def __init__(
        self, settings: Settings, rules: Rules, choosing: Choosing, question: Question
    ) -> None:
        self._settings = settings
        self._choosing = choosing
        self._question = question
        self._endpoint = _known("endpoint", question.endpoint, settings.endpoints)
        own_site = self._endpoint and settings.endpoints[self._endpoint].site
        site = _known("site", question.site, settings.sites) or own_site
        if site is None:
            raise WrongQuestion("name an endpoint, or a site")
        if own_site is not None and own_site != site:
            raise WrongQuestion(f"endpoint {self._endpoint} is at site {own_site}, not {site}")
        _known("plan", question.plan, settings.plans)
        self._site = facts.site_of(site, settings.sites[site])
        self._sources = self._sources_of_the_place()
        self._source = self._sources.get(self._endpoint or "")
        self._rules = replace(rules, sources=self._sources, sites={site: self._site})
        self._groups = rules.groups
        self._start = Moment(elapsed=0.0, wall=question.at)

    def _sources_of_the_place(self) -> dict[str, plans.SourceFacts]:
        if self._endpoint is None:
            return {}
        own = self._settings.endpoints[self._endpoint]
        site, place = own.site, own.place
        return {
            name: facts.source_of(name, endpoint)
            for name, endpoint in self._settings.endpoints.items()
            if endpoint is own or (endpoint.site == site and endpoint.place == place)
        }

    def answer(self) -> dict[str, Any]:
        question, source = self._question, self._source
        sighting = None if question.by_hand or source is None else self._sighting(source)
        rehearsal = rehearse(
            self._settings.gateway,
            self._rules,
            self._choosing,
            lambda docket: self._raise(docket, sighting),
            self._start,
        )
        opened = rehearsal.opened
        plan = self._plan(sighting, rehearsal)
        category = sighting.category if sighting else self._order().at(source).category
        mates = plans.place_mates(source, list(self._sources.values())) if source else ()
        cameras = [name for name in mates if self._settings.endpoints[name].camera is not None]
        covert = bool(opened and opened.case.covert)
        targets = plan.targets if plan and opened and not opened.case.quiet else None
        return {
            "gateway": self._settings.gateway,
            "endpoint": source.endpoint if source else None,
            "name": source.title if source else None,
            "site": {
                "name": self._site.name,
                "title": self._site.title,
                "class": self._site.class_,
                "street": self._site.street,
                "grid": self._site.grid,
            },
            "place": source.place if source else None,
            "endpoints": list(mates),
            "cameras": cameras,
            "by_hand": sighting is None,
            "drill": question.drill,
            "signal": sighting.signal.value if sighting else SignalKind.ALARM.value,
            "code": sighting.code if sighting else question.code,
            "category": category,
            "text": (sighting.text or None) if sighting else None,
            "covert": covert,
            "guard": _guard(source.guard) if source and sighting and not sighting.quiet else [],
            "latches": bool(opened and opened.latched),
            "severity": plans.severity_of(plan, category),
            "at": timestamp(question.at),
            "timezone": self._settings.timezone,
            "local": _clock(local(question.at, self._rules.zone)),
            "plan": {"name": plan.name, "title": plan.title} if plan and rehearsal.rungs else None,
            "why": self._why(sighting, plan),
            "targets": {
                "ack_s": targets.ack,
                "en_route_s": targets.en_route,
                "on_scene_s": targets.on_scene,
                "handled_s": targets.handled,
            }
            if targets
            else None,
            "levels": [self._level(plan, rung, mates, covert=covert) for rung in rehearsal.rungs]
            if plan
            else [],
        }

    def _raise(self, docket: Docket, sighting: Sighting | None) -> list[Change]:
        if sighting is not None:
            return docket.signal(sighting, self._start, drill=self._question.drill)
        return docket.raise_by_hand(self._order(), self._start)

    def _order(self) -> Order:
        question = self._question
        return Order(
            site=self._site.name,
            endpoint=self._endpoint,
            category=question.category,
            code=question.code,
            plan=question.plan,
            drill=question.drill,
        )

    def _sighting(self, source: plans.SourceFacts) -> Sighting:
        """What the endpoint's driver would report; a code, where it has a meaning there, decides."""
        question = self._question
        kinds = [kind.value for kind in SignalKind]
        if question.signal not in kinds:
            hint = suggestion_or_list(question.signal, kinds)
            raise WrongQuestion(f"there is no signal {question.signal!r}; {hint}")
        seen = AlarmSignal(signal=SignalKind(question.signal), code=question.code)
        choice = self._settings.inputs.get(source.input or "")
        meaning_of = getattr(choice.options if choice else None, "meaning_of", None)
        if question.code is not None and meaning_of is not None:
            seen = meaning_of(question.code)
            if seen is None:
                code = question.code
                raise WrongQuestion(
                    f"{code!r} is no event code of input {source.input}; write E120, or PA"
                )
        return sighting_of(source, seen)

    def _plan(self, sighting: Sighting | None, rehearsal: Rehearsal) -> plans.Plan | None:
        """The plan that it opens with; of what opens nothing, the one that its alarms have."""
        if rehearsal.opened is not None:
            name = rehearsal.opened.case.plan
            return next((one for one in self._rules.plans if one.name == name), None)
        if sighting is None:
            return None
        at = local(self._question.at, self._rules.zone)
        return plans.select(
            self._rules.plans, self._source, self._site, sighting.category, sighting.code, at
        )

    def _why(self, sighting: Sighting | None, plan: plans.Plan | None) -> str | None:
        """Why nobody is called; None where somebody is."""
        if sighting is not None and sighting.signal is SignalKind.RESTORE:
            return "a restore is recorded in the endpoint's open incident; it calls nobody"
        if sighting is not None and sighting.signal is SignalKind.CANCEL:
            return "a cancel from a panel is recorded only; a person cancels an incident"
        if plan is not None:
            return None
        if sighting is not None and sighting.quiet:
            return f"no plan names category {sighting.category}: it is recorded and calls nobody"
        return "no plan is for it: an incident is opened, but it calls nobody"

    def _level(
        self, plan: plans.Plan, rung: Rung, mates: tuple[str, ...], *, covert: bool
    ) -> dict[str, Any]:
        index = rung.level - 1
        level = plan.levels[index]
        served = facts.serves_of(self._settings)
        joined = [name for name in mates if self._settings.endpoints[name].audio is not None]
        return {
            "level": rung.level,
            "name": level.name,
            "after_s": rung.after,
            "at": timestamp(self._question.at + rung.after),
            "passed_over": rung.passed_over,
            "groups": [
                {
                    "group": name,
                    "name": self._groups[name].title,
                    "party": self._groups[name].party,
                    "talkgroup": self._groups[name].talkgroup,
                    "added": name in rung.added,
                    "served_here": name in served,
                }
                for name in rung.called
            ],
            "rotas": [
                {
                    "rota": duty.rota,
                    "on_duty": list(duty.groups),
                    "otherwise": duty.otherwise,
                }
                for duty in rung.duties
            ],
            "nearest": _nearest(level.nearest, rung),
            "shortfalls": list(rung.shortfalls),
            "answered_by": _answered_by(quorum(plan, index)),
            "announce": level.announce if self._settings.announcements.times else "off",
            "patch": level.patch,
            "talkgroup": "incident-<id>" if rung.patched else None,
            "joined": joined if rung.patched else [],
            "hot_mic_s": level.hot_mic,
            "hot_mics": self._hot_mics(joined) if level.hot_mic and not covert else [],
            "ack_within_s": level.ack_within,
            "then": rung.level + 1 if rung.level < len(plan.levels) else "breach",
        }

    def _hot_mics(self, joined: list[str]) -> list[str]:
        """Those whose microphones the level opens."""
        return [
            name
            for name in joined
            if (one := self._settings.endpoints[name]).kind == "intercom"
            and one.hot_mic
            and (one.drills or not self._question.drill)
        ]


def _known(kind: str, name: str | None, known: dict[str, Any]) -> str | None:
    if name is not None and name not in known:
        hint = suggestion_or_list(name, known)
        raise WrongQuestion(f"there is no {kind} {name!r}" + (f"; {hint}" if hint else ""))
    return name


def _guard(guard: plans.Guard) -> list[str]:
    """What an alarm needs to count, in words."""
    words = []
    if guard.hold:
        words.append(f"held for {guard.hold:g} s")
    if guard.presses > 1:
        words.append(f"pressed {guard.presses} times within {guard.presses_within:g} s")
    if guard.confirm_by:
        others = " or ".join(guard.confirm_by)
        words.append(f"confirmed by {others} within {guard.confirm_within:g} s")
    return words


def _nearest(nearest: plans.Nearest | None, rung: Rung) -> dict[str, Any] | None:
    if nearest is None:
        return None
    return {
        "count": nearest.count,
        "party": list(nearest.party),
        "max_distance_m": nearest.max_distance,
        "max_age_s": nearest.max_age,
        "candidates": [
            {
                "group": one.group,
                "distance_m": None if one.distance is None else round(one.distance, 1),
                "why_not": one.why_not,
                "called": one.group in rung.called,
            }
            for one in rung.survey.shown
        ],
        "more": rung.survey.more,
    }


def _answered_by(wanted: plans.Quorum) -> list[str] | str | int | None:
    """As in the configuration; None for any single ack."""
    if wanted.everyone:
        return "all"
    if wanted.parties:
        return list(wanted.parties)
    return None if wanted.count == 1 else wanted.count


def _clock(at: datetime) -> str:
    """Weekday and time of day, by which plans and rotas go."""
    return f"{WEEKDAYS[at.weekday()]} {at:%H:%M}"
