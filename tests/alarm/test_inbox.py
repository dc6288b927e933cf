from __future__ import annotations

import itertools
from dataclasses import replace

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.alarm import inbox as inbox_module
from gateway.alarm.inbox import (
    Announce,
    Changed,
    Ignored,
    Inbox,
    KnownPage,
    Remember,
    Send,
    Settled,
)
from gateway.link.messages import Action, IncidentState, Page, Refusal
from gateway.moment import Moment

START = Moment(100.0, 1_700_000_000.0)
INCIDENT = "00000000-0000-7000-8000-00000000000a"
OTHER = "00000000-0000-7000-8000-00000000000b"
PAGE = "00000000-0000-7000-8000-0000000000f1"


def at(seconds: float) -> Moment:
    return START.later(seconds)


def ids():
    return (f"00000000-0000-7000-8000-{number:012x}" for number in itertools.count(0x1000)).__next__


def an_inbox(*groups: str) -> Inbox:
    return Inbox("police1", frozenset(groups or ("police",)), ids())


def a_page(**changes) -> Page:
    page = Page(
        id=PAGE,
        incident=INCIDENT,
        group="police",
        level=1,
        title="吹哨响应",
        category="panic",
        severity=1,
        site="zju1",
        site_name="浙大一院",
        endpoint="south-gate-button",
        endpoints=("south-gate-button",),
        position=None,
        talkgroup=None,
        drill=False,
        raised="2026-11-24T05:45:08.123Z",
        sent="2026-11-24T05:45:08.125Z",
        ack_within_s=30.0,
    )
    return replace(page, **changes)


def a_state(**changes) -> IncidentState:
    state = IncidentState(
        id=INCIDENT,
        state="open",
        level=1,
        plan="hospital-panic",
        category="panic",
        severity=1,
        site="zju1",
        site_name="浙大一院",
        endpoint="south-gate-button",
        endpoints=("south-gate-button",),
        drill=False,
        raised="2026-11-24T05:45:08.123Z",
        latched=True,
        input="alarm",
        talkgroup=None,
        groups={},
        breaches=(),
        disposition=None,
        closed=None,
        owner="zju1",
        owner_term=1,
        seq=1,
        applied=(),
        refused=None,
    )
    return replace(state, **changes)


def an_action(number: int = 1, **changes) -> Action:
    action = Action(
        id=f"00000000-0000-7000-8000-{number:012x}",
        incident=INCIDENT,
        group="police",
        by="chen",
        action="ack",
        time="2026-11-24T05:45:20.000Z",
    )
    return replace(action, **changes)


def sent(effects) -> list[Action]:
    return [effect.action for effect in effects if isinstance(effect, Send)]


def receipt_after(inbox: Inbox, when: Moment = START, **changes) -> Action:
    """The receipt of a page that arrives now and is stored at once."""
    inbox.page(a_page(**changes), when)
    (receipt,) = sent(inbox.remembered(changes.get("id", PAGE), when))
    return receipt


# Pages


def test_a_page_is_announced_and_signed_for_only_once_it_is_stored():
    inbox = an_inbox()
    announce, remember = inbox.page(a_page(), START)
    assert announce == Announce(a_page())
    assert isinstance(remember, Remember)
    assert inbox.deadline() is None
    (receipt,) = sent(inbox.remembered(PAGE, at(0.001)))
    assert (receipt.action, receipt.page, receipt.incident) == ("receipt", PAGE, INCIDENT)
    assert (receipt.group, receipt.by) == ("police", "police1")
    assert receipt.id == remember.known.receipt


def test_a_page_of_a_group_that_is_not_served_is_neither_announced_nor_signed_for():
    inbox = an_inbox("street")
    assert inbox.page(a_page(), START) == [Ignored("page_of_another_group")]
    assert inbox.remembered(PAGE, START) == []
    inbox.serve(frozenset({"police"}))
    assert inbox.page(a_page(), START)[0] == Announce(a_page())


def test_the_same_page_again_before_it_is_stored_sends_nothing():
    inbox = an_inbox()
    inbox.page(a_page(), START)
    assert inbox.page(a_page(), at(0.1)) == [Ignored("page_again")]


def test_the_same_page_again_is_not_announced_and_asks_for_the_same_receipt():
    inbox = an_inbox()
    receipt = receipt_after(inbox)
    inbox.state(a_state(applied=(receipt.id,)), at(1))
    inbox.state(a_state(seq=2), at(2))  # the owner's list has gone on without it
    effects = inbox.page(a_page(), at(3))
    assert effects[0] == Ignored("page_again")
    assert [again.id for again in sent(effects)] == [receipt.id]


def test_the_same_page_again_whose_receipt_was_applied_sends_nothing():
    inbox = an_inbox()
    receipt = receipt_after(inbox)
    inbox.state(a_state(applied=(receipt.id,)), at(1))
    assert sent(inbox.page(a_page(), at(2))) == []
    assert inbox.deadline() is None


