"""States and events of the two floor machines, and the tables of docs/voice.md that come of them.

``python -m tests.voice.floor.floor_table`` writes the tables into docs/voice.md; a test compares them.
"""

from pathlib import Path

from gateway.voice.floor.actions import (
    Answer,
    FloorOptions,
    Op,
    Request,
    Show,
    State,
    StoreTerm,
    Stray,
)
from gateway.voice.floor.causes import Deny, Revoke
from gateway.voice.floor.controller import Floor
from gateway.voice.floor.participant import Participant
from gateway.voice.floor.participant_actions import (
    Granted,
    Outcome,
    Queued,
    Refused,
    Revoked,
    Send,
    Warn,
)
from gateway.voice.rtp import Token

DOCS = Path(__file__).parents[3] / "docs" / "voice.md"
A, B, C, D = "alpha/radio", "beta/radio", "gamma/radio", "delta/radio"
WHO = {A: "holder", B: "other", C: "third", D: "fourth"}


class Controller:
    """A controller that leads, with a disk that answers at once; seconds of its life."""

    def __init__(self, **options):
        self.floor = Floor(FloorOptions(**options))
        self.now = 0.0
        self.shown = None
        self.strays = []
        self.do(self.floor.lead(0.0))

    def do(self, actions):
        """Carry out actions; the answers among them."""
        told, terms = [], []
        for action in actions:
            match action:
                case StoreTerm(term):
                    terms.append(term)
                case Show():
                    self.shown = action
                case Stray(what):
                    self.strays.append(what)
                case Answer():
                    told.append(action)
        for term in terms:
            told += self.do(self.floor.stored(term, self.now))
        return told

    def wait(self, until):
        """What falls due until then, each to the instant."""
        told = []
        for _ in range(1000):
            due = self.floor.deadline()
            if due is None or due > until:
                break
            self.now = max(self.now, due)
            told += self.do(self.floor.tick(self.now))
        else:
            raise AssertionError("a deadline that is not met by its tick")
        self.now = until
        return told

    def ask(self, talker, priority=100, *, emergency=False, seq=1):
        return self.do(self.floor.request(Request(talker, priority, emergency, seq), self.now))

    def release(self, talker):
        return self.do(self.floor.release(talker, self.now))

    def media(self, talker, token=None):
        """A packet of ``talker``, and what it is told for it."""
        client = talker.partition("/")[0]
        token = token or self.floor.token
        if self.floor.media(client, token, self.now):
            return []
        return self.do(self.floor.stray_media(client, talker, token, self.now))

    def talk(self, talker, until):
        """A packet each 0.1 s until then."""
        told = []
        while self.now < until - 1e-9:
            told += self.wait(min(round(self.now + 0.1, 6), until))
            told += self.media(talker)
        return told

    def position(self, talker, seq=1):
        return self.do(self.floor.position(talker, seq, self.now))

    def ack(self, talker):
        return self.do(self.floor.acknowledged(talker))

    def offline(self, talker):
        return self.do(self.floor.offline(talker.partition("/")[0], self.now))


def idle(**options):
    return Controller(**options)


def granted(**options):
    """``holder`` is granted and has sent nothing."""
    table = Controller(**options)
    table.ask(A)
    return table


def taken(**options):
    """``holder`` talks, at 100; its last packet is of now."""
    table = granted(**options)
    table.wait(1.0)
    table.media(A)
    return table


def queue(**options):
    """``holder`` talks, ``other`` and ``third`` wait."""
    table = taken(**({"queue_length": 2} | options))
    table.ask(B)
    table.ask(C)
    return table


def turn(**options):
    """``other`` was granted out of the queue and has sent nothing; ``third`` waits."""
    table = queue(**options)
    table.release(A)
    return table


def preempted(**options):
    """``holder`` was revoked for ``other``, at 200, and has not stopped."""
    table = taken(**options)
    table.ask(B, 200)
    return table


def timed_out(**options):
    """``holder`` was revoked at its talk limit and has not stopped."""
    table = taken(**options)
    table.talk(A, 31.0)
    return table


def hang(**options):
    table = taken(**options)
    table.release(A)
    return table


STATES = {
    "idle": idle,
    "taken, no media yet": granted,
    "taken": taken,
    "taken, two wait": queue,
    "taken, turn of other": turn,
    "revoking, pre-empted": preempted,
    "revoking, timed out": timed_out,
    "hang": hang,
}
EVENTS = {
    "Request of fourth, 100": lambda table: table.ask(D),
    "Request of fourth, 201": lambda table: table.ask(D, 201),
    "Request of holder": lambda table: table.ask(A),
    "Release of holder": lambda table: table.release(A),
    "Release of other": lambda table: table.release(B),
    "Queue Position Request of other": lambda table: table.position(B),
    "Ack of other": lambda table: table.ack(B),
    "media of holder": lambda table: table.media(A, Token(1, 1)),
    "media of fourth": lambda table: table.media(D),
    "holder's client is offline": lambda table: table.offline(A),
    "nothing for 5 s": lambda table: table.wait(table.now + 5.0),
}


