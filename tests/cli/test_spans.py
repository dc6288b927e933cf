"""Lengths of time as people write them (`gateway.cli.spans`)."""

import pytest

from gateway.cli.spans import in_words, span


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("1.5", 1.5),
        ("90s", 90),
        ("30m", 1800),
        ("2h", 7200),
        ("1d", 86400),
        ("1h30m", 5400),
    ],
)
def test_span_is_read(text, seconds):
    assert span(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "2 weeks", "-5", "0", "0m", "1h 30", "nan", "1e3"])
def test_what_is_no_span_is_refused(text):
    with pytest.raises(ValueError):
        span(text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (3725, "1 h 2 min"),
        (86_400, "1 d"),
        (90_000, "1 d 1 h"),
    ],
)
def test_span_is_told_in_its_two_largest_units(seconds, words):
    assert in_words(seconds) == words
