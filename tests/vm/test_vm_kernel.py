"""The guest is what the other tests take it for."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.vm


def test_guest_has_its_own_kernel_four_uarts_and_gpio_sim():
    assert "console=ttyS0" in Path("/proc/cmdline").read_text()
    ports = Path("/proc/tty/driver/serial").read_text()
    assert [f"{number}: uart:16550A" in ports for number in range(4)] == [True] * 4
    assert Path("/sys/kernel/config/gpio-sim").is_dir()
