"""What a panel's line means, and when a line that nobody understands is taken as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.panel import contact_id, sia
from drivers.panel.rejects import Rejects
from drivers.panel.signals import signal_of
from drivers.panel.surgard import Undecoded, from_bytes
from gateway.ports import AlarmSignal, SignalKind


def contact_id_line(code: str) -> AlarmSignal:
    return signal_of(from_bytes(f"5011 181234{code}01001\x14".encode()))


def sia_line(code: str) -> AlarmSignal:
    return signal_of(from_bytes(f"3011    001234{code}0001\x14".encode()))


def test_press_of_the_contract_is_a_panic_of_account_and_zone():
    assert contact_id_line("E120") == AlarmSignal(
        signal=SignalKind.ALARM,
        account="1234",
        zone="001",
        code="E120",
        category="panic",
        text="panic",
    )


@pytest.mark.parametrize(
    ("code", "signal", "category"),
    [
        ("E100", "alarm", "medical"),
        ("E110", "alarm", "fire"),
        ("E115", "alarm", "fire"),
        ("E120", "alarm", "panic"),
        ("R120", "restore", "panic"),
        ("P120", "alarm", "panic"),
        ("E121", "alarm", "duress"),
        ("E122", "alarm", "panic"),
        ("E130", "alarm", "burglary"),
        ("E137", "tamper", "trouble"),
        ("E144", "tamper", "trouble"),
        ("R144", "restore", "trouble"),
        ("E151", "alarm", "gas"),
        ("E162", "alarm", "gas"),
        ("E200", "fault", "trouble"),
        ("E301", "fault", "trouble"),
        ("E302", "battery", "trouble"),
        ("R302", "restore", "trouble"),
        ("E384", "battery", "trouble"),
        ("E311", "battery", "trouble"),
        ("E350", "fault", "trouble"),
        ("E354", "fault", "trouble"),
        ("E381", "lost", "trouble"),
        ("E393", "lost", "trouble"),
        ("E401", "test", "access"),
        ("R401", "test", "access"),
        ("E406", "cancel", None),
        ("R406", "cancel", None),
        ("E570", "test", "bypass"),
        ("E601", "test", "test"),
        ("E602", "test", "test"),
        ("R602", "test", "test"),
        ("E199", "alarm", None),
        ("R199", "restore", None),
        ("E299", "fault", "trouble"),
        ("E399", "fault", "trouble"),
        ("E499", "test", "access"),
        ("E699", "test", "log"),
        ("E000", "fault", "trouble"),
        ("E9B0", "fault", "trouble"),
    ],
)
def test_contact_id_code_means(code, signal, category):
    got = contact_id_line(code)
    assert (got.signal, got.category) == (SignalKind(signal), category)
    assert got.code == code.replace("P", "E")
    assert got.text


@pytest.mark.parametrize(
    ("code", "signal", "category"),
    [
        ("PA", "alarm", "panic"),
        ("PH", "restore", "panic"),
        ("PR", "restore", "panic"),
        ("PT", "fault", "trouble"),
        ("PJ", "restore", "trouble"),
        ("PB", "test", "bypass"),
        ("PU", "test", "bypass"),
        ("HA", "alarm", "duress"),
        ("FA", "alarm", "fire"),
        ("FH", "restore", "fire"),
        ("FX", "test", "test"),
        ("MA", "alarm", "medical"),
        ("BA", "alarm", "burglary"),
        ("BC", "cancel", "burglary"),
        ("OC", "cancel", None),
        ("UA", "alarm", None),
        ("TA", "tamper", "trouble"),
        ("TR", "restore", "trouble"),
        ("YT", "battery", "trouble"),
        ("YR", "restore", "trouble"),
        ("XT", "battery", "trouble"),
        ("AT", "fault", "trouble"),
        ("AR", "restore", "trouble"),
        ("BZ", "lost", "trouble"),
        ("OP", "test", "access"),
        ("CL", "test", "access"),
        ("RP", "test", "test"),
        ("RX", "test", "test"),
        ("JT", "test", "log"),
        ("IZ", "fault", "trouble"),
    ],
)
def test_sia_code_means(code, signal, category):
    got = sia_line(code)
    assert (got.signal, got.category, got.code) == (SignalKind(signal), category, code)
    assert (got.account, got.zone) == ("001234", "0001")


QUIET = {SignalKind.TEST, SignalKind.FAULT, SignalKind.BATTERY, SignalKind.LOST, SignalKind.TAMPER}


@pytest.mark.parametrize("event", [f"{number:03}" for number in range(300, 400)])
def test_no_trouble_code_is_an_alarm(event):
    assert contact_id.meaning("E", event).signal in QUIET
    assert contact_id.meaning("E", event).category == "trouble"


@pytest.mark.parametrize("event", [f"{number:03}" for number in range(600, 700)])
def test_no_test_code_is_an_alarm(event):
    assert contact_id.meaning("E", event).signal in QUIET


@given(st.sampled_from("ERP"), st.text("0123456789ABCDEF", min_size=3, max_size=3))
def test_every_contact_id_code_means_something(qualifier, event):
    assert contact_id.meaning(qualifier, event).text


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=2, max_size=2))
def test_every_sia_code_means_something(event):
    assert sia.meaning(event).text


def test_line_that_nobody_understands_is_a_trouble_that_quotes_it():
    got = signal_of(Undecoded(b"what is this line?"))
    assert (got.signal, got.category) == (SignalKind.FAULT, "trouble")
    assert "what is this line?" in got.text
    assert (got.account, got.zone) == (None, None)


def test_third_identical_arrival_is_taken_and_so_are_later_ones():
    rejects = Rejects()
    assert [rejects.arrived(b"?", at) for at in (0.0, 4.0, 8.0, 12.0)] == [False, False, True, True]


def test_arrivals_of_different_lines_do_not_add_up():
    rejects = Rejects()
    assert [rejects.arrived(line, 0.0) for line in (b"a", b"b", b"a", b"b")] == [False] * 4
    assert rejects.arrived(b"a", 0.0)


@pytest.mark.parametrize(("pause", "taken"), [(60.0, True), (60.001, False)])
def test_line_is_forgotten_after_a_minute(pause, taken):
    rejects = Rejects()
    rejects.arrived(b"?", 0.0)
    rejects.arrived(b"?", 0.0)
    assert rejects.arrived(b"?", pause) is taken


def test_only_the_last_eight_lines_are_remembered():
    rejects = Rejects()
    for line in (b"%d" % number for number in range(9)):
        rejects.arrived(line, 0.0)
        rejects.arrived(line, 0.0)
    assert not rejects.arrived(b"0", 0.0)
    assert rejects.arrived(b"8", 0.0)