def _said(answer):
    who = WHO[answer.talker]
    match answer.op:
        case Op.GRANTED:
            return f"Granted {who} ({answer.tot:g} s)"
        case Op.QUEUED:
            return f"Position {answer.position} {who}"
        case Op.DENIED:
            return f"Deny {who} ({int(answer.cause)})"
        case _:
            return f"Revoke {who} ({int(answer.cause)})"


def _summary(said):
    """The same three times is told as ``3 x``."""
    short = []
    for one in said:
        if short and short[-1][0] == one:
            short[-1][1] += 1
        else:
            short.append([one, 1])
    return [one if count == 1 else f"{count} x {one}" for one, count in short]


def _rows(states, events, cell):
    yield "| event | " + " | ".join(states) + " |"
    yield "|---" * (len(states) + 1) + "|"
    for name, event in events.items():
        yield f"| **{name}** | " + " | ".join(cell(make, event) for make in states.values()) + " |"


def _controller_cell(make, event):
    table = make()
    before = (table.shown, len(table.strays))
    said = _summary([_said(answer) for answer in event(table)])
    if table.strays[before[1] :]:
        said.append("*stray*")
    state = table.shown.state
    if table.shown != before[0]:
        talker = WHO.get(table.shown.talker)
        queued = ", ".join(WHO[one] for one in table.shown.queue)
        shown = f"{state}{' ' + talker if talker else ''}{'; waits: ' + queued if queued else ''}"
        said.append(f"→ **{shown}**")
    return "<br>".join(said) or "–"


ME = "zju1/radio"


def _answered(op, **fields):
    def event(one, now):
        seq = fields.get("seq", 1)
        rest = {key: value for key, value in fields.items() if key not in ("seq", "token")}
        token = fields.get("token", Token(5, 1))
        return one.answer(Answer(op=op, talker=ME, seq=seq, token=token, **rest), now)

    return event


def silent():
    return Participant()


def asking():
    one = Participant()
    one.ask(100, False, 0.0)
    return one


def waiting():
    one = asking()
    _answered(Op.QUEUED, position=2)(one, 0.0)
    return one


def my_turn():
    one = waiting()
    _answered(Op.GRANTED, tot=30.0)(one, 0.0)
    return one


def talking():
    one = asking()
    _answered(Op.GRANTED, tot=30.0)(one, 0.0)
    one.sent(0.0)
    return one


def releasing():
    one = talking()
    one.release(0.0)
    return one


STAGES = {
    "silent": silent,
    "asking": asking,
    "queued": waiting,
    "turn": my_turn,
    "talking": talking,
    "releasing": releasing,
}
MEMBER_EVENTS = {
    "member asks, 200": lambda one, now: one.ask(200, False, now),
    "member releases": lambda one, now: one.release(now),
    "Granted": _answered(Op.GRANTED, tot=30.0, token=Token(5, 2)),
    "Position 1": _answered(Op.QUEUED, position=1),
    "Deny (1)": _answered(Op.DENIED, cause=Deny.ANOTHER_HAS_PERMISSION),
    "Revoke (4)": _answered(Op.REVOKED, cause=Revoke.PREEMPTED),
    "controller shows idle": lambda one, _: one.shown(State.IDLE, False, Token(5, 1)),
    "another controller": lambda one, now: one.controller_changed(now),
    "nothing for 40 s": lambda one, now: _until(one, now + 40.0),
}


def _until(one, end):
    out = []
    while (due := one.deadline()) is not None and due <= end:
        out += one.tick(due)
    return out


def _member_said(action):
    match action:
        case Send(op):
            return f"send {op}"
        case Granted():
            return "told granted"
        case Queued(position):
            return f"told place {position}"
        case Refused(cause):
            return f"told denied ({int(cause)})"
        case Revoked(cause):
            return f"told revoked ({int(cause)})"
        case Warn(left):
            return f"told {left:g} s are left"
        case Outcome(kind):
            return f"outcome {kind}"
        case _:
            return "*stray*"


def _member_cell(make, event):
    one = make()
    before = one.stage
    said = _summary([_member_said(action) for action in event(one, 0.5)])
    if one.stage is not before:
        said.append(f"→ **{one.stage.name.lower()}**")
    return "<br>".join(said) or "–"


def tables():
    """The lines of both tables, by their names in docs/voice.md."""
    return {
        "controller": list(_rows(STATES, EVENTS, _controller_cell)),
        "participant": list(_rows(STAGES, MEMBER_EVENTS, _member_cell)),
    }


def _marks(name):
    return f"<!-- {name} table: begin -->\n", f"<!-- {name} table: end -->"


def in_docs(name):
    """The lines of the table as docs/voice.md has it."""
    begin, end = _marks(name)
    return DOCS.read_text().partition(begin)[2].partition(end)[0].splitlines()


def write():
    text = DOCS.read_text()
    for name, lines in tables().items():
        begin, end = _marks(name)
        before, _, rest = text.partition(begin)
        text = before + begin + "\n".join(lines) + "\n" + end + rest.partition(end)[2]
    DOCS.write_text(text)


if __name__ == "__main__":
    write()
