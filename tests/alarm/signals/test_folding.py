"""A flapping input is told in counts."""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gateway.alarm.plans.plan import TROUBLE
from gateway.alarm.signals.contact import Contact, Sighting, sighting_of
from gateway.alarm.signals.folding import FLAPPING, FlappingRule, Folding
from gateway.ports import AlarmSignal, SignalKind
from tests.alarm.alarm_world import NORTH_BUTTON, SOUTH_BUTTON, START

RULE = FlappingRule(changes=4, within=60.0, every=10.0)
ALARM, RESTORE = SignalKind.ALARM, SignalKind.RESTORE


def seen(kind: SignalKind, source=SOUTH_BUTTON, **more) -> Sighting:
    return sighting_of(source, AlarmSignal(signal=kind, zone="001", **more))


def flap(folding: Folding, changes: int, *, since: float = 0.0, step: float = 1.0):
    """So many changes in a row; whether each was silent, and what was raised beside."""
    silent, raised = [], []
    for number in range(changes):
        kind = RESTORE if number % 2 else ALARM
        folded = folding.see(seen(kind), START.later(since + number * step))
        silent.append(folded.silent)
        raised += folded.also
    return silent, raised


def test_limit_itself_is_no_flapping_and_one_more_is():
    folding = Folding(RULE)
    assert flap(folding, 4) == ([False] * 4, [])
    folded = folding.see(seen(ALARM), START.later(4))
    assert not folded.silent
    (trouble,) = folded.also
    assert (trouble.signal, trouble.category, trouble.contact) == (
        SignalKind.FAULT, TROUBLE, FLAPPING,
    )  # fmt: skip
    assert (trouble.subject, trouble.source, trouble.folded) == (
        SOUTH_BUTTON.endpoint, SOUTH_BUTTON, 0,
    )  # fmt: skip
    assert trouble.text.startswith("flapping: 5 changes within 4 s")
    assert folding.see(seen(RESTORE), START.later(5)).silent
    assert len(folding) == 1


def test_changes_at_the_very_ends_of_the_window_count_and_a_moment_later_do_not():
    inside, outside = Folding(RULE), Folding(RULE)
    for folding, last in ((inside, 60.0), (outside, 60.001)):
        flap(folding, 4)
        folding.see(seen(ALARM), START.later(last))
    assert (len(inside), len(outside)) == (1, 0)


def test_repeated_alarms_tests_and_cancels_are_no_changes():
    folding = Folding(RULE)
    for number, kind in enumerate((ALARM, SignalKind.TEST, SignalKind.CANCEL) * 20):
        folded = folding.see(seen(kind), START.later(number / 10))
        assert (folded.silent, folded.also) == (False, ())
    assert len(folding) == 0


def test_other_inputs_are_told_as_ever():
    folding = Folding(RULE)
    flap(folding, 6)
    other = seen(ALARM, NORTH_BUTTON)
    assert not folding.see(other, START.later(6)).silent


def test_each_ten_seconds_one_trouble_tells_the_count():
    folding = Folding(RULE)
    flap(folding, 5)  # flaps from 4 s on
    silent, _ = flap(folding, 7, since=5)
    assert silent == [True] * 7
    assert folding.see(seen(SignalKind.TEST), START.later(12)).silent is False
    assert folding.deadline() == START.elapsed + 14
    assert folding.tick(START.later(13.999)) == ()
    (told,) = folding.tick(START.later(14))
    assert (told.signal, told.folded, told.contact) == (SignalKind.FAULT, 7, FLAPPING)
    assert told.text == "flapping: 7 further signals, the last: alarm"
    assert folding.tick(START.later(24)) == ()  # nothing new, and not calm yet
    assert folding.deadline() == START.elapsed + 34


def flapping_until_it_is_quiet_for_a_minute() -> Folding:
    folding = Folding(RULE)
    flap(folding, 5)  # the last at 4 s
    for at in (14, 24, 34, 44, 54):
        assert folding.tick(START.later(at)) == ()
    assert folding.deadline() == START.elapsed + 64
    return folding


def test_calm_is_told_with_the_rest_once_half_the_limit_is_left_in_the_window():
    folding = flapping_until_it_is_quiet_for_a_minute()
    folding.see(seen(RESTORE), START.later(63))  # with the one at 4 s: two, half of the limit
    (told,) = folding.tick(START.later(64))
    assert (told.signal, told.folded) == (RESTORE, 1)
    assert told.contact.restores(FLAPPING)
    assert told.text == "calm again; 1 further signal"
    assert folding.deadline() is None
    assert not folding.see(seen(ALARM), START.later(65)).silent


def test_one_change_more_than_half_keeps_it_flapping():
    folding = flapping_until_it_is_quiet_for_a_minute()
    folding.see(seen(RESTORE), START.later(62))
    folding.see(seen(ALARM), START.later(63))
    (told,) = folding.tick(START.later(64))
    assert (told.signal, told.folded) == (SignalKind.FAULT, 2)


def test_no_signal_of_a_driver_restores_the_flapping():
    zones = (None, "", "000", "flap")
    for zone, category in itertools.product(zones, (None, "panic", TROUBLE)):
        signal = AlarmSignal(signal=RESTORE, zone=zone, category=category)
        assert not sighting_of(SOUTH_BUTTON, signal).contact.restores(FLAPPING)


def test_switched_off_it_folds_nothing():
    folding = Folding(replace(RULE, changes=0))
    assert flap(folding, 200) == ([False] * 200, [])


def test_restore_without_its_kind_ends_every_alarm_of_its_zone_as_one_change():
    folding = Folding(RULE)
    folding.see(seen(ALARM, category="panic"), START)
    folding.see(seen(SignalKind.BATTERY), START)
    folding.see(seen(RESTORE), START)
    assert not folding.see(seen(RESTORE), START).also  # already restored
    folding.see(seen(ALARM, category="panic"), START)
    assert len(folding) == 0
    assert folding.see(seen(SignalKind.BATTERY), START).also


def test_reload_to_a_wider_limit_lets_it_calm():
    folding = Folding(RULE)
    flap(folding, 8)
    folding.reload(replace(RULE, changes=100))
    (told,) = folding.tick(START.later(14))
    assert (told.signal, told.folded) == (RESTORE, 3)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 15), st.sampled_from([ALARM, RESTORE, SignalKind.TEST, SignalKind.FAULT])
        ),
        max_size=120,
    ),
    st.integers(1, 12),
)
def test_every_silent_signal_is_counted_exactly_once(steps, changes):
    folding = Folding(replace(RULE, changes=changes))
    now, silent, told = START, 0, 0
    for pause, kind in steps:
        now = now.later(pause)
        due = folding.deadline()
        if due is not None and due <= now.elapsed:
            told += sum(one.folded for one in folding.tick(now))
        folded = folding.see(seen(kind), now)
        silent += folded.silent
        assert not (kind is SignalKind.TEST and folded.silent)
        assert all(one.category == TROUBLE and not one.silent for one in folded.also)
    for _ in range(20):
        due = folding.deadline()
        if due is not None:
            now = now.later(max(due - now.elapsed, 0))
            told += sum(one.folded for one in folding.tick(now))
    assert folding.deadline() is None  # with time it always calms
    assert told == silent
    assert Contact("x", None) != FLAPPING
