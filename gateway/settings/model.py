"""Every key of the configuration: type, unit, default and meaning, in one place.

The string below a field is its description: it goes into the JSON Schema for editors and into
``docs/configuration.md``. Models are frozen and strict: a scalar of the wrong YAML type is an
error, never converted, and an unknown key is an error. References between parts (a plan that
names a group) are marked here with `Refers` and checked in `gateway.settings.references`.
"""

from dataclasses import dataclass
from datetime import date
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from gateway.alarm import standby
from gateway.alarm.plans import plan as plans
from gateway.alarm.plans.calendars import parse_day_time, parse_days
from gateway.settings.addresses import broker_address, listen_address, udp_address
from gateway.settings.drivers import DriverChoice, DriverOf
from gateway.settings.forms import Forms
from gateway.settings.markers import Refers
from gateway.settings.squelch import SquelchTree

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
"""A name that goes into a topic (contract, head)."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
"""What is for people, or for a protocol; never empty."""


def _listed(value: object) -> object:
    """One value where a list may stand is a list of one."""
    if isinstance(value, list):
        return tuple(value)
    return (value,) if isinstance(value, str) else value


class _OrOne:
    """Says in the JSON Schema what `_listed` does."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        listed = handler(schema)
        return {"anyOf": [listed["items"], listed]}


def _valid_broker(text: str) -> str:
    broker_address(text)
    return text


def _valid_listen(text: str) -> str:
    listen_address(text)
    return text


def _valid_udp(text: str) -> str:
    udp_address(text)
    return text


def _valid_network(text: str) -> str:
    try:
        ip_network(text)
    except ValueError:
        raise ValueError(f"{text!r} is no address; write 10.0.0.5 or 10.0.0.0/24") from None
    return text


def _valid_day_time(text: str) -> str:
    parse_day_time(text)
    return text


def _valid_clock(text: str) -> str:
    parse_day_time(f"{text}-{text}")
    return text


def _valid_date(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no date; write 2026-09-01") from None
    return text


def _valid_days(text: str) -> str:
    try:
        parse_days(text)
    except ValueError as error:
        raise ValueError(f"{error}; write 2026-10-01 or 2026-10-01..2026-10-07") from None
    return text


def _valid_output_line(text: str) -> str:
    output, separator, line = text.partition("/")
    if not (output and separator and line):
        raise ValueError(f"{text!r} is no line of an output; write OUTPUT/LINE")
    return text


def _valid_zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"there is no time zone {text!r}; write Asia/Shanghai") from None
    return text


def _worded(value: object) -> object:
    """YAML reads true and false as truth values; as verdicts they are words."""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else value


T = TypeVar("T")
Listed = Annotated[tuple[T, ...], Field(strict=False)]
"""A YAML list; tuple because settings are frozen."""
OneOrMany = Annotated[tuple[T, ...], BeforeValidator(_listed), Field(strict=False), _OrOne()]
"""One value, or a list of them."""

AnsweredBy = Annotated[
    Listed[Identifier] | Literal["any", "all"] | Annotated[int, Field(ge=1)],
    Forms("a list of parties, any, all, or how many groups"),
]
Verdict = Literal["true", "false", "test", "unknown"]
Dispositions = Annotated[
    Listed[Identifier] | dict[Identifier, Annotated[Verdict, BeforeValidator(_worded)]],
    Forms("a list of words, or a mapping of words to verdicts"),
]
ClockText = Annotated[str, AfterValidator(_valid_clock)]
DateText = Annotated[str, AfterValidator(_valid_date)]
Target = Annotated[float, Field(ge=1, le=604_800, allow_inf_nan=False)]
DayTimeText = Annotated[str, AfterValidator(_valid_day_time)]
DaysText = Annotated[str, AfterValidator(_valid_days)]
OutputLine = Annotated[str, AfterValidator(_valid_output_line)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
OfSite = Annotated[str, StringConstraints(pattern=r"^([a-z0-9][a-z0-9-]{0,63}|@site)$")]
"""An identifier, or ``@site``: the site's own."""

SiteName = Annotated[Identifier, Refers("sites")]
InputName = Annotated[Identifier, Refers("inputs")]
CalendarName = Annotated[Identifier, Refers("calendars")]
RotaName = Annotated[Identifier, Refers("rotas")]
TalkgroupName = Annotated[Identifier, Refers("talkgroups")]
GroupName = Annotated[Identifier, Refers("groups")]

Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Position = Annotated[tuple[Latitude, Longitude], Field(strict=False)]
Priority = Annotated[int, Field(ge=0, le=255)]
Language = Literal["zh", "en"]
HowAnnounced = Literal["wait", "pre-empt", "off"]


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
        arbitrary_types_allowed=True,
        populate_by_name=True,
    )


