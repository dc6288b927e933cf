"""A district made from a seed: its numbers, its bytes, and that a gateway can use it."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import registry
from gateway.cli.simulate.district import apportion, make
from gateway.cli.simulate.files import SINGLE, contents, write
from gateway.settings.loader import examine


@pytest.fixture(scope="module")
def district():
    return make(seed=7)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    made = make(seed=7, scale=0.01)
    write(made, folder)
    return made, folder


def test_it_has_the_districts_numbers(district):
    assert len(district.sites) == 2878
    assert len({site.class_ for site in district.sites}) == 9
    assert len(district.devices) == 30_000
    assert district.people == 17_000
    assert len(district.streets) == 14
    assert len(district.gateways) == 288


def test_every_name_and_panel_address_is_its_own(district):
    for names in (
        [site.name for site in district.sites],
        [device.name for device in district.devices],
        [group.name for group in district.groups],
        [site.account for site in district.sites],
        [(one.site.account, one.zone) for one in district.devices if one.zone is not None],
        [one.speaker for one in district.devices if one.speaker is not None],
    ):
        assert max(Counter(names).values()) == 1


def test_every_site_can_be_pressed_and_has_people_of_its_own(district):
    pressed = {one.site.name for one in district.devices if one.category == "panic"}
    assert pressed == {site.name for site in district.sites}
    units = {group.name: group.people for group in district.groups}
    assert all(units[f"unit-{site.name}"] >= 2 for site in district.sites)


def digest(seed: int, scale: float) -> str:
    found = hashlib.sha256()
    for name, text in contents(make(seed, scale)):
        found.update(name.encode() + b"\0" + text.encode() + b"\0")
    return found.hexdigest()


def test_the_same_seed_makes_the_same_bytes_and_another_one_others():
    assert digest(3, 0.02) == digest(3, 0.02)
    assert digest(3, 0.02) != digest(4, 0.02)


def test_what_a_seed_makes_is_the_same_on_every_machine_and_python():
    first = make(seed=1, scale=0.01).sites[0]
    assert (first.name, first.street, first.account) == ("hospital-001", "qingbo", FIRST_ACCOUNT)


FIRST_ACCOUNT = "0015"


@pytest.mark.parametrize("scale", [0.001, 0.01, 0.1])
def test_a_part_of_it_is_that_part(scale):
    made = make(seed=2, scale=scale)
    assert len(made.devices) == max(round(30_000 * scale), 2 * len(made.sites))
    assert len({site.class_ for site in made.sites}) == 9


@given(
    st.integers(0, 500),
    st.lists(st.floats(0.1, 10), min_size=1, max_size=20),
    st.integers(0, 3),
)
def test_shares_add_up_and_nobody_gets_less_than_the_least(total, weights, least):
    shares = apportion(total, weights, least)
    assert sum(shares) == max(total, least * len(weights))
    assert min(shares) >= least


def test_every_file_of_it_is_a_configuration_without_a_problem(small):
    made, folder = small
    names = [f"{SINGLE}.yaml", *(f"gateways/{name}.yaml" for name in ("command", *made.gateways))]
    seen = set()
    for name in names:
        examined = examine(folder / name, registry)
        assert examined.problems == (), name
        if name != f"{SINGLE}.yaml":
            seen |= examined.settings.endpoints.keys()
    everything = examine(folder / names[0], registry).settings
    assert everything.endpoints.keys() == seen
    assert len(seen) == len(made.devices)
    served = set().union(*(examine(folder / n, registry).settings.serves for n in names[1:]))
    assert served == everything.groups.keys()


def test_people_are_listed_one_by_one(small):
    made, folder = small
    lines = (folder / "people.csv").read_text("utf-8").splitlines()
    assert lines[0] == "person,group,party,street"
    assert len(lines) - 1 == made.people
    assert len(set(lines)) == len(lines)
