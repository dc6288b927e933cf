"""What a signal of a driver means: whose it is, its category, and the state of the input. Pure.

Rules (contract, section 2 "Alarms and incidents" and "From a panel"):

Rule 1. A panel's signal belongs to the endpoint of its account and zone; an endpoint without
        ``zone`` has every zone of its account that no other endpoint has. A line's signal belongs
        to the endpoint of that line. What was written with or without leading zeros is the same,
        where that leaves one endpoint only.
Rule 2. A signal of an account, zone or line without an endpoint is a trouble, whatever it said.
Rule 3. Tamper, fault, battery and lost are category trouble; a test is category test, or which
        routine report its code says. Else the endpoint's ``category`` wins over the event code's;
        but a code that means trouble or test stays one, so that neither pages as a panic.
Rule 4. Each zone of an endpoint, and each kind of event on it, goes into alarm and is restored by
        itself: a battery that recovers restores no panic.
Rule 5. What is in alarm shows before what is tampered with, that before what is faulty.
Rule 6. What carries one of the endpoint's duress codes, or the digits of one of its duress users, is
        an alarm of category duress, whatever else it says, also a cancel, an opening or a restore.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from gateway.alarm.plans.plan import (
    DURESS,
    QUIET_CATEGORIES,
    TEST,
    TROUBLE,
    SourceFacts,
    counted_code,
)
from gateway.ports import AlarmSignal, SignalKind

_TROUBLES = frozenset(
    {SignalKind.TAMPER, SignalKind.FAULT, SignalKind.BATTERY, SignalKind.LOST},
)


class InputState(StrEnum):
    """An alarm input as it stands (contract: EndpointState.input)."""

    NORMAL = "normal"
    ALARM = "alarm"
    TAMPER = "tamper"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Contact:
    """One thing at an endpoint that goes into alarm and is restored: a line or zone, and a kind.

    ``kind`` is the category of the driver's own event code; None where it gave none.
    """

    where: str
    kind: str | None
    of: str | None = None
    """Whose it is, in an incident that goes on for others beside its own subject; else None."""

    def restores(self, active: Contact) -> bool:
        """Whether a restore of this ends an alarm of ``active`` (rules 1 and 4)."""
        kinds = {self.kind, active.kind}
        same = self.of == active.of and _digits(self.where) == _digits(active.where)
        return same and (None in kinds or len(kinds) == 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A signal as the gateway understands it.

    ``subject`` names what later signals must share to join its incident: the endpoint, or the
    address that no endpoint has. ``signal`` and ``category`` are the effective ones.
    """

    source: SourceFacts | None
    subject: str
    signal: SignalKind
    category: str | None
    contact: Contact
    code: str | None
    account: str | None
    zone: str | None
    text: str
    covert: bool = False
    shelved: bool = False
    walk: bool = False
    """A press of a walk test: no incident comes of it, whatever plans say."""
    folded: int = 0
    """How many silent signals of its subject this one stands for."""
    silent: bool = False
    """Of a flapping input: stored, and told only in the count of a later one (`folding`)."""
    by: str | None = None
    """Who raised it by hand."""

    @property
    def quiet(self) -> bool:
        """A trouble, a test or a routine report: it pages nobody as a panic and joins no incident."""
        return self.category in QUIET_CATEGORIES


def category_of(signal: SignalKind, endpoint: str | None, event: str | None) -> str | None:
    """The effective category (rule 3), from the ``category`` of the endpoint and of the event."""
    if signal in _TROUBLES:
        return TROUBLE
    if signal is SignalKind.TEST:
        return event if event in QUIET_CATEGORIES else TEST
    if event in QUIET_CATEGORIES:
        return event
    return endpoint or event


class Directory:
    """Finds the endpoint of a signal (rule 1)."""

    def __init__(self, sources: Iterable[SourceFacts]) -> None:
        self._exact: dict[tuple[str, ...], SourceFacts] = {}
        self._loose: dict[tuple[str, ...], SourceFacts | None] = {}
        self._by_name: dict[str, SourceFacts] = {}
        for source in sources:
            self._by_name[source.endpoint] = source
            if source.input is None:
                continue
            for address in _addresses(source):
                self._exact.setdefault(address, source)
                loose = _loosened(address)
                known = self._loose.setdefault(loose, source)
                if known is not source:
                    self._loose[loose] = None

    def named(self, endpoint: str) -> SourceFacts | None:
        return self._by_name.get(endpoint)

    def find(self, input_name: str, signal: AlarmSignal) -> SourceFacts | None:
        if signal.account is None:
            return self._look(input_name, "line", signal.line) if signal.line else None
        account = signal.account
        zoned = self._look(input_name, "zone", account, signal.zone) if signal.zone else None
        return zoned or self._look(input_name, "account", account)

    def _look(self, *address: str | None) -> SourceFacts | None:
        words = tuple(word or "" for word in address)
        return self._exact.get(words) or self._loose.get(_loosened(words))


