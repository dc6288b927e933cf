"""A broker that is killed at any moment, in the middle of a storm, costs no press and no second page."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.system import rig
from tests.system.crash_world import FULL, World

pytestmark = pytest.mark.system

KILLS = 200 if FULL else 6


def test_a_broker_that_is_killed_in_a_storm_costs_nothing(tmp_path: Path):
    chance = random.Random(2026)
    with (
        rig.Mosquitto(tmp_path) as broker,
        rig.Panel() as panel,
        World(tmp_path, broker, panel, KILLS) as world,
    ):
        world.break_loose()
        world.start()
        for number in range(KILLS):
            world.press_until_acknowledged(number)
            time.sleep(chance.uniform(0.0, 1.0))
            broker.kill()
            time.sleep(chance.choice([0.0, 0.0, 0.5]))
            broker.start()
        # A PUBACK is no receipt: an event that the dead broker had taken may be gone with it; the
        # pages are sent until somebody signs for them.
        found = world.check(events=False)
    print(f"killed the broker {KILLS} times: {found}")
