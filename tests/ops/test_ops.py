"""Ids, sd_notify, liveness and the deadline timer."""

import asyncio
import os
import socket
import uuid

import pytest

from gateway.moment import Moment, parse_timestamp, timestamp
from gateway.ops.clock import DeadlineTimer
from gateway.ops.ids import new_id
from gateway.ops.liveness import Liveness
from gateway.ops.sd_notify import Notifier


def test_ids_are_version_7_unique_and_sort_by_time():
    ids = [new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert {uuid.UUID(one).version for one in ids} == {7}
    assert {uuid.UUID(one).variant for one in ids} == {uuid.RFC_4122}
    assert [one[:13] for one in ids] == sorted(one[:13] for one in ids)


def test_child_that_is_forked_makes_no_id_that_its_parent_makes():
    new_id()  # the pool is filled
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, new_id().encode())
        os._exit(0)
    mine = {new_id()[20:] for _ in range(300)}
    os.waitpid(child, 0)
    assert os.read(reader, 36).decode()[20:] not in mine
    os.close(reader)
    os.close(writer)


def test_timestamp_has_milliseconds_and_zone():
    assert timestamp(0.0015) == "1970-01-01T00:00:00.002Z"
    assert timestamp(1795500308.123) == "2026-11-24T06:05:08.123Z"
    assert parse_timestamp("2026-11-24T14:05:08.123+08:00") == pytest.approx(1795500308.123)
    with pytest.raises(ValueError, match="no time zone"):
        parse_timestamp("2026-11-24T14:05:08.123")


@pytest.fixture
def systemd(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.setblocking(False)
        yield receiver, {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "30000"}


def test_systemd_hears_ready_and_stopping(systemd):
    receiver, environment = systemd
    notifier = Notifier(environment)
    notifier.ready("3 endpoints")
    notifier.stopping()
    assert receiver.recv(200) == b"READY=1\nSTATUS=3 endpoints"
    assert receiver.recv(200) == b"STOPPING=1"


def test_without_systemd_nothing_is_sent():
    Notifier({}).ready("x")
    assert Notifier({}).watchdog is None


def test_a_watchdog_for_another_process_is_not_ours(systemd):
    _, environment = systemd
    assert Notifier(environment | {"WATCHDOG_PID": "1"}).watchdog is None


def beats(receiver):
    heard = []
    while True:
        try:
            heard.append(receiver.recv(200))
        except BlockingIOError:
            return heard


async def test_the_watchdog_is_fed_only_while_every_task_turns(systemd):
    receiver, environment = systemd
    liveness = Liveness(Notifier(environment))
    pulse = liveness.pulse("capture", longest=0.05)
    task = asyncio.create_task(liveness.run())
    for _ in range(5):
        pulse.beat()
        await asyncio.sleep(0.02)
    assert b"WATCHDOG=1" in beats(receiver)
    await asyncio.sleep(0.1)  # the task no longer turns
    beats(receiver)
    await asyncio.sleep(0.1)
    assert liveness.overdue() == ["capture"]
    assert beats(receiver) == []
    pulse.beat()
    await asyncio.sleep(0.03)
    assert b"WATCHDOG=1" in beats(receiver)
    task.cancel()


class HandClock:
    def __init__(self):
        self.elapsed = 100.0

    def now(self):
        return Moment(self.elapsed, 0.0)


async def test_a_deadline_fires_once_and_never_early():
    clock = HandClock()
    fired = []
    timer = DeadlineTimer(clock, fired.append)
    timer.arm(100.01)
    await asyncio.sleep(0.03)  # the loop's timer has run, but this clock says it is too early
    assert fired == []
    clock.elapsed = 100.02
    await asyncio.sleep(0.03)
    assert [moment.elapsed for moment in fired] == [100.02]
    await asyncio.sleep(0.03)
    assert len(fired) == 1


async def test_a_deadline_taken_back_does_not_fire():
    fired = []
    timer = DeadlineTimer(HandClock(), fired.append)
    timer.arm(99.0)
    timer.arm(None)
    await asyncio.sleep(0.01)
    assert fired == []
