"""Shelving of troubles (`gateway.alarm.signals.shelving`)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alarm.journal.rows import Kind, Stored
from gateway.alarm.signals.contact import sighting_of
from gateway.alarm.signals.intake import Intake
from gateway.alarm.signals.shelving import LONGEST, Shelf, Shelving
from gateway.moment import Moment
from gateway.ports import AlarmSignal, SignalKind
from tests.alarm.alarm_world import NORTH_BUTTON, SOUTH_BUTTON, START

NAME = NORTH_BUTTON.endpoint
SOURCES = {NAME: NORTH_BUTTON}
TROUBLES = (SignalKind.TAMPER, SignalKind.FAULT, SignalKind.BATTERY, SignalKind.LOST)


def shelf(seconds: float = 3600.0) -> Shelf:
    return Shelf(endpoint=NAME, until=START.wall + seconds, by="li", reason="wet cable")


def shelved(seconds: float = 3600.0) -> Shelving:
    shelving = Shelving()
    assert shelving.shelve(shelf(seconds), NORTH_BUTTON, START) is None
    return shelving


def says(kind: SignalKind, source=NORTH_BUTTON, **more):
    return sighting_of(source, AlarmSignal(signal=kind, line=source.line, **more))


def kept(shelving: Shelving) -> list[Stored]:
    """The rows that stand of all that was to be stored."""
    standing = {}
    for number, row in enumerate(shelving.take_rows()):
        standing[row.key] = Stored(number, START.wall, row.kind, row.key, row.body)
    return [row for row in standing.values() if row.kind == Kind.SHELVED]


@pytest.mark.parametrize("kind", TROUBLES)
def test_every_trouble_is_hidden(kind: SignalKind) -> None:
    assert shelved().see(says(kind), START).shelved


@pytest.mark.parametrize(
    "sighting",
    [
        says(SignalKind.ALARM),
        says(SignalKind.ALARM, category="fire"),
        says(SignalKind.TEST),
        says(SignalKind.CANCEL),
        says(SignalKind.RESTORE),
        says(SignalKind.TAMPER, SOUTH_BUTTON),
    ],
    ids=["panic", "fire", "test", "cancel", "restore", "another's trouble"],
)
def test_nothing_else_is_hidden(sighting) -> None:
    assert shelved().see(sighting, START) == sighting


def test_what_a_guard_holds_back_of_a_panic_is_not_hidden() -> None:
    for category in ("touch", "unconfirmed", "supervision"):
        held = replace(says(SignalKind.ALARM), category=category)
        assert not shelved().see(held, START).shelved


def test_a_shelf_ends_exactly_at_its_time_and_is_told() -> None:
    shelving = shelved()
    assert shelving.see(says(SignalKind.TAMPER), START.later(3599.999)).shelved
    assert not shelving.see(says(SignalKind.TAMPER), START.later(3600.0)).shelved
    assert shelving.deadline() == START.elapsed + 3600.0
    assert shelving.tick(START.later(3599.999)) == ()
    told = shelving.tick(START.later(3600.0))[0]
    assert (told.signal, told.category) == (SignalKind.RESTORE, "log")
    assert "li had shelved it until" in told.text
    assert shelving.until(NAME) is None
    assert kept(shelving) == []


def test_a_trouble_that_still_stands_comes_out_at_the_end_and_a_mended_one_does_not() -> None:
    shelving = shelved()
    shelving.see(says(SignalKind.BATTERY, code="E302", text="battery low"), START)
    shelving.see(says(SignalKind.TAMPER, SOUTH_BUTTON), START)
    _, standing = shelving.tick(START.later(3600))
    assert (standing.signal, standing.code) == (SignalKind.BATTERY, "E302")
    assert standing.text == "was hidden by a shelf: battery low"
    assert not standing.shelved
    mended = shelved()
    mended.see(says(SignalKind.BATTERY), START)
    mended.see(says(SignalKind.RESTORE), START)
    assert len(mended.tick(START.later(3600))) == 1


def test_a_person_may_end_it_before_its_time() -> None:
    shelving = shelved()
    told = shelving.unshelve(NAME, "wang")
    assert told is not None
    assert told[0].text.startswith("no longer shelved, by wang;")
    assert shelving.unshelve(NAME, "wang") is None
    assert kept(shelving) == []


def test_a_shelf_without_an_end_in_sight_is_refused() -> None:
    shelving = Shelving()
    assert shelving.shelve(shelf(0), NORTH_BUTTON, START) == "its end is past"
    assert "at most 30 days" in (shelving.shelve(shelf(LONGEST + 1), NORTH_BUTTON, START) or "")
    assert shelving.shelve(shelf(LONGEST), NORTH_BUTTON, START) is None
    assert len(shelving) == 1


def test_a_second_shelving_moves_the_end_and_keeps_what_is_hidden() -> None:
    shelving = shelved(60)
    shelving.see(says(SignalKind.TAMPER), START)
    shelving.shelve(shelf(120), NORTH_BUTTON, START)
    assert shelving.tick(START.later(60)) == ()
    assert len(shelving.tick(START.later(120))) == 2


def test_a_shelf_is_kept_over_a_restart_with_what_it_hides() -> None:
    before = shelved()
    before.see(says(SignalKind.BATTERY, code="E302", text="battery low"), START)
    rows = kept(before)
    after = Shelving()
    later = Moment(5.0, START.wall + 600)  # another boot
    after.load(rows, SOURCES, later)
    assert after.shelves == (shelf(),)
    assert after.deadline() == 5.0 + 3000
    assert after.see(says(SignalKind.TAMPER), later).shelved
    assert len(after.tick(later.later(3000))) == 3


def test_a_shelf_whose_time_ran_out_while_the_gateway_was_down_ends_at_its_start() -> None:
    after = Shelving()
    late = Moment(5.0, START.wall + 4000)
    after.load(kept(shelved()), SOURCES, late)
    assert not after.see(says(SignalKind.TAMPER), late).shelved
    assert len(after.tick(late)) == 1


def test_a_clock_that_is_set_changes_no_shelf_that_runs() -> None:
    shelving = shelved()
    stepped = Moment(START.elapsed + 10, START.wall - 3600)
    assert shelving.see(says(SignalKind.TAMPER), stepped).shelved
    assert shelving.tick(Moment(START.elapsed + 3600, START.wall)) != ()


def test_what_is_no_longer_configured_is_no_longer_shelved() -> None:
    shelving = shelved()
    shelving.reload({})
    assert shelving.until(NAME) is None
    assert kept(shelving) == []
    later = Shelving()
    later.load(kept(shelved()), {}, START)
    assert len(later) == 0
    assert [row.kind for row in later.take_rows()] == [Kind.UNSHELVED]


def test_a_damaged_row_is_no_shelf() -> None:
    shelving = Shelving()
    shelving.load([Stored(1, START.wall, Kind.SHELVED, NAME, b"\xff")], SOURCES, START)
    assert len(shelving) == 0


@given(
    st.lists(
        st.tuples(st.sampled_from(list(SignalKind)), st.sampled_from(["panic", "fire", None])),
        max_size=30,
    )
)
def test_an_alarm_that_is_not_quiet_is_never_hidden_on_the_way_in(signals) -> None:
    intake = Intake()
    intake.shelving.shelve(shelf(), NORTH_BUTTON, START)
    now = START
    for kind, category in signals:
        now = now.later(30)
        taken = intake.signal(says(kind, category=category), now)
        for one in taken.sightings:
            assert not one.shelved or one.category == "trouble"
