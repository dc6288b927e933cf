"""Checks of bridges: names that somebody else talks under, and ports that two would listen at. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from gateway.settings.addresses import Address, udp_address
from gateway.settings.document import Loc
from gateway.settings.findings import Finding, Subject

_TAKEN = ("announcer", "replay")
"""What else talks in a gateway's name, besides its endpoints."""


def check(subject: Subject) -> Iterator[Finding]:
    """Each bridge against the endpoints and the other bridges."""
    known: list[tuple[Address, Loc]] = []
    for name, bridge in subject.settings.bridges.items():
        loc: Loc = ("bridges", name)
        if not subject.validated.sound(*loc):
            continue
        if name in subject.settings.endpoints or name in _TAKEN:
            what = f"{name} talks in this gateway's name already"
            yield Finding(loc, what, "give the bridge a name of its own")
        for key, way in (("rtp", bridge.rtp), ("usrp", bridge.usrp)):
            if way is None or way.listen is None:
                continue
            first = udp_address(way.listen)
            taken = [first]
            if bridge.rtp is not None and bridge.rtp.rtcp:
                taken.append(Address(first.host, first.port + 1))
            at = (*loc, key, "listen")
            other = next(
                (user for user, _ in known if any(_meet(user, one) for one in taken)), None
            )
            if other is not None:
                user = next(where for address, where in known if address is other)
                what = f"{way.listen} (and the port after it, for RTCP) is listened at already"
                yield Finding(at, what, f"see {subject.place(user)}")
            known += [(one, at) for one in taken]


def _meet(one: Address, other: Address) -> bool:
    """Whether two sockets cannot have both."""
    hosts = {ip_address(one.host), ip_address(other.host)}
    return one.port == other.port and (
        len(hosts) == 1 or any(host.is_unspecified for host in hosts)
    )
