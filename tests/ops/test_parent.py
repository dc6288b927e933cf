"""A child ends with its parent, also where that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PARENT = """
import subprocess, sys
from gateway.ops.parent import ends_with_parent
asked = {"preexec_fn": ends_with_parent()} if sys.argv[1] == "asked" else {}
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"],
                         start_new_session=True, stdout=subprocess.DEVNULL, **asked)
print(child.pid, flush=True)
child.wait()
"""


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("how", ["asked", "not asked"])
def test_child_ends_when_its_parent_is_killed_if_it_asked_to(how: str):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, how], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    try:
        parent.kill()
        parent.wait(5)
        deadline = time.monotonic() + 3
        while how == "asked" and lives(child) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        assert lives(child) == (how == "not asked")
    finally:
        parent.stdout.close()
        if lives(child):
            os.kill(child, signal.SIGKILL)
