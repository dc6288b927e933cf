"""Checks of the ``mqtt`` section, the talkgroups' names and the files that are named. Reads no file."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.settings.addresses import broker_address, listen_address
from gateway.settings.findings import Finding, Subject

INCIDENT_PREFIX = "incident-"
"""Talkgroups of incidents are named so (contract, section 2); nobody else's may be."""


def check(subject: Subject) -> Iterator[Finding]:
    """A broker that would be open to everybody, keys that contradict one another."""
    for name in subject.settings.talkgroups:
        if name.startswith(INCIDENT_PREFIX):
            what = f"names that begin with {INCIDENT_PREFIX!r} are those of incidents"
            yield Finding(("talkgroups", name), what, "choose another")
    if subject.settings.dispositions == ():
        what = "no disposition is valid, so that no incident could ever be closed"
        yield Finding(("dispositions",), what, "list some, or remove the key")
    metrics = subject.settings.metrics
    if (
        metrics is not None
        and subject.sound("metrics", "listen")
        and not listen_address(metrics.listen).is_loopback
    ):
        what = f"{metrics.listen} shows every figure to the network"
        yield Finding(("metrics", "listen"), what, "listen on 127.0.0.1", warning=True)
    if subject.sound("mqtt", "broker"):
        yield from _mqtt(subject)


def _mqtt(subject: Subject) -> Iterator[Finding]:
    mqtt = subject.settings.mqtt
    external = broker_address(mqtt.broker)
    for present, absent in (("cert_file", "key_file"), ("key_file", "cert_file")):
        given = getattr(mqtt, present) is not None and getattr(mqtt, absent) is None
        if given and subject.sound("mqtt", absent):
            yield Finding(("mqtt", present), f"{present} needs a {absent}", f"add {absent}:")
    if external is None:
        yield from _embedded(subject)
        return
    for key in ("listen", "users_file"):
        if subject.has("mqtt", key):
            what = f"{key} is for the embedded broker and does nothing here"
            yield Finding(("mqtt", key), what, "remove it", warning=True)
    if not external.tls:
        for key in ("ca_file", "cert_file", "key_file"):
            if getattr(mqtt, key) is not None:
                what = f"{key} does nothing without TLS"
                yield Finding(("mqtt", key), what, "write mqtts://", warning=True)


def _embedded(subject: Subject) -> Iterator[Finding]:
    mqtt = subject.settings.mqtt
    if subject.sound("mqtt", "listen") and not listen_address(mqtt.listen).is_loopback:
        missing = [
            key
            for key in ("users_file", "cert_file", "key_file")
            if getattr(mqtt, key) is None and subject.sound("mqtt", key)
        ]
        if missing:
            what = f"{mqtt.listen} is open to the network, without users and TLS"
            hint = f"add {', '.join(missing)}, or listen on 127.0.0.1"
            yield Finding(("mqtt", "listen"), what, hint)
    for key in ("password_file", "ca_file"):
        if getattr(mqtt, key) is not None:
            what = f"{key} is for an external broker; the embedded one makes its own passwords"
            yield Finding(("mqtt", key), what, "remove it", warning=True)
