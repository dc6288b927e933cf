"""From a broker's address to a connection that it has accepted: name, TCP, TLS, CONNACK."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass

import mqtt5

from gateway.errors import LinkError
from gateway.link.address import BrokerAddress
from gateway.link.connection import Connection

CONNECT_TIMEOUT = 5.0
"""Seconds for name lookup, TCP, TLS and CONNACK together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a connection is for, in numbers. Times in seconds."""

    keep_alive: int = 5
    path_timeout: float = 2.0
    """How long a path may carry nothing (measured: noticed in 2.5 s, against more than 12 without)."""
    max_packet_bytes: int = 128 * 1024
    send_buffer_bytes: int | None = None
    """What the kernel may hold unsent (TCP_NOTSENT_LOWAT); None leaves it to the kernel."""
    congestion: str | None = None
    """The congestion control asked for; where the kernel has none of this name, its own is used."""


async def connect(
    address: BrokerAddress,
    profile: Profile,
    hello: mqtt5.ConnectPacket,
    received: Callable[[mqtt5.PublishPacket], None],
    writable: Callable[[bool], None] | None = None,
) -> Connection:
    """Open a connection and wait for CONNACK, `CONNECT_TIMEOUT` seconds in all.

    ``received`` gets each PUBLISH, on the loop, and must not raise.

    Raises:
        LinkError: the broker cannot be reached or refuses.
    """
    loop = asyncio.get_running_loop()
    connection: Connection | None = None
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            context = None
            if address.tls is not None:
                context = await loop.run_in_executor(None, address.tls.context)
            opened = await _open(address, profile)
            try:
                _, connection = await loop.create_connection(
                    lambda: Connection(hello, received, writable),
                    sock=opened,
                    ssl=context,
                    server_hostname=address.host if context else None,
                )
            except BaseException:
                opened.close()
                raise
            await connection.established
    except TimeoutError:
        if connection is not None:
            connection.abort("no CONNACK")
        raise LinkError(f"{address}: no answer within {CONNECT_TIMEOUT:g} s") from None
    except OSError as error:  # ssl.SSLError is one
        raise LinkError(f"{address}: {error.strerror or error}") from error
    except LinkError as error:
        raise LinkError(f"{address}: {error}") from error
    except BaseException:
        if connection is not None:
            connection.abort("cancelled")
        raise
    return connection


async def _open(address: BrokerAddress, profile: Profile) -> socket.socket:
    """A connected TCP socket to the first of the host's addresses that answers."""
    loop = asyncio.get_running_loop()
    failure: OSError = OSError("the name has no address")
    for family, kind, protocol, _, where in await loop.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM
    ):
        sock = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
        try:
            _tune(sock, profile)
            await loop.sock_connect(sock, where)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            _use_congestion_control(sock, profile.congestion)
            return sock
    raise failure


def _tune(sock: socket.socket, profile: Profile) -> None:
    tcp = socket.IPPROTO_TCP
    # Without it voice stalls for 40 ms behind Nagle and delayed ACK (measured).
    sock.setsockopt(tcp, socket.TCP_NODELAY, 1)
    sock.setsockopt(tcp, socket.TCP_USER_TIMEOUT, int(profile.path_timeout * 1000))
    # TCP_USER_TIMEOUT counts only while something is unacknowledged: probes see to that.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(tcp, socket.TCP_KEEPIDLE, 1)
    sock.setsockopt(tcp, socket.TCP_KEEPINTVL, 1)
    if profile.send_buffer_bytes is not None:
        sock.setsockopt(tcp, socket.TCP_NOTSENT_LOWAT, profile.send_buffer_bytes)


def _use_congestion_control(sock: socket.socket, name: str | None) -> None:
    """Once connected, or the route's own (``ip route ... congctl``) would replace it."""
    if name is not None:
        with contextlib.suppress(OSError):  # not built, not loaded, or not allowed to this user
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())
