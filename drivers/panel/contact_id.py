"""What the event codes of Contact ID (SIA DC-05) mean, the whole public table. Pure.

A routine report (opening, bypass, test, log) is a `SignalKind.TEST`: it is recorded and calls
nobody; its category says which routine. Tamper, fault, battery and lost are category ``trouble``.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.ports import SignalKind


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one event code says. ``category`` is None where the code does not tell."""

    signal: SignalKind
    category: str | None
    text: str


_KINDS = {kind.value: kind for kind in SignalKind}

# Each line: code, signal, category, name. The names are the standard's, in our words.
_TABLE = """
100 alarm medical medical
101 alarm medical personal emergency
102 alarm medical failed to report in
110 alarm fire fire
111 alarm fire smoke
112 alarm fire combustion
113 alarm fire water flow
114 alarm fire heat
115 alarm fire pull station
116 alarm fire duct
117 alarm fire flame
118 alarm fire near alarm of fire
120 alarm panic panic
121 alarm duress duress
122 alarm panic silent panic
123 alarm panic audible panic
124 alarm duress duress, access granted
125 alarm duress duress, egress granted
129 alarm panic confirmed panic
130 alarm burglary burglary
131 alarm burglary perimeter
132 alarm burglary interior
133 alarm burglary 24 hour zone
134 alarm burglary entry or exit
135 alarm burglary day or night zone
136 alarm burglary outdoor
137 tamper trouble tamper
138 alarm burglary near alarm of burglary
139 alarm burglary intrusion verified
140 alarm burglary general alarm
141 fault trouble polling loop open
142 fault trouble polling loop short
143 fault trouble expansion module failure
144 tamper trouble sensor tamper
145 tamper trouble expansion module tamper
146 alarm burglary silent burglary
147 lost trouble sensor supervision failure
150 alarm environment 24 hour non-burglary
151 alarm gas gas
152 alarm environment refrigeration
153 alarm environment loss of heat
154 alarm water water leakage
155 alarm burglary foil break
156 fault trouble day trouble
157 alarm gas low bottled gas level
158 alarm environment high temperature
159 alarm environment low temperature
161 alarm environment loss of air flow
162 alarm gas carbon monoxide
163 alarm environment tank level
168 alarm environment high humidity
169 alarm environment low humidity
200 fault trouble fire supervisory
201 fault trouble low water pressure
202 fault trouble low carbon dioxide
203 fault trouble gate valve sensor
204 fault trouble low water level
205 fault trouble pump activated
206 fault trouble pump failure
300 fault trouble system trouble
301 fault trouble loss of mains
302 battery trouble low system battery
303 fault trouble RAM checksum bad
304 fault trouble ROM checksum bad
305 fault trouble system reset
306 fault trouble panel programming changed
307 fault trouble self-test failure
308 fault trouble system shutdown
309 battery trouble battery test failure
310 fault trouble ground fault
311 battery trouble battery missing or dead
312 fault trouble power supply overcurrent
313 fault trouble engineer reset
314 fault trouble primary power supply failure
316 tamper trouble system tamper
320 fault trouble sounder or relay
321 fault trouble bell 1
322 fault trouble bell 2
323 fault trouble alarm relay
324 fault trouble trouble relay
325 fault trouble reversing relay
326 fault trouble notification circuit 3
327 fault trouble notification circuit 4
330 fault trouble system peripheral
331 fault trouble polling loop open
332 fault trouble polling loop short
333 fault trouble expansion module failure
334 fault trouble repeater failure
335 fault trouble printer out of paper
336 fault trouble printer failure
337 fault trouble expansion module DC loss
338 battery trouble expansion module low battery
339 fault trouble expansion module reset
341 tamper trouble expansion module tamper
342 fault trouble expansion module loss of mains
343 fault trouble expansion module self-test failure
344 fault trouble radio receiver jammed
345 fault trouble encryption disabled
350 fault trouble communication
351 fault trouble telephone line 1
352 fault trouble telephone line 2
353 fault trouble long range radio transmitter
354 fault trouble failure to communicate an event
355 lost trouble loss of radio supervision
356 lost trouble loss of central polling
357 fault trouble long range radio antenna
358 fault trouble periodic communication test
359 fault trouble communication path
370 fault trouble protection loop
371 fault trouble protection loop open
372 fault trouble protection loop short
373 fault trouble fire zone trouble
374 fault trouble exit error, zone
375 fault trouble panic zone trouble
376 fault trouble hold-up zone trouble
377 fault trouble swinger
378 fault trouble cross-zone
380 fault trouble sensor trouble
381 lost trouble loss of supervision, wireless
382 lost trouble loss of supervision, bus
383 tamper trouble sensor tamper
384 battery trouble wireless low battery
385 fault trouble smoke detector too sensitive
386 fault trouble smoke detector not sensitive
387 fault trouble intrusion detector too sensitive
388 fault trouble intrusion detector not sensitive
389 fault trouble sensor self-test failure
391 fault trouble sensor watch
392 fault trouble drift compensation
393 lost trouble device lost or in need of maintenance
400 test access opening or closing
401 test access opening or closing by user
402 test access group opening or closing
403 test access automatic opening or closing
404 test access late opening or closing
405 test access deferred opening or closing
406 cancel - cancelled by user
407 test access remote arming or disarming
408 test access quick arming
409 test access key switch opening or closing
411 test access callback requested
412 test access download successful
413 test access access unsuccessful
414 test access system shutdown command
415 test access dialler shutdown command
416 test access upload successful
421 test access access denied
422 test access access report by user
423 alarm burglary forced access
424 test access egress denied
425 test access egress granted
426 test access door propped open
427 fault trouble door status monitor
428 fault trouble request to exit
429 test access access program mode entered
430 test access access program mode left
431 test access access threat level changed
432 fault trouble access relay failure
433 test access request to exit shunted
434 test access door status monitor shunted
441 test access armed stay
442 test access key switch armed stay
450 test access exceptional opening or closing
451 test access early opening or closing
452 test access late opening or closing
453 test access failed to open
454 test access failed to close
455 test access automatic arming failed
456 test access partly armed
457 test access exit error, user
458 test access user on premises
459 test access recent closing
461 test access wrong code
462 test access legal code
463 test access armed again after alarm
464 test access automatic arming time extended
465 test access panic alarm reset
466 test access service on or off premises
501 test bypass access reader disabled
520 test bypass sounder or relay disabled
521 test bypass bell 1 disabled
522 test bypass bell 2 disabled
523 test bypass alarm relay disabled
524 test bypass trouble relay disabled
525 test bypass reversing relay disabled
526 test bypass notification circuit 3 disabled
527 test bypass notification circuit 4 disabled
531 test bypass module added
532 test bypass module removed
551 test bypass dialler disabled
552 test bypass radio transmitter disabled
553 test bypass remote upload or download disabled
570 test bypass zone bypassed
571 test bypass fire bypassed
572 test bypass 24 hour zone bypassed
573 test bypass burglary bypassed
574 test bypass group bypassed
575 test bypass swinger bypassed
576 test bypass access zone shunted
577 test bypass access point bypassed
601 test test manual test
602 test test periodic test
603 test test periodic radio transmission
604 test test fire test
605 test log status report to follow
606 test log listen-in to follow
607 test test walk test
608 test test periodic test, trouble present
609 test log video transmitter active
611 test test point tested
612 test test point not tested
613 test test intrusion zone walk tested
614 test test fire zone walk tested
615 test test panic zone walk tested
616 test log service requested
621 test log event log reset
622 test log event log half full
623 test log event log 90 % full
624 test log event log overflow
625 test log time set
626 test log time inaccurate
627 test log program mode entered
628 test log program mode left
629 test log event log marker
630 test log schedule changed
631 test log exception schedule changed
632 test log access schedule changed
641 fault trouble senior watch
642 test log latch-key supervision
651 test log reserved
652 test log reserved
653 test log reserved
654 fault trouble system inactivity
"""


