"""Keeps recordings as fast as it can, until it is killed; says how many were finished."""

import sys
from dataclasses import replace
from pathlib import Path

from gateway.voice.recording.shelf import Shelf
from tests.voice.recording.test_shelf import ANY, PAYLOADS, about

one = Shelf(Path(sys.argv[1]), ANY)
one.open()
for number in range(int(sys.argv[2]), 10**6):
    recording = replace(about(number), packets=260)
    one.begin(replace(recording, packets=0, whole=False))
    for _ in range(5):
        one.write(recording.id, PAYLOADS[:50])
    one.finish(recording, PAYLOADS[50:])
    print(number, flush=True)
