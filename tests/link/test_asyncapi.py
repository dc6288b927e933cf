"""The machine-readable description is made from the code, and is current."""

import json
from importlib import util
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker

from gateway.link import messages
from gateway.link.asyncapi import document, render, schemas
from gateway.link.topics import TABLE

ROOT = Path(__file__).parents[2]


def _examples():
    spec = util.spec_from_file_location("link_examples", Path(__file__).with_name("examples.py"))
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GOLDEN = _examples().GOLDEN


@pytest.mark.parametrize("path", render(), ids=str)
def test_committed_file_is_what_the_code_says(path):
    assert (ROOT / path).read_text(encoding="utf-8") == render()[path], (
        "run: python -m gateway.link.asyncapi"
    )


def test_no_schema_of_a_message_that_is_no_more_lies_about():
    found = {path.relative_to(ROOT) for path in (ROOT / "config/schema/messages").iterdir()}
    assert found == {path for path in render() if path.suffix == ".json"}


@pytest.mark.parametrize("name", schemas())
def test_schema_is_a_schema(name):
    Draft202012Validator.check_schema(schemas()[name])


@pytest.mark.parametrize(("message", "payload"), GOLDEN)
def test_schema_takes_what_we_send_and_wants_each_field_that_we_want(message, payload):
    kind = type(message)
    validator = Draft202012Validator(schemas()[kind.__name__], format_checker=FormatChecker())
    validator.validate(json.loads(payload))
    for name in json.loads(payload):
        fields = json.loads(payload)
        del fields[name]
        optional = name in messages.WHERE_IT_APPLIES[kind] or name in messages.HAVE_DEFAULTS[kind]
        assert validator.is_valid(fields) is optional


def references(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref":
                yield inner
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_every_reference_leads_somewhere():
    whole = document()
    found = list(references(whole))
    assert len(found) >= 2 * len(TABLE)
    for reference in found:
        target = whole
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]


def test_document_describes_every_topic_with_its_qos_and_retain():
    whole = yaml.safe_load((ROOT / "docs/asyncapi.yaml").read_text(encoding="utf-8"))
    assert whole["asyncapi"] == "3.0.0"
    assert [channel["address"] for channel in whole["channels"].values()] == [
        f"baiying/{row.template}" for row in TABLE
    ]
    for row in TABLE:
        operation = whole["operations"][f"publish-{row.name}"]
        assert operation["bindings"]["mqtt"] == {"qos": row.qos, "retain": row.retained}
    assert set(whole["components"]["messages"]) == {row.payload for row in TABLE}