def parse_table(table: str) -> dict[str, Meaning]:
    """Lines of ``code signal category name`` as a table; ``-`` is no category."""
    rows = (line.split(" ", 3) for line in table.strip().splitlines())
    return {
        code: Meaning(_KINDS[signal], None if category == "-" else category, text)
        for code, signal, category, text in rows
    }


EVENTS = parse_table(_TABLE)
"""Three-digit event code to what it means when it is new."""

# A code that is not in the table still says by its first digit what it is about.
_BY_HUNDRED = {
    "1": Meaning(SignalKind.ALARM, None, "unlisted alarm"),
    "4": Meaning(SignalKind.TEST, "access", "unlisted access report"),
    "5": Meaning(SignalKind.TEST, "bypass", "unlisted bypass"),
    "6": Meaning(SignalKind.TEST, "log", "unlisted test or log report"),
}
_UNLISTED = Meaning(SignalKind.FAULT, "trouble", "unlisted event")


def meaning(qualifier: str, event: str) -> Meaning:
    """What ``qualifier`` (E new, R restore, P previous report) and ``event`` say together.

    P counts as E. The restore of a routine report or of a cancel is no restore of an alarm.
    """
    known = EVENTS.get(event) or _BY_HUNDRED.get(event[0], _UNLISTED)
    if qualifier != "R" or known.signal in (SignalKind.TEST, SignalKind.CANCEL):
        return known
    return Meaning(SignalKind.RESTORE, known.category, f"{known.text}, restored")
