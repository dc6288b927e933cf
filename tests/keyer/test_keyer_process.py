"""The real keyer process on real pseudo-terminals, and what becomes of it when things die."""

import asyncio
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from drivers.ptt.options import PtyPttOptions
from drivers.squelch.options import PtySquelchOptions
from gateway.ops.counters import Counters
from gateway.voice.keying.keyer_client import KeyedEndpoint, Keyer, LineChoice
from gateway.voice.rtp import Token
from tests.keyer.radio import PtyRadio

pytestmark = [pytest.mark.system, pytest.mark.realtime]

RUNS = 100
ROOT = Path(__file__).parents[2]
TOKEN = Token(1, 1)


def radio_at(link, *, squelch=True):
    return KeyedEndpoint(
        link.name,
        LineChoice("pty", PtyPttOptions(path=link)),
        LineChoice("pty", PtySquelchOptions(path=link)) if squelch else None,
    )


class Bench:
    """A keyer client, running."""

    def __init__(self, folder):
        self.counters = Counters()
        self.lock = folder / "keyer.lock"
        self.keyer = Keyer(self.lock, self.counters, log_level="WARNING")
        self.task = None

    async def start(self, *endpoints):
        self.keyer.configure(endpoints)
        self.task = asyncio.create_task(self.keyer.run())
        async with asyncio.timeout(10):
            await self.keyer.ready()

    @property
    def process(self):
        """Number of the keyer process: it writes it into its lock."""
        return int(self.lock.read_text().split()[0])

    async def stop(self):
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
            self.task = None


@pytest.fixture
async def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    await bench.stop()


async def keep(line, seconds, *, token=TOKEN, tot=30.0):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        line.keepalive(token, tot, "tg")
        await asyncio.sleep(0.02)


async def hears(radio, word, within=3.0):
    return await asyncio.to_thread(radio.wait_for, word, within)


async def until(condition, within=3.0):
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_radio_is_keyed_by_keepalives_and_released_100_ms_after_the_last(bench, tmp_path):
    await bench.start(radio_at(tmp_path / "radio"))
    line, radio = bench.keyer.line("radio"), PtyRadio(tmp_path / "radio")
    told = []
    line.on_ptt(told.append)
    async with asyncio.TaskGroup() as group:
        group.create_task(keep(line, 0.3))
        await hears(radio, "T")
    last = time.monotonic()
    released = await hears(radio, "R")
    assert 0.05 < released - last < 0.15
    await until(lambda: told == [True, False])
    assert bench.counters["keyer.released.silent"] == 1


async def test_unkey_releases_at_once(bench, tmp_path):
    await bench.start(radio_at(tmp_path / "radio"))
    line, radio = bench.keyer.line("radio"), PtyRadio(tmp_path / "radio")
    line.keepalive(TOKEN, 30.0, "tg")
    await hears(radio, "T")
    at = time.monotonic()
    line.unkey()
    assert await hears(radio, "R") - at < 0.05


async def test_a_radio_that_goes_on_transmitting_is_a_fault_and_counted(bench, tmp_path):
    link = tmp_path / "radio"
    ptt = LineChoice("pty", PtyPttOptions(path=link, readback=True))
    await bench.start(KeyedEndpoint("radio", ptt, None))
    line, radio = bench.keyer.line("radio"), PtyRadio(link)
    radio.say_back(transmits=True)
    await until(lambda: line.fault is not None)
    assert line.fault == "the transmitter stays keyed though it is released"
    assert bench.counters["keyer.readback.stuck"] == 1
    radio.say_back(transmits=False)
    await until(lambda: line.fault is None)


ONE_THREAD_ENDS = """
import asyncio, ctypes, os, subprocess, sys, threading, time
from pathlib import Path
from drivers.ptt.options import PtyPttOptions
from gateway.ops.counters import Counters
from gateway.voice.keying.keyer_client import KeyedEndpoint, Keyer, LineChoice
from gateway.voice.rtp import Token

async def main(folder):
    keyer = Keyer(folder / "keyer.lock", Counters(), log_level="WARNING")
    keyer.configure([KeyedEndpoint("radio", LineChoice("pty", PtyPttOptions(path=folder / "radio")), None)])
    task = asyncio.create_task(keyer.run())
    await keyer.ready()
    print("ready", flush=True)
    for _ in range(25):
        keyer.line("radio").keepalive(Token(1, 1), 30.0, "tg")
        await asyncio.sleep(0.02)
    keyer.line("radio").keepalive(Token(1, 1), 30.0, "tg")
    last.set()
    time.sleep(5)  # as one that waits for a disk

last = threading.Event()
def end(_process):
    last.wait()
    print(time.monotonic(), flush=True)
    ctypes.CDLL(None).syscall({'x86_64': 60}.get(os.uname().machine, 93), 0)  # this thread alone

subprocess.Popen.wait = end  # in the thread that started the keyer
asyncio.run(main(Path(sys.argv[1])))
"""


