"""Speech through a real mosquitto with loss on both hops, in namespaces of its own; `bench.links` in short."""

import pytest

from bench.link_world import possible
from bench.links import run

pytestmark = [pytest.mark.system, pytest.mark.realtime]


@pytest.mark.skipif(not possible(), reason="needs root, network namespaces, tun and mosquitto")
async def test_speech_survives_a_link_that_loses_packets():
    found = await run(0.02, seed=77, phases=(3.0, 6.0, 2.0))
    # 20 ms to code, 40 on the way, 20 to 30 in the buffer; the rest is for a loaded machine.
    assert 0.06 <= found["delay_before_ms"] / 1000 <= 0.5
    assert found["concealed_percent"] <= 30  # six seconds, in which TCP may wait a whole one
    assert found["added_mean_ms"] <= 600
