"""The queue across gateways that are cut off, killed and healed, on a virtual clock."""

import random

import pytest

from gateway.voice.floor.participant_actions import Stage
from tests.voice.floor.floor_world import World

NAMES = ("alpha", "beta", "gamma")


def ready(**options):
    world = World(*NAMES, **({"tot": 5.0, "hang_time": 0.5, "queue_length": 4} | options))
    world.run(1.0)
    return world


def stage(world, name, member="one"):
    return world.gateways[name].members[member].stage


def talking(world):
    """Who has a grant, as ``<gateway>/<member>``."""
    return [
        f"{gateway.name}/{name}"
        for gateway in world.gateways.values()
        for name, participant in gateway.members.items()
        if participant.token is not None
    ]


def test_turns_come_in_the_order_of_asking_across_gateways():
    world = ready()
    world.gateways["beta"].ask("one")
    world.run(0.1)
    for name, member in (("gamma", "one"), ("alpha", "two"), ("beta", "two")):
        world.gateways[name].ask(member)
        world.run(0.02)
    order = []
    for _ in range(4):
        order += talking(world)
        name, member = order[-1].split("/")
        world.gateways[name].release(member)
        world.run(0.1)
    assert order == ["beta/one", "gamma/one", "alpha/two", "beta/two"]
    assert talking(world) == []


@pytest.mark.parametrize("gone", ["alpha", "beta"])
def test_who_waits_keeps_waiting_when_the_controller_or_the_talkers_gateway_dies(gone):
    world = ready()
    talker = "beta" if gone == "alpha" else gone
    world.gateways[talker].ask("one")
    world.run(0.2)
    world.gateways["gamma"].ask("one")
    world.gateways["gamma"].ask("two")
    world.run(0.2)
    assert stage(world, "gamma") is Stage.QUEUED
    world.kill(gone)
    if gone == "alpha":  # beta controls, and its own burst goes on
        world.run(1.0)
        assert talking(world) == ["beta/one"]
        assert stage(world, "gamma") is Stage.QUEUED
        world.gateways["beta"].release("one")
    world.run(0.1)
    assert talking(world) == ["gamma/one"]
    world.gateways["gamma"].release("one")
    world.run(0.1)
    assert talking(world) == ["gamma/two"]


def test_who_waits_at_the_new_controller_does_not_lose_its_place_to_the_talker_it_waits_for():
    world = ready()
    world.gateways["gamma"].ask("one")
    world.run(0.2)
    world.gateways["beta"].ask("one")
    world.run(0.2)
    world.kill("alpha")  # beta's own member asks beta before gamma's talker can
    world.run(0.5)
    assert talking(world) == ["gamma/one"]
    assert stage(world, "beta") is Stage.QUEUED
    world.gateways["gamma"].release("one")
    world.run(0.1)
    assert talking(world) == ["beta/one"]


def test_who_waits_at_a_gateway_that_dies_keeps_nobody_waiting():
    world = ready()
    world.gateways["alpha"].ask("one")
    world.run(0.1)
    world.gateways["beta"].ask("one")
    world.run(0.1)
    world.gateways["gamma"].ask("one")
    world.run(0.1)
    world.kill("beta")
    world.run(0.1)
    world.gateways["alpha"].release("one")
    world.run(0.1)
    assert talking(world) == ["gamma/one"]


def test_who_waits_for_a_controller_that_has_forgotten_it_finds_out_within_5_s():
    world = ready()
    world.gateways["gamma"].ask("one")
    world.run(0.1)
    world.gateways["beta"].ask("one")
    world.run(0.1)
    alpha = world.gateways["alpha"]
    alpha.do(alpha.control.gave_back("beta/one", world.now))
    world.run(4.8)
    assert stage(world, "beta") is Stage.QUEUED
    world.run(0.2)
    assert stage(world, "beta") is Stage.SILENT
    assert world.gateways["beta"].outcomes == [("one", "denied")]


def test_who_waits_at_a_gateway_that_is_cut_off_has_the_floor_there_and_one_of_both_afterwards():
    world = ready()
    world.gateways["alpha"].ask("one")
    world.run(0.2)
    world.gateways["gamma"].ask("one")
    world.run(0.2)
    world.cut("gamma")
    world.run(0.3)
    assert stage(world, "gamma") is Stage.TALKING  # its own site hears it
    assert stage(world, "alpha") is Stage.TALKING
    world.heal("gamma")
    world.run(2.0)
    assert len(talking(world)) == 1


def test_pre_emptor_from_elsewhere_goes_before_those_who_wait():
    world = ready()
    world.gateways["alpha"].ask("one")
    world.run(0.1)
    world.gateways["beta"].ask("one")
    world.run(0.1)
    world.gateways["gamma"].ask("one", 200)
    world.run(0.1)
    assert talking(world) == ["gamma/one"]
    world.gateways["gamma"].release("one")
    world.run(0.1)
    assert talking(world) == ["beta/one"]


def shake(world, rng):
    """One random press, release or fault."""
    name = rng.choice(NAMES)
    gateway, member = world.gateways.get(name), rng.choice(["one", "two"])
    match rng.choice(["ask", "ask", "ask", "ask", "release", "cut", "heal", "kill", "broker"]):
        case "ask" if gateway:
            asks = gateway.members[member].stage in (Stage.SILENT, Stage.RELEASING)
            gateway.ask(member, rng.choice([100, 100, 200]))
            return (gateway, member) if asks else None
        case "release" if gateway:
            gateway.release(member)
        case "cut" if gateway:
            world.cut(name)
        case "kill" if gateway:
            world.kill(name)
        case "broker":
            world.restart_broker()
        case _ if gateway:
            world.heal(name)
        case _:
            world.start(name)
    return None


@pytest.mark.parametrize("block", range(4))
def test_whatever_happens_nobody_waits_for_ever_and_every_request_has_one_outcome(block):
    for run in range(10):
        rng = random.Random(block * 100 + run)
        world = ready(tot=2.0, queue_length=rng.choice([1, 4]))
        asked = []
        for _ in range(25):
            asked.append(shake(world, rng))
            world.run(rng.choice([0.003, 0.05, 0.3, 1.2]))
        for name in NAMES:
            if name not in world.gateways:
                world.start(name)
            world.heal(name)
        # Each of six may talk for 2 s, and take 0.5 s to be cut off; a dead end takes 9 s to notice.
        world.run(6 * 2.5 + 9.0 + 2.0)
        for gateway in world.gateways.values():
            for name, participant in gateway.members.items():
                where = (block, run, gateway.name, name)
                assert participant.stage is Stage.SILENT, where
                wanted = asked.count((gateway, name))
                assert len([one for one, _ in gateway.outcomes if one == name]) == wanted, where
        shown = world.retained["alpha"]
        assert (shown.state, shown.queue) == ("idle", ()), (block, run)