class Mqtt(_Model):
    """The broker and how to reach it."""

    broker: Annotated[str, AfterValidator(_valid_broker)] = "embedded"
    """``embedded`` (a mosquitto of our own), ``mqtt://host:port`` or ``mqtts://host:port``."""
    listen: Annotated[str, AfterValidator(_valid_listen)] = "127.0.0.1:1883"
    """``host:port`` on which the embedded broker listens. Beyond loopback it needs users and TLS."""
    root: Identifier = "baiying"
    """First level of every topic."""
    username: Text | None = None
    """MQTT user name; default is the gateway's name. It must be that name where the broker's ACL follows the contract."""
    password_file: Path | None = None
    """File whose first line is the password."""
    ca_file: Path | None = None
    """PEM file of authorities to trust for ``mqtts``; default is the system's."""
    cert_file: Path | None = None
    """PEM certificate: the client's for ``mqtts``, the server's for the embedded broker."""
    key_file: Path | None = None
    """PEM private key of ``cert_file``."""
    users_file: Path | None = None
    """For the embedded broker: lines ``name:password`` of further clients that may connect."""


class Site(_Model):
    """Premises of one organisation (单位)."""

    name: Text
    """Name for people."""
    class_: Identifier = Field(alias="class")
    """Kind of organisation: hospital, school, bank, mall ..."""
    street: Identifier | None = None
    """Street (街道) that it belongs to."""
    grid: Identifier | None = None
    """Grid cell (网格) that it lies in."""
    position: Position | None = None
    """Latitude and longitude, WGS 84 degrees."""
    tags: Listed[Identifier] = ()
    """Free labels that plans can match."""
    places: dict[Identifier, Text] = {}
    """Names for people of its places, by ``place``: what an announcement says instead of ``south-gate``."""


class Indications(_Model):
    """Lines that show or sound at its place what has become of an alarm, each as ``OUTPUT/LINE``."""

    stored: OneOrMany[OutputLine] = ()
    """On once the alarm is on disk: from then on it cannot be lost."""
    received: OneOrMany[OutputLine] = ()
    """On once a machine of those called has signed for it."""
    taken: OneOrMany[OutputLine] = ()
    """On while a person of those called has it."""
    fault: OneOrMany[OutputLine] = ()
    """On while the endpoint or its input has a fault or is tampered with, or alarms cannot be stored."""
    unheard: OneOrMany[OutputLine] = ()
    """On from ``unheard_after_s`` on until somebody has received the alarm; needs no broker. For a siren or a local relay."""
    unheard_after_s: Annotated[float, Field(ge=1, le=3600, allow_inf_nan=False)] = 5.0
    """Seconds from the alarm until it counts as unheard."""


NO_INDICATIONS = Indications()


class Agc(_Model):
    """Automatic gain: soft talkers louder, loud ones softer. What is no speech does not move it."""

    target_dbfs: Annotated[float, Field(ge=-40, le=-6, allow_inf_nan=False)] = -20.0
    """Loudness that speech is brought to, in dB below a full-scale square wave."""
    max_gain_db: Annotated[float, Field(ge=0, le=40, allow_inf_nan=False)] = 20.0
    """The most that a soft talker is made louder."""
    attack_s: Annotated[float, Field(ge=0.02, le=5, allow_inf_nan=False)] = 0.1
    """Time constant with which it follows speech that grows louder."""
    release_s: Annotated[float, Field(ge=0.02, le=30, allow_inf_nan=False)] = 1.0
    """Time constant with which it follows speech that grows softer."""


