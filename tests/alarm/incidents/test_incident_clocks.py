"""The clocks of an incident's targets, notes, hand-over, verdicts and levels by hand."""

from dataclasses import replace

import msgspec
import pytest

from gateway.alarm.incidents.incident import MAX_NOTES
from gateway.alarm.incidents.record import Progress, State
from gateway.alarm.plans.choice import Choice
from gateway.alarm.plans.plan import (
    ASSIST,
    PANIC,
    SUPERVISION,
    Quorum,
    Targets,
    latches,
    severity_of,
)
from tests.alarm.alarm_world import ALLIANCE, HOSPITAL, PLAN, POLICE, SOUTH_BUTTON, STREET
from tests.alarm.incidents.test_incident import Case, groups_of

CLOCKED = replace(PLAN, targets=Targets())
ALL = ("ack", "en_route", "on_scene", "handled")


def breaches(case):
    """Breaches of the clocks: what, and how many seconds after the opening."""
    raised = case.record.case.raised
    return [(one.kind, one.time - raised) for one in case.record.breaches if one.kind in ALL]


def clocked(**targets):
    off = dict.fromkeys(ALL)
    return Case(replace(PLAN, targets=Targets(**{**off, **targets})))


def test_default_is_180_seconds_for_each():
    assert Targets() == Targets(ack=180.0, en_route=180.0, on_scene=180.0, handled=180.0)


def test_clock_runs_out_exactly_then_and_once():
    case = Case(CLOCKED)
    case.run_until(179.999)
    assert breaches(case) == []
    case.run_until(180.0)
    assert breaches(case) == [(kind, 180.0) for kind in ALL]
    case.run_until(2000.0)
    assert len(breaches(case)) == 4


@pytest.mark.parametrize(
    ("done", "left"),
    [
        ("ack", ["en_route", "on_scene", "handled"]),
        ("en_route", ["on_scene", "handled"]),
        ("on_scene", ["handled"]),
        ("handled", []),
    ],
)
def test_stage_stops_its_own_clock_and_those_before_it(done, left):
    case = Case(CLOCKED)
    case.run_until(100.0)
    case.do(done, POLICE)
    case.run_until(500.0)
    assert [kind for kind, _ in breaches(case)] == left


def test_first_group_stops_the_incidents_clock_and_an_unack_does_not_start_it_again():
    case = clocked(ack=60.0)
    case.do("ack", POLICE)
    case.do("unack", POLICE)
    case.run_until(100.0)
    assert breaches(case) == []


def test_cancel_stops_every_clock():
    case = Case(CLOCKED)
    case.do("cancel")
    case.run_until(500.0)
    assert breaches(case) == []
    assert case.incident.deadline() is None


def test_alarm_that_opens_it_again_starts_the_clocks_again():
    case = clocked(on_scene=60.0)
    case.do("on_scene", POLICE)
    case.do("handled", POLICE)
    case.run_until(100.0)
    case.press()
    case.run_until(160.0)
    assert breaches(case) == [("on_scene", 160.0)]


def test_restart_and_reboot_keep_the_clocks():
    for same_boot in (True, False):
        case = clocked(ack=60.0)
        case.run_until(50.0)
        record = case.record
        case.incident = type(case.incident).restored(
            record, case.now, lambda: "x", same_boot=same_boot
        )
        case.run_until(59.9)
        assert breaches(case) == []
        case.run_until(60.0)
        assert breaches(case) == [("ack", 60.0)]


def test_note_is_kept_whatever_it_came_with_and_a_repeat_of_the_alarm_keeps_it():
    case = Case()
    case.do("note", note="两名伤者")
    case.do("ack", POLICE, note=" 3 分钟 ")
    case.press()
    assert [note.text for note in case.record.notes] == ["两名伤者", "3 分钟"]
    for number in range(MAX_NOTES):
        case.do("note", note=str(number))
    assert len(case.record.notes) == MAX_NOTES
    assert case.record.notes[-1].text == str(MAX_NOTES - 1)


def test_incident_and_a_groups_part_of_it_are_handed_over():
    case = Case()
    case.do("hand_over", to="王 night shift")
    assert case.record.handler == "王 night shift"
    case.do("ack", POLICE)
    case.do("hand_over", POLICE, to="car 7")
    assert case.record.groups[POLICE].by == "car 7"
    assert case.progress(POLICE) is Progress.ACKED
    assert "to whom" in case.refused("hand_over")
    assert "not called" in case.refused("hand_over", ALLIANCE, to="x")


@pytest.mark.parametrize(
    ("word", "said", "verdict"),
    [
        ("handled", None, "true"),
        ("false-alarm", None, "false"),
        ("test", None, "test"),
        ("anything", None, "unknown"),
        ("handled", "false", "false"),
    ],
)
def test_disposition_has_a_verdict_that_the_action_may_replace(word, said, verdict):
    case = Case()
    case.restore()
    case.do("reset")
    more = {} if said is None else {"verdict": said}
    case.do("close", disposition=word, **more)
    assert (case.record.disposition, case.record.verdict) == (word, verdict)


def test_configured_dispositions_have_their_own_verdicts():
    case = Case()
    case.dispositions = {"drunk": "false"}
    case.restore()
    case.do("reset")
    assert "handled" in case.refused("close", disposition="handled")
    case.do("close", disposition="drunk")
    assert case.record.verdict == "false"


def test_closed_incident_takes_nothing_any_more():
    case = Case()
    case.restore()
    case.do("reset")
    case.do("close", disposition="handled")
    for what, more in (
        ("note", {"note": "x"}),
        ("hand_over", {"to": "x"}),
        ("ack", {"group": POLICE}),
        ("close", {"disposition": "other"}),
        ("escalate", {}),
    ):
        assert case.refused(what, **more) == "the incident is closed"


