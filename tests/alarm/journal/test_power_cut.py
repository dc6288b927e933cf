"""Power cuts in the middle of a storm: what was said to be stored is there, and the chain is whole.

The disk forgets what was not synced, and may have written any part of it (`tests.disk`).
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gateway.alarm.journal import schema
from gateway.alarm.journal.reading import scan, signals_among, source, standing
from gateway.alarm.journal.rows import Kind
from gateway.alarm.journal.verify import verify
from gateway.alarm.signals import accepted
from tests.disk import FaultyDisk

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[3]
CHILD = Path(__file__).with_name("journal_child.py")
FULL = os.environ.get("CRASH") == "full"
CUTS = 200 if FULL else 6
CONTROL_CUTS = 20 if FULL else 5
STALLED = "journal"
"""The key of the row that says how long a disk did not answer."""


class Cutter:
    """One journal after the other, each in a storm until the power goes."""

    def __init__(self, folder: Path, synchronous: str) -> None:
        self._folder = folder
        self._root = folder / "disk"
        self._root.mkdir()
        self._disk = FaultyDisk(folder, self._root)
        self._synchronous = synchronous
        self._cuts = 0

    def cut(
        self, chance: random.Random, *, torn: bool, load: str = "storm"
    ) -> tuple[Path, set[str]]:
        """What the disk then holds, and the keys that were said to be stored."""
        self._cuts += 1
        path = self._root / "journal.db"
        process = subprocess.Popen(
            [sys.executable, CHILD, path, self._synchronous],
            cwd=ROOT,
            env={**self._disk.environment, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        self._disk.keep_synced_copies()
        process.stdin.write(f"{load}\n")
        said = [process.stdout.readline() for _ in range(chance.randrange(1, 800))]
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        lines = [*said, *rest.splitlines(keepends=True)]
        keys = {line.split()[1] for line in lines if line.startswith("stored") and line[-1] == "\n"}
        after = self._folder / f"after-{self._cuts}"
        self._disk.power_cut(after, chance if torn else None)
        return after / path.name, keys

    def clear(self, after: Path) -> None:
        self._disk.forget_copies()
        for folder in (self._root, after.parent):
            for file in folder.iterdir():
                file.unlink()


def lost(path: Path, keys: set[str]) -> set[str]:
    """Keys that are not in the journal as a start finds it; its chain must be whole."""
    with closing(schema.open_writer(path, "FULL")) as connection:
        verdict = verify([source(connection, path.name)])
    assert verdict.problem is None
    # A disk that a busy machine made slow leaves a row of its own.
    found = [row.key for row in scan(path, 0, float("inf")) if row.key != STALLED]
    assert len(found) == 2 * len(set(found)), "half of a unit"
    return keys - set(found)


def test_a_power_cut_in_a_storm_takes_nothing_that_was_stored(tmp_path: Path):
    chance = random.Random(2026)
    cutter = Cutter(tmp_path, "FULL")
    stored = 0
    for number in range(CUTS):
        path, keys = cutter.cut(chance, torn=number % 2 == 1)
        assert lost(path, keys) == set()
        stored += len(keys)
        cutter.clear(path)
    print(f"{CUTS} power cuts: {stored} units stored, none lost")


def found_at_a_start(path: Path) -> tuple[set[str], list[str]]:
    """The accepted signals that are decided, and those that a start would decide."""
    with closing(schema.open_writer(path, "FULL")) as connection:
        assert verify([source(connection, path.name)]).problem is None
        batches = [accepted.from_row(row) for row in standing(connection, Kind.ACCEPTED)]
        ids = [entry.id for batch in batches for entry in batch.entries]
        known = signals_among(connection, ids)
        left = [entry.id for batch in accepted.undecided(batches, known) for entry in batch.entries]
    return {row.key for row in scan(path, 0, float("inf")) if row.kind == Kind.SIGNAL}, left


def test_after_a_power_cut_each_acknowledged_signal_is_decided_or_will_be_and_not_both(
    tmp_path: Path,
):
    chance = random.Random(2027)
    cutter = Cutter(tmp_path, "FULL")
    said, to_decide = 0, 0
    for number in range(CUTS // 2):
        path, ids = cutter.cut(chance, torn=number % 2 == 1, load="accept")
        decided, left = found_at_a_start(path)
        assert ids <= decided | set(left)
        assert len(left) == len(set(left))
        assert decided.isdisjoint(left)
        said, to_decide = said + len(ids), to_decide + len(left)
        cutter.clear(path)
    assert to_decide > 0
    print(f"{CUTS // 2} power cuts: {said} signals acknowledged, {to_decide} left to decide")


def test_control_a_power_cut_takes_some_where_commits_do_not_wait_for_the_disk(tmp_path: Path):
    chance = random.Random(2026)
    cutter = Cutter(tmp_path, "NORMAL")
    gone = 0
    for _ in range(CONTROL_CUTS):
        path, keys = cutter.cut(chance, torn=False)
        gone += len(lost(path, keys))
        cutter.clear(path)
    assert gone > 0
    print(f"{CONTROL_CUTS} power cuts with synchronous NORMAL: {gone} units lost")
