"""Options survive the way to the keyer."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from drivers.ptt.options import Cm108PttOptions, GpioPttOptions, PtyPttOptions, SerialPttOptions
from drivers.squelch.options import (
    Cm108SquelchOptions,
    GpioSquelchOptions,
    PtySquelchOptions,
    SerialSquelchOptions,
)
from gateway.errors import LocalProtocolError
from gateway.keyer.options import pack, unpack


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """What a driver of somebody else's may want."""

    paths: tuple[str, ...] = ()
    file: Path | None = None
    level: float = 0.5


@pytest.mark.parametrize(
    "options",
    [
        PtyPttOptions(path=Path("/tmp/电台")),
        SerialPttOptions(port="/dev/ttyUSB1", line="dtr"),
        GpioPttOptions(chip="gpiochip0", offset=4, active="low", readback_offset=6),
        Cm108PttOptions(device="card:radio1", readback="gpio1"),
        Cm108SquelchOptions(device="/dev/hidraw0", line="volume-up"),
        PtySquelchOptions(path=Path("/tmp/radio")),
        SerialSquelchOptions(port="/dev/ttyUSB1", active="low"),
        GpioSquelchOptions(chip="gpiochip0", offset=5, debounce_ms=2.5),
        Foreign(paths=("a", "b"), file=Path("/x")),
        Foreign(),
    ],
    ids=lambda options: type(options).__name__,
)
def test_options_come_back_as_they_were(options):
    assert unpack(type(options), pack(options)) == options


def test_what_json_cannot_say_is_refused_where_it_is_packed():
    with pytest.raises(LocalProtocolError):
        pack(Foreign(file=b"x"))  # type: ignore[arg-type]
    with pytest.raises(LocalProtocolError):
        pack({"path": "/x"})


def test_values_of_another_driver_are_a_type_error():
    with pytest.raises(TypeError):
        unpack(PtyPttOptions, {"port": "/dev/ttyS0"})
