"""A hidraw device is found by what a person can know of it."""

import pytest

from drivers.ptt.hidraw import find


class Machine:
    """A /sys with USB sound chips as Linux 6.1 lays them out."""

    def __init__(self, root):
        self.root = root
        for name in ("class/hidraw", "class/sound"):
            (root / name).mkdir(parents=True)

    def plug_in(self, port, number, *, serial="", card=None):
        usb = self.root / f"devices/pci0000:00/0000:00:14.0/usb{port[0]}/{port}"
        hid = usb / f"{port}:1.3/0003:0D8C:000C.{number + 1:04X}"
        (hid / f"hidraw/hidraw{number}").mkdir(parents=True)
        (hid / "uevent").write_text(
            f"DRIVER=hid-generic\nHID_ID=0003:00000D8C:0000000C\nHID_NAME=C-Media USB\n"
            f"HID_PHYS=usb-0000:00:14.0-{port[2:]}/input3\nHID_UNIQ={serial}\n"
        )
        (self.root / f"class/hidraw/hidraw{number}").symlink_to(hid / f"hidraw/hidraw{number}")
        (hid / f"hidraw/hidraw{number}/device").symlink_to(hid)
        if card is not None:
            sound = usb / f"{port}:1.0/sound/card{number}"
            sound.mkdir(parents=True)
            (sound / "id").write_text(card + "\n")
            (sound / "device").symlink_to(usb / f"{port}:1.0")
            (self.root / f"class/sound/card{number}").symlink_to(sound)


@pytest.fixture
def machine(tmp_path):
    machine = Machine(tmp_path)
    machine.plug_in("1-1.2", 0, card="radio1")
    machine.plug_in("1-1.3", 1, card="radio2", serial="0042")
    machine.plug_in("2-4", 10)
    return machine


@pytest.mark.parametrize(
    ("device", "path"),
    [
        ("/dev/baiying/radio", "/dev/baiying/radio"),
        ("usb:1-1.2", "/dev/hidraw0"),
        ("usb:2-4", "/dev/hidraw10"),
        ("card:radio2", "/dev/hidraw1"),
        ("serial:0042", "/dev/hidraw1"),
    ],
)
def test_a_chip_is_found_by_port_card_and_serial_number(machine, device, path):
    assert find(device, machine.root) == path


@pytest.mark.parametrize("device", ["usb:1-1", "card:radio", "serial:42", "card:radio3"])
def test_a_chip_that_is_not_there_is_not_found(machine, device):
    with pytest.raises(FileNotFoundError) as error:
        find(device, machine.root)
    assert error.value.strerror == "no such chip"


def test_two_chips_of_one_serial_number_are_no_choice(machine):
    machine.plug_in("1-1.4", 3, serial="0042")
    with pytest.raises(FileNotFoundError) as error:
        find("serial:0042", machine.root)
    assert error.value.strerror == "2 of them: /dev/hidraw1, /dev/hidraw3"


def test_without_any_hid_device_nothing_is_found(tmp_path):
    with pytest.raises(FileNotFoundError):
        find("usb:1-1", tmp_path)
