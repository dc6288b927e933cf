"""Who owns an incident, at the exact instants at which that changes."""

import dataclasses

import pytest
from msgspec.structs import replace

from gateway.alarm.incidents.docket import Docket
from gateway.alarm.incidents.record import State
from gateway.alarm.incidents.wire import event_of, sighting_from
from gateway.alarm.signals.contact import sighting_of
from gateway.alarm.standby import Standby, Standins, version
from gateway.ports import AlarmSignal, SignalKind
from tests.alarm.alarm_world import POLICE, RULES, SOUTH_BUTTON, action, counted_ids
from tests.alarm.incidents.test_incident import Case

HOME, FIRST, SECOND = "zju1", "zju2", "zju3"
STANDBYS = {HOME: Standby(by=(FIRST, SECOND), adopt_after=10.0, give_back_after=30.0)}
RECORD = Case().record


def owned(by=HOME, term=1, seq=1, **changes):
    return replace(RECORD, owner=by, owner_term=term, seq=seq, **changes)


def knowing(me, record, online, at=0.0):
    one = Standins(me, STANDBYS)
    one.connected(at)
    one.online(frozenset(online), at)
    one.handed(record)
    return one


def test_who_watches_whom():
    assert Standins(HOME, STANDBYS).watched == {FIRST, SECOND}
    assert Standins(FIRST, STANDBYS).watched == {HOME, SECOND}
    assert not Standins("other", STANDBYS).hands


def test_standby_adopts_exactly_when_the_owner_was_away_so_long():
    one = knowing(FIRST, owned(), {HOME})
    assert one.deadline() is None
    one.online(frozenset(), 100.0)
    assert one.deadline() == 110.0
    assert one.tick(109.999) == ()
    (adopt,) = one.tick(110.0)
    assert (adopt.record.case.id, adopt.above) == (RECORD.case.id, 1)
    assert one.deadline() is None


def test_owner_that_is_back_in_time_is_not_taken_from():
    one = knowing(FIRST, owned(), {HOME})
    one.online(frozenset(), 100.0)
    one.online(frozenset({HOME}), 109.9)
    assert one.deadline() is None


def test_second_standby_adopts_only_while_the_first_is_away_too():
    one = knowing(SECOND, owned(), {HOME, FIRST})
    one.online(frozenset({FIRST}), 100.0)
    assert one.deadline() is None
    one.online(frozenset(), 105.0)
    assert one.deadline() == 110.0


def test_home_takes_back_after_it_was_online_for_so_long():
    one = knowing(HOME, owned(by=FIRST, term=2), {FIRST}, at=50.0)
    assert one.deadline() == 80.0
    assert [record.owner for record in one.elsewhere()] == [FIRST]
    assert one.tick(80.0)[0].above == 2
    assert list(one.elsewhere()) == []


def test_home_takes_back_at_once_from_a_standby_that_is_gone():
    one = knowing(HOME, owned(by=FIRST, term=2), {FIRST}, at=50.0)
    one.online(frozenset(), 60.0)
    assert one.deadline() == 60.0


def test_standby_never_takes_from_another_standby_that_is_online():
    one = knowing(FIRST, owned(by=SECOND, term=2), {SECOND}, at=50.0)
    assert one.deadline() is None


def test_who_has_no_broker_adopts_nothing_and_counts_from_its_connect():
    one = knowing(FIRST, owned(), {HOME})
    one.connected(None)
    assert one.deadline() is None
    one.connected(200.0)
    assert one.deadline() == 210.0


@pytest.mark.parametrize(
    ("newer", "taken"),
    [((1, 2), True), ((2, 1), True), ((1, 1), False), ((1, 0), False)],
)
def test_only_a_newer_snapshot_is_kept(newer, taken):
    one = knowing(FIRST, owned(), {HOME})
    assert one.handed(owned(term=newer[0], seq=newer[1])) is taken


def test_snapshot_of_whom_this_gateway_does_not_stand_by_for_is_none_of_it():
    one = Standins("other", STANDBYS)
    assert not one.handed(owned())
    assert not Standins(HOME, STANDBYS).handed(owned())


def test_closed_one_is_forgotten():
    one = knowing(FIRST, owned(), {HOME})
    assert one.handed(owned(seq=2, state=State.CLOSED))
    one.online(frozenset(), 100.0)
    assert one.deadline() is None


def test_term_that_was_heard_is_the_one_to_be_above():
    one = knowing(FIRST, owned(), {HOME})
    one.heard(RECORD.case.id, 7)
    one.online(frozenset(), 0.0)
    assert one.tick(10.0)[0].above == 7


def test_copies_compare_by_term_then_seq_then_name():
    order = [
        owned(seq=9),
        owned(term=2, seq=1),
        owned(by="zju2", term=2, seq=1),
        owned(term=2, seq=2),
    ]
    assert sorted(order, key=version) == order


def test_adopted_incident_goes_on_where_it_was():
    """Acks stand, timers go on by the wall clock, pages keep their ids, and the term is higher."""
    case = Case()
    case.run_until(10.0)
    case.do("ack", POLICE)
    there = Docket("zju2", RULES, counted_ids())
    now = dataclasses.replace(case.now, elapsed=77_777.0)  # another machine, another clock
    incident = there.restore(case.record, now, same_boot=False, above=4)
    record = incident.record
    assert (record.owner, record.owner_term, record.case.home) == ("zju2", 5, "zju1")
    assert [page.id for page in record.pages] == [page.id for page in case.record.pages]
    assert record.level_due == pytest.approx(now.elapsed + 20.0)
    sent = [
        page.group
        for step in range(200)
        for _, effects in there.tick(now.later(step * 0.5))
        for page in effects.pages
    ]
    assert POLICE not in sent
    assert "hospital-security" in sent
    done = there.act(action(incident.id, "handled", POLICE), now.later(101))
    assert done is not None


def test_adopted_incident_is_not_mixed_up_with_a_button_of_the_same_name():
    case = Case()
    ids = counted_ids()
    for _ in range(50):  # other ids than those of the case
        ids()
    there = Docket("zju2", RULES, ids)
    there.restore(case.record, case.now, same_boot=False)
    alarm = sighting_of(SOUTH_BUTTON, AlarmSignal(signal=SignalKind.ALARM, zone="001"))
    ((own, _),) = there.signal(alarm, case.now)
    assert own.id != case.incident.id
    restore = sighting_of(SOUTH_BUTTON, AlarmSignal(signal=SignalKind.RESTORE, zone="001"))
    told = event_of(
        restore,
        event_id="0190a5c0-0000-7000-8000-000000000009",
        gateway="zju1",
        time=0.0,
        seq=1,
        boot="0190a5c0-0000-7000-8000-00000000000a",
        drill=False,
        stored=True,
    )
    ((restored, _),) = there.foreign("zju1", sighting_from(told), case.now, drill=False)
    assert restored.id == case.incident.id
    assert restored.record.active == ()
    assert own.record.active != ()


def test_signal_of_an_incident_that_another_owns_opens_none_and_is_caught_up_with():
    case = Case()
    home = Docket("zju1", RULES, counted_ids())
    away = replace(case.record, owner="zju2", owner_term=2)
    home.elsewhere([away])
    for kind in (SignalKind.ALARM, SignalKind.RESTORE):
        seen = sighting_of(SOUTH_BUTTON, AlarmSignal(signal=kind, zone="001"))
        assert home.signal(seen, case.now) == []
    home.elsewhere([])
    incident = home.restore(away, case.now, same_boot=False, above=2)
    home.passed_on(incident.id, case.now)
    assert incident.record.active == ()
    assert incident.record.latched
