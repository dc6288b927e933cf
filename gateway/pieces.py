"""From the settings to each voice service's own piece of them. No decisions, only translation."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path

from gateway import squelches
from gateway.link.messages import IncidentState
from gateway.moment import parse_timestamp
from gateway.settings import facts
from gateway.settings.addresses import udp_address
from gateway.settings.announced import vocabulary_of
from gateway.settings.drivers import DriverChoice
from gateway.settings.model import Bridge, Endpoint, Settings, Talkgroup
from gateway.settings.squelch import leaves
from gateway.voice.announcing.announcer import Addressee, AnnouncerOptions
from gateway.voice.announcing.stock import StockOptions
from gateway.voice.announcing.turns import TurnRules
from gateway.voice.announcing.wording import (
    Phrase,
    default_language,
    known_kinds,
    vocabulary,
)
from gateway.voice.bridges.options import (
    BridgeOptions,
    RtpOptions,
    SpeakingOptions,
    UdpAddress,
    UsrpOptions,
)
from gateway.voice.endpoint_ports import EndpointOptions, TalkgroupFacts
from gateway.voice.keying.keyer_client import KeyedEndpoint
from gateway.voice.processing.agc import AgcOptions
from gateway.voice.processing.chain import ProcessingOptions
from gateway.voice.recording.incidents import Occasion
from gateway.voice.recording.recorder import RecorderOptions
from gateway.voice.recording.retention import Limits
from gateway.voice.talkgroup import TalkgroupOptions


def recordings_of(settings: Settings) -> Path:
    """The folder of recordings."""
    return settings.data_dir / "recordings"


def recorder_options_of(settings: Settings) -> RecorderOptions:
    """What is recorded, and for how long it is kept."""
    kept = settings.recordings
    here = {
        name
        for endpoint in settings.endpoints.values()
        if endpoint.audio is not None
        for name in (endpoint.talkgroup, *endpoint.hears)
    }
    recorded = {name for name, one in settings.talkgroups.items() if one.record and name in here}
    return RecorderOptions(
        talkgroups=frozenset(recorded | {*kept.talkgroups}),
        incidents=kept.incidents,
        pre_alarm={
            name: endpoint.pre_alarm_s
            for name, endpoint in settings.endpoints.items()
            if endpoint.pre_alarm_s and endpoint.audio is not None
        },
        limits=Limits(
            keep=None if kept.keep_days is None else kept.keep_days * 86_400.0,
            keep_incident=None
            if kept.keep_incident_days is None
            else kept.keep_incident_days * 86_400.0,
            max_bytes=None if kept.max_gib is None else int(kept.max_gib * 1024**3),
            keep_free=kept.keep_free_mib * 1024**2,
        ),
    )


def occasion_of(settings: Settings, state: IncidentState) -> tuple[Occasion, frozenset[str]]:
    """An open incident as the recorder knows it, and the endpoints of this gateway at its place.

    Of a drill only those that are marked for drills.
    """
    home = state.home or state.owner
    ours = home == settings.gateway
    occasion = Occasion(
        incident=state.id,
        talkgroup=state.talkgroup,
        talkers=frozenset(f"{home}/{name}" for name in state.endpoints),
        severity=state.severity,
        raised=parse_timestamp(state.raised),
        drill=state.drill,
    )
    places = frozenset(
        name
        for name in state.endpoints
        if ours
        and (endpoint := settings.endpoints.get(name)) is not None
        and (endpoint.drills or not state.drill)
    )
    return occasion, places


def pre_roll_of(endpoint: Endpoint) -> float:
    """Seconds of audio from before the squelch opened that are sent first.

    VOX needs speech to notice speech, so it looks further back than a line does, and a tone squelch
    further still; of several joined the slowest counts. A line's edge comes
    through the keyer, which a busy machine may hold up by tens of milliseconds (measured: 60 ms at
    a load of 6 on two cores cost three blocks of a first word with a pre-roll of 40 ms). Silence in
    it costs no delay: the receiver skips it.
    """
    if endpoint.pre_roll_s is not None:
        return endpoint.pre_roll_s
    return max((_notices(choice) for choice in leaves(endpoint.squelch)), default=0.1)


def _notices(choice: DriverChoice) -> float:
    """Seconds of pre-roll that one kind of squelch needs, none of them spared."""
    return float(getattr(choice.options, "pre_roll", 0.1))


def group_endpoints(settings: Settings, groups: frozenset[str]) -> Mapping[str, frozenset[str]]:
    """For each of ``groups``, the endpoints of this gateway on its talkgroup."""
    return {
        group: frozenset(
            name
            for name, endpoint in settings.endpoints.items()
            if endpoint.audio is not None and endpoint.talkgroup == settings.groups[group].talkgroup
        )
        for group in groups
        if group in settings.groups
    }


def joined_endpoints(settings: Settings, state: IncidentState) -> frozenset[str]:
    """The endpoints of this gateway that an incident's patch joins.

    Those of its place are at the gateway that raised it. A covert incident opens none of them: what
    responders say would be heard there. A drill opens only what is marked for drills.
    """
    joined: set[str] = set()
    if (state.home or state.owner) == settings.gateway and not state.covert:
        joined.update(
            name
            for name in state.endpoints
            if (endpoint := settings.endpoints.get(name)) is not None
            and endpoint.audio is not None
            and (endpoint.drills or not state.drill)
        )
    paged = facts.serves_of(settings) & state.groups.keys()
    for endpoints in group_endpoints(settings, paged).values():
        joined |= endpoints
    return frozenset(joined)


def hot_microphones(settings: Settings, state: IncidentState) -> frozenset[str]:
    """The intercoms of this gateway whose microphones an incident opens.

    Only for an incident that this gateway raised, by its own word or a standby's: nobody else may
    listen in at a place. Never where it is covert, and in a drill only what is marked for drills.
    """
    own = settings.gateway
    standby = settings.standbys.get(own)
    trusted = {own, *(() if standby is None else standby.by)}
    over = state.state not in ("open", "answered") or state.hot_mic_until is None
    if over or state.covert or (state.home or state.owner) != own or state.owner not in trusted:
        return frozenset()
    return frozenset(
        name
        for name in state.endpoints
        if (endpoint := settings.endpoints.get(name)) is not None
        and endpoint.kind == "intercom"
        and endpoint.audio is not None
        and endpoint.hot_mic
        and (endpoint.drills or not state.drill)
    )


def announcer_options_of(settings: Settings) -> AnnouncerOptions:
    """The announcer's piece: whom it speaks to, how, and what it may have to say."""
    wanted = settings.announcements
    groups = {
        name: Addressee(
            talkgroup=settings.groups[name].talkgroup,
            language=settings.groups[name].language
            or wanted.language
            or default_language(settings.groups[name].name),
            drills=settings.groups[name].drills,
        )
        for name in sorted(facts.serves_of(settings))
        if name in settings.groups
    }
    return AnnouncerOptions(
        rules=TurnRules(times=wanted.times, pause=wanted.pause_s, within=wanted.within_s),
        priority=wanted.priority,
        pre_empt_priority=wanted.pre_empt_priority,
        chime=wanted.chime,
        stock=StockOptions(
            voices={str(language): voice for language, voice in wanted.voices.items()},
            speed_wpm=wanted.speed_wpm,
            level_dbfs=wanted.level_dbfs,
            most_bytes=wanted.cache_mb * 1_000_000,
        ),
        groups=groups,
        vocabulary=_phrases_of(settings, groups) if wanted.times else (),
    )


