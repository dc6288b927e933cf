"""The floor machines against the rules of TS 24.380 (as docs/voice.md lists them).

Every constant is spelled out here and none is imported. Each row of the tables says in which state
what happens, who is told what, and what the floor is then. Then anything in any order.
"""

import random

import pytest

from gateway.voice.floor.actions import Answer, Heir, Op, State, StoreTerm
from gateway.voice.floor.participant import Participant
from gateway.voice.floor.participant_actions import (
    Granted,
    Outcome,
    Queued,
    Refused,
    Revoked,
    Send,
    Stage,
    Warn,
)
from gateway.voice.rtp import Token
from tests.voice.floor.floor_table import (
    A,
    B,
    C,
    Controller,
    D,
    granted,
    hang,
    idle,
    in_docs,
    preempted,
    queue,
    tables,
    taken,
    timed_out,
    turn,
)


def said(answers):
    """Answers as short as they can be written: (who, what, number)."""
    short = []
    for answer in answers:
        match answer.op:
            case Op.GRANTED:
                short.append((answer.talker, "granted", answer.tot))
            case Op.QUEUED:
                short.append((answer.talker, "position", answer.position))
            case Op.DENIED:
                short.append((answer.talker, "deny", int(answer.cause)))
            case _:
                short.append((answer.talker, "revoke", int(answer.cause)))
    return short


def stays(table):
    """The floor as it is, to be expected afterwards."""
    return (str(table.shown.state), table.shown.talker, table.shown.queue)


def penalised(**options):
    """A ran into its talk limit at 31 s, and has released."""
    table = timed_out(**options)
    table.release(A)
    return table


def late(make, seconds, **options):
    """``make``'s state, so much later; talkers talk on meanwhile."""

    def made():
        table = make(**options)
        holder = table.shown.talker
        return_to = table.now + seconds
        if holder is None:
            table.wait(return_to)
        else:
            table.talk(holder, return_to)
        return table

    return made


