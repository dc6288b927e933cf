"""Driver names: family and name to ``module:Class``, imported only when asked for.

Further packages add drivers by entry points of the group ``baiying.drivers``: ``audio.foo`` names
the driver class and ``audio.foo.options`` its options dataclass (two, so that checking a
configuration does not load what the driver itself needs). A built-in name cannot be replaced.

An import that fails, for whatever reason, is a `DriverUnavailable` that names the driver, the
module and the missing package: a bad driver never takes the daemon down.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
from typing import NamedTuple

from gateway.errors import DriverUnavailable

ENTRY_POINTS = "baiying.drivers"


class _Paths(NamedTuple):
    driver: str
    options: str


_BUILT_IN: dict[str, dict[str, _Paths]] = {
    "input": {
        "panel": _Paths("drivers.panel.driver:PanelInput", "drivers.panel.options:PanelOptions"),
        "gpio": _Paths("drivers.gpio.input:GpioInput", "drivers.gpio.options:GpioInputOptions"),
        "virtual": _Paths(
            "drivers.virtual.alarm:VirtualInput", "drivers.virtual.options:VirtualInputOptions"
        ),
    },
    "audio": {
        "soundcard": _Paths(
            "drivers.soundcard.driver:SoundCard", "drivers.soundcard.options:SoundCardOptions"
        ),
        "sip": _Paths("drivers.sip.driver:SipAudio", "drivers.sip.options:SipOptions"),
        "udp": _Paths("drivers.virtual.udp:UdpAudio", "drivers.virtual.options:UdpAudioOptions"),
        "file": _Paths(
            "drivers.virtual.file_audio:FileAudio", "drivers.virtual.options:FileAudioOptions"
        ),
    },
    "ptt": {
        "serial-line": _Paths(
            "drivers.ptt.serial_line:SerialLine", "drivers.ptt.options:SerialPttOptions"
        ),
        "gpio": _Paths("drivers.ptt.gpio_line:GpioLine", "drivers.ptt.options:GpioPttOptions"),
        "cm108": _Paths("drivers.ptt.cm108_line:Cm108Line", "drivers.ptt.options:Cm108PttOptions"),
        "pty": _Paths("drivers.ptt.pty_line:PtyLine", "drivers.ptt.options:PtyPttOptions"),
    },
    # A port that keys and senses is one port: both families open it by the same class.
    "squelch": {
        "serial-line": _Paths(
            "drivers.ptt.serial_line:SerialLine", "drivers.squelch.options:SerialSquelchOptions"
        ),
        "gpio": _Paths(
            "drivers.ptt.gpio_line:GpioLine", "drivers.squelch.options:GpioSquelchOptions"
        ),
        "cm108": _Paths(
            "drivers.ptt.cm108_line:Cm108Line", "drivers.squelch.options:Cm108SquelchOptions"
        ),
        "pty": _Paths("drivers.ptt.pty_line:PtyLine", "drivers.squelch.options:PtySquelchOptions"),
        "vox": _Paths("drivers.squelch.vox:Vox", "drivers.squelch.options:VoxOptions"),
        "ctcss": _Paths("drivers.squelch.ctcss:Ctcss", "drivers.squelch.options:CtcssOptions"),
    },
    "camera": {
        "rtsp": _Paths("drivers.camera.rtsp:RtspCamera", "drivers.camera.options:RtspOptions"),
        "http": _Paths("drivers.camera.http:HttpCamera", "drivers.camera.options:HttpOptions"),
        "file": _Paths("drivers.camera.file:FileCamera", "drivers.camera.options:FileOptions"),
    },
    "output": {
        "gpio": _Paths(
            "drivers.output.gpio:GpioOutput", "drivers.output.options:GpioOutputOptions"
        ),
        "pty": _Paths("drivers.output.pty:PtyOutput", "drivers.output.options:PtyOutputOptions"),
        "virtual": _Paths(
            "drivers.output.virtual:VirtualOutput", "drivers.output.options:VirtualOutputOptions"
        ),
    },
}

_REMEDIES = {
    "av": "pip install 'baiying[video]'",
    "baresip": "pip install 'baiying[sip]'",
    "PortAudio": "apt install libportaudio2",
}
"""What to do about a missing module or library that has a better answer than its own name."""


def families() -> tuple[str, ...]:
    """What a driver can be for: ``input``, ``audio``, ``ptt``, ``squelch``, ``camera``, ``output``."""
    return tuple(_BUILT_IN)


def names(family: str) -> tuple[str, ...]:
    """The drivers of a family, built-in ones first. Imports nothing."""
    return tuple(_table().get(family, {}))


def module(family: str, name: str) -> str:
    """The ``module:Class`` behind a name, for people.

    Raises:
        DriverUnavailable: there is no such name.
    """
    return _paths(family, name).driver


def driver(family: str, name: str) -> type:
    """The class behind a name, imported now.

    Raises:
        DriverUnavailable: there is no such name, or it cannot be imported.
    """
    return _imported(name, _paths(family, name).driver)


def options(family: str, name: str) -> type:
    """The options dataclass behind a name; importing it loads nothing that only the driver needs.

    Raises:
        DriverUnavailable: there is no such name, or it cannot be imported.
    """
    return _imported(name, _paths(family, name).options)


@functools.cache
def _table() -> dict[str, dict[str, _Paths]]:
    table = {family: dict(drivers) for family, drivers in _BUILT_IN.items()}
    points = {
        point.name: point.value for point in importlib.metadata.entry_points(group=ENTRY_POINTS)
    }
    for key, value in sorted(points.items()):
        family, _, name = key.partition(".")
        if family in table and name and "." not in name and name not in _BUILT_IN[family]:
            table[family][name] = _Paths(value, points.get(f"{key}.options", ""))
    return table


def _paths(family: str, name: str) -> _Paths:
    try:
        return _table()[family][name]
    except KeyError:
        known = ", ".join(names(family)) or "none"
        raise DriverUnavailable(name, f"there is no such {family} driver; known: {known}") from None


def _imported(name: str, path: str) -> type:
    module_name, _, attribute = path.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        remedy = _REMEDIES.get(missing.partition(".")[0], f"the package of {missing} is missing")
        raise DriverUnavailable(
            name, f"{module_name}: {error}; {remedy}", module=module_name, package=missing
        ) from error
    except (Exception, SystemExit) as error:  # whatever a foreign module does on import
        text = f"{type(error).__name__}: {error}"
        remedy = next((f"; {what}" for key, what in _REMEDIES.items() if key in text), "")
        raise DriverUnavailable(
            name, f"{module_name}: {text}{remedy}", module=module_name
        ) from error
    if not isinstance(found, type):
        raise DriverUnavailable(name, f"{path} is no class", module=module_name)
    return found
