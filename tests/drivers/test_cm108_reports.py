"""The reports of the USB sound chips, byte for byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.ptt.cm108_reports import INPUT_BYTES, Button, Inputs, input_report, output_report
from gateway.errors import RemoteProtocolError


@pytest.mark.parametrize(
    ("pin", "high", "report"),
    [
        # Dire Wolf, cm108.c: {0, 0, iodata, iomask, 0} with iomask = 1 << (num - 1).
        (3, True, "00 00 04 04 00"),
        (3, False, "00 00 00 04 00"),
        # AllStarLink, chan_simpleusb: GPIO4 of the sphusb boards is 0x08.
        (4, True, "00 00 08 08 00"),
        (1, True, "00 00 01 01 00"),
        (8, False, "00 00 00 80 00"),
    ],
)
def test_output_reports_are_those_of_the_published_programs(pin, high, report):
    assert output_report(pin, high=high) == bytes.fromhex(report)


@pytest.mark.parametrize("pin", [0, 9, -1])
def test_a_pin_that_no_chip_has_is_refused(pin):
    with pytest.raises(ValueError, match=f"GPIO{pin}"):
        output_report(pin, high=True)


@pytest.mark.parametrize(
    ("report", "low"),
    [
        # A microphone's button on VOLDN of a CM108B, pressed: 02 00 00 00.
        ("02 ff 00 00", {"volume-down"}),
        ("01 ff 00 00", {"volume-up"}),
        ("04 ff 00 00", {"mute-playback"}),
        ("08 ff 00 00", {"mute-record"}),
        ("00 ff 00 00", set()),
        ("00 fb 00 00", {"gpio3"}),
        ("0f 7e 00 00", {*Button, "gpio1", "gpio8"}),
    ],
)
def test_input_reports_say_which_inputs_are_low(report, low):
    inputs = input_report(bytes.fromhex(report))
    lines = [*Button, *(f"gpio{pin}" for pin in range(1, 9))]
    assert {line for line in lines if not inputs.is_high(line)} == low


@given(st.integers(0, 0x3F), st.integers(0, 255), st.binary(min_size=2, max_size=2))
def test_input_reports_come_back_as_they_were(buttons, pins, rest):
    assert input_report(bytes([buttons, pins]) + rest) == Inputs(buttons, pins)


@pytest.mark.parametrize("kind", [0x40, 0x80, 0xC0])
def test_the_answer_of_an_eeprom_says_nothing_of_the_inputs(kind):
    assert input_report(bytes([kind | 0x02, 0xFF, 0, 0])) is None


@pytest.mark.parametrize("length", range(INPUT_BYTES))
def test_a_report_that_is_cut_short_is_a_protocol_error(length):
    with pytest.raises(RemoteProtocolError, match=f"{length} bytes"):
        input_report(bytes(length))


@given(st.binary(max_size=64))
def test_garbage_is_a_report_of_four_bytes_or_a_protocol_error(data):
    try:
        found = input_report(data)
    except RemoteProtocolError:
        assert len(data) != INPUT_BYTES
    else:
        assert (found is None) == bool(data[0] & 0xC0)
