"""The figures of one gateway in Prometheus' text format, made by prometheus-client. No decisions.

Names begin with ``baiying_``; durations are seconds. The buckets of the KPIs of TS 22.179 (6.15)
have its limits among their bounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from gateway.standing import OUTCOMES, Standing

HELP = {
    "floor.access": "TS 22.179 KPI 1: from asking for the floor to having it",
    "voice.end_to_end_access": "TS 22.179 KPI 2: from the first word of a burst to its sound here; clocks of both ends",
    "voice.mouth_to_ear": "TS 22.179 KPI 3: from a word to its sound here; clocks of both ends",
    "voice.late_entry": "TS 22.179 KPI 4a: from coming to a talkgroup in a burst to its sound",
    "loop.lag": "How late the event loop's own timer was",
}


def page(standing: Standing) -> tuple[str, bytes]:
    """Content type and body."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(standing))
    return CONTENT_TYPE_PLAIN_0_0_4, generate_latest(registry)


class _Figures(Collector):
    def __init__(self, standing: Standing) -> None:
        self._standing = standing

    def describe(self) -> Iterable[Metric]:
        return ()  # registering asks nothing of the gateway

    def collect(self) -> Iterator[Metric]:
        facts = self._standing.facts
        info = GaugeMetricFamily("baiying_info", "This gateway", labels=("gateway", "version"))
        info.add_metric((facts.gateway, facts.version), 1)
        yield info
        started = "baiying_start_time_seconds"
        yield GaugeMetricFamily(started, "When it started, POSIX seconds", value=facts.started)
        yield from self._links()
        yield from self._voice()
        yield from self._alarms()
        yield from self._histograms()
        counts = CounterMetricFamily(
            "baiying_count", "Everything that is counted, by name", labels=("what",)
        )
        for what, number in facts.counters.snapshot().items():
            counts.add_metric((what,), number)
        yield counts

    def _links(self) -> Iterator[Metric]:
        links = GaugeMetricFamily(
            "baiying_broker_connected", "Whether a connection stands", labels=("connection",)
        )
        for name, connected in self._standing.facts.connected().items():
            links.add_metric((name,), connected)
        yield links

    def _voice(self) -> Iterator[Metric]:
        facts = self._standing.facts
        frames = CounterMetricFamily(
            "baiying_voice_frames",
            "What was played, by talkgroup and kind: played, recovered (FEC), concealed; and bursts with clipped_starts",
            labels=("talkgroup", "kind"),
        )
        for (talkgroup, kind), number in sorted(facts.frames.items()):
            frames.add_metric((talkgroup, kind), number)
        yield frames
        outcomes = CounterMetricFamily(
            "baiying_floor_requests", "What became of requests for the floor", labels=("outcome",)
        )
        for kind in OUTCOMES:
            outcomes.add_metric((kind,), facts.counters[f"floor.outcome.{kind}"])
        yield outcomes
        taken = GaugeMetricFamily(
            "baiying_talkgroup_taken", "Whether somebody has the floor", labels=("talkgroup",)
        )
        queue = GaugeMetricFamily(
            "baiying_talkgroup_queue", "Who waits for the floor", labels=("talkgroup",)
        )
        for now in facts.talkgroups():
            taken.add_metric((now.name,), now.talker is not None)
            queue.add_metric((now.name,), len(now.queue))
        yield taken
        yield queue
        ptt = GaugeMetricFamily("baiying_endpoint_ptt", "Whether it is keyed", labels=("endpoint",))
        squelch = GaugeMetricFamily(
            "baiying_endpoint_squelch_open", "Whether its squelch is open", labels=("endpoint",)
        )
        faults = GaugeMetricFamily(
            "baiying_endpoint_faults", "How many parts of it are at fault", labels=("endpoint",)
        )
        for one in self._standing.endpoints():
            if one.talkgroup is not None or one.hears:
                ptt.add_metric((one.endpoint,), one.ptt)
                squelch.add_metric((one.endpoint,), one.squelch_open)
            if one.faults:  # of thousands of buttons only those that have any
                faults.add_metric((one.endpoint,), len(one.faults))
        yield ptt
        yield squelch
        yield faults

    def _alarms(self) -> Iterator[Metric]:
        figures = self._standing.facts.figures()
        yield CounterMetricFamily(
            "baiying_signals", "Signals since the start", value=figures.signals
        )
        gauges = {
            "alarms_10min": ("Alarms in the last 600 s (EEMUA 191)", figures.alarms_10min),
            "alarms_10min_peak": ("The most there were", figures.peak_10min),
            "flood": ("Whether there is an alarm flood", figures.flood),
            "incidents_standing": ("Incidents that are not closed", figures.standing),
            "incidents_stale": ("Of these, older than a day", figures.stale),
            "endpoints_shelved": ("Endpoints whose troubles are shelved", figures.shelved),
            "signals_waiting": ("Signals taken and not decided yet", figures.waiting),
        }
        for name, (about, value) in gauges.items():
            yield GaugeMetricFamily(f"baiying_{name}", about, value=value)
        for name, about, count in (
            ("floods", "Alarm floods since the start", figures.floods),
            ("flood_seconds", "How long they lasted, all together", figures.flood_s),
            ("signals_folded", "Signals told in counts", figures.folded),
            ("signals_refused", "Signals that could not be taken", figures.refused),
        ):
            yield CounterMetricFamily(f"baiying_{name}", about, value=count)

    def _histograms(self) -> Iterator[Metric]:
        measures = self._standing.facts.measures
        for name in measures.names():
            family = HistogramMetricFamily(
                f"baiying_{name.replace('.', '_')}_seconds", HELP.get(name, name), labels=("of",)
            )
            for label, histogram in sorted(measures.of(name).items()):
                family.add_metric((label,), histogram.cumulative(), histogram.total)
            yield family
