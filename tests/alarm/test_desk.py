from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.alarm import dispatch
from gateway.alarm.journal.journal import Journal, Kind
from gateway.errors import StorageError
from gateway.link.messages import IncidentState
from gateway.ports import SignalKind
from tests.alarm.alarm_world import HOSPITAL, POLICE, RULES, STREET, WHISTLE, action
from tests.alarm.desk_world import (
    TOPICS,
    Bench,
    GatedJournal,
    WireEnd,
    close,
    settled,
    until,
    until_published,
)


@pytest.fixture
async def journal(tmp_path: Path):
    async with GatedJournal(tmp_path / "journal.db") as opened:
        yield opened


@pytest.fixture
async def bench(journal: GatedJournal):
    async with Bench(journal, WireEnd()).running() as running:
        yield running


# A press


async def test_press_goes_out_as_event_pages_and_state(bench: Bench):
    assert await bench.press()
    await until(lambda: len(bench.wire.published) == 4)
    (event,) = bench.wire.events
    assert (event.gateway, event.site, event.endpoint) == ("zju1", "zju1", "south-gate-button")
    assert (event.signal, event.category, event.code) == ("alarm", "panic", "E120")
    assert (event.account, event.zone, event.seq, event.stored, event.drill) == (
        "1234", "001", 1, True, False,
    )  # fmt: skip
    pages = bench.wire.pages
    assert sorted(page.group for page in pages) == sorted(WHISTLE)
    assert len({page.id for page in pages}) == 3
    for page in pages:
        assert (page.incident, page.level, page.severity) == (bench.incident, 1, 1)
        assert page.endpoints == ("south-gate-button", "south-gate-intercom")
        assert (page.site_name, page.position) == ("浙大一院", (30.2573, 120.1776))
        assert (page.talkgroup, page.ack_within_s) == (None, 30.0)
        assert page.title == "吹哨响应: 浙大一院 南门按钮"
    paged = [one for one in bench.wire.published if "/page/" in one.topic]
    assert {one.expiry for one in paged} == {60}
    assert {one.topic for one in paged} == {TOPICS.page(group, "zju1") for group in WHISTLE}
    (state,) = bench.wire.states
    assert (state.state, state.level, state.seq, state.owner, state.owner_term) == (
        "open", 1, 1, "zju1", 1,
    )  # fmt: skip
    assert bench.wire.retained[TOPICS.incident(state.id, "zju1")].expiry is None


async def test_nothing_says_so_before_the_press_is_in_the_journal(
    bench: Bench, journal: GatedJournal
):
    journal.gate.clear()
    pressing = asyncio.create_task(bench.press())
    await settled()
    await asyncio.sleep(0.1)
    assert (bench.wire.published, bench.wire.states, bench.told) == ([], [], [])
    assert not pressing.done()
    journal.gate.set()
    assert await pressing
    assert len(bench.wire.states) == 1


async def test_signal_and_incident_are_one_unit_in_the_journal(bench: Bench, journal: Journal):
    await bench.press()
    kinds = [row.kind for row in await journal.events(0, 1e11)]
    assert kinds[:5] == ["signal", "page", "page", "page", "incident"]
    snapshot = json.loads((await journal.open_incidents())[0].body)
    assert snapshot["state"]["id"] == bench.incident


async def test_journal_that_does_not_answer_holds_the_alarm_up_for_half_a_second(
    bench: Bench, journal: GatedJournal
):
    journal.gate.clear()
    began = time.monotonic()
    assert await bench.press() is False
    assert 0.45 < time.monotonic() - began < 1.0
    await until(lambda: len(bench.wire.published) == 4)
    assert bench.wire.events[0].stored is False
    assert len(bench.wire.states) == 1
    journal.gate.set()
    assert await bench.press()  # the panel asks again: joins, and is stored
    await until(lambda: len(bench.wire.events) == 2)
    assert bench.wire.events[1].stored is True
    assert len(bench.desk.incidents()) == 1
    assert bench.counters["alarm.not_stored"] == 1


async def test_journal_that_fails_lets_the_alarm_out_at_once(
    bench: Bench, journal: Journal, monkeypatch
):
    def fails(_rows):
        future = asyncio.get_running_loop().create_future()
        future.set_exception(StorageError("disk full"))
        return future

    with monkeypatch.context() as broken:
        broken.setattr(journal, "append", fails)
        assert await bench.press() is False
        await until(lambda: len(bench.wire.pages) == 3)
        assert bench.wire.events[0].stored is False
    assert await journal.open_incidents() == ()
    # The repeat is acknowledged only with the whole incident behind it.
    assert await bench.press()
    assert len(await journal.open_incidents()) == 1


