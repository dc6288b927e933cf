"""UDP sockets of bridges: to one host or to a group of them, filtered by where it comes from."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from ipaddress import IPv4Address, ip_address
from typing import Any

from gateway.ops.counters import Counters
from gateway.voice.bridges.options import Network, UdpAddress

Received = Callable[[bytes], None]


@contextlib.asynccontextmanager
async def channel(
    listen: UdpAddress | None,
    send: UdpAddress | None,
    received: Received,
    counters: Counters,
    *,
    sources: Sequence[Network] = (),
    ttl: int = 1,
    interface: str | None = None,
) -> AsyncIterator[Callable[[bytes], None]]:
    """Receive at ``listen``, and get what sends to ``send``.

    What sends is the socket that listens (RFC 4961), unless that listens to a group. ``sources`` are
    who is listened to; nobody named is everybody.

    Raises:
        OSError: an address or the interface is not here, or somebody else has the port.
    """
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as stack:

        async def opened(bound: socket.socket) -> socket.socket:
            stack.callback(bound.close)
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(received, sources, counters), sock=bound
            )
            stack.callback(transport.close)
            return bound

        listening = sending = None
        if listen is not None:
            bound = _listener(listen, interface)
            if send is not None and not listen.ip.is_multicast:
                _aim(bound, send, ttl, interface)
            listening = await opened(bound)
        if send is not None:
            one_socket = listen is not None and not listen.ip.is_multicast
            sending = listening if one_socket else await opened(_sender(send, ttl, interface))

        def put(data: bytes) -> None:
            if sending is None or send is None:
                return
            try:
                sending.sendto(data, send.pair)
            except OSError:  # also what does not fit into its buffer: later it would be too old
                counters.add("bridge.not_sent")

        yield put


def origin(to: UdpAddress) -> IPv4Address | Any:
    """The address of this machine that speaks to ``to``; nothing is sent to find out."""
    with socket.socket(_family(to), socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(to.pair)
        except OSError:  # no route
            return ip_address("127.0.0.1")
        return ip_address(probe.getsockname()[0].partition("%")[0])


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, received: Received, sources: Sequence[Network], counters: Counters) -> None:
        self._received = received
        self._sources = sources
        self._counters = counters

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        if self._sources:
            source = ip_address(str(addr[0]).partition("%")[0])
            if not any(source in network for network in self._sources):
                self._counters.add("bridge.foreign_source")
                return
        self._received(data)

    def error_received(self, exc: Exception) -> None:
        del exc
        self._counters.add("bridge.socket_error")


def _family(address: UdpAddress) -> socket.AddressFamily:
    return socket.AF_INET if isinstance(address.ip, IPv4Address) else socket.AF_INET6


def _listener(listen: UdpAddress, interface: str | None) -> socket.socket:
    bound = socket.socket(_family(listen), socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        if listen.ip.is_multicast:  # others on this machine may listen to the group as well
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        index = _index(interface) if listen.ip.is_multicast else 0
        if _family(listen) is socket.AF_INET:
            bound.bind(listen.pair)
        else:  # a group of one link's needs to be told which link that is
            bound.bind((*listen.pair, 0, index))
        if listen.ip.is_multicast:
            if _family(listen) is socket.AF_INET:
                group = listen.ip.packed + bytes(4) + struct.pack("@i", index)
                bound.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
            else:
                group = listen.ip.packed + struct.pack("@I", index)
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
    except BaseException:
        bound.close()
        raise
    return bound


def _sender(send: UdpAddress, ttl: int, interface: str | None) -> socket.socket:
    bound = socket.socket(_family(send), socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        bound.bind(("" if _family(send) is socket.AF_INET else "::", 0))
        _aim(bound, send, ttl, interface)
    except BaseException:
        bound.close()
        raise
    return bound


def _aim(bound: socket.socket, send: UdpAddress, ttl: int, interface: str | None) -> None:
    """How far what is sent to a group goes, and through which interface."""
    if not send.ip.is_multicast:
        return
    index = _index(interface)
    if _family(send) is socket.AF_INET:
        bound.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
        if index:
            mreqn = bytes(8) + struct.pack("@i", index)
            bound.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, mreqn)
    else:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, ttl)
        if index:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)


def _index(interface: str | None) -> int:
    return 0 if interface is None else socket.if_nametoindex(interface)
