"""What the event codes of SIA DC-03 mean. Pure.

Most codes are made of a letter for the kind of zone and a letter for what happened to it; the
rest are listed. See `drivers.panel.contact_id` for the meaning of signals and categories.
"""

from __future__ import annotations

from drivers.panel.contact_id import Meaning, parse_table
from gateway.ports import SignalKind

_ZONES = {
    "B": ("burglary", "burglary"),
    "F": ("fire", "fire"),
    "G": ("gas", "gas"),
    "H": ("duress", "hold-up"),
    "K": ("fire", "heat"),
    "M": ("medical", "medical"),
    "P": ("panic", "panic"),
    "Q": ("medical", "emergency"),
    "S": ("fire", "sprinkler"),
    "T": ("trouble", "tamper"),
    "U": (None, "untyped zone"),
    "W": ("water", "water"),
    "Z": ("environment", "freeze"),
}
"""First letter to category and name."""

# Each line: code, signal, category, name. These win over the pattern.
_TABLE = """
AA tamper trouble panel substituted
AB cancel - aborted by user
AN restore trouble analogue input restored
AR restore trouble mains restored
AS fault trouble analogue service
AT fault trouble loss of mains
BC cancel burglary burglary cancelled
BD fault trouble swinger
BE restore trouble swinger restored
BG test log unverified burglary
BM alarm burglary burglary, cross point
BV alarm burglary burglary verified
BZ lost trouble missing supervision
CI test access failed to close
CM alarm burglary alarm after recent closing
DF alarm burglary door forced
DJ fault trouble door forced
DK test access access locked out
DL alarm burglary door left open
DM fault trouble door left open
DT fault trouble access
EA alarm burglary exit alarm
EE fault trouble exit error
EJ restore trouble expansion tamper restored
EM lost trouble expansion device missing
EN restore trouble expansion device found
ER restore trouble expansion restored
ES tamper trouble expansion device tamper
ET fault trouble expansion
EX fault trouble external device
EZ lost trouble missing alarm, exit error
FC cancel fire fire cancelled
FG test log unverified fire
FI test test fire test begun
FK test test fire test ended
FL test log fire alarm silenced
FM alarm fire fire, cross point
FQ restore trouble fire supervisory trouble restored
FV restore trouble fire supervision restored
FW fault trouble fire supervisory
FY lost trouble missing fire trouble
FZ lost trouble missing fire supervision
IA fault trouble equipment failure
IR restore trouble equipment restored
JA tamper trouble user code tamper
JC restore trouble user code tamper ended
LR restore trouble phone line restored
LT fault trouble phone line
MI test log message
NA fault trouble no activity
NC fault trouble network condition
NR restore trouble network restored
NS restore trouble activity resumed
NT fault trouble network failure
OC cancel - cancelled by user
OU fault trouble output
OV restore trouble output restored
PC test log photo on demand enabled
PD test log photo on demand disabled
PE test log photo by scenario enabled
PF fault trouble malfunction
PG test log photo by scenario disabled
PO restore trouble malfunction ended
RP test test periodic test
RR restore trouble power up
RT fault trouble data lost
RX test test manual test
RY test test test off normal
SC test log change of state
SM fault trouble malfunction
TA tamper trouble tamper
TC test test all points tested
TE test test test ended
TP test test walk test point
TS test test test begun
TW test test area watch begun
TX test test test report
TZ test test area watch ended
UG test log unverified event
UY lost trouble untyped zone missing
UZ lost trouble untyped zone missing, alarm
VI restore trouble printer paper in
VO fault trouble printer out of paper
VR restore trouble printer restored
VT fault trouble printer
VX test test printer test
VY restore trouble printer online
VZ fault trouble printer offline
XA test log extra account report
XC restore trouble malfunction ended
XE fault trouble extra point
XF fault trouble extra radio point
XH restore trouble radio interference ended
XI test log sensor reset
XJ restore trouble radio receiver tamper restored
XL lost trouble low received signal
XM alarm burglary missing alarm, cross point
XQ fault trouble radio interference
XR restore trouble transmitter battery restored
XS tamper trouble radio receiver tamper
XT battery trouble transmitter battery
XW test bypass forced point
XX fault trouble failed to test
YA fault trouble bell
YB fault trouble busy seconds
YC fault trouble communication failed
YD fault trouble receiver line card
YE restore trouble receiver line card restored
YF fault trouble parameter checksum
YG fault trouble parameter changed
YH restore trouble bell restored
YI fault trouble overcurrent
YJ restore trouble overcurrent ended
YK restore trouble communication restored
YM battery trouble battery missing
YN fault trouble invalid report
YO fault trouble unknown message
YP fault trouble power supply
YQ restore trouble power supply restored
YR restore trouble battery restored
YS fault trouble communication
YT battery trouble system battery
YU fault trouble diagnostic error
YW fault trouble watchdog reset
YX fault trouble service required
YY test log status report
YZ test log service completed
ZY test log common event
ZZ test log common event
"""

EVENTS = parse_table(_TABLE)
"""Codes that do not follow the pattern."""

# First letters of which every unlisted code is a routine report.
_ROUTINE = {
    "A": "access",  # arming
    "C": "access",  # closing
    "D": "access",  # doors
    "J": "log",  # users, clock, log
    "L": "log",  # local programming, listen-in
    "N": "access",  # partial arming
    "O": "access",  # opening
    "R": "log",  # remote programming, relays
}


def meaning(event: str) -> Meaning:
    """What the two letters of ``event`` say."""
    if event in EVENTS:
        return EVENTS[event]
    zone, what = event[0], event[1]
    if zone in _ZONES:
        category, name = _ZONES[zone]
        match what:
            case "A":
                return Meaning(SignalKind.ALARM, category, name)
            case "H" | "R":  # R ends an alarm as well as a trouble, so that a latch can be reset
                return Meaning(SignalKind.RESTORE, category, f"{name}, restored")
            case "J":
                return Meaning(SignalKind.RESTORE, "trouble", f"{name}, trouble restored")
            case "S" | "T":
                return Meaning(SignalKind.FAULT, "trouble", f"{name} zone trouble")
            case "B":
                return Meaning(SignalKind.TEST, "bypass", f"{name} bypassed")
            case "U":
                return Meaning(SignalKind.TEST, "bypass", f"{name} bypass ended")
            case "X":
                return Meaning(SignalKind.TEST, "test", f"{name} test")
            case _:
                pass
    if zone in _ROUTINE:
        return Meaning(SignalKind.TEST, _ROUTINE[zone], f"routine report {event}")
    return Meaning(SignalKind.FAULT, "trouble", f"unlisted event {event}")