ROWS = {
    # Idle: whoever asks is granted, with the whole talk limit of 30 s.
    "idle: a request is granted": (idle, lambda t: t.ask(A), [(A, "granted", 30.0)], "taken", A, ()),
    "idle: a request of priority 0 is granted": (
        idle, lambda t: t.ask(A, 0), [(A, "granted", 30.0)], "taken", A, ()),
    "idle: a release is stray": (idle, lambda t: t.release(A), [], "idle", None, ()),
    "idle: media is refused, cause 3": (
        idle, lambda t: t.media(A), [(A, "revoke", 3)], "idle", None, ()),
    "idle: a queue position request of one who does not wait is denied, cause 255": (
        idle, lambda t: t.position(A), [(A, "deny", 255)], "idle", None, ()),
    # Taken: only a strictly higher priority pre-empts.
    "taken: a lower priority is denied, cause 1": (
        taken, lambda t: t.ask(B, 99), [(B, "deny", 1)], "taken", A, ()),
    "taken: an equal priority is denied, cause 1": (
        taken, lambda t: t.ask(B, 100), [(B, "deny", 1)], "taken", A, ()),
    "taken: a higher priority pre-empts, cause 4, and waits in front": (
        taken, lambda t: t.ask(B, 101), [(A, "revoke", 4), (B, "position", 1)], "revoking", A, (B,)),
    "taken: an emergency flag alone does not pre-empt": (
        taken, lambda t: t.ask(B, 100, emergency=True), [(B, "deny", 1)], "taken", A, ()),
    "taken: an emergency of priority 255 pre-empts": (
        taken, lambda t: t.ask(B, 255, emergency=True),
        [(A, "revoke", 4), (B, "position", 1)], "revoking", A, (B,)),
    "taken: the holder asking again is granted with the time that is left": (
        late(taken, 10.0), lambda t: t.ask(A), [(A, "granted", 20.0)], "taken", A, ()),
    "taken: the holder asking again before its first packet has the whole limit": (
        late(granted, 0.0), lambda t: t.ask(A), [(A, "granted", 30.0)], "taken", A, ()),
    "taken: the holder may raise its priority": (
        taken, lambda t: t.ask(A, 200) + t.ask(B, 150),
        [(A, "granted", 30.0), (B, "deny", 1)], "taken", A, ()),
    "taken: the holder cannot lower its priority": (
        taken, lambda t: t.ask(A, 1) + t.ask(B, 50),
        [(A, "granted", 30.0), (B, "deny", 1)], "taken", A, ()),
    "taken: the holder's release frees the floor": (
        taken, lambda t: t.release(A), [], "hang", None, ()),
    "taken: a non-holder's release is stray": (taken, lambda t: t.release(B), [], "taken", A, ()),
    "taken: a non-holder's media is refused, cause 3": (
        taken, lambda t: t.media(B), [(B, "revoke", 3)], "taken", A, ()),
    "taken: the holder's media is taken": (taken, lambda t: t.media(A), [], "taken", A, ()),
    "taken: an ack is stray": (taken, lambda t: t.ack(B), [], "taken", A, ()),
    "taken: a holder that asks where it stands is told that it has the floor": (
        taken, lambda t: t.position(A), [(A, "granted", 30.0)], "taken", A, ()),
    "taken: the holder's client goes offline": (
        taken, lambda t: t.offline(A), [], "hang", None, ()),
    "taken: another client goes offline": (taken, lambda t: t.offline(B), [], "taken", A, ()),
    # The queue: by priority, then by arrival; positions are told at each change.
    "queue: who comes is told its place": (
        lambda: queue(queue_length=3), lambda t: t.ask(D), [(D, "position", 3)], "taken", A, (B, C, D)),
    "queue: a higher priority goes before those of a lower one": (
        lambda: queue(queue_length=3), lambda t: t.ask(A, 150) + t.ask(D, 120),
        [(A, "granted", 30.0), (D, "position", 1), (B, "position", 2), (C, "position", 3)],
        "taken", A, (D, B, C)),
    "queue: full is cause 7": (queue, lambda t: t.ask(D), [(D, "deny", 7)], "taken", A, (B, C)),
    "queue: a higher priority takes the last place of a full one": (
        queue, lambda t: t.ask(A, 150) + t.ask(D, 120),
        [(A, "granted", 30.0), (C, "deny", 7), (D, "position", 1), (B, "position", 2)],
        "taken", A, (D, B)),
    "queue: asking again keeps the place": (
        queue, lambda t: t.ask(B), [(B, "position", 1)], "taken", A, (B, C)),
    "queue: asking again with a lower priority loses it": (
        queue, lambda t: t.ask(B, 50),
        [(C, "position", 1), (B, "position", 2)], "taken", A, (C, B)),
    "queue: a queue position request is answered": (
        queue, lambda t: t.position(C), [(C, "position", 2)], "taken", A, (B, C)),
    "queue: the release of one who waits takes it out": (
        queue, lambda t: t.release(B), [(C, "position", 1)], "taken", A, (C,)),
    "queue: a client that goes offline is taken out": (
        queue, lambda t: t.offline(B), [(C, "position", 1)], "taken", A, (C,)),
    "queue: media of one who waits is refused, cause 3": (
        queue, lambda t: t.media(B), [(B, "revoke", 3)], "taken", A, (B, C)),
    "queue: at the release the first has the floor, with no idle between": (
        queue, lambda t: t.release(A),
        [(B, "granted", 30.0), (C, "position", 1)], "taken", B, (C,)),
    "queue: when the holder's client goes offline the first has the floor": (
        queue, lambda t: t.offline(A),
        [(B, "granted", 30.0), (C, "position", 1)], "taken", B, (C,)),
    "queue: a pre-emptor waits in front of everybody": (
        queue, lambda t: t.ask(D, 101),
        [(A, "revoke", 4), (D, "position", 1), (B, "position", 2), (C, "position", 3)],
        "revoking", A, (D, B, C)),
    "queue: one who waits pre-empts by asking with a higher priority": (
        queue, lambda t: t.ask(C, 101),
        [(A, "revoke", 4), (C, "position", 1), (B, "position", 2)], "revoking", A, (C, B)),
    # The turn: granted out of the queue; told again until media or an ack comes.
    "turn: a release gives the floor to the next": (
        turn, lambda t: t.release(B), [(C, "granted", 30.0)], "taken", C, ()),
    "turn: without an ack the grant is repeated each second, three times": (
        turn, lambda t: t.wait(t.now + 3.999), [(B, "granted", 30.0)] * 3, "taken", B, (C,)),
    "turn: an ack ends the repetition": (
        turn, lambda t: t.ack(B) + t.wait(t.now + 3.999), [], "taken", B, (C,)),
    "turn: media ends the repetition": (
        turn, lambda t: t.media(B) + t.talk(B, t.now + 4.0), [], "taken", B, (C,)),
    "turn: an ack of another does not": (
        turn, lambda t: t.ack(C) + t.wait(t.now + 1.0), [(B, "granted", 30.0)], "taken", B, (C,)),
    "turn: no media for 4 s gives the floor to the next, without a revoke": (
        turn, lambda t: t.ack(B) + t.wait(t.now + 4.0), [(C, "granted", 30.0)], "taken", C, ()),
    "turn: asking again is answered with the grant": (
        turn, lambda t: t.ask(B), [(B, "granted", 30.0)], "taken", B, (C,)),
    # Pre-emption.
    "pre-empted: the holder's release gives the floor to the pre-emptor": (
        preempted, lambda t: t.release(A), [(B, "granted", 30.0)], "taken", B, ()),
    "pre-empted: a lower one is denied, cause 1": (
        preempted, lambda t: t.ask(C, 150), [(C, "deny", 1)], "revoking", A, (B,)),
    "pre-empted: a still higher one takes the pre-emptor's place": (
        preempted, lambda t: t.ask(C, 201),
        [(B, "deny", 1), (C, "position", 1)], "revoking", A, (C,)),
    "pre-empted: the holder is revoked again each second": (
        preempted, lambda t: t.talk(A, t.now + 2.0), [(A, "revoke", 4)] * 2, "revoking", A, (B,)),
    "pre-empted: after 3 s the pre-emptor has the floor": (
        preempted, lambda t: t.talk(A, t.now + 3.0),
        # what the revoked talker sends on is refused
        [(A, "revoke", 4)] * 2 + [(B, "granted", 30.0), (A, "revoke", 3)], "taken", B, ()),
    "pre-empted: a silent holder loses the floor after 0.8 s": (
        preempted, lambda t: t.wait(t.now + 0.8), [(B, "granted", 30.0)], "taken", B, ()),
    "pre-empted: a pre-emptor that goes away leaves nobody": (
        preempted, lambda t: t.release(B) + t.release(A), [], "hang", None, ()),
    "pre-empted: the holder is not penalised": (
        preempted, lambda t: t.release(A) + t.release(B) + t.ask(A),
        [(B, "granted", 30.0), (A, "granted", 30.0)], "taken", A, ()),
    "pre-empted: a holder that asks anew has stopped": (
        preempted, lambda t: t.ask(A), [(B, "granted", 30.0), (A, "deny", 1)], "taken", B, ()),
    # The talk limit and its penalty.
    "taken: at 30 s from the first packet the talker is revoked, cause 2": (
        taken, lambda t: t.talk(A, 31.0), [(A, "revoke", 2)], "revoking", A, ()),
    "timed out: while the talker stops others are denied, cause 1": (
        timed_out, lambda t: t.ask(B), [(B, "deny", 1)], "revoking", A, ()),
    "timed out: or wait, where there is a queue": (
        lambda: timed_out(queue_length=1), lambda t: t.ask(B), [(B, "position", 1)], "revoking", A, (B,)),
    "timed out: asking at once is denied, cause 4": (
        timed_out, lambda t: t.ask(A), [(A, "deny", 4)], "hang", None, ()),
    "penalised: asking within 2 s is denied, cause 4": (
        late(penalised, 1.9), lambda t: t.ask(A), [(A, "deny", 4)], "hang", None, ()),
    "penalised: the penalty is over after 2 s": (
        late(penalised, 2.0), lambda t: t.ask(A), [(A, "granted", 30.0)], "taken", A, ()),
    "penalised: an emergency is exempt": (
        penalised, lambda t: t.ask(A, emergency=True), [(A, "granted", 30.0)], "taken", A, ()),
    "penalised: others are not": (
        penalised, lambda t: t.ask(B), [(B, "granted", 30.0)], "taken", B, ()),
    "penalised: no place in the queue either": (
        lambda: penalised(queue_length=2), lambda t: t.ask(B) + t.ask(A),
        [(B, "granted", 30.0), (A, "deny", 4)], "taken", B, ()),
    # Hang time.
    "hang: any member is granted at once": (
        hang, lambda t: t.ask(B, 1), [(B, "granted", 30.0)], "taken", B, ()),
    "hang: ends after 2 s": (hang, lambda t: t.wait(t.now + 2.0), [], "idle", None, ()),
    # Priorities are capped before they count.
    "cap: a priority above it does not pre-empt": (
        lambda: taken(priority_cap=100), lambda t: t.ask(B, 255), [(B, "deny", 1)], "taken", A, ()),
}  # fmt: skip


