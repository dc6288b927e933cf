"""How old a packet is, without clocks that agree. Pure.

Age is relative (contract, section 3): arrival minus capture, less the smallest such difference of
that client in the last 60 s. The smallest one stands for the clocks' offset plus the quickest way
here; what is more than that is age. The packet itself counts among them, so no age is negative.
"""

from __future__ import annotations

from collections import deque

WINDOW = 60.0
"""Seconds over which the smallest difference is sought (contract)."""
MAX_CLIENTS = 1024
"""Clients remembered; past it the one that came first is forgotten."""
MAX_SAMPLES = 4096
"""Differences kept of one client: more than `WINDOW` of packets, each later than the one before."""


class Ages:
    """The differences of all clients that were heard."""

    def __init__(self) -> None:
        # Of each client (arrival, difference), both ascending: one that a later and smaller one
        # follows can never be the smallest again.
        self._clients: dict[str, deque[tuple[float, float]]] = {}

    def age(self, client: str, captured: float, arrival: float) -> float:
        """Seconds of age of a packet.

        ``captured`` is on the client's clock; ``arrival`` on any clock of ours that never goes back.
        """
        difference = arrival - captured
        samples = self._clients.get(client)
        if samples is None:
            if len(self._clients) >= MAX_CLIENTS:
                del self._clients[next(iter(self._clients))]
            samples = self._clients[client] = deque(maxlen=MAX_SAMPLES)
        while samples and arrival - samples[0][0] > WINDOW:
            samples.popleft()
        while samples and samples[-1][1] >= difference:
            samples.pop()
        samples.append((arrival, difference))
        return difference - samples[0][1]
