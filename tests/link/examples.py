"""One message of each kind, with the bytes it is on the wire."""

from gateway.link.messages import (
    Action,
    AlarmEvent,
    AlarmFigures,
    Alive,
    Announced,
    Breach,
    EndpointState,
    FloorAnswer,
    FloorRequest,
    FloorState,
    GroupState,
    IncidentState,
    JournalHead,
    Note,
    Page,
    PatchMembers,
    PatchState,
    Ping,
    Presence,
    Refusal,
    Status,
)

ID = "0190a5c0-0000-7000-8000-00000000000"
AT = "2026-11-24T05:45:08.123Z"

STATUS = Status(state="online", boot=ID + "1", version="0.1.0", since=AT)
ENDPOINT = EndpointState(
    endpoint="police-radio",
    kind="radio",
    site="zju1",
    health="ok",
    faults=(),
    talkgroup="police-xiaoying",
    hears=("incident-" + ID + "2",),
    ptt=False,
    squelch_open=True,
    input=None,
    since=AT,
)
REQUEST = FloorRequest(
    op="request", talker="zju1/police-radio", priority=100, emergency=False, seq=7
)
GRANTED = FloorAnswer(op="granted", talker="zju1/police-radio", seq=7, term=3, grant=9, tot_s=30.0)
DENIED = FloorAnswer(
    op="denied",
    talker="zju1/police-radio",
    seq=7,
    term=3,
    grant=9,
    cause=1,
    cause_text="another talks",
    retry_after_s=1.5,
)
FLOOR = FloorState(
    state="taken",
    talker="zju1/police-radio",
    priority=100,
    emergency=False,
    term=3,
    grant=9,
    since=AT,
    queue=(),
)
ALARM = AlarmEvent(
    id=ID + "3",
    gateway="zju1",
    site="zju1",
    endpoint="south-gate-button",
    signal="alarm",
    category="panic",
    code="E120",
    account="1234",
    zone="001",
    text="紧急求助",
    time=AT,
    seq=1,
    boot=ID + "1",
    drill=False,
    stored=True,
)
PAGE = Page(
    id=ID + "4",
    incident=ID + "2",
    group="police-xiaoying",
    level=1,
    title="浙大一院 panic",
    category="panic",
    severity=1,
    site="zju1",
    site_name="浙大一院",
    endpoint="south-gate-button",
    endpoints=("south-gate-button", "south-gate-intercom"),
    position=(30.2573, 120.1776),
    talkgroup=None,
    drill=False,
    raised=AT,
    sent=AT,
    ack_within_s=30.0,
    level_name="吹哨响应",
    place="南大门",
    announce="pre-empt",
)
RECEIPT = Action(
    id=ID + "5",
    incident=ID + "2",
    group="police-xiaoying",
    by="police",
    action="receipt",
    time=AT,
    page=ID + "4",
)
INCIDENT = IncidentState(
    id=ID + "2",
    state="open",
    level=1,
    plan="hospital-panic",
    category="panic",
    severity=1,
    site="zju1",
    site_name="浙大一院",
    endpoint="south-gate-button",
    endpoints=("south-gate-button",),
    drill=False,
    raised=AT,
    latched=True,
    input="alarm",
    talkgroup=None,
    groups={
        "police-xiaoying": GroupState(
            party="police",
            state="received",
            level=1,
            paged=AT,
            received=AT,
            acked=None,
            arrived=None,
            by=None,
        )
    },
    breaches=(Breach(kind="ack", level=1, time=AT),),
    disposition=None,
    closed=None,
    owner="zju1",
    owner_term=1,
    seq=4,
    applied=(ID + "5",),
    refused=Refusal(id=ID + "6", reason="disposition missing"),
    home="zju1",
    handler="li",
    notes=(Note(by="li", text="两人", time=AT),),
    hot_mic_until=AT,
)
PRESENCE = Presence(
    client="car-7",
    groups=("police-xiaoying",),
    on_duty=True,
    position=(30.2573, 120.1776),
    fixed=AT,
    interval_s=10.0,
    time=AT,
)
PING = Ping(interval_s=10.0, time=AT)
ALIVE = Alive(boot=ID + "1", time=AT)
HEAD = JournalHead(gateway="zju1", seq=7, hash="0f" * 32, time=AT)
FIGURES = AlarmFigures(
    gateway="zju1",
    time=AT,
    signals=90,
    signals_10min=30,
    alarms_10min=12,
    peak_10min=12,
    flood=True,
    floods=1,
    flood_s=4.5,
    standing=3,
    stale=1,
    shelved=2,
    folded=40,
    waiting=0,
    refused=0,
    busiest={"south-gate-button": 20},
)
ANNOUNCED = Announced(
    page=ID + "4",
    incident=ID + "2",
    group="police-xiaoying",
    level=1,
    talkgroup="police-xiaoying",
    by="police",
    time=AT,
)
PATCH = PatchState(
    id=ID + "7",
    name="马拉松",
    talkgroup="patch-" + ID + "7",
    members=PatchMembers(talkgroups=("police-xiaoying",), endpoints=("zju1/south-gate-intercom",)),
    owner="zju1",
    by="li",
    since=AT,
    until=AT,
    seq=1,
)

