"""``baiying explain``: who would be called, by whom, when, at which level and on which talkgroup.

The answer is `gateway.settings.explanation`; here it is asked for, of a file or of the gateway that
runs on it, and put into words.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from drivers import registry
from gateway.alarm.plans.rehearsal import Question, WrongQuestion
from gateway.cli.live import CallError, socket_of
from gateway.control.client import call
from gateway.ops import collector
from gateway.settings.explanation import explain_unheard
from gateway.settings.loader import load


def explain(config: Path, *, at: str | None, live: bool, as_json: bool, **asked: Any) -> int:
    """Print what a signal, or raising one by hand, would lead to; status 0, also where nobody is called.

    ``live`` asks the gateway that runs on ``config``, which knows where people are; ``asked`` are the
    other fields of `Question`.

    Raises:
        ConfigError: the configuration is wrong.
        CallError: there is no such endpoint, site, signal, code, plan or time.
    """
    start = _time(at)
    if asked["endpoint"] is None and asked["site"] is None:
        raise CallError("name what is pressed by --endpoint, or a place by --site")
    question = Question(at=start.timestamp(), **asked)
    if live:
        answer = call(socket_of(config), "explain", **asdict(question))
    else:
        try:
            settings = load(config, registry).settings
            with (
                collector.off()
            ):  # a collection among 30,000 endpoints takes longer than the answer
                answer = explain_unheard(settings, question)
        except WrongQuestion as error:
            raise CallError(str(error)) from None
    if as_json:
        print(json.dumps(answer, ensure_ascii=False))
    else:
        if at is None and answer["timezone"]:
            start = start.astimezone(ZoneInfo(answer["timezone"]))
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
        if answer["endpoint"]:
            name = "" if answer["name"] == answer["endpoint"] else f" {answer['name']}"
            place = f", place {answer['place']}" if answer["place"] else ""
            where = f"{answer['endpoint']}{name} at {where}{place}"
        what = ["raised by hand" if answer["by_hand"] else answer["signal"]]
        if answer["drill"]:
            what.insert(0, "drill")
        if answer["code"]:
            what.append(f"code {answer['code']}")
        if answer["text"]:
            what.append(answer["text"])
        what.append(f"category {answer['category'] or 'unknown'}")
        what.append(f"severity {answer['severity']}")
        if answer["covert"]:
            what.append("covert")
        if answer["latches"]:
            what.append("stays until reset")
        lines = [where, ", ".join(what), f"local time {answer['local']}"]
        if answer["guard"]:
            lines.append(f"counts once {', '.join(answer['guard'])}")
        if answer["why"]:
            return [*lines, answer["why"]]
        plan = answer["plan"]
        title = "" if plan["title"] == plan["name"] else f" {plan['title']}"
        lines.append(f"plan {plan['name']}{title}; gateway {answer['gateway']} calls")
        if answer["cameras"]:
            lines.append(f"pictures from {', '.join(answer['cameras'])}")
        targets = answer["targets"] or {}
        clocks = [
            f"{_STAGES[stage]} within {after:g} s" for stage, after in targets.items() if after
        ]
        if clocks:
            lines.append(f"a breach unless {', '.join(clocks)}")
        return lines

    def _level(self, level: dict[str, Any]) -> list[str]:
        after = level["after_s"]
        clock = (self.start + timedelta(seconds=after)).strftime("%H:%M:%S")
        when = "at once" if after == 0 else f"after {after:g} s"
        lines = ["", f"level {level['level']} {level['name']}: {when} ({clock})"]
        lines += self._called(level)
        lines.append(f"  {_ANNOUNCED[level['announce']]}")
        lines += [f"  {line}" for line in _by_rota(level["rotas"])]
        lines += [f"  {line}" for line in _by_distance(level["nearest"])]
        lines += [f"  falls short: {words}" for words in level["shortfalls"]]
        if level["passed_over"]:
            return [*lines, f"  leaves nobody called, so level {level['then']} follows at once"]
        if level["patch"]:
            joined = ", ".join([*level["joined"], "the groups called"])
            lines.append(f"  opens talkgroup {level['talkgroup']} and joins to it {joined}")
        if level["hot_mics"]:
            opened = ", ".join(level["hot_mics"])
            lines.append(f"  opens the microphone of {opened} for {level['hot_mic_s']:g} s")
        if level["then"] == "breach":
            otherwise = "a breach is recorded and the level's pages are repeated"
        else:
            otherwise = f"level {level['then']} follows"
        quorum = _quorum(level["answered_by"])
        within = f"{level['ack_within_s']:g} s"
        return [*lines, f"  answered once {quorum}; if not within {within}, {otherwise}"]

    def _called(self, level: dict[str, Any]) -> list[str]:
        lines = []
        for group in level["groups"]:
            if group["added"]:
                served = ", served here" if group["served_here"] else ""
                lines.append(
                    f"  calls {group['group']} {group['name']} (party {group['party']})"
                    f" on talkgroup {group['talkgroup']}{served}"
                )
        if not lines:
            lines.append("  calls nobody new")
        if level["after_s"] > 0:
            lines.append("  calls again whoever has not acked")
        return lines


_ANNOUNCED = {
    "wait": "is announced on their talkgroups once nobody talks",
    "pre-empt": "is announced on their talkgroups at once, whoever talks",
    "off": "is not announced on their talkgroups",
}
_STAGES = {
    "ack_s": "somebody has it",
    "en_route_s": "is on the way",
    "on_scene_s": "is there",
    "handled_s": "has handled it",
}


def _by_rota(rotas: list[dict[str, Any]]) -> list[str]:
    return [
        f"rota {rota['rota']}: {', '.join(rota['on_duty']) or 'nobody'} on duty" for rota in rotas
    ]


def _by_distance(nearest: dict[str, Any] | None) -> list[str]:
    if nearest is None:
        return []
    party = " or ".join(nearest["party"]) or "any party"
    limit = nearest["max_distance_m"]
    within = "" if limit is None else f" within {limit:g} m"
    lines = [f"nearest {nearest['count']} of {party}{within}:"]
    for one in nearest["candidates"]:
        called = "called" if one["called"] else "farther than those"
        words = one["why_not"] or f"{one['distance_m']:.0f} m, {called}"
        lines.append(f"  {one['group']} {words}")
    if nearest["more"]:
        lines.append(f"  and {nearest['more']} more")
    return lines


def _quorum(answered_by: list[str] | str | int | None) -> str:
    match answered_by:
        case None:
            return "one group has acked"
        case str():
            return "all groups called have acked"
        case int():
            return f"{answered_by} groups have acked"
    return f"{_and(answered_by)} acked"


def _and(words: list[str]) -> str:
    if len(words) == 1:
        return f"{words[0]} has"
    return f"{', '.join(words[:-1])} and {words[-1]} have"
