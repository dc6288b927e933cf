"""Broker addresses, listen addresses and password files."""

import pytest

from gateway.errors import LinkError
from gateway.link.address import BrokerAddress, Tls, parse_listen, parse_url, read_password


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://host", ("host", 1883, False)),
        ("mqtts://host", ("host", 8883, True)),
        ("mqtt://10.0.0.1:2883", ("10.0.0.1", 2883, False)),
        ("mqtts://[::1]:8884/", ("::1", 8884, True)),
    ],
)
def test_url_is_a_host_a_port_and_whether_tls_is_spoken(url, expected):
    assert parse_url(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "host:1883",
        "http://host",
        "mqtt://",
        "mqtt://host/topic",
        "mqtt://user:password@host",
        "mqtt://host:99999",
        "mqtt://host?x=1",
    ],
)
def test_what_is_no_broker_url_is_refused(url):
    with pytest.raises(ValueError, match=r"."):
        parse_url(url)


@pytest.mark.parametrize(
    ("listen", "expected"),
    [("127.0.0.1:1883", ("127.0.0.1", 1883)), ("[::1]:65535", ("::1", 65535))],
)
def test_listen_is_host_and_port(listen, expected):
    assert parse_listen(listen) == expected


@pytest.mark.parametrize(
    "listen", ["1883", ":1883", "host:", "host:0", "host:65536", "::1:1883", "host:１８"]
)
def test_what_is_no_listen_address_is_refused(listen):
    with pytest.raises(ValueError, match=r"."):
        parse_listen(listen)


def test_password_is_the_first_line(tmp_path):
    file = tmp_path / "password"
    file.write_text("secret word \r\nsecond line\n")
    assert read_password(file) == "secret word "


@pytest.mark.parametrize("content", [b"", b"\nsecond", b"\xff\xfe"])
def test_unusable_password_file_is_named(tmp_path, content):
    file = tmp_path / "password"
    file.write_bytes(content)
    with pytest.raises(LinkError, match=str(file)):
        read_password(file)
    with pytest.raises(LinkError, match="missing"):
        read_password(tmp_path / "missing")


def test_password_never_shows_in_a_repr():
    address = BrokerAddress(host="h", port=1, username="u", password="secret")
    assert "secret" not in repr(address)
    assert str(address) == "mqtt://h:1"
    assert str(BrokerAddress(host="::1", port=1, tls=Tls())) == "mqtts://[::1]:1"


def test_unusable_certificate_file_is_named(tmp_path):
    bad = tmp_path / "ca.pem"
    bad.write_text("no certificate")
    with pytest.raises(LinkError, match=r"ca\.pem"):
        Tls(ca_file=bad).context()
