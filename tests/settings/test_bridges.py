"""Bridges in the configuration: what is refused, and what voice gets."""

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from gateway import pieces
from gateway.settings.difference import difference
from gateway.voice.bridges.options import RtpOptions, SpeakingOptions, UdpAddress, UsrpOptions

ROOT = Path(__file__).parents[2]


def config(*bridges, endpoints=""):
    return (
        "gateway: a\nsites: {s1: {name: S, class: c, street: x}}\ntalkgroups: {tg: {}}\n"
        f"endpoints: {{{endpoints}}}\nbridges:\n" + "".join(f"  {bridge}\n" for bridge in bridges)
    )


RTP = (
    'pa: {talkgroup: tg, rtp: {send: "239.1.2.3:5004", listen: "10.0.0.1:5006",'
    " sources: [10.0.0.7, 10.1.0.0/16], sdp: pa.sdp, ttl: 3, interface: eth0, priority: 50,"
    " pre_roll_s: 0.5, guard_s: null, payload_type: 96, rtcp: false}}"
)
USRP = 'asl: {talkgroup: tg, usrp: {listen: "127.0.0.1:34001", send: "127.0.0.1:32001"}}'


def address(text, port):
    return UdpAddress(ip_address(text), port)


def test_voice_gets_every_option(bench):
    found = bench.examine(config(RTP, USRP))
    assert not found.problems
    bridges = pieces.bridges_of(found.settings)
    assert bridges["pa"].talkgroup == "tg"
    assert bridges["pa"].way == RtpOptions(
        send=address("239.1.2.3", 5004),
        listen=address("10.0.0.1", 5006),
        sources=(ip_network("10.0.0.7"), ip_network("10.1.0.0/16")),
        payload_type=96,
        ttl=3,
        interface="eth0",
        sdp=bench.folder / "pa.sdp",
        rtcp=False,
        speaking=SpeakingOptions(priority=50, pre_roll=0.5, guard=None),
    )
    assert bridges["asl"].way == UsrpOptions(
        send=address("127.0.0.1", 32001),
        listen=address("127.0.0.1", 34001),
        sources=(ip_network("127.0.0.1"),),
    )


@pytest.mark.parametrize(
    ("bridge", "words"),
    [
        ("x: {talkgroup: tg}", "needs either rtp or usrp"),
        ("x: {talkgroup: tg, rtp: {}}", "needs send, listen or both"),
        ('x: {talkgroup: tgg, rtp: {send: "10.0.0.1:5004"}}', "there is no talkgroup 'tgg'"),
        ('x: {talkgroup: tg, rtp: {send: "host:5004"}}', "'host' is no IP address"),
        ('x: {talkgroup: tg, rtp: {listen: "10.0.0.1:5004"}}', "listen needs sources"),
        (
            'x: {talkgroup: tg, rtp: {listen: "10.0.0.1:5004", sources: [10.0.0.5/24]}}',
            "is no address; write 10.0.0.5 or 10.0.0.0/24",
        ),
        (
            'x: {talkgroup: tg, rtp: {listen: "10.0.0.1:5004", sources: [10.0.0.5], sdp: x}}',
            "sdp describes what is sent",
        ),
        ('x: {talkgroup: tg, rtp: {send: "10.0.0.1:65535"}}', "RTCP needs the port after 65535"),
        ('x: {talkgroup: tg, rtp: {send: "0.0.0.0:5004"}}', "nothing can be sent to 0.0.0.0:5004"),
        (
            'x: {talkgroup: tg, usrp: {send: "[::1]:5004", listen: "127.0.0.1:5006"}}',
            "are of IPv4 and IPv6",
        ),
        (
            'x: {talkgroup: tg, usrp: {send: "239.1.1.1:5004", listen: "127.0.0.1:5006"}}',
            "name no group",
        ),
        ('x: {talkgroup: tg, rtp: {send: "10.0.0.1:5004", payload_type: 0}}', "payload_type"),
        ('replay: {talkgroup: tg, rtp: {send: "10.0.0.1:5004"}}', "talks in this gateway's name"),
    ],
)
def test_what_cannot_work_is_an_error_at_its_place(bench, bridge, words):
    errors = bench.errors(config(bridge))
    assert len(errors) == 1
    assert errors[0].startswith("gateway.yaml:6:")
    assert words in errors[0]


def test_two_cannot_listen_at_one_port(bench):
    second = 'two: {talkgroup: tg, usrp: {listen: "0.0.0.0:5007", send: "10.0.0.2:1"}}'
    (error,) = bench.errors(config(RTP.replace("rtcp: false", "rtcp: true"), second))
    assert "bridges.two.usrp.listen" in error
    assert "is listened at already; see gateway.yaml:6:" in error
    assert not bench.errors(config(RTP, second))


def test_an_endpoint_and_a_bridge_cannot_share_a_name(bench):
    (error,) = bench.errors(config(USRP, endpoints="asl: {kind: relay, site: s1}"))
    assert "asl talks in this gateway's name already" in error


def test_a_reload_tells_bridges(bench):
    one = bench.examine(config(RTP, USRP)).settings
    other = bench.examine(config(RTP.replace("ttl: 3", "ttl: 4"))).settings
    assert str(difference(one, other)) == "bridges -asl ~pa"


def test_the_example_loads(bench):
    text = (ROOT / "config" / "bridges.yaml").read_text(encoding="utf-8")
    found = bench.examine(text)
    assert not found.problems
    assert sorted(pieces.bridges_of(found.settings)) == ["allstar", "dispatcher", "loudspeakers"]
