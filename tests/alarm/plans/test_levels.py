"""Whom levels call by name and by what groups are."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gateway.alarm.plans.levels import (
    Groups,
    added_groups,
    level_groups,
    own_groups,
    quorum,
    spared_groups,
)
from gateway.alarm.plans.plan import AT_SITE, GroupFacts, Level, Quorum, SiteFacts, Where
from tests.alarm.alarm_world import ALLIANCE, PLAN, POLICE, SITE, STREET, WHISTLE
from tests.alarm.alarm_world import GROUPS as CONFIGURED

GROUPS = Groups(CONFIGURED)


def test_levels_only_add():
    assert level_groups(PLAN, 0, GROUPS) == WHISTLE
    assert level_groups(PLAN, 1, GROUPS) == WHISTLE
    assert level_groups(PLAN, 2, GROUPS) == (*WHISTLE, ALLIANCE)
    assert added_groups(PLAN, 0, GROUPS) == WHISTLE
    assert added_groups(PLAN, 1, GROUPS) == ()
    assert added_groups(PLAN, 2, GROUPS) == (ALLIANCE,)


def test_groups_are_chosen_by_what_they_are():
    def groups(**where: tuple[str, ...]) -> tuple[str, ...]:
        plan = replace(PLAN, levels=(Level(name="one", page_where=Where(**where)),))
        return level_groups(plan, 0, GROUPS)

    assert groups(party=("police",)) == (POLICE, "police-tianshui")
    assert groups(party=("police",), street=("tianshui",)) == ("police-tianshui",)
    assert groups(street=("nowhere",)) == ()
    assert groups() == tuple(GROUPS)


def test_unknown_group_is_left_out_and_none_is_called_twice():
    level = Level(name="one", page=(STREET, "nobody", STREET), page_where=Where(party=("street",)))
    assert level_groups(replace(PLAN, levels=(level,)), 0, GROUPS) == (STREET,)


def test_later_level_inherits_the_quorum():
    police, street = Quorum(parties=("police",)), Quorum(parties=("street",))
    levels = tuple(
        Level(name="x", answered_by=one) for one in (None, police, None, street, Quorum())
    )
    plan = replace(PLAN, levels=levels)
    assert [quorum(plan, index) for index in range(5)] == [
        Quorum(), police, police, street, Quorum(),
    ]  # fmt: skip


def test_at_site_is_the_sites_own_value_and_a_site_without_one_matches_nobody():
    level = Level(name="one", page_where=Where(street=(AT_SITE,), party=("police",)))
    assert own_groups(level, GROUPS, SITE) == (POLICE,)
    assert own_groups(level, GROUPS, replace(SITE, street="tianshui")) == ("police-tianshui",)
    assert own_groups(level, GROUPS, replace(SITE, street=None)) == ()
    assert own_groups(level, GROUPS) == ()
    both = Level(name="one", page_where=Where(street=(AT_SITE, "tianshui"), party=("police",)))
    assert own_groups(both, GROUPS, SITE) == (POLICE, "police-tianshui")


def test_drill_calls_only_groups_that_are_marked_and_names_those_it_spares():
    groups = Groups({**CONFIGURED, STREET: replace(CONFIGURED[STREET], drills=True)})
    assert level_groups(PLAN, 2, groups, SITE, drill=True) == (STREET,)
    assert spared_groups(PLAN.levels[0], groups, SITE) == (POLICE, "hospital-security")


VALUES = ("a", "b", "c")
FEATURE = st.one_of(st.none(), st.sampled_from(VALUES))
WANTED = st.lists(st.sampled_from((*VALUES, AT_SITE)), max_size=2).map(tuple)
PARTY = st.lists(st.sampled_from(VALUES), max_size=2).map(tuple)


@given(
    st.lists(
        st.tuples(
            FEATURE, FEATURE, FEATURE, st.sampled_from(VALUES), st.sets(st.sampled_from(VALUES))
        ),
        max_size=12,
    ),
    st.tuples(WANTED, WANTED, WANTED, PARTY, PARTY),
    st.tuples(FEATURE, FEATURE, st.sampled_from(VALUES)),
)
def test_index_finds_what_looking_at_every_group_finds(features, wanted, place):
    groups = {
        f"g{number}": GroupFacts(
            name=f"g{number}", title="", party=party, talkgroup="t",
            street=street, grid=grid, class_=class_, tags=tuple(tags),
        )
        for number, (street, grid, class_, party, tags) in enumerate(features)
    }  # fmt: skip
    street, grid, class_, party, tag = wanted
    where = Where(street=street, grid=grid, class_=class_, party=party, tag=tag)
    site = SiteFacts(name="s", title="", street=place[0], grid=place[1], class_=place[2])

    def matches(asked, own, *have):
        values = {own if value == AT_SITE else value for value in asked} - {None}
        return not asked or bool(values & set(have))

    expected = [
        group
        for group in groups.values()
        if matches(street, site.street, group.street)
        and matches(grid, site.grid, group.grid)
        and matches(class_, site.class_, group.class_)
        and matches(party, None, group.party)
        and matches(tag, None, *group.tags)
    ]
    assert list(Groups(groups).chosen_by(where, site)) == expected