def _phrases_of(settings: Settings, groups: Mapping[str, Addressee]) -> tuple[Phrase, ...]:
    """Every phrase that may be needed, in every language spoken here; what is sure to be comes first."""
    said = vocabulary_of(settings)
    languages = sorted({group.language for group in groups.values()}, reverse=True)
    phrases: list[Phrase] = []
    for language in languages:
        phrases += vocabulary(language, levels=said.levels, categories=said.categories)
    for language in languages:
        phrases += vocabulary(language, sites=said.sites, places=said.places)
    for language in languages:
        phrases += known_kinds(language)
    return tuple(dict.fromkeys(phrases))


def talkgroups_of(settings: Settings) -> dict[str, TalkgroupOptions]:
    """The floor's piece of every configured talkgroup."""
    return {
        name: TalkgroupOptions(
            tot=talkgroup.tot_s,
            hang_time=talkgroup.hang_time_s,
            max_age=talkgroup.max_age_s,
            controllers=talkgroup.controllers,
            priority_cap=talkgroup.priority_cap,
            queue_length=talkgroup.queue_length,
            retry_after=talkgroup.retry_after_s,
            pre_alert=talkgroup.pre_alert_s,
        )
        for name, talkgroup in settings.talkgroups.items()
    }


def bridges_of(settings: Settings) -> dict[str, BridgeOptions]:
    """The bridges, as voice knows them."""
    return {
        name: BridgeOptions(talkgroup=one.talkgroup, way=_way_of(one))
        for name, one in settings.bridges.items()
    }