GOLDEN = [
    (
        STATUS,
        (
            b'{"v":1,"state":"online","boot":"0190a5c0-0000-7000-8000-000000000001",'
            b'"version":"0.1.0","since":"2026-11-24T05:45:08.123Z","storage":"ok",'
            b'"recording":"ok"}'
        ),
    ),
    (
        ENDPOINT,
        (
            b'{"v":1,"endpoint":"police-radio","kind":"radio","site":"zju1","health":"ok","faults":[],'
            b'"talkgroup":"police-xiaoying","hears":["incident-0190a5c0-0000-7000-8000-000000000002"],'
            b'"ptt":false,"squelch_open":true,"input":null,"since":"2026-11-24T05:45:08.123Z",'
            b'"shelved_until":null}'
        ),
    ),
    (
        REQUEST,
        b'{"v":1,"op":"request","talker":"zju1/police-radio","priority":100,"emergency":false,"seq":7}',
    ),
    (
        GRANTED,
        b'{"v":1,"op":"granted","talker":"zju1/police-radio","seq":7,"term":3,"grant":9,"tot_s":30.0}',
    ),
    (
        DENIED,
        (
            b'{"v":1,"op":"denied","talker":"zju1/police-radio","seq":7,"term":3,"grant":9,"cause":1,'
            b'"cause_text":"another talks","retry_after_s":1.5}'
        ),
    ),
    (
        FLOOR,
        (
            b'{"v":1,"state":"taken","talker":"zju1/police-radio","priority":100,"emergency":false,'
            b'"term":3,"grant":9,"since":"2026-11-24T05:45:08.123Z","queue":[]}'
        ),
    ),
    (
        ALARM,
        '{"v":1,"id":"0190a5c0-0000-7000-8000-000000000003","gateway":"zju1","site":"zju1",'
        '"endpoint":"south-gate-button","signal":"alarm","category":"panic","code":"E120",'
        '"account":"1234","zone":"001","text":"紧急求助","time":"2026-11-24T05:45:08.123Z","seq":1,'
        '"boot":"0190a5c0-0000-7000-8000-000000000001","drill":false,"stored":true,'
        '"covert":false,"shelved":false,"folded":0,"by":null}'.encode(),
    ),
    (
        PAGE,
        '{"v":1,"id":"0190a5c0-0000-7000-8000-000000000004",'
        '"incident":"0190a5c0-0000-7000-8000-000000000002","group":"police-xiaoying","level":1,'
        '"title":"浙大一院 panic","category":"panic","severity":1,"site":"zju1",'
        '"site_name":"浙大一院","endpoint":"south-gate-button",'
        '"endpoints":["south-gate-button","south-gate-intercom"],"position":[30.2573,120.1776],'
        '"talkgroup":null,"drill":false,"raised":"2026-11-24T05:45:08.123Z",'
        '"sent":"2026-11-24T05:45:08.123Z","ack_within_s":30.0,"covert":false,"text":null,'
        '"level_name":"吹哨响应","place":"南大门","announce":"pre-empt"}'.encode(),
    ),
    (
        RECEIPT,
        (
            b'{"v":1,"id":"0190a5c0-0000-7000-8000-000000000005",'
            b'"incident":"0190a5c0-0000-7000-8000-000000000002","group":"police-xiaoying",'
            b'"by":"police","action":"receipt","time":"2026-11-24T05:45:08.123Z",'
            b'"page":"0190a5c0-0000-7000-8000-000000000004"}'
        ),
    ),
    (
        INCIDENT,
        '{"v":1,"id":"0190a5c0-0000-7000-8000-000000000002","state":"open","level":1,'
        '"plan":"hospital-panic","category":"panic","severity":1,"site":"zju1",'
        '"site_name":"浙大一院","endpoint":"south-gate-button","endpoints":["south-gate-button"],'
        '"drill":false,"raised":"2026-11-24T05:45:08.123Z","latched":true,"input":"alarm",'
        '"talkgroup":null,"groups":{"police-xiaoying":{"party":"police","state":"received",'
        '"level":1,"paged":"2026-11-24T05:45:08.123Z","received":"2026-11-24T05:45:08.123Z",'
        '"acked":null,"arrived":null,"by":null}},"breaches":[{"kind":"ack","level":1,'
        '"time":"2026-11-24T05:45:08.123Z"}],"disposition":null,"closed":null,"owner":"zju1",'
        '"owner_term":1,"seq":4,"applied":["0190a5c0-0000-7000-8000-000000000005"],'
        '"refused":{"id":"0190a5c0-0000-7000-8000-000000000006",'
        '"reason":"disposition missing"},"covert":false,"text":null,"home":"zju1","handler":"li",'
        '"notes":[{"by":"li","text":"两人","time":"2026-11-24T05:45:08.123Z"}],"verdict":null,'
        '"merged":[],"merged_into":null,"shortfalls":[],'
        '"hot_mic_until":"2026-11-24T05:45:08.123Z"}'.encode(),
    ),
    (
        PRESENCE,
        (
            b'{"v":1,"client":"car-7","groups":["police-xiaoying"],"on_duty":true,'
            b'"position":[30.2573,120.1776],"fixed":"2026-11-24T05:45:08.123Z",'
            b'"interval_s":10.0,"time":"2026-11-24T05:45:08.123Z"}'
        ),
    ),
    (PING, b'{"v":1,"interval_s":10.0,"time":"2026-11-24T05:45:08.123Z"}'),
    (
        ALIVE,
        (
            b'{"v":1,"boot":"0190a5c0-0000-7000-8000-000000000001",'
            b'"time":"2026-11-24T05:45:08.123Z"}'
        ),
    ),
    (
        HEAD,
        b'{"v":1,"gateway":"zju1","seq":7,"hash":"' + b"0f" * 32 + b'",'
        b'"time":"2026-11-24T05:45:08.123Z"}',
    ),
    (
        FIGURES,
        (
            b'{"v":1,"gateway":"zju1","time":"2026-11-24T05:45:08.123Z","signals":90,'
            b'"signals_10min":30,"alarms_10min":12,"peak_10min":12,"flood":true,"floods":1,'
            b'"flood_s":4.5,"standing":3,"stale":1,"shelved":2,"folded":40,"waiting":0,"refused":0,'
            b'"busiest":{"south-gate-button":20}}'
        ),
    ),
    (
        ANNOUNCED,
        (
            b'{"v":1,"page":"0190a5c0-0000-7000-8000-000000000004",'
            b'"incident":"0190a5c0-0000-7000-8000-000000000002","group":"police-xiaoying","level":1,'
            b'"talkgroup":"police-xiaoying","by":"police","time":"2026-11-24T05:45:08.123Z"}'
        ),
    ),
    (
        PATCH,
        '{"v":1,"id":"0190a5c0-0000-7000-8000-000000000007","name":"马拉松",'
        '"talkgroup":"patch-0190a5c0-0000-7000-8000-000000000007",'
        '"members":{"talkgroups":["police-xiaoying"],"endpoints":["zju1/south-gate-intercom"]},'
        '"owner":"zju1","by":"li","since":"2026-11-24T05:45:08.123Z",'
        '"until":"2026-11-24T05:45:08.123Z","seq":1}'.encode(),
    ),
]
