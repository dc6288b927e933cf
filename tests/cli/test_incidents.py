"""What the ``incident`` commands say of what a gateway answers."""

import pytest

from gateway.cli import incidents
from gateway.cli.live import CallError


def groups(**states):
    """Groups of an IncidentState, by how far each is."""
    return {
        name: {"state": state, "by": None, "acked": None, "received": None, "paged": "10:00"}
        for name, state in states.items()
    }


def test_roll_call_counts_who_answered_and_whom_to_wait_for():
    roll = incidents.roll_of(
        groups(
            a="acked", b="on_scene", c="handled", d="en_route", e="received", f="paged",
            g="declined", h="stood_down",
        )
    )  # fmt: skip
    assert roll.answered == ("a", "b", "c", "d")
    assert (roll.received, roll.nothing, roll.declined) == (("e",), ("f",), ("g",))
    assert not roll.complete
    assert not roll.over


def test_roll_call_is_over_but_not_complete_where_somebody_declined():
    roll = incidents.roll_of(groups(a="acked", b="declined"))
    assert roll.over
    assert not roll.complete
    assert incidents.roll_of(groups(a="acked", b="stood_down")).complete


def test_many_groups_are_counted_and_few_are_named():
    few = groups(a="acked", b="paged")
    assert incidents.groups_in_words(few) == "a acked, b paged"
    many = groups(**{f"g{number}": "paged" for number in range(600)}, z="acked")
    assert incidents.groups_in_words(many) == "600 paged, 1 acked"


@pytest.mark.parametrize(("incident", "everything"), [(None, False), ("01a2", True)])
def test_hand_over_names_one_or_all_and_not_both(incident, everything):
    with pytest.raises(CallError, match="--all"):
        incidents.one_or_all(incident, everything=everything)


def test_hand_over_of_one_or_of_all_is_meant():
    assert incidents.one_or_all("01a2", everything=False) == "01a2"
    assert incidents.one_or_all(None, everything=True) is None