@pytest.mark.parametrize("rule", ROWS)
def test_controller_keeps_the_rule(rule):
    make, event, expected, state, talker, waits = ROWS[rule]
    table = make()
    told = said(event(table))
    assert [one[:2] for one in told] == [one[:2] for one in expected]
    assert [one[2] for one in told] == pytest.approx([one[2] for one in expected])
    assert stays(table) == (state, talker, waits)


STRAYS = {
    "release": (idle, lambda t: t.release(A)),
    "ack": (taken, lambda t: t.ack(B)),
    "queue position": (taken, lambda t: t.position(B)),
    "media": (taken, lambda t: t.media(B)),
}


@pytest.mark.parametrize("what", STRAYS)
def test_stray_event_is_counted_and_changes_nothing(what):
    make, event = STRAYS[what]
    table = make()
    before, deadline = stays(table), table.floor.deadline()
    event(table)
    assert table.strays == [what]
    assert (stays(table), table.floor.deadline()) == (before, deadline)


def test_grant_out_of_the_queue_has_a_token_of_its_own_and_no_idle_is_shown_between():
    table = queue()
    shown = []
    for action in table.floor.release(A, table.now):
        shown.append(action)
    states = [one.state for one in shown if hasattr(one, "state")]
    assert states == [State.TAKEN]
    assert table.floor.token == Token(1, 2)


