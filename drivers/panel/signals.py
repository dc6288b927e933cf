"""From a panel's line to what the gateway is told. Pure."""

from __future__ import annotations

import re

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


def meaning_of(code: str) -> AlarmSignal | None:
    """What an event code says without a line around it; None where it is no code of ours."""
    if re.fullmatch(r"[ERP][0-9A-F]{3}", code):
        said = contact_id.meaning(code[0], code[1:])
        code = f"{'R' if code[0] == 'R' else 'E'}{code[1:]}"
    elif re.fullmatch(r"[A-Z]{2}", code):
        said = sia.meaning(code)
    else:
        return None
    return AlarmSignal(signal=said.signal, code=code, category=said.category, text=said.text)
