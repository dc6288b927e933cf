"""The virtual world: time that jumps, a broker that does what a gateway rests on, disks that forget."""

import asyncio
import time

import pytest

from drivers import registry
from gateway.alarm.journal.rows import Kind, Row
from gateway.cli.scenario import virtual_world
from gateway.cli.scenario.language import read
from gateway.cli.scenario.virtual_journal import COMMIT, VirtualJournal
from gateway.cli.scenario.virtual_net import VirtualNetwork
from gateway.cli.scenario.virtual_time import VirtualClock, VirtualIds, VirtualLoop
from gateway.link.address import BrokerAddress
from gateway.link.presence import Presence
from gateway.link.session import ControlLink
from tests.scenario.test_scenario_language import HEAD

PORT = 7


def run(main):
    """``main(loop, network)`` on a virtual loop."""
    loop = VirtualLoop()
    network = VirtualNetwork(loop)
    loop.network = network
    try:
        return loop.run_until_complete(main(loop, network))
    finally:
        loop.close()


def play(steps, head=HEAD):
    return virtual_world.run(read(head + steps, "s.yaml", registry), registry)


def link(loop, name="zju1", *, presence=True):
    clock = VirtualClock(loop)
    status = Presence(topic=f"baiying/gateway/{name}/status", boot=VirtualIds(clock)(), version="1")
    return ControlLink(
        name,
        BrokerAddress(host="127.0.0.1", port=PORT),
        presence=status if presence else None,
        clock=clock,
        jitter=lambda: 0.0,
    )


# Time


def test_an_hour_of_sleep_takes_no_time_and_ends_on_time():
    async def sleep(loop, _):
        await asyncio.sleep(3600)
        return loop.time()

    began = time.perf_counter()
    assert run(sleep) == pytest.approx(3600, abs=1e-6)
    assert time.perf_counter() - began < 0.5


def test_timers_go_off_in_their_order_and_threads_are_done_at_once():
    async def main(loop, _):
        seen = []
        loop.call_later(2, seen.append, "second")
        loop.call_later(1, seen.append, "first")
        seen.append(await asyncio.to_thread(lambda: "thread"))
        await asyncio.sleep(3)
        return seen

    assert run(main) == ["thread", "first", "second"]


def test_waiting_for_what_no_timer_brings_is_an_error_and_no_hang():
    async def wait(loop, _):
        await loop.create_future()

    with pytest.raises(RuntimeError, match="no timer brings"):
        run(wait)


def test_instant_that_never_ends_is_an_error_and_no_hang(monkeypatch):
    monkeypatch.setattr("gateway.cli.scenario.virtual_time.MOST_TURNS", 1000)

    async def spin(loop, _):
        while True:
            await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="time stands still"):
        run(spin)


def test_wall_clock_can_be_set_and_timers_do_not_notice():
    async def main(loop, _):
        clock = VirtualClock(loop)
        before = clock.now()
        clock.step(-3600)
        await asyncio.sleep(1)
        return before, clock.now()

    before, after = run(main)
    assert after.elapsed - before.elapsed == pytest.approx(1)
    assert after.wall - before.wall == pytest.approx(-3599)


# The broker


def test_killed_client_is_followed_by_its_will_and_a_clean_one_is_not():
    async def main(loop, network):
        heard = []
        network.broker.listeners.append(lambda topic, payload: heard.append(payload))
        client = asyncio.create_task(link(loop).run())
        await asyncio.sleep(1)
        network.silence(PORT)
        await asyncio.sleep(0.1)
        killed = list(heard)
        client.cancel()
        await asyncio.gather(client, return_exceptions=True)
        return killed, network.broker.kept("baiying/gateway/+/status")

    killed, kept = run(main)
    assert [b"online" in killed[0], b"offline" in killed[-1]] == [True, True]
    assert b"offline" in kept[0].payload


def test_retained_message_is_kept_cleared_by_an_empty_one_and_expires():
    async def main(loop, network):
        broker = network.broker
        broker.publish("a/b", b"kept", retain=True)
        broker.publish("a/c", b"short", retain=True, expiry=5)
        broker.publish("a/d", b"gone", retain=True)
        broker.publish("a/d", b"", retain=True)
        first = sorted(one.topic for one in broker.kept("a/+"))
        await asyncio.sleep(5)
        return first, [one.topic for one in broker.kept("#")]

    assert run(main) == (["a/b", "a/c"], ["a/b"])