class Processing(_Model):
    """What is done to what an endpoint captures, in this order; each step only where it is asked for."""

    dc_block: bool = False
    """Take a constant offset away: a high pass of first order at 20 Hz."""
    high_pass_hz: Annotated[float, Field(ge=100, le=1000, allow_inf_nan=False)] | None = None
    """Take away what lies below: 40 dB less from 0.847 of this on. 300 takes away every CTCSS tone."""
    de_emphasis: bool = False
    """For a receiver's discriminator output: 6 dB an octave from 300 Hz (-3 dB) on, unchanged at 1 kHz."""
    agc: Agc | None = None
    """Automatic gain; ``{}`` has the defaults."""
    limiter_dbfs: Annotated[float, Field(ge=-20, le=0, allow_inf_nan=False)] | None = None
    """No sample above this; looks 5 ms ahead, by which speech is later. Best with ``agc``: -1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A thing at a site that speaks, listens or raises (终端)."""

    # No _Model: a district has 30,000, and slots take a tenth of what a dict of 30 keys does.
    __pydantic_config__: ClassVar[ConfigDict] = _Model.model_config

    kind: Literal["button", "intercom", "radio", "relay", "camera"]
    """What it is."""
    site: SiteName
    """Where it is."""
    place: Identifier | None = None
    """A spot at the site; endpoints that share it belong together (the button, intercom and camera of one gate)."""
    name: Text | None = None
    """Name for people; default is the key."""
    input: InputName | None = None
    """The alarm input that it raises through."""
    line: Identifier | None = None
    """The line of that input (gpio, virtual)."""
    account: Text | None = None
    """The panel's account digits, quoted."""
    zone: Text | None = None
    """The panel's zone or user digits, quoted; without it every zone of the account that no other endpoint has."""
    category: Identifier | None = None
    """Category of its alarms (panic, fire, medical ...); it wins over the panel's event code."""
    latch: bool | None = None
    """Whether its alarm stays until a person resets it; default is true for category panic, else false."""
    hold_s: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 0.0
    """Seconds for which it must stay pressed for its alarm to count: a guard against a chance touch."""
    presses: Annotated[int, Field(ge=1, le=5)] = 1
    """How many presses within ``presses_within_s`` its alarm needs to count."""
    presses_within_s: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] = 2.0
    """The time for them, in seconds."""
    confirm_by: OneOrMany[Annotated[Identifier, Refers("endpoints")]] = ()
    """Endpoints of which one must be in alarm too for its alarm to count; alone it is category ``unconfirmed``."""
    confirm_within_s: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = 30.0
    """How far apart the two may be, in seconds."""
    stuck_after_s: Annotated[float, Field(ge=1, le=86_400, allow_inf_nan=False)] | None = None
    """Seconds in alarm after which it is reported as stuck; default is 60 where its input has lines, never for a panel's."""
    test_every_days: Annotated[float, Field(gt=0, le=3_660, allow_inf_nan=False)] | None = None
    """Days within which it is to be tested, instead of ``testing: {every_days:}``."""
    covert: bool = False
    """Whether nothing at its place may show or sound that it was pressed."""
    duress_codes: OneOrMany[Text] = ()
    """Event codes, such as ``E121``, that are an alarm under duress whatever else they say."""
    duress_zones: OneOrMany[Text] = ()
    """User digits of the panel, quoted, whose every signal is an alarm under duress."""
    indications: Indications = NO_INDICATIONS
    """What shows at its place; not for a covert one."""
    drills: bool = False
    """Whether a drill's patch may open it. One that is not marked is never opened by a drill."""
    hot_mic: bool = True
    """Whether a level's ``hot_mic_s`` may open its microphone; only an intercom's is ever opened."""
    talkgroup: TalkgroupName | None = None
    """The talkgroup it speaks on and hears."""
    hears: Listed[TalkgroupName] = ()
    """Further talkgroups that it hears."""
    audio: Annotated[DriverChoice, DriverOf("audio")] | None = None
    """Audio driver: soundcard, udp, file."""
    ptt: Annotated[DriverChoice, DriverOf("ptt")] | None = None
    """How its transmitter is keyed: serial-line, gpio, cm108, pty. Without one it plays without keying."""
    squelch: SquelchTree | None = None
    """How incoming speech is noticed: serial-line, gpio, cm108, pty, vox, ctcss, or several joined by all, any, not."""
    camera: Annotated[DriverChoice, DriverOf("camera")] | None = None
    """Camera driver: rtsp, http, file."""
    priority: Priority = 100
    """Priority of its floor requests; only a strictly higher one pre-empts."""
    tx_delay_s: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] = 0.0
    """Seconds from key-up to the first audio, for a repeater to open."""
    tail_s: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] = 0.0
    """Seconds the transmitter stays keyed after the last audio."""
    rx_mute_s: Annotated[float, Field(ge=0, le=5, allow_inf_nan=False)] = 0.3
    """Seconds after transmitting during which squelch is not listened to."""
    mix: Literal["one", "duck"] | None = None
    """Of several talkgroups at once, hear ``one`` (the most important) or all, the others softer (``duck``); default is one with ``ptt``, duck without."""
    ducking_db: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 15.0
    """Decibels that less important talkgroups are softer while a more important one is heard; 60 is silence."""
    pre_emphasis: bool = False
    """Whether what it transmits is made brighter by 6 dB an octave from 300 to 3,400 Hz (1 at 1 kHz) and limited: for a transmitter's flat input only, a microphone input does it itself."""
    pre_roll_s: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    """Seconds of audio from before the squelch opened that are sent first; default 0.4 with ctcss, 0.2 with vox, else 0.1."""
    processing: Processing | None = None
    """What is done to its audio before it is sent; default is nothing."""
    squelch_tail_cut_ms: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] = 0.0
    """Milliseconds before the squelch closed that are not sent: the burst of noise after a carrier's end. Speech is later by as much."""
    input_timeout_s: Annotated[float, Field(ge=1, le=86_400, allow_inf_nan=False)] | None = None
    """Seconds after which a squelch that never closes is no longer listened to, until it has closed; default is twice the talkgroup's ``tot_s``."""
    tones: bool = True
    """Whether its talker hears tones of the floor: granted, denied, queued, your turn, time running out, revoked, timed out."""
    pre_alarm_s: Annotated[float, Field(ge=0, le=300, allow_inf_nan=False)] = 0.0
    """Seconds of its microphone kept in memory, to be stored when an incident is raised at its place; 0 keeps nothing. Ask whoever is heard there first."""