def daemon_that_half_dies(folder):
    command = (sys.executable, "-c", ONE_THREAD_ENDS, folder)
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)


async def test_a_daemon_that_dies_with_a_thread_in_the_disk_is_seen_dead_before_its_socket(
    tmp_path,
):
    daemon = daemon_that_half_dies(tmp_path)
    try:
        assert daemon.stdout.readline() == b"ready\n"
        radio = PtyRadio(tmp_path / "radio")
        await hears(radio, "T")
        died = float(daemon.stdout.readline())
        assert await hears(radio, "R") - died < 0.05
        assert daemon.poll() is None, "its other thread lives, and so does its socket"
        radio.close()
    finally:
        daemon.kill()
        daemon.wait()
        daemon.stdout.close()


async def test_squelch_is_told_with_its_time(bench, tmp_path):
    await bench.start(radio_at(tmp_path / "radio"))
    line, radio = bench.keyer.line("radio"), PtyRadio(tmp_path / "radio")
    told = []
    line.on_squelch(lambda is_open, at: told.append((is_open, at)))
    opened = time.monotonic()
    radio.open_squelch()
    await until(lambda: line.squelch_open)
    radio.close_squelch()
    await until(lambda: not line.squelch_open)
    (first, at), (second, _) = told
    assert first
    assert not second
    assert opened <= at < opened + 0.05


async def test_time_out_releases_though_keepalives_go_on(bench, tmp_path):
    await bench.start(radio_at(tmp_path / "radio"))
    line, radio = bench.keyer.line("radio"), PtyRadio(tmp_path / "radio")
    async with asyncio.TaskGroup() as group:
        group.create_task(keep(line, 0.8, tot=0.4))
        keyed = await hears(radio, "T")
        released = await hears(radio, "R")
    assert 0.38 < released - keyed < 0.45
    assert radio.heard_nothing_for(0.1)
    assert bench.counters["keyer.refused.time-out"] > 0


async def test_stale_token_does_not_key(bench, tmp_path):
    await bench.start(radio_at(tmp_path / "radio"))
    line, radio = bench.keyer.line("radio"), PtyRadio(tmp_path / "radio")
    line.keepalive(Token(2, 1), 30.0, "tg")
    await hears(radio, "T")
    await hears(radio, "R")
    await keep(line, 0.1, token=Token(1, 9))
    assert radio.heard_nothing_for(0.1)
    assert bench.counters["keyer.refused.stale-token"] > 0


async def test_reload_touches_only_the_line_that_changed(bench, tmp_path):
    kept, changed = radio_at(tmp_path / "kept"), radio_at(tmp_path / "changed")
    await bench.start(kept, changed)
    line, radio = bench.keyer.line("kept"), PtyRadio(tmp_path / "kept")
    async with asyncio.TaskGroup() as group:
        group.create_task(keep(line, 0.5))
        await hears(radio, "T")
        moved = radio_at(tmp_path / "elsewhere")
        bench.keyer.configure([kept, KeyedEndpoint("changed", moved.ptt, moved.squelch)])
        await bench.keyer.ready()
        assert bench.keyer.line("kept") is line
        assert (tmp_path / "elsewhere").is_symlink()
        assert not (tmp_path / "changed").is_symlink()
        assert await asyncio.to_thread(radio.heard_nothing_for, 0.2)
    await hears(radio, "R")


async def test_line_whose_device_changes_is_released_and_goes_on_with_the_new_one(bench, tmp_path):
    await bench.start(radio_at(tmp_path / "radio"))
    line, radio = bench.keyer.line("radio"), PtyRadio(tmp_path / "radio")
    told = []
    line.on_ptt(told.append)
    line.keepalive(TOKEN, 30.0, "tg")
    await hears(radio, "T")
    await until(lambda: line.keyed)
    moved = radio_at(tmp_path / "elsewhere")
    bench.keyer.configure([KeyedEndpoint("radio", moved.ptt, moved.squelch)])
    assert not line.keyed
    await hears(radio, "R")
    await bench.keyer.ready()
    assert bench.keyer.line("radio") is line
    again = PtyRadio(tmp_path / "elsewhere")
    line.keepalive(TOKEN, 30.0, "tg")
    await hears(again, "T")
    await until(lambda: told == [True, False, True])


