from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.alarm.incidents import delivery


def sendings(*, until: float, step: float = 0.25) -> list[float]:
    """When one page that nobody signs for is sent, ticked every ``step`` seconds."""
    pages, _ = delivery.add((), "p", "police", 1, 0.0)
    times = [0.0]
    for number in range(1, int(until / step) + 1):
        pages, sent = delivery.take_due(pages, number * step)
        times += [number * step for _ in sent]
    return times


def test_page_is_sent_again_after_1_2_5_5_seconds():
    assert sendings(until=20) == [0, 1, 3, 8, 13, 18]


def test_page_is_due_exactly_at_its_second_and_not_before():
    pages, page = delivery.add((), "p", "police", 1, 10.0)
    assert (page.sends, delivery.deadline(pages)) == (1, 11.0)
    assert delivery.take_due(pages, 10.999)[1] == ()
    pages, sent = delivery.take_due(pages, 11.0)
    assert [one.id for one in sent] == ["p"]
    assert sent[0].sends == 2
    assert delivery.deadline(pages) == 13.0


def test_late_tick_sends_once_and_counts_on_from_then():
    pages, _ = delivery.add((), "p", "police", 1, 0.0)
    pages, sent = delivery.take_due(pages, 100.0)
    assert len(sent) == 1
    assert delivery.deadline(pages) == 102.0


def test_receipt_ends_that_page_only():
    pages, _ = delivery.add((), "old", "police", 1, 0.0)
    pages, _ = delivery.add(pages, "new", "police", 2, 0.5)
    pages, _ = delivery.add(pages, "other", "street", 1, 0.5)
    pages = delivery.receive(pages, "new")
    assert [one.id for one in delivery.take_due(pages, 2.0)[1]] == ["old", "other"]
    assert delivery.receive(pages, "unknown") == pages


def test_stopping_a_group_ends_its_pages_and_nobody_elses():
    pages, _ = delivery.add((), "a", "police", 1, 0.0)
    pages, _ = delivery.add(pages, "b", "police", 2, 0.0)
    pages, _ = delivery.add(pages, "c", "street", 1, 0.0)
    assert [one.id for one in delivery.take_due(delivery.stop(pages, ["police"]), 9.0)[1]] == ["c"]
    assert delivery.deadline(delivery.stop(pages)) is None


def test_newest_pages_of_a_group_are_kept():
    pages: delivery.Pages = ()
    pages, _ = delivery.add(pages, "street", "street", 1, 0.0)
    for number in range(20):
        pages, _ = delivery.add(pages, f"p{number}", "police", 1, 0.0)
    kept = [one.id for one in pages if one.group == "police"]
    assert kept == [f"p{number}" for number in range(12, 20)]
    newest = delivery.newest(pages, "police")
    assert newest is not None
    assert newest.id == "p19"
    assert delivery.find(pages, "street") is not None
    assert delivery.find(pages, "p11") is None


@given(st.lists(st.floats(min_value=0, max_value=30, allow_nan=False), max_size=60))
def test_whatever_the_ticks_no_gap_is_shorter_than_the_schedule(gaps):
    pages, _ = delivery.add((), "p", "police", 1, 0.0)
    now, times = 0.0, [0.0]
    for gap in gaps:
        now += gap
        due = delivery.deadline(pages)
        pages, sent = delivery.take_due(pages, now)
        assert bool(sent) is (due is not None and due <= now)
        times += [now for _ in sent]
    waits = [1.0, 2.0] + [5.0] * len(times)
    assert all(
        later - earlier >= wait - 1e-9
        for earlier, later, wait in zip(times, times[1:], waits, strict=False)
    )