class Talkgroup(_Model):
    """A half-duplex voice channel with one talker at a time (通话组)."""

    name: Text | None = None
    """Name for people; default is the key."""
    tot_s: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = 30.0
    """Talk limit in seconds, counted from the first media packet (TS 24.380 T2)."""
    hang_time_s: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 2.0
    """Seconds that the talkgroup is kept for its conversation after a burst."""
    max_age_s: Annotated[float, Field(gt=0, le=30, allow_inf_nan=False)] = 2.0
    """Voice older than this is dropped."""
    controllers: Listed[Identifier] = ()
    """Gateways that may control the floor, in order of preference; default: the lowest name online."""
    priority_cap: Priority = 255
    """Highest priority that the controller believes."""
    queue_length: Annotated[int, Field(ge=0, le=32)] = 0
    """How many requests may wait while another talks; 0: who finds the floor taken is denied, unless it pre-empts."""
    pre_alert_s: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 5.0
    """Seconds before the talk limit at which the talker hears a warning; 0 for none, nor where ``tot_s`` is no longer."""
    retry_after_s: Annotated[float, Field(ge=0, le=300, allow_inf_nan=False)] = 2.0
    """Penalty: seconds for which a talker who ran into the talk limit is denied the floor; an emergency is exempt."""
    bitrate_bps: Annotated[int, Field(ge=6_000, le=128_000)] = 24_000
    """Opus bit rate of bursts from this gateway."""
    redundancy: bool = False
    """Whether each packet of this gateway carries the one five before it once more, so that up to five lost in a row are whole again, 100 ms later and for a third more bytes. Only where packets are really lost: over TCP they are late instead."""
    record: bool = False
    """Whether each gateway with an endpoint on it records every burst, also others'. Off, because people are to know that they are recorded."""


class Group(_Model):
    """People who answer together (响应组)."""

    name: Text
    """Name for people."""
    party: Identifier
    """Which of the parties it stands for in a quorum: police, hospital, street ..."""
    talkgroup: TalkgroupName
    """The talkgroup that it listens on."""
    street: Identifier | None = None
    """Street, for ``page_where``."""
    grid: Identifier | None = None
    """Grid cell, for ``page_where``."""
    class_: Identifier | None = Field(default=None, alias="class")
    """Class of organisation, for ``page_where``."""
    tags: Listed[Identifier] = ()
    """Free labels, for ``page_where``."""
    position: Position | None = None
    """Latitude and longitude, WGS 84 degrees, for ``nearest``: where it is while no client of it says so."""
    drills: bool = False
    """Whether drills may call it. One that is not marked never hears of a drill."""
    language: Language | None = None
    """Language of what is announced to it; default: ``announcements: {language:}``, else zh where its name has a Chinese character, else en."""


class Calendar(_Model):
    """Days on which something holds."""

    weekdays: OneOrMany[Weekday] = ()
    """mon, tue, wed, thu, fri, sat, sun; default is every day."""
    first: DateText | None = None
    """Its first day, as ``2026-09-01``."""
    last: DateText | None = None
    """Its last day."""
    exceptions: OneOrMany[DaysText] = ()
    """Days on which it does not hold: ``2026-10-01``, or ``2026-10-01..2026-10-07``."""
    additional: OneOrMany[DaysText] = ()
    """Days on which it holds whatever else it says, such as a working Saturday."""


class Shift(_Model):
    """One group's hours in a rota."""

    group: GroupName
    """Who is on duty."""
    time: OneOrMany[DayTimeText] = ()
    """Times of day, as ``20:00-08:00``; one past midnight belongs to the day on which it begins."""
    weekdays: OneOrMany[Weekday] = ()
    """mon, tue, wed, thu, fri, sat, sun; default is every day."""
    calendar: OneOrMany[CalendarName] = ()
    """Calendars; any of them."""


class Rota(_Model):
    """Who is on duty when."""

    shifts: Annotated[tuple[Shift, ...], Field(strict=False, min_length=1)]
    """The shifts; those that overlap are on duty together."""
    otherwise: GroupName | None = None
    """Who is called while nobody is on duty, or when whoever is declines."""


class When(_Model):
    """What a plan is for. Every key given must match; a list matches any of its values."""

    endpoint: OneOrMany[Annotated[Identifier, Refers("endpoints", elsewhere=True)]] = ()
    """Endpoints."""
    site: OneOrMany[SiteName] = ()
    """Sites."""
    class_: OneOrMany[Identifier] = Field(default=(), alias="class")
    """Classes of site."""
    street: OneOrMany[Identifier] = ()
    """Streets of site."""
    grid: OneOrMany[Identifier] = ()
    """Grid cells of site."""
    tag: OneOrMany[Identifier] = ()
    """Tags of site; any of them."""
    category: OneOrMany[Identifier] = ()
    """Categories of alarm; ``trouble`` is tamper, fault, battery and lost."""
    code: OneOrMany[Text] = ()
    """Event codes, such as ``E120``."""
    time: OneOrMany[DayTimeText] = ()
    """Times of day at which it opens, as ``08:00-18:00``; one past midnight belongs to the day on which it begins."""
    weekdays: OneOrMany[Weekday] = ()
    """mon, tue, wed, thu, fri, sat, sun; default is every day."""
    calendar: OneOrMany[CalendarName] = ()
    """Calendars; any of them."""


