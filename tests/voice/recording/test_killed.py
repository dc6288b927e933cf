"""A process that keeps recordings, killed at any moment: what it finished is there, the rest is whole."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from gateway.voice.recording import reading
from gateway.voice.recording.index import Query
from gateway.voice.recording.opus_file import content_of
from gateway.voice.recording.shelf import Shelf
from tests.voice.recording.test_shelf import ANY, about

KILLS = int(os.environ.get("RECORDING_KILLS", "8"))


def test_kill_9_at_any_moment_costs_nothing_that_was_finished(tmp_path):
    folder = tmp_path / "recordings"
    source = random.Random(1)
    finished = []
    cut = 0
    root = Path(__file__).parents[3]
    for _ in range(KILLS):
        first = len(finished) + 1000 * (1 + len(finished))
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.voice.recording.shelf_child", folder, str(first)],
            cwd=root, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        finished.append(int(child.stdout.readline()))  # it is at work
        time.sleep(source.uniform(0.0, 0.05))
        child.kill()
        finished += map(int, child.stdout.read().split())
        child.wait()
        one = Shelf(folder, ANY)
        one.open()
        one.close()
        assert not list(folder.glob("*/*.part"))
        kept = {found.recording.id: found for found in reading.find(folder, Query())}
        assert {about(number).id for number in finished} <= kept.keys()
        for found in kept.values():
            content = content_of((folder / found.file).read_bytes())
            assert content.ended
            assert content.good_bytes == (folder / found.file).stat().st_size
            assert len(content.payloads) == found.recording.packets
            assert content.granule == found.recording.ticks == 960 * len(content.payloads)
            cut += not found.recording.whole
    assert cut or KILLS < 30, "none was killed in the middle of one"
