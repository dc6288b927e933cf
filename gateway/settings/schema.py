"""The JSON Schema (draft-07) of a configuration file, for editors. Generated, never edited.

``python -m gateway.cli.schema`` writes it to ``config/schema/``. It is made for completion and for
help while typing: each driver section is one alternative per driver, chosen by ``driver``.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from gateway.settings import squelch
from gateway.settings.drivers import DriverCatalogue
from gateway.settings.model import Settings

DIALECT = "http://json-schema.org/draft-07/schema#"
_REQUIRED = {
    "type": "boolean",
    "default": False,
    "description": "Whether a gateway without this device must not start.",
}


class _Draft07(GenerateJsonSchema):
    schema_dialect = DIALECT


def schema(catalogue: DriverCatalogue) -> dict[str, Any]:
    """The schema of a main file, with every driver of the catalogue in it."""
    made = Settings.model_json_schema(schema_generator=_Draft07, ref_template=_ref("{model}"))
    definitions: dict[str, Any] = made.pop("$defs")
    for family in catalogue.families():
        choices = []
        for name in catalogue.names(family):
            _add_options(catalogue.options(family, name), family, name, definitions)
            choices.append({"$ref": _ref(f"{family}.{name}")})
        definitions[f"driver.{family}"] = {
            "type": "object",
            "required": ["driver"],
            "properties": {"driver": {"enum": list(catalogue.names(family))}},
            "oneOf": choices,
        }
    made["definitions"] = definitions | squelch.definitions()
    return {"$schema": DIALECT, "title": "Baiying gateway configuration", **_clean(made)}


def part_schema(whole: dict[str, Any]) -> dict[str, Any]:
    """The schema of a file that others include: nothing is required of it."""
    part = {key: value for key, value in whole.items() if key != "required"}
    part["title"] = "Part of a Baiying configuration, to be included"
    return part


def text(made: dict[str, Any]) -> str:
    """A schema as the text of its file."""
    return json.dumps(made, ensure_ascii=False, indent=1, sort_keys=False) + "\n"


def _ref(name: str) -> str:
    return f"#/definitions/{name}"


def _add_options(options: type, family: str, name: str, definitions: dict[str, Any]) -> None:
    key = f"{family}.{name}"
    # Two drivers may each have a `Line`: what options consist of is named after their driver.
    made = TypeAdapter(options).json_schema(
        schema_generator=_Draft07, ref_template=_ref(f"{key}.{{model}}")
    )
    parts = made.pop("$defs", {})
    definitions.update({f"{key}.{part}": of_part for part, of_part in parts.items()})
    made["properties"] = {
        "driver": {"const": name},
        **made.get("properties", {}),
        "required": _REQUIRED,
    }
    made["required"] = ["driver", *made.get("required", ())]
    definitions[key] = made


def _clean(value: Any, *, names: bool = False) -> Any:
    """With driver families put in, and without pydantic's titles, which only repeat keys.

    ``names`` says that the keys of ``value`` are names of the configuration, not words of schemas.
    """
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if not isinstance(value, dict):
        return value
    if names:
        return {key: _clean(item) for key, item in value.items()}
    found = {
        key: _clean(item, names=key in _NAMES) for key, item in value.items() if key != "title"
    }
    definition = found.pop("x-definition", None)
    if definition is not None:
        found["$ref"] = _ref(definition)
    family = found.pop("x-driver-family", None)
    if family is not None:
        found["$ref"] = _ref(f"driver.{family}")
    if "patternProperties" in found:
        found["additionalProperties"] = False
    if "$ref" in found and len(found) > 1:
        # Beside a $ref, draft-07 ignores everything; so a description takes the detour.
        return {"allOf": [{"$ref": found.pop("$ref")}], **found}
    return found


_NAMES = frozenset({"properties", "patternProperties", "definitions"})
