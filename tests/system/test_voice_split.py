"""A network that comes apart while both sides talk, and comes together again: real gateways, real wires."""

import pytest

from tests.system.split_world import SplitWorld, available

pytestmark = [
    pytest.mark.system,
    pytest.mark.realtime,
    pytest.mark.skipif(not available(), reason="needs root, ip and mosquitto"),
]


async def test_after_a_split_one_talker_is_left_and_nobody_hears_two(tmp_path):
    """Five splits at once: one wire, five talkgroups."""
    async with SplitWorld(tmp_path, talkgroups=5) as world:
        result = await world.split_and_heal()
    for (name, talkgroup), heard in result.items():
        assert heard.after <= 1, f"{name} on {talkgroup} heard {heard.order}"
        assert len(heard.last) == 1, (
            f"{name} on {talkgroup} heard at the end {heard.last or 'nobody'}"
        )
    for talkgroup in {key[1] for key in result}:
        assert result["a", talkgroup].last == result["b", talkgroup].last