def test_a_page_with_a_new_id_for_the_same_incident_is_announced():
    inbox = an_inbox()
    receipt_after(inbox)
    page = a_page(id="00000000-0000-7000-8000-0000000000f2", level=2)
    assert inbox.page(page, at(30))[0] == Announce(page)


def test_a_page_of_a_closed_incident_is_not_announced_and_gets_no_receipt():
    inbox = an_inbox()
    inbox.state(a_state(state="closed"), START)
    effects = inbox.page(a_page(), at(1))
    assert not [effect for effect in effects if isinstance(effect, Announce)]
    assert inbox.remembered(PAGE, at(1)) == []


def test_a_page_of_a_resolved_incident_is_announced():
    """It may have been opened again, and the page may be here before the state."""
    inbox = an_inbox()
    inbox.state(a_state(state="resolved"), START)
    assert inbox.page(a_page(), at(1))[0] == Announce(a_page())


def test_a_page_is_known_for_24_hours_and_not_longer():
    inbox = an_inbox()
    receipt_after(inbox)
    assert inbox.page(a_page(), at(86_399.999))[0] == Ignored("page_again")
    assert inbox.page(a_page(), at(86_400))[0] == Announce(a_page())


def test_a_page_known_from_an_earlier_run_is_not_announced_and_gets_its_old_receipt():
    known = KnownPage(PAGE, INCIDENT, "police", "00000000-0000-7000-8000-00000000abcd")
    for wall, later in ((START.wall - 80_000, 6_399.0), (START.wall + 3_600, 86_399.0)):
        inbox = an_inbox()
        inbox.load([(wall, known)], START)  # the second: the clock was set back an hour
        effects = inbox.page(a_page(), at(later))
        assert [receipt.id for receipt in sent(effects)] == [known.receipt]
        assert inbox.page(a_page(), at(later + 1.0))[0] == Announce(a_page())


# Actions


def test_an_action_is_sent_again_each_second_unchanged():
    inbox = an_inbox()
    action = an_action()
    assert inbox.act(action, START) == [Send(action)]
    assert inbox.deadline() == at(1.0).elapsed
    assert inbox.tick(at(0.999)) == []
    assert inbox.tick(at(1.0)) == [Send(action)]
    assert inbox.tick(at(1.5)) == []
    assert inbox.tick(at(9.0)) == [Send(action)]  # late: once, not nine times
    assert inbox.deadline() == at(10.0).elapsed


def test_an_action_ends_when_it_is_applied():
    inbox = an_inbox()
    inbox.act(an_action(1), START)
    inbox.act(an_action(2), START)
    state = a_state(applied=(an_action(1).id,))
    assert inbox.state(state, at(0.2)) == [Changed(state), Settled(an_action(1).id, None, state)]
    assert sent(inbox.tick(at(1.0))) == [an_action(2)]


def test_an_action_ends_when_it_is_refused_with_the_reason():
    inbox = an_inbox()
    inbox.act(an_action(), START)
    state = a_state(refused=Refusal(id=an_action().id, reason="no disposition"))
    assert Settled(an_action().id, "no disposition", state) in inbox.state(state, at(0.2))
    assert inbox.deadline() is None


def test_an_action_that_the_newest_state_has_is_settled_without_being_sent():
    inbox = an_inbox()
    state = a_state(applied=(an_action().id,))
    inbox.state(state, START)
    assert inbox.act(an_action(), at(1)) == [Settled(an_action().id, None, state)]


def test_an_older_state_settles_nothing():
    inbox = an_inbox()
    inbox.state(a_state(owner_term=2, seq=1), START)
    inbox.act(an_action(), START)
    old = a_state(owner_term=1, seq=9, refused=Refusal(id=an_action().id, reason="old"))
    assert inbox.state(old, at(0.1)) == [Ignored("older_state")]
    assert sent(inbox.tick(at(1.0))) == [an_action()]


def test_another_incidents_state_settles_nothing():
    inbox = an_inbox()
    inbox.act(an_action(), START)
    inbox.state(a_state(id=OTHER, applied=(an_action().id,)), START)
    assert sent(inbox.tick(at(1.0))) == [an_action()]


def test_an_action_that_was_taken_back_is_sent_no_more():
    inbox = an_inbox()
    inbox.act(an_action(), START)
    inbox.withdraw(an_action().id)
    assert inbox.tick(at(5)) == []


def test_a_persons_action_is_repeated_for_as_long_as_it_takes():
    inbox = an_inbox()
    inbox.act(an_action(), START)
    inbox.state(a_state(state="closed"), at(1))
    assert sent(inbox.tick(at(100_000))) == [an_action()]


def test_a_receipt_ends_with_its_incident():
    inbox = an_inbox()
    receipt_after(inbox)
    inbox.state(a_state(state="closed"), at(1))
    assert inbox.deadline() is None