class PageWhere(_Model):
    """Groups chosen by what they are. Every key given must match; ``@site`` is the site's own value."""

    street: OneOrMany[OfSite] = ()
    """Streets."""
    grid: OneOrMany[OfSite] = ()
    """Grid cells."""
    class_: OneOrMany[OfSite] = Field(default=(), alias="class")
    """Classes."""
    party: OneOrMany[Identifier] = ()
    """Parties."""
    tag: OneOrMany[Identifier] = ()
    """Tags; any of them."""


class Nearest(_Model):
    """The groups that are nearest to the site when the level starts."""

    count: Annotated[int, Field(ge=1, le=100)]
    """How many."""
    party: OneOrMany[Identifier] = ()
    """Of which parties; default is any."""
    max_distance_m: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """How far away at most, in metres."""
    max_age_s: Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)] = 120.0
    """How old a client's position may be."""


class Targets(_Model):
    """Seconds from the raising within which the first group is to be so far; null switches a clock off.

    One that runs out is a breach of the incident.
    """

    ack_s: Target | None = plans.DEFAULT_TARGET
    """Until somebody has it."""
    en_route_s: Target | None = plans.DEFAULT_TARGET
    """Until somebody is on the way."""
    on_scene_s: Target | None = plans.DEFAULT_TARGET
    """Until somebody is there."""
    handled_s: Target | None = plans.DEFAULT_TARGET
    """Until somebody has handled it."""


class Level(_Model):
    """One step of a plan. Widening only adds groups."""

    name: Text
    """Name for people: 吹哨响应, 双向响应, 一呼百应."""
    page: Listed[GroupName] = ()
    """Groups called at this level."""
    page_where: PageWhere | None = None
    """Further groups, by what they are."""
    page_rota: OneOrMany[RotaName] = ()
    """Further groups: whoever is on duty by these rotas when the level starts."""
    nearest: Nearest | None = None
    """Further groups: those nearest to the site when the level starts."""
    patch: bool = False
    """Open the incident's talkgroup and join the place's endpoints and the paged groups to it."""
    hot_mic_s: Annotated[float, Field(ge=0, le=600, allow_inf_nan=False)] = 30.0
    """With ``patch``: seconds for which the microphones of the place's intercoms are open on the incident's talkgroup without anybody pressing, at floor priority 0; never where it is covert. 0: never."""
    announce: HowAnnounced | None = None
    """How its pages are spoken: ``wait`` until nobody talks, ``pre-empt`` whoever does, or ``off``; default is the plan's."""
    answered_by: AnsweredBy | None = None
    """Parties of which each must ack, ``any``, ``all``, or how many groups; a later level inherits it; without one any single ack answers."""
    ack_within_s: Annotated[float, Field(ge=1, le=86_400, allow_inf_nan=False)] = 60.0
    """Seconds after which the next level starts."""

    @model_validator(mode="after")
    def _patched(self) -> Self:
        if "hot_mic_s" in self.model_fields_set and self.hot_mic_s and not self.patch:
            raise ValueError("hot_mic_s needs patch: true, for a talkgroup to open it on")
        return self


class Plan(_Model):
    """Which groups are called for which signal, in which levels (预案). The first that matches is used."""

    name: Text | None = None
    """Name for people; default is the key."""
    when: When = When()
    """What it is for; empty matches everything."""
    severity: Annotated[int, Field(ge=1, le=4)] | None = None
    """1 (highest) to 4; default 1 for panic and duress, 3 for assist, else 2."""
    ack_expires_s: Annotated[float, Field(ge=1, le=86_400, allow_inf_nan=False)] | None = None
    """Seconds after which an ack that nothing followed no longer counts; default is never."""
    targets: Targets = Targets()
    """Within which time what is to be reached."""
    announce: HowAnnounced = "wait"
    """How the pages of its levels are spoken: ``wait`` until nobody talks, ``pre-empt`` whoever does, or ``off``."""
    levels: Annotated[tuple[Level, ...], Field(strict=False, min_length=1)]
    """The steps, first to last."""


class Cap(_Model):
    """Incidents as messages of the Common Alerting Protocol 1.2, on ``cap/<gateway>``."""

    sender: Annotated[str, StringConstraints(pattern=r"^[^\s,<&]{1,200}$")] | None = None
    """Who is named as the originator; no space, comma, < or &. Default is the gateway's name."""
    sender_name: Text | None = None
    """Name of the originator for people; default is the gateway's name."""
    language: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] = (
        "zh-CN"
    )
    """Language of headlines and descriptions (RFC 3066)."""


class CloudEvents(_Model):
    """Signals and incidents as CloudEvents 1.0, on ``cloudevents/<gateway>``."""


class HomeAssistant(_Model):
    """Buttons, pages and the gateway itself, found by Home Assistant."""

    prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = "homeassistant"
    """Its discovery prefix: the first level of the ``config`` topics."""


