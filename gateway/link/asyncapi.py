"""The machine-readable description of the wire, made from the code.

``python -m gateway.link.asyncapi`` writes ``docs/asyncapi.yaml`` (AsyncAPI 3) and one JSON Schema
(2020-12) for each message into ``config/schema/messages/``; a test checks that both are current.
"""

from __future__ import annotations

import copy
import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

import msgspec
import yaml

from gateway.link import messages
from gateway.link.topics import TABLE, Row

DOCUMENT = Path("docs/asyncapi.yaml")
SCHEMAS = Path("config/schema/messages")

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_RTP_PACKET = (
    "One RTP packet (RFC 3550) with Opus payload (RFC 7587), clock 48,000 Hz, dynamic payload "
    "type 111, 960 ticks a packet, marker on the first packet of a burst, and four one-byte "
    "header extensions (RFC 8285): 1 audio level (RFC 6464), 2 floor token (term and grant, "
    "each u32 big endian), 3 burst flags (bit 0 last, bit 1 pre-roll, bit 2 emergency), "
    "4 abs-capture-time (NTP Q32.32). Further ones, 5 to 14, where a talkgroup has redundancy: a "
    "byte 5, then the payload of the packet five before this one, 16 bytes an extension."
)
_BINARY = {
    "RtpPacket": ("audio/opus", _RTP_PACKET),
    "Picture": ("image/jpeg", "A JPEG of at most 512 KiB; user property `taken` is its time."),
    "Handover": (
        "application/json",
        (
            "All that a standby needs to go on with an incident: a snapshot as in the journal, of the "
            "same version of the program or one that reads it."
        ),
    ),
    "CapAlert": (
        "application/cap+xml",
        "A Common Alerting Protocol 1.2 message; status Exercise for a drill.",
    ),
    "CloudEvent": (
        "application/cloudevents+json",
        "A CloudEvents 1.0 event in structured mode; `data` is the message named by `type`.",
    ),
}

_PARAMETERS = {
    "gateway": "Name of a gateway.",
    "endpoint": "Name of an endpoint of that gateway.",
    "other": "Name of the gateway that is asked.",
    "talkgroup": "Name of a talkgroup; `incident-<uuid>` and `patch-<uuid>` are made for a time.",
    "client": "Name of the client that publishes; a broker's ACL admits no other.",
    "asker": "Name of the client whose request is answered.",
    "group": "Name of a responder group.",
    "incident": "UUID of an incident.",
    "patch": "UUID of a patch made by hand.",
}


def schemas() -> dict[str, dict[str, Any]]:
    """A self-contained JSON Schema for each message, by its name."""
    return {kind.__name__: _schema(kind) for kind in messages.KINDS}


def document() -> dict[str, Any]:
    """The AsyncAPI 3 document."""
    _, components = msgspec.json.schema_components(
        messages.KINDS, ref_template="#/components/schemas/{name}"
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Baiying",
            "version": "1",
            "description": (
                "Alarms, incidents and voice over MQTT 5. `baiying` is the configurable root. "
                "JSON is UTF-8; unknown fields are ignored; duplicate keys, NaN and nesting deeper "
                "than 16 are refused. A retained AlarmEvent, Page, Action or FloorRequest is an "
                "echo and ignored. Fields and topics are added, never changed or dropped."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {row.name: _channel(row) for row in TABLE},
        "operations": {f"publish-{row.name}": _operation(row) for row in TABLE},
        "components": {
            "messages": {row.payload: _message(row.payload) for row in TABLE},
            "schemas": {name: _tidy(schema) for name, schema in sorted(components.items())},
        },
    }


def render() -> dict[Path, str]:
    """Every file of the description, relative to the project's root."""
    # YAML anchors for what is described twice would only be in the reader's way.
    text = yaml.dump(
        copy.deepcopy(document()),
        Dumper=_PlainDumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )
    head = (
        "# Made by `python -m gateway.link.asyncapi`; edit gateway/link/messages.py or topics.py.\n"
    )
    files = {DOCUMENT: head + text}
    for name, schema in schemas().items():
        content = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        files[SCHEMAS / f"{_kebab(name)}.schema.json"] = content
    return files


def main(root: Path) -> None:
    """Write the description below ``root``."""
    for path, content in render().items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")


class _PlainDumper(yaml.SafeDumper):
    def ignore_aliases(self, _data: object) -> bool:
        return True


def _channel(row: Row) -> dict[str, Any]:
    names = re.findall(r"{(\w+)}", row.template)
    return {
        "address": f"baiying/{row.template}",
        "messages": {row.payload: {"$ref": f"#/components/messages/{row.payload}"}},
        "parameters": {name: {"description": _PARAMETERS[name]} for name in names},
    }


def _operation(row: Row) -> dict[str, Any]:
    words = [f"By {row.publisher}; `{{{row.owner}}}` is its own name."]
    if row.expiry is not None:
        words.append(f"Message expiry: {row.expiry}.")
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{row.name}"},
        "summary": " ".join(words),
        "bindings": {"mqtt": {"qos": row.qos, "retain": row.retained}},
    }


def _message(payload: str) -> dict[str, Any]:
    if payload in _BINARY:
        content_type, summary = _BINARY[payload]
        return {
            "name": payload,
            "contentType": content_type,
            "summary": summary,
            "payload": {"type": "string", "format": "binary"},
        }
    summary = inspect.getdoc(getattr(messages, payload)) or ""
    return {
        "name": payload,
        "summary": summary,
        "payload": {"$ref": f"#/components/schemas/{payload}"},
    }


def _schema(kind: type) -> dict[str, Any]:
    (reference,), components = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    own = _tidy(components.pop(kind.__name__))
    assert reference == {"$ref": f"#/$defs/{kind.__name__}"}
    schema = {"$schema": _DIALECT, **own}
    if components:
        schema["$defs"] = {name: _tidy(one) for name, one in sorted(components.items())}
    return schema


def _tidy(schema: dict[str, Any]) -> dict[str, Any]:
    """Say what the reader demands: ``v`` is always there."""
    tidy = copy.deepcopy(schema)
    properties = tidy.get("properties", {})
    if "v" in properties:
        properties["v"] = {"const": 1}
        tidy["required"] = ["v", *(name for name in tidy["required"] if name != "v")]
    return tidy


def _kebab(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2])
