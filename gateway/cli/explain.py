"""``baiying explain``: who would be called, by whom, when, at which level and on which talkgroup.

It asks the very machines that the gateway runs (`gateway.alarm.contact`, `gateway.alarm.plan`), so
that what it says is what will happen.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from drivers import registry
from gateway.alarm import plan as plans
from gateway.alarm.contact import Sighting, sighting_of
from gateway.alarm.levels import Groups, added_groups, level_groups, quorum
from gateway.cli.live import CallError
from gateway.moment import timestamp
from gateway.ports import AlarmSignal, SignalKind
from gateway.settings.facts import groups_of, plans_of, serves_of, sites_of, sources_of
from gateway.settings.loader import load
from gateway.settings.model import Settings
from gateway.settings.wording import suggestion_or_list


def explain(
    config: Path, endpoint: str, *, signal: str, code: str | None, at: str | None, as_json: bool
) -> int:
    """Print what a signal of an endpoint would lead to; status 0, also where nobody is called.

    Raises:
        ConfigError: the configuration is wrong.
        CallError: there is no such endpoint, signal, code or time.
    """
    settings = load(config, registry).settings
    sources = sources_of(settings)
    if endpoint not in sources:
        hint = suggestion_or_list(endpoint, sources)
        raise CallError(f"there is no endpoint {endpoint!r}" + (f"; {hint}" if hint else ""))
    start = _time(at)
    sighting = sighting_of(sources[endpoint], _signal(settings, endpoint, signal, code))
    answer = _answer(settings, sighting, start)
    if as_json:
        print(json.dumps(answer, ensure_ascii=False))
    else:
        print("\n".join(_Text(answer, start).lines()))
    return 0


def _time(at: str | None) -> datetime:
    if at is None:
        return datetime.now().astimezone()
    try:
        start = datetime.fromisoformat(at)
    except ValueError:
        start = None
    if start is None or start.tzinfo is None:
        raise CallError(f"--at {at!r} is no RFC 3339 time; write 2026-11-24T05:45:00+08:00")
    return start


def _signal(settings: Settings, endpoint: str, signal: str, code: str | None) -> AlarmSignal:
    """What the endpoint's driver would report; a code, where it has a meaning there, decides."""
    kinds = [kind.value for kind in SignalKind]
    if signal not in kinds:
        raise CallError(f"there is no signal {signal!r}; {suggestion_or_list(signal, kinds)}")
    seen = AlarmSignal(signal=SignalKind(signal), code=code)
    source = settings.endpoints[endpoint]
    choice = settings.inputs.get(source.input or "")
    meaning_of = getattr(choice.options if choice else None, "meaning_of", None)
    if code is None or meaning_of is None:
        return seen
    said: AlarmSignal | None = meaning_of(code)
    if said is None:
        raise CallError(f"{code!r} is no event code of input {source.input}; write E120, or PA")
    return said


def _answer(settings: Settings, sighting: Sighting, start: datetime) -> dict[str, Any]:
    source = sighting.source
    assert source is not None
    sites = sites_of(settings)
    site = sites[source.site]
    plan = plans.select(plans_of(settings), source, site, sighting.category, sighting.code)
    mates = plans.place_mates(source, list(sources_of(settings).values()))
    opens = sighting.signal not in (SignalKind.RESTORE, SignalKind.CANCEL)
    calling = opens and plan is not None
    return {
        "gateway": settings.gateway,
        "endpoint": source.endpoint,
        "name": source.title,
        "site": {
            "name": site.name,
            "title": site.title,
            "class": site.class_,
            "street": site.street,
            "grid": site.grid,
        },
        "place": source.place,
        "endpoints": list(mates),
        "cameras": [name for name in mates if settings.endpoints[name].camera is not None],
        "signal": sighting.signal.value,
        "code": sighting.code,
        "category": sighting.category,
        "text": sighting.text or None,
        "latches": opens and plans.latches(source, sighting.category),
        "severity": plans.severity_of(plan, sighting.category),
        "at": timestamp(start.timestamp()),
        "plan": {"name": plan.name, "title": plan.title} if calling and plan else None,
        "why": _why(sighting, plan),
        "levels": _levels(settings, plan, mates, start) if calling and plan else [],
    }


def _why(sighting: Sighting, plan: plans.Plan | None) -> str | None:
    """Why nobody is called; None where somebody is."""
    if sighting.signal is SignalKind.RESTORE:
        return "a restore is recorded in the endpoint's open incident; it calls nobody"
    if sighting.signal is SignalKind.CANCEL:
        return "a cancel from a panel is recorded only; a person cancels an incident"
    if plan is not None:
        return None
    if sighting.quiet:
        return f"no plan names category {sighting.category}: it is recorded and calls nobody"
    return "no plan is for it: an incident is opened, but it calls nobody"