def test_a_receipt_is_repeated_for_60_s_after_the_last_copy_of_its_page():
    inbox = an_inbox()
    receipt = receipt_after(inbox)
    assert sent(inbox.tick(at(59))) == [receipt]
    inbox.page(a_page(), at(59.5))
    assert sent(inbox.tick(at(119.499))) == [receipt]
    assert sent(inbox.tick(at(120.499))) == []
    assert inbox.deadline() is None
    assert sent(inbox.page(a_page(), at(200)))[0].id == receipt.id


# Incidents


def test_of_two_states_the_higher_term_and_then_the_higher_seq_holds():
    inbox = an_inbox()
    for term, seq, holds in (
        (1, 5, True),
        (1, 4, False),
        (2, 1, True),
        (1, 9, False),
        (2, 2, True),
    ):
        state = a_state(owner_term=term, seq=seq)
        assert (Changed(state) in inbox.state(state, START)) is holds
    assert inbox.find(INCIDENT).seq == 2


def test_the_same_state_again_is_no_change():
    inbox = an_inbox()
    inbox.state(a_state(), START)
    assert inbox.state(a_state(), at(5)) == []


def test_a_closed_incident_is_forgotten_after_24_hours_an_open_one_is_not():
    inbox = an_inbox()
    inbox.state(a_state(state="closed"), START)
    inbox.state(a_state(id=OTHER), START)
    inbox.page(a_page(), at(86_399.9))
    assert {state.id for state in inbox.states} == {INCIDENT, OTHER}
    inbox.page(a_page(), at(86_400))
    assert {state.id for state in inbox.states} == {OTHER}


def test_a_cleared_state_is_forgotten_if_its_owner_cleared_it():
    inbox = an_inbox()
    inbox.state(a_state(), START)
    inbox.cleared(INCIDENT, "mallory")
    assert inbox.find(INCIDENT) is not None
    inbox.cleared(INCIDENT, "zju1")
    assert inbox.find(INCIDENT) is None


def test_a_flood_of_incidents_is_bounded_and_known_ones_go_on(monkeypatch):
    monkeypatch.setattr(inbox_module, "MAX_INCIDENTS", 3)
    inbox = an_inbox()
    for number in range(5):
        inbox.state(a_state(id=f"00000000-0000-7000-8000-{number:012x}"), START)
    assert len(list(inbox.states)) == 3
    state = a_state(id=f"00000000-0000-7000-8000-{0:012x}", seq=2)
    assert inbox.state(state, START) == [Changed(state)]


# Any order of everything

PAGES = [f"00000000-0000-7000-8000-0000000000f{number}" for number in range(3)]
step = st.one_of(
    st.tuples(st.just("page"), st.sampled_from(PAGES)),
    st.tuples(st.just("stored"), st.sampled_from(PAGES)),
    st.tuples(st.just("act"), st.integers(1, 3)),
    st.tuples(st.just("withdraw"), st.integers(1, 3)),
    st.tuples(st.just("apply"), st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.5, 1.0, 30.0, 61.0])),
)


@given(st.lists(step, max_size=60))
def test_in_any_order_a_page_is_announced_once_and_nothing_settled_is_sent(steps):
    inbox = an_inbox()
    now, seq = START, 1
    announced: list[str] = []
    applied: set[str] = set()
    last_sent: dict[str, float] = {}
    stored: set[str] = set()
    arrived: set[str] = set()
    open_actions: set[str] = set()
    for what, argument in steps:
        effects = []
        if what == "page":
            arrived.add(argument)
            effects = inbox.page(a_page(id=argument), now)
        elif what == "stored":
            stored |= {argument} & arrived
            effects = inbox.remembered(argument, now)
        elif what == "act":
            open_actions |= {an_action(argument).id} - applied
            effects = inbox.act(an_action(argument), now)
        elif what == "withdraw":
            inbox.withdraw(an_action(argument).id)
            open_actions.discard(an_action(argument).id)
        elif what == "apply":
            # The owner applies, or forgets having applied, all that it was sent.
            applied = set(last_sent) if argument else set()
            seq += 1
            effects = inbox.state(a_state(seq=seq, applied=tuple(sorted(applied))), now)
            open_actions -= applied
        else:
            now = now.later(argument)
            effects = inbox.tick(now)
        for effect in effects:
            if isinstance(effect, Announce):
                announced.append(effect.page.id)
            elif isinstance(effect, Send):
                action = effect.action
                assert action.id not in applied
                if action.action == "receipt":
                    assert action.page in stored
                else:
                    assert action.id in open_actions
                last_sent[action.id] = now.elapsed
        assert len(announced) == len(set(announced))
        deadline = inbox.deadline()
        assert deadline is None or deadline <= now.elapsed + 1.0
        for action in open_actions:
            assert deadline is not None, action


def test_the_receipt_is_a_message_of_the_contract():
    receipt = receipt_after(an_inbox())
    assert msgspec.to_builtins(receipt) == {
        "v": 1,
        "id": receipt.id,
        "incident": INCIDENT,
        "group": "police",
        "by": "police1",
        "action": "receipt",
        "time": "2023-11-14T22:13:20.000Z",
        "page": PAGE,
    }
