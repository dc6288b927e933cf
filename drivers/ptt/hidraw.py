"""Finding and opening a hidraw device by what a person can know of it.

Its number (``/dev/hidraw0``) changes with the order of plugging in. The USB port that it is in, the
serial number of the chip's EEPROM (most have none) and the name of its sound card do not.
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path

SYSFS = Path("/sys")

KINDS = ("card", "usb", "serial")
"""What may stand before the colon, where a device is not given by its path."""

_USB_DEVICE = re.compile(r"\d+-\d+(\.\d+)*")
_INFO = struct.Struct("Ihh")
_IOC_READ, _IOC_READ_WRITE = 2, 3


def _ioc(direction: int, number: int, size: int) -> int:
    return direction << 30 | size << 16 | ord("H") << 8 | number


_HIDIOCGRAWINFO = _ioc(_IOC_READ, 0x03, _INFO.size)


def find(device: str, sysfs: Path = SYSFS) -> str:
    """The device path of ``/dev/..``, ``card:NAME``, ``usb:1-1.2`` or ``serial:..``.

    Raises:
        FileNotFoundError: there is none, or there are several; ``strerror`` says which.
    """
    if device.startswith("/"):
        return device
    kind, _, wanted = device.partition(":")
    found = [
        f"/dev/{entry.name}"
        for entry in sorted((sysfs / "class/hidraw").glob("hidraw*"))
        if wanted in _names(kind, entry, sysfs)
    ]
    if len(found) != 1:
        what = f"{len(found)} of them: {', '.join(found)}" if found else "no such chip"
        raise FileNotFoundError(2, what)
    return found[0]


def _names(kind: str, entry: Path, sysfs: Path) -> Iterator[str]:
    hid = (entry / "device").resolve()
    usb = next((one for one in hid.parents if _USB_DEVICE.fullmatch(one.name)), None)
    if kind == "serial":
        yield _uevent(hid).get("HID_UNIQ", "")
    elif kind == "usb" and usb is not None:
        yield usb.name
    elif kind == "card" and usb is not None:
        for card in (sysfs / "class/sound").glob("card*"):
            if usb in (card / "device").resolve().parents:
                yield _text(card / "id")


def _uevent(hid: Path) -> dict[str, str]:
    lines = _text(hid / "uevent").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def open_device(path: str) -> int:
    """A descriptor that does not block in reading, and that no other gateway has.

    Raises:
        OSError: absent, forbidden or in use.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def identity(descriptor: int) -> tuple[int, int]:
    """USB vendor and product number."""
    answer = fcntl.ioctl(descriptor, _HIDIOCGRAWINFO, bytes(_INFO.size))
    _, vendor, product = _INFO.unpack(answer)
    return vendor & 0xFFFF, product & 0xFFFF


def ask_input(descriptor: int, size: int) -> bytes:
    """The input report without a number as it is now (GET_REPORT; Linux 5.11). May take 5 s to fail."""
    request = _ioc(_IOC_READ_WRITE, 0x0A, size + 1)
    buffer = bytearray(size + 1)
    length = fcntl.ioctl(descriptor, request, buffer, True)
    # What comes has the number before it, which is 0.
    return bytes(buffer[1:length])
