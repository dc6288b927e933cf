"""Log lines never hold up the keyer, whatever becomes of where they go."""

import contextlib
import fcntl
import io
import logging
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.keyer.line import Keepalive
from gateway.keyer.log import LINES, Outlet
from gateway.keyer.protocol import Device, Keep, Open, to_bytes
from tests.keyer.radio import PtyRadio

ROOT = Path(__file__).parents[2]


def full_pipe():
    """A pipe into which nothing more goes, and that nobody reads."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, bytes(1024))
    os.set_blocking(writing, True)
    return reading, writing


def record(text):
    return logging.LogRecord("x", logging.INFO, "x.py", 1, text, (), None)


def test_lines_are_written_in_order():
    out = io.StringIO()
    outlet = Outlet(logging.StreamHandler(out))
    for number in range(50):
        outlet.handle(record(f"line {number}"))
    assert outlet.drain(5)
    assert out.getvalue().split("\n")[:-1] == [f"line {number}" for number in range(50)]


def test_a_writer_that_hangs_costs_lines_and_no_time():
    reading, writing = full_pipe()
    stream = os.fdopen(writing, "w", buffering=1)
    outlet = Outlet(logging.StreamHandler(stream))
    began = time.monotonic()
    for number in range(3 * LINES):
        outlet.handle(record(f"line {number}"))
    assert time.monotonic() - began < 0.5
    assert not outlet.drain(0.05)
    said = b""
    while b"were dropped" not in said:  # somebody reads again
        said += os.read(reading, 65536)
    (dropped,) = re.findall(rb"(\d+) log lines were dropped", said)
    assert 2 * LINES - 1 <= int(dropped) <= 2 * LINES
    assert outlet.drain(5)
    stream.close()
    os.close(reading)


@pytest.mark.realtime
@pytest.mark.system
def test_a_keyer_whose_log_hangs_keys_releases_and_ends(tmp_path):
    reading, writing = full_pipe()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    link = tmp_path / "radio"
    command = (sys.executable, "-P", "-m", "gateway.cli.keyer", str(theirs.fileno()))
    keyer = subprocess.Popen(
        [*command, str(tmp_path / "lock"), "DEBUG"],
        pass_fds=(theirs.fileno(),),
        stderr=writing,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    theirs.close()
    try:
        ours.send(to_bytes(Open(1, "radio", Device("pty", {"path": str(link)}), None)))
        until = time.monotonic() + 10
        while not link.is_symlink() and time.monotonic() < until:
            time.sleep(0.01)
        radio = PtyRadio(link)
        ours.send(to_bytes(Keep(1, Keepalive("tg", 1, 1, 30.0, time.monotonic()))))
        radio.wait_for("T")
        died = time.monotonic()
        ours.close()
        assert radio.wait_for("R") - died < 0.1
        assert keyer.wait(10) == 0
        radio.close()
    finally:
        keyer.kill()
        keyer.wait()
        os.close(reading)
        os.close(writing)
