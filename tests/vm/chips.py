"""USB sound chips in the guest: one as a USB gadget, one by uhid, which answers as told.

The kernel's dummy host has no isochronous transfers, so the gadget has no sound card.
"""

from __future__ import annotations

import contextlib
import os
import select
import struct
import threading
import time
from pathlib import Path

VENDOR, PRODUCT = 0x0D8C, 0x000C

# Consumer control: volume up and down and six bits more, three bytes; four bytes out. As the chips'.
DESCRIPTOR = bytes.fromhex(
    "05 0c 09 01 a1 01 15 00 25 01 09 e9 09 ea 75 01 95 02 81 02 95 06 81 01"
    "09 00 75 08 95 03 15 00 26 ff 00 81 02 09 00 95 04 91 02 c0"
)

GADGET = Path("/sys/kernel/config/usb_gadget/baiying")
_CREATE2, _DESTROY, _OUTPUT, _GET_REPORT, _GET_REPORT_REPLY, _INPUT2 = 11, 1, 6, 9, 10, 12


def wait_for(condition, within=20.0):
    until = time.monotonic() + within
    while not (found := condition()):
        if time.monotonic() > until:
            raise AssertionError("it did not come")
        time.sleep(0.01)
    return found


def hidraws() -> set[str]:
    return {entry.name for entry in Path("/sys/class/hidraw").glob("hidraw*")}


class GadgetChip:
    """A USB device on the kernel's dummy host: four bytes each way."""

    def __init__(self, serial: str = "0042") -> None:
        before = hidraws()
        strings = GADGET / "strings/0x409"
        hid = GADGET / "functions/hid.usb0"
        GADGET.mkdir()
        (GADGET / "idVendor").write_text(hex(VENDOR))
        (GADGET / "idProduct").write_text(hex(PRODUCT))
        strings.mkdir()
        (strings / "serialnumber").write_text(serial)
        (strings / "manufacturer").write_text("C-Media Electronics Inc.")
        (strings / "product").write_text("USB PnP Sound Device")
        (GADGET / "configs/c.1").mkdir()
        hid.mkdir()
        (hid / "report_length").write_text("4")
        (hid / "report_desc").write_bytes(DESCRIPTOR)
        with contextlib.suppress(OSError):
            (hid / "no_out_endpoint").write_text("1")  # the chips have none
        (GADGET / "configs/c.1/hid.usb0").symlink_to(hid)
        (GADGET / "UDC").write_text(next(Path("/sys/class/udc").iterdir()).name)
        name = wait_for(lambda: hidraws() - before)
        self.path = f"/dev/{name.pop()}"
        wait_for(lambda: Path("/dev/hidg0").exists() and Path(self.path).exists())
        self._device = os.open("/dev/hidg0", os.O_RDWR | os.O_NONBLOCK)
        self.written: list[bytes] = []

    @property
    def port(self) -> str:
        hid = (Path("/sys/class/hidraw") / Path(self.path).name / "device").resolve()
        return hid.parents[1].name

    def drives(self, pin: int) -> bool | None:
        """The level that a pin is driven to; None where it is an input."""
        while select.select([self._device], [], [], 0.05)[0]:
            self.written.append(os.read(self._device, 64))
        report = self.written[-1] if self.written else bytes(4)
        bit = 1 << (pin - 1)
        return bool(report[1] & bit) if report[2] & bit else None

    def press(self, bit: int, pressed: bool) -> None:
        os.write(self._device, bytes([bit if pressed else 0, 0, 0, 0]))
        time.sleep(0.05)

    def pull_out(self) -> None:
        if self._device >= 0:
            os.close(self._device)
            self._device = -1
            (GADGET / "UDC").write_text("\n")

    def remove(self) -> None:
        self.pull_out()
        wait_for(lambda: Path(self.path).name not in hidraws())  # its number may be the next one's
        for link in (GADGET / "configs/c.1").iterdir():
            if link.is_symlink():
                link.unlink()
        for folder in ("configs/c.1", "functions/hid.usb0", "strings/0x409"):
            (GADGET / folder).rmdir()
        GADGET.rmdir()


class UhidChip(threading.Thread):
    """A HID device of a program's making; its radio's lamp is on GPIO1 and follows GPIO3, low is on."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        before = hidraws()
        self.outputs = self.values = self.buttons = 0
        self.answers = True
        self.follows = True
        self.lamp = False
        self._device = os.open("/dev/uhid", os.O_RDWR)
        head = struct.pack("128s64s64s", b"USB PnP Sound Device", b"usb-sim-1/input3", b"0007")
        numbers = struct.pack("<HHIIII", len(DESCRIPTOR), 3, VENDOR, PRODUCT, 0x100, 0)
        self._say(_CREATE2, head + numbers + DESCRIPTOR.ljust(4096, b"\0"))
        self._ends = threading.Event()
        self.start()
        self.path = f"/dev/{wait_for(lambda: hidraws() - before).pop()}"
        wait_for(lambda: Path(self.path).exists())

    def run(self) -> None:
        while not self._ends.is_set():
            if not select.select([self._device], [], [], 0.1)[0]:
                continue
            event = os.read(self._device, 8192)
            (kind,) = struct.unpack_from("<I", event)
            if kind == _OUTPUT:
                (size,) = struct.unpack_from("<H", event, 4 + 4096)
                _, _, self.values, self.outputs, _ = event[4 : 4 + size]
                if self.follows:
                    self.lamp = bool(self.values & self.outputs & 0x04)
            elif kind == _GET_REPORT and self.answers:
                (number,) = struct.unpack_from("<I", event, 4)
                report = b"\0" + self.report
                self._say(_GET_REPORT_REPLY, struct.pack("<IHH", number, 0, len(report)) + report)

    @property
    def report(self) -> bytes:
        pins = (self.values & self.outputs) | (0xFE & ~self.outputs) | (0 if self.lamp else 1)
        return bytes([self.buttons, pins, 0, 0])

    def drives(self, pin: int) -> bool | None:
        bit = 1 << (pin - 1)
        return bool(self.values & bit) if self.outputs & bit else None

    def press(self, bit: int, pressed: bool) -> None:
        self.buttons = bit if pressed else 0
        self._say(_INPUT2, struct.pack("<H", 4) + self.report)
        time.sleep(0.05)

    def remove(self) -> None:
        self._say(_DESTROY, b"")
        self._ends.set()
        self.join(5)
        os.close(self._device)
        wait_for(lambda: Path(self.path).name not in hidraws())

    def _say(self, kind: int, data: bytes) -> None:
        os.write(self._device, struct.pack("<I", kind) + data)
