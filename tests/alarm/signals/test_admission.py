"""Which signal is decided next."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from gateway.alarm.signals.admission import Admission


@dataclass(frozen=True)
class Signal:
    name: str
    subject: str
    source: str
    quiet: bool


def panic(name: str, subject: str = "", source: str = "s1") -> Signal:
    return Signal(name, subject or name, source, quiet=False)


def trouble(name: str, subject: str = "", source: str = "s1") -> Signal:
    return Signal(name, subject or name, source, quiet=True)


def order(*signals: Signal) -> list[str]:
    admission: Admission[Signal] = Admission()
    assert all(admission.put(one) for one in signals)
    return names(admission)


def names(admission: Admission[Signal]) -> list[str]:
    found = []
    while (one := admission.take()) is not None:
        found.append(one.name)
    return found


def test_panics_go_before_troubles_whatever_came_first():
    assert order(trouble("t1"), trouble("t2"), panic("p1"), trouble("t3"), panic("p2")) == [
        "p1", "p2", "t1", "t2", "t3",
    ]  # fmt: skip


def test_sites_take_turns():
    assert order(
        *(panic(f"a{n}", source="a") for n in range(3)),
        panic("b0", source="b"),
        *(trouble(f"at{n}", source="a") for n in range(2)),
        trouble("bt0", source="b"),
    ) == ["a0", "b0", "a1", "a2", "at0", "bt0", "at1"]


def test_trouble_of_a_button_keeps_its_place_before_that_buttons_press():
    assert order(
        trouble("battery", "button"), trouble("t1"), panic("press", "button"), panic("other")
    ) == ["battery", "press", "other", "t1"]


def test_trouble_that_follows_a_press_of_its_button_is_decided_after_it_and_before_the_others():
    assert order(panic("press", "button"), trouble("t1"), trouble("battery", "button")) == [
        "press", "battery", "t1",
    ]  # fmt: skip


def test_button_whose_press_is_decided_waits_with_the_quiet_again():
    admission: Admission[Signal] = Admission()
    admission.put(panic("press", "button"))
    admission.put(trouble("t1"))
    assert admission.urgent
    assert admission.take() == panic("press", "button")
    assert not admission.urgent
    admission.put(trouble("battery", "button"))
    assert names(admission) == ["t1", "battery"]


def test_lane_that_is_full_refuses_and_troubles_take_no_place_of_a_panic():
    admission: Admission[Signal] = Admission(lane_limit=3, source_limit=2)
    assert admission.put(trouble("t1"))
    assert admission.put(trouble("t2"))
    assert not admission.put(trouble("t3"))  # its site has its share
    assert admission.put(trouble("u1", source="s2"))
    assert not admission.put(trouble("v1", source="s3"))  # the lane is full
    assert admission.put(panic("p1"))
    assert len(admission) == 4
    assert names(admission) == ["p1", "t1", "u1", "t2"]
    assert admission.put(trouble("v1", source="s3"))


SIGNALS = st.builds(
    lambda subject, quiet, number: (subject, quiet, number),
    st.integers(0, 5),
    st.booleans(),
    st.integers(),
)


@given(st.lists(st.tuples(SIGNALS, st.booleans()), max_size=60))
def test_signals_of_a_subject_never_overtake_each_other_and_none_is_lost(steps):
    admission: Admission[Signal] = Admission()
    put: list[Signal] = []
    taken: list[Signal] = []
    for number, ((subject, quiet, _), take) in enumerate(steps):
        signal = Signal(str(number), f"e{subject}", f"s{subject % 2}", quiet)
        assert admission.put(signal)
        put.append(signal)
        if take and (one := admission.take()) is not None:
            taken.append(one)
    while (one := admission.take()) is not None:
        taken.append(one)
    assert sorted(taken, key=lambda one: int(one.name)) == put
    for subject in {one.subject for one in put}:
        assert [one for one in taken if one.subject == subject] == [
            one for one in put if one.subject == subject
        ]
    assert len(admission) == 0