async def test_removed_line_is_released_and_its_link_goes(bench, tmp_path):
    await bench.start(radio_at(tmp_path / "radio"), radio_at(tmp_path / "other"))
    line, radio = bench.keyer.line("radio"), PtyRadio(tmp_path / "radio")
    line.keepalive(TOKEN, 30.0, "tg")
    await hears(radio, "T")
    bench.keyer.configure([radio_at(tmp_path / "other")])
    await hears(radio, "R")
    assert line.fault == "not configured"
    await until(lambda: not (tmp_path / "radio").is_symlink())


async def test_a_device_that_cannot_be_opened_is_a_fault_and_the_rest_works(bench, tmp_path):
    (tmp_path / "taken").write_text("a file of somebody else's")
    await bench.start(radio_at(tmp_path / "taken"), radio_at(tmp_path / "radio"))
    assert "no link" in bench.keyer.line("taken").fault
    assert bench.keyer.line("radio").fault is None
    faults = []
    bench.keyer.line("taken").on_fault(faults.append)
    (tmp_path / "taken").unlink()
    await until(lambda: faults == [None])
    assert (tmp_path / "taken").is_symlink()


async def test_killed_keyer_releases_and_a_new_one_takes_over_with_a_new_terminal(bench, tmp_path):
    await bench.start(radio_at(tmp_path / "radio"))
    line, radio = bench.keyer.line("radio"), PtyRadio(tmp_path / "radio")
    line.keepalive(TOKEN, 30.0, "tg")
    await hears(radio, "T")
    faults = []
    line.on_fault(faults.append)
    os.kill(bench.process, signal.SIGKILL)
    await until(lambda: not line.keyed and line.fault)
    await until(lambda: line.fault is None)
    assert faults[0].startswith("the keyer has ended")
    again = PtyRadio(tmp_path / "radio")
    line.keepalive(TOKEN, 30.0, "tg")
    await hears(again, "T")


async def test_hung_keyer_is_killed_and_replaced(bench, tmp_path):
    await bench.start(radio_at(tmp_path / "radio"))
    line, radio = bench.keyer.line("radio"), PtyRadio(tmp_path / "radio")
    first = bench.process
    line.keepalive(TOKEN, 30.0, "tg")
    await hears(radio, "T")
    await until(lambda: line.keyed)
    at = time.monotonic()
    os.kill(first, signal.SIGSTOP)
    await until(lambda: not line.keyed)
    assert time.monotonic() - at < 1.6
    await until(lambda: line.fault is None and not alive(first))


async def test_the_keyer_and_the_thread_it_outlives_go_before_ordinary_work(bench, tmp_path):
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        pytest.skip("this user may run nothing at real-time priority")
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    await bench.start(radio_at(tmp_path / "radio"))
    urgent = os.SCHED_RR | os.SCHED_RESET_ON_FORK
    assert os.sched_getscheduler(bench.process) == urgent
    parents = [one for one in threading.enumerate() if one.name == "keyer.parent"]
    assert parents
    assert {os.sched_getscheduler(one.native_id) for one in parents} == {urgent}
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


async def test_signals_that_stop_a_service_do_not_stop_the_keyer_before_its_daemon(bench, tmp_path):
    await bench.start(radio_at(tmp_path / "radio"))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        os.kill(bench.process, number)
    line, radio = bench.keyer.line("radio"), PtyRadio(tmp_path / "radio")
    line.keepalive(TOKEN, 30.0, "tg")
    await hears(radio, "T")
    assert bench.counters["keyer.restarts"] == 0


async def test_new_keyer_waits_for_the_old_one_and_the_old_one_leaves_its_link(bench, tmp_path):
    await bench.start(radio_at(tmp_path / "radio"))
    old = bench.process
    radio = PtyRadio(tmp_path / "radio")
    bench.keyer.line("radio").keepalive(TOKEN, 30.0, "tg")
    await hears(radio, "T")
    await bench.stop()
    stopped = time.monotonic()
    assert await hears(radio, "R") - stopped < 0.05
    other = Bench(tmp_path)
    try:
        await other.start(radio_at(tmp_path / "radio"))
        assert time.monotonic() - stopped > 1.0
        assert not alive(old)
        assert PtyRadio(tmp_path / "radio").terminal == str((tmp_path / "radio").readlink())
    finally:
        await other.stop()


