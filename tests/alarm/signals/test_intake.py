"""The way in: walk tests, guards, stuck contacts, flapping and shelves, in their order."""

from dataclasses import replace

import pytest

from gateway.alarm.plans.plan import Guard
from gateway.alarm.signals.contact import Directory, sighting_of, understand
from gateway.alarm.signals.folding import FlappingRule
from gateway.alarm.signals.intake import Intake
from gateway.alarm.signals.walk import Walk
from gateway.ports import AlarmSignal, SignalKind
from tests.alarm.alarm_world import NORTH_BUTTON, SOUTH_BUTTON, START

NAME = NORTH_BUTTON.endpoint


class Way:
    def __init__(self, flapping=None, **guard):
        self.button = replace(NORTH_BUTTON, guard=Guard(**guard))
        self.intake = Intake(flapping or FlappingRule())
        self.now = START

    def signal(self, kind=SignalKind.ALARM, source=None, drill=False, **more):
        source = source or self.button
        made = sighting_of(source, AlarmSignal(signal=kind, line=source.line, **more))
        taken = self.intake.signal(made, self.now, drill=drill)
        return [(one.signal.value, one.category) for one in taken.sightings]

    def at(self, seconds):
        """Everything that time alone brings until then, with when it came."""
        until, found = START.later(seconds), []
        while (due := self.intake.deadline()) is not None and due <= until.elapsed:
            self.now = START.later(due - START.elapsed)
            taken = self.intake.tick(self.now)
            found += [
                (round(due - START.elapsed, 3), one.signal.value, one.text)
                for one in taken.sightings
            ]
        self.now = until
        return found


def test_stuck_contact_is_one_fault_at_60_seconds_and_no_storm():
    way = Way(stuck_after=60.0)
    way.signal()
    found = []
    for second in range(1, 200):
        found += way.at(second)
        way.signal()  # it says so again each second
    assert [(at, kind) for at, kind, _ in found if kind == "fault" and "stuck" in _] == [
        (60.0, "fault")
    ]


def test_restored_contact_is_not_stuck_and_the_next_alarm_begins_anew():
    way = Way(stuck_after=60.0)
    way.signal()
    assert way.at(59.999) == []
    way.signal(SignalKind.RESTORE)
    assert way.at(100.0) == []
    way.signal()
    assert way.at(159.999) == []
    assert way.at(160.0) == [(160.0, "fault", "stuck: in alarm for 60 s")]


def test_restore_of_the_line_ends_the_fault_that_says_it_is_stuck():
    way = Way(stuck_after=60.0)
    way.signal()
    stuck = way.intake.tick(START.later(60.0)).sightings[0]
    restore = sighting_of(way.button, AlarmSignal(signal=SignalKind.RESTORE, line="north-gate"))
    assert restore.contact.restores(stuck.contact)


def test_panels_input_is_never_stuck():
    way = Way()
    way.signal(source=SOUTH_BUTTON, zone="001", account="1234")
    assert way.at(10_000.0) == []


def test_first_press_in_a_walk_is_a_test_and_the_second_is_real():
    way = Way()
    way.intake.walk = Walk.begun([NAME], 600.0, START)
    assert way.signal() == [("test", "test")]
    way.signal(SignalKind.RESTORE)
    assert way.signal() == [("alarm", "panic")]


def test_press_from_before_the_walk_began_is_real_though_it_is_decided_later():
    way = Way()
    way.intake.walk = Walk.begun([NAME], 600.0, START.later(1.0))
    assert way.signal() == [("alarm", "panic")]


def test_button_that_is_not_walked_is_real():
    way = Way()
    way.intake.walk = Walk.begun(["another"], 600.0, START)
    assert way.signal() == [("alarm", "panic")]


@pytest.mark.parametrize(("second", "category"), [(599.999, "test"), (600.0, "panic")])
def test_walk_ends_at_its_time(second, category):
    way = Way()
    way.intake.walk = Walk.begun([NAME], 600.0, START)
    way.at(second)
    assert way.signal() == [("alarm" if category == "panic" else "test", category)]


def test_duress_and_drills_are_no_part_of_a_walk_that_hides_them():
    way = Way(hold=5.0, duress_codes=("E121",))
    way.intake.walk = Walk.begun([NAME], 600.0, START)
    assert way.signal(drill=True) == [("alarm", "panic")]
    assert way.signal(code="E121") == [("alarm", "duress")]
    assert way.intake.walk.missing == {NAME}


def test_bounce_of_a_walked_button_is_the_same_press_and_a_second_one_is_not():
    for pause, restored, expected in (
        (1.0, False, "test"),
        (1.001, False, "alarm"),
        (0.2, True, "alarm"),
    ):
        way = Way()
        way.intake.walk = Walk.begun([NAME], 600.0, START)
        way.signal()
        if restored:
            way.signal(SignalKind.RESTORE)
        way.now = START.later(pause)
        assert way.signal()[0][0] == expected


def test_press_of_a_walk_is_marked_so_that_no_plan_takes_it():
    way = Way()
    way.intake.walk = Walk.begun([NAME], 600.0, START)
    made = sighting_of(way.button, AlarmSignal(signal=SignalKind.ALARM, line="north-gate"))
    (tested,) = way.intake.signal(made, START).sightings
    assert tested.walk
    assert tested.text == "walk test"


def test_flapping_panic_still_counts_and_is_silent_only_in_what_is_told():
    way = Way(FlappingRule(changes=4, within=60.0))
    told = []
    for number in range(12):
        made = sighting_of(
            way.button,
            AlarmSignal(
                signal=SignalKind.RESTORE if number % 2 else SignalKind.ALARM, line="north-gate"
            ),
        )
        way.now = START.later(number * 0.5)
        told.append(way.intake.signal(made, way.now).sightings)
    assert all(found[0].signal in (SignalKind.ALARM, SignalKind.RESTORE) for found in told)
    assert any(one.text.startswith("flapping") for found in told for one in found[1:])
    assert told[-2][0].category == "panic"
    assert told[-2][0].silent


def test_duress_user_is_an_alarm_whatever_the_signal():
    source = replace(
        SOUTH_BUTTON, zone=None, guard=Guard(duress_zones=("099",), duress_codes=("E121",))
    )
    directory = Directory([source])
    for kind, zone, code in (
        (SignalKind.RESTORE, "99", "R401"),
        (SignalKind.CANCEL, "099", "E406"),
        (SignalKind.ALARM, "001", "P121"),
    ):
        signal = AlarmSignal(signal=kind, account="1234", zone=zone, code=code, category="access")
        seen = understand(directory, "receiver-1", signal)
        assert (seen.signal, seen.category, seen.covert) == (SignalKind.ALARM, "duress", True)
    usual = AlarmSignal(signal=SignalKind.ALARM, account="1234", zone="001", code="E120")
    assert understand(directory, "receiver-1", usual).category == "panic"
    tamper = AlarmSignal(signal=SignalKind.TAMPER, account="1234", zone="099", code="E383")
    assert understand(directory, "receiver-1", tamper).category == "trouble"


def test_covert_button_is_covert():
    source = replace(NORTH_BUTTON, guard=Guard(covert=True))
    signal = AlarmSignal(signal=SignalKind.ALARM, line="north-gate")
    assert sighting_of(source, signal).covert
    assert not sighting_of(NORTH_BUTTON, signal).covert