def test_subscriber_gets_what_is_retained_marked_as_such_and_what_is_live():
    async def main(loop, network):
        heard = []
        network.broker.publish("x/kept", b"old", retain=True)
        one = link(loop, presence=False)
        one.subscribe("x/#", lambda message: heard.append((message.topic, message.retain)))
        task = asyncio.create_task(one.run())
        await asyncio.sleep(0.1)
        network.broker.publish("x/live", b"new")
        await one.publish("x/own", b"mine")
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return heard

    assert run(main) == [("x/kept", True), ("x/live", False), ("x/own", False)]


def test_cut_way_and_dead_broker_are_noticed_and_come_back():
    async def main(loop, network):
        changes = []
        one = link(loop)
        one.on_connection(lambda connected: changes.append((round(loop.time()), connected)))
        task = asyncio.create_task(one.run())
        await asyncio.sleep(10)
        network.cut(PORT)
        await asyncio.sleep(10)
        network.mend(PORT)
        await asyncio.sleep(10)
        network.broker_down()
        kept = network.broker.kept("#")
        await asyncio.sleep(10)
        network.broker_up()
        await asyncio.sleep(10)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return changes[:-1], kept

    changes, kept = run(main)
    assert [connected for _, connected in changes] == [True, False, True, False, True]
    assert [at for at, _ in changes][::2] == [0, 20, 40]
    assert kept == []


# The disk


def test_killed_journal_has_what_was_committed_and_nothing_else(tmp_path):
    async def main(loop, _):
        journal = VirtualJournal(tmp_path / "journal.db", lambda: 1.0)
        await journal.open()
        await journal.append([Row(Kind.NOTE, "stored", b"{}")])
        lost = asyncio.ensure_future(journal.append([Row(Kind.NOTE, "lost", b"{}")]))
        await asyncio.sleep(COMMIT / 2)
        journal.kill()
        journal.append_soon([Row(Kind.NOTE, "after", b"{}")])
        await asyncio.sleep(10)
        await journal.close()
        again = VirtualJournal(tmp_path / "journal.db", lambda: 2.0)
        await again.open()
        rows = await again.events(0.0, 10.0)
        await again.close()
        return [row.key for row in rows], lost.done()

    assert run(main) == (["stored"], False)


# Playing


def test_two_plays_of_one_scenario_are_the_same():
    steps = "  - press: gate\n  - at: 90\n    kill:\n  - at: 95\n    start:\n  - at: 99\n    ack: police\n"
    first, second = play(steps), play(steps)
    assert first.passed
    assert first.timeline == second.timeline


def test_failed_expectation_is_told_with_its_place_and_the_time_line():
    outcome = play("  - press: gate\n  - expect: {incident: {level: 2}}\n    within: 3 s\n")
    assert not outcome.passed
    assert outcome.failures[0].startswith("s.yaml:12:5: 00:00.000 expect")
    assert "level: expected 2, seen 1" in outcome.failures[0]
    assert any("page to police" in line for line in outcome.timeline)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ("  - ack: police\n", "there is no incident"),
        ("  - press: gate\n  - close: handled\n", "refused: "),
        ("  - press: gate\n  - ack: police\n    refused: not today\n", "expected a refusal"),
        ("  - kill:\n  - press: gate\n", "the gateway does not run"),
        ("  - press: gate\n  - at: 1\n    kill:\n  - ack: police\n", "nobody answered it"),
        ("  - never: {pages: [police]}\n  - press: gate\n", "expected none, seen 1"),
        ("  - request: no.such\n", "does not know that request"),
        ("  - hang_up: walk\n", "no request has the name walk"),
        ("  - press: gate\n    stored: false\n", "stored: true"),
    ],
)
def test_what_does_not_go_as_written_fails(steps, words):
    outcome = play(steps)
    assert any(words in failure for failure in outcome.failures), outcome.failures


def test_defect_that_the_gateway_survives_fails_the_scenario(monkeypatch):
    def broken(*_):
        raise ValueError("broken on purpose")

    monkeypatch.setattr("gateway.alarm.neighbours.neighbours.Neighbours.event", broken)
    outcome = play("  - press: gate\n")
    assert any("broken on purpose" in failure for failure in outcome.failures)


def test_law_is_checked_in_every_scenario(monkeypatch):
    monkeypatch.setattr("gateway.alarm.incidents.incident.STANDING", frozenset())
    steps = "  - press: gate\n  - at: 5\n    ack: police\n  - at: 6\n    escalate:\n  - at: 70\n    press: gate\n"
    outcome = play(steps)
    assert any("law: " in failure for failure in outcome.failures), outcome.timeline


def test_forty_minutes_take_less_than_a_second():
    steps = "  - press: gate\n  - at: 40:00\n    ack: police\n  - expect: {incident: {groups: {police: acked}}}\n"
    began = time.process_time()
    outcome = play(steps)
    assert outcome.passed, outcome.failures
    assert time.process_time() - began < 1.0
