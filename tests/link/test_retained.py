"""Retained topics: the newest value, on every connect, and never an older one after it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.link.retained import Retained


def drain(retained, now=0.0):
    sent = []
    while (value := retained.take(now)) is not None:
        sent.append((value.topic, value.payload, value.expiry(now)))
        retained.settled(value, acknowledged=True)
    return sent


def test_replaced_value_is_never_sent():
    retained = Retained()
    retained.put("t", b"old", None, 0)
    retained.put("t", b"new", None, 0)
    assert drain(retained) == [("t", b"new", None)]
    assert drain(retained) == []


def test_everything_is_sent_again_on_every_connect():
    retained = Retained()
    retained.put("a", b"1", None, 0)
    retained.put("b", b"2", None, 0)
    assert len(drain(retained)) == 2
    retained.connected()
    assert drain(retained) == [("a", b"1", None), ("b", b"2", None)]


def test_newer_value_waits_for_the_older_ones_acknowledgement():
    retained = Retained()
    retained.put("t", b"old", None, 0)
    old = retained.take(0)
    retained.put("t", b"new", None, 0)
    retained.put("other", b"x", None, 0)
    assert retained.take(0).topic == "other"
    assert retained.take(0) is None
    retained.settled(old, acknowledged=True)
    assert retained.take(0).payload == b"new"


def test_values_of_which_each_matters_are_all_sent_in_order():
    retained = Retained()
    for payload in (b"1", b"2", b"3"):
        retained.put("t", payload, None, 0, each=True)
    assert drain(retained) == [("t", b"1", None), ("t", b"2", None), ("t", b"3", None)]
    assert drain(retained) == []


def test_newest_alone_is_sent_on_a_connect_also_where_each_matters():
    retained = Retained()
    for payload in (b"1", b"2", b"3"):
        retained.put("t", payload, None, 0, each=True)
    retained.take(0)
    retained.connected()
    assert drain(retained) == [("t", b"3", None)]


def test_steps_that_wait_are_bounded_and_the_newest_are_kept():
    retained = Retained()
    for number in range(200):
        retained.put("t", b"%d" % number, None, 0, each=True)
    assert [payload for _, payload, _ in drain(retained)] == [
        b"%d" % one for one in range(136, 200)
    ]


def test_value_in_flight_when_the_broker_was_lost_is_sent_again():
    retained = Retained()
    retained.put("t", b"1", None, 0)
    lost = retained.take(0)
    retained.connected()
    assert retained.take(0).payload == b"1"
    retained.settled(lost, acknowledged=True)  # a late word about the lost one changes nothing
    assert retained.take(0) is None


def test_cleared_topic_is_cleared_at_the_broker_and_then_forgotten():
    retained = Retained()
    retained.put("t", b"1", None, 0)
    drain(retained)
    retained.put("t", b"", 60, 0)
    assert drain(retained) == [("t", b"", None)]
    assert len(retained) == 0
    retained.connected()
    assert drain(retained) == []


def test_clearing_is_repeated_until_it_is_acknowledged():
    retained = Retained()
    retained.put("t", b"", None, 0)
    assert retained.take(0).payload == b""
    retained.connected()
    assert retained.take(0).payload == b""


def test_value_set_after_a_clearing_in_flight_stays():
    retained = Retained()
    retained.put("t", b"", None, 0)
    clearing = retained.take(0)
    retained.put("t", b"again", None, 0)
    retained.settled(clearing, acknowledged=True)
    assert drain(retained) == [("t", b"again", None)]


@pytest.mark.parametrize(
    ("later", "expected"), [(0.0, 10), (0.5, 10), (1.0, 9), (9.0, 1), (9.999, 1), (10.0, None)]
)
def test_later_connect_sends_what_is_left_of_an_expiry(later, expected):
    retained = Retained()
    retained.put("t", b"1", 10, 100.0)
    sent = drain(retained, 100.0 + later)
    assert sent == ([] if expected is None else [("t", b"1", expected)])
    assert len(retained) == (0 if expected is None else 1)


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abc"), st.sampled_from([b"", b"1", b"2"])),
        st.tuples(st.just("each"), st.sampled_from("abc"), st.sampled_from([b"", b"1", b"2"])),
        st.tuples(st.just("take"), st.none(), st.none()),
        st.tuples(st.just("ack"), st.none(), st.none()),
        st.tuples(st.just("connect"), st.none(), st.none()),
    ),
    max_size=40,
)


@given(OPERATIONS)
def test_broker_ends_up_with_the_newest_values_whatever_happens(operations):
    retained, newest, broker, in_flight = Retained(), {}, {}, []
    for what, topic, payload in operations:
        if what in ("put", "each"):
            retained.put(topic, payload, None, 0, each=what == "each")
            newest[topic] = payload
        elif what == "take" and (value := retained.take(0)) is not None:
            in_flight.append(value)
            broker[value.topic] = value.payload
        elif what == "ack" and in_flight:
            retained.settled(in_flight.pop(0), acknowledged=True)
        elif what == "connect":
            retained.connected()
            in_flight.clear()
            broker.clear()
    for value in in_flight:
        retained.settled(value, acknowledged=True)
    while (value := retained.take(0)) is not None:
        broker[value.topic] = value.payload
        retained.settled(value, acknowledged=True)
    kept = {topic: payload for topic, payload in newest.items() if payload}
    assert {topic: payload for topic, payload in broker.items() if payload} == kept


def test_bulk_is_taken_apart_from_the_others_and_again_on_every_connect():
    retained = Retained()
    retained.put("button", b"1", None, 0, bulk=True)
    retained.put("floor", b"2", None, 0)
    assert drain(retained) == [("floor", b"2", None)]
    for _ in range(2):
        assert retained.bulk_waits
        value = retained.take(0, bulk=True)
        assert value is not None
        assert (value.topic, value.payload) == ("button", b"1")
        assert not retained.bulk_waits
        retained.settled(value, acknowledged=True)
        retained.connected()


def test_topic_that_is_no_longer_bulk_goes_out_once_with_the_others():
    retained = Retained()
    retained.put("button", b"1", None, 0, bulk=True)
    retained.put("button", b"2", None, 0)
    assert drain(retained) == [("button", b"2", None)]
    assert retained.take(0, bulk=True) is None
