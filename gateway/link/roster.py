"""Who is online, and which gateways have an endpoint on a talkgroup. Pure.

Rules:

1. A gateway is online from its Status ``online`` until a Status that says otherwise, or until its
   retained Status is cleared. ``stopping`` counts as offline: such a gateway takes on nothing.
2. An EndpointState names a talkgroup by ``talkgroup`` or by ``hears`` (contract, section 2).
   What an offline gateway's endpoints name is kept, and counts again once it is online.
3. What is known holds for one connection to the broker. On its loss the owner calls `clear`: the
   retained topics tell everything again on the next connect, and what they no longer tell (the
   broker restarted empty, a gateway was taken away) must not live on here.
"""

from __future__ import annotations

from gateway.link.messages import EndpointState, Status


class Roster:
    """Presence of all gateways on the broker, fed from their retained topics."""

    def __init__(self) -> None:
        self._status: dict[str, Status] = {}
        self._endpoints: dict[str, dict[str, EndpointState]] = {}

    def status(self, gateway: str, status: Status | None) -> bool:
        """Take a gateway's Status, None where its topic was cleared; True if who is online changed."""
        before = self.is_online(gateway)
        if status is None:
            self._status.pop(gateway, None)
        else:
            self._status[gateway] = status
        return self.is_online(gateway) != before

    def endpoint(self, gateway: str, endpoint: str, state: EndpointState | None) -> bool:
        """Take an EndpointState, None where its topic was cleared; True if what it names changed."""
        known = self._endpoints.setdefault(gateway, {})
        before = known.pop(endpoint, None)
        if state is not None:
            known[endpoint] = state
        if not known:
            del self._endpoints[gateway]
        return _named(before) != _named(state)

    def knows(self, gateway: str, endpoint: str) -> bool:
        """Whether an EndpointState of it was taken."""
        return endpoint in self._endpoints.get(gateway, ())

    def clear(self) -> bool:
        """Forget everything: the broker was lost (rule 3); True if anything was known."""
        known = bool(self._status or self._endpoints)
        self._status.clear()
        self._endpoints.clear()
        return known

    def is_online(self, gateway: str) -> bool:
        status = self._status.get(gateway)
        return status is not None and status.state == "online"

    def online(self) -> frozenset[str]:
        """All gateways that are online."""
        return frozenset(gateway for gateway in self._status if self.is_online(gateway))

    def gateways_of(self, talkgroup: str) -> frozenset[str]:
        """The online gateways that have an endpoint which names ``talkgroup``."""
        return frozenset(
            gateway
            for gateway, endpoints in self._endpoints.items()
            if self.is_online(gateway)
            and any(talkgroup in _named(state) for state in endpoints.values())
        )

    def endpoints_of(self, gateway: str) -> tuple[EndpointState, ...]:
        """What is known of one gateway's endpoints, online or not, by name."""
        known = self._endpoints.get(gateway, {})
        return tuple(known[name] for name in sorted(known))


def _named(state: EndpointState | None) -> frozenset[str]:
    if state is None:
        return frozenset()
    speaks = () if state.talkgroup is None else (state.talkgroup,)
    return frozenset((*speaks, *state.hears))