def _addresses(source: SourceFacts) -> Iterable[tuple[str, ...]]:
    assert source.input is not None
    if source.account is None:
        # A virtual input names the endpoint itself where it has no line.
        yield source.input, "line", source.line or source.endpoint
    elif source.zone is None:
        yield source.input, "account", source.account
    else:
        yield source.input, "zone", source.account, source.zone


def _loosened(address: tuple[str, ...]) -> tuple[str, ...]:
    if address[1] == "line":
        return address
    return (*address[:2], *(_digits(word) for word in address[2:]))


def _digits(word: str) -> str:
    """An account or zone without what may be written or left out."""
    return word.strip().lstrip("0").upper()


def understand(directory: Directory, input_name: str, signal: AlarmSignal) -> Sighting:
    """One signal of the input ``input_name``, by rules 1 to 4."""
    source = directory.find(input_name, signal)
    if source is not None:
        return sighting_of(source, signal)
    address = "/".join(part for part in (signal.account, signal.zone, signal.line) if part)
    text = signal.text
    if address:
        said = " ".join(part for part in (signal.signal.value, signal.code, signal.text) if part)
        text = f"{input_name}: no endpoint for {_describe(signal)}: {said}"
    return Sighting(
        source=None,
        subject=f"{input_name}:{address}",
        signal=signal.signal if signal.signal in _TROUBLES else SignalKind.FAULT,
        category=TROUBLE,
        contact=Contact(address, TROUBLE),
        code=signal.code,
        account=signal.account,
        zone=signal.zone,
        text=text,
    )


def sighting_of(source: SourceFacts, signal: AlarmSignal) -> Sighting:
    """A signal that is known to be of ``source``."""
    where = signal.zone or signal.line or ""
    kind = TROUBLE if signal.signal in _TROUBLES else signal.category
    kind_of_signal, category = (
        signal.signal,
        category_of(signal.signal, source.category, signal.category),
    )
    under_duress = _is_under_duress(source, signal)
    if under_duress:
        kind_of_signal, category, kind = SignalKind.ALARM, DURESS, DURESS
    return Sighting(
        source=source,
        subject=source.endpoint,
        signal=kind_of_signal,
        category=category,
        contact=Contact(where, kind),
        code=signal.code,
        account=signal.account,
        zone=signal.zone,
        text=signal.text,
        covert=source.guard.covert or under_duress,
    )


def _is_under_duress(source: SourceFacts, signal: AlarmSignal) -> bool:
    """Rule 6."""
    guard = source.guard
    if signal.signal in _TROUBLES or not (guard.duress_codes or guard.duress_zones):
        return False
    codes = {_digits(counted_code(code) or "") for code in guard.duress_codes}
    zones = {_digits(zone) for zone in guard.duress_zones}
    code = signal.code and _digits(counted_code(signal.code) or "")
    return code in codes or (signal.zone is not None and _digits(signal.zone) in zones)


class InputBoard:
    """The state of each endpoint's input, from what was seen since the start (rules 4 and 5)."""

    def __init__(self) -> None:
        self._active: dict[str, dict[Contact, InputState]] = {}

    def see(self, sighting: Sighting) -> None:
        if sighting.source is None:
            return
        active = self._active.setdefault(sighting.source.endpoint, {})
        if sighting.signal is SignalKind.RESTORE:
            for contact in [one for one in active if sighting.contact.restores(one)]:
                del active[contact]
        elif sighting.signal is SignalKind.TAMPER:
            active[sighting.contact] = InputState.TAMPER
        elif sighting.signal in _TROUBLES:
            active[sighting.contact] = InputState.FAULT
        elif sighting.signal is SignalKind.ALARM:
            active[sighting.contact] = InputState.ALARM

    def state(self, endpoint: str) -> InputState:
        found = self._active.get(endpoint, {}).values()
        return next((state for state in _PRECEDENCE if state in found), InputState.NORMAL)


_PRECEDENCE = (InputState.ALARM, InputState.TAMPER, InputState.FAULT)


def _describe(signal: AlarmSignal) -> str:
    if signal.account is None:
        return f"line {signal.line}"
    return f"account {signal.account}" + (f", zone {signal.zone}" if signal.zone else "")