def _levels(
    settings: Settings, plan: plans.Plan, mates: tuple[str, ...], start: datetime
) -> list[dict[str, Any]]:
    groups = Groups(groups_of(settings))
    served = serves_of(settings)
    after = 0.0
    levels = []
    patched = False
    for index, level in enumerate(plan.levels):
        added = added_groups(plan, index, groups)
        patched = patched or level.patch
        joined = [name for name in mates if settings.endpoints[name].audio is not None]
        levels.append(
            {
                "level": index + 1,
                "name": level.name,
                "after_s": after,
                "at": timestamp((start + timedelta(seconds=after)).timestamp()),
                "groups": [
                    {
                        "group": name,
                        "name": groups[name].title,
                        "party": groups[name].party,
                        "talkgroup": groups[name].talkgroup,
                        "added": name in added,
                        "served_here": name in served,
                    }
                    for name in level_groups(plan, index, groups)
                ],
                "answered_by": _answered_by(quorum(plan, index)),
                "patch": level.patch,
                "talkgroup": "incident-<id>" if patched else None,
                "joined": joined if patched else [],
                "ack_within_s": level.ack_within,
                "then": index + 2 if index + 1 < len(plan.levels) else "breach",
            }
        )
        after += level.ack_within
    return levels


def _answered_by(quorum: plans.Quorum) -> list[str] | str | int | None:
    """As in the configuration; None for any single ack."""
    if quorum.everyone:
        return "all"
    if quorum.parties:
        return list(quorum.parties)
    return None if quorum.count == 1 else quorum.count


@dataclass(frozen=True, slots=True)
class _Text:
    """The answer for people; times in the zone of ``start``."""

    answer: dict[str, Any]
    start: datetime

    def lines(self) -> list[str]:
        return [
            *self._head(),
            *(line for level in self.answer["levels"] for line in self._level(level)),
        ]

    def _head(self) -> list[str]:
        answer, site = self.answer, self.answer["site"]
        where = f"{site['title']} ({', '.join(part for part in (site['class'], site['street'], site['grid']) if part)})"
        name = "" if answer["name"] == answer["endpoint"] else f" {answer['name']}"
        place = f", place {answer['place']}" if answer["place"] else ""
        what = [f"{answer['signal']}"]
        if answer["code"]:
            what.append(f"code {answer['code']}")
        if answer["text"]:
            what.append(answer["text"])
        what.append(f"category {answer['category'] or 'unknown'}")
        what.append(f"severity {answer['severity']}")
        if answer["latches"]:
            what.append("stays until reset")
        lines = [f"{answer['endpoint']}{name} at {where}{place}", ", ".join(what)]
        if answer["why"]:
            return [*lines, answer["why"]]
        plan = answer["plan"]
        title = "" if plan["title"] == plan["name"] else f" {plan['title']}"
        lines.append(f"plan {plan['name']}{title}; gateway {answer['gateway']} calls")
        if answer["cameras"]:
            lines.append(f"pictures from {', '.join(answer['cameras'])}")
        return lines

    def _level(self, level: dict[str, Any]) -> list[str]:
        clock = (self.start + timedelta(seconds=level["after_s"])).strftime("%H:%M:%S")
        when = "at once" if level["level"] == 1 else f"after {level['after_s']:g} s"
        lines = ["", f"level {level['level']} {level['name']}: {when} ({clock})"]
        for group in level["groups"]:
            if group["added"]:
                served = ", served here" if group["served_here"] else ""
                lines.append(
                    f"  calls {group['group']} {group['name']} (party {group['party']})"
                    f" on talkgroup {group['talkgroup']}{served}"
                )
        if not any(group["added"] for group in level["groups"]):
            lines.append("  calls nobody new")
        if level["level"] > 1:
            lines.append("  calls again whoever has not acked")
        if level["patch"]:
            joined = ", ".join([*level["joined"], "the groups called"])
            lines.append(f"  opens talkgroup {level['talkgroup']} and joins to it {joined}")
        match level["answered_by"]:
            case None:
                quorum = "one group has acked"
            case "all":
                quorum = "all groups called have acked"
            case int() as count:
                quorum = f"{count} groups have acked"
            case parties:
                quorum = f"{_and(parties)} acked"
        if level["then"] == "breach":
            otherwise = "a breach is recorded and the level's pages are repeated"
        else:
            otherwise = f"level {level['then']} follows"
        lines.append(
            f"  answered once {quorum}; if not within {level['ack_within_s']:g} s, {otherwise}"
        )
        return lines


def _and(words: list[str]) -> str:
    if len(words) == 1:
        return f"{words[0]} has"
    return f"{', '.join(words[:-1])} and {words[-1]} have"
