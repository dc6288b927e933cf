"""The media connection: pictures, so that an alarm never queues behind half a megabyte."""

from __future__ import annotations

import random
from collections.abc import Callable

from gateway.link.address import BrokerAddress
from gateway.link.dial import Profile
from gateway.link.session import ControlLink
from gateway.ops.clock import SystemClock
from gateway.ops.counters import Counters

MEDIA_PROFILE = Profile(keep_alive=30, path_timeout=15.0, max_packet_bytes=(512 + 8) * 1024)
"""A picture of 512 KiB may take a thin line many seconds; only alarms and voice are in a hurry."""


class MediaLink(ControlLink):
    """The MQTT client ``<name>.media``: QoS 1, without presence. Used from the loop only."""

    def __init__(
        self,
        name: str,
        address: BrokerAddress,
        *,
        counters: Counters | None = None,
        clock: SystemClock | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(
            f"{name}.media",
            address,
            counters=counters,
            profile=MEDIA_PROFILE,
            clock=clock,
            jitter=jitter,
        )