def test_when_the_next_in_the_queue_leaves_while_its_term_is_stored_the_one_after_has_the_floor():
    table = queue()
    table.floor.seen(9)  # another controller's term: the next grant needs a new one of ours
    actions = table.floor.release(A, table.now)
    assert StoreTerm(10) in actions
    table.floor.release(B, table.now)
    assert said(table.do(table.floor.stored(10, table.now))) == [(C, "granted", 30.0)]


def test_grant_that_waited_for_its_term_is_repeated_like_any_out_of_the_queue():
    table = queue()
    table.floor.seen(9)
    table.do(table.floor.release(A, table.now))
    assert said(table.wait(table.now + 1.0)) == [(B, "granted", 30.0)]


def test_retry_after_is_told_with_what_is_left_of_it():
    table = penalised()
    table.wait(table.now + 0.5)
    (denied,) = table.ask(A)
    assert denied.retry_after == pytest.approx(1.5)


def test_revoke_at_the_talk_limit_tells_the_penalty():
    table = taken(retry_after=7.0)
    (revoked,) = table.talk(A, 31.0)
    assert (revoked.cause, revoked.retry_after) == (2, 7.0)


def test_talk_limit_is_each_talkers_own():
    table = queue()
    assert said(table.talk(A, 29.0)) == []
    table.release(A)
    assert said(table.talk(B, 59.0)) == []  # B's first packet was at 29.1
    assert said(table.talk(B, 59.1)) == [(B, "revoke", 2)]


