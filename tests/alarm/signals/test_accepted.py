"""Signals that are acknowledged before they are decided: their row, and each decided exactly once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alarm.journal.rows import ENDS, Kind, Row, Stored
from gateway.alarm.signals.accepted import (
    Accepted,
    Entry,
    Ledger,
    from_row,
    is_writable,
    row_of,
    undecided,
)
from gateway.alarm.signals.waiting import Said
from gateway.errors import StorageError
from gateway.ports import AlarmSignal, SignalKind

SIGNAL = AlarmSignal(
    signal=SignalKind.BATTERY, account="1234", zone="007", code="E302", text="电池"
)


def entry(name: str, signal: AlarmSignal = SIGNAL) -> Entry:
    return Entry(name, "receiver-1", signal)


def stored(row: Row, seq: int = 1) -> Stored:
    return Stored(seq, 100.0, row.kind, row.key, row.body)


# The row


def test_row_holds_each_signal_as_its_driver_said_it():
    line = AlarmSignal(signal=SignalKind.ALARM, line="gate")
    row = row_of("batch", 1790142308.25, [entry("a"), entry("b", line)])
    assert (row.kind, row.key) == (Kind.ACCEPTED, "batch")
    assert from_row(stored(row)) == Accepted("batch", 1790142308.25, (entry("a"), entry("b", line)))


def test_published_row_reads_as_it_did_when_it_was_first_written():
    body = (
        b'{"at":5.5,"signals":[{"id":"x","input":"r","signal":{"signal":"alarm","line":null,'
        b'"account":"1","zone":"2","code":"E120","category":"panic","text":""}}]}'
    )
    (found,) = from_row(Stored(1, 6.0, Kind.ACCEPTED, "k", body)).entries
    assert found.signal == AlarmSignal(
        signal=SignalKind.ALARM, account="1", zone="2", code="E120", category="panic"
    )


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"at":1}', b'{"at":"x","signals":[]}', b"\xff"]
)
def test_damaged_row_is_a_storage_error(body: bytes):
    with pytest.raises(StorageError, match="accepted signals"):
        from_row(Stored(1, 0.0, Kind.ACCEPTED, "k", body))


def test_text_that_is_no_text_is_not_writable():
    assert is_writable(entry("a"))
    assert not is_writable(entry("a", AlarmSignal(signal=SignalKind.ALARM, text="\udc80")))


# Who hears what


@pytest.mark.parametrize(
    ("events", "told"),
    [
        (["accepted", "decided"], [True]),
        (["accepted", "failed"], [True]),
        (["refused", "decided"], [True]),
        (["refused", "failed"], [False]),
        (["decided", "accepted"], [True]),
        (["decided", "refused"], [True]),
        (["failed", "accepted"], [True]),
        (["failed", "refused"], [False]),
        (["failed"], []),
    ],
)
def test_driver_hears_once_whether_its_signal_is_on_disk(events: list[str], told: list[bool]):
    heard: list[bool] = []
    said = Said("receiver-1", SIGNAL, heard.append, accepting=True)
    for event in events:
        if event in ("accepted", "refused"):
            said.accepted(stored=event == "accepted")
        else:
            said.decided(stored=event == "decided")
    assert heard == told


# Bookkeeping


def test_batch_stands_until_the_last_of_it_is_decided():
    ledger = Ledger()
    assert ledger.accept("batch", ["a", "b"]) == []
    assert ledger.decided("b") == []
    assert len(ledger) == 1
    assert ledger.decided("a") == [Row(Kind.DECIDED, "batch", b"")]
    assert len(ledger) == 0
    assert ledger.decided("a") == []


def test_batch_of_which_nothing_is_left_ends_at_once():
    assert Ledger().accept("batch", []) == [Row(Kind.DECIDED, "batch", b"")]


def test_decision_that_was_not_stored_is_owed_until_it_is():
    ledger = Ledger()
    ledger.accept("batch", ["a"])
    ledger.owe(Row(Kind.SIGNAL, "a", b"event"))
    ledger.owe(Row(Kind.SIGNAL, "stranger", b"event"))
    assert ledger.owed() == (Row(Kind.SIGNAL, "a", b"event"),)
    assert ledger.decided("a") == [Row(Kind.DECIDED, "batch", b"")]
    assert ledger.owed() == ()


# Any cut


class Gateway:
    """One run over a journal that is a list of units, each of which is there or not."""

    def __init__(self, journal: list[list[Row]], run: int) -> None:
        self.journal = journal
        self.run = run
        self.ledger = Ledger()
        self.waiting: list[str] = []
        self.late: list[Row] = []
        rows = [row for unit in journal for row in unit]
        standing = {row.key: row for row in rows if row.kind == Kind.ACCEPTED}
        for row in rows:
            if ENDS.get(row.kind) == Kind.ACCEPTED:  # type: ignore[call-overload]
                standing.pop(row.key, None)
        batches = [from_row(stored(row)) for row in standing.values()]
        decided = {row.key for row in rows if row.kind == Kind.SIGNAL}
        for batch in undecided(batches, decided):
            ids = [one.id for one in batch.entries]
            self.late += self.ledger.accept(batch.key, ids)
            self.waiting += ids

    def accept(self, count: int) -> None:
        key = f"{self.run}-{len(self.journal)}"
        ids = [f"{key}-{number}" for number in range(count)]
        self.journal.append([row_of(key, 0.0, [entry(one) for one in ids])])
        self.ledger.accept(key, ids)
        self.waiting += ids

    def decide(self, place: int) -> None:
        if self.waiting:
            one = self.waiting.pop(place % len(self.waiting))
            self.journal.append([Row(Kind.SIGNAL, one, b"")])
            self.late += self.ledger.decided(one)

    def note(self) -> None:
        rows, self.late = self.late, []
        if rows:
            self.journal.append(rows)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("accept"), st.integers(1, 4)),
        st.tuples(st.just("decide"), st.integers(0, 99)),
        st.tuples(st.just("note"), st.just(0)),
    ),
    max_size=30,
)


@given(st.lists(st.tuples(STEPS, st.integers(0, 40)), min_size=1, max_size=4))
def test_over_any_cuts_each_accepted_signal_is_decided_exactly_once(runs):
    journal: list[list[Row]] = []
    for number, (steps, cut) in enumerate(runs):
        gateway = Gateway(journal, number)
        for what, value in steps:
            if what == "accept":
                gateway.accept(value)
            elif what == "decide":
                gateway.decide(value)
            else:
                gateway.note()
        # What was not on disk is gone: units are on disk in their order.
        kept = len(journal) - min(cut, len(journal))
        del journal[kept:]
    last = Gateway(journal, len(runs))
    while last.waiting:
        last.decide(0)
    last.note()
    rows = [row for unit in journal for row in unit]
    accepted = [
        one.id for row in rows if row.kind == Kind.ACCEPTED for one in from_row(stored(row)).entries
    ]
    assert sorted(row.key for row in rows if row.kind == Kind.SIGNAL) == sorted(accepted)
    assert Gateway(journal, 99).waiting == []
    ended = [row.key for row in rows if row.kind == Kind.DECIDED]
    assert len(ended) == len(set(ended)) == sum(row.kind == Kind.ACCEPTED for row in rows)
