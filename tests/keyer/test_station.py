"""One endpoint in the keyer: its line machine on one or two ports."""

from dataclasses import dataclass

import pytest

from gateway.errors import DriverUnavailable
from gateway.keyer.line import Keepalive, Released
from gateway.keyer.protocol import Device, Open
from gateway.keyer.readback import Disagrees
from gateway.keyer.station import Station
from tests.keyer.radio import ScriptedDevice


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    port: str

    def occupies(self):
        return (self.port,)


class Bench:
    """Drivers that open scripted devices by the name of their port."""

    def __init__(self):
        self.devices = {"/dev/a": ScriptedDevice(), "/dev/b": ScriptedDevice()}
        self.notes = []

    def driver(self, family, name):
        if name != "wire":
            raise DriverUnavailable(name, "there is no such driver")

        devices = self.devices

        class Wire:
            def __init__(self, _name, ptt, squelch):
                self.options = ptt or squelch

            def open(self):
                return devices[self.options.port].open()

        return Wire

    def options(self, family, name):
        return Options

    def station(self, ptt, squelch):
        order = Open(
            3,
            "radio",
            ptt and Device("wire", {"port": ptt}),
            squelch and Device("wire", {"port": squelch}),
        )
        return Station(order, self, self.notes.append)


@pytest.fixture
def bench():
    return Bench()


def keep(station, now, **fields):
    given = {"talkgroup": "tg", "term": 1, "grant": 1, "tot": 30.0, "sent": now} | fields
    station.keepalive(Keepalive(**given), now)


def test_ptt_and_squelch_on_one_port_open_it_once(bench):
    station = bench.station("/dev/a", "/dev/a")
    station.step(0.0)
    assert len(bench.devices["/dev/a"].ports) == 1
    bench.devices["/dev/a"].port.squelch = True
    station.step(0.005)
    keep(station, 0.005)
    assert station.state().keyed
    assert station.state().squelch_open is True
    assert station.state().at == 0.005


def test_ptt_and_squelch_on_two_ports_fail_one_by_one(bench):
    station = bench.station("/dev/a", "/dev/b")
    station.step(0.0)
    bench.devices["/dev/b"].port.broken = "gone"
    bench.devices["/dev/b"].plugged_in = False
    keep(station, 0.01)
    station.step(0.01)
    assert station.state().keyed
    assert station.state().fault == "gone"


def test_a_line_is_keyed_and_released_on_its_device(bench):
    station = bench.station("/dev/a", None)
    station.step(0.0)
    port = bench.devices["/dev/a"].port
    keep(station, 0.0)
    assert port.keyed
    assert station.due() == pytest.approx(0.1)
    station.step(0.1)
    assert not port.keyed
    assert bench.notes == [Released.SILENT]


def test_a_device_that_fails_while_keyed_is_closed_and_reported(bench):
    station = bench.station("/dev/a", None)
    station.step(0.0)
    keep(station, 0.0)
    port = bench.devices["/dev/a"].port
    port.broken = "gone"
    station.unkey(0.02)
    assert port.closed
    assert not station.state().keyed
    assert station.state().fault == "gone"
    assert not station.released_for_sure


def test_a_device_that_fails_between_two_keepalives_releases_the_line(bench):
    station = bench.station("/dev/a", None)
    station.step(0.0)
    keep(station, 0.2)
    bench.devices["/dev/a"].port.broken = "gone"
    station.step(0.25)
    assert not station.state().keyed
    assert bench.notes == [Released.FAILED]


def test_a_line_that_does_not_follow_is_not_reported_as_keyed(bench):
    station = bench.station("/dev/a", None)
    station.step(0.0)
    bench.devices["/dev/a"].port.broken = "the line does not follow"
    keep(station, 0.0)
    assert not station.state().keyed
    assert bench.notes == [Released.FAILED]


def test_a_device_that_comes_back_is_keyed_by_the_next_keepalive(bench):
    station = bench.station("/dev/a", None)
    station.step(0.0)
    bench.devices["/dev/a"].port.broken = "gone"
    keep(station, 0.0)
    station.step(0.2)
    assert station.state().fault == ""
    assert not bench.devices["/dev/a"].port.keyed
    keep(station, 0.22)
    assert bench.devices["/dev/a"].port.keyed


def test_an_abandoned_station_releases_and_stays_released(bench):
    station = bench.station("/dev/a", None)
    station.step(0.0)
    keep(station, 0.0)
    station.abandon(0.02)
    keep(station, 0.03, grant=2)
    assert not bench.devices["/dev/a"].port.keyed
    station.step(0.3)
    assert station.released_for_sure


def test_a_squelch_that_is_lost_is_unknown(bench):
    station = bench.station(None, "/dev/b")
    station.step(0.0)
    bench.devices["/dev/b"].port.squelch = True
    station.step(0.005)
    bench.devices["/dev/b"].port.broken = "gone"
    station.step(0.01)
    assert station.state().squelch_open is None
    assert not station.state().keyed


def test_an_unknown_driver_is_a_fault_of_this_endpoint_only(bench):
    order = Open(1, "radio", Device("wier", {"port": "/dev/a"}), Device("wier", {"port": "/dev/a"}))
    station = Station(order, bench, bench.notes.append)
    station.step(0.0)
    assert "there is no such driver" in station.state().fault


def test_options_that_do_not_fit_are_a_fault_of_this_endpoint_only(bench):
    station = Station(Open(1, "radio", Device("wire", {"x": 1}), None), bench, bench.notes.append)
    station.step(0.0)
    assert "TypeError" in station.state().fault


def run(station, until, now=0.0):
    """Step the station whenever it is due; virtual time."""
    while station.due() <= until:
        now = max(now, station.due())
        station.step(now)
    return until


def test_a_transmitter_that_stays_keyed_is_a_fault_until_it_lets_go(bench):
    bench.devices["/dev/a"].transmits = False
    station = bench.station("/dev/a", None)
    station.step(0.0)
    port = bench.devices["/dev/a"].port
    keep(station, 0.0)
    port.transmits = True
    run(station, 0.4)
    assert bench.notes == [Released.SILENT]
    assert station.state().fault == ""
    run(station, 0.5)
    assert bench.notes == [Released.SILENT, Disagrees.STUCK]
    assert station.state().fault == "the transmitter stays keyed though it is released"
    assert not station.state().keyed
    port.transmits = False
    run(station, 0.6)
    assert station.state().fault == ""


def test_a_transmitter_that_does_not_follow_is_a_fault_and_stays_keyed(bench):
    bench.devices["/dev/a"].transmits = False
    station = bench.station("/dev/a", None)
    station.step(0.0)
    for at in range(20):
        keep(station, at * 0.02)
        run(station, at * 0.02)
    assert bench.notes == [Disagrees.NOT_KEYED]
    assert station.state().keyed
    assert "does not transmit" in station.state().fault


def test_a_transmitter_that_says_nothing_costs_no_looks(bench):
    station = bench.station("/dev/a", None)
    station.step(0.0)
    assert station.due() == pytest.approx(0.25)


def test_a_read_back_that_fails_is_a_fault_of_the_device(bench):
    bench.devices["/dev/a"].transmits = False
    station = bench.station("/dev/a", None)
    station.step(0.0)
    bench.devices["/dev/a"].port.broken = "gone"
    station.step(0.05)
    assert station.state().fault == "gone"