async def test_a_leaving_keyer_does_not_remove_a_link_that_is_no_longer_its_own(bench, tmp_path):
    await bench.start(radio_at(tmp_path / "radio"))
    old = bench.process
    (tmp_path / "radio").unlink()
    (tmp_path / "radio").symlink_to("/dev/null")
    await bench.stop()
    await until(lambda: not alive(old))
    assert str((tmp_path / "radio").readlink()) == "/dev/null"


async def test_a_second_gateway_on_the_same_folder_is_told_why_its_lines_do_not_come(
    bench, tmp_path, monkeypatch
):
    monkeypatch.setattr("gateway.voice.keying.keyer_client.UP_WITHIN", 0.5)
    await bench.start(radio_at(tmp_path / "radio"))
    other = Bench(tmp_path)
    try:
        await other.start(radio_at(tmp_path / "other"))
        assert "another keyer holds" in other.keyer.line("other").fault
    finally:
        await other.stop()


async def test_a_gateway_without_lines_is_ready_whenever_it_is_asked(bench):
    await bench.start()
    await asyncio.sleep(0.05)
    async with asyncio.timeout(1):
        await bench.keyer.ready()


async def test_lines_may_come_with_a_reload(bench, tmp_path):
    bench.keyer.configure([])
    bench.task = asyncio.create_task(bench.keyer.run())
    await bench.keyer.ready()
    bench.keyer.configure([radio_at(tmp_path / "radio")])
    await bench.keyer.ready()
    assert (tmp_path / "radio").is_symlink()


class Gateways:
    """Gateways to kill, each in a folder of its own; the next one starts while one is looked at."""

    def __init__(self, folder):
        self._folder = folder
        self._count = 0
        self._mother = subprocess.Popen(
            [sys.executable, "-m", "tests.keyer.gateways"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self):
        self._count += 1
        folder = self._folder / f"gateway-{self._count}"
        folder.mkdir()
        (folder / "audio").touch()
        print(folder, file=self._mother.stdin, flush=True)
        return folder, int(self._mother.stdout.readline())

    @staticmethod
    def keyed_radio(folder):
        """The radio of a started gateway, once it is keyed."""
        until = time.monotonic() + 10
        while not (folder / "ready").exists():
            assert time.monotonic() < until
            time.sleep(0.005)
        radio = PtyRadio(folder / "radio")
        radio.wait_for("T")
        return radio

    def end(self):
        self._mother.stdin.close()
        self._mother.wait(timeout=5)
        self._mother.stdout.close()


@pytest.fixture
def gateways(tmp_path):
    gateways = Gateways(tmp_path)
    yield gateways
    gateways.end()


def report(what, times):
    ms = sorted(time * 1000 for time in times)
    print(f"{what}: median {statistics.median(ms):.1f} ms, worst {ms[-1]:.1f} ms of {len(ms)}")


def test_kill_9_of_a_keyed_gateway_releases_within_50_ms_and_its_keyer_stays_a_second(gateways):
    times, ends = [], []
    following = gateways.start()
    for _ in range(RUNS):
        (folder, pid), following = following, gateways.start()
        radio = gateways.keyed_radio(folder)
        keyer = int((folder / "keyer.lock").read_text().split()[0])
        at = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        times.append(radio.wait_for("R") - at)
        ends.append((keyer, at))
        radio.close()
    report("kill -9 to released", times)
    os.kill(following[1], signal.SIGKILL)
    keyer, at = ends[-1]
    time.sleep(max(0.0, at + 1.0 - time.monotonic()))
    assert alive(keyer)
    time.sleep(0.6)
    assert not any(alive(keyer) for keyer, _ in ends)
    assert max(times) < 0.05


def test_hang_of_a_keyed_gateway_releases_within_150_ms(gateways):
    folder, pid = gateways.start()
    radio = gateways.keyed_radio(folder)
    times = []
    try:
        for _ in range(RUNS):
            at = time.monotonic()
            os.kill(pid, signal.SIGSTOP)
            times.append(radio.wait_for("R") - at)
            os.kill(pid, signal.SIGCONT)
            radio.wait_for("T")
    finally:
        os.kill(pid, signal.SIGKILL)
    report("SIGSTOP to released", times)
    assert max(times) < 0.15
