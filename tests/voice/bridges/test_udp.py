"""Sockets of bridges: groups and hosts, both kinds of addresses."""

import asyncio
import contextlib
import socket
from ipaddress import ip_address, ip_network

import pytest

from gateway.ops.counters import Counters
from gateway.voice.bridges import udp
from gateway.voice.bridges.options import UdpAddress

pytestmark = pytest.mark.asyncio


def free(family, host):
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def has_ipv6():
    try:
        return bool(free(socket.AF_INET6, "::1"))
    except OSError:
        return False


def with_groups():
    """An interface on which IPv6 groups can be reached; the loopback need not be one."""
    for index, name in socket.if_nameindex():
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 0)
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            one.sendto(b"", ("ff02::77", 9))
            return name
    return None


V6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "239.255.77.2",
        pytest.param("::1", marks=V6),
        pytest.param("ff02::77", marks=V6),
    ],
)
async def test_what_is_sent_to_an_address_is_heard_there(host):
    ip = ip_address(host)
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    at = UdpAddress(ip, free(family, "127.0.0.1" if ip.version == 4 else "::1"))
    heard, counters = [], Counters()
    interface = with_groups() if host == "ff02::77" else "lo"
    if interface is None:
        pytest.skip("no interface here has IPv6 groups")
    facts = {"ttl": 0, "interface": interface}
    async with (
        udp.channel(at, None, heard.append, counters, **facts),
        udp.channel(None, at, heard.append, counters, **facts) as put,
    ):
        put(b"one")
        await asyncio.sleep(0.05)
    assert heard == [b"one"]
    assert not counters.snapshot()


async def test_who_listens_sends_from_the_same_port():
    near = UdpAddress(ip_address("127.0.0.1"), free(socket.AF_INET, "127.0.0.1"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))
        far.settimeout(1)
        to = UdpAddress(near.ip, far.getsockname()[1])
        async with udp.channel(near, to, lambda _: None, Counters()) as put:
            put(b"one")
            assert far.recvfrom(9) == (b"one", near.pair)


async def test_only_named_sources_are_heard_and_a_send_that_fails_is_counted():
    at = UdpAddress(ip_address("127.0.0.1"), free(socket.AF_INET, "127.0.0.1"))
    heard, counters = [], Counters()
    sources = (ip_network("10.0.0.0/8"), ip_network("::/0"))
    async with (
        udp.channel(at, None, heard.append, counters, sources=sources),
        udp.channel(None, at, heard.append, counters) as put,
    ):
        put(b"one")
        put(bytes(70_000))  # no datagram is so long
        await asyncio.sleep(0.05)
    assert heard == []
    assert counters.snapshot() == {"bridge.foreign_source": 1, "bridge.not_sent": 1}


async def test_an_interface_that_is_not_there_is_an_error():
    group = UdpAddress(ip_address("239.255.77.2"), 5004)
    with pytest.raises(OSError, match="interface"):
        async with udp.channel(None, group, lambda _: None, Counters(), interface="nowhere0"):
            pass


async def test_the_origin_is_an_address_of_this_machine():
    assert str(udp.origin(UdpAddress(ip_address("127.0.0.1"), 9))) == "127.0.0.1"