def _way_of(bridge: Bridge) -> RtpOptions | UsrpOptions:
    way = bridge.rtp or bridge.usrp
    assert way is not None, "the settings have one"
    speaking = SpeakingOptions(priority=way.priority, pre_roll=way.pre_roll_s, guard=way.guard_s)
    sources = tuple(ip_network(text) for text in way.sources)
    if bridge.usrp is not None:
        send = _udp_of(bridge.usrp.send)
        return UsrpOptions(
            send=send,
            listen=_udp_of(bridge.usrp.listen),
            sources=sources or (ip_network(send.ip),),
            number=bridge.usrp.number,
            speaking=speaking,
        )
    assert bridge.rtp is not None
    rtp = bridge.rtp
    return RtpOptions(
        send=None if rtp.send is None else _udp_of(rtp.send),
        listen=None if rtp.listen is None else _udp_of(rtp.listen),
        sources=sources,
        payload_type=rtp.payload_type,
        ttl=rtp.ttl,
        interface=rtp.interface,
        sdp=rtp.sdp,
        rtcp=rtp.rtcp,
        speaking=speaking,
    )


def _udp_of(text: str) -> UdpAddress:
    host, port = udp_address(text)
    return UdpAddress(ip_address(host), port)


def talkgroup_facts_of(settings: Settings, talkgroup: str) -> TalkgroupFacts:
    """An endpoint's piece of a talkgroup; an incident's talkgroup has the defaults."""
    known = settings.talkgroups.get(talkgroup, _DEFAULTS)
    return TalkgroupFacts(
        tot=known.tot_s,
        hang_time=known.hang_time_s,
        bitrate_bps=known.bitrate_bps,
        redundancy=known.redundancy,
    )


def endpoint_options_of(name: str, endpoint: Endpoint) -> EndpointOptions:
    """The voice piece of one endpoint."""
    return EndpointOptions(
        name=name,
        priority=endpoint.priority,
        tx_delay=endpoint.tx_delay_s,
        tail=endpoint.tail_s,
        rx_mute=endpoint.rx_mute_s,
        pre_roll=pre_roll_of(endpoint),
        processing=processing_of(endpoint),
        tail_cut=endpoint.squelch_tail_cut_ms / 1000,
        input_timeout=endpoint.input_timeout_s,
        has_ptt=endpoint.ptt is not None,
        tones=endpoint.tones,
        mixes=mixes(endpoint),
        ducking_db=endpoint.ducking_db,
        pre_emphasis=endpoint.pre_emphasis,
    )


def mixes(endpoint: Endpoint) -> bool:
    """Whether it plays several talkgroups at once: a loudspeaker does, a radio's channel is for one conversation."""
    return endpoint.ptt is None if endpoint.mix is None else endpoint.mix == "duck"


def processing_of(endpoint: Endpoint) -> ProcessingOptions | None:
    """What is done to an endpoint's audio."""
    asked = endpoint.processing
    if asked is None:
        return None
    agc = None
    if asked.agc is not None:
        agc = AgcOptions(
            target_dbfs=asked.agc.target_dbfs,
            max_gain_db=asked.agc.max_gain_db,
            attack=asked.agc.attack_s,
            release=asked.agc.release_s,
        )
    return ProcessingOptions(
        dc_block=asked.dc_block,
        high_pass_hz=asked.high_pass_hz,
        de_emphasis=asked.de_emphasis,
        agc=agc,
        limiter_dbfs=asked.limiter_dbfs,
    )


def keyed_endpoints_of(endpoints: Mapping[str, Endpoint]) -> list[KeyedEndpoint]:
    """What the keyer holds: every endpoint with a line."""
    return [
        held
        for name, endpoint in endpoints.items()
        if endpoint.audio is not None
        for held in squelches.keyed(name, endpoint)
    ]


_OF_DEVICES = (
    "audio", "ptt", "squelch", "priority", "tx_delay_s", "tail_s", "rx_mute_s", "pre_roll_s", "pre_alarm_s",
    "tones", "squelch_tail_cut_ms", "input_timeout_s", "processing", "mix", "ducking_db", "pre_emphasis",
)  # fmt: skip
"""The keys of an endpoint that it is opened with; what is not among them changes while it runs."""


def same_devices(old: Endpoint, new: Endpoint) -> bool:
    """Whether two settings of one endpoint differ at most in what can change while it runs."""
    same = all(getattr(old, key) == getattr(new, key) for key in _OF_DEVICES)
    return same and old.audio is not None


def has_line(endpoint: Endpoint) -> bool:
    """Whether the keyer holds a PTT or a squelch line under the endpoint's own name."""
    return endpoint.ptt is not None or bool(squelches.senses("", endpoint))


_DEFAULTS = Talkgroup()
