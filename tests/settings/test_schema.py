"""What is generated from the settings is current and fits what the loader takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from drivers import registry
from gateway.cli import schema as command
from gateway.settings.loader import examine

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "config").glob("*.yaml"))
PARTS = {"district.yaml"}


def validator(name: str) -> jsonschema.Draft7Validator:
    made = json.loads((ROOT / "config" / "schema" / name).read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(made)
    return jsonschema.Draft7Validator(made)


@pytest.mark.parametrize("path", command.generated(), ids=str)
def test_generated_file_is_current(path):
    assert (ROOT / path).read_text(encoding="utf-8") == command.generated()[path], (
        "run: python -m gateway.cli.schema"
    )


def test_the_command_says_what_is_current():
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli.schema", "--check"], cwd=ROOT, check=False
    )
    assert done.returncode == 0


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_fits_the_schema(path):
    name = "part.schema.json" if path.name in PARTS else "baiying.schema.json"
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert [error.message for error in validator(name).iter_errors(data)] == []


@pytest.mark.parametrize(
    "path", [path for path in EXAMPLES if path.name not in PARTS], ids=lambda path: path.name
)
def test_example_loads(path):
    examined = examine(path, registry)
    assert examined.settings is not None, "\n".join(map(str, examined.problems))
    if path.name != "contract.yaml":
        assert examined.problems == ()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_tells_editors_its_schema(path):
    if path.name == "contract.yaml":
        return  # verbatim
    first = path.read_text(encoding="utf-8").splitlines()[0]
    prefix = "# yaml-language-server: $schema="
    assert first.startswith(prefix)
    assert (path.parent / first.removeprefix(prefix)).exists()


def test_every_driver_is_in_the_schema_with_all_its_options():
    definitions = validator("baiying.schema.json").schema["definitions"]
    for family in registry.families():
        for name in registry.names(family):
            made = definitions[f"{family}.{name}"]
            for key, of_key in made["properties"].items():
                if key != "driver":
                    assert of_key.get("description"), f"{family}.{name}.{key}: no description"


def test_every_key_has_a_description():
    made = validator("baiying.schema.json").schema
    for name, definition in [("Settings", made), *made["definitions"].items()]:
        for key, of_key in definition.get("properties", {}).items():
            if name.startswith("driver.") or key == "driver":
                continue
            assert of_key.get("description"), f"{name}.{key}"


@pytest.mark.parametrize(
    "change",
    [
        {"gatway": "x"},
        {"talkgroups": {"T": {}}},
        {"talkgroups": {"t": {"tot_s": "30"}}},
        {"talkgroups": {"t": {"tot_s": 0}}},
        {"inputs": {"i": {"driver": "pannel", "port": "/dev/x"}}},
        {"inputs": {"i": {"driver": "panel", "prt": "/dev/x", "port": "/dev/y"}}},
        {"inputs": {"i": {"driver": "gpio", "chip": "c", "lines": {"l": {"offset": "1"}}}}},
        {"endpoints": {"e": {"kind": "radio", "site": "s", "ptt": {"driver": "vox"}}}},
        {"plans": {"p": {"levels": []}}},
        {"plans": {"p": {"when": {"class": 1}, "levels": [{"name": "n"}]}}},
    ],
)
def test_schema_refuses_what_the_loader_refuses(change, tmp_path):
    data = {"gateway": "g", **change}
    assert list(validator("baiying.schema.json").iter_errors(data)) != []
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    assert examine(path, registry).settings is None


@pytest.mark.parametrize(
    "change",
    [
        {"plans": {"p": {"when": {"class": "a", "code": ["E120"]}, "levels": [{"name": "n"}]}}},
        {"inputs": {"i": {"driver": "panel", "port": "/dev/x", "required": True}}},
        {"sites": {"s": {"name": "S", "class": "c", "position": [1, 2.5]}}},
    ],
)
def test_schema_takes_what_is_right(change):
    assert list(validator("baiying.schema.json").iter_errors({"gateway": "g", **change})) == []


def test_the_contract_example_is_the_contracts_own_text():
    """The contract lies outside the repository; where it is there, the copy must be exact."""
    contract = ROOT.parent / "shared" / "contract.md"
    if not contract.exists():
        pytest.skip("the contract is not beside the repository")
    text = contract.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    assert (ROOT / "config" / "contract.yaml").read_text(encoding="utf-8") == text
