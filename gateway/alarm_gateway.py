"""A gateway without its voice: its links, what it knows of others, its alarm side. No decisions.

`gateway.app` runs it beside the voice side, on this machine's clocks; `baiying scenario` runs it alone,
on virtual ones.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from gateway import __version__
from gateway.alarm.journal.journal import Journal, Kind, Row
from gateway.alarm.journal.keeper import JournalKeeper
from gateway.alarm_pieces import retention_of
from gateway.alarm_side import AlarmSide
from gateway.connections import Connections, RosterFeed
from gateway.endpoint_states import EndpointStates
from gateway.link.messages import IncidentState, Page
from gateway.ops.measures import Measures
from gateway.settings.model import Settings
from gateway.shared import Drivers, Shared


class AlarmGateway:
    """One run of one gateway between an open journal and the way to a broker.

    ``kernel_boot`` is the UUID of the machine's boot. ``incident_changed`` may be set to be told each
    incident's newest state, ``page_received`` each page that people are to hear of.
    """

    def __init__(
        self,
        settings: Settings,
        links: Connections,
        journal: Journal,
        drivers: Drivers,
        kernel_boot: str,
    ) -> None:
        self.links = links
        self.incident_changed: Callable[[IncidentState], None] = _nobody
        self.page_received: Callable[[Page], None] = _nobody
        links.control.announce_storage(stores=journal.fault is None)
        journal.on_fault(lambda fault: links.control.announce_storage(stores=fault is None))
        # On record; and the log's first, slower fsync is not the first press's.
        body = json.dumps({"version": __version__}).encode()
        journal.append_soon([Row(Kind.STARTED, links.boot, body)])
        self.roster = RosterFeed(links)
        states = EndpointStates(
            settings.gateway, links.topics, links.control, links.clock, self.roster.own_endpoint
        )
        self.roster.has_endpoint = states.__contains__
        self.shared = Shared(
            measures=Measures(),
            gateway=settings.gateway,
            boot=links.boot,
            kernel_boot=kernel_boot,
            topics=links.topics,
            control=links.control,
            clock=links.clock,
            new_id=links.new_id,
            counters=links.counters,
            states=states,
            drivers=drivers,
            data_dir=settings.data_dir,
        )
        self.alarm = AlarmSide(
            self.shared, settings, journal, links.media, self._incident, self._page
        )
        self._keeper = JournalKeeper(
            settings.gateway,
            links.topics,
            links.control,
            journal,
            links.clock,
            retention_of(settings),
        )
        for name, endpoint in settings.endpoints.items():
            states.add(name, endpoint.kind, endpoint.site)

    async def start(self, group: asyncio.TaskGroup) -> None:
        """Take up the journal, open inputs and cameras, go to the broker.

        Raises:
            StorageError: the journal cannot be read.
            DriverUnavailable: a driver marked ``required`` cannot be loaded.
        """
        if self.alarm.handover.hands:
            # What standbys have taken over meanwhile is heard before it is taken up.
            self.links.start(group)
            await self.alarm.start(group)
        else:
            await self.alarm.start(group)
            self.links.start(group)
        group.create_task(self._keeper.run(), name="journal")

    async def reload(self, group: asyncio.TaskGroup, before: Settings, after: Settings) -> None:
        """Change what differs."""
        for name in before.endpoints.keys() - after.endpoints.keys():
            self.shared.states.remove(name)
        for name, endpoint in after.endpoints.items():
            self.shared.states.add(name, endpoint.kind, endpoint.site)
        await self.alarm.reload(group, after)

    async def stop(self) -> None:
        """Close the inputs, say the journal's head and `offline`, and hang up."""
        await self.alarm.stop()
        self._keeper.tell()
        await self.links.stop()

    def _incident(self, state: IncidentState) -> None:
        self.incident_changed(state)

    def _page(self, page: Page) -> None:
        self.page_received(page)


def _nobody(_: object) -> None:
    pass
