"""Last tests and overdue ones (`gateway.alarm.supervision.testing`)."""

from __future__ import annotations

from gateway.alarm.journal.rows import Kind, Stored
from gateway.alarm.supervision.testing import LastTest, read, row_of, standings

DAY = 86_400.0


def kept(wall: float, endpoint: str, *, walk: bool = False) -> Stored:
    row = row_of(endpoint, "00000000-0000-7000-8000-000000000001", walk=walk, by="li")
    return Stored(1, wall, row.kind, row.key, row.body)


def test_the_newest_test_of_each_endpoint_is_read() -> None:
    rows = [kept(5, "gate"), kept(6, "ward", walk=True), kept(9, "gate")]
    assert read(rows) == {"gate": LastTest(9, by="li"), "ward": LastTest(6, walk=True, by="li")}


def test_a_damaged_row_tells_nothing() -> None:
    assert read([Stored(1, 5, Kind.TESTED, "gate", b"{")]) == {}


def test_a_test_is_overdue_past_its_days_and_not_on_them() -> None:
    last = {"gate": LastTest(0.0)}
    (at,) = standings({"gate": 30 * DAY}, last, 30 * DAY)
    assert not at.overdue
    assert at.due == 30 * DAY
    (past,) = standings({"gate": 30 * DAY}, last, 30 * DAY + 1)
    assert past.overdue


def test_what_was_never_tested_is_overdue_and_comes_first() -> None:
    found = standings(
        {"old": DAY, "never": DAY, "new": DAY}, {"old": LastTest(1), "new": LastTest(9)}, 10
    )
    assert [(one.endpoint, one.overdue) for one in found] == [
        ("never", True),
        ("old", False),
        ("new", False),
    ]
    assert found[0].due is None


def test_what_needs_no_test_is_never_overdue() -> None:
    (found,) = standings({"gate": None}, {}, 1e9)
    assert not found.overdue