async def test_driver_that_is_stopped_while_it_waits_takes_no_page_with_it(
    bench: Bench, journal: GatedJournal
):
    journal.gate.clear()
    driver = asyncio.create_task(bench.press())
    await settled()
    driver.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await driver
    journal.gate.set()
    # Within the second in which no page would be sent again anyway.
    await until(lambda: len(bench.wire.pages) == 3 and bench.wire.events, within=0.7)


async def test_group_that_acks_while_the_disk_is_waited_for_is_not_paged(
    bench: Bench, journal: GatedJournal
):
    journal.gate.clear()
    pressing = asyncio.create_task(bench.press())
    await settled()
    assert bench.desk.deliver(action(bench.incident, "ack", POLICE))
    journal.gate.set()
    assert await pressing
    await until(lambda: len(bench.wire.pages) == 2)
    assert {page.group for page in bench.wire.pages} == {HOSPITAL, STREET}


async def test_second_press_is_an_event_of_its_own_and_no_page(bench: Bench):
    await bench.press()
    await bench.press()
    await until(lambda: len(bench.wire.events) == 2)
    assert len({event.id for event in bench.wire.events}) == 2
    assert len(bench.wire.pages) == 3
    assert len(bench.wire.states) == 1


async def test_hundred_presses_at_once_are_stored_in_order_and_are_one_incident(
    bench: Bench, journal: Journal
):
    assert all(await asyncio.gather(*(bench.press() for _ in range(100))))
    await until(lambda: len(bench.wire.events) == 100)
    rows = [row for row in await journal.events(0, 1e11) if row.kind == Kind.SIGNAL]
    assert [json.loads(row.body)["seq"] for row in rows] == list(range(1, 101))
    assert len(bench.wire.pages) == 3
    assert await until_published(journal) == ()


async def test_unknown_account_is_stored_acknowledged_and_raised_as_a_trouble(bench: Bench):
    assert await bench.press(account="9999")
    await until(lambda: bench.wire.events)
    (event,) = bench.wire.events
    assert (event.signal, event.category, event.endpoint, event.site) == (
        "fault", "trouble", None, None,
    )  # fmt: skip
    assert (event.account, event.code) == ("9999", "E120")
    assert (bench.wire.pages, bench.desk.incidents()) == ([], ())


async def test_test_of_a_panic_button_pages_nobody(bench: Bench):
    assert await bench.press(SignalKind.TEST, code="E602", category="test")
    assert await bench.press(SignalKind.BATTERY, code="E302", category="trouble")
    await until(lambda: len(bench.wire.events) == 2)
    assert [event.category for event in bench.wire.events] == ["test", "trouble"]
    assert bench.wire.pages == []


async def test_listener_that_fails_keeps_nothing_back(bench: Bench):
    bench.desk._clerk._listeners = replace(
        bench.desk._clerk._listeners, page=lambda _page: 1 / 0, incident=lambda _state: 1 / 0
    )
    assert await bench.press()
    await until(lambda: len(bench.wire.pages) == 3)
    assert len(bench.wire.states) == 1
    assert bench.counters["alarm.callback_failed"] == 4


async def test_listeners_hear_it_also_while_the_broker_is_away(journal: GatedJournal):
    async with Bench(journal, WireEnd(connected=False)).running() as bench:
        await bench.press()
        kinds = [type(one).__name__ for one in bench.told]
        assert kinds == ["Page", "Page", "Page", "IncidentState", "Raised"]
        assert bench.wire.published == []


async def test_closed_incident_stays_retained_for_a_day(bench: Bench, journal: Journal):
    await bench.press()
    await bench.press(SignalKind.RESTORE, code="R120")
    await close(bench)
    state = bench.wire.states[-1]
    assert (state.state, state.disposition) == ("closed", "handled")
    assert bench.wire.retained[TOPICS.incident(state.id, "zju1")].expiry == 86_400
    assert await journal.open_incidents() == ()


# Pages and the broker