# Each timer just before, at, and just after.

TIMERS = {
    # name: (state, seconds, whether what it does has been done)
    "T1 without media: 4 s from the grant": (granted, 4.0, lambda t: t.shown.state is State.IDLE),
    "T1 after media: 0.8 s": (taken, 0.8, lambda t: t.shown.state is State.HANG),
    "T1 of a turn: 4 s": (turn, 4.0, lambda t: t.shown.talker == C),
    "hang time: 2 s": (hang, 2.0, lambda t: t.shown.state is State.IDLE),
}


@pytest.mark.parametrize(("offset", "done"), [(-0.001, False), (0.0, True), (0.001, True)])
@pytest.mark.parametrize("timer", TIMERS)
def test_silence_ends_what_it_ends_to_the_instant(timer, offset, done):
    make, seconds, happened = TIMERS[timer]
    table = make()
    table.wait(table.now + seconds + offset)
    assert happened(table) is done


def keep_talking(table, until):
    """Packets without a gap until just before, then the clock alone."""
    told = table.talk(table.shown.talker, until - 0.05)
    return told + table.wait(until)


@pytest.mark.parametrize(("offset", "count"), [(-0.001, 0), (0.0, 1), (0.001, 1)])
@pytest.mark.parametrize(
    ("make", "seconds", "what"),
    [
        (taken, 30.0, (A, "revoke", 2)),  # T2, from the first packet
        (preempted, 1.0, (A, "revoke", 4)),  # T8
        (timed_out, 1.0, (A, "revoke", 2)),  # T8
        (preempted, 3.0, (B, "granted", 30.0)),  # T3
        (turn, 1.0, (B, "granted", 30.0)),  # T20
    ],
)
def test_timer_is_told_to_the_instant(make, seconds, what, offset, count):
    table = make()
    until = table.now + seconds + offset
    told = table.wait(until) if make is turn else keep_talking(table, until)
    assert said(told).count(what) == count


@pytest.mark.parametrize(("offset", "cause"), [(-0.001, 4), (0.0, None), (0.001, None)])
def test_penalty_ends_to_the_instant(offset, cause):
    table = timed_out()
    table.release(A)
    table.wait(31.0 + 2.0 + offset)
    (answer,) = table.ask(A)
    assert answer.cause == cause


@pytest.mark.parametrize(("offset", "told"), [(-0.001, 0), (0.0, 1), (0.001, 1)])
def test_client_without_a_grant_is_told_once_a_second(offset, told):
    table = taken()
    assert len(table.media(B)) == 1
    table.now += 1.0 + offset
    assert len(table.media(B)) == told


@pytest.mark.parametrize(("offset", "op"), [(-0.001, Op.DENIED), (0.0, Op.GRANTED)])
def test_former_controllers_talker_is_waited_for_1_s(offset, op):
    table = Controller()
    table.do(table.floor.overtaken(Heir(A, 100), 0.0))
    table.wait(1.0 + offset)
    assert table.ask(B)[0].op is op


def test_who_waits_keeps_its_place_while_a_former_controllers_talker_is_waited_for():
    table = queue()
    table.do(table.floor.overtaken(Heir(D, 100), table.now))
    assert said(table.wait(table.now + 1.0)) == [(B, "granted", 30.0), (C, "position", 1)]


# Anything in any order

TALKERS = (A, B, C, D)


