"""The embedded broker's configuration, ACL and passwords as text."""

import base64
import subprocess
from pathlib import Path

import pytest

from gateway.link.broker_files import (
    ConfigurationFacts,
    acl,
    configuration,
    parse_users,
    password_line,
    passwords,
)

FACTS = ConfigurationFacts(host="127.0.0.1", port=1883, folder=Path("/data/broker"), user="baiying")


def test_acl_gives_each_client_its_own_leaves():
    assert acl("baiying").splitlines() == [
        "pattern write baiying/gateway/%u/status",
        "pattern write baiying/gateway/%u/endpoint/+",
        "pattern write baiying/talkgroup/+/voice/%u",
        "pattern write baiying/talkgroup/+/request/%u",
        "pattern write baiying/talkgroup/+/floor/%u",
        "pattern write baiying/talkgroup/+/answer/+/%u",
        "pattern write baiying/alarm/%u",
        "pattern write baiying/group/+/page/%u",
        "pattern write baiying/incident/+/action/%u",
        "pattern write baiying/incident/+/picture/%u",
        "pattern write baiying/incident/+/state/%u",
        "pattern write baiying/talkgroup/+/announced/%u",
        "pattern write baiying/patch/+/%u",
        "pattern write baiying/gateway/%u/handover/+",
        "pattern write baiying/gateway/%u/figures",
        "pattern write baiying/gateway/%u/journal",
        "pattern write baiying/presence/%u",
        "pattern write baiying/gateway/%u/ping/+",
        "pattern write baiying/gateway/%u/alive",
        "pattern write baiying/cap/%u",
        "pattern write baiying/cloudevents/%u",
        "pattern read baiying/#",
    ]


def test_configuration_admits_nobody_unnamed_and_delays_no_voice():
    lines = configuration(FACTS).splitlines()
    for wanted in (
        "listener 1883 127.0.0.1",
        "user baiying",
        "allow_anonymous false",
        "password_file /data/broker/passwords",
        "acl_file /data/broker/acl",
        "set_tcp_nodelay true",
        "persistence false",
        "max_queued_messages 100",
        "max_packet_size 589824",
    ):
        assert wanted in lines
    assert not any(line.startswith(("certfile", "keyfile")) for line in lines)


def test_configuration_with_a_certificate_speaks_tls():
    facts = ConfigurationFacts(
        host="0.0.0.0",
        port=8883,
        folder=Path("/d"),
        user="u",
        cert_file=Path("/c.pem"),
        key_file=Path("/k.pem"),
    )
    lines = configuration(facts).splitlines()
    assert "certfile /c.pem" in lines
    assert "keyfile /k.pem" in lines
    assert "tls_version tlsv1.2" in lines


def test_password_line_is_what_mosquitto_passwd_writes(tmp_path):
    file = tmp_path / "passwords"
    subprocess.run(
        ["mosquitto_passwd", "-c", "-b", file, "zju1", "秘密 word"], check=True, capture_output=True
    )
    line = file.read_text()
    salt = base64.b64decode(line.split("$")[3])
    assert password_line("zju1", "秘密 word", salt) == line


def test_password_file_has_a_line_for_each_user():
    text = passwords({"b": "2", "a": "1"}, {"a": b"s" * 12, "b": b"t" * 12})
    assert [line.split(":")[0] for line in text.splitlines()] == ["a", "b"]


def test_users_are_lines_of_name_and_password():
    text = "# consoles\n\n console-1:pass:word \nauditor:x\r\n"
    assert parse_users(text) == {"console-1": "pass:word", "auditor": "x"}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a:1\nb", "line 2: not name:password"),
        ("a:", "line 1: not name:password"),
        ("+:secret", "line 1: a name is"),
        ("#x\n#:secret\nA:secret", "line 3: a name is"),
        ("a/b:secret", "line 1: a name is"),
        (":secret", "line 1: a name is"),
        ("a:1\na:2", "line 2: a stands there twice"),
    ],
)
def test_bad_line_is_named_and_no_password_shown(text, what):
    with pytest.raises(ValueError, match=what) as caught:
        parse_users(text)
    assert "secret" not in str(caught.value)
