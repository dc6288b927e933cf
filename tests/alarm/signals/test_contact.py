from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.alarm.signals.contact import (
    Contact,
    Directory,
    InputBoard,
    InputState,
    category_of,
    sighting_of,
    understand,
)
from gateway.ports import AlarmSignal, SignalKind
from tests.alarm.alarm_world import NORTH_BUTTON, PANEL, RADIO, SOURCES, SOUTH_BUTTON

DIRECTORY = Directory(SOURCES.values())


def panel(account: str, zone: str | None, signal: SignalKind = SignalKind.ALARM) -> AlarmSignal:
    return AlarmSignal(
        signal=signal, account=account, zone=zone, code="E130", category="burglary", text="said"
    )


def found(input_name: str, signal: AlarmSignal) -> str | None:
    source = understand(DIRECTORY, input_name, signal).source
    return source.endpoint if source else None


def test_account_and_zone_name_the_endpoint():
    assert found("receiver-1", panel("1234", "001")) == "south-gate-button"


def test_endpoint_without_zone_has_every_zone_that_no_other_has():
    assert found("receiver-1", panel("1234", "002")) == "ward-panel"
    assert found("receiver-1", panel("1234", None)) == "ward-panel"


def test_other_input_with_the_same_account_is_another_endpoint():
    assert found("receiver-2", panel("1234", "001")) is None


def test_line_names_the_endpoint_of_its_input():
    signal = AlarmSignal(signal=SignalKind.ALARM, line="north-gate")
    assert found("gate-gpio", signal) == "north-gate-button"
    assert found("receiver-1", signal) is None


def test_input_without_lines_names_the_endpoint_itself():
    lonely = replace(RADIO, endpoint="desk-button", input="hand")
    signal = AlarmSignal(signal=SignalKind.ALARM, line="desk-button")
    assert understand(Directory([lonely]), "hand", signal).source is lonely


def test_leading_zeros_do_not_matter_unless_two_endpoints_differ_by_them():
    assert found("receiver-1", panel("001234", "0001")) == "south-gate-button"
    short, long = (replace(PANEL, endpoint=name, account=name) for name in ("12", "0012"))
    directory = Directory([short, long])
    assert understand(directory, "receiver-1", panel("12", "009")).source is short
    assert understand(directory, "receiver-1", panel("0012", "009")).source is long
    assert understand(directory, "receiver-1", panel("00012", "009")).source is None


@pytest.mark.parametrize("signal", list(SignalKind))
def test_whatever_an_unknown_account_says_is_a_trouble(signal):
    sighting = understand(DIRECTORY, "receiver-1", panel("9999", "001", signal))
    assert sighting.source is None
    assert sighting.category == "trouble"
    assert sighting.quiet
    assert sighting.signal in (
        SignalKind.FAULT, SignalKind.TAMPER, SignalKind.BATTERY, SignalKind.LOST,
    )  # fmt: skip
    assert (sighting.account, sighting.zone, sighting.code) == ("9999", "001", "E130")
    assert "9999" in sighting.text
    assert signal.value in sighting.text


def test_zone_without_an_endpoint_is_a_trouble():
    directory = Directory([SOUTH_BUTTON])
    assert understand(directory, "receiver-1", panel("1234", "002")).category == "trouble"


def test_line_that_was_not_understood_keeps_its_text():
    signal = AlarmSignal(signal=SignalKind.FAULT, category="trouble", text="line not understood: x")
    sighting = understand(DIRECTORY, "receiver-1", signal)
    assert (sighting.source, sighting.text) == (None, "line not understood: x")


@pytest.mark.parametrize(
    ("signal", "endpoint", "event", "expected"),
    [
        (SignalKind.ALARM, "panic", "burglary", "panic"),  # the endpoint's wins
        (SignalKind.ALARM, None, "burglary", "burglary"),
        (SignalKind.ALARM, None, None, None),
        (SignalKind.ALARM, "panic", "trouble", "trouble"),  # but never makes a panic of a trouble
        (SignalKind.ALARM, "panic", "test", "test"),
        (SignalKind.TEST, "panic", "test", "test"),
        (SignalKind.TEST, "panic", None, "test"),
        (SignalKind.TEST, "panic", "access", "access"),
        (SignalKind.TEST, "panic", "panic", "test"),
        (SignalKind.BATTERY, "panic", "trouble", "trouble"),
        (SignalKind.TAMPER, "panic", None, "trouble"),
        (SignalKind.FAULT, "panic", "panic", "trouble"),
        (SignalKind.LOST, "panic", None, "trouble"),
        (SignalKind.RESTORE, "panic", "burglary", "panic"),
        (SignalKind.RESTORE, "panic", "trouble", "trouble"),
        (SignalKind.CANCEL, "panic", None, "panic"),
    ],
)
def test_category(signal, endpoint, event, expected):
    assert category_of(signal, endpoint, event) == expected


@pytest.mark.parametrize(
    ("restored", "active", "ends"),
    [
        (("001", "panic"), ("001", "panic"), True),
        (("002", "panic"), ("001", "panic"), False),
        (("001", "trouble"), ("001", "panic"), False),  # a battery that recovers
        (("001", None), ("001", "panic"), True),
        (("001", "panic"), ("001", None), True),
    ],
)
def test_restore_ends_what_it_is_the_restore_of(restored, active, ends):
    assert Contact(*restored).restores(Contact(*active)) is ends


def test_restore_ends_the_alarm_of_a_zone_that_was_written_with_other_zeros():
    by_hand, by_panel = (
        sighting_of(SOUTH_BUTTON, AlarmSignal(signal=SignalKind.ALARM, zone=zone)).contact
        for zone in ("1", "001")
    )
    assert by_panel.restores(by_hand)
    assert not by_panel.restores(Contact("2", None))


def test_board_shows_alarm_before_tamper_before_fault():
    board = InputBoard()

    def see(kind: SignalKind, category: str | None = None) -> InputState:
        signal = AlarmSignal(signal=kind, line="north-gate", category=category)
        board.see(sighting_of(NORTH_BUTTON, signal))
        return board.state("north-gate-button")

    assert board.state("north-gate-button") is InputState.NORMAL
    assert see(SignalKind.TEST) is InputState.NORMAL
    assert see(SignalKind.BATTERY) is InputState.FAULT
    assert see(SignalKind.TAMPER) is InputState.TAMPER
    assert see(SignalKind.ALARM, "panic") is InputState.ALARM
    assert see(SignalKind.RESTORE, "panic") is InputState.TAMPER
    assert see(SignalKind.RESTORE) is InputState.NORMAL


def test_board_remembers_nothing_of_unknown_accounts():
    board = InputBoard()
    board.see(understand(DIRECTORY, "receiver-1", panel("9999", "001")))
    assert not board._active