class Neighbours(_Model):
    """Other systems that are told of alarms and incidents over the same broker; none by default."""

    cap: Cap | None = None
    """Common Alerting Protocol 1.2."""
    cloudevents: CloudEvents | None = None
    """CloudEvents 1.0."""
    home_assistant: HomeAssistant | None = None
    """Home Assistant's MQTT discovery."""


class Heartbeat(_Model):
    """How often somebody is expected to be heard."""

    heartbeat_s: Annotated[float, Field(ge=1, le=2_678_400, allow_inf_nan=False)]
    """Seconds between two signs of life; an incident opens before the silence has lasted 2.5 times as long."""


class Supervision(_Model):
    """Who is expected to be heard; whose silence opens an incident of category supervision."""

    inputs: dict[Identifier, Heartbeat] = {}
    """Alarm inputs: a panel is heard by its heartbeats and signals, lines while their device can be read."""
    endpoints: dict[Identifier, Heartbeat] = {}
    """Endpoints: one with an account is heard by its signals, such as its daily test; any other while its devices are well."""
    gateways: dict[Identifier, Heartbeat] = {}
    """Other gateways on the broker, which are asked each time; a gateway passes over its own name."""
    responders: dict[Identifier, Heartbeat] = {}
    """Clients of responders: heard by their Presence, receipts and actions."""


class Journal(_Model):
    """The record of everything that happened."""

    keep_days: Annotated[int, Field(ge=1, le=36_600)] | None = 400
    """Days after which a whole month moves to an archive; null: never."""
    archive: Path | None = None
    """Folder of the archives, which nothing removes; default: ``archive`` in ``data_dir``."""


class Recordings(_Model):
    """How long recordings of talkgroups and of what was heard before alarms are kept."""

    talkgroups: Listed[TalkgroupName] = ()
    """Talkgroups that this gateway records although it has no endpoint there, or they have no ``record``; for a recorder in the control room."""
    incidents: bool = False
    """Whether the talkgroups that incidents open are recorded too."""
    keep_days: Annotated[float, Field(gt=0, le=36_600, allow_inf_nan=False)] | None = 30.0
    """Days after which a recording is removed; null: never."""
    keep_incident_days: Annotated[float, Field(gt=0, le=36_600, allow_inf_nan=False)] | None = 400.0
    """The same for recordings of incidents."""
    max_gib: Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)] | None = 10.0
    """GiB that all of them may take; beyond it the oldest go, those of incidents last. null: no limit."""
    keep_free_mib: Annotated[int, Field(ge=64, le=1_000_000)] = 256
    """MiB of the disk that recordings leave to the journal: below it the oldest go, and then none begins."""


class Testing(_Model):
    """Tests of buttons and panels."""

    every_days: Annotated[float, Field(gt=0, le=3_660, allow_inf_nan=False)] | None = 30.0
    """Days within which each endpoint that raises is to be tested; null asks for no tests."""


class Flapping(_Model):
    """When an input that changes all the time is told in counts instead of signal by signal."""

    changes: Annotated[int, Field(ge=0, le=1_000)] = 10
    """An input flaps once it changed more often than this within the time; 0 is never."""
    within_s: Annotated[float, Field(ge=1, le=3_600, allow_inf_nan=False)] = 60.0
    """Seconds within which changes are counted."""
    tell_each_s: Annotated[float, Field(ge=1, le=3_600, allow_inf_nan=False)] = 10.0
    """Seconds from one count to the next while it flaps."""


class Standby(_Model):
    """The gateways that go on with another one's incidents while it is gone."""

    by: Annotated[tuple[Identifier, ...], Field(strict=False, min_length=1)]
    """Their names, in order: the first that is online takes over."""
    adopt_after_s: Annotated[float, Field(ge=1, le=3600, allow_inf_nan=False)] = standby.ADOPT_AFTER
    """Seconds offline after which its incidents are taken over; above the 5 s in which a lost broker is tried again."""
    give_back_after_s: Annotated[float, Field(ge=1, le=86_400, allow_inf_nan=False)] = (
        standby.GIVE_BACK_AFTER
    )
    """Seconds back online after which it takes them back."""


class DrillSchedule(_Model):
    """On which days, and when. Without days of any kind it is every day."""

    dates: OneOrMany[DaysText] = ()
    """Days: ``2026-11-24``, or ``2026-11-24..2026-11-27``."""
    weekdays: OneOrMany[Weekday] = ()
    """mon, tue, wed, thu, fri, sat, sun."""
    week: Annotated[int, Field(ge=1, le=5)] | None = None
    """Only in this week of the month: 1 is the first seven days; for a monthly drill."""
    calendar: OneOrMany[CalendarName] = ()
    """Calendars; any of them."""
    at: ClockText | None = None
    """At this time, as ``10:00``."""
    between: DayTimeText | None = None
    """At a time drawn by lot within these hours, as ``09:00-17:00``; nobody can look it up."""

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        if (self.at is None) == (self.between is None):
            raise ValueError("needs either at or between; write at: 10:00 in quotes")
        return self


