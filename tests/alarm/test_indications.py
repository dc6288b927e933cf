"""Lamps and sirens at the place of an alarm, at their exact boundaries."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alarm.indications import Indication, Indications, Signs
from gateway.link.messages import GroupState, IncidentState
from gateway.moment import timestamp
from tests.alarm.alarm_world import START

IDS = [f"01900000-0000-7000-8000-00000000000{number}" for number in range(4)]
EVERY = Signs({one: (("lamps", one.value),) for one in Indication})


def called(state="paged", *, received=False):
    at = timestamp(START.wall)
    return GroupState(
        party="police", state=state, level=1, paged=at,
        received=at if received else None, acked=None, arrived=None, by=None,
    )  # fmt: skip


def incident(number=0, endpoint="gate", **changes):
    """An open panic that was raised at `START` and pages the police."""
    made = IncidentState(
        id=IDS[number], state="open", level=1, plan="all", category="panic", severity=1, site="s",
        site_name="S", endpoint=endpoint, endpoints=(endpoint,), drill=False,
        raised=timestamp(START.wall), latched=True, input="alarm", talkgroup=None,
        groups={"police": called()}, breaches=(), disposition=None, closed=None, owner="g",
        owner_term=1, seq=1, applied=(), refused=None,
    )  # fmt: skip
    return replace(made, **changes)


class Place:
    """A gate with a lamp for each indication."""

    def __init__(self, signs=None, drilled=()):
        self.indications = Indications()
        self.now = START
        self.indications.configure(signs or {"gate": EVERY}, drilled, START)

    def at(self, seconds):
        until = START.later(seconds)
        while (due := self.indications.deadline()) is not None and due <= until.elapsed:
            self.now = START.later(due - START.elapsed)
            self.indications.tick(self.now)
        self.now = until
        return self

    def sees(self, state, *, stored=True):
        self.indications.incident(state, self.now)
        if stored:
            self.indications.stored([state.id], self.now)
        return self

    @property
    def lit(self):
        return {line for _, line in self.indications.lit()}


def test_press_that_is_stored_lights_stored_and_one_that_is_not_does_not():
    assert Place().sees(incident()).lit == {"stored"}
    assert Place().sees(incident(), stored=False).lit == set()


def test_later_signal_that_is_stored_lights_stored():
    place = Place().sees(incident(), stored=False).at(1)
    assert place.sees(incident(input="restored")).lit == {"stored"}


def test_receipt_lights_received_and_an_ack_taken_as_long_as_it_stands():
    place = Place().sees(incident())
    place.sees(incident(groups={"police": called("received", received=True)}))
    assert place.lit == {"stored", "received"}
    place.sees(incident(groups={"police": called("acked", received=True)}))
    assert place.lit == {"stored", "received", "taken"}
    place.sees(incident(groups={"police": called(received=True)}))
    assert place.lit == {"stored", "received"}


@pytest.mark.parametrize("state", ["acked", "declined", "en_route", "on_scene", "handled"])
def test_answer_without_a_receipt_is_heard_all_the_same(state):
    place = Place().sees(incident(groups={"police": called(state)})).at(100)
    assert "received" in place.lit
    assert "unheard" not in place.lit


def test_press_that_nobody_receives_is_unheard_exactly_5_s_after_it():
    place = Place().sees(incident()).at(4.999)
    assert place.lit == {"stored"}
    assert place.at(5).lit == {"stored", "unheard"}
    place.sees(incident(groups={"police": called("received", received=True)}))
    assert place.lit == {"stored", "received"}
    assert place.at(100).lit == {"stored", "received"}


def test_time_that_the_disk_took_counts_and_a_clock_that_is_wrong_does_not():
    place = Place()
    place.now = START.later(0.5)
    place.sees(incident())
    assert "unheard" not in place.at(4.999).lit
    assert "unheard" in place.at(5.0).lit
    for wrong in (-3600.0, 3600.0):
        place = Place()
        place.sees(incident(raised=timestamp(START.wall + wrong)))
        assert "unheard" not in place.at(3.999).lit
        assert "unheard" in place.at(5.0).lit


def test_press_for_which_nobody_is_called_is_unheard():
    assert "unheard" in Place().sees(incident(groups={})).at(5).lit


def test_siren_stays_silent_when_a_page_was_received_and_others_are_called():
    place = Place().sees(incident(groups={"police": called("received", received=True)}))
    place.at(60).sees(incident(level=2, groups={"police": called(), "street": called()}))
    assert place.at(100).lit == {"stored", "received"}


def test_unheard_has_a_time_of_its_own_at_each_endpoint():
    slow = Signs({Indication.UNHEARD: (("lamps", "slow"),)}, unheard_after=30.0)
    place = Place({"gate": EVERY, "door": slow})
    place.sees(incident(endpoints=("gate", "door")))
    assert place.at(29.999).lit == {"stored", "unheard"}
    assert place.at(30).lit == {"stored", "unheard", "slow"}


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "closed", "latched": False, "input": "restored"},
        {"state": "resolved", "latched": False, "input": "restored"},
    ],
)
def test_place_is_dark_when_the_incident_is_closed_or_resolved_and_reset(changes):
    place = Place().sees(incident(groups={"police": called("handled", received=True)}))
    place.sees(incident(**changes))
    assert place.lit == set()
    assert place.at(100).lit == set()


@pytest.mark.parametrize("still", [{"latched": True, "input": "restored"}, {"latched": False}])
def test_what_is_resolved_shows_until_the_latch_is_reset_and_the_input_restored(still):
    place = Place().sees(incident())
    assert "stored" in place.sees(incident(state="resolved", **still)).lit


def test_incident_that_is_opened_again_is_unheard_anew():
    heard = {"police": called("handled", received=True)}
    place = Place().sees(incident(groups=heard)).at(600)
    place.sees(incident(state="resolved", groups=heard))
    place.sees(incident(groups={"police": called()}))
    assert place.lit == {"stored"}
    assert place.at(604.999).lit == {"stored"}
    assert place.at(605).lit == {"stored", "unheard"}


def test_nothing_of_a_covert_or_a_quiet_incident_shows():
    for changes in ({"covert": True}, {"category": "trouble"}, {"category": "supervision"}):
        assert Place().sees(incident(**changes)).at(100).lit == set()


def test_drill_switches_only_what_is_marked_for_drills():
    two = Signs({Indication.STORED: (("lamps", "here"), ("board", "there"))})
    place = Place({"gate": two}, drilled=["board"])
    assert place.sees(incident(drill=True)).lit == {"there"}
    assert place.sees(incident(1)).lit == {"here", "there"}


def test_all_that_share_the_place_show_it():
    other = Signs({Indication.STORED: (("lamps", "other"),)})
    place = Place({"gate": EVERY, "intercom": other})
    assert place.sees(incident(endpoints=("gate", "intercom"))).lit == {"stored", "other"}


def test_line_is_on_while_anything_holds_it():
    place = Place().sees(incident()).sees(incident(1))
    place.sees(incident(state="closed"))
    assert place.lit == {"stored"}
    place.sees(incident(1, state="closed"))
    assert place.lit == set()


def test_fault_of_the_endpoint_or_of_the_journal_lights_fault():
    place = Place()
    place.indications.fault("gate", faulty=True)
    place.indications.fault("elsewhere", faulty=True)
    assert place.lit == {"fault"}
    place.indications.storage(faulty=True)
    place.indications.fault("gate", faulty=False)
    assert place.lit == {"fault"}
    place.indications.storage(faulty=False)
    assert place.lit == set()


def test_reload_shows_what_stands_with_the_new_lines():
    place = Place().sees(incident())
    place.indications.fault("gate", faulty=True)
    both = {Indication.STORED: (("new", "blue"),), Indication.FAULT: (("new", "red"),)}
    place.indications.configure({"gate": Signs(both)}, (), place.now)
    assert place.indications.lit() == {("new", "blue"), ("new", "red")}
    place.indications.configure({}, (), place.now)
    assert place.indications.lit() == frozenset()


def test_incident_of_an_earlier_run_is_stored_and_gets_its_5_s_anew():
    place = Place()
    place.now = START.later(3600)
    place.indications.incident(incident(), place.now, stored=True)
    assert place.lit == {"stored"}
    assert place.at(3604.999).lit == {"stored"}
    assert "unheard" in place.at(3605).lit


GROUP = st.sampled_from(
    [
        called(), called("received", received=True), called("acked", received=True),
        called("declined"), called("handled", received=True), called("stood_down"),
    ]
)  # fmt: skip
STATE = st.builds(
    incident,
    st.integers(0, 2),
    st.sampled_from(["gate", "door"]),
    state=st.sampled_from(["open", "answered", "resolved", "closed"]),
    latched=st.booleans(),
    input=st.sampled_from(["alarm", "restored"]),
    covert=st.booleans(),
    drill=st.booleans(),
    groups=st.dictionaries(st.sampled_from(["police", "street"]), GROUP),
)


@given(st.lists(st.tuples(STATE, st.floats(0, 4), st.booleans()), max_size=30))
def test_changes_add_up_to_what_is_lit_and_all_is_dark_once_all_is_closed(events):
    place = Place({"gate": EVERY, "door": EVERY})
    seen: set[tuple[str, str]] = set()
    seconds = 0.0
    for state, pause, stored in events:
        seconds += pause
        place.at(seconds).sees(state, stored=stored)
        for line, on in place.indications.take_changes().items():
            (seen.add if on else seen.discard)(line)
        assert seen == place.indications.lit()
        if state.covert and len({one.id for one, _, _ in events}) == 1:
            assert place.lit == set()
    for number in range(3):
        place.sees(incident(number, state="closed"))
    assert place.lit == set()
    assert place.indications.deadline() is None
