"""Driver names, and what happens when one cannot be imported."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import subprocess
import sys
import types

import pytest

from drivers import registry
from gateway.errors import DriverUnavailable

EVERY = [(family, name) for family in registry.families() for name in registry.names(family)]


@pytest.mark.parametrize(("family", "name"), EVERY)
def test_options_are_frozen_keyword_only_dataclasses(family, name):
    options = registry.options(family, name)
    assert dataclasses.is_dataclass(options)
    assert options.__dataclass_params__.frozen
    assert all(field.kw_only for field in dataclasses.fields(options))
    assert not hasattr(options, "__dict__") or "__slots__" in vars(options)


def test_options_load_nothing_heavy():
    code = (
        "import sys; from drivers import registry as r\n"
        "for f in r.families():\n for n in r.names(f): r.options(f, n)\n"
        "print(*{m.split('.')[0] for m in sys.modules} & {'numpy','serial','gpiod','sounddevice','av','pydantic'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_an_unknown_name_tells_the_known_ones():
    with pytest.raises(
        DriverUnavailable, match="no such input driver; known: panel, gpio, virtual"
    ):
        registry.driver("input", "pannel")


@pytest.fixture
def plugged(monkeypatch):
    """Makes entry points of the drivers' group appear."""

    def plug(**points: str) -> None:
        made = [
            importlib.metadata.EntryPoint(key.replace("__", "."), value, registry.ENTRY_POINTS)
            for key, value in points.items()
        ]
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: made)
        registry._table.cache_clear()

    yield plug
    registry._table.cache_clear()


def test_an_entry_point_adds_a_driver_and_its_options(plugged, monkeypatch):
    module = types.ModuleType("foreign")
    module.Driver, module.Options = type("Driver", (), {}), type("Options", (), {})
    monkeypatch.setitem(sys.modules, "foreign", module)
    plugged(audio__dante="foreign:Driver", audio__dante__options="foreign:Options")
    assert registry.names("audio")[-1] == "dante"
    assert registry.driver("audio", "dante") is module.Driver
    assert registry.options("audio", "dante") is module.Options


def test_an_entry_point_cannot_replace_a_built_in_driver_or_add_a_family(plugged):
    plugged(input__panel="evil:Panel", toys__x="evil:X", nonsense="evil:Y")
    assert registry.module("input", "panel") == "drivers.panel.driver:PanelInput"
    assert "toys" not in registry.families()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("import no_such_package", "No module named 'no_such_package'"),
        ("import av_none", "av_none"),
        ("raise OSError('PortAudio library not found')", "apt install libportaudio2"),
        ("raise RuntimeError('boom')", "RuntimeError: boom"),
        ("import sys; sys.exit(3)", "SystemExit"),
        ("Driver = 3", "is no class"),
        ("", "AttributeError"),
    ],
)
def test_a_driver_that_cannot_be_imported_is_one_clear_error(
    plugged, monkeypatch, tmp_path, body, told
):
    (tmp_path / "foreign_driver.py").write_text(body)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "foreign_driver", raising=False)
    plugged(audio__bad="foreign_driver:Driver")
    with pytest.raises(DriverUnavailable) as caught:
        registry.driver("audio", "bad")
    assert caught.value.driver == "bad"
    assert caught.value.module == "foreign_driver"
    assert told in str(caught.value)
    monkeypatch.delitem(sys.modules, "foreign_driver", raising=False)
