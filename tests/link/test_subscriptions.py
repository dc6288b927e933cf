"""Topic filters: what they match, and whose message it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from gateway.link.subscriptions import Subscriptions, check_filter, matches

LEVEL = st.sampled_from(["a", "b", "zju1", "", "$SYS"])
TOPIC = st.lists(LEVEL, min_size=1, max_size=4).map("/".join).filter(bool)
FILTER = (
    st.tuples(
        st.lists(LEVEL | st.just("+"), min_size=1, max_size=4),
        st.booleans(),
    )
    .map(lambda parts: "/".join(parts[0] + ["#"] * parts[1]))
    .filter(bool)
)


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a/b/d", False),
        ("a/+", "a", False),
        ("a/+", "a/", True),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("#", "a/b", True),
        ("#", "$SYS/b", False),
        ("+/b", "$SYS/b", False),
        ("$SYS/#", "$SYS/b", True),
        ("a/b", "a/b/c", False),
        ("a/b/c", "a/b", False),
    ],
)
def test_filter_matches_as_mqtt_says(topic_filter, topic, expected):
    assert matches(topic_filter.split("/"), topic.split("/")) is expected


@given(FILTER, TOPIC)
def test_filters_match_what_another_implementation_matches(topic_filter, topic):
    ours = matches(topic_filter.split("/"), topic.split("/"))
    assert ours is topic_matches_sub(topic_filter, topic)


@pytest.mark.parametrize("bad", ["", "a/#/b", "a#", "a/b+", "+a/b", "a\0b"])
def test_what_is_no_filter_is_refused(bad):
    with pytest.raises(ValueError, match="no topic filter"):
        check_filter(bad)


def test_every_handler_of_every_matching_filter_gets_the_topic():
    subscriptions = Subscriptions()
    subscriptions.add("a/+", "one")
    subscriptions.add("a/+", "two")
    subscriptions.add("a/b", "three")
    assert subscriptions.handlers("a/b") == ("one", "two", "three")
    assert subscriptions.handlers("a/c") == ("one", "two")
    assert subscriptions.handlers("b") == ()
    assert subscriptions.filters() == ("a/+", "a/b")


def test_filter_goes_with_its_last_handler():
    subscriptions = Subscriptions()
    subscriptions.add("a/+", "one")
    subscriptions.add("a/+", "two")
    assert subscriptions.handlers("a/b") == ("one", "two")
    assert subscriptions.remove("a/+", "one") is False
    assert subscriptions.handlers("a/b") == ("two",)
    assert subscriptions.remove("a/+", "stranger") is False
    assert subscriptions.remove("a/+", "two") is True
    assert subscriptions.remove("a/+") is False
    assert subscriptions.handlers("a/b") == ()


def test_removal_without_a_handler_takes_all():
    subscriptions = Subscriptions()
    subscriptions.add("a", "one")
    subscriptions.add("a", "two")
    assert subscriptions.remove("a") is True
    assert subscriptions.filters() == ()


def test_memory_of_topics_is_bounded():
    subscriptions = Subscriptions()
    subscriptions.add("#", "one")
    for number in range(10_000):
        subscriptions.handlers(f"t/{number}")
    assert len(subscriptions._cache) <= 4096
