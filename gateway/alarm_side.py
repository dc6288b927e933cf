"""The alarm side put together: desk, responder, watch, devices. No decisions of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from gateway.alarm.desk import Desk
from gateway.alarm.drilling import Drilling
from gateway.alarm.gauges import Gauges
from gateway.alarm.handover import Handover
from gateway.alarm.journal.journal import Journal
from gateway.alarm.neighbours.neighbours import Neighbours
from gateway.alarm.pictures.picture import Pictures
from gateway.alarm.pictures.store import PictureStore
from gateway.alarm.plans.choosing import Choosing
from gateway.alarm.plans.plan import SUPERVISION
from gateway.alarm.plans.rehearsal import Question
from gateway.alarm.raised import Identity, Listeners, Raised
from gateway.alarm.responder import Responder
from gateway.alarm.supervision.presence import Presences
from gateway.alarm.supervision.watch import Watch
from gateway.alarm_devices import AlarmDevices
from gateway.alarm_pieces import buttons_of, rules_of, watching_of
from gateway.control.server import Handler
from gateway.input_states import InputStates
from gateway.link.media_link import MediaLink
from gateway.link.messages import Action, EndpointState, IncidentState, Page
from gateway.requests.alarm import AlarmRequests
from gateway.requests.drills import DrillRequests
from gateway.requests.explain import ExplainRequests
from gateway.requests.outputs import OutputRequests
from gateway.requests.shelving import ShelvingRequests
from gateway.requests.tests import ButtonTestRequests
from gateway.settings import facts
from gateway.settings.chains import Chains
from gateway.settings.explanation import explain
from gateway.settings.model import Settings
from gateway.shared import Shared

_LOGGER = logging.getLogger(__name__)


class AlarmSide:
    """From a press to a closed incident, on one gateway."""

    def __init__(
        self,
        shared: Shared,
        settings: Settings,
        journal: Journal,
        media: MediaLink,
        on_incident: Callable[[IncidentState], None],
        on_page: Callable[[Page], None],
    ) -> None:
        self._shared = shared
        self._settings = settings
        self._on_incident = on_incident
        self._on_page = on_page
        gateway, topics, counters = shared.gateway, shared.topics, shared.counters
        self._presences = Presences()
        self._rules = rules_of(settings)
        self._choosing = Choosing(
            self._rules.groups, facts.rotas_of(settings), self._presences, self._rules.zone
        )
        self.handover = Handover(
            gateway,
            shared.kernel_boot,
            topics,
            shared.control,
            journal,
            shared.clock,
            counters,
            self._send_again,
        )
        self.handover.configure(facts.standbys_of(settings))
        self.desk = Desk(
            Identity(gateway=gateway, boot=shared.boot, kernel_boot=shared.kernel_boot),
            self._rules,
            topics,
            shared.control,
            journal,
            shared.clock,
            shared.new_id,
            counters,
            Listeners(
                stored=self.handover.own,
                event=self._raised,
                page=self._paged_here,
                incident=self._own_incident,
            ),
            self._choosing,
            self.handover.owned_elsewhere,
        )
        self.responder = Responder(
            gateway,
            topics,
            shared.control,
            journal,
            shared.clock,
            shared.new_id,
            counters,
            serves=facts.serves_of(settings),
            on_page=self._announce,
            on_state=self._state_arrived,
            deliver=self.desk.deliver,
        )
        self._gauges = Gauges(gateway, topics, shared.control, self.desk.figures)
        self._neighbours = Neighbours(
            gateway,
            topics,
            shared.control,
            counters,
            self._position,
            lambda: shared.clock.now().wall,
        )
        self._drilling = Drilling(self.desk, journal, shared.clock, shared.data_dir / "drill.key")
        self._watch = Watch(
            gateway,
            shared.boot,
            topics,
            shared.control,
            journal,
            shared.clock,
            counters,
            self._presences,
            self.desk.report,
            self.desk.source_of,
            self._is_well,
            shared.data_dir / "alive",
        )
        self._devices = AlarmDevices(shared, settings, self.desk.take, self._watch.input_heard)
        self._outputs = self._devices.outputs
        self._pictures = Pictures(
            gateway,
            topics,
            media,
            self._devices.cameras,
            PictureStore(shared.data_dir / "pictures"),
            shared.clock,
            counters,
        )
        self._tests = ButtonTestRequests(
            self.desk, lambda: buttons_of(self._settings), shared.clock, journal.standing
        )
        self._input_states = InputStates(shared.states, self.desk, settings.endpoints)
        self._shelving = ShelvingRequests(
            self.desk,
            self.desk.source_of,
            journal.append,
            shared.clock,
            self._input_states.show_shelf,
        )
        shared.states.on_change(self._endpoint_changed)
        shared.states.give_way(self.desk.busy, self.desk.crowded)
        journal.on_fault(self._watch.storage)
        journal.on_fault(self._storage_changed)
        journal.on_fault(self._outputs.storage)
        self._outputs.storage(journal.fault)

    async def start(self, group: asyncio.TaskGroup) -> None:
        """Take up the journal, then open inputs and cameras.

        Raises:
            StorageError: the journal cannot be read.
            DriverUnavailable: a driver marked ``required`` cannot be loaded.
        """
        group.create_task(self.responder.run(), name="responder")
        group.create_task(self._pictures.run(), name="pictures")
        group.create_task(self._neighbours.run(), name="neighbours")
        self._drilling.configure(facts.drills_of(self._settings), facts.zone_of(self._settings))
        self._tell_neighbours(self._settings)
        group.create_task(self.desk.run(), name="desk")
        await self.desk.ready()
        group.create_task(self.handover.run(self.desk), name="handover")
        group.create_task(self._gauges.run(), name="gauges")
        self._watch.configure(watching_of(self._settings))
        group.create_task(self._watch.run(), name="watch")
        group.create_task(self._find_chains(self._settings), name="chains")
        group.create_task(self._drilling.run(), name="drills")
        self._outputs.take_up(self.desk.incidents())
        self._outputs.configure(facts.signs_of(self._settings), facts.drilled_of(self._settings))
        self._devices.start_outputs(group)
        self._input_states.show_all()
        self._devices.start_inputs(group)
        self._devices.start_cameras(group)

    async def settled(self) -> None:
        """Returns once every input, output and camera is up or reported as faulted."""
        await self._devices.settled()

    async def stop(self) -> None:
        """Close inputs and outputs; what the inputs have handed over is stored."""
        await self._devices.stop()

    async def reload(self, group: asyncio.TaskGroup, settings: Settings) -> None:
        """Change what differs; running incidents keep their plans and timers."""
        self._settings = settings
        self._input_states.configure(settings.endpoints)
        self._rules = rules_of(settings)
        self._choosing.reload(self._rules.groups, facts.rotas_of(settings), self._rules.zone)
        self.desk.reload(self._rules)
        self._watch.configure(watching_of(settings))
        group.create_task(self._find_chains(settings), name="chains")
        self.responder.serve(facts.serves_of(settings))
        self._tell_neighbours(settings)
        self._drilling.configure(facts.drills_of(settings), facts.zone_of(settings))
        self._outputs.configure(facts.signs_of(settings), facts.drilled_of(settings))
        await self._devices.reload(group, settings)
        self._input_states.show_all()
        # A reload that says it is done has its new devices open, or reported as faulted.
        await self._devices.inputs.settled()
        await self._outputs.settled()

    def handlers(self) -> Mapping[str, Handler]:
        """What a person may ask of the alarm side."""
        return {
            **AlarmRequests(self.desk, self.responder).handlers(),
            **self._tests.handlers(),
            **self._shelving.handlers(),
            **DrillRequests(self._drilling).handlers(),
            **OutputRequests(self._outputs).handlers(),
            **ExplainRequests(self._explain, self._shared.clock).handlers(),
        }

    def _explain(self, question: Question) -> dict[str, Any]:
        return explain(self._settings, self._rules, self._choosing, question)

    # What desk and responder say

    def _raised(self, raised: Raised) -> None:
        event = raised.event
        if event is None:
            return
        if raised.told:
            self._neighbours.event(event)
        self._tests.raised(raised)
        self._outputs.raised(raised)
        if event.endpoint is not None:
            self._input_states.show(event.endpoint)
            if len(self.desk.intake.shelving):
                self._input_states.show_shelf(event.endpoint)
            if event.category != SUPERVISION:
                self._watch.endpoint_signalled(event.endpoint)
        if event.signal == "alarm":
            for state in raised.incidents:
                first = () if state.endpoint is None else (state.endpoint,)
                self._pictures.take(state.id, (*first, *state.endpoints))

    def _paged_here(self, page: Page) -> None:
        """A page of our own to a group served here does not need the broker."""
        if page.group in self.responder.serves:
            self.responder.receive(page)

    def _state_arrived(self, state: IncidentState) -> None:
        self.handover.heard(state)
        self._outputs.incident(state)
        self._on_incident(state)

    def _send_again(self, action: Action) -> None:
        self.responder.send_again(action)

    def _own_incident(self, state: IncidentState) -> None:
        for endpoint in state.endpoints:
            self._input_states.show(endpoint)
        if state.state == "closed":
            self._pictures.closed(state.id)
        self.responder.observe(state)
        self._neighbours.incident(state)

    def _storage_changed(self, fault: str | None) -> None:
        if fault is None:
            self.desk.store_again()

    def _tell_neighbours(self, settings: Settings) -> None:
        self._neighbours.configure(facts.neighbours_of(settings), facts.discovered_of(settings))

    def _position(self, site: str | None) -> tuple[float, float] | None:
        known = None if site is None else self._settings.sites.get(site)
        return None if known is None else known.position

    def _announce(self, page: Page) -> None:
        _LOGGER.warning(
            "PAGE for %s%s: %s; incident %s, level %d, talkgroup %s",
            page.group,
            " (drill)" if page.drill else "",
            page.title,
            page.incident,
            page.level,
            page.talkgroup or "none",
        )
        self._on_page(page)

    def _is_well(self, name: str) -> bool:
        return name in self._shared.states and self._shared.states.state(name).health != "fault"

    def _endpoint_changed(self, name: str, state: EndpointState | None) -> None:
        self._watch.endpoint_health(name, well=state is not None and state.health != "fault")
        self._outputs.endpoint(name, state)

    async def _find_chains(self, settings: Settings) -> None:
        """What depends on what, for the journal; a few endpoints at a time, thousands take a second."""
        chains = Chains(settings)
        for number, (name, endpoint) in enumerate(settings.endpoints.items()):
            chains.add(facts.source_of(name, endpoint))
            if number % 50 == 0:
                await asyncio.sleep(0)
        if settings is self._settings:  # else there was another reload meanwhile
            self._watch.take_chains(chains.chains())
