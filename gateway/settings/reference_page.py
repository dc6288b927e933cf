"""``docs/configuration.md``: every key, from the JSON Schema. Generated, never edited."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

_HEAD = """# Every key of the configuration

Generated from the code by `python -m gateway.cli.schema`; edit the descriptions there, not here.

A configuration is one YAML file, or several by `include`. An unknown key is an error with a
suggestion; a value of the wrong YAML type is an error and never converted (so quote `"1234"` where
text is meant). Names have small letters, digits and hyphens. Relative paths are relative to the
file they stand in. Keys carry their units: `_s` seconds, `_ms` milliseconds, `_hz`, `_dbfs`, `_bps`.
`baiying check` reports all problems at once, as `file:line:column: key: what; hint`.

For help while typing, begin a file with

```yaml
# yaml-language-server: $schema=schema/baiying.schema.json
```

`include` merges other files: sections by name, the including file's entries first. A key that two
files set is an error that names both places. YAML anchors and merge keys (`<<: *defaults`) work.
"""
_SECTIONS = (
    ("sites", "Site"),
    ("endpoints", "Endpoint"),
    ("talkgroups", "Talkgroup"),
    ("groups", "Group"),
    ("plans", "Plan"),
    ("bridges", "Bridge"),
)
_SINGLE = (("recordings", "Recordings"), ("announcements", "Announcements"))
_PARTS = {
    "Endpoint": ("Indications", "Processing", "Agc"),
    "Plan": ("When", "Level", "PageWhere"),
    "Bridge": ("RtpBridge", "UsrpBridge"),
}
_PART_TITLES = {
    "Indications": "`indications` of an endpoint",
    "Processing": "`processing` of an endpoint",
    "Agc": "`agc` of `processing`",
    "When": "`when` of a plan",
    "Level": "one of the `levels` of a plan",
    "PageWhere": "`page_where` of a level",
    "RtpBridge": "`rtp` of a bridge",
    "UsrpBridge": "`usrp` of a bridge",
}


def page(schema: dict[str, Any]) -> str:
    """The whole page, as Markdown."""
    definitions = schema["definitions"]
    lines = [_HEAD, "## The file\n", *_table(schema, definitions)]
    lines += [
        "\n## `mqtt`\n",
        _about(definitions["Mqtt"]),
        *_table(definitions["Mqtt"], definitions),
    ]
    for section, model in _SINGLE:
        lines += [f"\n## `{section}`\n", _about(definitions[model])]
        lines += _table(definitions[model], definitions)
    for section, model in _SECTIONS:
        lines += [f"\n## `{section}.<name>`\n", _about(definitions[model])]
        lines += _table(definitions[model], definitions)
        for part in _PARTS.get(model, ()):
            lines += [f"\n### {_PART_TITLES[part]}\n", _about(definitions[part])]
            lines += _table(definitions[part], definitions)
    for key in definitions:
        if key.startswith("driver."):
            lines += _family(key.removeprefix("driver."), definitions)
    return "\n".join(lines) + "\n"


_PLACES = {
    "input": "`inputs.<name>`: alarm inputs",
    "output": "`outputs.<name>`: alarm outputs",
    "audio": "`endpoints.<name>.audio`",
    "ptt": "`endpoints.<name>.ptt`",
    "squelch": "`endpoints.<name>.squelch`",
    "camera": "`endpoints.<name>.camera`",
}


def _family(family: str, definitions: dict[str, Any]) -> Iterator[str]:
    yield f"\n## {_PLACES.get(family, family)}\n"
    yield "`driver` chooses one of these; `required: true` keeps a gateway without it from starting.\n"
    for reference in definitions[f"driver.{family}"]["oneOf"]:
        key = reference["$ref"].rpartition("/")[2]
        yield f"\n### `driver: {key.partition('.')[2]}`\n"
        yield _about(definitions[key])
        yield from _table(definitions[key], definitions, leave_out=("driver", "required"))
        for part, of_part in definitions.items():
            if part.startswith(f"{key}."):
                yield f"\nEach `{part.removeprefix(f'{key}.')}`: {_about(of_part)}"
                yield from _table(of_part, definitions)
    if family in definitions:  # a section that may be more than a driver
        yield "\n### Several, joined by `all`, `any` and `not`\n"
        yield _about(definitions["SquelchCombination"])
        yield from _table(definitions["SquelchCombination"], definitions)


def _about(schema: dict[str, Any]) -> str:
    return " ".join(str(schema.get("description", "")).replace("``", "`").split()) + "\n"


def _table(
    schema: dict[str, Any], definitions: dict[str, Any], leave_out: tuple[str, ...] = ()
) -> Iterator[str]:
    if not schema["properties"].keys() - set(leave_out):
        yield "It has no options."
        return
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    required = schema.get("required", ())
    for key, of_key in schema["properties"].items():
        if key in leave_out:
            continue
        default = "*required*" if key in required else _default(of_key.get("default"))
        cells = (f"`{key}`", _type(of_key, definitions), default, _about(of_key).strip())
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _default(value: object) -> str:
    if value is None or isinstance(value, dict) or value == []:
        return ""
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _type(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _type(definitions[name], definitions) if name == "squelch" else _named(name)
    if "allOf" in schema:
        return _type(schema["allOf"][0], definitions)
    if "anyOf" in schema:
        kinds = [_type(one, definitions) for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("type")
    if kind == "array":
        if "prefixItems" in schema or isinstance(schema.get("items"), list):
            return "list of two numbers"
        return f"list of {_type(schema['items'], definitions)}"
    if kind == "object":
        patterns = list(schema.get("patternProperties", {}).values())
        items = patterns[0] if patterns else schema.get("additionalProperties")
        return f"mapping of names to {_type(items, definitions)}" if items else "mapping"
    return _scalar(schema, str(kind))


def _scalar(schema: dict[str, Any], kind: str) -> str:
    if kind == "string":
        if schema.get("format") == "path":
            return "path"
        return "name" if str(schema.get("pattern", "")).startswith("^[a-z0-9]") else "text"
    words = {"integer": "whole number", "number": "number", "boolean": "true or false"}
    bounds = [
        f"{sign} {_bound(schema[key])}"
        for key, sign in (
            ("minimum", "≥"),
            ("exclusiveMinimum", ">"),
            ("maximum", "≤"),
            ("exclusiveMaximum", "<"),
        )
        if key in schema
    ]
    return " ".join([words.get(kind, kind), *bounds])


def _bound(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _named(definition: str) -> str:
    if definition.startswith("driver."):
        return f"{definition.removeprefix('driver.')} driver"
    return f"`{definition.rpartition('.')[2]}`"
