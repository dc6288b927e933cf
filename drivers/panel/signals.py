"""From a panel's line to what the gateway is told. Pure."""

from __future__ import annotations

from drivers.panel import contact_id, sia
from drivers.panel.surgard import ContactIdLine, SiaLine, Undecoded
from gateway.ports import AlarmSignal, SignalKind


def signal_of(frame: ContactIdLine | SiaLine | Undecoded) -> AlarmSignal:
    """The signal that a line carries; a line that nobody understands is a trouble."""
    if isinstance(frame, Undecoded):
        text = frame.line.decode("ascii", "backslashreplace")
        return AlarmSignal(
            signal=SignalKind.FAULT, category="trouble", text=f"line not understood: {text}"
        )
    if isinstance(frame, ContactIdLine):
        said = contact_id.meaning(frame.qualifier, frame.event)
        # A previous report counts as a new one (contract, "Alarms and incidents").
        code = f"{'R' if frame.qualifier == 'R' else 'E'}{frame.event}"
    else:
        said = sia.meaning(frame.event)
        code = frame.event
    return AlarmSignal(
        signal=said.signal,
        account=frame.account,
        zone=frame.zone,
        code=code,
        category=said.category,
        text=said.text,
    )
