"""Inputs are kept open, whatever their driver does."""

import asyncio
import contextlib

from gateway.alarm.signals import inputs
from gateway.errors import DriverIOError, DriverOpenError
from gateway.ops.counters import Counters
from gateway.ports import AlarmSignal, SignalKind

PRESS = AlarmSignal(signal=SignalKind.ALARM, line="a")


class Flaky:
    """Fails to open, then opens and vanishes after one press, then has a defect, then works."""

    def __init__(self):
        self.runs = 0

    async def run(self, sink):
        self.runs += 1
        if self.runs == 1:
            raise DriverOpenError("flaky", "no such device")
        sink.ready()
        sink.count("noise_bytes", 3)
        assert await sink.accept(PRESS)
        if self.runs == 2:
            raise DriverIOError("flaky", "unplugged")
        if self.runs == 3:
            raise ZeroDivisionError
        await asyncio.Event().wait()


async def test_a_device_that_is_absent_or_vanishes_is_reported_and_opened_again(monkeypatch):
    monkeypatch.setattr(inputs, "FIRST_PAUSE", 0.001)
    signals, faults, counters = [], [], Counters()

    def take(name, signal, told):
        signals.append((name, signal))
        told(True)

    running = inputs.Inputs(take, lambda name, fault: faults.append((name, fault)), counters)
    async with asyncio.TaskGroup() as group:
        running.start(group, "gate", Flaky())
        await running.settled()
        assert faults[0] == ("gate", "no such device")
        while len(signals) < 3:
            await asyncio.sleep(0.001)
        await running.stop("gate")
    assert signals == [("gate", PRESS)] * 3
    assert [fault for _, fault in faults] == [
        "no such device",
        None,
        "unplugged",
        None,
        "ZeroDivisionError()",
        None,
    ]
    assert counters["input.gate.noise_bytes"] == 9


async def test_a_signal_being_stored_while_the_input_is_closed_is_stored():
    storing, stored = asyncio.Event(), []

    def take(name, signal, told):
        def on_disk():
            stored.append(signal)
            told(True)

        storing.set()
        asyncio.get_running_loop().call_later(0.01, on_disk)

    class OnePress:
        async def run(self, sink):
            sink.ready()
            await sink.accept(PRESS)
            await asyncio.Event().wait()

    running = inputs.Inputs(take, lambda *_: None, Counters())
    async with asyncio.TaskGroup() as group:
        running.start(group, "gate", OnePress())
        await storing.wait()
        await running.stop("gate")
    assert stored == [PRESS]
    with contextlib.suppress(KeyError):
        await running.stop("gate")
