"""What goes, and what goes first."""

import pytest

from gateway.voice.recording.retention import Held, Limits, excess, overdue

DAY = 86_400.0
LIMITS = Limits(keep=30 * DAY, keep_incident=400 * DAY, max_bytes=1000, keep_free=500)


def held(name, ended, size=100, *, of_incident=False):
    return Held(name, ended, size, of_incident)


def names(found):
    return [one.id for one in found]


def gone(kept, limits, *, free):
    return excess(kept, limits, total=sum(one.size for one in kept), free=free)


def test_what_is_older_than_its_time_goes_exactly_after_it():
    kept = [
        held("old", 0.0),
        held("edge", 1.0),
        held("incident", 0.0, of_incident=True),
    ]
    assert names(overdue(kept, LIMITS, 30 * DAY + 0.5)) == ["old"]
    assert names(overdue(kept, LIMITS, 30 * DAY + 1.0)) == ["old"]
    assert names(overdue(kept, LIMITS, 30 * DAY + 1.1)) == ["old", "edge"]
    assert names(overdue(kept, LIMITS, 401 * DAY)) == ["old", "edge", "incident"]


def test_without_a_limit_nothing_goes():
    kept = [held("old", 0.0), held("incident", 0.0, of_incident=True)]
    assert overdue(kept, Limits(keep=None, keep_incident=None), 1e12) == []
    limits = Limits(max_bytes=None, keep_free=0)
    assert gone([held("big", 0.0, 10**15)], limits, free=0) == []


def test_too_much_lets_the_oldest_go_those_of_incidents_last():
    kept = [
        held("new", 9.0, 300),
        held("incident", 1.0, 300, of_incident=True),
        held("old", 2.0, 300),
        held("middle", 5.0, 300),
    ]
    assert names(gone(kept, LIMITS, free=10**6)) == ["old"]
    assert names(gone(kept, Limits(max_bytes=299, keep_free=0), free=0)) == [
        "old", "middle", "new", "incident",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("free", "gone_"), [(500, []), (499, ["a"]), (300, ["a", "b"]), (0, ["a", "b", "c"])]
)
def test_too_little_room_lets_as_many_go_as_make_it(free, gone_):
    kept = [held("a", 1.0), held("b", 2.0), held("c", 3.0)]
    assert names(gone(kept, LIMITS, free=free)) == gone_