class Log:
    """What everybody was told, and whether that is lawful."""

    def __init__(self, table):
        self.table = table
        self.holder = None
        self.newest = Token(0, 0)
        self.places = {}  # by talker, as it was told
        self.asked = set()  # talkers that may be granted

    def take(self, told, *, asking=None):
        for answer in told:
            talker = answer.talker
            match answer.op:
                case Op.GRANTED:
                    again = (answer.token, talker) == (self.newest, self.holder)
                    renewed = talker == self.holder and answer.token > self.newest
                    assert again or renewed or talker in self.asked, "a grant without a reason"
                    assert again or answer.token > self.newest, "a token goes back"
                    self.newest, self.holder = answer.token, talker
                    self.places.pop(talker, None)
                    self.asked.discard(talker)
                    assert 0 <= answer.tot < 2.001
                case Op.QUEUED:
                    assert talker in self.asked
                    self.places[talker] = answer.position
                case Op.DENIED:
                    self.places.pop(talker, None)
                    self.asked.discard(talker)
                case Op.REVOKED:
                    assert talker == self.holder or answer.cause == 3 or answer.cause == 1
        if asking is not None and self.table.floor.leads:
            answers = [one for one in told if one.talker == asking and one.seq == self.seq]
            assert [one.op for one in answers if one.op is not Op.REVOKED], "no answer"

    def check(self):
        table, floor = self.table, self.table.floor
        if floor.state in (State.IDLE, State.HANG):
            self.holder = None
        shown = table.shown
        if floor.leads and shown is not None and floor._heir is None:
            waits = shown.queue
            assert len(set(waits)) == len(waits)
            assert self.places == {talker: n for n, talker in enumerate(waits, 1)}
            assert shown.talker not in waits
            if self.holder is not None:
                assert (shown.talker, shown.token) == (self.holder, self.newest)
                assert shown.state in (State.TAKEN, State.REVOKING)
        deadline = floor.deadline()
        assert deadline is None or deadline > table.now


def step(rng, table, log, number):
    """One random event."""
    floor, talker = table.floor, rng.choice(TALKERS)
    event = rng.choice(
        ["ask", "ask", "ask", "release", "media", "media", "time", "time", "position", "ack",
         "offline", "seen", "overtaken", "cede", "lead"]
    )  # fmt: skip
    match event:
        case "ask":
            log.seq = number
            log.asked.add(talker)
            told = table.ask(
                talker, rng.choice([50, 100, 200]), emergency=rng.random() < 0.1, seq=number
            )
            log.take(told, asking=talker)
        case "release":
            told = table.release(talker)
            log.places.pop(talker, None)
            log.asked.discard(talker)
            log.take(told)
        case "media":
            before = stays(table) if table.shown else None
            told = table.media(talker)
            log.take(told)
            if log.holder != talker and before:
                assert stays(table) == before
        case "time":
            until = table.now + rng.choice([0.1, 0.5, 0.8, 1.0, 4.0])
            log.take(table.wait(until))
        case "position":
            knows = talker in log.places
            told = table.position(talker, seq=number)
            assert not knows or said(told) == [(talker, "position", log.places[talker])]
            log.take([one for one in told if one.cause != 255])
        case "ack":
            assert table.ack(talker) == []
        case "offline":
            client = talker.partition("/")[0]
            told = table.do(floor.offline(client, table.now))
            log.places.pop(talker, None)
            log.asked.discard(talker)
            log.take(told)
        case "seen":
            term = max(floor.token.term + rng.choice([-1, 0, 1]), 0)
            log.take(table.do(floor.seen(term, renew=rng.random() < 0.5)))
        case "overtaken":
            told = table.do(floor.overtaken(Heir(talker), table.now))
            log.take(told)
            if floor.leads:
                log.holder = None
                log.asked.add(talker)
        case "cede" if rng.random() < 0.2:
            assert table.do(floor.cede()) == []
            log.holder = None
            log.places.clear()
            log.asked.clear()
        case _:
            log.take(table.do(floor.lead(table.now)))


@pytest.mark.parametrize("block", range(10))
def test_controller_is_lawful_whatever_happens(block):
    """1,000 runs of 50 random steps; then nobody does anything, and nobody waits for ever."""
    for run in range(100):
        rng = random.Random(block * 1000 + run)
        options = {
            "tot": rng.choice([0.5, 2.0]),
            "hang_time": rng.choice([0.0, 1.0]),
            "queue_length": rng.choice([0, 1, 3]),
        }
        table = Controller(**options)
        log = Log(table)
        for number in range(50):
            step(rng, table, log, number)
            log.check()
        waited = len(table.shown.queue) + 1 if table.shown else 1
        log.take(table.wait(table.now + 1.0 + waited * 4.0 + 3.0 + 1.0))
        log.check()
        if table.floor.leads:
            assert (table.floor.state, table.shown.queue) == (State.IDLE, ())


