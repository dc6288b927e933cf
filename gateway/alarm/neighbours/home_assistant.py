"""Discovery of buttons, incidents and gateways by Home Assistant over MQTT. Pure.

Only the retained ``config`` topics are ours; what they point at are the topics of the contract. A
button is an ``event`` entity on the AlarmEvent topic, which is never retained, and Home Assistant
itself ignores a replayed one: no reconnect can press a button (awtrix-ng#45). Keys and their
meaning: Home Assistant's pages "MQTT", "MQTT Event", "MQTT Binary sensor" and "MQTT Sensor".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway import __version__
from gateway.link.topics import Topics

SIGNALS = ("alarm", "restore", "tamper", "fault", "battery", "lost", "test", "cancel")
"""``event_types`` of a button: every AlarmEvent.signal of the contract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointFacts:
    """What is shown of an endpoint; ``raises`` says whether it has an alarm input."""

    name: str
    title: str
    kind: str
    site_title: str
    raises: bool


def configurations(
    gateway: str, topics: Topics, prefix: str, endpoints: Iterable[EndpointFacts]
) -> Mapping[str, bytes]:
    """The retained payload of every ``<prefix>/<component>/<gateway>/<object>/config`` topic."""
    shown = _Shown(gateway, topics, prefix)
    shown.add("binary_sensor", "online", _online(gateway, topics))
    shown.add("sensor", "standing", _standing(topics, gateway))
    shown.add("event", "page", _pages(topics, gateway))
    for endpoint in endpoints:
        if endpoint.raises:
            shown.add("event", endpoint.name, _button(topics, gateway, endpoint))
        shown.add("binary_sensor", f"{endpoint.name}-health", _health(topics, gateway, endpoint))
    return shown.payloads


class _Shown:
    def __init__(self, gateway: str, topics: Topics, prefix: str) -> None:
        self._gateway = gateway
        self._topics = topics
        self._prefix = prefix
        self.payloads: dict[str, bytes] = {}

    def add(self, component: str, name: str, config: dict[str, Any]) -> None:
        gateway = self._gateway
        whole = {
            **config,
            "unique_id": f"baiying-{self._topics.root}-{gateway}-{name}",
            "availability_topic": self._topics.status(gateway),
            # The gateway's own connectivity must be seen also while it is away.
            "availability_template": "{{ 'online' if value_json.state == 'online' else 'offline' }}",
            "device": {
                "identifiers": [f"baiying-{self._topics.root}-{gateway}"],
                "name": f"Baiying {gateway}",
                "manufacturer": "Baiying",
                "model": "gateway",
                "sw_version": __version__,
            },
            "origin": {"name": "Baiying", "sw_version": __version__},
        }
        if name == "online":
            del whole["availability_topic"], whole["availability_template"]
        topic = f"{self._prefix}/{component}/{gateway}/{name}/config"
        self.payloads[topic] = json.dumps(whole, ensure_ascii=False).encode()


def _online(gateway: str, topics: Topics) -> dict[str, Any]:
    return {
        "name": "online",
        "state_topic": topics.status(gateway),
        "value_template": "{{ 'ON' if value_json.state == 'online' else 'OFF' }}",
        "device_class": "connectivity",
        "entity_category": "diagnostic",
        "json_attributes_topic": topics.status(gateway),
    }


def _standing(topics: Topics, gateway: str) -> dict[str, Any]:
    return {
        "name": "incidents not closed",
        "state_topic": topics.figures(gateway),
        "value_template": "{{ value_json.standing }}",
        "state_class": "measurement",
        "icon": "mdi:alarm-light",
        "json_attributes_topic": topics.figures(gateway),
    }


def _pages(topics: Topics, gateway: str) -> dict[str, Any]:
    """Groups being called, each sending of a page; ``id`` among the attributes tells repeats apart."""
    return {
        "name": "page",
        "state_topic": topics.page("+", gateway),
        "event_types": ["page", "drill"],
        "value_template": _attributes(
            "'drill' if value_json.drill else 'page'",
            ("id", "incident", "group", "level", "title", "category", "severity", "site"),
        ),
        "icon": "mdi:account-voice",
    }


def _button(topics: Topics, gateway: str, endpoint: EndpointFacts) -> dict[str, Any]:
    event = _attributes("value_json.signal", ("id", "category", "code", "text", "time", "drill"))
    return {
        "name": f"{endpoint.site_title} {endpoint.title}",
        "state_topic": topics.alarm(gateway),
        "event_types": list(SIGNALS),
        "device_class": "button",
        # Nothing where it is another's: Home Assistant ignores an empty payload.
        "value_template": f"{{% if value_json.endpoint == '{endpoint.name}' %}}{event}{{% endif %}}",
    }


def _health(topics: Topics, gateway: str, endpoint: EndpointFacts) -> dict[str, Any]:
    topic = topics.endpoint(gateway, endpoint.name)
    return {
        "name": f"{endpoint.site_title} {endpoint.title} health",
        "state_topic": topic,
        "value_template": "{{ 'OFF' if value_json.health == 'ok' else 'ON' }}",
        "device_class": "problem",
        "entity_category": "diagnostic",
        "json_attributes_topic": topic,
    }


def _attributes(event_type: str, names: tuple[str, ...]) -> str:
    """A template that makes the JSON which an event entity wants."""
    pairs = ", ".join(f"'{name}': value_json.{name}" for name in names)
    return f"{{{{ {{'event_type': {event_type}, {pairs}}} | tojson }}}}"
