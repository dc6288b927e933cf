"""A gateway that is killed at any moment, in the middle of a storm, loses no press it has acknowledged."""

from __future__ import annotations

import random
import select
import time
from pathlib import Path

import pytest

from tests.system import rig
from tests.system.crash_world import FULL, SYNC_MS, World

pytestmark = pytest.mark.system

SHARDS = 4 if FULL else 1
KILLS = 250 if FULL else 25
"""Of each shard: 1,000 in all."""

ACCEPTED_KILLS = 100 if FULL else 15
"""Between an acknowledgement and the decision."""

CONTROL_KILLS = 12


def moment_of_death(world: World, chance: random.Random) -> str:
    """Wait for one of the moments around the ACK of a press that was just sent."""
    moment = chance.choice(["before", "at", "at", "after"])
    if moment == "before":
        time.sleep(chance.uniform(0.0, 8 * SYNC_MS / 1000))
    else:
        assert select.select([world.panel._master], [], [], 4)[0], "no ACK"
        if moment == "after":
            time.sleep(chance.uniform(0.0, 4 * SYNC_MS / 1000))
    return moment


@pytest.mark.parametrize("shard", range(SHARDS))
def test_no_acknowledged_press_is_lost_by_kill_9_in_a_storm(tmp_path: Path, shard: int):
    chance = random.Random(2026 + shard)
    moments = {"before": 0, "at": 0, "after": 0}
    pending: int | None = None
    unacknowledged = 0
    with (
        rig.Mosquitto(tmp_path) as broker,
        rig.Panel() as panel,
        World(tmp_path, broker, panel, KILLS) as world,
    ):
        world.break_loose()
        for number in range(KILLS):
            world.start()
            if pending is not None:
                world.press_until_acknowledged(pending)
            world.press(number)
            moments[moment_of_death(world, chance)] += 1
            acknowledged = world.kill(number)
            pending = None if acknowledged else number
            unacknowledged += not acknowledged
        # The last start is a process of its own, as a service manager would make it.
        with rig.Gateway(world.config):
            world.started()
            if pending is not None:
                world.press_until_acknowledged(pending)
            assert len(world.acknowledged) == KILLS
            found = world.check()
    print(f"killed {moments} the ACK, {unacknowledged} times without one: {found}")


def test_what_was_acknowledged_before_its_decision_is_decided_by_the_next_start(tmp_path: Path):
    chance = random.Random(2026)
    pending: int | None = None
    with (
        rig.Mosquitto(tmp_path) as broker,
        rig.Panel() as panel,
        World(tmp_path, broker, panel, ACCEPTED_KILLS, "accepting") as world,
    ):
        world.break_loose()
        for number in range(ACCEPTED_KILLS):
            world.start()
            if pending is not None:
                world.press_until_acknowledged(pending)
            world.press(number)
            moment_of_death(world, chance)
            pending = None if world.kill(number) else number
        with rig.Gateway(world.config):
            world.started()
            if pending is not None:
                world.press_until_acknowledged(pending)
            assert len(world.acknowledged) == ACCEPTED_KILLS
            found = world.check()
        taken_up = world.taken_up()
    assert taken_up > ACCEPTED_KILLS / 2
    print(f"{taken_up} of {ACCEPTED_KILLS} starts had accepted signals to decide: {found}")


def test_control_a_start_that_does_not_look_for_what_was_accepted_loses_presses(tmp_path: Path):
    with (
        rig.Mosquitto(tmp_path) as broker,
        rig.Panel() as panel,
        World(tmp_path, broker, panel, CONTROL_KILLS, "forgetful") as world,
    ):
        for number in range(CONTROL_KILLS):
            world.start()
            world.press(number)
            assert select.select([world.panel._master], [], [], 4)[0], "no ACK"
            world.kill(number)
        world.start()
        assert len(world.acknowledged) == CONTROL_KILLS
        time.sleep(0.5)
        lost = world.acknowledged - {row["endpoint"] for row in rig.signals(tmp_path / "data")}
    assert lost != set()
    print(f"lost {len(lost)} of {CONTROL_KILLS}")


def test_control_with_the_ack_before_the_commit_presses_are_lost(tmp_path: Path):
    with (
        rig.Mosquitto(tmp_path) as broker,
        rig.Panel() as panel,
        World(tmp_path, broker, panel, CONTROL_KILLS, "early") as world,
    ):
        for number in range(CONTROL_KILLS):
            world.start()
            world.press(number)
            assert select.select([world.panel._master], [], [], 4)[0], "no ACK"
            world.kill(number)
        assert len(world.acknowledged) == CONTROL_KILLS
        stored = {row["endpoint"] for row in rig.signals(tmp_path / "data")}
        lost = world.acknowledged - stored
    assert lost != set()
    print(f"lost {len(lost)} of {CONTROL_KILLS}")
