"""A transmitter does not stick, whatever happens to daemon, keyer, broker or audio; short of bench/."""

import random

import pytest

from bench.ptt_faults import strike
from bench.ptt_world import Fault, world

pytestmark = [pytest.mark.system, pytest.mark.realtime]

FAULTS = 20
DEATH, HANG, GONE, SILENCE, WATCHED = 0.05, 0.15, 0.5, 1.0, 2.0
"""Seconds within which a transmitter is released on a machine that does other things besides."""

WITHIN = {
    Fault.DAEMON_KILLED: DEATH,
    Fault.KEYER_KILLED: DEATH,
    Fault.DAEMON_STOPPED: HANG,
    Fault.KEYER_STOPPED: WATCHED,
    Fault.TERMINAL_GONE: GONE,
    Fault.BROKER_KILLED: SILENCE,
    Fault.BROKER_STOPPED: SILENCE,
    Fault.AUDIO_STALLED: SILENCE,
}


def test_twenty_faults_while_keyed_and_none_sticks(tmp_path):
    with world(tmp_path, 2) as here:
        outcomes = list(strike(here, FAULTS, random.Random(1)))
    assert {one.fault for one in outcomes} == set(Fault)
    assert len(outcomes) >= FAULTS - 5
    assert not [one for one in outcomes if one.released is None], "stuck"
    late = [one for one in outcomes if one.released > WITHIN[one.fault]]
    assert len(late) <= len(outcomes) // 5, late  # a busy machine; bench/ has the percentiles


def test_keyer_without_hold_and_without_an_eye_on_its_daemon_would_stick(tmp_path):
    with world(tmp_path, 1, loose=True) as here:
        for fault in (Fault.DAEMON_STOPPED, Fault.DAEMON_KILLED):
            (outcome,) = here.strike(fault, here.watcher.transmitters[0])
            assert outcome.released is None, fault