class Drill(_Model):
    """A drill that is held by itself (演练)."""

    endpoint: Annotated[Identifier, Refers("endpoints")] | None = None
    """The button that is pressed; or ``site`` and ``category``."""
    site: SiteName | None = None
    """Where it is raised, as if by hand."""
    category: Identifier | None = None
    """As what it is raised at the site."""
    plan: Annotated[Identifier, Refers("plans")] | None = None
    """The plan to use at the site; default is the first that matches."""
    text: Text | None = None
    """What those called to the site are told."""
    schedule: DrillSchedule
    """When it is held."""
    sealed: bool = True
    """Whether the journal holds a hash of when and where it will be, a day ahead."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.endpoint is None) == (self.site is None):
            raise ValueError("needs either an endpoint or a site")
        if self.endpoint is not None and (self.category, self.plan, self.text) != (None,) * 3:
            raise ValueError("category, plan and text are for a site; what is pressed says its own")
        return self


class Announcements(_Model):
    """What is spoken on a group's talkgroup when a page for it is received here; espeak-ng is the voice."""

    times: Annotated[int, Field(ge=0, le=5)] = 2
    """How often each is said, while nobody of the group has acked; 0: nothing is announced."""
    pause_s: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 3.0
    """Seconds between two times, for people to answer."""
    within_s: Annotated[float, Field(ge=1, le=600, allow_inf_nan=False)] = 30.0
    """Seconds from the page on within which it is begun; what could not have the floor by then is not said."""
    priority: Priority = 50
    """Floor priority of one that waits: above a hot microphone's 0, below people's 100."""
    pre_empt_priority: Priority = 150
    """Floor priority of one that pre-empts."""
    language: Language | None = None
    """Language of groups that name none."""
    voices: dict[
        Language, Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9+_-]{0,63}$")]
    ] = {}
    """Voice of espeak-ng by language; default: zh is cmn-latn-pinyin, en is en-gb."""
    speed_wpm: Annotated[int, Field(ge=80, le=300)] = 150
    """Speed in words a minute."""
    level_dbfs: Annotated[float, Field(ge=-40, le=-10, allow_inf_nan=False)] = -20.0
    """Loudness of the speech, as its RMS."""
    chime: bool = True
    """Whether two tones come first; they are also what is heard where no voice can be rendered."""
    cache_mb: Annotated[int, Field(ge=1, le=10_000)] = 300
    """Megabytes of ``data_dir`` for what is rendered ahead; about 75 KB for each name."""


UdpText = Annotated[str, AfterValidator(_valid_udp)]
NetworkText = Annotated[str, AfterValidator(_valid_network)]


class _Speaking(_Model):
    """How what comes in over a bridge asks for the floor."""

    priority: Priority = 100
    """Floor priority of what comes in."""
    pre_roll_s: Annotated[float, Field(ge=0.04, le=2, allow_inf_nan=False)] = 1.0
    """Seconds of what comes in that wait at most for the floor, and are then sent first."""
    guard_s: Annotated[float, Field(ge=0, le=5, allow_inf_nan=False)] | None = 0.3
    """Seconds after something was sent out for which nothing is taken in, so that an echo does not come back; null: taken in at any time, and by its priority it may take the floor from who talks."""


class RtpBridge(_Speaking):
    """RTP with Opus (RFC 3550, RFC 7587), as ffmpeg, GStreamer and IP speakers take it; nothing is coded anew."""

    send: UdpText | None = None
    """Where the talkgroup is sent, as ``10.0.0.7:5004`` or a multicast group ``239.1.2.3:5004``; default: nowhere."""
    listen: UdpText | None = None
    """Where a talker is listened to: an address of this machine, or a multicast group; default: nobody speaks."""
    sources: Listed[NetworkText] = ()
    """Addresses or networks that are listened to, as ``10.0.0.7`` or ``10.0.0.0/24``; ``listen`` needs them."""
    payload_type: Annotated[int, Field(ge=96, le=127)] = 111
    """RTP payload type of Opus, in both directions."""
    ttl: Annotated[int, Field(ge=0, le=255)] = 1
    """How many routers multicast may pass, and one more; 1 stays in the network, 0 on this machine."""
    interface: Annotated[str, StringConstraints(pattern=r"^[^\s/]{1,15}$")] | None = None
    """Network interface for multicast, as ``eth0``; default is the system's choice."""
    sdp: Path | None = None
    """File that describes what is sent (SDP, RFC 8866), written at each start, for players to open."""
    rtcp: bool = True
    """Whether reports are sent each 5 s and BYE at the end, on the port after ``send``; and listened to on the port after ``listen``."""

    @model_validator(mode="after")
    def _of_use(self) -> Self:
        if self.send is None and self.listen is None:
            raise ValueError("needs send, listen or both")
        if self.listen is not None and not self.sources:
            raise ValueError("listen needs sources: else anybody could speak; name 10.0.0.7")
        if self.sdp is not None and self.send is None:
            raise ValueError("sdp describes what is sent; add send")
        for text in (self.send, self.listen):
            if text is not None and self.rtcp and udp_address(text).port == 65_535:
                raise ValueError("RTCP needs the port after 65535; take a lower one")
        _same_family(self.listen, self.send)
        return self


