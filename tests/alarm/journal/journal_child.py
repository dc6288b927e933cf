"""A process with a journal, for tests: reads commands on stdin, answers each with one line.

    python journal_child.py PATH [SYNCHRONOUS]

``append KEY SIZE`` answers ``stored SEQ`` or ``error TEXT``, ``soon KEY SIZE`` does not wait; ``keys`` answers the keys of all rows;
``fault`` the journal's fault; ``close`` closes and ends; ``storm`` appends until it is killed, a line
``stored KEY`` for each that is on disk; ``accept`` accepts signals, says ``stored ID`` of each, and decides
them later.
"""

import asyncio
import itertools
import sys
from pathlib import Path

from gateway.alarm.journal import journal as journal_module
from gateway.alarm.journal import writer
from gateway.alarm.journal.journal import Journal, Kind, Row
from gateway.alarm.signals import accepted
from gateway.errors import StorageError
from gateway.ports import AlarmSignal, SignalKind

writer._CHECKPOINT_BYTES = 200_000  # so that short tests meet checkpoints
journal_module._CLOSE_TIMEOUT = 0.5


async def storm(journal: Journal, number: int) -> None:
    for count in itertools.count():
        key = f"{number}-{count}"
        await journal.append([Row("note", key, bytes(50 * (count % 40))), Row("note", key, b"")])
        print("stored", key, flush=True)


async def accept(journal: Journal, number: int) -> None:
    signal = AlarmSignal(signal=SignalKind.ALARM, account="1234", zone="001", code="E120")
    for count in itertools.count():
        key = f"{number}-{count}"
        ids = [f"{key}-{one}" for one in range(1 + count % 20)]
        entries = [accepted.Entry(one, "receiver-1", signal) for one in ids]
        await journal.append([accepted.row_of(key, 0.0, entries)])
        for one in ids:
            print("stored", one, flush=True)
        for one in ids:
            await journal.append([Row(Kind.SIGNAL, one, b"{}")])
        journal.append_soon([Row(Kind.DECIDED, key, b"")])


async def main(path: str, synchronous: str = "FULL") -> None:
    Journal.SYNCHRONOUS = synchronous
    journal = Journal(Path(path))
    try:
        await journal.open()
    except StorageError as error:
        print("refused", error, flush=True)
        return
    print("open", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        command, *arguments = line.split()
        try:
            if command == "append":
                key, size = arguments
                answer = f"stored {await journal.append([Row('note', key, bytes(int(size)))])}"
            elif command == "soon":
                journal.append_soon([Row("note", arguments[0], bytes(int(arguments[1])))])
                answer = "soon"
            elif command == "keys":
                answer = " ".join(row.key for row in await journal.events(0, float("inf")))
            elif command == "storm":
                await asyncio.gather(*(storm(journal, number) for number in range(8)))
            elif command == "accept":
                await asyncio.gather(*(accept(journal, number) for number in range(8)))
            elif command == "fault":
                answer = str(journal.fault)
            else:
                break
        except StorageError as error:
            answer = f"error {error}"
        print(answer, flush=True)
    await journal.close()
    print("closed", flush=True)


asyncio.run(main(*sys.argv[1:]))
