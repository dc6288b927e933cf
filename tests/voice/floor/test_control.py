"""Several gateways on one talkgroup, with everything that can happen to a network."""

import importlib.util
import random
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.voice.floor.actions import FloorOptions, Show, State, Stray
from gateway.voice.floor.causes import Deny, Revoke
from gateway.voice.floor.control import Control
from gateway.voice.floor.control_actions import Publish
from gateway.voice.floor.participant import Granted, Refused, Revoked
from gateway.voice.rtp import Token


def load(name):
    """A module beside this one: tests are no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


World = load("floor_world").World


def world(*names, **options):
    """Gateways that have settled."""
    one = World(*names, **options)
    one.run(1.0)
    return one


def what(gateway, kind):
    return [action for _, _, action in gateway.told if isinstance(action, kind)]


def gaps(gateway, talker, since, until):
    """The longest time in which ``gateway`` did not hear ``talker``."""
    times = [
        since,
        *(at for at, who in gateway.heard if who == talker and since < at < until),
        until,
    ]
    return max(after - before for before, after in pairwise(times))


def interleaved(gateway):
    """When two talkers were heard in turns, one, the other, the one, the other, within 0.1 s."""
    heard = gateway.heard
    return [
        at
        for (before, one), (_, two), (_, three), (at, four) in zip(
            heard, heard[1:], heard[2:], heard[3:], strict=False
        )
        if one == three != two == four and at - before < 0.1
    ]


def controllers(one):
    return {gateway.control.controller for gateway in one.gateways.values()}


def test_lowest_name_controls_and_alone_shows_a_floor_state():
    one = world("beta", "alpha", "gamma")
    assert controllers(one) == {"alpha"}
    assert set(one.retained) == {"alpha"}
    assert one.retained["alpha"].token == Token(1, 0)


def test_second_talker_on_another_gateway_is_denied_with_cause_1_within_50_ms():
    one = world("alpha", "beta", "gamma")
    one.gateways["beta"].ask("one")
    one.run(1.0)
    asked = one.now
    one.gateways["gamma"].ask("one")
    one.run(0.05)
    at, _, refused = one.gateways["gamma"].told[0]
    assert refused == Refused(Deny.ANOTHER_HAS_PERMISSION)
    assert at - asked <= 0.05


def test_talker_is_heard_everywhere_from_the_first_packet_on():
    one = world("alpha", "beta", "gamma")
    one.gateways["gamma"].ask("one")
    one.run(3.0)
    sent = [at for at, who in one.gateways["gamma"].heard if who == "gamma"]
    for name in ("alpha", "beta"):
        heard = [at for at, who in one.gateways[name].heard if who == "gamma"]
        assert len(sent) - len(heard) <= 1  # the last is on its way


def test_talkers_gateway_killed_frees_the_floor_within_1_s():
    one = world("alpha", "beta", "gamma")
    one.gateways["gamma"].ask("one")
    one.run(1.0)
    one.kill("gamma")
    one.run(0.1)
    one.gateways["beta"].ask("one")
    one.run(0.1)
    assert what(one.gateways["beta"], Granted)


def test_talker_that_vanishes_without_a_word_frees_the_floor_within_1_s():
    one = world("alpha", "beta", "gamma")
    one.gateways["gamma"].ask("one")
    one.run(1.0)
    one.gateways["gamma"].connected = False  # half-open: no will yet
    one.run(0.9)
    one.gateways["beta"].ask("one")
    one.run(0.1)
    assert what(one.gateways["beta"], Granted)


def test_burst_goes_on_when_the_controller_is_killed():
    one = world("alpha", "beta", "gamma")
    one.gateways["gamma"].ask("one")
    one.run(1.0)
    one.kill("alpha")
    start = one.now
    one.gateways["beta"].ask("one")  # who asks in that moment does not steal the floor
    one.run(2.0)
    assert gaps(one.gateways["beta"], "gamma", start, one.now) < 0.08
    assert what(one.gateways["gamma"], Revoked) == []
    assert one.gateways["gamma"].members["one"].token == Token(2, 1)
    assert what(one.gateways["beta"], Refused) == [Refused(Deny(1))]


def test_burst_goes_on_when_a_gateway_with_a_lower_name_starts():
    one = world("beta", "gamma")
    one.gateways["gamma"].ask("one")
    one.run(1.0)
    start = one.now
    one.start("alpha")
    one.run(3.0)
    assert controllers(one) == {"alpha"}
    assert gaps(one.gateways["beta"], "gamma", start, one.now) < 0.08
    assert what(one.gateways["gamma"], Revoked) == []
    assert set(one.retained) == {"alpha"}
    assert one.retained["alpha"].token.term > 1


def test_gateway_that_controls_no_longer_clears_its_floor_state():
    one = world("beta")
    assert set(one.retained) == {"beta"}
    one.start("alpha")
    one.run(2.5)
    assert set(one.retained) == {"alpha"}


def test_floor_state_is_cleared_even_if_the_new_controller_shows_none():
    one = world("beta")
    one.online.add("alpha")
    one.presence()
    one.run(1.1)
    assert one.retained == {}


def test_cut_off_gateway_switches_its_own_members():
    one = world("alpha", "beta")
    one.cut("beta")
    one.run(1.0)
    beta = one.gateways["beta"]
    beta.ask("one")
    one.run(0.1)
    beta.ask("two")
    one.run(1.0)
    assert what(beta, Granted)
    assert what(beta, Refused) == [Refused(Deny(1))]
    assert len([1 for _, who in beta.heard if who == "beta"]) > 40


def test_talker_whose_gateway_loses_the_broker_goes_on_for_its_own_members():
    one = world("alpha", "beta")
    beta = one.gateways["beta"]
    beta.ask("one")
    one.run(1.0)
    start = one.now
    one.cut("beta")
    one.run(2.0)
    assert gaps(beta, "beta", start, one.now) < 0.08
    assert what(beta, Revoked) == []


def test_after_a_split_the_newer_token_wins_everywhere_and_the_older_talker_is_told():
    one = world("alpha", "beta", "gamma")
    one.gateways["alpha"].ask("one")
    one.run(0.5)
    one.cut("gamma")
    one.run(0.2)
    one.gateways["gamma"].ask("one")
    one.run(1.0)
    one.heal("gamma")
    start = one.now
    one.run(0.1)
    for name in ("alpha", "beta"):
        first = min(at for at, who in one.gateways[name].heard if who == "gamma")
        assert first - start < 0.05
        after = [who for at, who in one.gateways[name].heard if at >= first]
        assert set(after) <= {"gamma"}, name  # within one packet
    one.run(2.0)
    assert what(one.gateways["alpha"], Revoked) == [Revoked(Revoke.ONLY_ONE_CLIENT)]
    assert what(one.gateways["gamma"], Revoked) == []
    assert gaps(one.gateways["beta"], "gamma", start + 0.1, one.now) < 0.08
    assert set(one.retained) == {"alpha"}


def test_after_a_split_a_controller_that_was_cut_off_learns_the_newer_term():
    one = world("alpha", "beta", "gamma")
    one.cut("alpha")
    one.run(0.5)
    one.gateways["alpha"].ask("one")
    one.gateways["beta"].ask("one")
    one.run(1.0)
    one.heal("alpha")
    start = one.now
    one.run(2.0)
    assert what(one.gateways["alpha"], Revoked)
    for name in ("alpha", "gamma"):
        assert gaps(one.gateways[name], "beta", start + 0.1, one.now) < 0.08


def test_gateway_that_was_cut_off_and_granted_hears_the_others_again():
    one = world("alpha", "beta", "gamma")
    one.gateways["alpha"].ask("one")
    one.run(0.5)
    one.cut("gamma")
    one.run(0.1)
    one.gateways["gamma"].ask("one")
    one.run(0.5)
    one.gateways["gamma"].release("one")
    one.run(0.2)
    start = one.now
    one.heal("gamma")
    one.run(3.0)
    assert gaps(one.gateways["gamma"], "alpha", start + 0.8, one.now) < 0.08
    assert gaps(one.gateways["beta"], "alpha", start, one.now) < 0.1
    assert what(one.gateways["alpha"], Revoked) == []
    assert set(one.retained) == {"alpha"}


def test_flapping_gateway_without_talkers_disturbs_nobody():
    one = world("alpha", "beta", "gamma")
    one.gateways["beta"].ask("one")
    one.run(0.5)
    start = one.now
    for _ in range(3):
        one.cut("gamma")
        one.run(0.7)
        one.heal("gamma")
        one.run(1.5)
    assert gaps(one.gateways["alpha"], "beta", start, one.now) < 0.05
    assert one.gateways["beta"].members["one"].token == Token(1, 1)


def test_broker_that_restarts_empty_is_told_everything_again():
    one = world("alpha", "beta", "gamma")
    one.gateways["beta"].ask("one")
    one.run(0.5)
    one.restart_broker()
    one.run(3.0)
    start = one.now
    one.run(1.0)
    assert controllers(one) == {"alpha"}
    assert set(one.retained) == {"alpha"}
    assert gaps(one.gateways["gamma"], "beta", start, one.now) < 0.08


def test_restarted_controller_grants_under_a_newer_term():
    one = world("alpha", "beta")
    one.gateways["alpha"].ask("one")
    one.run(0.5)
    before = one.retained["alpha"].token
    one.kill("alpha")
    one.run(0.01)
    one.start("alpha")
    one.run(2.0)
    one.gateways["alpha"].ask("one")
    one.run(0.5)
    assert one.gateways["alpha"].members["one"].token > before
    assert gaps(one.gateways["beta"], "alpha", one.now - 0.4, one.now) < 0.05


# Hostile and stale words


def settled(me="beta", **options):
    control = Control(me, FloorOptions(**options), ())
    control.connection(True, 0.0)
    online = frozenset(("alpha", "beta"))
    control.presence(online, online, 0.0)
    return control


def show(token, state=State.TAKEN, talker="mallory/x"):
    return Show(state=state, talker=talker, priority=0, emergency=False, token=token, queue=())


def test_floor_state_of_no_controller_moves_nothing():
    control = settled()
    control.shown("alpha", show(Token(5, 1), talker="alpha/x"), 1.0)
    control.shown("mallory", show(Token(9, 1)), 1.0)
    assert control.talker == "alpha/x"
    for at in range(100):
        control.packet("mallory", Token(9, 1), 1.0 + at * 0.02)
    assert control.packet("alpha", Token(5, 1), 3.2)[0].name == "PLAY"


def test_term_beyond_belief_is_refused():
    control = settled()
    assert control.shown("alpha", show(Token(0xFFFFFFFF, 1)), 1.0) == [Stray("term")]


def test_floor_state_of_an_offline_controller_counts_as_idle_but_its_term_is_seen():
    control = Control("beta", FloorOptions(), ())
    control.connection(True, 0.0)
    control.shown("alpha", show(Token(41, 7), talker="alpha/x"), 0.1)
    online = frozenset(("beta",))
    control.presence(online, online, 0.1)
    assert control.state is State.IDLE
    store, *_ = control.tick(0.5)
    assert store.term == 42


def test_own_floor_state_of_an_earlier_life_is_cleared_by_who_does_not_control():
    control = settled()
    assert control.shown("beta", show(Token(4, 1), talker="beta/x"), 1.0) == [Publish(None)]


def test_whoever_knows_a_newer_grant_than_the_controller_shows_tells_it_for_1_s():
    control = Control("gamma", FloorOptions(), ())
    control.connection(True, 0.0)
    both = frozenset(("beta", "gamma"))
    control.presence(both, both, 0.0)
    control.shown("beta", show(Token(6, 1), talker="beta/x"), 1.0)
    three = frozenset(("alpha", "gamma"))
    control.presence(three, three, 2.0)  # beta has gone, and nobody else knows its term
    published, *_ = control.shown("alpha", show(Token(5, 3), talker="alpha/x"), 3.0)
    assert published == Publish(show(Token(6, 1), state=State.IDLE, talker=None))
    assert control.deadline(3.0) == 4.0
    assert control.tick(3.999) == []
    assert control.tick(4.0) == [Publish(None)]


def test_newer_grant_is_told_no_longer_once_the_controller_shows_a_newer_one():
    control = Control("gamma", FloorOptions(), ())
    control.connection(True, 0.0)
    both = frozenset(("beta", "gamma"))
    control.presence(both, both, 0.0)
    control.shown("beta", show(Token(6, 1), talker="beta/x"), 1.0)
    control.presence(frozenset(("alpha", "gamma")), frozenset(("alpha", "gamma")), 2.0)
    control.shown("alpha", show(Token(5, 3), talker="alpha/x"), 3.0)
    published, *_ = control.shown("alpha", show(Token(7, 1), talker="alpha/x"), 3.1)
    assert published == Publish(None)


def test_replayed_older_state_of_the_same_controller_is_not_answered():
    control = settled()
    control.shown("alpha", show(Token(5, 2), talker="alpha/x"), 1.0)
    assert control.shown("alpha", show(Token(5, 1), talker="alpha/y"), 2.0) == []
    assert control.packet("alpha", Token(5, 1), 2.0)[0].name == "OLD"


# Anything in any order


@pytest.mark.parametrize("block", range(4))
def test_after_any_faults_everybody_can_talk_and_is_heard_by_all(block):
    for run in range(10):
        rng = random.Random(block * 100 + run)
        names = ["alpha", "beta", "gamma"]
        one = World(*names, tot=5.0, hang_time=0.5)
        one.run(1.0)
        for _ in range(12):
            name = rng.choice(names)
            gateway = one.gateways.get(name)
            match rng.choice(["ask", "ask", "ask", "release", "cut", "heal", "kill", "broker"]):
                case "ask" if gateway:
                    gateway.ask(rng.choice(["one", "two"]), rng.choice([100, 100, 200]))
                case "release" if gateway:
                    gateway.release(rng.choice(["one", "two"]))
                case "cut" if gateway:
                    one.cut(name)
                case "kill" if gateway:
                    one.kill(name)
                case "broker":
                    one.restart_broker()
                case _ if gateway:
                    one.heal(name)
                case _:
                    one.start(name)
            one.run(rng.choice([0.003, 0.05, 0.3, 1.2]))
            for gateway in one.gateways.values():
                assert not interleaved(gateway), (run, gateway.name)
        for name in names:
            if name not in one.gateways:
                one.start(name)
            one.heal(name)
        one.run(0.4)
        for gateway in one.gateways.values():
            gateway.release("one")
            gateway.release("two")
        one.run(8.0)
        assert controllers(one) == {"alpha"}, run
        assert set(one.retained) == {"alpha"}, run
        for name in names:
            talker = one.gateways[name]
            talker.ask("one")
            start = one.now
            one.run(1.0)
            assert talker.members["one"].token is not None, (run, name)
            for other in names:
                assert gaps(one.gateways[other], name, start + 0.1, one.now) < 0.05, (
                    run,
                    name,
                    other,
                )
            talker.release("one")
            one.run(0.1)