def test_escalation_to_a_chosen_level_calls_whom_the_levels_between_would_have():
    case = Case()
    case.do("ack", POLICE)
    effects = case.do("escalate", level=3)
    assert case.record.level == 3
    assert case.record.talkgroup is not None  # level 2 patches
    assert sorted(page.group for page in effects.pages) == sorted([HOSPITAL, STREET, ALLIANCE])
    assert case.refused("escalate", level=3) == "level 3 is the last"


@pytest.mark.parametrize("level", [0, 1])
def test_escalation_never_goes_back(level):
    case = Case()
    assert case.refused("escalate", level=level) == f"level {level} is not above level 1"


def test_escalation_beyond_the_plan_is_refused():
    case = Case()
    assert case.refused("escalate", level=4) == "there is no level 4; the plan has 3"


def test_answered_by_count_all_and_any():
    for answered_by, acks in (("count", 2), ("all", 3), ("any", 1)):
        quorum = {
            "count": {"count": 2},
            "all": {"everyone": True},
            "any": {},
        }[answered_by]
        first = PLAN.levels[0]
        level = replace(first, answered_by=type(first.answered_by)(**quorum))
        case = Case(replace(PLAN, levels=(level,)))
        groups = (STREET, HOSPITAL, POLICE)
        for number, group in enumerate(groups, 1):
            case.do("ack", group)
            assert (case.state is State.ANSWERED) == (number >= acks)


def test_assist_is_no_panic():
    assert severity_of(None, ASSIST) == 3
    assert not latches(replace(SOUTH_BUTTON, category=ASSIST), ASSIST)
    assert latches(SOUTH_BUTTON, PANIC)


def test_silence_is_resolved_by_the_restore_and_opened_again_by_the_next_one():
    plan = replace(PLAN, when=replace(PLAN.when, category=(SUPERVISION,)))
    case = Case(plan)
    silent = replace(case.record.case, category=SUPERVISION, quiet=True)
    quiet = msgspec.structs.replace(case.record, case=silent)
    case.incident = type(case.incident)(msgspec.structs.replace(quiet, latched=False), lambda: "x")
    case.restore()
    assert case.state is State.RESOLVED
    case.incident.alarm(quiet.active[0], latch=False, now=case.now)
    assert case.state is State.OPEN


def test_declining_twice_calls_the_next_one_once():
    case = Case()
    asked = []

    class Next:
        def choose(self, *_):
            return Choice()

        def instead(self, _case, _index, declined, _called, _now):
            asked.append(declined)
            return Choice({f"car-{len(asked)}": "patrol"})

    case.incident = type(case.incident)(case.record, lambda: f"page-{len(asked)}", Next())
    assert groups_of(case.do("decline", POLICE)) == ["car-1"]
    assert groups_of(case.do("decline", POLICE)) == []
    assert asked == [POLICE]


def test_group_that_is_stood_down_counts_neither_for_all_nor_as_called():
    everyone = tuple(replace(level, answered_by=Quorum(everyone=True)) for level in PLAN.levels)
    case = Case(replace(PLAN, levels=everyone))
    case.do("escalate", level=3)
    case.do("cancel")
    case.press()
    assert case.progress(ALLIANCE) is Progress.STOOD_DOWN
    for group in (POLICE, HOSPITAL, STREET):
        case.do("ack", group)
    assert case.state is State.ANSWERED
    for group in (POLICE, HOSPITAL, STREET):
        case.do("decline", group)
    assert case.record.level == 2, "everybody called has declined: the next level starts"


def test_level_that_starts_again_says_anew_whom_it_lacks():
    lacking = iter(("2 of 3 mediators", "1 of 3 mediators", ""))

    class Lacks:
        def choose(self, case, index, _called, _now):
            words = next(lacking) if index == 2 else ""
            return Choice(shortfalls=(f"{case.steps[index].name}: {words}",) if words else ())

        def instead(self, *_):
            return Choice()

    case = Case()
    numbers = iter(range(1000))
    case.incident = type(case.incident)(case.record, lambda: f"p{next(numbers)}", Lacks())
    case.run_until(90.0)
    assert case.record.shortfalls == ("一呼百应: 2 of 3 mediators",)
    case.run_until(210.0)
    assert case.record.shortfalls == ("一呼百应: 1 of 3 mediators",)
    case.run_until(330.0)
    assert case.record.shortfalls == ()


def test_alarm_that_opens_it_again_asks_anew_whom_to_choose():
    class Two:
        cars = ("car-1", "car-2")

        def choose(self, _case, _index, called, _now):
            return Choice({car: "patrol" for car in self.cars if car not in called})

        def instead(self, *_):
            return Choice()

    chooser = Two()
    case = Case()
    numbers = iter(range(1000))
    case.incident = type(case.incident)(case.record, lambda: f"p{next(numbers)}", chooser)
    case.do("escalate")
    case.do("cancel")
    chooser.cars = ("car-2", "car-3")
    assert set(groups_of(case.press())) == {POLICE, HOSPITAL, STREET, "car-2", "car-3"}
    assert case.progress("car-1") is Progress.STOOD_DOWN


def test_decline_of_the_last_one_at_work_resolves_what_others_handled_and_calls_nobody():
    class Next:
        def choose(self, *_):
            return Choice()

        def instead(self, *_):
            return Choice({"car-1": "patrol"})

    case = Case()
    case.incident = type(case.incident)(case.record, lambda: "page", Next())
    case.do("en_route", HOSPITAL)
    case.do("handled", POLICE)
    assert groups_of(case.do("decline", HOSPITAL)) == []
    assert case.state is State.RESOLVED
    assert case.incident.deadline() is None