# The participant

ME = "zju1/radio"


class Teller:
    """A controller's side of random answers: mostly honest, sometimes late or repeated."""

    def __init__(self, rng):
        self.rng = rng
        self.grant = 0

    def answer(self, one):
        rng = self.rng
        op = rng.choice([Op.GRANTED, Op.GRANTED, Op.QUEUED, Op.DENIED, Op.REVOKED])
        if op is Op.GRANTED and rng.random() < 0.7:
            self.grant += 1
        seq = one._asked if rng.random() < 0.8 else rng.randrange(1, 20)
        cause = {Op.DENIED: rng.choice([1, 4, 6, 7]), Op.REVOKED: rng.choice([1, 2, 3, 4])}
        return Answer(
            op=op,
            talker=ME,
            seq=seq,
            token=Token(1, self.grant),
            tot=rng.choice([None, 1.0, 8.0]),
            cause=cause.get(op),
            position=rng.choice([1, 2]) if op is Op.QUEUED else None,
        )


class Member:
    """A participant, and whether what it is told is lawful."""

    def __init__(self, rng):
        self.rng = rng
        self.one = Participant()
        self.teller = Teller(rng)
        self.wanted = self.talks = False  # a request without an outcome; a grant it was told of

    def take(self, actions):
        for action in actions:
            match action:
                case Outcome(_, seconds):
                    assert self.wanted, "an outcome that nobody waits for"
                    assert seconds >= 0
                    self.wanted = False
                case Granted():
                    self.talks = True
                case Revoked():
                    assert self.talks
                    self.talks = False
                case Refused():
                    assert not self.talks
                case Warn(left):
                    assert self.talks
                    assert left < 5.001
                case Queued(position):
                    assert not self.talks
                    assert position in (1, 2)
                case Send("release" | "cancel"):
                    self.talks = False
        one = self.one
        assert (one.token is not None) == self.talks
        assert (one.stage in (Stage.ASKING, Stage.QUEUED)) == self.wanted

    def wait(self, until):
        one = self.one
        while (due := one.deadline()) is not None and due <= until:
            self.take(one.tick(due))
            assert (later := one.deadline()) is None or later > due

    def step(self, now):
        one, rng = self.one, self.rng
        match rng.choice(["ask", "answer", "answer", "sent", "release", "shown", "changed"]):
            case "ask":
                self.wanted |= one.stage in (Stage.SILENT, Stage.RELEASING)
                self.take(one.ask(rng.choice([100, 200]), False, now))
            case "answer":
                self.take(one.answer(self.teller.answer(one), now))
            case "sent" if one.token is not None:
                one.sent(now)
                self.take([])
            case "release":
                self.take(one.release(now))
                assert one.stage in (Stage.SILENT, Stage.RELEASING)
            case "shown":
                token = Token(1, rng.randrange(self.teller.grant + 1))
                self.take(one.shown(rng.choice(list(State)), rng.random() < 0.5, token))
            case _:
                self.take(one.controller_changed(now))


@pytest.mark.parametrize("block", range(10))
def test_participant_is_lawful_whatever_happens(block):
    """1,000 runs of 50 random steps; then nobody does anything, and it stops within its limits."""
    for run in range(100):
        member, now = Member(random.Random(block * 1000 + run)), 0.0
        one = member.one
        for _ in range(50):
            now += member.rng.choice([0.0, 0.02, 0.3, 1.0, 2.0])
            member.wait(now)
            member.step(now)
        if one.token is not None:
            one.sent(now)
        member.wait(now + 40.0)
        assert (one.stage, one.deadline()) == (Stage.SILENT, None)


# The tables of the documentation


@pytest.mark.parametrize("name", ["controller", "participant"])
def test_table_of_the_documentation_is_what_the_machine_does(name):
    """Written by ``python -m tests.voice.floor.floor_table``."""
    assert in_docs(name) == tables()[name]