class UsrpBridge(_Speaking):
    """USRP, the UDP protocol of AllStarLink's chan_usrp and of what bridges to it: PCM at 8 kHz, keyed."""

    listen: UdpText
    """Where the peer sends to, an address of this machine, as ``127.0.0.1:34001``."""
    send: UdpText
    """Where the peer listens, as ``127.0.0.1:32001``."""
    sources: Listed[NetworkText] = ()
    """Addresses or networks that are listened to; default: the one of ``send``."""
    number: Annotated[int, Field(ge=0, le=4_294_967_295)] = 0
    """Talkgroup number in what is sent; what comes in may have any."""

    @model_validator(mode="after")
    def _unicast(self) -> Self:
        for text in (self.listen, self.send):
            if ip_address(udp_address(text).host).is_multicast:
                raise ValueError("USRP goes from one peer to one; name no group")
        _same_family(self.listen, self.send)
        return self


def _same_family(listen: str | None, send: str | None) -> None:
    hosts = [ip_address(udp_address(text).host) for text in (listen, send) if text is not None]
    if len({host.version for host in hosts}) > 1:
        raise ValueError("listen and send are of IPv4 and IPv6; take one of both")
    if send is not None and hosts[-1].is_unspecified:
        raise ValueError(f"nothing can be sent to {send}; name the receiver")


class Bridge(_Model):
    """A talkgroup joined to another system; it talks as ``<gateway>/<name of the bridge>``. One of ``rtp`` and ``usrp``."""

    talkgroup: TalkgroupName
    """The talkgroup."""
    rtp: RtpBridge | None = None
    """By RTP with Opus."""
    usrp: UsrpBridge | None = None
    """By USRP."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.rtp is None) == (self.usrp is None):
            raise ValueError("needs either rtp or usrp")
        return self


class Metrics(_Model):
    """Figures for Prometheus, at ``http://LISTEN/metrics``."""

    listen: Annotated[str, AfterValidator(_valid_listen)] = "127.0.0.1:9469"
    """Address and port; whoever reaches it can read every figure, so best one of this machine."""


class Settings(_Model):
    """One gateway's whole configuration, includes merged. Nobody below `gateway.app` sees all of it."""

    gateway: Identifier
    """This gateway's name; unique on the broker."""
    data_dir: Path = Path("data")
    """Folder for the journal, the control socket and the embedded broker's files."""
    include: Listed[Text] = ()
    """Files to merge; a key set twice is an error."""
    mqtt: Mqtt = Mqtt()
    """The broker."""
    sites: dict[Identifier, Site] = {}
    """Premises, by name."""
    inputs: dict[Identifier, Annotated[DriverChoice, DriverOf("input")]] = {}
    """Alarm inputs, by name."""
    outputs: dict[Identifier, Annotated[DriverChoice, DriverOf("output")]] = {}
    """Alarm outputs, by name: lamps, relays and sirens, which ``indications`` switch."""
    endpoints: dict[Identifier, Endpoint] = {}
    """Endpoints of this gateway, by name."""
    talkgroups: dict[Identifier, Talkgroup] = {}
    """Talkgroups, by name."""
    groups: dict[Identifier, Group] = {}
    """Responder groups, by name."""
    plans: dict[Identifier, Plan] = {}
    """Plans, by name, in order of precedence."""
    timezone: Annotated[Text, AfterValidator(_valid_zone)] | None = None
    """Time zone of all hours and dates, as ``Asia/Shanghai``; default is the machine's."""
    calendars: dict[Identifier, Calendar] = {}
    """Calendars, by name."""
    rotas: dict[Identifier, Rota] = {}
    """Duty rotas, by name."""
    serves: Listed[GroupName] | None = None
    """Groups whose pages this gateway receives; default: those whose talkgroup has an endpoint here."""
    supervision: Supervision = Supervision()
    """Who is expected to be heard."""
    journal: Journal = Journal()
    """How long the journal keeps what happened, and where that goes then."""
    recordings: Recordings = Recordings()
    """How long recordings are kept."""
    testing: Testing = Testing()
    """How often buttons are to be tested."""
    flapping: Flapping = Flapping()
    """When an input that changes all the time is told in counts."""
    standbys: dict[Identifier, Standby] = {}
    """Who stands by for which gateway; the same in every gateway's configuration, so best in a shared file."""
    drills: dict[Identifier, Drill] = {}
    """Drills that are held by themselves, by name."""
    announcements: Announcements = Announcements()
    """How pages are spoken."""
    metrics: Metrics | None = None
    """Figures for Prometheus; ``{}`` for the defaults, null for none."""
    bridges: dict[Identifier, Bridge] = {}
    """Talkgroups joined to other systems, by name."""
    neighbours: Neighbours = Neighbours()
    """Other systems that are told of alarms and incidents."""
    dispositions: Dispositions | None = None
    """Dispositions that may close an incident, a list or a mapping to verdicts (true, false, test, unknown); default: any."""
