"""Starts `baiying run` again and again, each time in a fresh fork of a process that imported it once.

    python crash_starter.py CONFIG [early|accepting|forgetful]

The gateway is the product's own command, whole; only the second or two of imports is saved. Each
line on stdin starts one and is answered with its process id; an empty line waits for its end.
With ``early`` the panel is answered before the commit: the control, which must lose presses. With
``accepting`` every signal is accepted as in a storm and decided `LATER`; ``forgetful`` is the control of
that, whose starts do not look for what was accepted.
"""

import os
import sys

import drivers.panel.driver
import gateway.app
import gateway.cli.run
from gateway.alarm import recall
from gateway.alarm.desk import Desk
from gateway.alarm.signals import acceptance, reception
from gateway.cli import main as command

LATER = 0.06
"""Seconds: three times what a commit takes on the slowed disk."""


def answer_first(self, input_name, signal, told, take=Desk.take):
    take(self, input_name, signal, lambda _stored: None)
    told(True)


def accept_everything():
    acceptance.MANY = 1
    acceptance.DENSE = 0.0
    acceptance.Acceptance.is_on = lambda _self, _now: True
    reception.PAUSE = LATER


async def nothing(_journal, _rows):
    return ()


def main(config, mode=""):
    assert drivers.panel.driver
    assert gateway.app
    if mode == "early":
        Desk.take = answer_first
    if mode in ("accepting", "forgetful"):
        accept_everything()
    if mode == "forgetful":
        recall._undecided = nothing
    child = 0
    print("imported", flush=True)
    for line in sys.stdin:
        if not line.strip():
            os.waitpid(child, 0)
            print("ended", flush=True)
            continue
        child = os.fork()
        if child == 0:
            os.close(0)
            os.open(os.devnull, os.O_RDONLY)
            sys.argv = ["baiying", "run", config]
            command.main()
        print(child, flush=True)


main(*sys.argv[1:])
