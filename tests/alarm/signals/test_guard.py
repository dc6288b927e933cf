"""Guards against a chance touch, at their exact boundaries."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alarm.plans.plan import Guard
from gateway.alarm.signals.contact import sighting_of
from gateway.alarm.signals.guard import Guards
from gateway.ports import AlarmSignal, SignalKind
from tests.alarm.alarm_world import NORTH_BUTTON, SOUTH_INTERCOM, START

ALARM, RESTORE = SignalKind.ALARM, SignalKind.RESTORE
OTHER = replace(SOUTH_INTERCOM, endpoint="door", category="panic", input="gate-gpio", line="door")


class World:
    """One guarded button, and a door that may confirm it; the clock in seconds."""

    def __init__(self, **guard):
        self.button = replace(NORTH_BUTTON, guard=Guard(**guard))
        self.door = OTHER
        self.guards = Guards()
        self.now = START
        self.said = []
        self.begun = set()

    def at(self, seconds):
        """Let time pass, ticking exactly when asked to."""
        until = START.later(seconds)
        while (due := self.guards.deadline()) is not None and due <= until.elapsed:
            self.now = START.later(due - START.elapsed)
            self._note(self.guards.tick(self.now))
        self.now = until
        return self

    def signal(self, kind, source=None, code=None, category=None):
        source = source or self.button
        made = sighting_of(
            source, AlarmSignal(signal=kind, line=source.line, code=code, category=category)
        )
        done = self.guards.see(made, self.now)
        self._note(done)
        return done.now.category

    def press(self, source=None, **more):
        return self.signal(ALARM, source, **more)

    def let_go(self):
        self.signal(RESTORE)
        return self

    def _note(self, done):
        if done.now is not None and done.now.signal is ALARM and not done.now.quiet:
            self.said.append((self._seconds(), done.now.subject))
        self.said += [(self._seconds(), one.subject) for one in done.raised]
        self.begun |= {one.subject for one in done.began}
        assert set(done.ended) <= self.begun, "a guard ends that never began"
        self.begun -= set(done.ended)

    def _seconds(self):
        return round(self.now.elapsed - START.elapsed, 6)

    @property
    def raised(self):
        return [(at, subject) for at, subject in self.said if subject == self.button.endpoint]


NAME = NORTH_BUTTON.endpoint


def test_button_without_a_guard_counts_at_once():
    world = World()
    assert world.press() == "panic"
    assert world.raised == [(0.0, NAME)]


def test_hold_counts_exactly_when_it_has_lasted():
    world = World(hold=2.0)
    assert world.press() == "touch"
    world.at(1.999)
    assert world.raised == []
    world.at(10.0)
    assert world.raised == [(2.0, NAME)]
    assert not world.begun


def test_restore_before_the_hold_is_over_ends_it():
    world = World(hold=2.0)
    world.press()
    world.at(1.999).let_go().at(60.0)
    assert world.raised == []
    assert not world.begun
    world.press()
    world.at(61.9)
    assert world.raised == []
    world.at(62.0)
    assert world.raised == [(62.0, NAME)]


def test_button_that_says_so_again_while_it_is_held_does_not_begin_anew():
    world = World(hold=2.0)
    world.press()
    world.at(1.0)
    assert world.press() == "touch"
    world.at(2.0)
    assert world.raised == [(2.0, NAME)]


@pytest.mark.parametrize(("second", "counts"), [(1.999, True), (2.0, False)])
def test_second_press_counts_within_its_time(second, counts):
    world = World(presses=2, presses_within=2.0)
    world.press()
    world.let_go().at(second)
    assert (world.press() == "panic") is counts
    assert world.raised == ([(second, NAME)] if counts else [])


def test_presses_that_are_too_far_apart_never_add_up():
    world = World(presses=3, presses_within=2.0)
    for number in range(20):
        world.at(number * 1.5).press()
        world.let_go()
    assert world.raised == []
    world.at(60.0)
    assert not world.begun


def test_third_of_three_presses_counts():
    world = World(presses=3, presses_within=2.0)
    for second in (0.0, 1.0, 1.9):
        world.at(second).press()
        world.let_go()
    assert world.raised == [(1.9, NAME)]


def test_presses_and_hold_together():
    world = World(presses=2, presses_within=2.0, hold=1.0)
    world.press()
    world.let_go().at(1.0)
    assert world.press() == "touch"
    world.at(1.9)
    assert world.raised == []
    world.at(2.0)
    assert world.raised == [(2.0, NAME)]


@pytest.mark.parametrize(("later", "counts"), [(29.999, True), (30.0, False)])
@pytest.mark.parametrize("door_first", [False, True])
def test_two_inputs_confirm_each_other_whichever_is_first(later, counts, door_first):
    world = World(confirm_by=("door",), confirm_within=30.0)
    first, second = (world.door, world.button) if door_first else (world.button, world.door)
    category = world.press(first)
    assert category == ("panic" if door_first else "unconfirmed")
    world.at(later)
    world.press(second)
    assert world.raised == ([(later, NAME)] if counts else [])


def test_unconfirmed_alarm_ends_by_itself_and_the_next_one_begins_anew():
    world = World(confirm_by=("door",), confirm_within=30.0)
    world.press()
    world.at(31.0)
    assert not world.begun
    assert world.press() == "unconfirmed"
    world.at(40.0).press(world.door)
    assert world.raised == [(40.0, NAME)]


def test_guard_says_in_words_why_it_counts():
    world = World(hold=2.0)
    world.press()
    done = world.guards.tick(START.later(2.0))
    assert done.raised[0].text == "held for 2 s"


@pytest.mark.parametrize("kind", [SignalKind.TAMPER, SignalKind.TEST, SignalKind.CANCEL])
def test_what_is_no_alarm_passes_by_every_guard(kind):
    world = World(hold=2.0, presses=2)
    made = sighting_of(world.button, AlarmSignal(signal=kind, line="north-gate"))
    assert world.guards.see(made, START).now == made


def test_duress_passes_by_every_guard():
    world = World(hold=5.0, duress_codes=("E121",))
    assert world.press(code="E121") == "duress"
    assert world.raised == [(0.0, NAME)]


def test_guard_that_was_running_at_the_end_is_raised_at_the_next_start():
    world = World(hold=2.0)
    made = sighting_of(world.button, AlarmSignal(signal=ALARM, line="north-gate"))
    began = world.guards.see(made, START).began
    done = Guards().left_over(began)
    assert [one.category for one in done.raised] == ["panic"]
    assert done.ended == (NAME,)


def test_guard_of_an_endpoint_that_is_configured_otherwise_ends_and_is_raised():
    world = World(hold=2.0)
    world.press()
    taken = world.guards.take((NAME, "another"))
    assert [one.subject for one in taken] == [NAME]
    assert [one.category for one in Guards().left_over(taken).raised] == ["panic"]
    assert world.guards.deadline() is None


def test_touch_of_the_other_input_confirms_nothing_until_it_counts():
    world = World(confirm_by=("door",), confirm_within=30.0)
    world.door = replace(world.door, guard=Guard(hold=2.0))
    world.press()
    world.at(1.0)
    assert world.press(world.door) == "touch"
    world.at(2.999)
    assert world.raised == []
    assert world.at(3.0).raised == [(3.0, NAME)]


def test_two_inputs_that_confirm_each_other_both_count():
    world = World(confirm_by=("door",), confirm_within=30.0)
    world.door = replace(world.door, guard=Guard(confirm_by=(NAME,)))
    assert world.press() == "unconfirmed"
    world.at(5.0).press(world.door)
    assert {subject for _, subject in world.said} == {NAME, "door"}
    assert not world.begun


@given(
    st.lists(st.tuples(st.sampled_from(["press", "let_go", "door"]), st.floats(0, 3)), max_size=40),
    st.floats(0, 3),
    st.integers(1, 3),
    st.booleans(),
)
def test_every_guard_that_began_ends_and_no_signal_is_swallowed(events, hold, presses, confirm):
    world = World(hold=hold, presses=presses, confirm_by=("door",) if confirm else ())
    seconds = 0.0
    for what, pause in events:
        seconds += pause
        world.at(seconds)
        if what == "door":
            assert world.press(world.door) is not None
        elif what == "press":
            assert world.press() in ("panic", "touch", "unconfirmed")
        else:
            world.let_go()
    world.let_go().at(seconds + 1000.0)
    assert not world.begun
    assert world.guards.deadline() is None


def test_restore_of_something_else_at_the_endpoint_lets_nothing_go():
    world = World(hold=2.0)
    world.press(category="panic")
    world.at(1.0).signal(RESTORE, category="trouble")
    assert world.at(2.0).raised == [(2.0, NAME)]
