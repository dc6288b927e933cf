"""Histograms by name and label."""

import pytest

from gateway.ops.measures import BOUNDS, MAX_LABELS, OTHERS, Histogram, Measures


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0.0, 0), (0.005, 0), (0.0051, 1), (5.0, 12), (5.1, 13)]
)
def test_a_bound_belongs_to_the_bucket_below_it(seconds, bucket):
    histogram = Histogram()
    histogram.observe(seconds)
    assert histogram.counts.index(1) == bucket


def test_share_within_a_bound_and_cumulative_counts():
    histogram = Histogram()
    for seconds in (0.1, 0.3, 0.31, 9.0):
        histogram.observe(seconds)
    assert histogram.within(0.3) == 0.5
    assert histogram.cumulative()[-1] == ("+Inf", 4)
    assert dict(histogram.cumulative())["0.3"] == 2
    assert histogram.total == pytest.approx(9.71)
    assert Histogram().within(0.3) is None


def test_limits_of_the_standard_are_bounds():
    assert {0.15, 0.3, 0.35, 1.0} <= set(BOUNDS), "TS 22.179 6.15"


def test_labels_without_end_are_counted_together():
    measures = Measures()
    for number in range(MAX_LABELS + 10):
        measures.observe("x", f"label-{number}", 0.1)
    assert len(measures.of("x")) == MAX_LABELS + 1
    assert measures.of("x")[OTHERS].number == 10
    assert measures.names() == ("x",)
    assert measures.of("never") == {}
