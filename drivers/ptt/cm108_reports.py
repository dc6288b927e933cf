"""The HID reports of C-Media's sound chips (CM108, CM108AH, CM108B, CM109, CM119 and the like). Pure.

An output report is four bytes, HID_OR0 to HID_OR3: what kind of write it is (0: GPIO), the levels of
the GPIO pins, which of them are outputs, and nothing of ours. Every write says all pins: one that is
not named an output is an input again. Through hidraw a byte 0 stands before them, as these reports
have no number; with four bytes in all the kernel refuses the write.

An input report is four bytes, HID_IR0 to HID_IR3: the buttons (the two low bits are volume up and
down; 1 is pressed, that is pulled to ground), the levels of the GPIO pins, and two bytes of no
meaning here. The two highest bits of HID_IR0 say what the others are; 0 is what is told here.

Sources: the layout as Dire Wolf (cm108.c), SvxLink (PttHidraw, SquelchHidraw) and AllStarLink
(chan_simpleusb) use it, who agree with the data sheets of CM108 and CM119.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from gateway.errors import RemoteProtocolError

INPUT_BYTES = 4
"""Length of an input report as hidraw gives it: without a number."""

PINS = 8
"""GPIO pins of the largest of these chips; the smaller ones have three or four."""


class Button(StrEnum):
    """The inputs that the chip means for buttons; a radio's interface has COS on one of them."""

    VOLUME_UP = "volume-up"
    VOLUME_DOWN = "volume-down"
    MUTE_PLAYBACK = "mute-playback"
    MUTE_RECORD = "mute-record"


_BITS: Mapping[Button, int] = MappingProxyType(
    {
        Button.VOLUME_UP: 0x01,
        Button.VOLUME_DOWN: 0x02,
        Button.MUTE_PLAYBACK: 0x04,
        Button.MUTE_RECORD: 0x08,
    }
)
_KIND = 0xC0
"""Bits of HID_IR0 that are 0 in a report of buttons and pins, and otherwise e.g. one of the EEPROM."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Electrical levels of what the chip reports."""

    buttons: int
    """HID_IR0: 1 where a button is pulled to ground."""
    pins: int
    """HID_IR1: bit 0 is GPIO1; 1 is high."""

    def is_high(self, line: str) -> bool:
        """The level of ``volume-down`` and so on, or of ``gpio1`` to ``gpio8``."""
        if line.startswith("gpio"):
            return bool(self.pins & pin_bit(int(line[4:])))
        return not self.buttons & _BITS[Button(line)]


def pin_bit(pin: int) -> int:
    """The bit of GPIO1 to GPIO8.

    Raises:
        ValueError: there is no such pin.
    """
    if not 1 <= pin <= PINS:
        raise ValueError(f"GPIO{pin}: there are GPIO1 to GPIO{PINS}")
    return 1 << (pin - 1)


def output_report(pin: int, *, high: bool) -> bytes:
    """Make ``pin`` an output of that level and all others inputs; five bytes for hidraw."""
    bit = pin_bit(pin)
    return bytes([0, 0, bit if high else 0, bit, 0])


def input_report(data: bytes) -> Inputs | None:
    """What an input report says; None where it is of another kind (the answer of an EEPROM).

    Raises:
        RemoteProtocolError: it is no report of these chips.
    """
    if len(data) != INPUT_BYTES:
        raise RemoteProtocolError(f"an input report of {len(data)} bytes, not {INPUT_BYTES}")
    if data[0] & _KIND:
        return None
    return Inputs(buttons=data[0], pins=data[1])
