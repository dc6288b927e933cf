"""Audio in datagrams, against plain sockets."""

import asyncio
import socket

import numpy as np
import pytest

from drivers._address import host_and_port
from drivers.virtual.options import UdpAudioOptions
from drivers.virtual.udp import UdpAudio
from gateway.errors import DriverOpenError

BLOCK = 320


@pytest.fixture
def far():
    """Where the radio's program sits."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))
        far.settimeout(2)
        yield far


@pytest.fixture
def near():
    """An address that is free."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return "127.0.0.1", probe.getsockname()[1]


def audio(near=None, far=None, **options):
    listen = near and f"{near[0]}:{near[1]}"
    send = far and f"127.0.0.1:{far.getsockname()[1]}"
    return UdpAudio("radio", UdpAudioOptions(listen=listen, send=send, **options))


def block(value):
    return np.full(BLOCK, value, np.int16)


async def test_samples_are_little_endian_and_20_ms_a_datagram(near, far):
    async with audio(near, far).open() as stream:
        far.sendto(b"\x01\x02\xff\xff" * (BLOCK // 2), near)
        got = await asyncio.wait_for(stream.read(), 2)
        assert list(got[:2]) == [0x0201, -1]
        assert got.shape == (BLOCK,)
        assert got.dtype == np.int16
        stream.write(block(-2))
        assert far.recv(4096) == b"\xfe\xff" * BLOCK


async def test_datagrams_of_another_length_are_dropped_and_counted(near, far):
    async with audio(near).open() as stream:
        for data in (b"", b"x", bytes(2 * BLOCK - 1), bytes(2 * BLOCK + 2), bytes(60_000)):
            far.sendto(data, near)
        far.sendto(block(7).tobytes(), near)
        assert (await asyncio.wait_for(stream.read(), 2))[0] == 7
        assert stream.counters["malformed"] == 5


async def test_past_the_bound_the_oldest_is_dropped_and_counted(near, far):
    async with audio(near).open() as stream:
        for value in range(40):
            far.sendto(block(value).tobytes(), near)
        async with asyncio.timeout(2):
            while stream.counters["capture_dropped"] < 30:
                await asyncio.sleep(0.01)
            assert [(await stream.read())[0] for _ in range(10)] == list(range(30, 40))


async def test_nobody_at_the_other_end_is_no_fault(near):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        driver = audio(near, gone)
    async with driver.open() as stream:
        for _ in range(20):
            stream.write(block(1))
            await asyncio.sleep(0.001)


async def test_one_direction_alone_can_be_had(near, far):
    async with audio(far=far).open() as stream:
        stream.write(block(3))
        assert len(far.recv(4096)) == 2 * BLOCK
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stream.read(), 0.05)
    async with audio(near).open() as stream:
        stream.write(block(3))


async def test_a_taken_address_is_refused_by_name(near):
    async with audio(near).open():
        with pytest.raises(DriverOpenError, match=f"cannot listen on 127.0.0.1:{near[1]}"):
            async with audio(near).open():
                pass
    async with audio(near).open():
        pass


async def test_ipv6_can_be_had():
    driver = UdpAudio("radio", UdpAudioOptions(listen="[::1]:5999", send="[::1]:5999"))
    try:
        async with driver.open() as stream:
            stream.write(block(9))
            assert (await asyncio.wait_for(stream.read(), 2))[0] == 9
    except DriverOpenError as error:
        pytest.skip(f"no IPv6 here: {error}")


@pytest.mark.parametrize("text", ["127.0.0.1:1", "localhost:65535", "[::1]:5000"])
def test_addresses_that_are_right(text):
    assert host_and_port(text)[1] == int(text.rpartition(":")[2])


@pytest.mark.parametrize(
    "text",
    ["", "5001", ":5001", "127.0.0.1:", "127.0.0.1:0", "a:65536", "::1:5000", "a:-1", "a:１"],
)
def test_addresses_that_are_wrong_say_what_to_write(text):
    with pytest.raises(ValueError, match=r"write"):
        UdpAudioOptions(listen=text)


def test_neither_direction_is_refused():
    with pytest.raises(ValueError, match=r"neither"):
        UdpAudioOptions()
