from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alarm.incidents import snapshot
from gateway.alarm.incidents.wire import state_of
from gateway.alarm.plans.plan import Targets
from gateway.errors import StorageError
from gateway.link.messages import encode
from tests.alarm.alarm_world import HOSPITAL, POLICE
from tests.alarm.incidents.test_incident import Case


def eventful() -> Case:
    case = Case()
    case.run_until(215.0)
    case.do("ack", POLICE)
    case.do("on_scene", HOSPITAL)
    case.refused("close")
    return case


def test_snapshot_comes_back_whole():
    record = eventful().record
    body = snapshot.to_bytes(record, "boot-1", encode(state_of(record)))
    loaded = snapshot.from_bytes(body)
    assert (loaded.record, loaded.boot, loaded.v) == (record, "boot-1", 2)


def test_snapshot_carries_the_published_state_for_reports():
    record = eventful().record
    body = json.loads(snapshot.to_bytes(record, "boot-1", encode(state_of(record))))
    assert body["state"]["id"] == record.case.id
    assert body["state"]["groups"][POLICE]["state"] == "acked"
    assert json.loads(snapshot.to_bytes(record, "boot-1", None))["state"] is None


def test_damaged_snapshot_is_a_storage_error():
    body = snapshot.to_bytes(eventful().record, "boot-1", None)
    for end in range(0, len(body), 7):
        with pytest.raises(StorageError):
            snapshot.from_bytes(body[:end])


@given(
    st.binary(max_size=200) | st.recursive(st.none() | st.text(), st.lists).map(str).map(str.encode)
)
def test_garbage_is_a_storage_error(garbage):
    with pytest.raises(StorageError):
        snapshot.from_bytes(garbage)


@pytest.mark.parametrize(
    ("old", "new"), [(b'"v":2', b'"v":3'), (b'"level":3,"saved"', b'"level":4,"saved"')]
)
def test_snapshot_of_another_version_or_without_its_level_is_refused(old, new):
    body = snapshot.to_bytes(eventful().record, "boot-1", None)
    assert body.count(old) == 1
    with pytest.raises(StorageError):
        snapshot.from_bytes(body.replace(old, new))


def test_snapshot_of_version_1_is_read_with_any_ack_and_no_clocks():
    record = eventful().record
    body = json.loads(snapshot.to_bytes(record, "boot-1", None))
    body["v"] = 1
    case = body["record"]["case"]
    for key in ("targets", "covert", "text", "by", "home", "site_class", "street", "grid"):
        del case[key]
    for number, step in enumerate(case["steps"]):
        step["quorum"] = None if number else ["police"]
        for key in ("rotas", "nearest", "spared"):
            del step[key]
    for key in ("chosen", "brought", "shortfalls", "notes", "handler", "verdict", "worst", "merged",
                "merged_into", "subjects", "endpoints", "clocks", "reached"):  # fmt: skip
        del body["record"][key]
    loaded = snapshot.from_bytes(json.dumps(body).encode()).record
    assert [step.quorum.parties for step in loaded.case.steps] == [("police",), (), ()]
    assert loaded.case.home == loaded.owner == "zju1"
    assert loaded.case.targets == Targets(ack=None, en_route=None, on_scene=None, handled=None)
    assert loaded.groups == record.groups