async def test_page_is_sent_again_after_a_second_until_its_receipt(bench: Bench):
    await bench.press()
    await until(lambda: len(bench.wire.pages) == 3)
    first = {page.group: page for page in bench.wire.pages}
    made = action(bench.incident, "receipt", POLICE, page=first[POLICE].id)
    bench.wire.send(made)
    bench.wire.send(action(bench.incident, "ack", HOSPITAL))
    await until(lambda: len(bench.wire.pages) > 3, within=2.0)
    again = bench.wire.pages[3:]
    assert [(page.group, page.id) for page in again] == [(STREET, first[STREET].id)]
    assert again[0].sent > first[STREET].sent
    assert bench.state.groups[POLICE].state == "received"


async def test_broker_that_comes_back_gets_what_it_missed_at_once(journal: GatedJournal):
    async with Bench(journal, WireEnd(connected=False)).running() as bench:
        await bench.press()
        await bench.press(SignalKind.RESTORE, code="R120")
        await bench.desk.act(action(bench.incident, "ack", POLICE))
        assert bench.wire.attempts == 0
        assert len(await journal.unpublished_signals()) == 2
        bench.wire.connect()
        await until(lambda: len(bench.wire.events) == 2, within=0.5)
        assert sorted(page.group for page in bench.wire.pages) == sorted((HOSPITAL, STREET))
        assert [event.seq for event in bench.wire.events] == [1, 2]
        assert await until_published(journal) == ()


async def test_broker_lost_before_its_answer_gets_everything_again(bench: Bench):
    bench.wire.answers.clear()
    await bench.press()
    await until(lambda: bench.wire.attempts == 4)
    bench.wire.connect(False)
    bench.wire.answers.set()
    await settled()
    assert bench.wire.published == []
    bench.wire.connect()
    await until(lambda: len(bench.wire.published) == 4, within=0.5)


async def test_broker_that_withholds_its_answers_has_each_page_under_way_once(bench: Bench):
    bench.wire.answers.clear()
    await bench.press()
    await asyncio.sleep(1.3)  # past the first repetition
    assert bench.wire.attempts == 4
    bench.wire.answers.set()


async def test_event_that_the_broker_refuses_is_tried_again_without_haste(
    bench: Bench, monkeypatch
):
    monkeypatch.setattr(dispatch, "_PAUSE", 0.1)
    bench.wire.refuse = lambda topic: topic.endswith("alarm/zju1")
    await bench.press()
    await asyncio.sleep(0.35)
    assert 4 <= bench.wire.attempts - 3 <= 8
    bench.wire.refuse = lambda _topic: False
    await until(lambda: bench.wire.events, within=0.5)


async def test_backlog_lets_a_fresh_alarm_pass(journal: GatedJournal):
    async with Bench(journal, WireEnd(connected=False)).running() as bench:
        for _ in range(200):
            await bench.press(account="9999")
        bench.wire.answers.clear()
        bench.wire.connect()
        await settled()
        assert bench.wire.attempts == 16
        await bench.press()
        assert bench.wire.attempts == 16 + 4
        bench.wire.answers.set()
        await until(lambda: len(bench.wire.events) == 201)
        assert len({event.id for event in bench.wire.events}) == 201


# Reload


async def test_reload_leaves_running_incidents_and_their_timers_alone(bench: Bench):
    await bench.press()
    due = bench.desk._docket.deadline()
    bench.desk.reload(replace(RULES, plans=()))
    await settled()
    assert bench.desk._docket.deadline() == due
    assert len(bench.wire.states) == 1
    bench.desk.reload(replace(RULES, sources={}))
    await until(lambda: len(bench.wire.states) == 2)
    assert bench.wire.states[-1].input == "restored"
    assert await bench.press()
    await until(lambda: len(bench.wire.events) == 2)
    assert bench.wire.events[1].category == "trouble"


async def test_states_go_out_only_forward(bench: Bench):
    await bench.press()
    old: IncidentState = bench.wire.states[0]
    await bench.desk.act(action(bench.incident, "ack", POLICE))
    assert not bench.desk._clerk._dispatch.state(old, b"old")
    assert bench.wire.states[-1].seq == 2


async def test_drill_pages_nobody_who_is_not_marked_for_drills(bench: Bench):
    raised = await bench.desk.press("north-gate-button", drill=True)
    assert raised is not None
    assert raised.incidents[0].groups == {}
    assert bench.wire.pages == []
